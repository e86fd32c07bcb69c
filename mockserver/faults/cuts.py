"""Faults that end or hold a stream at a place."""

from collections.abc import Iterable, Iterator
from typing import Annotated, ClassVar, TypeVar

from msgspec import Meta
from msgspec.structs import replace

from mockserver.faults.fault import Around, Fault, FaultArrow, body_before, pass_slices, right_of_cut
from mockserver.place import AFTER_HEADERS, Place, split_at
from mockserver.quirks.quirk import Right
from mockserver.shorthand import Duration, default
from mockserver.sse import Slice
from mockserver.steps import Abort, End, HalfClose, Hold, Step

_Item = TypeVar("_Item", Slice, Slice | Step)
At = Annotated[Place, Meta(description="Where.")]


def cut_at(place: Place, wire: Iterable[Slice | Step], around: Around, last: Step) -> Iterator[Slice | Step]:
    """What stands before the place, then `last`, due when the bytes before it are (before an event: when that is)."""
    due_s = 0.0
    for behind, piece in split_at(place, pass_slices(wire), around.choices):
        if behind:
            if place.kind in ("before_headers", "before_event"):
                due_s = piece.due_s
            break
        due_s = piece.due_s
        yield piece
    yield replace(last, due_s=due_s)


class Truncate(Fault, frozen=True, tag="truncate"):
    """The body ends at the place, cleanly: as HTTP it is complete."""

    arrow: ClassVar[FaultArrow] = "body"
    sent_by: ClassVar[str] = "DeepSeek under load, gateways, restarts"
    at: Place = default(AFTER_HEADERS)

    @property
    def right(self) -> Right:
        return right_of_cut(self.at)

    def on_body(self, body: Iterable[Slice], around: Around) -> Iterator[Slice]:
        return body_before(self.at, body, around)


class _Cut(Fault, frozen=True):
    """A fault that ends the stream at a place with one step."""

    at: Place = default(AFTER_HEADERS)

    @property
    def right(self) -> Right:
        return right_of_cut(self.at)

    def step(self) -> Step:
        return End(0.0, close=True)

    def on_wire(self, wire: Iterable[Slice | Step], around: Around) -> Iterator[Slice | Step]:
        return cut_at(self.at, wire, around, self.step())


class Close(_Cut, frozen=True, tag="close"):
    """The connection is closed (FIN) at the place; a chunked body stays without its end, a length is not reached."""

    sent_by: ClassVar[str] = "crashed servers, proxies"


class Reset(_Cut, frozen=True, tag="reset"):
    """The connection is reset (RST) at the place."""

    sent_by: ClassVar[str] = "networks, load balancers"
    drain: Annotated[bool, Meta(description="Whether what was written is delivered first.")] = True

    def step(self) -> Step:
        return Abort(0.0, self.drain)


class HalfClosed(_Cut, frozen=True, tag="half_close"):
    """Our side is ended (FIN) at the place, and we go on reading until the client leaves."""

    sent_by: ClassVar[str] = "proxies"

    def step(self) -> Step:
        return HalfClose(0.0)


class Stall(Fault, frozen=True, tag="stall"):
    """Nothing more comes at the place: for a time, or until the client leaves."""

    sent_by: ClassVar[str] = "DeepSeek, DashScope, sleeping laptops, slow prefill"
    at: Place = default(AFTER_HEADERS)
    lasts: Annotated[Duration | None, Meta(description="How long. Default: until the client leaves.")] = None

    @property
    def right(self) -> Right:
        return "same" if self.lasts is not None else right_of_cut(self.at)

    def on_wire(self, wire: Iterable[Slice | Step], around: Around) -> Iterator[Slice | Step]:
        if self.lasts is None:
            return cut_at(self.at, wire, around, Hold(0.0))
        return pause_at(self.at, self.lasts, wire, around)


def pause_at(place: Place, lasts_s: float, pieces: Iterable[_Item], around: Around) -> Iterator[_Item]:
    """Let everything behind a place come later."""
    steps: list[_Item] = []
    for behind, piece in split_at(place, _slices(pieces, steps), around.choices):
        yield replace(piece, due_s=piece.due_s + lasts_s) if behind else piece
    for step in steps:
        yield replace(step, due_s=step.due_s + lasts_s)


def _slices(pieces: Iterable[_Item], steps: list[_Item]) -> Iterator[Slice]:
    """The slices; steps, which stand at the end, are put aside."""
    for piece in pieces:
        if isinstance(piece, Slice):
            yield piece
        else:
            steps.append(piece)


TABLE = (Truncate, Close, Reset, HalfClosed, Stall)
