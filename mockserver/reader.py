"""Reads requests off a connection: httptools' parser, what of HTTP is served, and what has been read before."""

from collections.abc import Callable
from functools import lru_cache
from typing import Any, NamedTuple
from urllib.parse import unquote

from httptools import HttpParserError, HttpParserUpgrade, HttpRequestParser, parse_url
from starlette.types import Scope

from mockserver.errors import RequestError
from mockserver.incoming import Headers, Incoming

MAX_HEAD_BYTES = 256 * 1024
"""How long a request's line and headers may be, give or take `_HEAD_STEP_BYTES`."""

MAX_URL_BYTES = 65_535
"""How long a request's target may be: what the parser of URLs can count."""

_HEAD_STEP_BYTES = 16 * 1024

_OTHER_PROTOCOLS = {
    b"\x16\x03": "This is TLS: the server speaks http://, not https://",
    b"PRI * HTTP/2.0": "HTTP/2 is not spoken here, HTTP/1.1 is",
}
"""What clients begin with that take the server for another one, and what they are told."""

_ASGI = {"version": "3.0", "spec_version": "2.3"}


Lend = Callable[[Scope, int, bool, bool], Incoming]
"""Takes the head of a request, the size that it declares for its body, whether the connection may be kept, and whether
`100 Continue` is waited for; returns the request that the body belongs to."""


class _Whole(NamedTuple):
    """A request that came whole, in bytes that are kept: what they say."""

    head: Scope
    declared: int
    body: bytes


_known: dict[bytes, _Whole] = {}
"""What has been read before. Tests and benchmarks ask the same again and again, and many clients in the very same bytes."""

_MOST_KNOWN, _MOST_KNOWN_BYTES = 256, 4096


