"""The player: plays the steps of one plan on one connection, each at its due time; the only loop that waits, writes or cuts.

Due times are absolute: the clock started when the whole request had been read, and a late write never pushes the next one
back.
"""

import time
from collections.abc import Iterable, Iterator

from mockserver.clock import Clock, Timer
from mockserver.connection import Connection
from mockserver.journal import Exchange
from mockserver.meter import Meter
from mockserver.sender import Sender
from mockserver.sse import SLICE_BYTES
from mockserver.steps import Abort, Burst, End, HalfClose, Head, Hold, Step, Write

_LEAST_COST_BYTES = SLICE_BYTES // 256
"""What a send call costs at least of the `SLICE_BYTES` of a turn: 256 take less than a millisecond.

Shorter turns cost a third more, most of it in the kernel: it wakes the reader in each of them.
"""

_LONGEST_TURN_S = 0.002
"""How long a plan may be rendered before other streams have their turn."""

_AT_ONCE = 0.0
"""A moment that is past: whoever waits for it goes on when others have had their turn."""

_NO_END = End(0.0, close=True)
"""What a plan that stops without an end is ended with."""

_WITH_BYTES = (Head, Write)


class Player:
    """Plays one plan on one connection and enters what it did into the journal and the meter.

    `started` is the clock's time when the request had been read; `time_scale` stretches all due times (0: all at once).

    What is due is played in plain calls, made by the timer itself where it was waited for: no task wakes for a write. The
    task waits for the end, and acts where it takes more than time, see `_act`.
    """

    __slots__ = (
        "_clock", "_connection", "_ending", "_exchange", "_failure", "_room", "_scale", "_sender", "_started", "_step", "_steps",
        "_timer",
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
        self._sender = Sender(connection, exchange, meter or Meter())
        self._steps: Iterator[Step] = iter(())
        self._step: Step | None = None  # taken from the plan, but neither joined nor played
        self._ending: Hold | HalfClose | Abort | None = None  # the same, for `_act` to play
        self._room = SLICE_BYTES  # of this turn: a fast reader must not keep the loop from other streams
        self._timer: Timer | None = None
        self._failure: BaseException | None = None

    async def play(self, plan: Iterable[Step]) -> None:
        """Play every step at its due time, until the plan ends or the client leaves."""
        connection, exchange = self._connection, self._exchange
        self._steps = iter(plan)
        try:
            while exchange.ended is None:
                when = self._go_on()
                self._timer = None if when is None else self._clock.call_at(when, self._on_time)
                while self._timer is not None and not connection.left:
                    await connection.woken()
                self._cancel_timer()
                if self._failure is not None:
                    raise self._failure
                if exchange.ended is None:
                    await self._act()
        finally:
            self._cancel_timer()

    def _cancel_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _on_time(self) -> None:
        timer, self._timer = self._timer, None
        assert timer is not None, "what calls is the timer"
        try:
            when = self._go_on()
            if when is not None:
                timer.again(when)
                self._timer = timer
                return
        except BaseException as error:
            self._failure = error  # for the task to raise
        self._connection.wake()

    def _go_on(self) -> float | None:
        """Play what is due, as far as that goes without waiting, and return the moment at which to go on.

        `_AT_ONCE` is for others to have their turn; None says that the plan has ended, or that `_act` is to act. This is the
        short way of most streams: what is due leaves in one send call, and nothing but time or the end stands behind it.
        """
        sender, started, scale = self._sender, self._started, self._scale
        if sender.size or self._connection.left:
            return self._advance()
        at, turn_ends_s, room = self._clock.now(), time.monotonic() + _LONGEST_TURN_S, SLICE_BYTES
        step: Step | None = self._step or next(self._steps, _NO_END)
        while step is not None:
            due_s = step.due_s * scale
            when = started + due_s
            if when > at or type(step) is End:
                break
            if not isinstance(step, _WITH_BYTES) or step.alone or not 0 < len(step.data) <= room:
                self._step = step
                return self._advance()
            sender.join(step, due_s)
            room -= len(step.data)
            if type(step) is Write and step.then_s is not None:
                when = started + step.then_s * scale
            step = None if when > at else next(self._steps, _NO_END)
            if step is not None and time.monotonic() >= turn_ends_s:
                self._step = step
                return _AT_ONCE
        self._step = step
        if sender.size and not sender.send_joined(self._clock.now() - started, SLICE_BYTES):
            return self._advance()
        if when > at:
            return when
        assert isinstance(step, End), "nothing else is left"
        self._end(step)
        return None

    def _advance(self) -> float | None:
        """Play what is due, step by step, and return as `_go_on` does."""
        connection, sender = self._connection, self._sender
        # Not the plan's clock, which may stand still. Steps may be much work and yet few bytes, as those of a gzip bomb.
        turn_ends_s, self._room = time.monotonic() + _LONGEST_TURN_S, SLICE_BYTES
        while not connection.waits_for_client:
            step = self._step
            if step is None and sender.size < SLICE_BYTES:
                step = self._step = next(self._steps, _NO_END)
                if time.monotonic() >= turn_ends_s:
                    return _AT_ONCE
            if connection.left and (step is None or not self._is_answered(step)):
                return None
            if self._room <= 0 and (sender.size or not isinstance(step, End)):
                return _AT_ONCE
            if step is None:
                self._send_joined(SLICE_BYTES)
                continue
            due_s = step.due_s * self._scale
            when = self._started + due_s
            if when > self._clock.now():
                if not sender.size:
                    sender.note_played()
                    return when
                self._send_joined(SLICE_BYTES)
            elif sender.size and (not isinstance(step, _WITH_BYTES) or step.alone):
                self._send_joined(SLICE_BYTES)
            elif isinstance(step, _WITH_BYTES):
                self._step = None
                sender.join(step, due_s)
                if step.alone and step.data:
                    self._send_joined(len(step.data))
            elif isinstance(step, Burst):
                self._send_each(step, due_s)
            else:
                self._reach_end(step)
                return None
        return None

    def _send_joined(self, most: int) -> None:
        self._room -= max(min(self._sender.size, most), _LEAST_COST_BYTES)
        self._sender.send_joined(self._clock.now() - self._started, most)

    def _send_each(self, burst: Burst, due_s: float) -> None:
        """Send as much of a burst as has room in this turn and as the client takes."""
        connection, pieces, event = self._connection, burst.pieces, burst.event
        fitting, before = pieces[: max(self._room // _LEAST_COST_BYTES, 1)], connection.sent
        count = self._sender.send_each(fitting, event, due_s, self._clock.now, self._started)
        self._room -= max(connection.sent - before, count * _LEAST_COST_BYTES)
        self._step = Burst(burst.due_s, pieces[count:], event + count) if count < len(pieces) else None

    def _reach_end(self, step: End | Hold | HalfClose | Abort) -> None:
        self._sender.note_played()
        if isinstance(step, End):
            self._end(step)
        else:
            self._ending = step

    async def _act(self) -> None:
        """Wait for the client to read; give up if it left; play what ends an answer in its own way, when its time has come."""
        connection, step = self._connection, self._step
        ending, self._ending = self._ending, None
        if ending is None:
            await connection.drained()
            self._sender.free_s = self._clock.now() - self._started
            self._sender.note_sent()
            if not self._sender.size:
                self._sender.note_played()
        if connection.left and (step is None or not self._is_answered(step)):
            self.give_up(connection.ending)
            return
        match ending:
            case Hold():
                await connection.gone()
                self.give_up(connection.ending)
            case HalfClose():
                connection.half_close()
                await connection.gone()
                self._sender.take_end()
                self.give_up("half-closed")
            case Abort():
                await connection.abort(ending.drain)
                self._sender.take_end()
                self._note_end("reset")

    def _end(self, step: End) -> None:
        self._connection.finish(step.close)
        if step is not _NO_END:
            self._sender.take_end()
        self._note_end("closed" if step.cut else "complete")

    def _is_answered(self, step: Step) -> bool:
        """Whether `step` is the end of an answer that is out: a client that has all of it may leave before we note so."""
        connection = self._connection
        is_out = not (self._sender.size or connection.has_rest)
        is_due = self._started + step.due_s * self._scale <= self._clock.now()
        return isinstance(step, End) and connection.left == "FIN" and is_out and is_due

    def give_up(self, why: str) -> None:
        """Close the connection though the plan was not played to its end, and note why."""
        self._connection.drop()
        self._note_end(why)

    def _note_end(self, how: str) -> None:
        self._sender.note_end(how, self._clock.now() - self._started)
