"""Molds: the events of a plain stream with holes where the texts of its tokens belong.

The arrows from chunks to events are gone once for each shape of stream, with a hole for whatever differs between two streams
of that shape; what comes out is kept as patterns. A stream's molds are the patterns with what is its own put in.
"""

import re
from collections.abc import Hashable, Iterator, Sequence
from itertools import accumulate
from operator import attrgetter
from typing import Any

import msgspec
from msgspec.structs import replace

from mockserver.chunks import make_chunks
from mockserver.completion import CompletedChoice, Completion, Run, Token
from mockserver.json_text import write_json
from mockserver.sse import SLICE_BYTES, Event, encode_events
from mockserver.stream import Stream

_encode = msgspec.json.Encoder().encode
# Texts that stand where others belong; a stream that has their first character itself goes the long way.
_HOLE = "\ue000\ue001"
_TEXT_HOLE = _HOLE.encode()
_FILLER_HOLE = "\ue000\ue002".encode()
_OWN = ("id", "created", "model", "service_tier", "system_fingerprint")
"""What differs between the streams of one shape, in `Identity`'s words; the usage stands behind them."""
_OWN_MARKS: tuple[Any, ...] = tuple([f"\ue000\ue003{letter}" for letter in "abcdef"])
_OWN_HOLES = {_encode(mark): number for number, mark in enumerate(_OWN_MARKS)}
_OWN_HOLE = re.compile(b"(" + b"|".join(_OWN_HOLES) + b")")
_own = attrgetter(*_OWN)
_shape = attrgetter(*[name for name in CompletedChoice.__struct_fields__ if name != "tokens"])


class Mold(msgspec.Struct):
    """An event with holes: `front`, a token's text, `middle`, filler, `back`, and how long it is without them.

    `size` is in bytes, `characters` counts those of its JSON.
    """

    due_s: float
    has_text: bool
    fills: bool
    front: bytes
    middle: bytes
    back: bytes
    size: int
    characters: int


def make_molds(stream: Stream, runs: Sequence[Run], due: Sequence[float]) -> list[Mold] | None:
    """The molds of a stream; None if it has a hole's own text in it, or an event too large to be one slice."""
    patterns = _patterns(stream, runs)
    usage = stream.completion.usage if stream.request.include_usage else None
    own = [*map(_encode, (*_own(stream.identity), usage))]
    if patterns is None or any(_HOLE_BEGINS in value for value in own):
        return None
    starts = [due[end] for end in accumulate([len(run.tokens) for run in runs[:-1]], initial=0)]
    molds = [_make_mold(pattern, own, due[-1] if pattern.run is None else starts[pattern.run]) for pattern in patterns]
    return None if any(mold.size > SLICE_BYTES // 2 for mold in molds) else molds


def _make_mold(pattern: "_Pattern", own: Sequence[bytes], due_s: float) -> Mold:
    front, middle, back = pattern.front.fill(own), pattern.middle.fill(own), pattern.back.fill(own)
    whole = b"".join((front, middle, back))
    characters = len(whole.decode()) - pattern.frame
    return Mold(due_s, pattern.has_text, pattern.fills, front, middle, back, len(whole), characters)


class _Part(msgspec.Struct, frozen=True):
    """Some bytes of a pattern; `pieces` are what stands around the holes, each in place of the second, `holes` their numbers."""

    pieces: list[bytes]
    holes: list[int]

    def fill(self, own: Sequence[bytes]) -> bytes:
        """The bytes with what is a stream's own in the holes."""
        if not self.holes:
            return self.pieces[0]
        pieces = self.pieces.copy()
        pieces[1::2] = [own[number] for number in self.holes]
        return b"".join(pieces)


class _Pattern(msgspec.Struct, frozen=True):
    """An event with a hole for whatever differs between streams of the same shape; see `Mold`.

    `run` is the number of the run that it is due with (None: with the last token), `frame` how many bytes stand around its JSON.
    """

    has_text: bool
    fills: bool
    front: _Part
    middle: _Part
    back: _Part
    run: int | None
    frame: int


_kept: dict[Hashable, list[_Pattern] | None] = {}
_ABSENT = ()
_MAX_KEPT = 64
_HOLE_BEGINS = "\ue000".encode()


def _patterns(stream: Stream, runs: Sequence[Run]) -> list[_Pattern] | None:
    """The patterns of all streams of the same shape; None where a hole's own text stands in one."""
    request, choice = stream.request, stream.completion.choices[0]
    holes = tuple([(run.part, run.call) for run in runs])
    key = holes, _shape(choice), request.include_usage, request.include_obfuscation
    kept = _kept.get(key, _ABSENT)  # one look: all servers of a process keep them here, and the thread of any may clear
    if not isinstance(kept, tuple):
        return kept
    tokens = tuple([Token(part, _HOLE, call) for part, call in holes])
    patterns = list(_make_patterns(replace(choice, tokens=tokens), stream))
    made = None if None in patterns else [pattern for pattern in patterns if pattern]
    if len(_kept) >= _MAX_KEPT:
        _kept.clear()
    _kept[key] = made
    return made


def _make_patterns(choice: CompletedChoice, stream: Stream) -> Iterator[_Pattern | None]:
    """The chunks of a stream gone the long way, with a hole for all the tokens of a run and for what is a stream's own."""
    *own, usage = _OWN_MARKS
    identity = replace(stream.identity, **dict(zip(_OWN, own, strict=True)))
    numbers = [float(k) for k in range(len(choice.tokens) or 1)]
    passed = 0
    for chunk in make_chunks(Completion((choice,), lambda: usage), stream.request, identity, numbers):
        data, fills = chunk.data, "obfuscation" in chunk.data
        text = write_json({**data, "obfuscation": _FILLER_HOLE.decode()} if fills else data)
        event = frame_event(text, chunk.kind)
        front, middle, back = map(_find_holes, _cut(event))
        wanted = [*range(len(_OWN)), *([len(_OWN)] if chunk.kind == "usage" else [])]
        has_text = _TEXT_HOLE in event
        strange = event.count(_HOLE_BEGINS) - len(wanted) - has_text - fills
        if sorted(number for part in (front, middle, back) for number in part.holes) != wanted or strange:
            yield None
        passed += has_text
        is_last = passed == len(choice.tokens)
        run = None if is_last else int(chunk.due_s)
        yield _Pattern(has_text, fills, front, middle, back, run, len(event) - len(text))


def _cut(event: bytes) -> tuple[bytes, bytes, bytes]:
    """What stands before the hole for a text, behind it, and behind that for filler."""
    front, hole, rest = event.partition(_TEXT_HOLE)
    middle, _, back = (rest if hole else event).partition(_FILLER_HOLE)
    return front if hole else b"", middle, back


def _find_holes(part: bytes) -> _Part:
    pieces = _OWN_HOLE.split(part)
    return _Part(pieces, [_OWN_HOLES[hole] for hole in pieces[1::2]])


def frame_event(data: bytes, kind: str) -> bytes:
    """The bytes of an event."""
    return b"".join(piece.data for piece in encode_events([Event(data, 0.0, kind)]))
