"""What the player is told: the few instructions of which every plan consists, each with its due time.

This is the one vocabulary between the pure code and the code that acts. Due times are seconds from the moment the whole
request has been read, and never decrease within a plan.
"""

from collections.abc import Iterable, Iterator

from msgspec import Struct


class Head(Struct, frozen=True, gc=False):
    """Status line and headers, as they go over the wire."""

    due_s: float
    data: bytes
    alone: bool = False


class Write(Struct, frozen=True, gc=False):
    """Bytes to hand to the kernel; none where the plan is still being rendered, for others to have their turn.

    One that is not `alone` may leave in one send call with its neighbours, if they are due by then; `event` is the number of
    the event to which the bytes belong, or None between events. `count`: of how many writes of the plan these are the bytes.
    `then_s` is when the write behind it is due, where that is known: so its bytes need not be rendered before their time.
    """

    due_s: float
    data: bytes
    alone: bool = False
    event: int | None = None
    count: int = 1
    then_s: float | None = None


class Burst(Struct, frozen=True, gc=False):
    """Writes that are alone and due at the same moment, one after the other: the bytes of each, 64 KiB in all at most.

    The first belongs to event number `event`, each of the others to the next one.
    """

    due_s: float
    pieces: list[bytes]
    event: int


class Hold(Struct, frozen=True):
    """Silence until the client leaves."""

    due_s: float


class End(Struct, frozen=True):
    """The answer is over. The connection is closed if `close`, else it serves the next request; `cut`: more should have come."""

    due_s: float
    close: bool = False
    cut: bool = False


class HalfClose(Struct, frozen=True):
    """End our side (FIN) and go on reading until the client leaves."""

    due_s: float


class Abort(Struct, frozen=True):
    """Reset the connection (RST). With `drain` what was written is delivered first."""

    due_s: float
    drain: bool = True


Step = Head | Write | Burst | Hold | End | HalfClose | Abort


def part(steps: Iterable[Step]) -> Iterator[Step]:
    """The steps with the writes of each burst as steps of their own."""
    for step in steps:
        if isinstance(step, Burst):
            for event, data in enumerate(step.pieces, step.event):
                yield Write(step.due_s, data, True, event)
        else:
            yield step
