"""The benchmarks' own parts: statistics, ratios, the rule of `--check`, the report; what is asked and answered; what is counted.

Nothing here is timed, and no figure is judged.
"""

import asyncio
import importlib
import io
import json
import os
import signal
import subprocess
import sys
import xml.etree.ElementTree as ElementTree
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from benchmarks import __main__ as all_benchmarks
from benchmarks import bare, children, load, others_clock, parsing_inside, peers, plots, ratios, report, streams
from benchmarks.children import BenchmarkError
from benchmarks.lateness import Lateness, find_drift, percentile, summarise
from benchmarks.load import Answered, Ask, Asker, Heard, Hold, Listen, Listener
from benchmarks.machine import describe_load
from benchmarks.memory import per_stream_kib
from benchmarks.punctuality import choose_median, make_drift_row, make_row, make_series
from benchmarks.row import (
    BARE,
    FRAMEWORK,
    OURS,
    PEER,
    YARDSTICK,
    Goal,
    Measured,
    Reading,
    Row,
    Series,
    best_peer,
    describe_goal,
    is_met,
    show_number,
)
from benchmarks.servers import PROGRAMS, choose
from client import ChatReader
from mockserver.plan import Terms, plan_turn
from mockserver.request import parse_request
from mockserver.scenario import Scenario
from mockserver.steps import Head, Write

ROOT = Path(__file__).parents[1]
TEXT = "".join(streams.make_pieces())


def row(better: Any = "more", goals: tuple[Goal, ...] = (), **figures: float) -> Row:
    """A row with some figures."""
    return Row("key", "figure", "events/s", better, figures, goals)


# Statistics


@given(st.lists(st.floats(-1e6, 1e6), min_size=1), st.floats(0.001, 1))
def test_a_percentile_is_the_smallest_value_that_enough_values_do_not_exceed(values: list[float], share: float) -> None:
    ordered = sorted(values)
    found = percentile(ordered, share)
    assert found in ordered
    # One value's worth of slack: a share of a count is no whole number, and no exact one.
    assert sum(value <= found for value in ordered) >= share * len(ordered) - 1e-6
    assert sum(value < found for value in ordered) < share * len(ordered) + 1e-6


def test_lateness_is_summed_up_over_all_events_early_ones_too() -> None:
    late = [-0.5, *([0.0] * 97), 0.25, 9.0]
    assert summarise(late, [0.01, 0.03, 0.02], 4) == Lateness(0.0, 0.25, 9.0, -0.5, 0.02, 4)
    assert summarise([1.0], [], 0) == Lateness(1.0, 1.0, 1.0, 1.0, None, 0)
    assert summarise([], [], 203) is None


def test_a_drift_is_a_share_of_the_plan() -> None:
    assert find_drift(1.0, 5.0, 4.0) == 0
    assert find_drift(1.0, 5.2, 4.0) == pytest.approx(0.05)


def test_memory_of_a_stream_is_the_growth_over_the_first() -> None:
    assert per_stream_kib([(1, 50_000.0), (501, 50_000.0 + 500 * 2048), (1001, 50_000.0 + 1000 * 3072)]) == 3


# Rows


def test_the_best_peer_is_the_fastest_or_the_one_that_needs_least() -> None:
    figures = {OURS: 9.0, BARE: 99.0, FRAMEWORK: 98.0, YARDSTICK: 97.0, "aimock": 3.0, "llmock": 2.0}
    assert best_peer(Row("k", "f", "streams/s", "more", figures)) == ("aimock", 3.0)
    assert best_peer(Row("k", "f", "ms", "less", figures)) == ("llmock", 2.0)
    assert best_peer(row(ours=1.0, bare=2.0)) is None


@pytest.mark.parametrize(
    ("made", "met"),
    [
        (row(goals=(Goal(10),), ours=10.0), True),
        (row(goals=(Goal(10),), ours=9.9), False),
        (row("less", (Goal(10),), ours=10.0), True),
        (row("less", (Goal(10),), ours=10.1), False),
        (row(goals=(Goal(0.7, BARE),), ours=7.0, bare=10.0), True),
        (row(goals=(Goal(0.7, BARE),), ours=6.9, bare=10.0), False),
        (row(goals=(Goal(5, PEER),), ours=10.0, aimock=2.0, llmock=1.0), True),
        (row(goals=(Goal(5, PEER),), ours=10.0, aimock=2.0, llmock=3.0), False),
        (row("less", (Goal(2, BARE), Goal(6)), ours=5.0, bare=2.0), False),
        (row("less", (Goal(2, BARE), Goal(6)), ours=5.0, bare=3.0), True),
        (row(goals=(Goal(10), Goal(5, PEER)), ours=10.0), None),  # no peer to compare with
        (row(goals=(Goal(11), Goal(5, PEER)), ours=10.0), False),
        (row(goals=(Goal(1),), bare=1.0), False),  # ours was not reached
        (row(ours=1.0), None),
    ],
)
def test_goals_are_met_only_if_all_are(made: Row, met: bool | None) -> None:
    assert is_met(made) is met


