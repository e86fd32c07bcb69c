"""Head, content coding, transfer coding: everything that makes an HTTP/1.1 message of a body (RFC 9110, RFC 9112).

The head is rendered here whole, down to its last byte: nothing is added to it on the way to the wire.
"""

from collections.abc import Iterable, Iterator, Mapping
from email.utils import formatdate
from http import HTTPStatus
from typing import Annotated

from msgspec import Meta, Struct

from mockserver.sse import Slice

Headers = Mapping[str, str | None]

JSON_TYPE = "application/json"
STREAM_TYPE = "text/event-stream; charset=utf-8"

CORS_HEADERS = {
    "Access-Control-Allow-Origin": "*",
    "Access-Control-Expose-Headers": "*",
}

# What the real API tells of its limits; a scenario may set others under `headers`.
RATE_LIMIT_HEADERS = {
    "x-ratelimit-limit-requests": "10000",
    "x-ratelimit-limit-tokens": "2000000",
    "x-ratelimit-remaining-requests": "9999",
    "x-ratelimit-remaining-tokens": "1999968",
    "x-ratelimit-reset-requests": "6ms",
    "x-ratelimit-reset-tokens": "0s",
}


class Http(Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """How the HTTP message around the body looks."""

    headers: Annotated[
        dict[str, str | None],
        Meta(description="Headers to set, in place of ours of the same name; null leaves one out."),
    ] = {}


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
    return ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1")


def http_date(wall_s: float) -> str:
    """A moment (seconds since 1970) as an IMF-fixdate, RFC 9110 5.6.7."""
    return formatdate(wall_s, usegmt=True)


def code_chunked(body: Iterable[Slice]) -> Iterator[Slice]:
    """The body in the chunked transfer coding, one HTTP chunk a slice, then the last chunk.

    RFC 9112 7.1: "chunked-body = *chunk last-chunk trailer-section CRLF".
    """
    due_s = 0.0
    for piece in body:
        due_s = piece.due_s
        data = b"%x\r\n%b\r\n" % (len(piece.data), piece.data)
        yield Slice(data, due_s, piece.event, piece.kind, piece.starts, piece.ends)
    yield Slice(b"0\r\n\r\n", due_s, None, "tail")
