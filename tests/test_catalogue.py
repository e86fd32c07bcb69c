"""The catalogue of stream shapes: every row is a scenario in `fixtures/` that loads, plays, and has the verdict of its row.

`tests/catalogue.yaml` holds the rows' ids. A row without a scenario states a reason, and so does a verdict that differs.
"""

import json
import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from mockserver.delivery import Delivery
from mockserver.dialects import load_dialects
from mockserver.faults import FAULTS
from mockserver.lint import lint_text
from mockserver.loading import find_problems, load_scenarios
from mockserver.outcome import compare, expect
from mockserver.plan import Plan, Terms, plan_turn
from mockserver.quirks import DIALECT_FILES, QUIRKS
from mockserver.quirks.quirk import Right
from mockserver.request import parse_request
from mockserver.scenario import Scenario
from mockserver.steps import Abort, End, HalfClose, Head, Hold, Write
from tests.mockserver.tolerant import read

ROOT = Path(__file__).parents[1]
FILES = sorted((ROOT / "fixtures").glob("*.yaml"))
SCENARIOS = {scenario.name: scenario for scenario in load_scenarios(FILES).scenarios}
ROWS: list[dict[str, Any]] = yaml.safe_load((ROOT / "tests" / "catalogue.yaml").read_text(encoding="utf-8"))
CASES = [(row, name) for row in ROWS if "reason" not in row for name in (row["id"], *row.get("variants", ()))]
RIGHTS = {name: row.get("differs", {}).get(name, row["right"]) for row, name in CASES}
READABLE_BYTES = 200_000
"""How long a body may be to be read here; longer ones are only played."""


def plan_case(row: dict[str, Any], name: str) -> Plan:
    """The plan of the answer that the row is about."""
    body = {
        "model": "gpt-4o-mini",
        "messages": [{"role": "user", "content": "Hello"}],
        "stream": True,
        "stream_options": {"include_usage": True},
        **row.get("request", {}),
    }
    turn = SCENARIOS[name].turn(row.get("nth", 1) - 1)
    return plan_turn(turn, parse_request(json.dumps(body).encode()), Terms(accept_encoding="gzip, br"))


def find_right(plan: Plan) -> Right:
    """What a right consumer makes of an answer: of what is no stream, an error."""
    return expect(plan.stream).right if plan.stream is not None else "error"


def ids(case: tuple[dict[str, Any], str]) -> str:
    return case[1]


def test_every_row_has_an_id_of_its_own_a_class_and_a_verdict() -> None:
    assert len(ROWS) == 162
    assert len({row["id"] for row in ROWS}) == len(ROWS)
    assert {row["class"] for row in ROWS} == set("ABCD")
    assert {row["right"] for row in ROWS} == {"same", "either", "error"}
    known = {"id", "class", "right", "variants", "request", "nth", "differs", "because", "reason"}
    assert all(row.keys() <= known for row in ROWS)


def test_every_row_is_a_scenario_or_states_a_reason() -> None:
    assert [name for row, name in CASES if name not in SCENARIOS] == []
    assert all(len(row["reason"]) > 20 for row in ROWS if "reason" in row)


@pytest.mark.parametrize("case", CASES, ids=ids)
def test_the_verdict_of_a_scenario_is_its_rows_or_the_row_says_why_not(case: tuple[dict[str, Any], str]) -> None:
    row, name = case
    right = find_right(plan_case(row, name))
    assert right == RIGHTS[name]
    assert right == row["right"] or row["because"], "a verdict that differs is explained"


@pytest.mark.parametrize("case", CASES, ids=ids)
def test_a_scenario_plays_within_a_second_the_same_each_time(case: tuple[dict[str, Any], str]) -> None:
    plan = plan_case(*case)
    sizes, due = [], [0.0]
    for step in plan:
        sizes.append(len(getattr(step, "data", b"")))
        due.append(step.due_s)
    assert due == sorted(due)
    assert due[-1] <= 1.0, "small pauses only; what is to last is a stall"
    assert max(sizes) <= 1024 * 1024
    if sum(sizes) < READABLE_BYTES:
        assert list(plan) == list(plan)


