"""The body of one reply -> deltas, without I/O: what each event of a chat stream means, and whether the reply is whole.

The open rules, where the research found providers and consumers at odds:

- **`[DONE]`** ends the reply when it is the whole data of an event, white space aside. `[DONE]` with anything behind it is
  malformed. What follows it is not read.
- **A clean end without `[DONE]`** is whole if every choice has its finish reason; `[DONE]` without one is taken at its word. See
  `client.whole`.
- **An event that the end cuts off** (no blank line) is discarded, as the event-stream standard tells, but never silently: unless
  it was `[DONE]` or the reply lacks nothing and nothing was said in it, the end is a `TruncatedError` that shows it.
- **Invalid UTF-8** in a field is malformed; replaced text must not pass for whole.
- **Heartbeats** are skipped: empty `data:`, a comment framed as data (`data: : keep-alive`), an object without `choices` and
  `usage` that is no chunk and tells no error, and named events (`event: ping`) whose data is no
  chunk and has no `error`.
- **Named events**: `error` is an error, whatever its data. Under any other name a chunk is a chunk, `[DONE]` is `[DONE]`, and an
  object with an `error` in it is an error; what tells one in other words is not.
- **Lines that are no field** are ignored by the standard. An error object among them is an error; other text is shown if the
  reply turns out not to be whole.
- **JSON** is RFC 8259: no NaN, no Infinity, no half surrogate pairs.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import msgspec

from client.accumulate import Accumulator
from client.completion import Completion, Delta
from client.errors import ChatError, MalformedError, NotAStreamError, ReportedError, TruncatedError, excerpt
from client.limits import Limits
from client.reports import as_error, describe_report, find_report, is_plain_text, looks_like_field, read_json
from client.sse import Comment, Event, Ignored, Notice, Parser, Unfinished
from client.stopwatch import Stopwatch
from client.textchunk import decode_text_chunk
from client.whole import find_fault

__all__ = ["ChatReader"]

DONE = "[DONE]"
KEPT_CHARS = 4096
"""How much text outside of events is kept for the error message."""

TEXT_MISSES = 8
"""After so many events in a row that are no `TextChunk`, a stream has its own ways, and trying only costs time."""

decode_json = msgspec.json.Decoder().decode


class ChatReader:
    """Reads one body: feed its bytes, iterate the deltas, tell it the end.

    `choices` is how many choices were asked for (`n`); `start_s` and the `now_s` of each feed are times of any one clock.
    `done` says that `[DONE]` came and the rest need not be read. `events` and `comments` count what has come. Every error
    raised carries the completion as far as it came.
    """

    def __init__(self, *, choices: int = 1, limits: Limits | None = None, start_s: float = 0.0) -> None:
        limits = limits or Limits()
        self.done = False
        self.events = 0
        self.comments = 0
        self.has_token = False
        self._choices = choices
        self._accumulator = Accumulator()
        self._watch = Stopwatch(start_s)
        self._loose: list[tuple[int, str]] = []  # lines outside of events, and how many events came before each
        self._loose_chars = 0
        self._report: ReportedError | None = None
        self._report_at = 0  # how many events came before it
        self._text_misses = 0
        self._parser = Parser(
            strict=True,
            on_notice=self._note,
            max_line_bytes=limits.max_line_bytes,
            max_event_bytes=limits.max_event_bytes,
        )

    @property
    def completion(self) -> Completion:
        """What has come so far."""
        return self._accumulator.completion(self._watch.timings())

    @property
    def chunk_count(self) -> int:
        """How many chunks have been read; during iteration, those up to the delta in hand."""
        return self._accumulator.chunk_count

    def feed(self, data: bytes, now_s: float = 0.0) -> Iterator[Delta]:
        """The deltas that `data`, read at `now_s`, completes. To be iterated to its end."""
        self._watch.last_s = now_s
        try:
            for event in self._parse(data):
                self.events += 1
                for delta in self._take(event):
                    if delta.content or delta.has_token:
                        self.has_token = True
                        self._watch.tokens_s.append(now_s)
                    yield delta
                if self.done:
                    return
            if self._report or self._parser.fault:
                raise self._report or self._parser.fault  # type: ignore[misc]
        except ChatError as error:
            error.completion = self.completion
            raise

    def end(self) -> None:
        """The body is over, in order; raises if the reply is not whole."""
        try:
            if not self.done:
                self._judge(self._parser.end())
        except ChatError as error:
            error.completion = self.completion
            raise

    def read_whole(self, body: bytes, now_s: float = 0.0) -> list[Delta]:
        """The deltas of a reply that is not streamed: `body` is one `chat.completion` object. Raises as for a stream."""
        self._watch.read(now_s)
        try:
            value = read_json(body)
            report = find_report(value)
            if report is not None:
                raise describe_report(report, "in place of a completion")
            if not isinstance(value, dict):
                raise MalformedError("a chat.completion object", excerpt(body))
            deltas = self._accumulator.add(value)
            if any(delta.has_token for delta in deltas):
                self._watch.token(now_s)
            self._finish()
        except ChatError as error:
            error.completion = self.completion
            raise
        return deltas

    def explain_body(self, body: bytes, content_type: str) -> ChatError:
        """The error for a 2xx answer that is no event stream. A completion in it is not used, but not lost either."""
        value = read_json(body)
        report = find_report(value)
        error: ChatError
        if report is not None:
            error = describe_report(report, f"as a body of type {content_type or 'unknown'}")
        else:
            error = NotAStreamError("content type text/event-stream", f"{content_type or 'none'}: {excerpt(body)}")
            error.remedy = "check the base URL" if "html" in content_type.lower() else ""
            error.body = body.decode("utf-8", "replace")
            if isinstance(value, dict):
                with contextlib.suppress(MalformedError):
                    self._accumulator.add(value)
        error.completion = self.completion
        return error

    def _parse(self, data: bytes) -> list[Event]:
        """The events up to the first error told between them."""
        try:
            events = self._parser.feed(data)
        except ChatError as fault:
            raise self._report or fault from None
        if self._report is not None:
            del events[self._report_at - self.events :]
        return events

    def _take(self, event: Event) -> Sequence[Delta]:
        if event.event != "message":
            return self._take_named(event)
        data = event.data
        if self._text_misses < TEXT_MISSES:
            try:
                delta = self._accumulator.add_text(decode_text_chunk(data))
            except (msgspec.DecodeError, RecursionError):
                delta = None
            if delta is not None:
                self._text_misses = 0
                return (delta,)
            self._text_misses += 1
        try:
            value = decode_json(data)
        except (msgspec.DecodeError, RecursionError):
            return self._take_text(data)
        is_object = type(value) is dict
        if not is_object or '"error"' in data or "choices" not in value:
            report = find_report(value)
            if report is not None:
                raise describe_report(report, "in an event")
            if not is_object:
                raise MalformedError("a chunk object as data", excerpt(data))
            if is_heartbeat(value):
                return ()
        return self._accumulator.add(value)

    def _take_text(self, data: str) -> Sequence[Delta]:
        """Data that is not JSON."""
        text = data.strip()
        if text == DONE:
            self._finish()
        elif is_plain_text(text):
            raise describe_report({"message": data}, "in plain text")
        elif text and not text.startswith(":"):
            raise MalformedError("a JSON object or [DONE] as data", excerpt(data))
        return ()

    def _take_named(self, event: Event) -> Sequence[Delta]:
        value = read_json(event.data)
        if event.event == "error":
            told = value if isinstance(value, dict) else event.data
            raise describe_report(find_report({"error": told, **as_error(told)}) or {}, "in an event named error")
        if event.data.strip() == DONE or (isinstance(value, dict) and isinstance(value.get("choices"), list)):
            return self._take(Event(event.data))
        objects = value if isinstance(value, list) else [value]
        error = next((each["error"] for each in objects if isinstance(each, dict) and each.get("error")), None)
        if error is not None:
            raise describe_report(as_error(error), f"in an event named {excerpt(event.event)}")
        return ()

    def _note(self, notice: Notice) -> None:
        """What the parser met outside of events."""
        if isinstance(notice, Comment):
            self.comments += 1
        elif isinstance(notice, Ignored) and not looks_like_field(notice.line):
            report = find_report(read_json(notice.line))
            if report is not None and self._report is None:
                self._report = describe_report(report, "outside of any event")
                self._report_at = self._parser.event_count
            if self._loose_chars < KEPT_CHARS:
                self._loose.append((self._parser.event_count, notice.line[:KEPT_CHARS]))
                self._loose_chars += len(notice.line)

    def _finish(self) -> None:
        self.done = True
        self._judge(None)

    def _judge(self, unfinished: Unfinished | None) -> None:
        """Raise unless the reply, its stream over, is whole."""
        completion = self._accumulator.completion()
        fault = find_fault(completion, choices=self._choices, done=self.done)
        # What stands behind [DONE] is not read, even if it came with it.
        lines = [line for before, line in self._loose if before < self.events or not self.done]
        report = self._report if self._report_at < self.events or not self.done else None
        if unfinished is not None and unfinished.data is None and not looks_like_field(unfinished.line):
            lines += [] if unfinished.line.startswith(":") else [unfinished.line]
        text = "\n".join(lines)
        if report is None and text and (fault is not None or self._accumulator.unfinished):
            raise self._explain(text)
        if fault is None and unfinished is not None and (unfinished.data or "").strip() not in ("", DONE):
            fault = TruncatedError("a blank line at the end of the last event", "the end of the stream")
        if isinstance(fault, TruncatedError) and unfinished is not None:
            fault.unfinished = unfinished.line if unfinished.data is None else unfinished.data
            fault.got += f", and an unfinished event {excerpt(fault.unfinished)}"
        if report or fault:
            raise report or fault  # type: ignore[misc]

    def _explain(self, text: str) -> ChatError:
        """The error for a reply that is not whole, with `text` outside of its events."""
        value = read_json(text)
        report = find_report(value)
        if report is None and self._accumulator.choice_count:
            report = {"message": text}
        if report is not None:
            return describe_report(report, "outside of any event")
        error = NotAStreamError("server-sent events", f"{excerpt(text)} without them")
        error.body = text
        if isinstance(value, dict):
            with contextlib.suppress(MalformedError):
                self._accumulator.add(value)
        return error


def is_heartbeat(value: Mapping[str, Any]) -> bool:
    """Whether an object is no chunk and was never meant to be."""
    return "choices" not in value and not value.get("usage") and value.get("object") != "chat.completion.chunk"
