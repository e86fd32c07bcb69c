"""What a fault is: a small frozen type that names its arrow and its verdict.

A fault acts on exactly one arrow, by the one method of that arrow's name; a fault that does nothing inherits all of them.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import takewhile
from typing import Annotated, ClassVar, Literal

from msgspec import Meta, Struct

from mockserver.http import Http
from mockserver.place import Place, split_at
from mockserver.quirks.quirk import Right
from mockserver.sse import Event, Slice
from mockserver.steps import Step

FaultArrow = Literal["events", "body", "coding", "length", "wire"]
"""The arrow a fault acts on; what it needs of the HTTP message around it, it says in `on_http`."""


@dataclass(frozen=True, slots=True)
class Around:
    """What a fault may know of the stream that it strikes: the bytes of a chunk to imitate, and how many choices finish."""

    chunk: bytes = b"{}"
    choices: int = 1


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
    def right(self) -> Right:
        """What a right consumer makes of the stream: `error`, or `either` where no consumer could know."""
        return "error"

    @property
    def hides(self) -> tuple[str, ...]:
        """The fields of the outcome of which nothing can be expected, if the consumer reports no error."""
        return ("usage",) if self.right == "either" else ()

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


def right_of_cut(at: Place) -> Right:
    """The verdict on a stream that ends at a place: an error, unless the finish reason had been seen."""
    target = at.target.value if at.target is not None else None
    seen = (at.kind == "before_event" and target in ("usage", "done")) or (
        at.kind in ("after_event", "after_finish", "after_done", "inside_event")
        and target in (("finish", "usage", "done") if at.kind != "inside_event" else ("usage", "done"))
    )
    return "either" if seen else "error"


def pass_slices(pieces: Iterable[Slice | Step]) -> Iterator[Slice]:
    """Only the slices: for faults that end a stream before any step."""
    return (piece for piece in pieces if isinstance(piece, Slice))


def body_before(place: Place, body: Iterable[Slice], around: Around) -> Iterator[Slice]:
    """What of a body stands before a place."""
    return (
        piece for _, piece in takewhile(lambda item: not item[0], split_at(place, body, around.choices, in_body=True))
    )
