"""The protocol that lends its connection: it stands where uvicorn has its own, so that a plan can be played on the socket.

Its rules:

- Each request gets its own `Connection`, told of EOF and of connection loss, also while it is blocked or waits for its turn.
  FIN counts as leaving.
- Reading never stops, or a client that leaves could not be noticed. What a client may send ahead of the answers is bounded by
  the limits of a head and of a body and by the number of pipelined requests.
- Answers leave in the order of the requests, and nothing is ever written into an answer that is being played: what is not
  HTTP is refused when its turn comes.
- Whatever ends its connection ends its own side first and reads on until the client does the same: closing at once would
  reset the connection and could destroy the answer. Everything else leaves the connection in order for the next request.
- An answer begins as soon as what has come is read, in the same turn of the loop; a task is made of what has to wait.
"""

import asyncio
import logging
import socket
import struct
from collections.abc import Callable
from contextlib import suppress
from typing import Any, Literal

import msgspec
from starlette.types import Message, Scope
from uvicorn import Config
from uvicorn.server import ServerState

from mockserver.connection import Connection, end_writing
from mockserver.eager import begin
from mockserver.errors import ConnectionNotLentError, RequestError
from mockserver.http import CORS_HEADERS, JSON_TYPE, render_head
from mockserver.incoming import Incoming
from mockserver.reader import RequestReader

log = logging.getLogger("mockserver")

EXTENSION = "mockserver.connection"
"""Where the scope's extensions hold the lent `Connection`."""

MAX_PIPELINED = 256
"""Requests a client may send ahead of the answers."""

LINGER_S = 2.0
"""How long a connection that we ended is read on, for its client to end it too."""

_RESET_ON_CLOSE = struct.pack("ii", 1, 0)

Meeting = Callable[[], Literal["close", "reset", "stall"] | None]
"""Says what becomes of a connection that has just been made, before any request is read; None: it is served."""


