"""What an event stream consists of, as `client.sse` reads it: events, and what is told beside them."""

from __future__ import annotations

from msgspec import Struct

__all__ = ["Comment", "Event", "Ignored", "Notice", "Retry", "Unfinished"]


class Event(Struct, frozen=True, gc=False):
    """One event: its data, its type, and the last event ID when it was dispatched."""

    data: str
    event: str = "message"
    id: str = ""


class Comment(Struct, frozen=True, gc=False):
    """A comment line, without its colon."""

    text: str


class Retry(Struct, frozen=True, gc=False):
    """A new reconnection time, in milliseconds."""

    milliseconds: int


class Ignored(Struct, frozen=True, gc=False):
    """A line that the standard tells to ignore: an unknown field, an `id` with NUL, a `retry` that is no number."""

    line: str


Notice = Comment | Retry | Ignored
"""What is no event, for those who want to know."""


class Unfinished(Struct, frozen=True):
    """What the end of the stream cut off and W6 tells to discard.

    `data` is what the event would have held (None without a data field), `event` its type, `line` the line without an end.
    """

    data: str | None
    event: str
    line: str
