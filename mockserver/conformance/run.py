"""A run of the suite: every case played to a consumer, what it reported judged, what the server saw checked."""

import json
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from typing import Any

from mockserver.conformance.case import Case, explain_skip
from mockserver.conformance.consumer import Hello, Program, Report
from mockserver.conformance.verdict import BAD, Verdict, judge, judge_left
from mockserver.http import offers
from mockserver.journal import Exchange
from mockserver.lint import Finding, lint_steps, lint_text
from mockserver.outcome import Expected, expect
from mockserver.scenario import Scenario
from mockserver.server import MockServer
from mockserver.steps import Hold, Write
from mockserver.stream import Stream

TIMEOUT_S = 5.0
"""The longest wait for the next byte that a consumer is given, unless the case says otherwise."""

TIME_LIMIT_S = 20.0
"""How long a case may take before it counts as a hang."""

PLAIN = Scenario(name="plain-afterwards", reply="All is well again.")
"""What is asked for after a case that says `then_plain`."""

_SETTLE_S = 2.0


@dataclass(frozen=True, slots=True)
class Result:
    """What came of one case: the verdict, what was expected and reported, and what the server saw and played."""

    case: Case
    verdict: Verdict
    expected: Expected | None = None
    report: Report | None = None
    exchanges: tuple[Exchange, ...] = ()


@dataclass(frozen=True, slots=True)
class Run:
    """A whole run: who was judged, and the results in the order of the cases."""

    consumer: Hello
    results: tuple[Result, ...]
    started_at: float
    took_s: float
    seed: int = 0

    def count(self, name: str) -> int:
        """How many cases have a verdict."""
        return sum(result.verdict.name == name for result in self.results)


@dataclass(frozen=True, slots=True)
class Options:
    """How a run is made."""

    jobs: int = 1
    time_limit_s: float = TIME_LIMIT_S
    spawn: bool = False
    seed: int = 0
    env: dict[str, str] = field(default_factory=dict)


def run_cases(
    command: Sequence[str],
    cases: Sequence[Case],
    options: Options | None = None,
    on_result: Callable[[Result], None] | None = None,
) -> Run:
    """Judge a consumer's program by some cases. Raises `UsageError` if it cannot be driven."""
    options = options or Options()
    started_at, started = time.time(), time.monotonic()
    with serve_cases(cases, options.seed) as server:
        pool = _Pool(command, options)
        try:
            hello = pool.start()
            judge_one = Judge(server, hello, options)

            def work(case: Case) -> Result:
                result = judge_one(pool.program(), case)
                if on_result is not None:
                    on_result(result)
                return result

            with ThreadPoolExecutor(options.jobs, thread_name_prefix="case") as executor:
                results = tuple(executor.map(work, cases))
        finally:
            pool.stop()
    return Run(hello, results, started_at, time.monotonic() - started, options.seed)


def serve_cases(cases: Sequence[Case], seed: int = 0, **options: Any) -> MockServer:
    """A server that plays every case under its own URL, and nothing else; a GET of that URL asks what the case asks."""
    scenarios = {case.id: case.as_scenario() for case in cases}
    bodies = {case.id: json.dumps(case.body()).encode() for case in cases}
    return MockServer(*scenarios.values(), PLAIN, strict=True, seed=seed, get_bodies=bodies, **options)


class _Pool:
    """One running program for each thread of the run."""

    def __init__(self, command: Sequence[str], options: Options) -> None:
        self._command = command
        self._options = options
        self._programs: list[Program] = []
        self._local = threading.local()
        self._spare: list[Program] = []
        self._lock = threading.Lock()

    def start(self) -> Hello:
        program = self._new()
        self._spare.append(program)
        return program.start()

    def _new(self) -> Program:
        program = Program(self._command, self._options.spawn, self._options.env)
        self._programs.append(program)
        return program

    def program(self) -> Program:
        """The program of the calling thread."""
        if not hasattr(self._local, "program"):
            with self._lock:
                self._local.program = self._spare.pop() if self._spare else self._new()
        found: Program = self._local.program
        return found

    def stop(self) -> None:
        for program in self._programs:
            program.stop()


