"""Head, content coding, transfer coding: everything that makes an HTTP/1.1 message of a body (RFC 9110, RFC 9112).

The head is rendered here whole, down to its last byte: nothing is added to it on the way to the wire.
"""

import re
import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from email.utils import formatdate
from functools import lru_cache
from http import HTTPStatus
from importlib.util import find_spec
from typing import Annotated, Any, Literal

from msgspec import Meta, Struct
from msgspec.structs import replace

from mockserver.shorthand import Size
from mockserver.sse import Slice, cut_slice, split_slice

HeaderValue = str | tuple[str, ...] | None
Headers = Mapping[str, HeaderValue] | Mapping[str, str]
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

LENGTH_HEADERS = frozenset({"content-length", "transfer-encoding"})
BODY_HEADERS = LENGTH_HEADERS | {"content-encoding"}
"""What tells where the body ends, and how it is to be read: with a value of a scenario's own the head may lie."""

Status = Annotated[int, Meta(ge=100, le=999)]

MAX_CHUNK_BYTES = 1024 * 1024
"""How large an HTTP chunk may be made: its size stands in front, so it is rendered whole before its first byte leaves."""

_TOKEN = r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+"
_NAME = re.compile(_TOKEN)
_VALUE = re.compile(r"[\t\x20-\x7e\x80-\xff]*")
# RFC 9112 7.1.1: chunk-ext = *( BWS ";" BWS chunk-ext-name [ BWS "=" BWS chunk-ext-val ] )
_EXTENSION = re.compile(rf'(?:[ \t]*;[ \t]*{_TOKEN}(?:[ \t]*=[ \t]*(?:{_TOKEN}|"(?:[^"\\]|\\.)*"))?)*')


def check_headers(headers: Headers, where: str = "headers") -> None:
    """Raise `ValueError` with every name and value that cannot go over the wire as it is.

    RFC 9110 5.5: "Field values containing CR, LF, or NUL characters are invalid and dangerous"; a line end would begin
    another header, or the body. RFC 9112 2.2 has heads parsed as octets, so each character must be one: Latin-1.
    """
    if wrong := "; ".join(_find_wrong_headers(headers, where)):
        raise ValueError(wrong)


def _find_wrong_headers(headers: Headers, where: str) -> Iterator[str]:
    seen: dict[str, str] = {}
    for name, value in headers.items():
        if not _NAME.fullmatch(name):
            yield f"{where}: expected a header's name of letters, digits and !#$%&'*+-.^_`|~, got {name!r}"
        for text in list_values(value):
            if not _VALUE.fullmatch(text):
                yield f"{where}: {name}: expected a value of printable Latin-1 characters, got {text!r}"
        if (other := seen.setdefault(name.lower(), name)) != name:
            yield f"{where}: {other} and {name} are one header; give it once, with a list of its values"


def list_values(value: HeaderValue) -> tuple[str, ...]:
    """The values of a header, each of which is sent in a line of its own: RFC 9110 5.2."""
    return (value,) if isinstance(value, str) else value or ()