def test_what_is_in_doubt_meets_no_goal_but_may_miss_one() -> None:
    assert is_met(Row("k", "f", "ms", "less", {OURS: 1.0}, (Goal(2),), doubts=("why",))) is None
    assert is_met(Row("k", "f", "ms", "less", {OURS: 3.0}, (Goal(2),), doubts=("why",))) is False


def test_goals_are_described_as_a_reader_sees_them() -> None:
    assert describe_goal(row(goals=(Goal(10_000), Goal(5, PEER)))) == "≥ 10,000; ≥ 5 × peer"
    assert describe_goal(row("less", (Goal(2, BARE),))) == "≤ 2 × bare"


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (30_412.7, "30,400"),
        (812_345, "812,000"),
        (1000, "1,000"),
        (161.2, "161"),
        (20.0, "20"),
        (12.34, "12.3"),
        (2.5, "2.5"),
        (0.0123, "0.012"),
        (0.0, "0"),
    ],
)
def test_numbers_are_shown_by_the_digits_that_count(value: float, shown: str) -> None:
    assert show_number(value) == shown


# What counts as worse


@given(st.floats(0.01, 100), st.floats(0.01, 100))
def test_a_ratio_is_worse_beyond_a_fifth_of_the_stored_one_in_its_bad_direction(stored: float, factor: float) -> None:
    now = stored * factor
    if abs(factor - 0.8) > 1e-9:
        assert ratios.is_worse("more", now, stored) is (factor < 0.8)
    if abs(factor - 1.2) > 1e-9:
        assert ratios.is_worse("less", now, stored) is (factor > 1.2)


def test_each_row_that_got_worse_is_one_line() -> None:
    fast = Row("fast", "streams", "streams/s", "more", {OURS: 60.0, BARE: 100.0, "aimock": 10.0})
    small = Row("small", "memory", "KiB", "less", {OURS: 13.0, BARE: 10.0})
    stored = {"fast": {BARE: 0.8, "aimock": 6.0, "llmock": 9.0}, "small": {BARE: 1.0}, "gone": {BARE: 1.0}}
    found = ratios.find_worse([fast, small], stored)
    assert list(found) == ["fast", "small"]
    assert found["fast"] == "fast: streams: 0.60 × bare, was 0.80 (more is better)"
    assert "\n" not in found["small"]
    assert ratios.find_worse([fast, small], {"fast": {BARE: 0.74}, "small": {BARE: 1.09}}) == {}


def test_ratios_are_stored_and_read_as_they_were(tmp_path: Path) -> None:
    rows = [row(ours=1.0, bare=3.0, aimock=0.5), Row("drift", "d", "%", "less", {OURS: 1.0, BARE: 1.0}, compared=False)]
    file = tmp_path / "ratios.json"
    assert ratios.load(file) == {}
    ratios.store(ratios.collect(rows), file)
    assert ratios.load(file) == {"key": {BARE: 0.3333, "aimock": 2.0}}


def test_a_row_is_worse_only_if_it_is_so_both_times() -> None:
    def measured(**ours: float) -> Measured:
        return Measured(tuple(Row(key, key, "s", "less", {OURS: value, BARE: 1.0}) for key, value in ours.items()))

    stored = {key: {BARE: 1.0} for key in ("once", "twice", "later", "well")}
    asked = []

    def again(name: str) -> Measured:
        asked.append(name)
        return measured(once=1.0, twice=2.0, later=2.0)

    found = {"some": measured(once=2.0, twice=2.0, later=1.0), "others": measured(well=1.1)}
    [line] = all_benchmarks.check(found, stored, again)
    assert line.startswith("twice: ")
    assert asked == ["some"]


def leave_process_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """The command line sets what would be set for the tests too."""
    monkeypatch.setattr(all_benchmarks, "leave_on_sigterm", lambda: None)
    monkeypatch.setattr(all_benchmarks, "raise_descriptor_limit", lambda wanted: wanted)


