"""A run: cases played to a program, what it reported and what the server saw judged together."""

import json
import threading
from collections.abc import Sequence
from pathlib import Path

import pytest
from msgspec.structs import replace

from mockserver.conformance import run as run_module
from mockserver.conformance.case import Case, Keyword, Saw, load_cases
from mockserver.conformance.consumer import Report
from mockserver.conformance.run import Options, Result, Run, exit_code, run_cases, serve_cases
from mockserver.conformance.verdict import Verdict, VerdictName
from mockserver.lint import Finding
from mockserver.outcome import ANY
from tests.mockserver.conformance.made import find_case, make_result, make_run, play
from tests.mockserver.conformance.programs import write_program
from tests.support import RawClient, open_descriptors


def run_program(folder: Path, source: str, chosen: Sequence[Case], options: Options | None = None) -> Run:
    return run_cases(write_program(folder, source), chosen, options)


SIMPLE = [case for case in load_cases() if case.cls == "framing" and not case.needs and case.right == "same"][:6]


@pytest.mark.parametrize("jobs", [1, 3])
def test_the_results_come_in_the_order_of_the_cases(tmp_path: Path, jobs: int) -> None:
    play(SIMPLE[0])  # what a process opens once and keeps, it has opened now
    threads, descriptors = threading.active_count(), open_descriptors()
    told: list[Result] = []
    run = run_cases(write_program(tmp_path, "main(run)"), SIMPLE, Options(jobs=jobs), told.append)
    assert [result.case for result in run.results] == SIMPLE
    assert sorted(result.case.id for result in told) == sorted(case.id for case in SIMPLE)
    assert run.consumer.name == "tiny"
    assert all(result.exchanges and result.expected for result in run.results)
    assert threading.active_count() == threads
    assert open_descriptors() == descriptors


def test_what_needs_an_ability_that_is_lacking_is_skipped_unasked(tmp_path: Path) -> None:
    case = next(case for case in load_cases() if "n" in case.needs)
    [result] = run_program(tmp_path, "main(run)", [case]).results
    assert result.verdict == Verdict("skip", ("the consumer lacks n",))
    assert result.exchanges == ()


def test_who_never_asks_fails_and_what_it_said_is_told(tmp_path: Path) -> None:
    source = "main(lambda line: {'error': {'type': 'NoRoute', 'message': 'to host'}})"
    [result] = run_program(tmp_path, source, SIMPLE[:1]).results
    assert result.verdict.name == "fail"
    assert "never asked the server" in result.verdict.reasons[0]
    assert "NoRoute" in result.verdict.reasons[0]


def test_a_hang_and_a_crash_cost_only_their_case(tmp_path: Path) -> None:
    source = f"""
        def answer(line):
            if line["case"] == {SIMPLE[0].id!r}:
                signal.signal(signal.SIGTERM, signal.SIG_IGN)
                time.sleep(600)
            if line["case"] == {SIMPLE[1].id!r}:
                sys.exit("out of memory")
            return {{"content": ask(line)[:0], "error": {{"type": "E", "message": "m"}}}}
        main(answer)
    """
    run = run_program(tmp_path, source, SIMPLE[:3], Options(time_limit_s=0.5))
    assert [result.verdict.name for result in run.results] == ["hang", "crash", "fail"]
    assert run.results[1].verdict.reasons == ("out of memory",)
    assert exit_code(run) == 1


def test_a_plain_request_must_succeed_after_a_case_that_says_so(tmp_path: Path) -> None:
    case = next(case for case in load_cases() if case.then_plain and not case.needs and case.right == "error")
    seen = tmp_path / "seen"
    good = f"""
        def answer(line):
            open({str(seen)!r}, "a").write(line["case"] + "\\n")
            return run(line)
        main(answer)
    """
    [result] = run_program(tmp_path, good, [case]).results
    assert result.verdict.name in ("pass", "weak"), result.verdict
    assert seen.read_text().splitlines() == [case.id, f"{case.id}, then a plain request"]
    for wrong, told in (
        ("{'content': 'left over'}", "expected 'All is well again.', got 'left over'"),
        ("{'error': {'type': 'Closed', 'message': ''}}", "Closed"),
        ("os._exit(1)", "at the next, plain request"),
    ):
        source = f"main(lambda line: {wrong} if 'plain' in line['case'] else run(line))"
        [result] = run_program(tmp_path, source, [case]).results
        assert result.verdict.name == ("crash" if "_exit" in wrong else "fail")
        assert told in result.verdict.reasons[0]


def test_a_coding_that_was_not_offered_is_no_matter_of_the_consumer() -> None:
    case = next(case for case in load_cases() if case.scenario.delivery.http.coding == "gzip" and not case.needs)
    if case.scenario.delivery.http.coding_unasked:
        pytest.fail("the first gzip case is one that is sent unasked: choose another")
    assert play(case, {"content": "whatever"}).verdict == Verdict("skip", ("the consumer did not offer gzip",))


