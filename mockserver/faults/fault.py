"""What a fault is: a small frozen type that names its arrow and its verdict.

A fault acts on exactly one arrow, by the one method of that arrow's name; a fault that does nothing inherits all of them. One
whose event or place does not come does not strike.
"""

from collections.abc import Callable, Iterable, Iterator
from itertools import takewhile
from typing import Annotated, ClassVar, Literal, TypeVar

from msgspec import Meta, Struct

from mockserver.faults.landmarks import LONG_STREAM, Landmarks, Seen
from mockserver.http import Http
from mockserver.place import EventRef, Place, split_at
from mockserver.quirks.quirk import Right
from mockserver.sse import Event, Slice
from mockserver.steps import Step

Item = TypeVar("Item", Slice, Slice | Step)
"""What a message is made of: bytes alone, or bytes and, at the end, steps."""

FaultArrow = Literal["events", "body", "coding", "length", "wire"]
"""The arrow a fault acts on; what it needs of the HTTP message around it, it says in `on_http`."""


class Around(Struct, frozen=True):
    """What a fault may know of the answer that it strikes.

    `chunk` are the bytes of a chunk without choices, to imitate; none where the answer is no stream. `choices` is how many of
    them finish. `completion` makes the same answer as it would be without a stream.
    """

    chunk: bytes = b""
    choices: int = 1
    completion: Callable[[], bytes] = bytes


class Fault(Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True, kw_only=True, tag_field="fault"):
    """A deliberate departure from a legal delivery. This one does nothing."""

    arrow: ClassVar[FaultArrow] = "wire"
    sent_by: ClassVar[str] = ""
    probability: Annotated[
        float,
        Meta(
            ge=0, le=1, description="How often the fault strikes, decided by the seed and the ordinal of the request."
        ),
    ] = 1.0

    @property
    def is_endless(self) -> bool:
        """Whether what it sends ends only when the client leaves."""
        return False

    def right_in(self, stream: Landmarks) -> Right:
        """What a right consumer makes of this stream: `error`, or `either` where no consumer could know."""
        return "error"

    def hides_in(self, stream: Landmarks) -> tuple[str, ...]:
        """The fields of the outcome of which nothing can be expected, if the consumer reports no error."""
        return ("usage",) if self.right_in(stream) == "either" else ()

    def cuts_at(self, stream: Landmarks) -> int | None:
        """How many events come whole before nothing more of the stream does; None: it goes on."""
        return None

    @property
    def right(self) -> Right:
        """The verdict on a long stream, in which the events with numbers stand before the finish: see `right_in`."""
        return self.right_in(LONG_STREAM)

    @property
    def hides(self) -> tuple[str, ...]:
        """The fields hidden in such a stream."""
        return self.hides_in(LONG_STREAM)

    def on_events(self, events: Iterable[Event], around: Around) -> Iterable[Event]:
        return events

    def on_body(self, body: Iterable[Slice], around: Around) -> Iterable[Slice]:
        return body

    def on_coding(self, coded: Iterable[Slice], around: Around) -> Iterable[Slice]:
        return coded

    def on_http(self, http: Http) -> Http:
        return http

    def on_length(self, length: int) -> int:
        return length

    def on_wire(self, wire: Iterable[Slice | Step], around: Around) -> Iterable[Slice | Step]:
        return wire


def right_of_cut(at: Place, stream: Landmarks, verdicts: dict[Seen, Right]) -> Right:
    """The verdict on a stream that ends at a place, by how much of it came before; a place that does not come ends nothing."""
    before = stream.events_before(at)
    return "same" if before is None else verdicts[stream.seen(before)]


def find_event(
    wanted: EventRef, events: Iterable[Event], around: Around
) -> Iterator[tuple[Literal["before", "here", "after"], Event]]:
    """The events, each with where it stands to the one that is meant; of several that finish, that is the last."""
    where: Literal["before", "here", "after"] = "before"
    finishes = 0
    for number, event in enumerate(events):
        finishes += event.kind == "finish"
        if where == "here":
            where = "after"
        elif where == "before" and wanted.names(number, event.kind):
            is_last = wanted.value != "finish" or event.kind == "whole" or finishes == around.choices
            where = "here" if is_last else "before"
        yield where, event


def put_aside(pieces: Iterable[Item], steps: list[Item]) -> Iterator[Slice]:
    """The slices of a message; the steps, which stand at its end, go into `steps`."""
    for piece in pieces:
        if isinstance(piece, Slice):
            yield piece
        else:
            steps.append(piece)


def body_before(place: Place, body: Iterable[Slice], around: Around) -> Iterator[Slice]:
    """What of a body stands before a place."""
    return (
        piece for _, piece in takewhile(lambda item: not item[0], split_at(place, body, around.choices, in_body=True))
    )
