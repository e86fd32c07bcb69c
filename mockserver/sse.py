"""Event, comment -> bytes: everything that shapes a server-sent event lives here. This module knows no JSON.

The rules are those of the WHATWG HTML standard, section 9.2.5 ("Parsing an event stream"), seen from the sender's side: a
stream is lines, ended by LF, CR or CRLF; a line that starts with a colon is a comment; a field is `name: value`; a blank line
ends the event.
"""

from collections.abc import Iterable, Iterator

from msgspec import Struct

SLICE_BYTES = 65536
"""The largest piece in which anything is rendered, in bytes."""


class Event(Struct, frozen=True):
    """One server-sent event on its way: its data, when it is due in seconds, and what it is for.

    `kind` is a `ChunkKind`, or `done` for the `[DONE]` that ends the stream.
    """

    data: str
    due_s: float
    kind: str


class Slice(Struct, frozen=True):
    """Some bytes of the body, when they are due, and where in the stream they stand.

    `event` is the number of the event they belong to (from 0), or None between events. `starts` and `ends` say whether the
    event begins or ends with this slice. The marks ride along through the codings.
    """

    data: bytes
    due_s: float
    event: int | None = None
    kind: str = ""
    starts: bool = True
    ends: bool = True


def encode_events(events: Iterable[Event]) -> Iterator[Slice]:
    """The body bytes of a stream: `data: …`, a blank line after each event."""
    for number, event in enumerate(events):
        # W5: "Streams must be decoded using the UTF-8 decode algorithm", so UTF-8 is what is sent.
        data = b"data: %s\n\n" % event.data.encode()
        if len(data) <= SLICE_BYTES:
            yield Slice(data, event.due_s, number, event.kind)
        else:
            yield from cut_slice(Slice(data, event.due_s, number, event.kind))


def cut_slice(whole: Slice, size: int = SLICE_BYTES) -> Iterator[Slice]:
    """One slice as several of at most `size` bytes; their marks say where the event begins and ends."""
    for at in range(0, len(whole.data), size):
        data = whole.data[at : at + size]
        yield Slice(
            data,
            whole.due_s,
            whole.event,
            whole.kind,
            starts=whole.starts and at == 0,
            ends=whole.ends and at + size >= len(whole.data),
        )
