"""The protocol that lends its connection: uvicorn's httptools protocol, opened so that a plan can be played on its socket.

It rests on uvicorn's inner names, which `mockserver.internals` lists and checks. The rules:

- Each request gets its own `Connection`, told of EOF and of connection loss: uvicorn alone never tells a blocked or pipelined
  request that its client is gone. FIN counts as leaving.
- Reading never stops, or a client that leaves could not be noticed. What a client may send ahead of the answers is bounded by
  the limits of a head and of a body and by the number of pipelined requests.
- Answers leave in the order of the requests, and nothing is ever written into an answer that is being played: what is not
  HTTP is refused when its turn comes.
- Whatever ends its connection ends its own side first and reads on until the client does the same: closing at once would
  reset the connection and could destroy the answer. Everything else leaves the connection in order for the next request.
"""

import asyncio
import logging
import socket
import struct
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Any, Literal

import msgspec
from httptools import HttpParserError, HttpParserUpgrade, HttpRequestParser
from uvicorn.protocols.http.flow_control import FlowControl
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle

from mockserver.connection import Connection, end_writing
from mockserver.errors import ConnectionNotLentError
from mockserver.http import CORS_HEADERS, JSON_TYPE, render_head

log = logging.getLogger("mockserver")

EXTENSION = "mockserver.connection"
"""Where the scope's extensions hold the lent `Connection`."""

MAX_PIPELINED = 256
"""Requests a client may send ahead of the answers."""

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

LINGER_S = 2.0
"""How long a connection that we ended is read on, for its client to end it too."""

_RESET_ON_CLOSE = struct.pack("ii", 1, 0)

Meeting = Callable[[], Literal["close", "reset", "stall"] | None]
"""Says what becomes of a connection that has just been made, before any request is read; None: it is served."""


class _OpenFlow(FlowControl):
    """uvicorn's flow control, but reading never stops."""

    def pause_reading(self) -> None:
        pass


