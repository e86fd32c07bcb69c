"""What a player did, entered into the journal and the meter in the order in which it happened."""

from collections.abc import Sequence

from mockserver.connection import Connection
from mockserver.journal import Exchange
from mockserver.meter import Meter
from mockserver.steps import Head, Write

_PLAYED_OUT = ("complete", "closed", "half-closed", "reset")
"""The ends of which a step of the plan says that they are to come."""


class Ledger:
    """The entries of one answer; times are in seconds from the moment the request had been read.

    `free_s` is since when nothing but time keeps the next write.
    """

    __slots__ = ("_connection", "_event", "_exchange", "_meter", "_steps", "free_s")

    def __init__(self, connection: Connection, exchange: Exchange, meter: Meter) -> None:
        self._connection = connection
        self._exchange = exchange
        self._meter = meter
        self._steps = 0
        self._event = -1
        self.free_s = 0.0

    def take(self, step: Head | Write) -> None:
        """Count in a step that is to be sent."""
        if isinstance(step, Head):
            self._steps += 1
            return
        self._steps += step.count
        if step.event is not None:
            self._reach(step.event)

    def _reach(self, event: int) -> None:
        if event > self._event:
            self._meter.events += event - self._event
            self._event = event

    def take_end(self) -> None:
        """Count in the step that ends the plan."""
        self._steps += 1

    def note_write(self, due_s: float, at_s: float, size: int) -> None:
        """Enter a send call that is about to be made, as if the kernel took all of it: if it does not, `note_sent` says so."""
        self._exchange.bytes_sent += size
        self._meter.sent_bytes += size
        self._exchange.note_write(due_s, at_s, size)
        self._meter.note_write(at_s - (due_s if due_s > self.free_s else self.free_s))
        self.free_s = at_s

    def note_writes(self, writes: Sequence[Write], scale: float, at_s: list[float], sizes: list[int]) -> None:
        """Enter several that were made one after the other, each with its step; `scale` stretches their due times."""
        self._steps += sum([write.count for write in writes[:-1]])
        self._exchange.steps_played = self._steps
        self._steps += writes[-1].count
        self._reach(max([write.event for write in writes if write.event is not None], default=-1))
        self._exchange.note_writes([write.due_s * scale for write in writes], at_s, sizes)
        self._meter.note_writes(max(writes[0].due_s * scale, self.free_s), at_s)
        self.free_s = at_s[-1]

    def note_sent(self) -> None:
        """Enter what the kernel has taken."""
        exchange, sent = self._exchange, self._connection.sent
        self._meter.sent_bytes += sent - exchange.bytes_sent
        exchange.bytes_sent = sent

    def note_played(self) -> None:
        """Enter the steps that were taken as played, unless the client has left meanwhile."""
        if not self._connection.left:
            self._exchange.steps_played = self._steps

    def note_end(self, how: str, at_s: float) -> None:
        """Enter the end, in the journal's words, unless it was entered before."""
        exchange = self._exchange
        if exchange.ended is None:
            self.note_sent()
            if how in _PLAYED_OUT:
                exchange.steps_played = self._steps
            exchange.bytes_acknowledged = self._connection.acknowledged
            exchange.ended_s = at_s
            exchange.ended = how
