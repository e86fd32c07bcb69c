"""A result: the report of a consumer and what the server saw judged together, our own mistakes kept apart."""

import pytest
from msgspec.structs import replace

from mockserver.conformance import result as result_module
from mockserver.conformance.case import Keyword, Saw, load_cases
from mockserver.conformance.consumer import Report
from mockserver.conformance.result import check_saw
from mockserver.conformance.verdict import Verdict
from mockserver.lint import Finding
from mockserver.outcome import ANY
from tests.mockserver.conformance.made import SIMPLE, find_case, play


def test_a_coding_that_was_not_offered_is_no_matter_of_the_consumer() -> None:
    case = next(case for case in load_cases() if case.scenario.delivery.http.coding == "gzip" and not case.needs)
    if case.scenario.delivery.http.coding_unasked:
        pytest.fail("the first gzip case is one that is sent unasked: choose another")
    assert play(case, {"content": "whatever"}).verdict == Verdict("skip", ("the consumer did not offer gzip",))


def test_our_own_mistake_is_no_verdict_on_the_consumer(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(result_module, "lint_steps", lambda plan: [Finding("broken", "WHATWG", "no blank line", 3)])
    result = play(SIMPLE[0], {"content": "wrong anyway"})
    assert result.verdict.name == "harness error"
    assert "no blank line" in result.verdict.reasons[0]


@pytest.mark.parametrize("name", ["n-second-first", "event-1m", "events-after-done"])
def test_our_own_mistake_is_found_in_a_stream_that_is_given_raw_or_struck_too(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert play(find_case(name), {"content": "wrong anyway"}).verdict.name == "fail"
    found = [Finding("departure", "OpenAI", "no id"), Finding("broken", "RFC 8259", "the data is no JSON", 3)]
    monkeypatch.setattr(result_module, "lint_steps", lambda plan: found)
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
    assert list(check_saw(case, [exchange])) == told


def test_a_wait_between_two_tries_is_measured_at_the_server() -> None:
    case = replace(SIMPLE[0], saw=Saw(waited_s=5.0))
    first = play(case)
    assert first.expected is not None
    twice = (*first.exchanges, *first.exchanges)
    told = list(check_saw(case, twice))
    assert told == ["expected the next try after 5.0 s, it came after 0.00 s"]
    assert list(check_saw(replace(case, saw=Saw(waited_s=0.0)), twice)) == []


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
