"""What came of one case: what the consumer reported, held against what was played to it and what the server saw."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from mockserver.conformance.case import Case
from mockserver.conformance.consumer import Report
from mockserver.conformance.verdict import Verdict, judge, judge_left
from mockserver.http import offers
from mockserver.journal import Exchange
from mockserver.lint import Finding, lint_steps, lint_text
from mockserver.outcome import Expected, expect
from mockserver.scenario import Scenario
from mockserver.steps import Hold, Write
from mockserver.stream import Stream

PLAIN = Scenario(name="plain-afterwards", reply="All is well again.")
"""What is asked for after a case that says `then_plain`."""


@dataclass(frozen=True, slots=True)
class Result:
    """What came of one case: the verdict, what was expected and reported, and what the server saw and played."""

    case: Case
    verdict: Verdict
    expected: Expected | None = None
    report: Report | None = None
    exchanges: tuple[Exchange, ...] = ()


def judge_report(case: Case, report: Report, exchanges: Sequence[Exchange], lacks: frozenset[str]) -> Result:
    """The result of a case: what the consumer reported, held against what was played to it."""

    def result(verdict: Verdict, expected: Expected | None = None) -> Result:
        return Result(case, verdict, expected, report, tuple(exchanges))

    if report.ended != "answer":
        return result(Verdict(report.ended, tuple(filter(None, (report.output.strip()[-500:],)))))
    if not exchanges:
        told = f": it reported {report.answer.get('error')}" if report.answer.get("error") else ""
        return result(Verdict("fail", (f"the consumer never asked the server{told}",)))
    last = exchanges[-1]
    if coding := _find_unoffered(case, last):
        return result(Verdict("skip", (f"the consumer did not offer {coding}",)))
    expected = _expect_of(last)
    broken = find_own_mistakes(last, expected)
    if broken:
        return result(Verdict("harness error", broken), expected)
    if case.leave_after_chunks is not None:
        verdict = judge_left(expected, report.answer)
    else:
        verdict = judge(expected, report.answer, case.arguments_as_json, lacks)
    unseen = tuple(check_saw(case, exchanges))
    if unseen and verdict.name in ("pass", "weak"):
        verdict = Verdict("fail", unseen)
    if case.keyword == "may" and verdict.name == "fail":
        # RFC 2119 5: an item that is "truly optional" is nothing to fail by.
        verdict = Verdict("weak", ("not done as others do it, which nobody must", *verdict.reasons))
    return result(verdict, expected)


def _find_unoffered(case: Case, exchange: Exchange) -> str | None:
    """The content coding that a case is about and the request did not offer, where it is not to come all the same."""
    http = case.scenario.delivery.http
    if http.coding is None or http.coding_unasked or offers(exchange.headers.get("accept-encoding", ""), http.coding):
        return None
    return http.coding


def _expect_of(exchange: Exchange) -> Expected:
    """What was expected of who got this answer; where it is no stream, that it tells of the status."""
    if exchange.plan is None or exchange.plan.stream is None:
        return Expected("error", {}, (f"status {exchange.status}",), told=True)
    return expect(exchange.plan.stream)


def find_own_mistakes(exchange: Exchange, expected: Expected) -> tuple[str, ...]:
    """What is wrong with our own stream, where it was meant to be legal."""
    plan = exchange.plan
    if expected.right != "same" or plan is None or plan.stream is None:
        return ()
    held = any(isinstance(step, Hold) for step in plan)
    findings = _lint_body(plan.stream) if held else lint_steps(plan)
    return tuple(str(finding) for finding in findings if finding.level == "broken")


def _lint_body(stream: Stream) -> list[Finding]:
    """The findings on a stream that is held open on purpose, as if it went on to its end."""
    body = b"".join(piece.data for piece in stream.body())
    return lint_text(body.decode("utf-8", "replace").removeprefix("\ufeff"))


def check_saw(case: Case, exchanges: Sequence[Exchange]) -> Iterator[str]:
    """What the server did not see and the case says it must: the number of tries, the wait between them, the leaving."""
    saw = case.saw
    if saw.requests is not None and len(exchanges) != saw.requests:
        yield f"expected {saw.requests} requests, the server saw {len(exchanges)}"
    if saw.left_within_s is not None:
        last = exchanges[-1]
        if last.ended is None or not last.ended.startswith("client left"):
            # Whether the stream came to its end meanwhile is a matter of how fast the machine is, and of no interest.
            yield f"expected the consumer to close the connection within {saw.left_within_s} s, it was kept"
        elif (took_s := _time_leaving(case, last)) > saw.left_within_s:
            yield f"expected the consumer to close the connection within {saw.left_within_s} s, it took {took_s:.2f} s"
    if saw.waited_s is not None and len(exchanges) > 1:
        waited_s = exchanges[1].received_at - exchanges[0].received_at
        if waited_s < saw.waited_s * 0.95:
            yield f"expected the next try after {saw.waited_s} s, it came after {waited_s:.2f} s"


def _time_leaving(case: Case, exchange: Exchange) -> float:
    """How long a consumer took to leave, in seconds from the chunk at which it was to; a late server is no fault of its own."""
    chunks = case.leave_after_chunks or 0
    due_s = 0.0
    for step in exchange.plan or ():
        if isinstance(step, Write) and step.event is not None:
            if step.event >= chunks:
                break
            due_s = step.due_s
    return (exchange.ended_s or 0.0) - due_s - exchange.late_s


def check_plain(answer: Mapping[str, Any]) -> tuple[str, ...]:
    """What is wrong with the answer to the plain request that follows some cases on the same client."""
    got, error = answer.get("content"), answer.get("error")
    if not error and got == PLAIN.reply:
        return ()
    return (f"at the next, plain request: expected {PLAIN.reply!r}, got {got!r}, error {error}",)


def judge_next(result: Result, then: Any, lacks: frozenset[str] = frozenset()) -> Result:
    """The result of a case with what came of the plain request after it, where one must succeed; without it only half is judged."""
    if not result.case.then_plain or result.verdict.name not in ("pass", "weak") or "content" in lacks:
        return result
    if not isinstance(then, Mapping):
        return replace(result, verdict=Verdict("skip", ("no outcome of the plain request that is to follow (`then`)",)))
    wrong = check_plain(then)
    return replace(result, verdict=Verdict("fail", wrong)) if wrong else result
