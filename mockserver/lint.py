"""Is this stream legal? Used on everything that is meant to be, before a consumer is blamed for what it made of it.

The linter reads the bytes of a plan from the outside, by the standards and not by the code that rendered them: HTTP/1.1
(RFC 9112), the event stream (WHATWG HTML 9.2.6), JSON (RFC 8259), and OpenAI's published chunk. A finding is either `broken`,
which no consumer could read rightly, or a `departure` of a dialect from OpenAI's stream, which a tolerant one can.
"""

import json
import re
import zlib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from mockserver.steps import End, Head, Step, Write

Level = Literal["broken", "departure"]

_WITHOUT_CONTENT = (204, 205)
"""RFC 9110 15.3.5, 15.3.6: No Content; Reset Content, with which "a server MUST NOT generate content"."""

FINISH_REASONS = ("stop", "length", "tool_calls", "content_filter", "function_call")


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that is not as it should be: what, at which event (from 0), and by whose rule."""

    level: Level
    rule: str
    message: str
    event: int | None = None

    def __str__(self) -> str:
        where = "" if self.event is None else f"event {self.event}: "
        return f"{self.level}: {where}{self.message} ({self.rule})"


def lint_steps(steps: Iterable[Step]) -> list[Finding]:
    """All findings on a streamed answer; none for a stream as OpenAI sends it."""
    played = list(steps)
    raw = b"".join(step.data for step in played if isinstance(step, Head | Write))
    ended = bool(played) and isinstance(played[-1], End)
    findings: list[Finding] = []
    try:
        status, headers, body = _read_message(raw, ended)
        findings += _lint_head(status, headers)
        text = _decode(body).removeprefix("\ufeff")
    except _BrokenError as error:
        return [*findings, error.finding]
    return findings + lint_text(text)


def lint_text(text: str) -> list[Finding]:
    """All findings on the body of a stream."""
    events, unfinished = parse_events(text)
    reader = _ChunkReader()
    for number, (name, data) in enumerate(events):
        reader.read(number, name, data)
    reader.end(unfinished)
    return reader.findings


class _BrokenError(Exception):
    def __init__(self, rule: str, message: str) -> None:
        super().__init__(message)
        self.finding = Finding("broken", rule, message)


def _read_message(raw: bytes, ended: bool) -> tuple[int, dict[str, str], bytes]:
    """Status, headers and decoded body of an HTTP message. Raises `_BrokenError`."""
    headers: dict[str, str] = {}
    while True:  # interim responses stand in front
        head, blank, raw = raw.partition(b"\r\n\r\n")
        if not blank:
            raise _BrokenError("RFC 9112 2.1", "the head is not complete")
        lines = head.decode("latin-1").split("\r\n")
        if not re.fullmatch(r"HTTP/1\.[01] \d{3} [^\r\n]*", lines[0]):
            raise _BrokenError("RFC 9112 4", f"not a status line: {lines[0]!r}")
        headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines[1:])}
        status = int(lines[0].split(" ")[1])
        if status >= 200:
            break
    if not 200 <= status < 300 or status in _WITHOUT_CONTENT:
        raise _BrokenError("RFC 9110 15", f"the status is none of an answer with content: {lines[0]!r}")
    body = _unframe(headers, raw, ended)
    return status, headers, _uncode(headers.get("content-encoding", "identity"), body)


def _unframe(headers: Mapping[str, str], raw: bytes, ended: bool) -> bytes:
    if not ended:
        raise _BrokenError("RFC 9112 8", "the answer does not end: it is cut, or left open")
    if headers.get("transfer-encoding") == "chunked":
        return _unchunk(raw)
    if headers.get("content-length", str(len(raw))) != str(len(raw)):
        raise _BrokenError(
            "RFC 9112 8", f"Content-Length is {headers['content-length']}, the body has {len(raw)} bytes"
        )
    return raw


# RFC 9112 7.1: trailer-section = *( field-line CRLF ), and a CRLF behind it
_TRAILERS = re.compile(rb"(?:[^\r\n:]+:[^\r\n]*\r\n)*\r\n")


def _unchunk(raw: bytes) -> bytes:
    parts: list[bytes] = []
    at = 0
    while True:
        line, end, _ = raw[at : at + 4096].partition(b"\r\n")
        size = line.partition(b";")[0]
        if not end or not re.fullmatch(rb"[0-9a-fA-F]+", size):
            raise _BrokenError("RFC 9112 7.1", f"not the size of a chunk: {line[:40]!r}")
        at += len(line) + 2
        count = int(size, 16)
        if not count:
            if not _TRAILERS.fullmatch(raw, at):
                raise _BrokenError("RFC 9112 7.1", "the trailer section is not complete")
            return b"".join(parts)
        parts.append(raw[at : at + count])
        if raw[at + count : at + count + 2] != b"\r\n":
            raise _BrokenError("RFC 9112 7.1", "a chunk is shorter or longer than its size says")
        at += count + 2


def _uncode(coding: str, body: bytes) -> bytes:
    try:
        if coding in ("gzip", "deflate"):
            inflater = zlib.decompressobj(31 if coding == "gzip" else 15)
            whole = inflater.decompress(body) + inflater.flush()
            if not inflater.eof or inflater.unused_data:
                raise _BrokenError("RFC 9110 8.4", f"the {coding} coding does not end where the body does")
            return whole
        if coding == "br":
            import brotli

            return bytes(brotli.decompress(body))
    except Exception as error:
        if isinstance(error, _BrokenError):
            raise
        raise _BrokenError("RFC 9110 8.4", f"the {coding} coding is damaged: {error}") from error
    return body


def _lint_head(status: int, headers: Mapping[str, str]) -> Iterator[Finding]:
    if status != 200:
        yield Finding("departure", "OpenAI", f"the status is {status}, not 200")
    kind = headers.get("content-type", "")
    if kind.partition(";")[0].strip().lower() != "text/event-stream":
        yield Finding("departure", "WHATWG HTML 9.2.2", f"the content type is {kind!r}, not text/event-stream")


def _decode(body: bytes) -> str:
    try:
        return body.decode()
    except UnicodeDecodeError as error:
        raise _BrokenError("WHATWG HTML 9.2.5", f"not UTF-8 at byte {error.start}") from error


def parse_events(text: str) -> tuple[list[tuple[str, str]], bool]:
    """The events of a stream as (name, data), and whether something unfinished was left at its end (WHATWG HTML 9.2.6)."""
    events: list[tuple[str, str]] = []
    name = ""
    data: list[str] = []
    lines = re.split(r"\r\n|\n|\r", text)
    rest = lines.pop()
    for line in lines:
        if not line:
            if data:
                events.append((name or "message", "\n".join(data)))
            name, data = "", []
            continue
        key, _, value = line.partition(":")
        value = value.removeprefix(" ")
        if key == "data":
            data.append(value)
        elif key == "event":
            name = value
    return events, bool(rest or data)


@dataclass(slots=True)
class _ChunkReader:
    """Reads events as OpenAI's chunks and finds what is wrong with them."""

    findings: list[Finding] = field(default_factory=list)
    first: dict[str, Any] = field(default_factory=dict)
    finished: dict[int, str] = field(default_factory=dict)
    begun: set[int] = field(default_factory=set)
    done: bool = False
    unnamed_errors: tuple[str, ...] = ("error", "error_message", "detail")

    def note(self, level: Level, rule: str, message: str, event: int | None = None) -> None:
        self.findings.append(Finding(level, rule, message, event))

    def read(self, number: int, name: str, data: str) -> None:
        """Read one event."""
        if self.done:
            self.note("departure", "OpenAI", "something comes after [DONE]", number)
            return
        if data == "[DONE]":
            self.done = True
            return
        if name != "message":
            self.note("broken" if name == "error" else "departure", "OpenAI", f"an event of the name {name!r}", number)
        try:
            chunk = json.loads(data, parse_constant=_refuse_constant)
        except (ValueError, RecursionError) as error:
            self.note("broken" if data.strip() else "departure", "RFC 8259", f"the data is no JSON: {error}", number)
            return
        if not isinstance(chunk, dict):
            self.note("broken", "OpenAI", "the data is no object", number)
            return
        told = [key for key in self.unnamed_errors if chunk.get(key)]
        if told or chunk.get("object") == "error":
            self.note(
                "broken",
                "observed",
                f"an error is told: {chunk.get(told[0]) if told else chunk.get('message')!r}",
                number,
            )
            return
        self._read_chunk(number, chunk)

    def _read_chunk(self, number: int, chunk: dict[str, Any]) -> None:
        for key in ("id", "object", "created", "model"):
            if key not in chunk:
                self.note("departure", "OpenAI", f"no {key}", number)
            elif chunk[key] != self.first.setdefault(key, chunk[key]):
                self.note("departure", "OpenAI", f"{key} is {chunk[key]!r}, was {self.first[key]!r}", number)
        choices = chunk.get("choices")
        if not isinstance(choices, list):
            self.note("departure", "OpenAI", "choices is no list", number)
            return
        if not choices and not chunk.get("usage"):
            self.note("departure", "OpenAI", "neither choices nor usage", number)
        for choice in choices:
            if not isinstance(choice, dict):
                self.note("departure", "OpenAI", "a choice is no object", number)
            elif not isinstance(choice.get("index", 0), int):
                self.note("departure", "OpenAI", "a choice has no index", number)
            else:
                self._read_choice(number, choice)

    def _read_choice(self, number: int, choice: dict[str, Any]) -> None:
        index = choice.get("index", 0)
        delta = choice.get("delta")
        if not isinstance(delta, dict):
            self.note("departure", "OpenAI", "a choice has no delta", number)
            delta = {}
        if index not in self.begun and delta.get("role") != "assistant":
            self.note("departure", "OpenAI", "the first delta has no role", number)
        self.begun.add(index)
        if index in self.finished:
            self.note("departure", "OpenAI", f"choice {index} goes on after its finish reason", number)
        pieces = delta.get("tool_calls") or []
        if not isinstance(pieces, list):
            self.note("departure", "OpenAI", "tool_calls is no list", number)
        elif not all(isinstance(piece, dict) and isinstance(piece.get("index"), int) for piece in pieces):
            self.note("departure", "OpenAI", "a tool call has no index", number)
        content = delta.get("content")
        if content is not None and not isinstance(content, str):
            self.note("departure", "OpenAI", "content is no text", number)
        if reason := choice.get("finish_reason"):
            self.finished[index] = reason
            if reason not in FINISH_REASONS:
                self.note("departure", "OpenAI", f"finish_reason {reason!r} is not known", number)

    def end(self, unfinished: bool) -> None:
        """The stream is over."""
        if unfinished:
            seen_all = self.begun and self.begun <= self.finished.keys()
            level: Level = "departure" if seen_all else "broken"
            self.note(level, "WHATWG HTML 9.2.6", "the stream ends within an event, which is discarded")
        if not self.begun:
            self.note("broken", "OpenAI", "no chunk with a choice came")
        for index in sorted(self.begun - self.finished.keys()):
            self.note("broken" if not self.done else "departure", "OpenAI", f"choice {index} has no finish reason")
        if not self.done:
            self.note("departure", "OpenAI", "no [DONE] at the end")


def _refuse_constant(name: str) -> float:
    raise ValueError(f"{name} is no JSON number")
