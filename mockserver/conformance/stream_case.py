"""One case for a test of your own: where to ask what, and the judgement of what your code made of it.

    def test_my_client(stream_case):
        with stream_case.expecting() as got:
            got |= my_client(stream_case.base_url, stream_case.request)

No program is driven here: your function runs in the test's own process. What hangs, hangs the test.
"""

import json
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any
from unittest import SkipTest

from mockserver.conformance.adhoc import make_case
from mockserver.conformance.case import Case, explain_skip
from mockserver.conformance.consumer import Report
from mockserver.conformance.mark import find_mark
from mockserver.conformance.result import PLAIN, Result, judge_next, judge_report
from mockserver.conformance.run import make_line, serve_cases, wait_for_end
from mockserver.conformance.verdict import BAD
from mockserver.server import MockServer

Got = Mapping[str, Any]
"""What your code made of a stream: see docs/writing-a-consumer.md; members that are left out count as null."""


class CaseFailedError(AssertionError):
    """A consumer did not do what a case requires. Its text says what; `result` has all the evidence."""

    def __init__(self, result: Result) -> None:
        super().__init__("\n".join(_explain(result)))
        self.result = result


class StreamCase:
    """A case that is being served: ask `request` of `base_url`, and have what comes of it judged.

    `timeout_s` is the longest wait for the next byte, `retries` how often a failed request may be tried again;
    `leave_after_chunks`, if it is a number, asks to stop reading early, `read_pause_ms` to read slowly. `lacks` are the
    abilities of your code that are missing: fields of that name are not compared. With `strict`, weak fails too. `then`, where it
    is not None, is to be asked afterwards with the same client: what comes of it stands under "then", else the case is skipped.
    """

    def __init__(
        self, case: Case, server: MockServer, lacks: frozenset[str] = frozenset(), strict: bool = False
    ) -> None:
        self.case = case
        self.server = server
        self.judged: Result | None = None
        self._lacks = lacks
        self._bad = {*BAD, "weak"} if strict else set(BAD)
        self.then = StreamCase(make_case(PLAIN), server) if case.then_plain else None
        self._began = time.monotonic()
        self.line = make_line(case, server.scenario_url(case.id))
        """The case as a consumer's program would be told it."""
        self.base_url: str = self.line["base_url"]
        self.api_key: str = self.line["api_key"]
        self.request: dict[str, Any] = self.line["request"]
        self.timeout_s: float = self.line["timeout_s"]
        self.retries: int = self.line["retries"]
        self.leave_after_chunks: int | None = self.line["leave_after_chunks"]
        self.read_pause_ms: int = self.line["read_pause_ms"]

    def __repr__(self) -> str:
        return f"<StreamCase {self.case.id}: {self.case.requirement}>"

    def judge(self, got: Got) -> Result:
        """Judge what your code made of the stream. Raises `CaseFailedError`, or `SkipTest` where not all was asked."""
        __tracebackhide__ = True
        report = Report("answer", _as_json(got), took_s=time.monotonic() - self._began)
        result = judge_report(self.case, report, wait_for_end(self.server, self.case), self._lacks)
        return self._conclude(judge_next(result, report.answer.get("then"), self._lacks))

    @contextmanager
    def expecting(self) -> Iterator[dict[str, Any]]:
        """Put what your code made of the stream into this dictionary as it comes; an error it raises is reported as one.

        What was there before the error is judged too: it must be a beginning of the reply.
        """
        __tracebackhide__ = True
        got: dict[str, Any] = {}
        try:
            yield got
        except Exception as error:
            got["error"] = describe_error(error)
        self.judge(got)

    def run(self, function: "Callable[[StreamCase], Got]") -> Result:
        """Judge what `function` returns, or that it raises. Where the case wants it, it is called again for a plain request."""
        __tracebackhide__ = True
        got = _call(function, self)
        if self.then is not None and isinstance(got, Mapping):
            got = {**got, "then": _call(function, self.then)}
        return self.judge(got)

    def _conclude(self, result: Result) -> Result:
        __tracebackhide__ = True
        self.judged = result
        if result.verdict.name == "skip":
            raise SkipTest("; ".join(result.verdict.reasons))
        if result.verdict.name in self._bad:
            raise CaseFailedError(result)
        return result


@contextmanager
def play_case(case: Case, lacks: frozenset[str] = frozenset(), strict: bool = False) -> Iterator[StreamCase]:
    """Serve one case, by a server of its own, as long as this lasts. Raises `SkipTest` where it is not played to such code."""
    if skipped := explain_skip(case, lacks):
        raise SkipTest(skipped)
    with serve_cases([case]) as server:
        yield StreamCase(case, server, lacks, strict)


def describe_error(error: BaseException) -> dict[str, str]:
    """An exception as the consumer protocol has it."""
    return {"type": type(error).__name__, "message": str(error)}


def _call(function: Callable[[StreamCase], Got], case: StreamCase) -> Got:
    try:
        return function(case)
    except Exception as error:
        return {"error": describe_error(error)}


def _as_json(got: Got) -> Got:
    """What was reported, as it would have come from a program; an SDK's objects, such as its usage, as their members."""
    if not isinstance(got, Mapping):
        raise TypeError(f"expected a mapping with content, tool_calls, finish_reason, …; got {got!r}")
    plain: Got = json.loads(json.dumps(dict(got), default=_members))
    return plain


def _members(value: object) -> Any:
    dump = getattr(value, "model_dump", None)
    return dump() if dump is not None else vars(value)


def _explain(result: Result) -> Iterator[str]:
    """Requirement, expected, got, the bytes around the place."""
    case, verdict = result.case, result.verdict
    yield f"{case.id}: {verdict.name}: {case.title}"
    yield f"{case.keyword}: {case.requirement} [{case.source}]"
    yield from verdict.reasons
    if result.report is not None:
        yield f"got: {json.dumps(result.report.answer, ensure_ascii=False)[:1000]}"
    plan = result.exchanges[-1].plan if result.exchanges else None
    if plan is not None and (mark := find_mark(plan)) is not None:
        yield f"bytes: {mark}"
    yield f"again: pytest --stream-cases {case.id}"
