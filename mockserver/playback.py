"""Plan + clock + connection: the only loop that waits, writes or cuts.

Due times are absolute: the clock started when the whole request had been read, and a late write never pushes the next one
back. Playback returns quietly when it is cancelled or the client leaves.
"""

import asyncio
import logging
import time
from collections.abc import Iterable, Iterator

from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from mockserver.clock import Clock, Timer
from mockserver.connection import Connection
from mockserver.journal import Exchange
from mockserver.meter import Meter
from mockserver.sse import SLICE_BYTES
from mockserver.steps import Abort, End, HalfClose, Head, Hold, Step, Write
from mockserver.transport import borrow

log = logging.getLogger("mockserver")

_SEND_COST_BYTES = 1024
"""What a send call costs, as the number of bytes that could be copied meanwhile."""

_LONGEST_TURN_S = 0.002
"""How long a plan may be rendered before other streams have their turn."""


class Playback(Response):
    """A Starlette response that plays a plan on the connection lent with the request.

    `started` is the clock's time when the request had been read; `time_scale` stretches all due times (0: all at once).
    Raises `ConnectionNotLentError` where no connection is lent.
    """

    def __init__(
        self,
        plan: Iterable[Step],
        exchange: Exchange,
        clock: Clock,
        started: float,
        time_scale: float = 1.0,
        meter: Meter | None = None,
    ) -> None:
        # No call of the parent's: status, headers and body are the plan's.
        self.plan = plan
        self.exchange = exchange
        self.clock = clock
        self.started = started
        self.time_scale = time_scale
        self.meter = meter

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        connection = borrow(scope)
        player = Player(connection, self.exchange, self.clock, self.started, self.time_scale, self.meter)
        try:
            await player.play(self.plan)
        except asyncio.CancelledError:
            player.give_up("stopped")
        except Exception:
            log.exception("request %d: a bug in the mock server: its answer is cut", self.exchange.number)
            player.give_up("failed")


_NO_END = End(0.0, close=True)
"""What a plan that stops without an end is ended with."""

_WITH_BYTES = (Head, Write)

_PLAYED_OUT = ("complete", "closed", "half-closed", "reset")
"""The ends of which a step of the plan says that they are to come."""


