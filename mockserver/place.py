"""Where in a stream something happens: before the headers, inside event 3, after `[DONE]`.

Everything that has a place asks here: faults, pauses, inserted chunks and lines. Places are found by the marks that ride
along with the bytes, so that "inside event 3" still has a meaning after gzip.
"""

from collections.abc import Iterable, Iterator
from typing import ClassVar, Self

from mockserver.shorthand import JsonSchema, shorthand
from mockserver.sse import SLICE_BYTES, Slice, split_slice

EVENT_NAMES = ("role", "delta", "finish", "usage", "done")
_SIMPLE = ("before_reply", "before_headers", "after_headers", "after_finish", "after_done")
_WITH_EVENT = ("before_event", "inside_event", "after_event")

_EVENT_SCHEMA: JsonSchema = {
    "description": "An event: its number from 0, comments not counted, or what it is for.",
    "anyOf": [{"type": "integer", "minimum": 0}, {"enum": list(EVENT_NAMES)}],
    "examples": [3, "finish"],
}


@shorthand
class EventRef:
    """One event of a stream by its number (from 0), or those of a kind: `role`, `delta`, `finish`, `usage`, `done`.

    A place is about the first of a kind, and about the last that finishes.
    """

    value: int | str

    schema: ClassVar[JsonSchema] = _EVENT_SCHEMA

    @classmethod
    def decode(cls, value: object) -> Self:
        if value in EVENT_NAMES and isinstance(value, str):
            return cls(value)
        if isinstance(value, int) and not isinstance(value, bool) and value >= 0:
            return cls(value)
        raise ValueError(f"expected the number of an event (from 0) or one of {', '.join(EVENT_NAMES)}, got {value!r}")

    def encode(self) -> int | str:
        return self.value

    def names(self, number: int | None, kind: str) -> bool:
        """Whether this is the event with that number and kind. A body that is no stream is one event, however called."""
        return number is not None and (kind == "whole" or self.value in (number, kind))


@shorthand
class Place:
    """A place in a stream.

    A file writes `before_reply` (the request has just been read), `before_headers` (they are due), `after_headers`,
    `after_finish`, `after_done`, or `{before_event: k}`, `{inside_event: k}`, `{after_event: k}`; k is an `EventRef`.
    """

    kind: str
    event: EventRef | None = None

    schema: ClassVar[JsonSchema] = {
        "description": "A place in the stream.",
        "anyOf": [
            {"enum": list(_SIMPLE)},
            *(
                {"type": "object", "properties": {k: _EVENT_SCHEMA}, "required": [k], "additionalProperties": False}
                for k in _WITH_EVENT
            ),
        ],
        "examples": ["after_headers", {"after_event": 3}, {"inside_event": "finish"}],
    }

    @classmethod
    def decode(cls, value: object) -> Self:
        if value in _SIMPLE and isinstance(value, str):
            return cls(value)
        if isinstance(value, dict) and len(value) == 1:
            [(kind, event)] = value.items()
            if kind in _WITH_EVENT:
                return cls(kind, EventRef.decode(event))
        raise ValueError(
            f"expected a place: {', '.join(_SIMPLE)}, or one of {', '.join(f'{{{k}: …}}' for k in _WITH_EVENT)}, got {value!r}"
        )

    def encode(self) -> object:
        return self.kind if self.event is None else {self.kind: self.event.value}

    @property
    def target(self) -> EventRef | None:
        """The event the place is about, if it is about one."""
        if self.event is None and self.kind in ("after_finish", "after_done"):
            return EventRef(self.kind.removeprefix("after_"))
        return self.event

    def __str__(self) -> str:
        return self.kind if self.event is None else f"{self.kind} {self.event.value}"


AFTER_HEADERS = Place("after_headers")


def split_at(
    place: Place, pieces: Iterable[Slice], last_finish: int = 1, in_body: bool = False
) -> Iterator[tuple[bool, Slice]]:
    """The slices of a stream, each with whether it stands behind `place`. A slice in which the place lies is cut in two.

    Inside an event means: after the first half of its bytes, and of a very long one after half of its first 64 KiB. With
    several choices the finish is the last of `last_finish` finish events. A place that does not come is behind everything;
    `in_body`: the slices are a body alone, which stands behind the headers as a whole.
    """
    passed = place.kind == "before_reply" or (in_body and place.target is None)
    finishes = size = 0
    event: list[Slice] = []
    for piece in pieces:
        finishes += piece.kind == "finish" and piece.starts
        here = not passed and _is_at(place, piece, finishes >= last_finish)
        inside = here and place.kind == "inside_event"
        if inside:
            event.append(piece)
            size += len(piece.data)
            if not piece.ends and size < SLICE_BYTES:
                continue
        if event:
            yield from _halve(event, size // 2)
            event, passed = [], True
        if not inside:
            passed = passed or (here and place.kind.startswith("before"))
            yield passed, piece
            passed = passed or (here and piece.ends)
    yield from _halve(event, size // 2)


def _halve(event: list[Slice], before: int) -> Iterator[tuple[bool, Slice]]:
    """The slices of an event, each with whether it stands behind the first `before` bytes."""
    for piece in event:
        if 0 < before < len(piece.data):
            one, piece = split_slice(piece, before)
            yield False, one
            before = 0
        yield not before, piece
        before -= min(before, len(piece.data))


def _is_at(place: Place, piece: Slice, is_last_finish: bool) -> bool:
    """Whether a slice is of the event that the place is about; `after_headers` is about the head."""
    if place.target is None:
        return piece.kind == "head"
    if place.target.value == "finish" and not is_last_finish and piece.kind != "whole":
        return False
    return place.target.names(piece.event, piece.kind)
