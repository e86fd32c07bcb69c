"""Faults of the body, its codings and its length."""

from collections.abc import Iterable, Iterator
from typing import Annotated, ClassVar, Literal

from msgspec import Meta
from msgspec.structs import replace

from mockserver.faults.cuts import cut_at
from mockserver.faults.fault import Around, Fault, FaultArrow, body_before, right_of_cut
from mockserver.http import Http
from mockserver.place import AFTER_HEADERS, EventRef, Place
from mockserver.quirks.quirk import Right
from mockserver.shorthand import Duration, Size, default
from mockserver.sse import SLICE_BYTES, Slice
from mockserver.steps import End, Step

HTML = """<!DOCTYPE html>
<html><head><title>502 Bad Gateway</title></head>
<body><center><h1>502 Bad Gateway</h1></center><hr><center>nginx</center></body></html>
"""

_UNITS = {"line": b"x", "event": b"data: x\n", "comments": b": keep-alive\n\n", "blank": b"\n"}
_OPENINGS = {"line": b"data: ", "event": b"", "comments": b"", "blank": b""}


class Endless(Fault, frozen=True, tag="endless"):
    """At the place comes a line, an event, comments or blank lines without end, up to a bound; nothing follows."""

    arrow: ClassVar[FaultArrow] = "body"
    sent_by: ClassVar[str] = "hostile or broken servers"
    what: Literal["line", "event", "comments", "blank"] = "line"
    at: Place = default(AFTER_HEADERS)
    size: Annotated[Size, Meta(description="The bound, in bytes.")] = default(Size(64 * 1024 * 1024))
    every: Annotated[
        Duration | None, Meta(description="One unit each so often. Default: as fast as they are taken.")
    ] = None

    def on_body(self, body: Iterable[Slice], around: Around) -> Iterator[Slice]:
        due_s = 0.0
        for piece in body_before(self.at, body, around):
            due_s = piece.due_s
            yield piece
        yield from repeat_bytes(_OPENINGS[self.what], _UNITS[self.what], self.size, due_s, self.every)


def repeat_bytes(opening: bytes, unit: bytes, size: int, due_s: float, every_s: float | None) -> Iterator[Slice]:
    """An opening and then a unit again and again, `size` bytes in all; rendered in slices, never held."""
    block = unit if every_s is not None else unit * (SLICE_BYTES // len(unit))
    left, data = size, opening + block
    while left > 0:
        data = data[:left] if len(data) > left else data
        yield Slice(data, due_s, None, "endless")
        left -= len(data)
        data = block
        due_s += every_s or 0.0


class GzipBomb(Fault, frozen=True, tag="gzip_bomb"):
    """At the place comes a line that is small on the wire and large when unpacked: `size` bytes. Sent with gzip, unasked."""

    arrow: ClassVar[FaultArrow] = "body"
    sent_by: ClassVar[str] = "hostile servers"
    at: Place = default(AFTER_HEADERS)
    size: Annotated[Size, Meta(description="The bytes that it unpacks to.")] = default(Size(64 * 1024 * 1024))

    def on_body(self, body: Iterable[Slice], around: Around) -> Iterator[Slice]:
        return Endless("line", self.at, self.size).on_body(body, around)

    def on_http(self, http: Http) -> Http:
        return replace(http, coding="gzip", coding_unasked=True)


class OtherBody(Fault, frozen=True, tag="other_body"):
    """Under status 200 comes another body than a stream: a page, a JSON error, a whole completion, or any text."""

    arrow: ClassVar[FaultArrow] = "body"
    sent_by: ClassVar[str] = "captive portals, wrong base URLs, gateways, servers that ignore stream: true"
    text: Annotated[str, Meta(description="The body. Default: a page of HTML.")] = HTML
    content_type: str = "text/html"

    def on_body(self, body: Iterable[Slice], around: Around) -> Iterator[Slice]:
        first = next(iter(body), None)
        yield Slice(self.text.encode(), first.due_s if first else 0.0, 0, "other")

    def on_http(self, http: Http) -> Http:
        return replace(
            http, transfer=http.transfer or "length", headers={"Content-Type": self.content_type, **http.headers}
        )


class DamagedCoding(Fault, frozen=True, tag="damaged_coding"):
    """Bytes of the content coding are damaged in one event; without a coding nothing happens."""

    arrow: ClassVar[FaultArrow] = "coding"
    sent_by: ClassVar[str] = "proxies"
    event: EventRef = default(EventRef(1))

    def on_coding(self, coded: Iterable[Slice], around: Around) -> Iterator[Slice]:
        for piece in coded:
            if self.event.names(piece.event, piece.kind) and piece.data:
                # A block of the reserved type 3: no decoder can read it (RFC 1951 3.2.3).
                piece = replace(piece, data=b"\xff" * len(piece.data))
            yield piece


class WrongLength(Fault, frozen=True, tag="wrong_length"):
    """Content-Length says `by` bytes more (the body ends too early) or fewer (it goes on behind) than there are."""

    arrow: ClassVar[FaultArrow] = "length"
    sent_by: ClassVar[str] = "proxies that rewrite bodies"
    by: int = 10

    @property
    def right(self) -> Right:
        return "either" if self.by > 0 else "error"

    def on_http(self, http: Http) -> Http:
        return replace(http, transfer="length", connection=http.connection or "close")

    def on_length(self, length: int) -> int:
        return max(length + self.by, 0)


class BadChunk(Fault, frozen=True, tag="bad_chunk"):
    """At the place the chunked coding breaks: the size of a chunk is no hexadecimal number; then the connection closes."""

    sent_by: ClassVar[str] = "broken proxies"
    at: Place = default(AFTER_HEADERS)

    @property
    def right(self) -> Right:
        return right_of_cut(self.at)

    def on_wire(self, wire: Iterable[Slice | Step], around: Around) -> Iterator[Slice | Step]:
        for piece in cut_at(self.at, wire, around, End(0.0, close=True)):
            if isinstance(piece, End):
                yield Slice(b"zz\r\nxyz\r\n", piece.due_s, None, "damage")
            yield piece


TABLE = (Endless, GzipBomb, OtherBody, DamagedCoding, WrongLength, BadChunk)
