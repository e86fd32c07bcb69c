"""Plain streams: the steps of what departs from OpenAI's stream in nothing, made from tokens with no objects in between.

A stream of some hundred tokens is some hundred times the same event around another text. So the arrows from chunks to HTTP
chunks are gone once for each run of tokens, with a hole where a text belongs; what comes out is a mold, and each token is put
into it. No rule of a chunk, an event or an HTTP chunk stands here but this one: the size of an HTTP chunk stands in front.
A property holds the result equal to the long way's, byte for byte and due time for due time.
"""

from array import array
from collections.abc import Hashable, Iterable, Iterator, Sequence
from dataclasses import replace
from itertools import accumulate, chain, groupby, islice
from operator import add, attrgetter
from typing import Any

import msgspec

from mockserver.chunks import FILLER, STEP, filler_places, make_chunks
from mockserver.completion import CompletedChoice, Completion, Token
from mockserver.json_text import COMPACT, write_json
from mockserver.message import Message
from mockserver.scenario import Delivery
from mockserver.sse import PLAIN, SLICE_BYTES, Event, encode_events
from mockserver.steps import Step, Write
from mockserver.stream import DONE, Stream
from mockserver.timing import Timing

MAX_PIECE = 2048
"""The longest text of a token, in characters: a longer one may make an event that is cut in slices."""

_encode = msgspec.json.Encoder().encode
# Texts that stand where others belong; a stream that has them itself goes the long way.
_HOLE = "\ue000\ue001"
_TEXT_HOLE = _encode(_HOLE)
_USAGE_HOLE = _encode("\ue000\ue002")
_FILLER_HOLE = "\ue000\ue003".encode()
_ID_HOLE = "\ue000\ue004".encode()
_Batch = tuple[Sequence[float], list[bytes]]
"""Some events: the due time of each in seconds, and their bytes, of all in as many pieces."""


def is_plain(stream: Stream, message: Message, timing: Timing) -> bool:
    """Whether a stream may be made the short way: one choice, token by token, and nothing that bends, cuts or delays it."""
    return (
        not stream.faults
        and _is_plain_delivery(stream.delivery)
        and not (timing.pauses or timing.comments)
        and message.transfer == "chunked"
        and message.has_body
        and stream.request.n == 1
        and not stream.request.logprobs
    )


def _is_plain_delivery(delivery: Delivery) -> bool:
    http, writes = delivery.http, delivery.writes
    bent = delivery.quirks or delivery.edits or delivery.inserts or delivery.raw is not None
    framed = http.coding or http.chunk_size is not None or http.chunk_extension or http.trailers
    return (
        not (bent or framed)
        and (writes.mode == "due" or (writes.mode == "event" and not writes.gap_s))
        and delivery.group == 1
        and delivery.json == COMPACT
        and delivery.framing == PLAIN
    )


def plain_writes(stream: Stream) -> Iterator[Step] | None:
    """The writes of a plain stream, up to the last event's; None if no molds can be made of it."""
    tokens = stream.completion.choices[0].tokens
    due = array("d", islice(stream.schedule, len(tokens) or 1))  # a list would take four times as much
    runs = _runs(tokens)
    if max([len(token.text) for token in tokens], default=0) > MAX_PIECE:
        return None
    molds = _molds(stream, runs, due)
    if molds is None:
        return None
    events = _fill(molds, runs, due, stream.identity.seed)
    return _alone(events) if stream.delivery.writes.mode == "event" else _together(events)


def _runs(tokens: Sequence[Token]) -> list[Sequence[Token]]:
    """The tokens, those together that are of the same part."""
    parts = [token.part for token in tokens]
    if parts and parts[0] != "tool_call" and parts.count(parts[0]) == len(parts):  # nearly every stream
        return [tokens]
    return [list(run) for _, run in groupby(tokens, key=attrgetter("part", "call"))]


class _Mold(msgspec.Struct):
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