@pytest.mark.parametrize("case", [case for case in CASES if RIGHTS[case[1]] == "same"], ids=ids)
def test_a_tolerant_consumer_reads_what_is_to_be_the_same(case: tuple[dict[str, Any], str]) -> None:
    stream = plan_case(*case).stream
    assert stream is not None
    body = take(piece.data for piece in stream.body())
    if body is None:
        assert case[0]["id"] in ("event-1m", "event-large-fragmented", "events-100k"), (
            "a row is long only if it is about that"
        )
        return
    if stream.delivery.framing.spaces > 1:
        body = body.replace(
            b"data:  {", b"data: {"
        )  # a space more is a space more in the data, which JSON does not mind
    assert list(compare(expect(stream).outcome, read(body))) == []
    assert [finding for finding in lint_text(body.decode().removeprefix("\ufeff")) if finding.level == "broken"] == []


def take(parts: Iterable[bytes]) -> bytes | None:
    """The parts joined, or None if they are too long to be read here."""
    whole = bytearray()
    for part in parts:
        whole += part
        if len(whole) > READABLE_BYTES:
            return None
    return bytes(whole)


@pytest.mark.parametrize("case", [case for case in CASES if RIGHTS[case[1]] == "error"], ids=ids)
def test_what_must_be_reported_can_be_seen(case: tuple[dict[str, Any], str]) -> None:
    plan = plan_case(*case)
    *_, last = plan
    if plan.status >= 300 or isinstance(last, Abort | HalfClose | Hold):
        return
    steps = list(plan) if take(step.data for step in plan if isinstance(step, Write)) is not None else None
    if steps is None:
        assert SCENARIOS[case[1]].delivery.faults, "only a fault makes a stream that is both long and broken"
        return
    wire = b"".join(step.data for step in steps if isinstance(step, Head | Write))
    head, _, body = wire.partition(b"\r\n\r\n")
    assert isinstance(last, End)
    assert is_short(head, body) or is_unreadable(body), "a consumer could take it for whole"


def is_short(head: bytes, body: bytes) -> bool:
    """Whether HTTP tells that the body is not complete, or that it is no event stream."""
    length = re.search(rb"content-length: (\d+)", head, re.I)
    chunked = b"transfer-encoding: chunked" in head.lower()
    is_stream = b"text/event-stream" in head.lower()
    return (
        not is_stream
        or (length is not None and int(length[1]) != len(body))
        or (chunked and not body.endswith(b"0\r\n\r\n"))
    )


def is_unreadable(body: bytes) -> bool:
    """Whether a stream, its HTTP chunks taken off, is refused by a tolerant consumer or by the linter."""
    text = re.sub(rb"(?:^|(?<=\r\n))[0-9a-f]+\r\n|\r\n(?=[0-9a-f]+\r\n|$)", b"", body)
    if any(finding.level == "broken" for finding in lint_text(text.decode(errors="replace"))):
        return True
    try:
        json.loads(read(text)["tool_calls"][0]["arguments"])
    except (ValueError, LookupError):
        return True
    return False


# The fixtures themselves


@pytest.mark.parametrize("file", FILES, ids=lambda file: str(file.name))
def test_a_fixture_is_a_valid_file_whose_comments_say_what_it_is(file: Path) -> None:
    text = file.read_text(encoding="utf-8")
    assert find_problems(text, str(file)) == []
    assert text.startswith("# ")
    assert max(map(len, text.splitlines())) <= 130


@pytest.mark.parametrize(
    "scenario", [s for s in SCENARIOS.values() if s.name not in ("paced", "flaky", "tools")], ids=lambda s: s.name
)
def test_every_scenario_says_what_it_is_in_a_sentence(scenario: Scenario) -> None:
    assert 10 < len(scenario.description) < 130
    assert scenario.description.endswith(".")


def deliveries() -> Iterator[Delivery]:
    for scenario in SCENARIOS.values():
        yield scenario.delivery
        yield from (turn.delivery for turn in scenario.sequence)


def test_every_dialect_quirk_and_fault_is_shown_by_a_fixture() -> None:
    used = list(deliveries())
    assert {delivery.dialect for delivery in used} - {None} == DIALECT_FILES.keys()
    dialects = [load_dialects()[delivery.dialect].delivery for delivery in used if delivery.dialect is not None]
    quirks = {quirk for delivery in [*used, *dialects] for quirk in delivery.quirks}
    assert sorted(QUIRKS.keys() - quirks) == []
    faults = {str(fault.__struct_config__.tag) for delivery in used for fault in delivery.faults}
    assert FAULTS.keys() == faults