class Judge:
    """Plays one case to a program and judges it."""

    def __init__(self, server: MockServer, hello: Hello, options: Options) -> None:
        self._server = server
        self._hello = hello
        self._options = options

    def __call__(self, program: Program, case: Case) -> Result:
        if skipped := explain_skip(case, self._hello.lacks):
            return Result(case, Verdict("skip", (skipped,)))
        time_limit_s = max(self._options.time_limit_s, case.time_limit_s or 0)
        report = program.run(make_line(case, self._server.scenario_url(case.id)), time_limit_s)
        exchanges = wait_for_end(self._server, case)
        result = judge_report(case, report, exchanges, self._hello.lacks)
        if case.then_plain and result.verdict.name in ("pass", "weak") and "content" not in self._hello.lacks:
            result = self._judge_next(program, case, result)
        return result

    def _judge_next(self, program: Program, case: Case, result: Result) -> Result:
        """A plain request on the same client must succeed after whatever came before."""
        line = {**make_line(case, self._server.scenario_url(PLAIN.name)), "case": f"{case.id}, then a plain request"}
        line |= {"leave_after_chunks": None, "read_pause_ms": 0, "timeout_s": TIMEOUT_S}
        report = program.run(line, self._options.time_limit_s)
        if report.ended != "answer":
            return Result(
                case, Verdict(report.ended, ("at the next, plain request",)), result.expected, report, result.exchanges
            )
        wrong = check_plain(report.answer)
        return Result(case, Verdict("fail", wrong), result.expected, report, result.exchanges) if wrong else result


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


def wait_for_end(server: MockServer, case: Case, after: int = 0) -> tuple[Exchange, ...]:
    """The exchanges of a case with a number above `after`, once they have ended, or after a while."""
    deadline = time.monotonic() + _SETTLE_S
    while True:
        found = tuple(e for e in server.requests if e.scenario == case.id and e.number > after)
        if all(exchange.ended for exchange in found) or time.monotonic() > deadline:
            return found
        time.sleep(0.002)


def make_line(case: Case, base_url: str) -> dict[str, Any]:
    """What a consumer is told of a case; see the protocol."""
    return {
        "case": case.id,
        "base_url": base_url,
        "api_key": "test",
        "timeout_s": case.timeout_s if case.timeout_s is not None else TIMEOUT_S,
        "retries": case.retries,
        "leave_after_chunks": case.leave_after_chunks,
        "read_pause_ms": case.read_pause_ms,
        "request": case.body(),
    }


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
    coding = case.scenario.delivery.http.coding
    if (
        coding
        and not case.scenario.delivery.http.coding_unasked
        and not offers(last.headers.get("accept-encoding", ""), coding)
    ):
        return result(Verdict("skip", (f"the consumer did not offer {coding}",)))
    expected = (
        expect(last.plan.stream)
        if last.plan is not None and last.plan.stream is not None
        else Expected("error", {}, (f"status {last.status}",), told=True)
    )
    broken = find_own_mistakes(last, expected)
    if broken:
        return result(Verdict("harness error", broken), expected)
    if case.leave_after_chunks is not None:
        verdict = judge_left(expected, report.answer)
    else:
        verdict = judge(expected, report.answer, case.arguments_as_json, lacks)
    unseen = tuple(_check_saw(case, exchanges))
    if unseen and verdict.name in ("pass", "weak"):
        verdict = Verdict("fail", unseen)
    if case.keyword == "may" and verdict.name == "fail":
        # RFC 2119 5: an item that is "truly optional" is nothing to fail by.
        verdict = Verdict("weak", ("not done as others do it, which nobody must", *verdict.reasons))
    return result(verdict, expected)


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


def _check_saw(case: Case, exchanges: Sequence[Exchange]) -> Iterator[str]:
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


def exit_code(run: Run, strict: bool = False) -> int:
    """0 if nothing fails the run, else 1."""
    bad = {*BAD, "weak"} if strict else set(BAD)
    return int(any(result.verdict.name in bad for result in run.results))