class Player:
    """Plays one plan on one connection and enters what it did into the journal and the meter.

    What is due is played in plain calls, made by the timer itself where it was waited for: no task wakes for a write. The
    task waits for the end, and acts where it takes more than time, see `_act`.
    """

    __slots__ = (
        "_clock", "_connection", "_count", "_counted", "_ending", "_event", "_exchange", "_failure", "_free_s",
        "_given", "_joined", "_joined_due_s", "_last_due_s", "_meter", "_room", "_scale", "_size", "_started",
        "_step", "_steps", "_timer",
    )  # fmt: skip

    def __init__(
        self,
        connection: Connection,
        exchange: Exchange,
        clock: Clock,
        started: float,
        time_scale: float = 1.0,
        meter: Meter | None = None,
    ) -> None:
        self._connection = connection
        self._exchange = exchange
        self._clock = clock
        self._started = started
        self._scale = time_scale
        self._meter = meter or Meter()
        self._steps: Iterator[Step] = iter(())
        self._step: Step | None = None  # taken from the plan, but neither joined nor played
        self._ending: Step | None = None  # the same, if `_act` is to play it
        self._count = self._counted = 0
        self._joined: list[bytes] = []
        self._size = 0
        self._room = SLICE_BYTES
        self._joined_due_s = self._last_due_s = 0.0
        self._event = -1
        self._given = 0
        self._free_s = 0.0  # since when nothing but time keeps the next write, in seconds from the start
        self._timer: Timer | None = None
        self._failure: BaseException | None = None

    async def play(self, plan: Iterable[Step]) -> None:
        """Play every step at its due time, until the plan ends or the client leaves."""
        connection, exchange = self._connection, self._exchange
        self._steps = iter(plan)
        try:
            while exchange.ended is None:
                self._go_on()
                while self._timer is not None and not connection.left:
                    await connection.woken()
                if self._failure is not None:
                    raise self._failure
                if exchange.ended is None:
                    await self._act()
        finally:
            if self._timer is not None:
                self._timer.cancel()
                self._timer = None

    def _go_on(self) -> None:
        when = self._advance()
        self._timer = None if when is None else self._clock.call_at(when, self._on_time)

    def _on_time(self) -> None:
        try:
            self._go_on()
        except BaseException as error:  # for the task to raise
            self._timer, self._failure = None, error
        if self._timer is None:
            self._connection.wake()

    def _advance(self) -> float | None:
        """Play what is due, as far as that goes without waiting.

        Returns the moment at which to go on; one that is past lets others have their turn. None where the plan has ended or
        where `_act` is to act.
        """
        connection, now = self._connection, self._clock.now
        started, scale = self._started, self._scale
        # Not the plan's clock, which may stand still. Steps may be much work and yet few bytes, as those of a gzip bomb.
        turn_ends_s, self._room = time.monotonic() + _LONGEST_TURN_S, SLICE_BYTES
        while not connection.waits_for_client:
            step = self._step
            if step is None and self._size < SLICE_BYTES:
                step = self._step = next(self._steps, _NO_END)
                if time.monotonic() >= turn_ends_s:
                    return now()
            if connection.left and (step is None or not self._is_answered(step)):
                return None
            if self._room <= 0 and (self._size or not isinstance(step, End)):
                return now()
            if step is None:
                self._send_joined(SLICE_BYTES)
                continue
            due = started + step.due_s * scale
            if due > now():
                if not self._size:
                    self._note_played()
                    return due
                self._send_joined(self._size)
            elif isinstance(step, _WITH_BYTES) and not step.alone:
                self._join(step)
            elif self._size:
                self._send_joined(self._size)
            elif isinstance(step, _WITH_BYTES):
                self._note_played()
                self._take(step)
                self._send(step.data, step.due_s)
            else:
                self._note_played()
                self._ending = step
                return None
        return None

    def _take(self, step: Head | Write) -> None:
        """Count a step in that is to be sent."""
        self._step = None
        self._count += step.count if isinstance(step, Write) else 1
        if isinstance(step, Write) and step.event is not None and step.event > self._event:
            self._meter.events += step.event - self._event
            self._event = step.event

    def _join(self, step: Head | Write) -> None:
        """Keep a step's bytes for one send call with those that follow and are due by then; full ones leave at once."""
        self._take(step)
        if not step.data:
            return
        if not self._size:
            self._joined_due_s = step.due_s
        self._last_due_s = step.due_s
        self._joined.append(step.data)
        self._size += len(step.data)

    def _send_joined(self, most: int) -> None:
        """Send up to `most` bytes of what is waiting, in one send call."""
        data = self._joined[0] if len(self._joined) == 1 else b"".join(self._joined)
        due_s = self._joined_due_s
        # What is more than that is all of the last step.
        data, rest = data[:most], data[most:]
        self._joined, self._size, self._joined_due_s = [rest] if rest else [], len(rest), self._last_due_s
        self._send(data, due_s)

    def _send(self, data: bytes, due_s: float) -> None:
        connection, exchange = self._connection, self._exchange
        size = len(data)
        self._given += size
        self._room -= size + _SEND_COST_BYTES  # a fast reader must not keep the loop from other streams
        if size and not connection.left:
            due_s, at_s = due_s * self._scale, self._clock.now() - self._started
            exchange.note_write(due_s, at_s, size)
            self._meter.note_write(at_s - max(due_s, self._free_s))
            self._free_s = at_s
            connection.send(data)
            self._note_sent()

    async def _act(self) -> None:
        """Wait for the client to read; give up if it left; play what ends an answer in its own way, when its time has come."""
        connection, step = self._connection, self._step
        ending, self._ending = self._ending, None
        if ending is None:
            await connection.drained()
            self._free_s = self._clock.now() - self._started
            self._note_sent()
            if not self._size:
                self._note_played()
        if connection.left and (step is None or not self._is_answered(step)):
            self.give_up(connection.ending)
            return
        match ending:
            case End():
                self._end(ending)
            case Hold():
                await connection.gone()
                self.give_up(connection.ending)
            case HalfClose():
                connection.half_close()
                await connection.gone()
                self._count += 1
                self.give_up("half-closed")
            case Abort():
                await connection.abort(ending.drain)
                self._count += 1
                self._note_end("reset")

    def _end(self, step: End) -> None:
        self._connection.finish(step.close)
        self._count += step is not _NO_END
        self._note_end("closed" if step.cut else "complete")

    def _is_answered(self, step: Step) -> bool:
        """Whether `step` is the end of an answer that is out: a client that has all of it may leave before we note so."""
        connection = self._connection
        is_out = not self._size and connection.sent == self._given
        is_due = self._started + step.due_s * self._scale <= self._clock.now()
        return isinstance(step, End) and connection.left == "FIN" and is_out and is_due

    def give_up(self, why: str) -> None:
        """Close the connection though the plan was not played to its end, and note why."""
        self._connection.drop()
        self._note_end(why)

    def _note_sent(self) -> None:
        connection, exchange = self._connection, self._exchange
        self._meter.sent_bytes += connection.sent - self._counted
        exchange.bytes_sent = self._counted = connection.sent

    def _note_played(self) -> None:
        if not self._connection.left:
            self._exchange.steps_played = self._count

    def _note_end(self, how: str) -> None:
        exchange = self._exchange
        if exchange.ended is None:
            self._note_sent()
            if how in _PLAYED_OUT:
                exchange.steps_played = self._count
            exchange.bytes_acknowledged = self._connection.acknowledged
            exchange.ended_s = self._clock.now() - self._started
            exchange.ended = how