def _molds(stream: Stream, runs: Sequence[Sequence[Token]], due: Sequence[float]) -> list[_Mold] | None:
    """The molds of a stream; None if it has a hole's own text in it, or an event too large to be one slice."""
    request, identity = stream.request, stream.identity
    holes = tuple([Token(run[0].part, _HOLE, run[0].call) for run in runs])
    choice = replace(stream.completion.choices[0], tokens=holes)
    flags = request.include_usage, request.include_obfuscation
    key = (choice, *flags, identity.created, identity.model, identity.service_tier, identity.system_fingerprint)
    if key not in _kept:
        if len(_kept) >= _MAX_KEPT:
            _kept.clear()
        patterns = list(_make_patterns(choice, stream))
        _kept[key] = None if None in patterns else [pattern for pattern in patterns if pattern]
    kept = _kept[key]
    if kept is None:
        return None
    starts = [due[end] for end in accumulate([len(run) for run in runs[:-1]], initial=0)]
    own_id, usage = _encode(identity.id)[1:-1], _encode(stream.completion.usage)
    molds = []
    for pattern in kept:
        event = pattern.event.replace(_ID_HOLE, own_id).replace(_USAGE_HOLE, usage)
        texts, fillers = event.count(_TEXT_HOLE), event.count(_FILLER_HOLE)
        if texts != pattern.has_text or fillers != pattern.fills or len(event) > SLICE_BYTES // 2:
            return None
        due_s = due[-1] if pattern.run is None else starts[pattern.run]
        molds.append(_cut(event, due_s, pattern))
    return molds


class _Pattern(msgspec.Struct, frozen=True):
    """An event with a hole for whatever differs between streams of the same shape.

    `run` is the number of the run that it is due with (None: with the last token), `frame` how many bytes stand around its JSON.
    """

    event: bytes
    run: int | None
    has_text: bool
    fills: bool
    frame: int


_kept: dict[Hashable, list[_Pattern] | None] = {}
_MAX_KEPT = 64


def _make_patterns(choice: CompletedChoice, stream: Stream) -> Iterator[_Pattern | None]:
    """The chunks of a stream gone the long way, with a hole for all the tokens of a run, the id and the usage."""
    usage: Any = _USAGE_HOLE.decode()[1:-1]
    identity, numbers = (
        replace(stream.identity, id=_ID_HOLE.decode()),
        [float(k) for k in range(len(choice.tokens) or 1)],
    )
    passed = 0
    for chunk in make_chunks(Completion((choice,), usage), stream.request, identity, numbers):
        data, fills = chunk.data, "obfuscation" in chunk.data
        text = write_json({**data, "obfuscation": _FILLER_HOLE.decode()} if fills else data)
        event = _frame(text, chunk.kind)
        has_text = _TEXT_HOLE in event
        wanted = has_text, fills, chunk.kind == "usage", True
        if tuple(map(event.count, (_TEXT_HOLE, _FILLER_HOLE, _USAGE_HOLE, _ID_HOLE))) != wanted:
            yield None
        passed += has_text
        is_last = passed == len(choice.tokens)
        yield _Pattern(event, None if is_last else int(chunk.due_s), has_text, fills, len(event) - len(text))


def _cut(event: bytes, due_s: float, pattern: _Pattern) -> _Mold:
    """An event cut at its holes for a text and for filler."""
    front, hole, rest = event.partition(_TEXT_HOLE)
    if not hole:
        front, rest = b"", event
    middle, filler, back = rest.partition(_FILLER_HOLE)
    characters = len(event.decode()) - pattern.frame - len(hole.decode()) - len(filler.decode())
    return _Mold(due_s, bool(hole), bool(filler), front, middle, back, len(front) + len(middle) + len(back), characters)


def _frame(data: bytes, kind: str) -> bytes:
    return b"".join(piece.data for piece in encode_events([Event(data, 0.0, kind)]))


