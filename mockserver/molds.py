"""Molds: the events of a plain stream with holes where the texts of its tokens belong.

The arrows from chunks to events are gone once for each shape of stream, with a hole for whatever differs between two streams
of that shape; what comes out is kept as patterns. A stream's molds are the patterns with what is its own put in.
"""

import re
from collections.abc import Hashable, Iterator, Sequence
from dataclasses import fields, replace
from itertools import accumulate
from operator import attrgetter
from typing import Any

import msgspec

from mockserver.chunks import make_chunks
from mockserver.completion import CompletedChoice, Completion, Token
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
_shape = attrgetter(*[field.name for field in fields(CompletedChoice) if field.name != "tokens"])


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


def make_molds(stream: Stream, runs: Sequence[Sequence[Token]], due: Sequence[float]) -> list[Mold] | None:
    """The molds of a stream; None if it has a hole's own text in it, or an event too large to be one slice."""
    patterns = _patterns(stream, runs)
    own = [*map(_encode, (*_own(stream.identity), stream.completion.usage))]
    if patterns is None or any(_HOLE_BEGINS in value for value in own):
        return None
    starts = [due[end] for end in accumulate([len(run) for run in runs[:-1]], initial=0)]
    molds = []
    for pattern in patterns:
        pieces = pattern.pieces.copy()
        pieces[1::2] = [own[number] for number in pattern.holes]
        event = b"".join(pieces)
        if len(event) > SLICE_BYTES // 2:
            return None
        molds.append(_cut(event, due[-1] if pattern.run is None else starts[pattern.run], pattern.frame))
    return molds


class _Pattern(msgspec.Struct, frozen=True):
    """An event with a hole for whatever differs between streams of the same shape.

    `pieces` are what stands around those that differ by stream, each in place of the second, and `holes` are their numbers.
    `run` is the number of the run that it is due with (None: with the last token), `frame` how many bytes stand around its JSON.
    """

    pieces: list[bytes]
    holes: list[int]
    run: int | None
    frame: int


_kept: dict[Hashable, list[_Pattern] | None] = {}
_ABSENT = ()
_MAX_KEPT = 64
_HOLE_BEGINS = "\ue000".encode()


def _patterns(stream: Stream, runs: Sequence[Sequence[Token]]) -> list[_Pattern] | None:
    """The patterns of all streams of the same shape; None where a hole's own text stands in one."""
    request, choice = stream.request, stream.completion.choices[0]
    holes = tuple([(run[0].part, run[0].call) for run in runs])
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
    for chunk in make_chunks(Completion((choice,), usage), stream.request, identity, numbers):
        data, fills = chunk.data, "obfuscation" in chunk.data
        text = write_json({**data, "obfuscation": _FILLER_HOLE.decode()} if fills else data)
        event = frame_event(text, chunk.kind)
        has_text = _TEXT_HOLE in event
        pieces = _OWN_HOLE.split(event)
        holes = [_OWN_HOLES[hole] for hole in pieces[1::2]]
        wanted = [*range(len(_OWN)), *([len(_OWN)] if chunk.kind == "usage" else [])]
        strange = event.count(_HOLE_BEGINS) - len(wanted) - has_text - fills
        if sorted(holes) != wanted or strange:
            yield None
        passed += has_text
        is_last = passed == len(choice.tokens)
        yield _Pattern(pieces, holes, None if is_last else int(chunk.due_s), len(event) - len(text))


def _cut(event: bytes, due_s: float, frame: int) -> Mold:
    """An event cut at its holes for a text and for filler."""
    front, hole, rest = event.partition(_TEXT_HOLE)
    if not hole:
        front, rest = b"", event
    middle, filler, back = rest.partition(_FILLER_HOLE)
    characters = sum([len(piece.decode()) for piece in (front, middle, back)]) - frame
    return Mold(due_s, bool(hole), bool(filler), front, middle, back, len(front) + len(middle) + len(back), characters)


def frame_event(data: bytes, kind: str) -> bytes:
    """The bytes of an event."""
    return b"".join(piece.data for piece in encode_events([Event(data, 0.0, kind)]))
