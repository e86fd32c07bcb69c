"""A run: cases served and played to a program, each judged."""

import json
import threading
from collections.abc import Sequence
from pathlib import Path

import pytest

from mockserver.conformance.case import Case, load_cases
from mockserver.conformance.result import Result
from mockserver.conformance.run import Options, Run, exit_code, run_cases, serve_cases
from mockserver.conformance.verdict import Verdict, VerdictName
from tests.mockserver.conformance.made import SIMPLE, make_result, make_run, play
from tests.mockserver.conformance.programs import write_program
from tests.support import RawClient, open_descriptors


def run_program(folder: Path, source: str, chosen: Sequence[Case], options: Options | None = None) -> Run:
    return run_cases(write_program(folder, source), chosen, options)


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
