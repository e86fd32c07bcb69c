"""The player: plays the steps of one plan on one connection, each at its due time; the only loop that waits, writes or cuts.

Due times are absolute: the clock started when the whole request had been read, and a late write never pushes the next one
back.
"""

import time
from collections.abc import Iterable, Iterator

from mockserver.clock import Clock, Timer
from mockserver.connection import Connection
from mockserver.journal import Exchange
from mockserver.ledger import Ledger
from mockserver.meter import Meter
from mockserver.sse import SLICE_BYTES
from mockserver.steps import Abort, End, HalfClose, Head, Hold, Step, Write

_LEAST_COST_BYTES = SLICE_BYTES // 256
"""What a send call costs at least of the `SLICE_BYTES` of a turn: 256 take less than a millisecond.

Shorter turns cost a third more, most of it in the kernel: it wakes the reader in each of them.
"""

_LONGEST_TURN_S = 0.002
"""How long a plan may be rendered before other streams have their turn."""

_LONGEST_AHEAD_S = 0.00025
"""How long writes may be rendered before the first of them leaves."""

_MOST_JOINED = 16
"""How many writes are joined without a look at the time that their rendering takes."""

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
        "_ahead", "_clock", "_connection", "_ending", "_exchange", "_failure", "_joined", "_joined_due_s", "_last_due_s",
        "_ledger", "_room", "_scale", "_size", "_started", "_step", "_steps", "_timer",
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
        self._ledger = Ledger(connection, exchange, meter or Meter())
        self._steps: Iterator[Step] = iter(())
        self._step: Step | None = None  # taken from the plan, but neither joined nor played
        self._ahead: tuple[Step, ...] = ()  # those behind it that were taken too
        self._ending: Step | None = None  # the same, if `_act` is to play it
        self._joined: list[bytes] = []
        self._size = 0
        self._room = SLICE_BYTES
        self._joined_due_s = self._last_due_s = 0.0
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

    def _go_on(self) -> None:
        when = self._advance()
        self._timer = None if when is None else self._clock.call_at(when, self._on_time)

    def _on_time(self) -> None:
        timer, self._timer = self._timer, None
        assert timer is not None, "what calls is the timer"
        try:
            when = self._send_one() or self._advance()
            if when is not None:
                timer.again(when)
                self._timer = timer
                return
        except BaseException as error:
            self._failure = error  # for the task to raise
        self._connection.wake()

    def _send_one(self) -> float | None:
        """Send the write whose time has come, where it leaves alone, as nearly all of a paced stream do: `_advance` in short.

        Returns the moment at which to go on; None where that is for `_advance` to say.
        """
        connection, ledger = self._connection, self._ledger
        if self._size or self._ahead or connection.left:
            return None
        step = self._step = self._step or next(self._steps, _NO_END)
        if type(step) is not Write or step.alone:
            return None
        data, scale, started = step.data, self._scale, self._started
        due_s, at_s = step.due_s * scale, self._clock.now() - started
        if due_s > at_s or not 0 < len(data) <= SLICE_BYTES:
            return None
        following, then_s = None, step.then_s
        if then_s is None:
            following = next(self._steps, _NO_END)
            then_s = following.due_s
        then_s *= scale
        if then_s <= at_s:
            self._join(step)
            return self._catch_up(following or next(self._steps, _NO_END), at_s)
        self._step = following
        ledger.take(step)
        return started + then_s if self._send_all(data, due_s, at_s) else None

    def _catch_up(self, step: Step, at_s: float) -> float | None:
        """Send what is joined with `step` and those behind it that have become due meanwhile, as where the server is late.

        Returns as `_send_one` does.
        """
        scale = self._scale
        for _ in range(_MOST_JOINED):
            then_s = step.due_s * scale
            if then_s > at_s:
                self._step = step
                is_sent = self._send_all(self._take_joined(), self._joined_due_s * scale, at_s)
                return self._started + then_s if is_sent else None
            if type(step) is not Write or step.alone or not 0 < len(step.data) <= SLICE_BYTES - self._size:
                break
            self._join(step)
            step = next(self._steps, _NO_END)
        self._step = step
        return None

    def _send_all(self, data: bytes, due_s: float, at_s: float) -> bool:
        """Send what was taken of the plan; returns whether it is played with that."""
        connection, ledger = self._connection, self._ledger
        ledger.note_write(due_s, at_s, len(data))
        if not connection.send(data) or connection.left:
            ledger.note_sent()
            return False
        ledger.note_played()
        return True

    def _advance(self) -> float | None:
        """Play what is due, as far as that goes without waiting.

        Returns the moment at which to go on, `_AT_ONCE` for others to have their turn. None where the plan has ended or
        where `_act` is to act.
        """
        connection, now = self._connection, self._clock.now
        started, scale = self._started, self._scale
        # Not the plan's clock, which may stand still. Steps may be much work and yet few bytes, as those of a gzip bomb.
        turn_ends_s, self._room = time.monotonic() + _LONGEST_TURN_S, SLICE_BYTES
        while not connection.waits_for_client:
            step = self._step
            if step is None and self._size < SLICE_BYTES:
                step = self._step = self._take()
                if time.monotonic() >= turn_ends_s:
                    return _AT_ONCE
            if connection.left and (step is None or not self._is_answered(step)):
                return None
            if self._room <= 0 and (self._size or not isinstance(step, End)):
                return _AT_ONCE
            if step is None:
                self._send_joined(SLICE_BYTES)
                continue
            due = started + step.due_s * scale
            if due > now():
                if not self._size:
                    self._ledger.note_played()
                    return due
                self._send_joined(self._size)
            elif isinstance(step, _WITH_BYTES) and not step.alone:
                self._join(step)
            elif self._size:
                self._send_joined(self._size)
            elif isinstance(step, Write) and step.data and self._room < SLICE_BYTES and not self._ahead:
                self._send_each(self._look_ahead(step))
            elif isinstance(step, _WITH_BYTES):
                self._ledger.note_played()
                self._step = None
                self._ledger.take(step)
                self._send(step.data, step.due_s)
            else:
                self._ledger.note_played()
                self._ending = step
                return None
        return None

    def _take(self) -> Step:
        """The next step of the plan."""
        if not self._ahead:
            return next(self._steps, _NO_END)
        step, *ahead = self._ahead
        self._ahead = tuple(ahead)
        return step

    def _join(self, step: Head | Write) -> None:
        """Keep a step's bytes for one send call with those that follow and are due by then; full ones leave at once."""
        self._step = None
        self._ledger.take(step)
        if not step.data:
            return
        if not self._size:
            self._joined_due_s = step.due_s
        self._last_due_s = step.due_s
        self._joined.append(step.data)
        self._size += len(step.data)

    def _send_joined(self, most: int) -> None:
        """Send up to `most` bytes of what is waiting, in one send call."""
        data, due_s = self._take_joined(), self._joined_due_s
        data, rest = data[:most], data[most:]
        if rest:  # all of it is of the last step
            self._joined, self._size, self._joined_due_s = [rest], len(rest), self._last_due_s
        self._send(data, due_s)

    def _take_joined(self) -> bytes:
        joined, self._joined, self._size = self._joined, [], 0
        return joined[0] if len(joined) == 1 else b"".join(joined)

    def _send(self, data: bytes, due_s: float) -> None:
        connection, ledger, size = self._connection, self._ledger, len(data)
        self._room -= max(size, _LEAST_COST_BYTES)  # a fast reader must not keep the loop from other streams
        if size:
            ledger.note_write(due_s * self._scale, self._clock.now() - self._started, size)
            connection.send(data)
            ledger.note_sent()

    def _look_ahead(self, first: Write) -> list[Write]:
        """`first` and those behind it that are send calls of their own too and due by now, as many as have room in this turn.

        The turn's first write does not come here: it must not wait until those behind it are rendered.
        """
        started, scale, monotonic = self._started, self._scale, time.monotonic
        now, ends_s = self._clock.now(), monotonic() + _LONGEST_AHEAD_S
        writes, room = [first], self._room - max(len(first.data), _LEAST_COST_BYTES)
        self._step = None
        for step in self._steps:
            is_one = type(step) is Write and step.alone and step.data and started + step.due_s * scale <= now
            if not is_one or room <= 0 or monotonic() >= ends_s:
                self._step = step
                break
            writes.append(step)  # type: ignore[arg-type]
            size = len(step.data)  # type: ignore[union-attr]
            room -= size if size > _LEAST_COST_BYTES else _LEAST_COST_BYTES
        return writes

    def _send_each(self, writes: list[Write]) -> None:
        """Send writes that are due, each in one send call, and note them all at once: as if one had been sent after the other."""
        ledger, started = self._ledger, self._started
        moments = self._connection.send_each([write.data for write in writes], self._clock.now)
        sent, ahead = writes[: len(moments)], writes[len(moments) :]
        if ahead:
            behind = () if self._step is None else (self._step,)
            self._ahead, self._step = (*ahead[1:], *behind), ahead[0]
        sizes = [len(write.data) for write in sent]
        self._room -= sum([size if size > _LEAST_COST_BYTES else _LEAST_COST_BYTES for size in sizes])
        ledger.note_writes(sent, self._scale, [moment - started for moment in moments], sizes)
        ledger.note_sent()

    async def _act(self) -> None:
        """Wait for the client to read; give up if it left; play what ends an answer in its own way, when its time has come."""
        connection, step = self._connection, self._step
        ending, self._ending = self._ending, None
        if ending is None:
            await connection.drained()
            self._ledger.free_s = self._clock.now() - self._started
            self._ledger.note_sent()
            if not self._size:
                self._ledger.note_played()
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
                self._ledger.take_end()
                self.give_up("half-closed")
            case Abort():
                await connection.abort(ending.drain)
                self._ledger.take_end()
                self._note_end("reset")

    def _end(self, step: End) -> None:
        self._connection.finish(step.close)
        if step is not _NO_END:
            self._ledger.take_end()
        self._note_end("closed" if step.cut else "complete")

    def _is_answered(self, step: Step) -> bool:
        """Whether `step` is the end of an answer that is out: a client that has all of it may leave before we note so."""
        connection = self._connection
        is_out = not (self._size or connection.has_rest)
        is_due = self._started + step.due_s * self._scale <= self._clock.now()
        return isinstance(step, End) and connection.left == "FIN" and is_out and is_due

    def give_up(self, why: str) -> None:
        """Close the connection though the plan was not played to its end, and note why."""
        self._connection.drop()
        self._note_end(why)

    def _note_end(self, how: str) -> None:
        self._ledger.note_end(how, self._clock.now() - self._started)