class LendingProtocol(HttpToolsProtocol):
    """uvicorn's protocol, lending its connection to every request."""

    max_body_bytes = 16 * 1024 * 1024
    """What the body of a request may have at most."""

    meet: Meeting = staticmethod(lambda: None)

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        transport.set_write_buffer_limits(high=0)  # resume_writing then means: the kernel has taken everything
        self.flow = _OpenFlow(transport)
        self.socket: socket.socket = transport.get_extra_info("socket")
        self.fd = self.socket.fileno()
        with suppress(OSError):  # asyncio does so only where the listening socket names its protocol
            self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.lent: dict[Connection, RequestResponseCycle] = {}
        self._receiving: Connection | None = None
        self._deaf = False
        self._head_size = 0
        self._ignored_upgrade: list[tuple[bytes, bytes]] = []
        self._wrong: tuple[int, str] | None = None
        self._refusal: bytes | None = None
        self._lingering: asyncio.TimerHandle | None = None
        if fate := self.meet():
            self._shun(fate)

    def _shun(self, fate: Literal["close", "reset", "stall"]) -> None:
        """Let the connection end, or stay without an answer, whatever is asked on it."""
        self._deaf = True
        if fate == "close":
            self.linger()
        elif fate == "reset":
            self._reset()

    # What the client sends

    def data_received(self, data: bytes) -> None:
        if self._deaf:
            return
        self._unset_keepalive_if_required()
        try:
            while data:
                data = self._feed(data)
        except HttpParserError as error:
            other = (told for opening, told in _OTHER_PROTOCOLS.items() if data.startswith(opening))
            status, message = self._wrong or (400, next(other, f"Invalid HTTP request: {error}"))
            self._refuse(status, message)

    def _feed(self, data: bytes) -> bytes:
        """Let the parser read some of `data`; returns what is to be read after it."""
        rest = b""
        if self._receiving is None:
            data, rest = data[:_HEAD_STEP_BYTES], data[_HEAD_STEP_BYTES:]
            self._head_size += len(data)
            if self._head_size > MAX_HEAD_BYTES:
                raise self._wrong_head(431, f"The head of the request is longer than {MAX_HEAD_BYTES} bytes")
        try:
            self.parser.feed_data(data)
        except HttpParserUpgrade as upgrade:
            # RFC 9110 7.8: "A server MAY ignore a received Upgrade header field if it wishes to continue using the current
            # protocol on that connection." The parser cannot, it skips the body: so another one reads the request again,
            # without that field. Java's HttpClient sends `Upgrade: h2c` with its first request.
            [end_of_head] = upgrade.args
            request = self._render_request_without_upgrade()
            self.parser = HttpRequestParser(self)
            self.parser.set_dangerous_leniencies(lenient_data_after_close=True)  # as uvicorn has it
            return request + data[end_of_head:] + rest
        return rest

    def _render_request_without_upgrade(self) -> bytes:
        self._ignored_upgrade = [header for header in self.headers if header[0] == b"upgrade"]
        others = (b"%b: %b\r\n" % header for header in self.headers if header[0] != b"upgrade")
        version = self.parser.get_http_version().encode()
        return b"%b %b HTTP/%b\r\n%b\r\n" % (self.parser.get_method(), self.url, version, b"".join(others))

    def on_headers_complete(self) -> None:
        self._head_size = 0
        if self.parser.get_http_version() not in ("1.0", "1.1"):
            raise self._wrong_head(505, f"HTTP/{self.parser.get_http_version()} is not spoken here, HTTP/1.1 is")
        if len(self.url) > MAX_URL_BYTES:
            raise self._wrong_head(414, f"The target of the request is longer than {MAX_URL_BYTES} bytes")
        if self.parser.get_method() == b"CONNECT":
            raise self._wrong_head(405, "Not allowed to CONNECT: this is no proxy")
        if len(self.pipeline) >= MAX_PIPELINED:
            raise self._wrong_head(503, f"More than {MAX_PIPELINED} requests were sent ahead of their answers")
        if self.parser.should_upgrade():
            return
        self.headers += self._ignored_upgrade
        self._ignored_upgrade = []
        keep_alive = self.parser.get_http_version() == "1.1" and self.parser.should_keep_alive()
        connection = Connection(self, _content_length(self.headers), keep_alive)
        scope: dict[str, Any] = self.scope  # type: ignore[assignment]
        scope["extensions"] = {EXTENSION: connection}
        super().on_headers_complete()
        self.lent[connection] = self.cycle
        self._receiving = connection

    def _wrong_head(self, status: int, message: str) -> HttpParserError:
        self._wrong = (status, message)
        return HttpParserError(message)

    def on_body(self, body: bytes) -> None:
        connection = self._receiving
        assert connection is not None, "a body comes after its head"
        connection.received += len(body)
        if connection.body_over_limit:  # read on all the same, or closing would destroy the answer
            self.cycle.message_event.set()
        else:
            super().on_body(body)

    def on_message_complete(self) -> None:
        if not self.parser.should_upgrade():
            if self._receiving is not None and not self.pipeline:
                self._receiving.read_at = time.monotonic()  # the task that answers may have to wait for others
            self._receiving = None
            super().on_message_complete()

    def _refuse(self, status: int, message: str) -> None:
        """Read no further; answer what cannot be understood when everything before it is answered."""
        log.warning("a request that is not HTTP as it should be, answered with %d: %s", status, message)
        self._deaf = True
        if self._receiving is None:
            self._refusal = _render_refusal(status, message)
            if not self.lent:
                self._send_refusal(self._refusal)
        elif cycle := self.lent.get(self._receiving):
            self._receiving.malformed = message
            self._receiving.keep_alive = cycle.more_body = False
            cycle.message_event.set()
        else:  # answered already, before its body was complete
            self.linger()

    def _send_refusal(self, refusal: bytes) -> None:
        self.transport.write(refusal)
        self.linger()

    # How the client leaves

    def eof_received(self) -> None:
        for connection in self.lent:
            connection.leave("FIN")

    def connection_lost(self, exc: Exception | None) -> None:
        for connection, cycle in self.lent.items():
            connection.leave("FIN" if exc is None else "RST")
            cycle.disconnected = True
            cycle.message_event.set()
        self.lent.clear()
        self.pipeline.clear()
        if self._lingering is not None:
            self._lingering.cancel()
        self._unset_keepalive_if_required()
        super().connection_lost(exc)

    def resume_writing(self) -> None:
        super().resume_writing()
        for connection in list(self.lent):
            connection.go_on()

    # What becomes of the connection

    def answered(self, connection: Connection, close: bool) -> None:
        """Close the connection, or go on with the next request, as the answer to the one before is complete."""
        self._take_back(connection)
        if close:
            self.linger()
            return
        self.on_response_complete()
        if self._refusal is not None and not self.lent:
            self._send_refusal(self._refusal)

    def give_up(self, connection: Connection, reset: bool) -> None:
        """Close the connection at once, with RST if `reset`, though its answer is not complete."""
        self._take_back(connection)
        if reset:
            self._reset()
        else:
            self.transport.abort()

    def _reset(self) -> None:
        if not self.transport.is_closing():
            # close(2) of a socket that lingers for no time sends RST instead of FIN.
            with suppress(OSError):
                self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET_ON_CLOSE)
        self.transport.abort()

    def _take_back(self, connection: Connection) -> None:
        if cycle := self.lent.pop(connection, None):
            cycle.response_started = cycle.response_complete = True

    def linger(self) -> None:
        """End our side, and throw away what still comes until the client ends its own, or until `LINGER_S` have passed.

        RFC 9112 9.6: "If a server performs an immediate close of a TCP connection, there is a significant risk that the
        client will not be able to read the last HTTP response."
        """
        self._deaf = True
        if not self.transport.is_closing():
            end_writing(self.transport)
            self._lingering = self.loop.call_later(LINGER_S, self.transport.abort)

    def stop(self) -> None:
        """Close the connection at once, whatever is being played."""
        for connection in self.lent:
            connection.leave("stopped")
        self.transport.abort()


def _content_length(headers: list[tuple[bytes, bytes]]) -> int:
    """The size that a head declares for its body; the parser has seen to it that it is a number."""
    return max((int(value) for name, value in headers if name == b"content-length"), default=0)


def _render_refusal(status: int, message: str) -> bytes:
    """The answer to what is not even a request, in the shape of OpenAI's errors."""
    error = {"message": message, "type": "invalid_request_error", "param": None, "code": None}
    body = msgspec.json.encode({"error": error})
    framing = [("Content-Type", JSON_TYPE), ("Content-Length", str(len(body))), ("Connection", "close")]
    return render_head(status, [*framing, *CORS_HEADERS.items()]) + body


def borrow(scope: Any) -> Connection:
    """The connection lent with a request. Raises `ConnectionNotLentError` where there is none, as in a test client."""
    connection = scope.get("extensions", {}).get(EXTENSION)
    if not isinstance(connection, Connection):
        raise ConnectionNotLentError(
            "no connection was lent: a stream is played on a real socket only. Use mockserver.MockServer or "
            "`mockserver serve` in place of a test client or another ASGI server"
        )
    return connection
