"""Plan + clock + connection: the only loop that waits, writes or cuts.

Due times are absolute: the clock started when the whole request had been read, and a late write never pushes the next one
back. Playback returns quietly when it is cancelled or the client leaves.
"""

import asyncio
import logging
import time
from collections.abc import Iterable

from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from mockserver.clock import Clock
from mockserver.connection import Connection
from mockserver.journal import Exchange
from mockserver.sse import SLICE_BYTES
from mockserver.steps import Abort, End, HalfClose, Head, Hold, Step, Write
from mockserver.transport import borrow

log = logging.getLogger("mockserver")

_SEND_COST_BYTES = 4096
"""What a send call costs, as the number of bytes that could be copied meanwhile."""

_LONGEST_TURN_S = 0.002
"""How long a plan may be rendered before other streams have their turn."""


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
        try:
            await player.play(self.plan)
        except asyncio.CancelledError:
            player.give_up("stopped")
        except Exception:
            log.exception("request %d: a bug in the mock server: its answer is cut", self.exchange.number)
            player.give_up("failed")


def _joins(step: Step) -> bool:
    """Whether a step's bytes may leave in one send call with its neighbours'."""
    return isinstance(step, Head | Write) and not step.alone


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
        self._joined = bytearray()
        self._joined_due_s = 0.0
        self._given = 0
        self._unyielded = 0
        self._turn_ends = time.monotonic() + _LONGEST_TURN_S

    async def play(self, plan: Iterable[Step]) -> None:
        """Play every step at its due time, until the plan ends or the client leaves."""
        connection, exchange = self._connection, self._exchange
        for count, step in enumerate(plan):
            await self._take_turns()
            if not self._is_due(step.due_s) or not _joins(step):
                await self._flush()
                if not connection.left:
                    exchange.steps_played = count
                await self._sleep_until(step.due_s)
            if connection.left and not self._is_answered(step):
                break
            await self._play_step(step)
            if connection.left and exchange.ended is None:
                break
            if not self._joined:
                exchange.steps_played = count + 1
        if connection.left and exchange.ended is None:
            self.give_up(connection.ending)
        elif exchange.ended is None:  # a plan that stops without an end
            await self._flush()
            self._end(End(0.0, close=True))

    async def _play_step(self, step: Step) -> None:
        match step:
            case Head() | Write():
                await (self._send(step.data, step.due_s) if step.alone else self._join(step))
            case Hold():
                await self._connection.gone()
            case End():
                self._end(step)
            case HalfClose():
                self._connection.half_close()
                await self._connection.gone()
                self.give_up("half-closed")
            case Abort():
                await self._connection.abort(step.drain)
                self._note_end("reset")

    def give_up(self, why: str) -> None:
        """Close the connection though the plan was not played to its end, and note why."""
        self._connection.drop()
        self._note_end(why)

    def _end(self, step: End) -> None:
        self._connection.finish(step.close)
        self._note_end("closed" if step.cut else "complete")

    def _is_answered(self, step: Step) -> bool:
        """Whether `step` is the end of an answer that is out: a client that has all of it may leave before we note so."""
        sent = not self._joined and self._connection.sent == self._given
        return isinstance(step, End) and self._connection.left == "FIN" and sent and self._is_due(step.due_s)

    def _is_due(self, due_s: float) -> bool:
        return self._started + due_s * self._scale <= self._clock.now()

    async def _sleep_until(self, due_s: float) -> None:
        await self._connection.sleep_until(self._started + due_s * self._scale, self._clock)
        self._turn_ends = time.monotonic() + _LONGEST_TURN_S

    async def _take_turns(self) -> None:
        """Let the loop go round if rendering took long: steps may be much work and yet few bytes, as those of a gzip bomb."""
        # Not the plan's clock, which may stand still.
        if time.monotonic() >= self._turn_ends:
            await asyncio.sleep(0)
            self._turn_ends = time.monotonic() + _LONGEST_TURN_S

    async def _join(self, step: Head | Write) -> None:
        """Keep a step's bytes for one send call with those that follow and are due by then; full ones leave at once."""
        if not self._joined:
            self._joined_due_s = step.due_s
        self._joined += step.data
        while len(self._joined) >= SLICE_BYTES:
            data = bytes(self._joined[:SLICE_BYTES])
            del self._joined[:SLICE_BYTES]
            await self._send(data, self._joined_due_s)
            self._joined_due_s = step.due_s

    async def _flush(self) -> None:
        """Send what is waiting, in one send call, and wait until the kernel has taken it."""
        data = bytes(self._joined)
        self._joined.clear()
        await self._send(data, self._joined_due_s)

    async def _send(self, data: bytes, due_s: float) -> None:
        connection, exchange = self._connection, self._exchange
        self._given += len(data)
        if not data or connection.left:
            return
        exchange.note_write(due_s * self._scale, self._clock.now() - self._started, len(data))
        connection.send(data)
        exchange.bytes_sent = connection.sent
        if connection.waits_for_client:
            await connection.drained()
            exchange.bytes_sent = connection.sent
            self._unyielded = 0
        else:
            self._unyielded += len(data) + _SEND_COST_BYTES
            if self._unyielded >= SLICE_BYTES:  # a fast reader must not keep the loop from other streams
                self._unyielded = 0
                await asyncio.sleep(0)

    def _note_end(self, how: str) -> None:
        exchange = self._exchange
        if exchange.ended is None:
            exchange.bytes_sent = self._connection.sent
            exchange.bytes_acknowledged = self._connection.acknowledged
            exchange.ended = how
