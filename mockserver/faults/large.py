"""Faults of size: without end, large, many; all of it generated, none of it ever held in memory."""

from collections.abc import Iterable, Iterator
from itertools import chain, repeat
from typing import Annotated, Any, ClassVar, Literal

import msgspec
from msgspec import Meta
from msgspec.structs import replace

from mockserver.faults.cuts import At
from mockserver.faults.fault import Around, Fault, FaultArrow
from mockserver.faults.landmarks import Landmarks
from mockserver.http import Http
from mockserver.place import AFTER_HEADERS, EventRef, Place, split_at
from mockserver.quirks.quirk import Right
from mockserver.shorthand import Duration, Size, default
from mockserver.sse import SLICE_BYTES, Event, Slice

_BOUND = Size(64 * 1024 * 1024)

# What comes without end: its opening, what is repeated, and whether all of it is one event.
_ENDLESS = {
    "line": (b"data: ", b"x", True),
    "event": (b"", b"data: x\n", True),
    "comments": (b"", b": keep-alive\n\n", False),
    "blank": (b"", b"\n", False),
}


def repeat_bytes(opening: bytes, unit: bytes, size: int | None, due_s: float, every_s: float | None) -> Iterator[Slice]:
    """An opening and then a unit again and again, `size` bytes in all or without end; rendered in slices, never held.

    With `every_s` each unit is a slice of its own, and the opening comes with the first.
    """
    block = unit if every_s is not None else unit * (SLICE_BYTES // len(unit))
    data, left = opening + block, size
    while left is None or left > 0:
        if left is not None:
            data = data[:left]
            left -= len(data)
        yield Slice(data, due_s, None, "endless")
        data = block
        due_s += every_s or 0.0


class Endless(Fault, frozen=True, tag="endless"):
    """At the place comes a line, an event, comments or blank lines without end, up to a bound; nothing follows."""

    arrow: ClassVar[FaultArrow] = "body"
    sent_by: ClassVar[str] = "hostile or broken servers"
    what: Annotated[Literal["line", "event", "comments", "blank"], Meta(description="What has no end.")] = "line"
    at: At = default(AFTER_HEADERS)
    size: Annotated[
        Size | None, Meta(description="The bound, in bytes; null: until the client leaves. Default: 64 MiB.")
    ] = default(_BOUND)
    every: Annotated[
        Duration | None, Meta(description="One unit each so often. Default: as fast as they are taken.")
    ] = None

    @property
    def is_endless(self) -> bool:
        return self.size is None

    def right_in(self, stream: Landmarks) -> Right:
        before = stream.events_before(self.at)
        return "same" if before is None else "error" if stream.seen(before) == "part" else "either"

    def cuts_at(self, stream: Landmarks) -> int | None:
        return stream.events_before(self.at)

    def on_body(self, body: Iterable[Slice], around: Around) -> Iterator[Slice]:
        opening, unit, is_one = _ENDLESS[self.what]
        due_s = 0.0
        for behind, piece in split_at(self.at, body, around.choices, in_body=True):
            if behind:
                due_s = due_s if self.at.kind.startswith(("inside", "after_e", "after_f", "after_d")) else piece.due_s
                break
            due_s = piece.due_s
            yield piece
        else:
            return
        for number, piece in enumerate(repeat_bytes(opening, unit, self.size, due_s, self.every)):
            yield replace(piece, starts=not number, ends=False) if is_one else piece

    def on_http(self, http: Http) -> Http:
        # What has no end has no length either.
        return replace(http, transfer="chunked") if self.size is None and http.transfer != "close" else http


class GzipBomb(Fault, frozen=True, tag="gzip_bomb"):
    """At the place comes a line that is small on the wire and large when unpacked: `size` bytes. Sent with gzip, unasked."""

    arrow: ClassVar[FaultArrow] = "body"
    sent_by: ClassVar[str] = "hostile servers"
    at: At = default(AFTER_HEADERS)
    size: Annotated[Size, Meta(description="The bytes that it unpacks to. Default: 64 MiB.")] = default(_BOUND)

    def right_in(self, stream: Landmarks) -> Right:
        return Endless(at=self.at).right_in(stream)

    def cuts_at(self, stream: Landmarks) -> int | None:
        return stream.events_before(self.at)

    def on_body(self, body: Iterable[Slice], around: Around) -> Iterator[Slice]:
        return Endless(at=self.at, size=self.size).on_body(body, around)

    def on_http(self, http: Http) -> Http:
        # A length would have the whole of it rendered before its first byte leaves.
        return replace(http, coding="gzip", coding_unasked=True, transfer=http.transfer or "chunked")


class LargeEvent(Fault, frozen=True, tag="large_event"):
    """At the place comes a chunk as large as told, in one line: it says nothing, and has a member `padding` of many x.

    Inside an event is before it.
    """

    arrow: ClassVar[FaultArrow] = "body"
    sent_by: ClassVar[str] = "servers that send images, long arguments or whole messages in one chunk"
    at: At = default(Place("before_event", EventRef(1)))
    size: Annotated[Size, Meta(description="The bytes of the event. Default: 1 MiB.")] = default(Size(1024 * 1024))

    def right_in(self, stream: Landmarks) -> Right:
        return "same"

    def on_body(self, body: Iterable[Slice], around: Around) -> Iterator[Slice]:
        at = Place("before_event", self.at.event) if self.at.kind == "inside_event" else self.at
        sent = not around.chunk
        for behind, piece in split_at(at, body, around.choices, in_body=True):
            if behind and not sent:
                sent = True
                yield from self._event(around.chunk, piece.due_s)
            yield piece

    def _event(self, chunk: bytes, due_s: float) -> Iterator[Slice]:
        opening, closing = b'data: %b,"padding":"' % chunk[:-1], b'"}\n\n'
        padding = max(self.size - len(opening) - len(closing), 0)
        pieces = chain((Slice(opening, due_s),), repeat_bytes(b"", b"x", padding, due_s, None))
        for number, piece in enumerate(pieces):
            yield replace(piece, kind="extra", starts=not number, ends=False)
        yield Slice(closing, due_s, None, "extra", starts=False)


class ManyChunks(Fault, frozen=True, tag="many_chunks"):
    """Before the event come chunks that say nothing (content ""), as many as told."""

    arrow: ClassVar[FaultArrow] = "events"
    sent_by: ClassVar[str] = "any server, in a very long answer"
    event: Annotated[EventRef, Meta(description="Before which event.")] = default(EventRef(1))
    count: Annotated[int, Meta(ge=1, description="How many.")] = 100_000

    def right_in(self, stream: Landmarks) -> Right:
        return "same"

    def on_events(self, events: Iterable[Event], around: Around) -> Iterator[Event]:
        for number, event in enumerate(events):
            if around.chunk and self.event.names(number, event.kind):
                yield from repeat(Event(say(around.chunk, ""), event.due_s, "extra"), self.count)
            yield event


def say(chunk: bytes, content: str) -> bytes:
    """The chunk, with a text in its first choice."""
    data: dict[str, Any] = msgspec.json.decode(chunk)
    choice = {"index": 0, "delta": {"content": content}, "logprobs": None, "finish_reason": None}
    return msgspec.json.encode({**data, "choices": [choice]})


TABLE = (Endless, GzipBomb, LargeEvent, ManyChunks)
