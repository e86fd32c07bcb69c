"""Faults that end or hold a stream at a place."""

from collections.abc import Iterable, Iterator
from typing import Annotated, ClassVar

from msgspec import Meta
from msgspec.structs import replace

from mockserver.faults.fault import Around, Fault, FaultArrow, Item, body_before, put_aside, right_of_cut
from mockserver.faults.landmarks import Landmarks, Seen
from mockserver.place import AFTER_HEADERS, Place, split_at
from mockserver.quirks.quirk import Right
from mockserver.shorthand import Duration, default
from mockserver.sse import Slice
from mockserver.steps import Abort, End, HalfClose, Hold, Step

At = Annotated[Place, Meta(description="Where.")]

CUT = End(0.0, close=True, cut=True)
"""The connection is closed in the midst of an answer."""


def cut_at(place: Place, wire: Iterable[Slice | Step], around: Around, *last: Slice | Step) -> Iterator[Slice | Step]:
    """What stands before the place, then `last`, due when the bytes before it are; if the place does not come, all of it.

    Before something means: when that would have been due.
    """
    steps: list[Slice | Step] = []
    due_s = 0.0
    for behind, piece in split_at(place, put_aside(wire, steps), around.choices):
        if behind:
            due_s = piece.due_s if place.kind in ("before_headers", "before_event") else due_s
            yield from (replace(one, due_s=due_s) for one in last)
            return
        due_s = piece.due_s
        yield piece
    yield from steps


def pause_at(place: Place, lasts_s: float, pieces: Iterable[Item], choices: int) -> Iterator[Item]:
    """Let everything behind a place come later."""
    steps: list[Item] = []
    late_s = 0.0
    for behind, piece in split_at(place, put_aside(pieces, steps), choices):
        late_s = lasts_s if behind else 0.0
        yield replace(piece, due_s=piece.due_s + late_s)
    for step in steps:
        yield replace(step, due_s=step.due_s + late_s)


class Truncate(Fault, frozen=True, tag="truncate"):
    """The body ends at the place, cleanly: as HTTP it is complete."""

    arrow: ClassVar[FaultArrow] = "body"
    sent_by: ClassVar[str] = "DeepSeek under load, gateways, restarts"
    at: At = default(AFTER_HEADERS)

    def right_in(self, stream: Landmarks) -> Right:
        # Of an event that is cut, the reader of a reply that is whole may report the loss or not.
        whole: Right = "either" if self.at.kind == "inside_event" else "same"
        return right_of_cut(self.at, stream, {"part": "error", "finish": whole, "done": "same"})

    def cuts_at(self, stream: Landmarks) -> int | None:
        return stream.events_before(self.at)

    def hides_in(self, stream: Landmarks) -> tuple[str, ...]:
        before = stream.events_before(self.at)
        return ("usage",) if before is not None and "usage" in stream.kinds[before:] else ()

    def on_body(self, body: Iterable[Slice], around: Around) -> Iterator[Slice]:
        return body_before(self.at, body, around)


class _Cut(Fault, frozen=True):
    """A fault that ends the stream at a place with one step."""

    verdicts: ClassVar[dict[Seen, Right]] = {"part": "error", "finish": "either", "done": "either"}
    at: At = default(AFTER_HEADERS)

    def right_in(self, stream: Landmarks) -> Right:
        return right_of_cut(self.at, stream, self.verdicts)

    def cuts_at(self, stream: Landmarks) -> int | None:
        return stream.events_before(self.at)

    def step(self) -> Step:
        return CUT

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


class Stall(_Cut, frozen=True, tag="stall"):
    """Nothing more comes at the place: for a time, or until the client leaves."""

    sent_by: ClassVar[str] = "DeepSeek, DashScope, sleeping laptops, slow prefill"
    # What stands behind [DONE] is nobody's business: "the stream is terminated by a data: [DONE] message" (OpenAI).
    verdicts: ClassVar[dict[Seen, Right]] = {"part": "error", "finish": "either", "done": "same"}
    lasts: Annotated[Duration | None, Meta(description="How long. Default: until the client leaves.")] = None

    def right_in(self, stream: Landmarks) -> Right:
        return "same" if self.lasts is not None else super().right_in(stream)

    def cuts_at(self, stream: Landmarks) -> int | None:
        return None if self.lasts is not None else super().cuts_at(stream)

    def step(self) -> Step:
        return Hold(0.0)

    def on_wire(self, wire: Iterable[Slice | Step], around: Around) -> Iterator[Slice | Step]:
        return (
            super().on_wire(wire, around) if self.lasts is None else pause_at(self.at, self.lasts, wire, around.choices)
        )


TABLE = (Truncate, Close, Reset, HalfClosed, Stall)
