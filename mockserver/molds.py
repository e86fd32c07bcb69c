"""Molds: the events of a plain stream with holes where the texts of its tokens belong.

The arrows from chunks to events are gone once for each shape of stream, with a hole for whatever differs between two streams
of that shape; what comes out is kept. What is a stream's own stands at the beginning of every event: it is filled in once.
"""

import re
from collections.abc import Hashable, Iterator
from itertools import repeat
from operator import attrgetter
from typing import Any

from msgspec import Struct
from msgspec.json import Encoder
from msgspec.structs import replace

from mockserver.chunks import Identity, make_chunks
from mockserver.completion import CompletedChoice, Completion
from mockserver.json_text import write_json
from mockserver.runs import Token, Tokens
from mockserver.sse import Event, encode_events
from mockserver.stream import Stream

_encode = Encoder().encode
# Texts that stand where others belong; a stream that has their first character itself goes the long way.
_HOLE = "\ue000\ue001"
_FILLER = "\ue000\ue002"
_USAGE = "\ue000\ue003"
_HOLE_BEGINS = "\ue000".encode()
_OWN = ("id", "created", "model", "service_tier", "system_fingerprint")
"""What differs between the streams of one shape, in `Identity`'s words, and stands at the beginning of each event."""
_OWN_MARKS: Any = [f"\ue000\ue004{letter}" for letter in "abcde"]
_OWN_MARK = re.compile(b"|".join(map(_encode, _OWN_MARKS)))
_own = attrgetter(*_OWN)
_shape = attrgetter(*[name for name in CompletedChoice.__struct_fields__ if name != "tokens"])


class Mold(Struct, frozen=True):
    """An event with holes: what is the stream's own, `front`, a text, `middle`, filler, `back`.

    The text is that of each token of a run if it `has_text`, of the usage if it `has_usage`, else there is none. Without
    what fills the holes it is `size` bytes long, and its JSON `characters`.
    """

    front: bytes
    middle: bytes
    back: bytes
    has_text: bool
    has_usage: bool
    fills: bool
    size: int
    characters: int


class Shape(Struct, frozen=True):
    """All molds of the streams of one shape; `around` is what stands around what is a stream's own."""

    around: list[bytes]
    molds: list[Mold]
    largest: int

    def write_own(self, identity: Identity) -> bytes:
        """What every event of a stream begins with."""
        parts = [b""] * (2 * len(_OWN))
        parts[0::2] = self.around
        parts[1::2] = map(_encode, _own(identity))
        return b"".join(parts)


_kept: dict[Hashable, Shape | None] = {}
_ABSENT = ()
_MAX_KEPT = 64


def find_shape(stream: Stream, tokens: Tokens) -> Shape | None:
    """The shape of a stream that says `tokens`; None where a hole's own text stands in an event of it."""
    request, choice = stream.request, stream.completion.choices[0]
    key = tokens.places, _shape(choice), request.include_usage, request.include_obfuscation
    kept = _kept.get(key, _ABSENT)  # one look: all servers of a process keep them here, and the thread of any may clear
    if not isinstance(kept, tuple):
        return kept
    shape = _make_shape(
        replace(choice, tokens=tuple([Token(part, _HOLE, call) for part, call in tokens.places])), stream
    )
    if len(_kept) >= _MAX_KEPT:
        _kept.clear()
    _kept[key] = shape
    return shape


def _make_shape(choice: CompletedChoice, stream: Stream) -> Shape | None:
    around: list[bytes] = []
    molds: list[Mold] = []
    for own, mold in _make_molds(choice, stream):
        if mold is None:
            return None
        around = own
        molds.append(mold)
    if sum([mold.has_text for mold in molds]) != len(choice.tokens):  # the reply itself has a hole's text in a name
        return None
    return Shape(around, molds, max([mold.size for mold in molds]))


def _make_molds(choice: CompletedChoice, stream: Stream) -> Iterator[tuple[list[bytes], Mold | None]]:
    """The chunks of a stream gone the long way, with a hole for all the tokens of a run and for what is a stream's own."""
    identity = replace(stream.identity, **dict(zip(_OWN, _OWN_MARKS, strict=True)))
    usage: Any = _USAGE
    times = repeat(0.0)  # a mold is due when what is made of it is
    for chunk in make_chunks(Completion((choice,), lambda: usage), stream.request, identity, times):
        data, fills, has_usage = chunk.data, "obfuscation" in chunk.data, chunk.kind == "usage"
        text = write_json({**data, "obfuscation": _FILLER} if fills else data)
        event = frame_event(text, chunk.kind)
        *own, rest = _OWN_MARK.split(event, len(_OWN))
        has_text = _HOLE.encode() in rest
        if rest.count(_HOLE_BEGINS) != has_text + has_usage + fills:
            yield own, None
        front, middle, back = _cut(rest, _encode(_USAGE) if has_usage else _HOLE.encode())
        constant = front + middle + back
        characters = len(constant.decode()) - (len(event) - len(text))
        yield own, Mold(front, middle, back, has_text, has_usage, fills, len(constant), characters)


def _cut(rest: bytes, hole: bytes) -> tuple[bytes, bytes, bytes]:
    """What stands before the hole for a text, behind it, and behind that for filler."""
    front, found, behind = rest.partition(hole)
    middle, _, back = (behind if found else rest).partition(_FILLER.encode())
    return front if found else b"", middle, back


def frame_event(data: bytes, kind: str) -> bytes:
    """The bytes of an event."""
    return b"".join(piece.data for piece in encode_events([Event(data, 0.0, kind)]))
