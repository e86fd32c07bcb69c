"""Head, content coding, transfer coding: everything that makes an HTTP/1.1 message of a body (RFC 9110, RFC 9112).

The head is rendered here whole, down to its last byte: nothing is added to it on the way to the wire.
"""

import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from email.utils import formatdate
from http import HTTPStatus
from typing import Annotated, Any, Literal

from msgspec import Meta, Struct
from msgspec.structs import replace

from mockserver.errors import UsageError
from mockserver.shorthand import Size
from mockserver.sse import Slice, split_slice

Headers = Mapping[str, str | None]
Coding = Literal["gzip", "deflate", "br"]
Transfer = Literal["chunked", "length", "close"]

JSON_TYPE = "application/json"
STREAM_TYPE = "text/event-stream; charset=utf-8"

CORS_HEADERS = {
    "Access-Control-Allow-Origin": "*",
    "Access-Control-Expose-Headers": "*",
}

# What the real API tells of its limits; a scenario may set others under `headers`, or have true ones with `rate_limit`.
RATE_LIMIT_HEADERS = {
    "x-ratelimit-limit-requests": "10000",
    "x-ratelimit-limit-tokens": "2000000",
    "x-ratelimit-remaining-requests": "9999",
    "x-ratelimit-remaining-tokens": "1999968",
    "x-ratelimit-reset-requests": "6ms",
    "x-ratelimit-reset-tokens": "0s",
}


Status = Annotated[int, Meta(ge=100, le=999)]