def test_our_own_mistake_is_no_verdict_on_the_consumer(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(run_module, "lint_steps", lambda plan: [Finding("broken", "WHATWG", "no blank line", 3)])
    result = play(SIMPLE[0], {"content": "wrong anyway"})
    assert result.verdict.name == "harness error"
    assert "no blank line" in result.verdict.reasons[0]


@pytest.mark.parametrize("name", ["n-second-first", "event-1m", "events-after-done"])
def test_our_own_mistake_is_found_in_a_stream_that_is_given_raw_or_struck_too(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert play(find_case(name), {"content": "wrong anyway"}).verdict.name == "fail"
    found = [Finding("departure", "OpenAI", "no id"), Finding("broken", "RFC 8259", "the data is no JSON", 3)]
    monkeypatch.setattr(run_module, "lint_steps", lambda plan: found)
    assert play(find_case(name)).verdict == Verdict("harness error", (str(found[1]),))


def test_what_the_server_saw_is_judged_too() -> None:
    expected = play(SIMPLE[0]).expected
    assert expected is not None
    right = {
        "content": "",
        **{key: value for key, value in expected.outcome.items() if value != "any" or key == "usage"},
    }
    right["usage"] = None if repr(right.get("usage")) == "any" else right["usage"]
    assert play(SIMPLE[0], right).verdict.name == "pass"
    retried = play(replace(SIMPLE[0], saw=Saw(requests=2)), right)
    assert retried.verdict == Verdict("fail", ("expected 2 requests, the server saw 1",))
    stayed = play(replace(SIMPLE[0], saw=Saw(left_within_s=1.0), leave_after_chunks=1), {"content": ""})
    assert stayed.verdict.name == "fail"
    assert "close the connection within 1.0 s, it was kept" in stayed.verdict.reasons[0]


@pytest.mark.parametrize(("left_s", "late_s", "is_late"), [(0.09, 0, 0), (1.0, 0, 0), (1.2, 0, 1), (1.2, 0.2, 0)])
def test_the_time_of_leaving_counts_from_the_chunk_at_which_to_leave(
    left_s: float, late_s: float, is_late: bool
) -> None:
    case = find_case("client-breaks-early")
    assert case.leave_after_chunks == 3  # the third chunk is due 40 ms after the first two
    [exchange] = play(case).exchanges
    exchange.ended, exchange.ended_s, exchange.late_s = "client left (FIN)", left_s, late_s
    told = ["expected the consumer to close the connection within 1.0 s, it took 1.16 s"] if is_late else []
    assert list(run_module._check_saw(case, [exchange])) == told


def test_a_wait_between_two_tries_is_measured_at_the_server() -> None:
    case = replace(SIMPLE[0], saw=Saw(waited_s=5.0))
    first = play(case)
    assert first.expected is not None
    twice = (*first.exchanges, *first.exchanges)
    told = list(run_module._check_saw(case, twice))
    assert told == ["expected the next try after 5.0 s, it came after 0.00 s"]
    assert list(run_module._check_saw(replace(case, saw=Saw(waited_s=0.0)), twice)) == []


@pytest.mark.parametrize(("keyword", "verdict"), [("must", "fail"), ("should", "fail"), ("may", "weak")])
def test_who_does_not_do_what_nobody_must_is_weak_at_most(keyword: Keyword, verdict: str) -> None:
    case = replace(SIMPLE[0], keyword=keyword)
    wrong = play(case, {"content": "something else"}).verdict
    assert wrong.name == verdict
    assert "something else" in str(wrong.reasons)
    expected = play(case).expected
    assert expected is not None
    right = {**expected.outcome, "usage": None if expected.outcome["usage"] is ANY else expected.outcome["usage"]}
    unseen = play(replace(case, saw=Saw(requests=2)), right).verdict
    assert unseen.name == verdict
    assert unseen.reasons[-1] == "expected 2 requests, the server saw 1"
    assert play(case, report=Report("hang")).verdict.name == "hang"


def test_a_report_that_is_no_answer_is_the_verdict() -> None:
    result = play(SIMPLE[0], report=Report("hang", output="x" * 600 + " the end \n"))
    assert result.verdict.name == "hang"
    assert result.verdict.reasons[0].endswith("the end")
    assert len(result.verdict.reasons[0]) <= 500


@pytest.mark.parametrize(
    ("verdict", "code", "strictly"),
    [
        ("pass", 0, 0),
        ("skip", 0, 0),
        ("weak", 0, 1),
        ("fail", 1, 1),
        ("crash", 1, 1),
        ("hang", 1, 1),
        ("harness error", 1, 1),
    ],
)
def test_the_exit_code(verdict: VerdictName, code: int, strictly: int) -> None:
    run = make_run([make_result(SIMPLE[0].id, "pass"), make_result(SIMPLE[1].id, verdict)])
    assert (exit_code(run), exit_code(run, strict=True)) == (code, strictly)


def test_a_get_of_a_cases_url_asks_what_the_case_asks() -> None:
    case = next(case for case in load_cases() if case.request.get("n") == 2 and case.right == "same")
    with serve_cases([case]) as server, RawClient(server) as client:
        path = f"/scenarios/{case.id}/v1/chat/completions"
        got = client.ask(None, "GET", path)
        posted = client.ask(case.body(), path=path)
        assert {choice["index"] for event in got.events[:-1] for choice in event["choices"]} == {0, 1}
        assert len(got.events) == len(posted.events)
        assert server.requests[0].body == case.body() == json.loads(server.requests[1].raw_body)
        assert client.ask(None, "GET", "/v1/chat/completions").status == 405
