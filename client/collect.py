"""Somebody else's stream of chunks -> completion: an `openai` stream as it is, or any iterable of chunks.

    started_s = time.perf_counter()
    completion = collect(openai.chat.completions.create(…, stream=True), started_s=started_s)

It raises where the SDK stays silent: a stream that ends before every choice has its finish reason, an error told in a shape that
the SDK takes for a chunk, tool arguments that are not JSON. What the SDK raises itself becomes the same tree of errors, with
what had been received and the original as `__cause__`. `[DONE]` is not seen here, so a finish reason is required.

Nothing of the SDK is imported: its chunks are taken by their `model_dump`, its exceptions by the names of their classes.
"""

from __future__ import annotations

import contextlib
import inspect
import time
from collections.abc import AsyncIterable, Callable, Iterable, Mapping
from typing import Any

from client.accumulate import Accumulator
from client.completion import Completion
from client.errors import (
    ChatError,
    MalformedError,
    NotReachedError,
    RefusedError,
    ReportedError,
    StalledError,
    TruncatedError,
    excerpt,
)
from client.reports import describe_report, find_report, read_json
from client.retry import read_retry_after
from client.stopwatch import Stopwatch
from client.whole import find_fault

__all__ = ["acollect", "collect"]

KINDS: dict[str, type[ChatError]] = {
    # Looked up along the bases of the exception's class, the class itself first.
    "APITimeoutError": StalledError,
    "TimeoutException": StalledError,
    "TimeoutError": StalledError,
    "ConnectError": NotReachedError,
    "APIConnectionError": TruncatedError,
    "APIStatusError": RefusedError,
    "APIError": ReportedError,
    "DecodingError": MalformedError,
    "TransportError": TruncatedError,
    "ConnectionError": TruncatedError,
    "JSONDecodeError": MalformedError,
    "UnicodeDecodeError": MalformedError,
}
"""Exceptions of the SDK, of httpx and httpx2 and of the standard library that tell of a bad stream, by class name."""


def collect(
    stream: Iterable[Any],
    *,
    choices: int = 1,
    started_s: float | None = None,
    clock: Callable[[], float] = time.perf_counter,
) -> Completion:
    """Read `stream` to its end and return the completion with its timings; raises a `ChatError` if it is not whole.

    `stream` yields chunks: objects with `model_dump`, or mappings. `choices` is how many were asked for (`n`). `started_s` is the
    `clock`'s time when the request was sent; without it TTFT counts from this call. The stream is closed in any case.
    """
    collector = Collector(choices, clock, started_s)
    try:
        for chunk in stream:
            collector.add(chunk)
        return collector.finish()
    except Exception as error:
        collector.explain(error)
        raise
    finally:
        close = getattr(stream, "close", None)
        if close is not None:
            close()


async def acollect(
    stream: AsyncIterable[Any],
    *,
    choices: int = 1,
    started_s: float | None = None,
    clock: Callable[[], float] = time.perf_counter,
) -> Completion:
    """`collect` for an async stream."""
    collector = Collector(choices, clock, started_s)
    try:
        async for chunk in stream:
            collector.add(chunk)
        return collector.finish()
    except Exception as error:
        collector.explain(error)
        raise
    finally:
        close = getattr(stream, "close", None) or getattr(stream, "aclose", None)
        closing = close() if close is not None else None
        if inspect.isawaitable(closing):
            await closing


class Collector:
    """What both surfaces do with each chunk, and at the end."""

    def __init__(self, choices: int, clock: Callable[[], float], started_s: float | None) -> None:
        self._choices = choices
        self._clock = clock
        self._accumulator = Accumulator()
        self._watch = Stopwatch(clock() if started_s is None else started_s)

    def add(self, chunk: Any) -> None:
        """Take one chunk."""
        now_s = self._clock()
        value = read_chunk(chunk)
        report = find_report(value)
        if report is not None:
            raise describe_report(report, "in a chunk")
        self._watch.read(now_s)
        if any(delta.has_token for delta in self._accumulator.add(value)):
            self._watch.token(now_s)

    def finish(self) -> Completion:
        """The completion, if it is whole."""
        self._watch.read(self._clock())
        completion = self._accumulator.completion(self._watch.timings())
        fault = find_fault(completion, choices=self._choices, done=False)
        if fault is not None:
            raise fault
        return completion

    def explain(self, error: Exception) -> None:
        """Raise the `ChatError` for `error`, with what has come; returns if it is none of the stream's."""
        told = error if isinstance(error, ChatError) else translate(error)
        if told is None:
            return
        told.completion = self._accumulator.completion(self._watch.timings())
        if told is not error:
            raise told from error


def read_chunk(chunk: Any) -> Mapping[str, Any]:
    """A chunk as a mapping of what the server sent."""
    if isinstance(chunk, Mapping):
        return chunk
    dump = getattr(chunk, "model_dump", None)
    if dump is None:
        raise TypeError(f"expected chunks that are mappings or have model_dump, got {type(chunk).__name__}")
    # Unset fields would turn into nulls, and a provider's odd values into warnings.
    value: Mapping[str, Any] = dump(exclude_unset=True, warnings=False)
    return unwrap_event(value) if value.keys() == {"event", "data"} else value


def unwrap_event(value: Mapping[str, Any]) -> Mapping[str, Any]:
    """What a named event says: the SDK of old (1.55) hands it on as a chunk with the event's name and data as its members."""
    data = value["data"]
    if value["event"] == "error":
        return {"error": data}
    return data if isinstance(data, Mapping) else {}


def translate(error: Exception) -> ChatError | None:
    """The error of our tree for an exception that tells of a bad stream; None if it tells of something else."""
    names = [base.__name__ for base in type(error).__mro__]
    kind = next((KINDS[name] for name in names if name in KINDS), None)
    if kind is None:
        return None
    told = kind("the next chunk", f"{names[0]}: {excerpt(str(error))}")
    if isinstance(told, ReportedError):
        body = getattr(error, "body", None)
        told.error = body if isinstance(body, Mapping) else {"message": str(error)}
    if isinstance(told, RefusedError):
        describe_refusal(told, error)
    return told


def describe_refusal(told: RefusedError, error: Exception) -> None:
    """Fill `told` from the SDK's status error and the answer it holds; what that has not read is not known."""
    response, body = getattr(error, "response", None), getattr(error, "body", None)
    told.status = getattr(error, "status_code", 0)
    told.headers = {name.lower(): value for name, value in getattr(response, "headers", {}).items()}
    told.retry_after_s = read_retry_after(told.headers, time.time())
    with contextlib.suppress(RuntimeError):  # httpx's, where the answer was streamed
        told.body = getattr(response, "text", "")
    # The SDK takes the error object out of the body, and leaves any other body as it is.
    told.error = body if isinstance(body, Mapping) else find_report(read_json(told.body)) or {}