class Interim(Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """An interim response in front of the answer, such as 103 Early Hints (RFC 9110 15.2)."""

    status: Annotated[int, Meta(ge=100, le=199)] = 103
    headers: dict[str, str] = {}


class Http(Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """How the HTTP message around the body looks."""

    status: Annotated[Status | None, Meta(description="The status. Default: 200.")] = None
    headers: Annotated[
        dict[str, str | None],
        Meta(description="Headers to set, in place of ours of the same name; null leaves one out."),
    ] = {}
    version: Annotated[
        Literal["1.1", "1.0"] | None, Meta(description="The version that the answer claims. Default: the request's.")
    ] = None
    connection: Annotated[
        Literal["keep-alive", "close"] | None,
        Meta(description="Default: keep-alive, unless the request or body forbids it."),
    ] = None
    transfer: Annotated[
        Transfer | None,
        Meta(description="What ends the body: chunked (default), its length, or the connection's close."),
    ] = None
    chunk_size: Annotated[
        Size | None, Meta(description="Bytes in each HTTP chunk, apart from the writes. Default: one for each event.")
    ] = None
    chunk_extension: Annotated[str | None, Meta(description="An extension on every HTTP chunk, such as ;sig=1.")] = None
    trailers: Annotated[dict[str, str], Meta(description="Fields after the last HTTP chunk.")] = {}
    coding: Annotated[Coding | None, Meta(description="Content coding, used if the request offered it.")] = None
    coding_unasked: Annotated[bool, Meta(description="Use the coding even if the request did not offer it.")] = False
    flush: Annotated[
        Literal["event", "end"], Meta(description="Whether the coding is flushed after each event or only at the end.")
    ] = "event"
    interim: Annotated[tuple[Interim, ...], Meta(description="Interim responses in front of the answer.")] = ()

    def __post_init__(self) -> None:
        if self.chunk_size == 0:
            raise ValueError("chunk_size: expected at least one byte")


def merge_headers(ours: Iterable[tuple[str, str]], theirs: Headers) -> Iterator[tuple[str, str]]:
    """Our headers with a scenario's in their place: same names replaced where they stand, new ones last, null left out."""
    wanted = {name.lower(): (name, value) for name, value in theirs.items()}
    for name, value in ours:
        name, said = wanted.pop(name.lower(), (name, value))
        if said is not None:
            yield name, said
    yield from ((name, said) for name, said in wanted.values() if said is not None)


def render_head(status: int, headers: Iterable[tuple[str, str]], version: str = "1.1") -> bytes:
    """Status line and headers, with the blank line that ends them.

    RFC 9112 4: "status-line = HTTP-version SP status-code SP [ reason-phrase ]".
    """
    try:
        phrase = HTTPStatus(status).phrase
    except ValueError:
        phrase = ""
    lines = [f"HTTP/{version} {status} {phrase}", *(f"{name}: {value}" for name, value in headers)]
    return ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1", "replace")


def http_date(wall_s: float) -> str:
    """A moment (seconds since 1970) as an IMF-fixdate, RFC 9110 5.6.7."""
    return formatdate(wall_s, usegmt=True)


def offers(accept_encoding: str, coding: str) -> bool:
    """Whether a request's `Accept-Encoding` offers a coding (RFC 9110 12.5.3: a weight of 0 means it does not)."""
    offered = {}
    for item in accept_encoding.lower().split(","):
        name, _, weight = item.partition(";")
        offered[name.strip()] = weight.replace(" ", "") not in ("q=0", "q=0.0", "q=0.00", "q=0.000")
    return offered.get(coding, offered.get("*", False))


def code_content(body: Iterable[Slice], coding: Coding, flush: Literal["event", "end"] = "event") -> Iterator[Slice]:
    """The body in a content coding. With `flush: event` all bytes of an event are on their way when it ends."""
    compress, sync, finish = _compressor(coding)
    last: Slice | None = None
    for piece in body:
        data = compress(piece.data)
        if flush == "event" and piece.ends:
            data += sync()
        last = replace(piece, data=data)
        yield last
    yield Slice(finish(), last.due_s if last else 0.0, None, "tail")


def _compressor(coding: Coding) -> tuple[Callable[[bytes], bytes], Callable[[], bytes], Callable[[], bytes]]:
    if coding == "br":
        try:
            import brotli
        except ImportError as error:
            raise UsageError("content coding br needs the extra: pip install 'openai-mockserver[brotli]'") from error
        squeezer: Any = brotli.Compressor(quality=4)
        return squeezer.process, squeezer.flush, squeezer.finish
    # RFC 9110 8.4.1: gzip is RFC 1952 (wbits 31), deflate the zlib format of RFC 1950 (wbits 15).
    deflater = zlib.compressobj(6, zlib.DEFLATED, 31 if coding == "gzip" else 15)
    return deflater.compress, lambda: deflater.flush(zlib.Z_SYNC_FLUSH), deflater.flush


def code_chunked(
    body: Iterable[Slice], size: int | None = None, extension: str = "", trailers: Mapping[str, str] | None = None
) -> Iterator[Slice]:
    """The body in the chunked transfer coding: one HTTP chunk a slice, or chunks of `size` bytes; then the last chunk.

    RFC 9112 7.1: "chunked-body = *chunk last-chunk trailer-section CRLF".
    """
    due_s, ext = 0.0, extension.encode("latin-1")
    for group in ([piece] for piece in body) if size is None else _groups(body, size):
        total = sum(len(piece.data) for piece in group)
        due_s = group[-1].due_s
        if not total:  # a chunk of no bytes would be the last chunk: only the marks go on
            yield from group
            continue
        head, tail = b"%x%b\r\n" % (total, ext), b"\r\n"
        if len(group) == 1:
            yield replace(group[0], data=head + group[0].data + tail)
            continue
        yield replace(group[0], data=head + group[0].data)
        yield from group[1:-1]
        yield replace(group[-1], data=group[-1].data + tail)
    fields = "".join(f"{name}: {value}\r\n" for name, value in (trailers or {}).items())
    yield Slice(b"0%b\r\n%b\r\n" % (ext, fields.encode("latin-1")), due_s, None, "tail")


def _groups(body: Iterable[Slice], size: int) -> Iterator[list[Slice]]:
    """The slices cut and grouped so that each group has `size` bytes, the last perhaps fewer."""
    group: list[Slice] = []
    room = size
    for piece in body:
        while len(piece.data) > room:
            first, piece = split_slice(piece, room)
            yield [*group, first]
            group, room = [], size
        group.append(piece)
        room -= len(piece.data)
    if group:
        yield group
