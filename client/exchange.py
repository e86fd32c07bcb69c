"""One call, without I/O: requests, their answers, limits, retries, as a conversation with whoever does the I/O.

`Exchange.run()` is a generator. It yields either a `Delta`, which goes to the caller, or a step of `client.steps`, whose result
is sent back in. It ends when the reply is whole, and raises a `ChatError` when it is not. So the rules stand here once, for the
sync and the async surface alike, and can be tested without a socket or a clock.

What the steps leave behind is for the driver to close: a connection whose body was read to its end may be used again, any other
must be dropped.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Generator
from typing import Any, TypeAlias

from client.completion import Completion, Delta
from client.deadline import Waiting
from client.errors import (
    ChatError,
    MalformedError,
    NotReachedError,
    RefusedError,
    TooLargeError,
    TruncatedError,
    excerpt,
)
from client.limits import Limits
from client.reader import ChatReader
from client.reports import find_report, read_json
from client.retry import Retries, read_retry_after
from client.steps import Drain, Fault, Head, Read, Release, Send, Step, Wait

__all__ = ["Exchange", "Talk"]

DRAIN_BYTES = 64 * 1024
"""More than this after `[DONE]` is not worth reading for a connection."""

REFUSAL_BYTES = 64 * 1024
"""How much of an error answer's body is read."""

UNEXPECTED_BYTES = 1024 * 1024
"""How much of a body of another type than asked for is read, so that a completion in it is not lost."""


Talk: TypeAlias = Generator[Delta | Step, Any, None]


class Exchange:
    """The conversation for one call.

    `streamed` says whether a stream was asked for, `choices` how many choices (`n`). `clock` gives seconds of any clock that
    only goes forward, `unix_clock` Unix time, `spread` random numbers from 0 to 1.
    """

    def __init__(
        self,
        *,
        streamed: bool = True,
        choices: int = 1,
        limits: Limits | None = None,
        retries: Retries | None = None,
        clock: Callable[[], float] = time.monotonic,
        unix_clock: Callable[[], float] = time.time,
        spread: Callable[[], float] = lambda: 0.0,
    ) -> None:
        self.attempts = 0
        self._streamed = streamed
        self._choices = choices
        self._limits = limits or Limits()
        self._retries = retries or Retries()
        self._clock = clock
        self._unix_clock = unix_clock
        self._spread = spread
        self._gave_delta = False
        self._reader = ChatReader()

    @property
    def completion(self) -> Completion:
        """What the present attempt has brought so far."""
        return self._reader.completion

    @property
    def chunk_count(self) -> int:
        """How many chunks the present attempt has brought, up to the delta in hand."""
        return self._reader.chunk_count

    def run(self) -> Talk:
        """The conversation; to be run once."""
        waiting = Waiting(self._limits, self._clock())
        while True:
            self.attempts += 1
            try:
                yield from self._attempt(waiting)
                return
            except ChatError as error:
                error.attempts = self.attempts
                error.completion = error.completion or self.completion
                wait_s = None if self._gave_delta else self._retries.wait_s(error, self.attempts, self._spread())
                if wait_s is None or not waiting.allows(wait_s, self._clock()):
                    raise
            yield Release()
            yield Wait(wait_s)

    def _attempt(self, waiting: Waiting) -> Talk:
        now_s = self._clock()
        waiting.begin_attempt(now_s)
        self._reader = ChatReader(choices=self._choices, limits=self._limits, start_s=now_s)
        answer = yield Send(waiting.deadline.at_s, self._limits.connect_timeout_s)
        if isinstance(answer, Fault):
            raise explain_unanswered(answer, waiting) from answer.cause
        head: Head = answer
        now_s = self._clock()
        waiting.receive(now_s, now_s, event=False, comment=False, token=False)
        if not 200 <= head.status < 300:
            body, _ = yield from self._read_body(waiting, REFUSAL_BYTES)
            raise explain_refusal(head, body, self._unix_clock())
        if not self._streamed:
            yield from self._read_whole(waiting)
        elif is_event_stream(head):
            yield from self._read_stream(waiting)
        else:
            body, _ = yield from self._read_body(waiting, UNEXPECTED_BYTES)
            raise self._reader.explain_body(body, head.headers["content-type"])

    def _read_stream(self, waiting: Waiting) -> Talk:
        reader = self._reader
        while not reader.done:
            deadline = waiting.deadline
            data = yield Read(deadline.at_s)
            arrived_s = self._clock()
            if isinstance(data, Fault):
                raise explain_broken(data, waiting) from data.cause
            if not data:
                reader.end()
                return
            events, comments = reader.events, reader.comments
            for delta in reader.feed(data, arrived_s):
                self._gave_delta = True
                yield delta
            restarted = waiting.receive(
                arrived_s,
                self._clock(),
                event=reader.events > events,
                comment=reader.comments > comments,
                token=reader.has_token,
            )
            if arrived_s > deadline.at_s and (not restarted or deadline.limit == "total"):
                raise deadline.error
        yield from self._drain()

    def _drain(self) -> Talk:
        """Read to the end of the body, if it is near, so that the connection can be used again."""
        deadline_s = self._clock() + self._limits.drain_timeout_s
        size = 0
        while size <= DRAIN_BYTES:
            data = yield Drain(deadline_s)
            if isinstance(data, Fault) or not data:
                return
            size += len(data)

    def _read_whole(self, waiting: Waiting) -> Talk:
        """The answer to a request for no stream: one body."""
        bound = self._limits.max_event_bytes
        body, fault = yield from self._read_body(waiting, bound)
        if fault is not None:
            raise explain_broken(fault, waiting) from fault.cause
        if bound is not None and len(body) > bound:
            raise refuse_size(bound)
        for delta in self._reader.read_whole(body, self._clock()):
            self._gave_delta = True
            yield delta

    def _read_body(self, waiting: Waiting, bound: int | None) -> Generator[Step, Any, tuple[bytes, Fault | None]]:
        """The body as far as it comes, or a little past `bound`, and what ended it early."""
        body = bytearray()
        while bound is None or len(body) <= bound:
            data = yield Read(waiting.deadline.at_s)
            if isinstance(data, Fault):
                return bytes(body), data
            if not data:
                break
            body += data
        return bytes(body), None


