"""A run of the suite: every case served, played to a consumer, and judged."""

import json
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

from mockserver.conformance.case import Case, explain_skip
from mockserver.conformance.consumer import Hello, Program
from mockserver.conformance.result import PLAIN, Result, check_plain, judge_report
from mockserver.conformance.verdict import BAD, Verdict
from mockserver.journal import Exchange
from mockserver.server import MockServer

TIMEOUT_S = 5.0
"""The longest wait for the next byte that a consumer is given, unless the case says otherwise."""

TIME_LIMIT_S = 20.0
"""How long a case may take before it counts as a hang."""

_SETTLE_S = 2.0


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


def exit_code(run: Run, strict: bool = False) -> int:
    """0 if nothing fails the run, else 1."""
    bad = {*BAD, "weak"} if strict else set(BAD)
    return int(any(result.verdict.name in bad for result in run.results))
