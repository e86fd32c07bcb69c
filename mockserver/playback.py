"""Plan + clock + connection: the only loop that waits, writes or cuts.

Due times are absolute: the clock started when the whole request had been read, and a late write never pushes the next one
back. Playback returns quietly when it is cancelled or the client leaves.
"""

import asyncio
from collections.abc import Iterable
from contextlib import suppress

from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from mockserver.clock import Clock
from mockserver.journal import Exchange
from mockserver.sse import SLICE_BYTES
from mockserver.steps import Abort, End, HalfClose, Head, Hold, Repeat, Step, Write
from mockserver.transport import Connection, borrow


class Playback(Response):
    """A Starlette response that plays a plan on the connection lent with the request.

    `started` is the clock's time when the request had been read; `time_scale` stretches all due times (0: all at once).
    Raises `ConnectionNotLentError` where no connection is lent.
    """

    def __init__(
        self, plan: Iterable[Step], exchange: Exchange, clock: Clock, started: float, time_scale: float = 1.0
    ) -> None:
        super().__init__()
        self.plan = plan
        self.exchange = exchange
        self.clock = clock
        self.started = started
        self.time_scale = time_scale

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        connection = borrow(scope)
        player = Player(connection, self.exchange, self.clock, self.started, self.time_scale)
        with suppress(asyncio.CancelledError):
            await player.play(self.plan)
        player.close()


class Player:
    """Plays one plan on one connection and enters what it did into the journal."""

    def __init__(
        self, connection: Connection, exchange: Exchange, clock: Clock, started: float, time_scale: float = 1.0
    ) -> None:
        self._connection = connection
        self._exchange = exchange
        self._clock = clock
        self._started = started
        self._scale = time_scale
        self._joined: list[bytes] = []
        self._joined_size = 0
        self._joined_due_s = 0.0
        self._unwaited = 0

    async def play(self, plan: Iterable[Step]) -> None:
        """Play every step at its due time, until the plan ends or the client leaves."""
        for step in plan:
            if not self._is_due(step) or not self._joins(step):
                await self._flush()
                await self._connection.sleep_until(self._started + step.due_s * self._scale, self._clock)
            if self._connection.left:
                return
            match step:
                case Head() | Write():
                    self._join(step)
                    if step.alone:
                        await self._flush()
                case Repeat():
                    await self._repeat(step)
                case Hold():
                    await self._connection.gone()
                case _:
                    await self._end(step)
            self._exchange.steps_played += 1

    def close(self) -> None:
        """Note how it ended; give the connection up if the plan was not played to its end."""
        if self._exchange.ended is None:
            self._note_end(f"client left ({self._connection.left})" if self._connection.left else "stopped")
            self._connection.drop()

    def _is_due(self, step: Step) -> bool:
        return self._started + step.due_s * self._scale <= self._clock.now()

    def _joins(self, step: Step) -> bool:
        """Whether a step's bytes may leave in one send call with those that are waiting."""
        return isinstance(step, Head | Write) and not step.alone and self._joined_size + len(step.data) <= SLICE_BYTES

    def _join(self, step: Head | Write) -> None:
        if not self._joined:
            self._joined_due_s = step.due_s
        self._joined.append(step.data)
        self._joined_size += len(step.data)

    async def _flush(self) -> None:
        """Send what is waiting, in one send call, and wait until the kernel has taken it."""
        if self._joined:
            data = b"".join(self._joined) if len(self._joined) > 1 else self._joined[0]
            self._joined.clear()
            self._joined_size = 0
            await self._send(data, self._joined_due_s)

    async def _send(self, data: bytes, due_s: float) -> None:
        self._connection.send(data)
        self._exchange.note_write(due_s * self._scale, self._clock.now() - self._started, len(data))
        if self._connection.waits_for_client:
            await self._connection.drained()
            self._unwaited = 0
        else:
            self._unwaited += len(data)
            if self._unwaited >= SLICE_BYTES:  # a fast reader must not keep the loop from other streams
                self._unwaited = 0
                await asyncio.sleep(0)

    async def _repeat(self, step: Repeat) -> None:
        left, due_s = step.size, step.due_s
        while not self._connection.left and left != 0:
            await self._connection.sleep_until(self._started + due_s * self._scale, self._clock)
            data = step.data if left is None else step.data[:left]
            await self._send(data, due_s)
            left = None if left is None else left - len(data)
            due_s += step.every_s

    async def _end(self, step: End | HalfClose | Abort) -> None:
        match step:
            case End():
                self._note_end("complete")
                self._connection.finish(step.close)
            case HalfClose():
                self._connection.half_close()
                await self._connection.gone()
                self._note_end("half-closed")
                self._connection.drop()
            case Abort():
                self._note_end("reset")
                await self._connection.abort(self._clock, step.drain)

    def _note_end(self, how: str) -> None:
        self._exchange.bytes_acknowledged = self._connection.acknowledged
        self._exchange.ended = how