def _fill(molds: Iterable[_Mold], runs: Iterable[Sequence[Token]], due: Sequence[float], seed: str) -> Iterator[_Batch]:
    """The events of a stream, some at a time: its molds filled, those with a hole for a text once for each of their run."""
    places, run, first = filler_places(seed), iter(runs), 0
    for mold in molds:
        if not mold.has_text:
            yield [mold.due_s], _pour(mold, [b""], places)
            continue
        tokens = next(run)
        for batch, dues in _portions(mold, tokens, due, first):
            yield dues, _pour(mold, [_encode(token.text) for token in batch], places)
        first += len(tokens)
    done = _frame(DONE, "done")
    yield [due[-1]], [b"%x\r\n%b\r\n" % (len(done), done)]


def _portions(
    mold: _Mold, tokens: Sequence[Token], due: Sequence[float], first: int
) -> Iterator[tuple[Sequence[Token], Sequence[float]]]:
    """The tokens of a run and their due times, some at a time: all that are due together and fit into 64 KiB, else few.

    `first` is the number of the run's first token.
    """
    longest = max([len(token.text) for token in tokens]) * _MOST_BYTES + mold.size
    at, most = 0, SLICE_BYTES // (longest + _HEAD_BYTES + STEP)
    while at < len(tokens):
        end = min(at + most, len(tokens))
        if due[first + at] != due[first + end - 1]:  # what is made long before it is due takes memory while it waits
            end = min(at + _AHEAD, len(tokens))
        yield tokens[at:end], due[first + at : first + end]
        at = end


_MOST_BYTES = 6  # of a character in JSON: an escape
_AHEAD = 4
_HEAD_BYTES = 10


def _pour(mold: _Mold, texts: list[bytes], places: Iterator[int]) -> list[bytes]:
    """A mold filled with each of these texts: the pieces of the events, each of them an HTTP chunk of its own."""
    front, middle, back = mold.front, mold.middle, mold.back + b"\r\n"
    sizes = [*map(len, texts)]
    letters = [0] * len(texts)
    if mold.fills:
        lengths = sizes if b"".join(texts).isascii() else [len(text.decode()) for text in texts]
        letters = [(1 - mold.characters - length) % STEP for length in lengths]
    own = [*map(add, sizes, letters)]
    heads = {size: b"%x\r\n%b" % (mold.size + size, front) for size in set(own)}
    count = len(texts)
    pieces = [middle] * (_PIECES * count)
    pieces[0::_PIECES] = [heads[size] for size in own]
    pieces[1::_PIECES] = texts
    pieces[3::_PIECES] = [FILLER[at : at + length] for length, at in zip(letters, places, strict=False)]
    pieces[4::_PIECES] = [back] * count
    return pieces


_PIECES = 5
"""Of how many pieces an event is made, when it is poured."""


def _alone(batches: Iterable[_Batch]) -> Iterator[Write]:
    """One write for each event."""
    events = chain.from_iterable(map(_split, batches))
    return (Write(due_s, data, True, number) for number, (due_s, data, _) in enumerate(events))


def _together(batches: Iterable[_Batch]) -> Iterator[Write]:
    """What is due at the same moment in one write, of 64 KiB at most."""
    parts: list[bytes] = []
    size, last_s, number, of = 0, 0.0, -1, 0
    for batch in batches:
        dues, pieces = batch
        is_one = dues[0] == dues[-1]  # due times never decrease
        for due_s, data, count in ((dues[0], b"".join(pieces), len(dues)),) if is_one else _split(batch):
            size += len(data)
            if parts and (due_s != last_s or size > SLICE_BYTES):
                yield Write(last_s, b"".join(parts), False, number, of)
                parts, size, of = [], len(data), 0
            last_s = due_s
            number += count
            of += count
            parts.append(data)
    yield Write(last_s, b"".join(parts), False, number, of)


def _split(batch: _Batch) -> Iterator[tuple[float, bytes, int]]:
    """Each event of a batch: its due time, its bytes, and that it is one."""
    dues, pieces = batch
    each = len(pieces) // len(dues)
    for number, due_s in enumerate(dues):
        yield due_s, b"".join(pieces[number * each : (number + 1) * each]), 1
