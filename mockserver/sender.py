"""What a player sends of its plan: joined where it may be, and entered into the journal and the meter as it happens."""

from collections.abc import Callable, Sequence

from mockserver.connection import Connection
from mockserver.journal import Exchange
from mockserver.meter import Meter
from mockserver.steps import Head, Write

_PLAYED_OUT = ("complete", "closed", "half-closed", "reset")
"""The ends of which a step of the plan says that they are to come."""


class Sender:
    """Sends the bytes of one answer; times are in seconds from the moment the request had been read.

    `size` is how many bytes were joined and wait to be sent, `free_s` since when nothing but time keeps the next write.
    """

    __slots__ = (
        "_connection", "_due_s", "_event", "_exchange", "_joined", "_last_due_s", "_meter", "_steps", "free_s", "size",
    )  # fmt: skip

    def __init__(self, connection: Connection, exchange: Exchange, meter: Meter) -> None:
        self._connection = connection
        self._exchange = exchange
        self._meter = meter
        self._joined: list[bytes] = []
        self.size = 0
        self._due_s = self._last_due_s = 0.0
        self._steps = 0  # taken from the plan; of them played: `Exchange.steps_played`
        self._event = -1
        self.free_s = 0.0

    def join(self, step: Head | Write, due_s: float) -> None:
        """Take a step: its bytes leave in one send call with those that are waiting and those that follow."""
        if isinstance(step, Write):
            self._steps += step.count
            if step.event is not None:
                self._reach(step.event)
        else:
            self._steps += 1
        data = step.data
        if data:
            if not self.size:
                self._due_s = due_s
            self._last_due_s = due_s
            self._joined.append(data)
            self.size += len(data)

    def send_joined(self, at_s: float, most: int) -> bool:
        """Send what was joined, up to `most` bytes of it, in one send call.

        Returns whether the kernel has taken all of it and the client is still there. It is entered before that, as if it were
        so: who reads it may look at the journal at once.
        """
        joined, due_s, size = self._joined, self._due_s, self.size
        data = joined[0] if len(joined) == 1 else b"".join(joined)
        if size <= most:
            self._joined, self.size = [], 0
        else:  # all of the rest is of the last step
            self._joined, self.size, self._due_s = [data[most:]], size - most, self._last_due_s
            data, size = data[:most], most
        connection, exchange, meter = self._connection, self._exchange, self._meter
        exchange.bytes_sent += size
        meter.sent_bytes += size
        exchange.note_write(due_s, at_s, size)
        meter.note_write(at_s - (due_s if due_s > self.free_s else self.free_s))
        self.free_s = at_s
        if not connection.send(data) or connection.left:
            self.note_sent()
            return False
        if not self.size:
            exchange.steps_played = self._steps
        return True

    def send_each(
        self, pieces: Sequence[bytes], event: int, due_s: float, now: Callable[[], float], started: float
    ) -> int:
        """Send pieces, each in one send call, until one is not taken whole; returns how many calls there were.

        `event` is the number of the first one's event, and `now` counts from `started` on. They are entered all at once, as if
        one had been sent after the other.
        """
        connection, exchange = self._connection, self._exchange
        at_s = [moment - started for moment in connection.send_each(pieces, now)]
        count = len(at_s)
        exchange.note_writes(due_s, at_s, map(len, pieces))
        self._meter.note_writes(max(due_s, self.free_s), at_s)
        self.free_s = at_s[-1]
        self._steps += count
        self._reach(event + count - 1)
        exchange.steps_played = self._steps - 1
        self.note_sent()
        if not connection.has_rest:
            self.note_played()
        return count

    def _reach(self, event: int) -> None:
        if event > self._event:
            self._meter.events += event - self._event
            self._event = event

    def take_end(self) -> None:
        """Count in the step that ends the plan."""
        self._steps += 1

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
