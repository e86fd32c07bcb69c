"""Faults of the body: another one, a damaged coding, a wrong length, broken HTTP chunks."""

from collections.abc import Iterable, Iterator
from typing import Annotated, ClassVar, Literal

import msgspec
from msgspec import Meta
from msgspec.structs import replace

from mockserver.faults.cuts import CUT, At, cut_at
from mockserver.faults.fault import Around, Fault, FaultArrow, right_of_cut
from mockserver.faults.landmarks import Landmarks
from mockserver.faults.told import MESSAGE, tell_object
from mockserver.http import JSON_TYPE, Http, check_headers
from mockserver.place import AFTER_HEADERS, EventRef
from mockserver.quirks.quirk import Right
from mockserver.request import read_object
from mockserver.shorthand import default
from mockserver.sse import Slice, cut_slice
from mockserver.steps import End, Step

HTML = """<!DOCTYPE html>
<html><head><title>502 Bad Gateway</title></head>
<body><center><h1>502 Bad Gateway</h1></center><hr><center>nginx</center></body></html>
"""
_TYPES = {"<": "text/html", "{": JSON_TYPE, "[": JSON_TYPE}


class OtherBody(Fault, frozen=True, tag="other_body"):
    """Under status 200 comes another body than a stream: a page, a JSON error, the whole completion, or any text."""

    arrow: ClassVar[FaultArrow] = "body"
    sent_by: ClassVar[str] = "captive portals, wrong base URLs, gateways, servers that ignore stream: true"
    what: Annotated[
        Literal["html", "error", "completion"],
        Meta(description="A page of HTML, OpenAI's error object, or the answer as it would be without a stream."),
    ] = "html"
    text: Annotated[str | None, Meta(description="Any other body, in place of these.")] = None
    content_type: Annotated[str | None, Meta(description="Its content type. Default: what fits the body.")] = None

    def __post_init__(self) -> None:
        check_headers({"Content-Type": self.content_type}, "content_type")

    def right_in(self, stream: Landmarks) -> Right:
        if self.text is None and self.what == "completion":
            is_right = "whole" in stream.kinds and "json" in (self.content_type or JSON_TYPE)
            return "same" if is_right else "either"
        return "error"

    def cuts_at(self, stream: Landmarks) -> int | None:
        return 0

    def tells_error(self) -> bool:
        """Whether the body is an error object."""
        return self.what == "error" if self.text is None else bool(read_object(self.text.encode()).get("error"))

    def on_body(self, body: Iterable[Slice], around: Around) -> Iterator[Slice]:
        first = next(iter(body), None)
        yield from cut_slice(Slice(self._body(around), first.due_s if first else 0.0, 0, "whole"))

    def _body(self, around: Around) -> bytes:
        if self.text is not None:
            return self.text.encode()
        if self.what == "completion":
            return around.completion()
        if self.what == "error":
            return msgspec.json.encode(tell_object(MESSAGE, None))
        return HTML.encode()

    def on_http(self, http: Http) -> Http:
        beginning = (self.text or "").lstrip()[:1] if self.text is not None else "<" if self.what == "html" else "{"
        content_type = self.content_type or _TYPES.get(beginning, "text/plain; charset=utf-8")
        given = {name.lower() for name in http.headers}
        headers = http.headers if "content-type" in given else {"Content-Type": content_type, **http.headers}
        return replace(http, transfer=http.transfer or "length", headers=headers)


class DamagedCoding(Fault, frozen=True, tag="damaged_coding"):
    """The bytes of the content coding are damaged in one event, and all before it are good; without a coding it is gzip."""

    arrow: ClassVar[FaultArrow] = "coding"
    sent_by: ClassVar[str] = "proxies"
    event: Annotated[
        EventRef, Meta(description="In which event. Where the coding is flushed only at the end: there.")
    ] = default(EventRef(1))

    def right_in(self, stream: Landmarks) -> Right:
        number = stream.number(self.event)
        if number is None or stream.flush is None:
            return "same"
        return "error" if stream.flush == "end" or stream.seen(number) == "part" else "either"

    def cuts_at(self, stream: Landmarks) -> int | None:
        return None if stream.flush is None else 0 if stream.flush == "end" else stream.number(self.event)

    def on_http(self, http: Http) -> Http:
        return replace(http, coding=http.coding or "gzip")

    def on_coding(self, coded: Iterable[Slice], around: Around) -> Iterator[Slice]:
        began = reached = struck = False
        for piece in coded:
            hit = self.event.names(piece.event, piece.kind)
            reached = reached or hit
            if piece.data and reached and (hit or not struck):
                struck = True
                piece = replace(piece, data=_damage(len(piece.data), began))
            began = began or bool(piece.data)
            yield piece


def _damage(size: int, began: bool) -> bytes:
    """Bytes that no decoder can read where a block begins.

    Within a stream, 0xFE begins a block of deflate's type 3, "reserved (error)" (RFC 1951 3.2.3), or a meta-block of brotli's
    with its reserved bit set (RFC 7932 9.2). In front, 0x11 is no header of gzip or zlib, and brotli's reserved window size.
    """
    return (b"" if began else b"\x11") + b"\xfe" * (size - (not began))


class WrongLength(Fault, frozen=True, tag="wrong_length"):
    """Content-Length says `by` bytes more (the body ends too early) or fewer (it goes on behind) than there are."""

    arrow: ClassVar[FaultArrow] = "length"
    sent_by: ClassVar[str] = "proxies that rewrite bodies"
    by: Annotated[int, Meta(description="Bytes that it says too many; below 0: too few.")] = 10

    def right_in(self, stream: Landmarks) -> Right:
        if self.by >= 0:
            return "either" if self.by else "same"
        return "error" if stream.seen(self._count_whole(stream)) == "part" else "either"

    def cuts_at(self, stream: Landmarks) -> int | None:
        return None if self.by >= 0 else self._count_whole(stream)

    def _count_whole(self, stream: Landmarks) -> int:
        """How many events are whole within the length that is told."""
        return sum(end <= max(stream.size + self.by, 0) for end in stream.ends)

    def on_http(self, http: Http) -> Http:
        return replace(http, transfer="length")

    def on_length(self, length: int) -> int:
        return max(length + self.by, 0)

    def on_wire(self, wire: Iterable[Slice | Step], around: Around) -> Iterator[Slice | Step]:
        # Whatever the head says of the connection: behind a wrong length nobody knows where the next answer begins.
        return (replace(piece, close=True) if isinstance(piece, End) else piece for piece in wire)


class BadChunk(Fault, frozen=True, tag="bad_chunk"):
    """At the place the chunked coding breaks: the size of a chunk is no hexadecimal number; then the connection closes."""

    sent_by: ClassVar[str] = "broken proxies"
    at: At = default(AFTER_HEADERS)

    def right_in(self, stream: Landmarks) -> Right:
        return right_of_cut(self.at, stream, {"part": "error", "finish": "either", "done": "either"})

    def cuts_at(self, stream: Landmarks) -> int | None:
        return stream.events_before(self.at)

    def on_http(self, http: Http) -> Http:
        return replace(http, transfer="chunked")

    def on_wire(self, wire: Iterable[Slice | Step], around: Around) -> Iterator[Slice | Step]:
        return cut_at(self.at, wire, around, Slice(b"zz\r\nxyz\r\n", 0.0, None, "damage"), CUT)


TABLE = (OtherBody, DamagedCoding, WrongLength, BadChunk)
