"""The protocol that lends its connection: uvicorn's httptools protocol, opened so that a plan can be played on its socket.

Everything that knows uvicorn's inner names lives here, and `check_uvicorn` says so clearly if they change. The rules:

- Each request gets its own `Connection`, taken in `on_headers_complete`. Its `left` is set by EOF and by connection loss:
  uvicorn alone never tells a blocked or pipelined request that its client is gone. FIN counts as leaving, except while a
  half-close is being played.
- Reading never stops while an answer is played, or a client that leaves could not be noticed; what a client may send
  meanwhile is bounded by the limit of a body and by the number of pipelined requests.
- A send is one send call of the kernel. What the kernel does not take waits in the transport, and the sender with it.
- Before an abort, the connection waits, with a bound, until everything was sent: a reset destroys what is still under way.
- Whatever lies about its length, is close-delimited or half-closed ends its connection; everything else leaves it in order.
"""

import asyncio
import os
import socket
import struct
import sys
from typing import Any

from uvicorn.protocols.http.flow_control import FlowControl
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle

from mockserver.clock import Clock
from mockserver.errors import ConnectionNotLentError, MockServerError

EXTENSION = "mockserver.connection"
"""Where the scope's extensions hold the lent `Connection`."""

MAX_PIPELINED = 64
"""Requests a client may send ahead of the answers; with more, reading stops until one is answered."""

DRAIN_BOUND_S = 2.0
"""How long an abort waits for the client's system to acknowledge what was sent."""

_RESET_ON_CLOSE = struct.pack("ii", 1, 0)
_SIOCOUTQ = 0x5411  # linux/sockios.h: bytes in the send queue that are not acknowledged
_HAS_SIOCOUTQ = sys.platform == "linux"
_HAS_FD_WRITE = sys.platform != "win32"


class Connection:
    """The connection of one request, lent for its answer.

    `left` is None while the client is there, else how it left: `FIN`, `RST`, or `stopped` (by this server).
    """

    __slots__ = ("_cycle", "_fd", "_half_closed", "_protocol", "_transport", "_waiter", "left", "received", "sent")

    def __init__(self, protocol: "LendingProtocol") -> None:
        self._protocol = protocol
        self._transport = protocol.transport
        self._fd = protocol.fd
        self._cycle: RequestResponseCycle | None = None
        self._waiter: asyncio.Future[None] | None = None
        self._half_closed = False
        self.left: str | None = None
        self.sent = 0
        self.received = 0

    @property
    def max_body_bytes(self) -> int:
        """The limit of a request's body."""
        return self._protocol.max_body_bytes

    @property
    def body_over_limit(self) -> bool:
        """Whether the request's body is larger than allowed; what is over the limit was read and thrown away."""
        return self.received > self.max_body_bytes

    @property
    def keep_alive(self) -> bool:
        """Whether the request allows another one after it on the same connection."""
        return self._cycle is not None and self._cycle.keep_alive

    def send(self, data: bytes) -> None:
        """Hand `data` to the kernel in one send call; what it does not take waits, see `drained`."""
        transport = self._transport
        if self.left or transport.is_closing():
            return
        self.sent += len(data)
        if _HAS_FD_WRITE and not transport.get_write_buffer_size():
            try:
                taken = os.write(self._fd, data)
            except BlockingIOError:
                taken = 0
            except OSError:
                self.leave("RST")
                return
            if taken == len(data):
                return
            data = data[taken:]
        transport.write(data)

    @property
    def waits_for_client(self) -> bool:
        """Whether the kernel did not take all that was sent."""
        return not self.left and self._transport.get_write_buffer_size() > 0

    async def drained(self) -> None:
        """Wait until the kernel has taken everything, or the client has left."""
        while self.waits_for_client:
            await self._woken()

    async def sleep_until(self, when: float, clock: Clock) -> None:
        """Wait until `when` on the clock, or until the client has left."""
        while not self.left and clock.now() < when:
            await self._woken(when, clock)

    async def gone(self) -> None:
        """Wait until the client has left."""
        while not self.left:
            await self._woken()

    async def _woken(self, when: float | None = None, clock: Clock | None = None) -> None:
        waiter = self._waiter = asyncio.get_running_loop().create_future()
        timer = clock.call_at(when, self.wake) if clock is not None and when is not None else None
        try:
            await waiter
        finally:
            self._waiter = None
            if timer is not None:
                timer.cancel()

    def wake(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)

    def leave(self, how: str) -> None:
        """Note that the client has left."""
        if self.left is None and not (self._half_closed and how == "FIN"):
            self.left = how
            self.wake()

    @property
    def unsent(self) -> int:
        """Bytes that were sent but that neither the kernel took nor, where it tells, the client's system acknowledged."""
        waiting = 0 if self._transport.is_closing() else self._transport.get_write_buffer_size()
        return waiting + (self._unacknowledged() or 0)

    @property
    def acknowledged(self) -> int | None:
        """How many bytes the client's system has acknowledged, or None where the system does not tell."""
        unacknowledged = self._unacknowledged()
        return None if unacknowledged is None else max(self.sent - unacknowledged - self._waiting(), 0)

    def _waiting(self) -> int:
        return self._transport.get_write_buffer_size()

    def _unacknowledged(self) -> int | None:
        if not _HAS_SIOCOUTQ or self._transport.is_closing():
            return None
        import fcntl

        try:
            (count,) = struct.unpack("i", fcntl.ioctl(self._fd, _SIOCOUTQ, b"\0\0\0\0"))
        except OSError:
            return None
        return int(count)

    def finish(self, close: bool) -> None:
        """The answer is complete: close the connection, or go on with the next request."""
        cycle = self._done()
        if close:
            self._transport.close()
        cycle.on_response()

    def half_close(self) -> None:
        """Send FIN, and go on reading: a client that ends its own side now does not count as having left."""
        self._half_closed = True
        if not self.left and not self._transport.is_closing():
            self._transport.write_eof()

    async def abort(self, clock: Clock, drain: bool = True) -> None:
        """Reset the connection (RST), with `drain` only after everything sent has arrived, or after a bound."""
        bound = clock.now() + DRAIN_BOUND_S
        while drain and not self.left and self.unsent and clock.now() < bound:
            await self._woken(clock.now() + 0.001, clock)
        self._done()
        if not self._transport.is_closing():
            # close(2) of a socket that lingers for no time sends RST instead of FIN.
            self._protocol.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET_ON_CLOSE)
        self._transport.abort()

    def drop(self) -> None:
        """Give up the answer: what was not taken yet is lost, the connection is closed."""
        self._done()
        self._transport.abort()

    def _done(self) -> RequestResponseCycle:
        cycle = self._cycle
        assert cycle is not None, "a connection is lent only after its request's headers"
        cycle.response_started = cycle.response_complete = True
        self._protocol.lent.discard(self)
        return cycle


