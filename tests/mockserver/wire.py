"""A connection without a socket: a kernel that can be full, a client that reads and leaves when it is told to."""

import asyncio

from mockserver.clock import JumpClock
from mockserver.connection import Connection
from mockserver.journal import Exchange


class Wire(asyncio.Transport):
    """Transport, kernel and client in one: it lends its connection, and records what is done with it.

    `sends` holds each send call with its time. The kernel takes `room` bytes until the client reads (None: any number), and
    `cost_s` passes with each send call. `unacknowledged` is what the system tells from one look to the next (empty: nothing).
    """

    def __init__(self, clock: JumpClock, room: int | None = None, cost_s: float = 0.0) -> None:
        super().__init__()
        self.clock = clock
        self.room = room
        self.cost_s = cost_s
        self.unacknowledged: list[int] = []
        self.sends: list[tuple[float, bytes]] = []
        self.taken = bytearray()
        self.ending: str | None = None
        self.transport: asyncio.Transport = self
        self.fd = -1
        self.max_body_bytes = 100
        self._waiting = bytearray()
        self.connection = WireConnection(self)

    # The kernel

    def take(self, data: bytes) -> int:
        """One send call: how much of it the kernel takes."""
        self.sends.append((self.clock.now(), data))
        self.clock._now += self.cost_s
        return self._take(data)

    def _take(self, data: bytes) -> int:
        count = len(data) if self.room is None else min(self.room, len(data))
        if self.room is not None:
            self.room -= count
        self.taken += data[:count]
        return count

    # The client

    def read(self, count: int) -> None:
        """The client reads: so much room is there again."""
        assert self.room is not None
        self.room += count
        del self._waiting[: self._take(bytes(self._waiting))]
        if not self._waiting:
            self.connection.go_on()

    # The transport

    def write(self, data: bytes | bytearray | memoryview) -> None:
        self._waiting += data
        del self._waiting[: self._take(bytes(self._waiting))]

    def get_write_buffer_size(self) -> int:
        return len(self._waiting)

    def is_closing(self) -> bool:
        return self.ending is not None

    def write_eof(self) -> None:
        self.sends.append((self.clock.now(), b"FIN"))

    # The lender

    def answered(self, connection: Connection, close: bool) -> None:
        self.ending = "closed" if close else "goes on"

    def give_up(self, connection: Connection, reset: bool) -> None:
        self.ending = "reset" if reset else "dropped"


class WireConnection(Connection):
    """A connection whose send call goes to a `Wire`."""

    def __init__(self, wire: Wire) -> None:
        super().__init__(wire)
        self._wire = wire

    def _write(self, data: bytes | memoryview) -> int:
        return self._wire.take(bytes(data))

    def _unacknowledged(self) -> int | None:
        left = self._wire.unacknowledged
        return (left.pop(0) if len(left) > 1 else left[0]) if left else None


def new_exchange() -> Exchange:
    return Exchange(1, 0.0, "POST", "/v1/chat/completions", {})