def is_event_stream(head: Head) -> bool:
    """Whether the content type allows an event stream: one of those listed, in any case, parameters aside, or none at all.

    RFC 9110 8.3: "If a Content-Type header field is not present, the recipient MAY […] examine the data to determine its type."
    """
    types = head.headers.get("content-type", "")
    return not types or any(each.partition(";")[0].strip().lower() == "text/event-stream" for each in types.split(","))


def explain_unanswered(fault: Fault, waiting: Waiting) -> ChatError:
    """The error for a request without an answer."""
    if fault.kind == "timeout":
        return waiting.deadline.error
    return NotReachedError("a connection" if fault.kind == "connect" else "the head of an answer", fault.text)


def explain_broken(fault: Fault, waiting: Waiting) -> ChatError:
    """The error for a body that broke off."""
    if fault.kind == "timeout":
        return waiting.deadline.error
    if fault.kind == "coding":
        return MalformedError("a body in the content coding its head names", fault.text)
    return TruncatedError("the rest of the body", fault.text)


def explain_refusal(head: Head, body: bytes, unix_s: float) -> RefusedError:
    """The error for a status other than 2xx."""
    text = body.decode("utf-8", "replace")
    told = find_report(read_json(body))
    message = told.get("message") if told else None
    error = RefusedError("status 2xx", f"{head.status}: {message if isinstance(message, str) else excerpt(text)}")
    if 300 <= head.status < 400:
        where = head.headers.get("location", "elsewhere")
        error.remedy = (
            f"redirects are not followed, so that no key goes astray; make {where} part of the base URL if it is right"
        )
    error.status, error.headers, error.body, error.error = head.status, head.headers, text, told or {}
    error.retry_after_s = read_retry_after(head.headers, unix_s)
    return error


def refuse_size(bound: int) -> TooLargeError:
    """The error for a body that is no stream and too long to hold."""
    error = TooLargeError(f"the end of the body within {bound} bytes", "more bytes", remedy="raise max_event_bytes")
    error.bound_bytes = bound
    return error
