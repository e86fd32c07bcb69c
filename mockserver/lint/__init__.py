"""Is this stream legal? Used on everything that is meant to be, before a consumer is blamed for what it made of it.

The linter reads the bytes of a plan from the outside, by the standards and not by the code that rendered them: HTTP/1.1
(RFC 9112), the event stream (WHATWG HTML 9.2.6), JSON (RFC 8259), and OpenAI's published chunk. A finding is either `broken`,
which no consumer could read rightly, or a `departure` of a dialect from OpenAI's stream, which a tolerant one can.
"""

import re
from collections.abc import Iterable

from mockserver.lint.chunks import ChunkReader
from mockserver.lint.finding import BrokenError, Finding, Level
from mockserver.lint.message import decode_text, lint_head, read_message
from mockserver.steps import End, Head, Step, Write

__all__ = ["Finding", "Level", "lint_steps", "lint_text", "parse_events"]


def lint_steps(steps: Iterable[Step]) -> list[Finding]:
    """All findings on a streamed answer; none for a stream as OpenAI sends it."""
    played = list(steps)
    raw = b"".join(step.data for step in played if isinstance(step, Head | Write))
    ended = bool(played) and isinstance(played[-1], End)
    findings: list[Finding] = []
    try:
        status, headers, body = read_message(raw, ended)
        findings += lint_head(status, headers)
        text = decode_text(body).removeprefix("\ufeff")
    except BrokenError as error:
        return [*findings, error.finding]
    return findings + lint_text(text)


def lint_text(text: str) -> list[Finding]:
    """All findings on the body of a stream."""
    events, unfinished = parse_events(text)
    reader = ChunkReader()
    for number, (name, data) in enumerate(events):
        reader.read(number, name, data)
    reader.end(unfinished)
    return reader.findings


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
