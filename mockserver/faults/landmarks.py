"""What a verdict depends on: how much of a stream has come by the time that a fault strikes it.

A consumer that has seen the finish reason has the whole reply; one that has not must not pass off what it got as whole.
"""

from collections.abc import Iterable
from typing import Literal

from msgspec import Struct

from mockserver.place import EventRef, Place
from mockserver.sse import Slice

Seen = Literal["part", "finish", "done"]
"""How much of a stream came whole: not even the finish of every choice; that; `[DONE]` too."""


class Landmarks(Struct, frozen=True):
    """The events of a stream as a fault finds it.

    `kinds` says what each is for; `ends` how many bytes of the body have come when it ends, after a content coding if there
    is one; `flush` how that is flushed, None without one. `size` is the whole body's, in bytes. `over` is the number of the
    event that ends the stream to its reader where that is not the one of the kind `done`. `choices` is how many of them finish
    in the reply, None: as many as in the stream.
    """

    kinds: tuple[str, ...]
    ends: tuple[int, ...]
    flush: Literal["event", "end"] | None = None
    size: int = 0
    over: int | None = None
    choices: int | None = None

    def number(self, event: EventRef) -> int | None:
        """The number of the event meant, None if it does not come; of several that finish, the last."""
        found = [number for number, kind in enumerate(self.kinds) if event.names(number, kind)]
        wanted = (self.choices or len(found)) if event.value == "finish" and "whole" not in self.kinds else 1
        return found[wanted - 1] if 0 < wanted <= len(found) else None

    def events_before(self, place: Place) -> int | None:
        """How many events have come whole at a place, None if it does not come."""
        if place.target is None:
            return 0
        number = self.number(place.target)
        return number if number is None else number + place.kind.startswith("after")

    def seen(self, count: int) -> Seen:
        """What has been seen when `count` events have come."""
        came = self.kinds[:count]
        if "done" in came or (self.over is not None and self.over < count):
            return "done"
        finishes = self.kinds.count("finish")
        finished = finishes and came.count("finish") == finishes
        return "finish" if finished or "whole" in came else "part"


LONG_STREAM = Landmarks(
    kinds=("role", *["delta"] * 1000, "finish", "usage", "done"),
    ends=tuple(range(300, 300 * 1004 + 1, 300)),
    flush="event",
    size=300 * 1004,
)
"""A stream of a thousand tokens, coded: where a verdict is asked for without a stream at hand."""


def find_landmarks(body: Iterable[Slice], flush: Literal["event", "end"] | None = None) -> Landmarks:
    """The landmarks of a body, rendered and, with `flush`, coded."""
    kinds: list[str] = []
    ends: list[int] = []
    size = 0
    for piece in body:
        size += len(piece.data)
        if piece.event is None:
            continue
        if piece.event == len(kinds):
            kinds.append(piece.kind)
            ends.append(size)
        ends[piece.event] = size
    return Landmarks(tuple(kinds), tuple(ends), flush, size)
