"""The connection of one request, lent for its answer: what it can do, and what it knows of the client.

The rules it owns:

- A send is one send call of the kernel. What the kernel does not take is offered again when there is room, and the sender
  waits meanwhile: a client that does not read costs one write of memory.
- `sent` is what the kernel took, never more; `acknowledged` is what the client's system confirmed, where ours tells.
- Before an abort, the connection waits, with a bound, until everything was confirmed: a reset destroys what is under way.
"""

import asyncio
import os
import sys
from collections.abc import Callable, Sequence
from typing import Protocol

if sys.platform != "win32":
    import fcntl

DRAIN_BOUND_S = 2.0
"""How long an abort waits for the client's system to acknowledge what was sent."""

_DRAIN_POLL_S = 0.001
_SIOCOUTQ = 0x5411  # linux/sockios.h: bytes in the send queue that are not acknowledged
_AN_INT = bytes(4)
_HAS_SIOCOUTQ = sys.platform == "linux"
_HAS_FD_WRITE = sys.platform != "win32"


class Lender(Protocol):
    """What lends connections; see `mockserver.transport`."""

    transport: asyncio.Transport
    fd: int
    max_body_bytes: int

    def answered(self, connection: "Connection", close: bool) -> None:
        """The answer is complete."""

    def give_up(self, connection: "Connection", reset: bool) -> None:
        """The answer is not to be completed: close at once, with RST if `reset`."""