class RequestReader:
    """Reads the requests of one connection; `lend` is called with the head of each, `address` says who speaks with whom."""

    def __init__(self, lend: Lend, address: Scope) -> None:
        self._lend = lend
        self._address = address
        self._parser = self._make_parser()
        self._head_size = 0
        self._url = b""
        self._headers = Headers()
        self._ignored_upgrade: list[tuple[bytes, bytes]] = []
        self._is_between = True
        self._head: Scope = {}
        self._is_keepable = False
        self._complete: list[Incoming] = []
        self.incoming: Incoming | None = None
        """The request whose body is being read."""

    def _make_parser(self) -> HttpRequestParser:
        parser = HttpRequestParser(self)
        # What follows a request with `Connection: close` is thrown away: taken for nonsense, it would spoil the answer.
        parser.set_dangerous_leniencies(lenient_data_after_close=True)
        return parser

    def feed(self, data: bytes) -> None:
        """Read some bytes. Raises `RequestError` for what is no request that is served, after which nothing more can be read."""
        may_be_known = self._is_between and len(data) <= _MOST_KNOWN_BYTES
        if may_be_known and (known := _known.get(data)) is not None:
            self._head_size = 0
            incoming = self._lend({**known.head, **self._address}, known.declared, True, False)
            incoming.add(known.body)
            incoming.end()
            return
        whole = data
        try:
            while data:
                data = self._feed(data)
        except HttpParserError as error:
            if isinstance(error.__context__, RequestError):  # raised while the parser called
                raise error.__context__ from None
            other = (told for opening, told in _OTHER_PROTOCOLS.items() if data.startswith(opening))
            raise RequestError(next(other, f"Invalid HTTP request: {error}"), status=400) from error
        if may_be_known and self._is_between and self._is_keepable and len(self._complete) == 1:
            _remember(whole, self._head, self._complete[0])
        self._complete.clear()

    def _feed(self, data: bytes) -> bytes:
        """Let the parser read some of `data`; returns what is to be read after it."""
        rest = b""
        if self.incoming is None:
            data, rest = data[:_HEAD_STEP_BYTES], data[_HEAD_STEP_BYTES:]
            self._head_size += len(data)
            if self._head_size > MAX_HEAD_BYTES:
                raise RequestError(f"The head of the request is longer than {MAX_HEAD_BYTES} bytes", status=431)
        try:
            self._parser.feed_data(data)
        except HttpParserUpgrade as upgrade:
            # RFC 9110 7.8: "A server MAY ignore a received Upgrade header field if it wishes to continue using the current
            # protocol on that connection." The parser cannot, it skips the body: so another one reads the request again,
            # without that field. Java's HttpClient sends `Upgrade: h2c` with its first request.
            [end_of_head] = upgrade.args
            request = self._render_request_without_upgrade()
            self._parser = self._make_parser()
            return request + data[end_of_head:] + rest
        return rest

    def _render_request_without_upgrade(self) -> bytes:
        self._ignored_upgrade = [header for header in self._headers if header[0] == b"upgrade"]
        others = (b"%b: %b\r\n" % header for header in self._headers if header[0] != b"upgrade")
        version = self._parser.get_http_version().encode()
        return b"%b %b HTTP/%b\r\n%b\r\n" % (self._parser.get_method(), self._url, version, b"".join(others))

    # What the parser calls

    def on_message_begin(self) -> None:
        self._is_between = False
        self._url = b""
        self._headers = Headers()

    def on_url(self, url: bytes) -> None:
        self._url += url

    def on_header(self, name: bytes, value: bytes) -> None:
        self._headers.append((name.lower(), value))

    def on_headers_complete(self) -> None:
        self._head_size = 0
        parser, url = self._parser, self._url
        version, method = parser.get_http_version(), parser.get_method()
        _check_head(version, method, url)
        if parser.should_upgrade():
            return
        self._headers += self._ignored_upgrade
        self._ignored_upgrade = []
        path, raw_path, query = _split_target(url)
        head = self._head = {
            "type": "http",
            "asgi": _ASGI,
            "http_version": version,
            "method": method.decode("ascii"),
            "path": path,
            "raw_path": raw_path,
            "query_string": query,
            "headers": self._headers,
        }
        declared, expects_continue = 0, False
        for name, value in self._headers:
            if name == b"content-length":
                declared = max(declared, int(value))  # the parser has seen to it that it is a number
            elif name == b"expect":
                expects_continue = expects_continue or value.lower() == b"100-continue"
        keep_alive = version == "1.1" and parser.should_keep_alive()
        self._is_keepable = keep_alive and not expects_continue
        self.incoming = self._lend({**head, **self._address}, declared, keep_alive, expects_continue)

    def on_body(self, body: bytes) -> None:
        assert self.incoming is not None, "a body comes after its head"
        self.incoming.add(body)

    def on_message_complete(self) -> None:
        if self.incoming is None:  # the parser skips the body of an upgrade
            return
        self._is_between = True
        self._complete.append(self.incoming)
        self.incoming.end()
        self.incoming = None


def _remember(data: bytes, head: Scope, incoming: Incoming) -> None:
    """Keep what some bytes say: one request that is complete, and nothing else."""
    if incoming.connection.body_over_limit:  # what was over it is lost, and another server may have another limit
        return
    if len(_known) >= _MOST_KNOWN:
        _known.clear()
    _known[data] = _Whole(head, incoming.connection.declared, incoming.unread)


def _check_head(version: str, method: bytes, url: bytes) -> None:
    if version not in ("1.0", "1.1"):
        raise RequestError(f"HTTP/{version} is not spoken here, HTTP/1.1 is", status=505)
    if len(url) > MAX_URL_BYTES:
        raise RequestError(f"The target of the request is longer than {MAX_URL_BYTES} bytes", status=414)
    if method == b"CONNECT":
        raise RequestError("Not allowed to CONNECT: this is no proxy", status=405)


@lru_cache(64)
def _split_target(url: bytes) -> tuple[str, bytes, bytes]:
    """The path of a request's target as text and as it came, and its query."""
    parsed: Any = parse_url(url)
    path: str = parsed.path.decode("ascii")
    return unquote(path) if "%" in path else path, parsed.path, parsed.query or b""