class LendingProtocol(asyncio.Protocol):
    """One connection of a server: lends itself to the answer of each request in turn.

    uvicorn makes it, with these arguments, and counts it in `server_state` while it lasts.
    """

    max_body_bytes = 16 * 1024 * 1024
    """What the body of a request may have at most."""

    meet: Meeting = staticmethod(lambda: None)

    def __init__(
        self,
        config: Config,
        server_state: ServerState,
        app_state: dict[str, Any],
        _loop: asyncio.AbstractEventLoop | None = None,
    ) -> None:
        self._app = config.loaded_app
        self._keep_alive_s = config.timeout_keep_alive
        self._server_state = server_state
        self._loop = _loop or asyncio.get_running_loop()
        self.lent: dict[Connection, Incoming] = {}
        """What is being answered, and behind it what waits for its turn."""
        self._is_answering = False
        self._deaf = False
        self._refusal: bytes | None = None
        self._lingering: asyncio.TimerHandle | None = None
        self._idle_timer: asyncio.TimerHandle | None = None
        self._idle_since: float | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        self._server_state.connections.add(self)  # type: ignore[arg-type]
        self.transport = transport
        transport.set_write_buffer_limits(high=0)  # resume_writing then means: the kernel has taken everything
        self.socket: socket.socket = transport.get_extra_info("socket")
        self.fd = self.socket.fileno()
        with suppress(OSError):  # asyncio does so only where the listening socket names its protocol
            self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._reader = RequestReader(self._lend, _describe_ends(transport))
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
        self._idle_since = None
        try:
            self._reader.feed(data)
        except RequestError as error:
            self._refuse(error.status, error.message)
        self._answer_next()

    def _lend(self, scope: Scope, declared: int, keep_alive: bool, expects_continue: bool) -> Incoming:
        if len(self.lent) > MAX_PIPELINED:
            raise RequestError(f"More than {MAX_PIPELINED} requests were sent ahead of their answers", status=503)
        connection = Connection(self, declared, keep_alive)
        scope["extensions"] = {EXTENSION: connection}
        incoming = self.lent[connection] = Incoming(scope, connection, expects_continue)
        return incoming

    def _refuse(self, status: int, message: str) -> None:
        """Read no further; answer what cannot be understood when everything before it is answered."""
        log.warning("a request that is not HTTP as it should be, answered with %d: %s", status, message)
        self._deaf = True
        incoming = self._reader.incoming
        if incoming is None:
            self._refusal = _render_refusal(status, message)
            if not self.lent:
                self._send_refusal(self._refusal)
        elif incoming.connection in self.lent:
            incoming.connection.keep_alive = False
            incoming.end(malformed=message)
        else:  # answered already, before its body was complete
            self.linger()

    def _send_refusal(self, refusal: bytes) -> None:
        self.transport.write(refusal)
        self.linger()

    # The answers

    def _answer_next(self) -> None:
        """Begin the answer to the first request that waits, unless one is being answered."""
        if not self.lent or self._is_answering or self.transport.is_closing():
            return
        self._is_answering = True
        task = begin(self._answer(next(iter(self.lent.values()))), self._loop)
        if task is not None:
            self._server_state.tasks.add(task)
            task.add_done_callback(self._server_state.tasks.discard)

    async def _answer(self, incoming: Incoming) -> None:
        try:
            await self._app(incoming.scope, incoming.receive, _send_nothing)
        except Exception:
            log.exception("%s: a bug in the mock server", incoming.scope["path"])
        finally:
            incoming.connection.drop()  # what was to be answered is, and given back

    def answered(self, connection: Connection, close: bool) -> None:
        """Close the connection, or go on with the next request, as the answer to the one before is complete."""
        self._take_back(connection)
        if close:
            self.linger()
        elif self.lent:
            next(iter(self.lent)).read_at = None  # it had to wait: its time begins with its turn
            self._loop.call_soon(self._answer_next)
        elif self._refusal is not None:
            self._send_refusal(self._refusal)
        elif not self.transport.is_closing():
            self._note_idle()

    def give_up(self, connection: Connection, reset: bool) -> None:
        """Close the connection at once, with RST if `reset`, though its answer is not complete."""
        self._take_back(connection)
        if reset:
            self._reset()
        else:
            self.transport.abort()

    def _take_back(self, connection: Connection) -> None:
        self._is_answering = False
        self.lent.pop(connection, None)

    # How the client leaves

    def eof_received(self) -> None:
        for connection in self.lent:
            connection.leave("FIN")

    def connection_lost(self, exc: Exception | None) -> None:
        self._server_state.connections.discard(self)
        for connection in self.lent:
            connection.leave("FIN" if exc is None else "RST")
        self.lent.clear()
        for timer in (self._lingering, self._idle_timer):
            if timer is not None:
                timer.cancel()

    def resume_writing(self) -> None:
        for connection in list(self.lent):
            connection.go_on()

    # What becomes of the connection

    def _note_idle(self) -> None:
        self._idle_since = self._loop.time()
        if self._idle_timer is None:
            self._idle_timer = self._loop.call_later(self._keep_alive_s, self._close_if_idle)

    def _close_if_idle(self) -> None:
        """Close a connection that has been idle for long enough. One timer for all its requests looks, not one for each."""
        now = self._loop.time()
        left_s = self._keep_alive_s if self._idle_since is None else self._idle_since + self._keep_alive_s - now
        if left_s <= 0:
            self.transport.close()
        else:
            self._idle_timer = self._loop.call_later(left_s, self._close_if_idle)

    def _reset(self) -> None:
        if not self.transport.is_closing():
            # close(2) of a socket that lingers for no time sends RST instead of FIN.
            with suppress(OSError):
                self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET_ON_CLOSE)
        self.transport.abort()

    def linger(self) -> None:
        """End our side, and throw away what still comes until the client ends its own, or until `LINGER_S` have passed.

        RFC 9112 9.6: "If a server performs an immediate close of a TCP connection, there is a significant risk that the
        client will not be able to read the last HTTP response."
        """
        self._deaf = True
        if not self.transport.is_closing():
            end_writing(self.transport)
            self._lingering = self._loop.call_later(LINGER_S, self.transport.abort)

    def stop(self) -> None:
        """Close the connection at once, whatever is being played."""
        for connection in self.lent:
            connection.leave("stopped")
        self.transport.abort()


def _describe_ends(transport: asyncio.Transport) -> Scope:
    """What ASGI's scope says of who speaks with whom."""
    ends = {"server": "sockname", "client": "peername"}
    known = {end: transport.get_extra_info(name) for end, name in ends.items()}
    return {"scheme": "http", "root_path": "", **{end: tuple(name[:2]) for end, name in known.items() if name}}


async def _send_nothing(message: Message) -> None:
    raise ConnectionNotLentError(f"answers are played on the lent connection; ASGI's send is not there for {message}")


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
