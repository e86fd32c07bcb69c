"""What the player is told: the few instructions of which every plan consists, each with its due time.

This is the one vocabulary between the pure code and the code that acts. Due times are seconds from the moment the whole
request has been read, and never decrease within a plan.
"""

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


Step = Head | Write | Hold | End | HalfClose | Abort