@pytest.mark.parametrize(("ours", "code"), [(0.9, 0), (0.5, 1)])
def test_the_check_exits_with_one_where_a_ratio_got_worse(
    ours: float, code: int, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    file = tmp_path / "ratios.json"
    ratios.store({"key": {BARE: 1.0}}, file)
    monkeypatch.setattr(ratios, "load", lambda load=ratios.load: load(file))
    monkeypatch.setattr(all_benchmarks, "measure", lambda script, quick, say: Measured((row(ours=ours, bare=1.0),)))
    monkeypatch.setattr(all_benchmarks, "show", lambda measured, console: None)
    leave_process_alone(monkeypatch)
    assert all_benchmarks.main(["--check", "--only", "throughput"]) == code


def test_a_check_without_stored_ratios_is_no_pass(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ratios, "load", dict)
    assert all_benchmarks.run_check({"any": Measured((row(ours=1.0),))}, False, Console(file=io.StringIO())) == 2


def test_a_script_that_fails_fails_the_run_and_nothing_is_written(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    def measure(script: all_benchmarks.Script, quick: bool, say: all_benchmarks.Say) -> Measured:
        if script.name == "memory":
            raise BenchmarkError("no memory")
        return Measured(())

    monkeypatch.setattr(all_benchmarks, "measure", measure)
    leave_process_alone(monkeypatch)
    monkeypatch.setattr(ratios, "store", lambda found: pytest.fail("ratios were stored"))
    assert all_benchmarks.main(["--docs", str(tmp_path)]) == 2
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("script", all_benchmarks.SCRIPTS, ids=lambda script: script.name)
def test_every_script_can_be_run_alone(script: all_benchmarks.Script) -> None:
    module = importlib.import_module(f"benchmarks.{script.name}")
    assert callable(module.measure)
    assert 'if __name__ == "__main__":\n    sys.exit(run_script(' in Path(module.__file__ or "").read_text()


def test_all_of_it_is_meant_to_take_less_than_ten_minutes() -> None:
    assert sum(script.takes_s for script in all_benchmarks.SCRIPTS) < 600
    assert all(script.takes_s < script.bound_s for script in all_benchmarks.SCRIPTS)


# The report

MEASURED = Measured(
    (
        Row("a", "streams a | second", "streams/s", "more", {OURS: 5.0, BARE: 10.0, "aimock": 1.0}, (Goal(5, PEER),)),
        Row("b", "start", "ms", "less", {OURS: 30.0, FRAMEWORK: 5.0}, (Goal(20),), limit=FRAMEWORK, doubts=("noise",)),
    ),
    {
        "lateness": Series(
            "Lateness", "streams", "ms", {OURS: [(1, 0.5), (100, 2.0)], "aimock": [(1, 100.0), (100, None)]}
        )
    },
    ("llmock is not installed",),
    ("a remark",),
    (Reading("inter token latency", "ms", 20.0, 20.1, 20.0, 21.0),),
)


def test_the_report_has_a_line_for_each_row_with_its_verdict() -> None:
    text = report.render_report([MEASURED], {"date": "today"})
    lines = text.splitlines()
    assert "| streams a / second | streams/s | 5 | 10 (bare) | 1 (aimock) | 0.50 | 5.00 | ≥ 5 × peer | yes |" in lines
    assert "| start | ms | 30 (in doubt) | 5 (framework) | - | 6.00 | - | ≤ 20 | **no** |" in lines
    assert "| aimock | 100 | not reached |" in lines
    assert "| inter token latency | 20.00 ms | 20.10 ms | 20.00 ms | 21.00 ms |" in lines
    assert "![Lateness](performance/lateness.svg)" in lines
    assert {"- a remark", "- Not measured: llmock is not installed.", "  - in doubt: noise", "- date: today"} <= set(
        lines
    )


def test_every_table_of_the_report_has_as_many_cells_in_each_line() -> None:
    tables = report.render_report([MEASURED], {}).split("\n\n")
    counts = [{line.count("|") for line in table.splitlines()} for table in tables if table.startswith("|")]
    assert len(counts) == 3
    assert all(len(widths) == 1 for widths in counts)


def test_a_plot_is_an_svg_and_the_same_one_for_the_same_figures(tmp_path: Path) -> None:
    pytest.importorskip("matplotlib", reason="the extra `bench` is not installed")
    drawn = []
    for name in ("one.svg", "other.svg"):
        plots.draw(MEASURED.series["lateness"], tmp_path / name, log=True)
        drawn.append((tmp_path / name).read_text())
    assert ElementTree.fromstring(drawn[0]).tag.endswith("}svg")
    assert drawn[0] == drawn[1]


def test_without_matplotlib_the_error_says_what_to_do(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    with pytest.raises(BenchmarkError, match=r"matplotlib is needed .* pip install"):
        plots.draw(MEASURED.series["lateness"], tmp_path / "plot.svg", log=False)


def test_a_lateness_that_was_not_reached_is_no_figure() -> None:
    heard = {
        OURS: Heard(Lateness(0.001, 0.002, 0.003, 0.0, 0.0005, 0), 0.0001, 0.5),
        "aimock": Heard(Lateness(1.0, 2.0, 3.0, 0.0, None, 17), 0.0001, 0.5),
        BARE: Heard(None, 0.0001, 0.5),
    }
    made = make_row(1_000, heard)
    assert made.figures == {OURS: 2.0}
    assert any(note.startswith("aimock: not reached, 17 events") for note in made.notes)
    assert make_series({1_000: heard}).points == {
        OURS: [(1_000, 2.0)],
        "aimock": [(1_000, None)],
        BARE: [(1_000, None)],
    }
    assert make_drift_row({OURS: heard[OURS], "aimock": heard["aimock"]}).figures == {OURS: pytest.approx(0.05)}


def test_of_several_runs_the_median_one_counts() -> None:
    runs = [Heard(Lateness(0.0, late, late, 0.0, 0.0, 0), 0.0, 0.0) for late in (0.9, 0.1, 0.2)]
    assert choose_median([Heard(None, 0.0, 0.0), *runs]).lateness == runs[2].lateness
    assert choose_median(runs) is runs[2]


def test_a_busy_machine_is_told() -> None:
    assert describe_load(0.99, 2) == "0.99"
    assert "not to be trusted" in describe_load(1.01, 2)


# What is asked and answered


@pytest.mark.parametrize("kind", ["once", "differing", "events", "paced", "stalled"])
def test_our_server_is_asked_for_and_told_the_same_as_the_others(kind: streams.Kind) -> None:
    scenarios = [Scenario.of(values) for values in streams.make_scenarios(kind)["scenarios"]]
    requests = [parse_request(request.partition(b"\r\n\r\n")[2]) for request in streams.make_requests(kind)]
    assert [scenario.name for scenario in scenarios] == [request.model for request in requests]
    replies = [scenario.turn(0).meaning for scenario in scenarios]
    fixtures = streams.make_aimock_fixtures(kind)["fixtures"]
    for reply, fixture in zip(replies, fixtures, strict=True):
        assert reply is not None
        assert (
            "".join((reply.choices[0].pieces if reply.choices else reply.pieces) or ())
            == fixture["response"]["content"]
        )


def test_our_schedule_is_that_of_our_plan() -> None:
    [values] = streams.make_scenarios("paced")["scenarios"]
    [request] = streams.make_requests("paced")
    plan = plan_turn(Scenario.of(values).turn(0), parse_request(request.partition(b"\r\n\r\n")[2]), Terms())
    due_s = [step.due_s for step in plan if isinstance(step, Head | Write) for _ in range(step.data.count(b"\n\n"))]
    assert due_s == pytest.approx(streams.make_schedule(OURS))


@pytest.mark.parametrize("name", [OURS, BARE, "aimock"])
def test_a_schedule_has_every_event_and_never_goes_back(name: str) -> None:
    schedule = streams.make_schedule(name)
    assert len(schedule) == streams.EVENTS
    assert schedule == sorted(schedule)


def test_the_ready_made_bytes_are_a_whole_stream() -> None:
    ready = streams.make_ready()
    reader = ChatReader()
    bodies = [event.partition(b"\r\n")[2].removesuffix(b"\r\n") for event in ready.events]
    text = "".join(delta.content or "" for body in bodies for delta in reader.feed(body))
    reader.end()
    assert (text, reader.events, reader.completion.choices[0].finish_reason) == (TEXT, streams.EVENTS, "stop")
    assert ready.whole.count(load.EVENT_END) == streams.EVENTS
    assert ready.whole.count(load.END) == 1


@pytest.mark.parametrize("name", parsing_inside.READERS)
@pytest.mark.parametrize("cut", ["each", "large"])
def test_every_reader_reads_what_was_sent(name: str, cut: parsing_inside.Body) -> None:
    for module in {OURS: ("client",), "openai": ("openai", "httpx2"), "httpx-sse": ("httpx_sse",)}[name]:
        pytest.importorskip(module)
    body, events = parsing_inside.make_body(cut)
    assert events == len(parsing_inside.PIECES) + 4
    assert parsing_inside.READERS[name]()(body) == parsing_inside.EXPECTED


def test_what_is_not_installed_is_skipped_with_a_sentence(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(peers, "FOLDER", tmp_path)
    names, skipped = choose("once", (BARE, OURS, "aimock", "llmock"))
    assert names == [BARE, OURS]
    assert skipped == [
        "aimock is not installed: python -m benchmarks.peers install aimock",
        "llmock is not installed: python -m benchmarks.peers install llmock",
    ]
    assert others_clock.measure(quick=True).skipped == (
        "aiperf is not installed: python -m benchmarks.peers install aiperf",
    )
    assert "llmock" in PROGRAMS
    assert choose("paced", ("llmock",)) == ([], [])


def test_an_unknown_peer_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    assert peers.main(["install", "nobody"]) == 2
    assert "aimock|llmock|aiperf" in capsys.readouterr().err


def test_what_aiperf_reports_stands_beside_what_was_told() -> None:
    told = {name: {"avg": 1.0, "p50": 2.0, "p99": 3.0} for name in others_clock.PLANNED_MS}
    first, second, last = others_clock.read_report(told)
    assert first == Reading("time to first token", "ms", 100.0, 1.0, 2.0, 3.0)
    assert second.planned == 20.0
    assert last.planned == pytest.approx(streams.make_schedule(OURS)[-1] * 1000)


def test_the_tokenizer_has_a_letter_for_every_byte(tmp_path: Path) -> None:
    others_clock.write_tokenizer(tmp_path / "tokenizer")
    told = json.loads((tmp_path / "tokenizer" / "tokenizer.json").read_text())
    assert sorted(told["model"]["vocab"].values()) == list(range(257))


# What is counted


class Wire(asyncio.Transport):
    """A transport that keeps what is written."""

    def __init__(self) -> None:
        super().__init__()
        self.written: list[bytes] = []

    def write(self, data: Any) -> None:
        self.written.append(bytes(data))


def cut(data: bytes, places: list[int]) -> list[bytes]:
    """The data, cut at some places."""
    ends = sorted({place % len(data) for place in places} | {len(data)})
    return [data[start:end] for start, end in zip([0, *ends], ends, strict=False) if start < end]


SMALL = streams.Ready(
    streams.make_ready().head, tuple(b"%x\r\n%b\r\n" % (9, b"data: %d\n\n" % number) for number in range(4))
)
PLACES = st.lists(st.integers(0, 1000), max_size=12)


def feed(pieces: list[bytes], events: int | None, same_size: bool = True) -> tuple[Asker, list[bool]]:
    """An asker that got some pieces, and whether each answer was right."""
    answers: list[bool] = []

    async def play() -> Asker:
        buffer = bytearray(load.READ_BYTES)
        job = Ask(0, "once", 1, 0.0, 0.0, same_size, events)

        def count(asker: Asker, right: bool) -> None:
            answers.append(right)
            asker.ask(b"next")

        asker = Asker(job, count, buffer)
        asker.connection_made(Wire())
        asker.ask(b"first")
        for piece in pieces:
            buffer[: len(piece)] = piece
            asker.buffer_updated(len(piece))
        return asker

    return asyncio.run(play()), answers


@given(PLACES)
def test_an_answer_is_told_to_its_end_however_it_is_cut(places: list[int]) -> None:
    asker, answers = feed([*cut(SMALL.whole, places), *cut(SMALL.whole, places)], events=4)
    assert answers == [True, True]
    assert asker.total == 2 * len(SMALL.whole)


@given(PLACES)
def test_an_answer_that_lacks_an_event_is_wrong_however_it_is_cut(places: list[int]) -> None:
    lacking = streams.Ready(SMALL.head, SMALL.events[1:]).whole
    assert feed(cut(lacking, places), events=4)[1] == [False]
    assert feed([*cut(SMALL.whole, places), *cut(lacking, places)], events=4)[1] == [True, False]
    assert feed([*cut(SMALL.whole, places), *cut(lacking, places)], events=None, same_size=False)[1] == [True, True]


@given(PLACES)
def test_every_event_of_a_paced_stream_is_noted_once_however_it_is_cut(places: list[int]) -> None:
    async def play() -> tuple[int, int, bool]:
        late: Any = []
        listener = Listener([0.0, 0.1, 0.2, 0.3], late)
        listener.connection_made(Wire())
        listener.ask(b"first")
        for piece in cut(SMALL.whole, places):
            listener.data_received(piece)
        return len(late), listener.arrived, listener.done.done()

    assert asyncio.run(play()) == (4, 4, True)


async def with_bare(kind: streams.Kind, use: Callable[[int], Any]) -> Any:
    """What `use` makes of the port of a bare server."""
    loop, ready = asyncio.get_running_loop(), streams.make_ready()
    server = await loop.create_server(lambda: bare.Bare(kind, ready, ready.whole, loop), "127.0.0.1", 0)
    try:
        return await use(server.sockets[0].getsockname()[1])
    finally:
        server.close()
        await server.wait_closed()


@pytest.mark.anyio
@pytest.mark.parametrize("kind", ["once", "events"])
async def test_the_load_generator_finds_every_answer_of_the_bare_server_right(kind: streams.Kind) -> None:
    answered: Answered = await with_bare(kind, lambda port: load.ask(Ask(port, kind, 3, 0.2, 0.0)))
    assert answered.wrong == 0
    assert answered.bytes > 0


@pytest.mark.anyio
async def test_the_load_generator_hears_every_event_of_the_bare_server(monkeypatch: pytest.MonkeyPatch) -> None:
    schedule = [0.001 * (number // 50) for number in range(streams.EVENTS)]
    monkeypatch.setattr(bare, "DUE_S", schedule)
    heard: Heard = await with_bare("paced", lambda port: load.listen(Listen(port, 3, 0.01, schedule)))
    assert heard.lateness is not None
    assert heard.lateness.missing == 0
    assert heard.lateness.min_s >= 0
    assert heard.lateness.drift is not None


@pytest.mark.anyio
async def test_streams_are_held_open_up_to_each_step(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "stdin", io.StringIO("\n\n"))
    await with_bare("stalled", lambda port: load.hold(Hold(port, [1, 5])))
    assert [json.loads(line) for line in capsys.readouterr().out.splitlines()] == [{"streams": 1}, {"streams": 5}]


# Processes


def test_what_a_process_prints_is_returned_and_what_it_says_is_heard(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(children, "POLL_S", 0.01)
    program = """if True:
        import pathlib, sys, time
        print("not the last line", file=sys.stderr)
        print("at work", file=sys.stderr, flush=True)
        while not pathlib.Path(sys.argv[1]).exists():
            time.sleep(0.001)
        print(sys.stdin.readline() * 2 + repr(sys.stdin.read()))
    """
    heard = tmp_path / "heard"
    out = children.run([sys.executable, "-c", program, str(heard)], 30, given="word\n", hear=heard.write_text)
    assert out == "word\nword\n''\n"
    assert heard.read_text() == "at work"


def test_a_process_that_fails_is_told_with_its_last_words() -> None:
    with pytest.raises(BenchmarkError, match=r"ended with code 3: out of luck"):
        children.run([sys.executable, "-c", "import sys; print('out of luck', file=sys.stderr); sys.exit(3)"], 30)


def test_a_process_that_takes_too_long_is_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(children, "POLL_S", 0.01)
    started = []
    real = subprocess.Popen

    def keep(*arguments: Any, **options: Any) -> Any:
        started.append(real(*arguments, **options))
        return started[-1]

    monkeypatch.setattr(subprocess, "Popen", keep)
    with pytest.raises(BenchmarkError, match="took longer"):
        children.run([sys.executable, "-c", "import time; time.sleep(600)"], 0)
    assert started[0].returncode is not None


def test_what_a_process_has_started_ends_with_it() -> None:
    program = """if True:
        import sys, time
        from benchmarks.children import leave_on_sigterm, running
        leave_on_sigterm()
        with running([sys.executable, "-c", "import time; time.sleep(600)"]) as child:
            print(child.pid, flush=True)
            time.sleep(600)
    """
    with children.running([sys.executable, "-c", program], talk=True) as child:
        assert child.stdout is not None
        grandchild = int(child.stdout.readline())
    assert child.returncode == 128 + signal.SIGTERM
    with pytest.raises(ProcessLookupError):
        os.kill(grandchild, 0)


def test_a_program_that_is_not_there_is_told() -> None:
    with pytest.raises(BenchmarkError, match="cannot be started"):
        children.run(["/nowhere/program"], 1)


def test_make_knows_the_benchmarks() -> None:
    assert "\nbench: " in (ROOT / "Makefile").read_text()