class _OpenFlow(FlowControl):
    """uvicorn's flow control, but reading stops only where `LendingProtocol` says so."""

    def pause_reading(self) -> None:
        pass

    def really_pause_reading(self) -> None:
        super().pause_reading()


class LendingProtocol(HttpToolsProtocol):
    """uvicorn's protocol, lending its connection to every request. `max_body_bytes` bounds what a request may carry."""

    max_body_bytes = 16 * 1024 * 1024

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        transport.set_write_buffer_limits(high=0)  # resume_writing then means: the kernel has taken everything
        self.flow: Any = _OpenFlow(transport)
        self.socket = transport.get_extra_info("socket")
        self.fd = self.socket.fileno()
        self.lent: set[Connection] = set()
        self._receiving: Connection | None = None

    def on_headers_complete(self) -> None:
        self._receiving = connection = Connection(self)
        scope: dict[str, Any] = self.scope  # type: ignore[assignment]
        scope["extensions"] = {EXTENSION: connection}
        super().on_headers_complete()
        connection._cycle = self.cycle
        self.lent.add(connection)
        if len(self.pipeline) > MAX_PIPELINED:
            self.flow.really_pause_reading()

    def on_body(self, body: bytes) -> None:
        connection = self._receiving
        if connection is not None:
            connection.received += len(body)
            if connection.body_over_limit:  # read on, or the reset of a closed socket would destroy the answer
                return
        super().on_body(body)

    def eof_received(self) -> bool | None:  # type: ignore[override]
        for connection in list(self.lent):
            connection.leave("FIN")
        return any(connection._half_closed for connection in self.lent) or None

    def connection_lost(self, exc: Exception | None) -> None:
        for connection in list(self.lent):
            connection.leave("FIN" if exc is None else "RST")
        self.lent.clear()
        super().connection_lost(exc)

    def resume_writing(self) -> None:
        super().resume_writing()
        for connection in list(self.lent):
            connection.wake()

    def stop(self) -> None:
        """Close the connection at once, whatever is being played."""
        for connection in list(self.lent):
            connection.leave("stopped")
        self.transport.abort()


def borrow(scope: Any) -> Connection:
    """The connection lent with a request. Raises `ConnectionNotLentError` where there is none, as in a test client."""
    connection = scope.get("extensions", {}).get(EXTENSION)
    if not isinstance(connection, Connection):
        raise ConnectionNotLentError(
            "no connection was lent: a stream is played on a real socket only. Use mockserver.MockServer or "
            "`mockserver serve` in place of a test client or another ASGI server"
        )
    return connection


_PROTOCOL_NAMES = ("connection_made", "connection_lost", "eof_received", "on_headers_complete", "on_body", "resume_writing",
                   "on_response_complete")  # fmt: skip
_CYCLE_NAMES = ("run_asgi", "send", "receive")


def check_uvicorn() -> None:
    """Raise `MockServerError` if the installed uvicorn no longer has the inner names that this module rests on."""
    missing = [f"HttpToolsProtocol.{name}" for name in _PROTOCOL_NAMES if not hasattr(HttpToolsProtocol, name)]
    missing += [f"RequestResponseCycle.{name}" for name in _CYCLE_NAMES if not hasattr(RequestResponseCycle, name)]
    missing += [f"FlowControl.{name}" for name in ("pause_reading", "drain") if not hasattr(FlowControl, name)]
    names = RequestResponseCycle.__init__.__code__.co_names
    missing += [f"RequestResponseCycle().{n}" for n in ("response_started", "response_complete", "keep_alive", "on_response")
                if n not in names]  # fmt: skip
    if missing:
        import uvicorn

        raise MockServerError(
            f"uvicorn {uvicorn.__version__} has changed inside: {', '.join(missing)} not found. "
            "Install a version of uvicorn that this release of openai-mockserver was tested with"
        )