class Interim(Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """An interim response in front of the answer, such as 103 Early Hints (RFC 9110 15.2)."""

    status: Annotated[int, Meta(ge=100, le=199, description="The interim status.")] = 103
    headers: Annotated[dict[str, str], Meta(description="Headers of the interim response.")] = {}

    def __post_init__(self) -> None:
        check_headers(self.headers)


class Http(Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """How the HTTP message around the body looks."""

    status: Annotated[Status | None, Meta(description="The status. Default: 200.")] = None
    headers: Annotated[
        dict[str, HeaderValue],
        Meta(
            description="Headers to set, in place of ours of the same name; a list sends one several times, null never."
        ),
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
        Size | None,
        Meta(
            description="Bytes in each HTTP chunk, apart from the writes; 1 MiB at most. Default: one for each event."
        ),
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
        if wrong := "; ".join(_find_wrong_parts(self)):
            raise ValueError(wrong)


def _find_wrong_parts(http: Http) -> Iterator[str]:
    if http.chunk_size is not None and not 1 <= http.chunk_size <= MAX_CHUNK_BYTES:
        yield f"chunk_size: expected 1 byte to 1 MiB, got {int(http.chunk_size)}"
    extension = http.chunk_extension or ""
    if not (_EXTENSION.fullmatch(extension) and _VALUE.fullmatch(extension)):
        yield f"chunk_extension: expected ;name or ;name=value, got {extension!r}"
    if remedy := find_missing_extra(http.coding):
        yield f"coding {http.coding} {remedy}"
    yield from _find_wrong_headers(http.headers, "headers")
    yield from _find_wrong_headers(http.trailers, "trailers")


def find_missing_extra(coding: str | None) -> str | None:
    """What a content coding needs that is not installed, and how to install it; None if it can be used."""
    if coding == "br" and find_spec("brotli") is None:
        return "needs the extra: pip install 'openai-mockserver[brotli]'"
    return None


def merge_headers(ours: Iterable[tuple[str, str]], theirs: Headers) -> Iterator[tuple[str, str]]:
    """Our headers with a scenario's in their place: same names replaced where they stand, new ones last, null left out."""
    wanted = {name.lower(): (name, list_values(value)) for name, value in theirs.items()}
    for name, value in ours:
        name, values = wanted.pop(name.lower(), (name, (value,)))
        yield from ((name, said) for said in values)
    yield from ((name, said) for name, values in wanted.values() for said in values)


def render_head(status: int, headers: Iterable[tuple[str, str]], version: str = "1.1", more: str = "") -> bytes:
    """Status line and headers, with the blank line that ends them; `more` are headers too, as `render_headers` makes them.

    RFC 9112 4: "status-line = HTTP-version SP status-code SP [ reason-phrase ]".
    """
    return f"{_render_status(status, version)}{render_headers(headers)}{more}\r\n".encode("latin-1")


@lru_cache(64)
def _render_status(status: int, version: str) -> str:
    try:
        phrase = HTTPStatus(status).phrase
    except ValueError:
        phrase = ""
    return f"HTTP/{version} {status} {phrase}\r\n"


def render_headers(headers: Iterable[tuple[str, str]]) -> str:
    """The lines of headers."""
    return "".join([f"{name}: {value}\r\n" for name, value in headers])


def http_date(wall_s: float) -> str:
    """A moment (seconds since 1970) as an IMF-fixdate, RFC 9110 5.6.7."""
    return _format_second(int(wall_s // 1))


@lru_cache(4)
def _format_second(second: int) -> str:
    return formatdate(second, usegmt=True)


def offers(accept_encoding: str, coding: str) -> bool:
    """Whether a request's `Accept-Encoding` offers a coding.

    RFC 9110 12.4.2: "a value of 0 means 'not acceptable'"; 12.5.3: "The asterisk \"*\" symbol in an Accept-Encoding field
    matches any available content coding not explicitly listed in the field"; 8.4.1.3: "x-gzip" is "equivalent to gzip".
    """
    offered = {}
    for item in accept_encoding.lower().split(","):
        name, *parameters = (part.strip() for part in item.split(";"))
        offered[name.removeprefix("x-")] = not any(map(_NO_WEIGHT.fullmatch, parameters))
    return offered.get(coding, offered.get("*", False))


_NO_WEIGHT = re.compile(r"q\s*=\s*0(\.0*)?")


def code_content(body: Iterable[Slice], coding: Coding, flush: Literal["event", "end"] = "event") -> Iterator[Slice]:
    """The body in a content coding.

    With `flush: event` all bytes of a slice are on their way when it leaves: of an event, and of the part of one that stands
    before a pause or a cut.
    """
    compress, sync, finish = _compressor(coding)
    due_s = 0.0
    for piece in body:
        due_s = piece.due_s
        data = compress(piece.data) if piece.data else b""
        if flush == "event" and piece.data:
            data += sync()
        yield from cut_slice(replace(piece, data=data))
    yield from cut_slice(Slice(finish(), due_s, None, "tail"))


def _compressor(coding: Coding) -> tuple[Callable[[bytes], bytes], Callable[[], bytes], Callable[[], bytes]]:
    if coding == "br":
        import brotli  # an extra; `Http` has seen to it that it is there

        squeezer: Any = brotli.Compressor(quality=4)
        return squeezer.process, squeezer.flush, squeezer.finish
    # RFC 9110 8.4.1: gzip is RFC 1952 (wbits 31), deflate the zlib format of RFC 1950 (wbits 15).
    deflater = zlib.compressobj(6, zlib.DEFLATED, 31 if coding == "gzip" else 15)
    return deflater.compress, lambda: deflater.flush(zlib.Z_SYNC_FLUSH), deflater.flush


def code_chunked(
    body: Iterable[Slice], size: int | None = None, extension: str = "", trailers: Mapping[str, str] | None = None
) -> Iterator[Slice]:
    """The body in the chunked transfer coding: one HTTP chunk a slice, or chunks of `size` bytes; then the last chunk.

    Slices that join the one before are of its chunk.

    RFC 9112 7.1: "chunked-body = *chunk last-chunk trailer-section CRLF".
    """
    due_s, ext = 0.0, extension.encode("latin-1")
    for group in _joined(body) if size is None else _groups(body, size):
        due_s = group[-1].due_s
        if len(group) == 1 and (piece := group[0]).data:  # nearly every group
            yield replace(piece, data=b"%x%b\r\n%b\r\n" % (len(piece.data), ext, piece.data))
            continue
        full = [number for number, piece in enumerate(group) if piece.data]
        if full:  # a chunk of no bytes would be the last chunk: of slices without any, only the marks go on
            first, last = full[0], full[-1]
            size_line = b"%x%b\r\n" % (sum(len(piece.data) for piece in group), ext)
            group[last] = replace(group[last], data=group[last].data + b"\r\n")
            group[first] = replace(group[first], data=size_line + group[first].data)
        yield from group
    fields = "".join(f"{name}: {value}\r\n" for name, value in (trailers or {}).items())
    yield Slice(b"0%b\r\n%b\r\n" % (ext, fields.encode("latin-1")), due_s, None, "tail")


def _joined(body: Iterable[Slice]) -> Iterator[list[Slice]]:
    """Each slice with those that join it."""
    group: list[Slice] = []
    for piece in body:
        if group and piece.data and not piece.joins:
            yield group
            group = []
        group.append(piece)
    if group:
        yield group


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