class Connection:
    """The connection of one request.

    `left` is None while the client is there, else how it left: `FIN`, `RST`, or `stopped` (by this server). `sent` counts the
    bytes of the answer that the kernel took, `received` those of the request's body. `keep_alive` says whether the request
    allows another one after it, `malformed` what is wrong if its body is not HTTP. `read_at` is the real clock's time when the
    whole request had been read, None where it waited then for an answer before its own. `max_body_bytes` is the limit of a
    request's body.
    """

    __slots__ = (
        "_acknowledged", "_fd", "_lender", "_offered", "_rest", "_returned", "_transport", "_waiter", "declared", "keep_alive", "left",
        "malformed", "max_body_bytes", "read_at", "received", "sent",
    )  # fmt: skip

    def __init__(self, lender: Lender, declared: int = 0, keep_alive: bool = True) -> None:
        self._lender = lender
        self._fd = lender.fd
        self._transport = lender.transport
        self.max_body_bytes = lender.max_body_bytes
        self._rest: bytes | memoryview = b""
        self._offered = 0
        self._waiter: asyncio.Future[None] | None = None
        self._acknowledged: int | None = None
        self._returned = False
        self.left: str | None = None
        self.sent = 0
        self.received = 0
        self.declared = declared
        self.keep_alive = keep_alive
        self.malformed: str | None = None
        self.read_at: float | None = None

    @property
    def body_size(self) -> int:
        """The size of the request's body as far as it is known: as declared by its head, or as read so far."""
        return max(self.declared, self.received)

    @property
    def body_over_limit(self) -> bool:
        """Whether the request's body is larger than allowed; what is over the limit is read and thrown away."""
        most = self.max_body_bytes
        return self.received > most or self.declared > most

    def send(self, data: bytes) -> bool:
        """Hand `data` to the kernel in one send call; what it does not take goes on by itself, see `drained`.

        Returns whether it took all of it.
        """
        if not self._is_free:
            self._rest = data
            self._offer()
            return not self._rest
        taken = self._write(data)
        self.sent += taken
        return taken == len(data) or self._keep_rest(data, taken)

    def send_each(self, pieces: Sequence[bytes], now: Callable[[], float]) -> list[float]:
        """`send` each piece, up to the first that the kernel does not take as a whole, as where the client has left.

        Returns the moments of the send calls. The first is made in any case, and it alone where the kernel cannot be asked.
        """
        if not self._is_free:
            moment = now()
            self.send(pieces[0])
            return [moment]
        moments = []
        for piece in pieces:
            moments.append(now())
            taken = self._write(piece)
            self.sent += taken
            if taken < len(piece) and not self._keep_rest(piece, taken):
                break
        return moments

    def _keep_rest(self, data: bytes, taken: int) -> bool:
        """Keep what the kernel did not take for when there is room, which may be at once; returns whether it was."""
        self._rest = memoryview(data)[taken:]
        self._await_room()
        self._offer()
        return not self._rest

    @property
    def _is_free(self) -> bool:
        """Whether the kernel can be asked, and nothing stands before what is to be sent."""
        if self._rest or self.left or self._transport.is_closing() or not _HAS_FD_WRITE:
            return False
        # Before an answer begins, others may have something to say, as `100 Continue`.
        return self.sent > 0 or not self._transport.get_write_buffer_size()

    def say(self, data: bytes) -> None:
        """Send what stands in front of the answer and is no part of it, such as `100 Continue`."""
        if not self.left and not self._transport.is_closing():
            self._transport.write(data)

    def go_on(self) -> None:
        """Offer the kernel what it has not taken yet; to be called again when the transport has room."""
        self._offer()
        if not self._rest:
            self.wake()

    def _offer(self) -> None:
        transport = self._transport
        while self._rest and not self.left and not transport.is_closing() and not transport.get_write_buffer_size():
            if self._offered:
                self._took(self._offered)
                self._offered = 0
                continue
            if _HAS_FD_WRITE:
                self._took(self._write(self._rest))
            self._await_room()

    def _await_room(self) -> None:
        """Let the transport, which alone can, wait until the kernel takes what is left.

        It gets one byte and no more: what it does not get rid of when the client leaves it forgets without a word, and then
        nobody would know what the kernel took.
        """
        if self._rest and not self.left:
            self._offered = 1 if _HAS_FD_WRITE else len(self._rest)
            self._transport.write(bytes(self._rest[: self._offered]))

    def _write(self, data: bytes | memoryview) -> int:
        """One send call of the kernel: how many bytes it took."""
        try:
            return os.write(self._fd, data)
        except BlockingIOError:
            return 0
        except OSError:  # EPIPE, ECONNRESET
            self.leave("RST")
            return 0

    def _took(self, count: int) -> None:
        self.sent += count
        self._rest = memoryview(self._rest)[count:] if count < len(self._rest) else b""

    @property
    def has_rest(self) -> bool:
        """Whether the kernel did not take all that was sent, and may never."""
        return bool(self._rest)

    @property
    def waits_for_client(self) -> bool:
        """Whether the kernel did not take all that was sent."""
        return bool(self._rest) and not self.left

    async def drained(self) -> None:
        """Wait until the kernel has taken everything, or the client has left."""
        while self.waits_for_client:
            await self.woken()

    async def gone(self) -> None:
        """Wait until the client has left."""
        while not self.left:
            await self.woken()

    async def woken(self) -> None:
        """Wait until `wake`, for whatever reason; who waits for one looks again."""
        waiter = self._waiter = asyncio.get_running_loop().create_future()
        try:
            await waiter
        finally:
            self._waiter = None

    def wake(self) -> None:
        """Let whoever waits look again."""
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)

    def leave(self, how: str) -> None:
        """Note that the client has left."""
        if self.left is None:
            self._acknowledged = self.acknowledged
            self.left = how
            self.wake()

    @property
    def ending(self) -> str:
        """How an answer ended that was cut because of `left`, in the journal's words."""
        return f"client left ({self.left})" if self.left in ("FIN", "RST") else "stopped"

    @property
    def unsent(self) -> int:
        """Bytes that the kernel did not take or, where it tells, that the client's system did not acknowledge."""
        return len(self._rest) + (self._unacknowledged() or 0)

    @property
    def acknowledged(self) -> int | None:
        """How many bytes of the answer the client's system has acknowledged, or None where ours does not tell."""
        if self.left or self._returned:
            return self._acknowledged
        unacknowledged = self._unacknowledged()
        return None if unacknowledged is None else max(self.sent - unacknowledged, 0)

    def _unacknowledged(self) -> int | None:
        if not _HAS_SIOCOUTQ or self._transport.is_closing():
            return None
        try:
            return int.from_bytes(fcntl.ioctl(self._fd, _SIOCOUTQ, _AN_INT), sys.byteorder)
        except OSError:
            return None

    def finish(self, close: bool) -> None:
        """The answer is complete: close the connection, or go on with the next request."""
        if self._give_back():
            self._lender.answered(self, close)

    def half_close(self) -> None:
        """Send FIN, and go on reading until the client leaves."""
        if not self.left and not self._transport.is_closing():
            end_writing(self._transport)

    async def abort(self, drain: bool = True) -> None:
        """Reset the connection (RST), with `drain` only after everything sent has arrived, or after `DRAIN_BOUND_S`."""
        # Not the plan's clock: how long the kernel takes cannot be jumped.
        loop = asyncio.get_running_loop()
        bound = loop.time() + DRAIN_BOUND_S
        while drain and not self.left and self.unsent and loop.time() < bound:
            timer = loop.call_later(_DRAIN_POLL_S, self.wake)
            try:
                await self.woken()
            finally:
                timer.cancel()
        if self._give_back():
            self._lender.give_up(self, reset=True)

    def drop(self) -> None:
        """Give up an answer that is not complete: what the kernel has not taken is lost, the connection is closed."""
        if self._give_back():
            self._lender.give_up(self, reset=False)

    def _give_back(self) -> bool:
        """Note that the connection is lent no longer; False if that was so before."""
        if self._returned:
            return False
        self._acknowledged = self.acknowledged
        self._returned = True
        return True


def end_writing(transport: asyncio.Transport) -> None:
    """Send FIN after what was written. A connection that the client reset in this moment is closed."""
    try:
        transport.write_eof()
    except OSError:
        transport.abort()
