"""Plain streams: the steps of what departs from OpenAI's stream in nothing, made from tokens with no objects in between.

A stream of some hundred tokens is some hundred times the same event around another text: a mold, and each token is put into
it. No rule of a chunk, an event or an HTTP chunk stands here but this one: the size of an HTTP chunk stands in front.
A property holds the result equal to the long way's, byte for byte and due time for due time.
"""

from collections.abc import Iterable, Iterator, Sequence
from functools import lru_cache
from itertools import chain, count, repeat
from operator import getitem
from typing import NamedTuple, TypeVar

from msgspec.json import encode

from mockserver.chunks import FILLER, STEP, filler_row
from mockserver.delivery import Delivery
from mockserver.http import code_chunked
from mockserver.json_text import COMPACT
from mockserver.message import Message
from mockserver.molds import Mold, find_shape, frame_event
from mockserver.runs import Run, Tokens
from mockserver.sse import PLAIN, SLICE_BYTES
from mockserver.steps import Burst, Step, Write
from mockserver.stream import DONE, Stream
from mockserver.timing import Timing

MAX_PIECE = 2048
"""The longest text of a token, in bytes of JSON: a longer one may make an event that is cut in slices."""


_Item = TypeVar("_Item")


class _Batch(NamedTuple):
    """Some events: the due time of each in seconds, and their bytes, of all in as many pieces."""

    dues: Sequence[float]
    pieces: list[bytes]

    def events(self) -> Iterator[bytes]:
        """The bytes of each event."""
        each = [iter(self.pieces)] * (len(self.pieces) // len(self.dues))
        return map(b"".join, zip(*each, strict=True))

    def moments(self) -> Iterable[tuple[float, int, bytes]]:
        """When some of the events are due, how many, and their bytes: all at once if they are due together, else each alone."""
        dues = self.dues
        if dues[0] == dues[-1]:  # due times never decrease
            return ((dues[0], len(dues), b"".join(self.pieces)),)
        return zip(dues, repeat(1), self.events())


class _Fillers:
    """What fills the events of a stream: where in `FILLER` it may begin, one place after the other, round and round."""

    __slots__ = ("_at", "row")

    def __init__(self, seed: str) -> None:
        self.row, self._at = filler_row(seed)

    def take(self, places: Sequence[_Item], many: int) -> Sequence[_Item]:
        """Those of `places`, one for each of the row's, that the next events have: 64 KiB of events, which are fewer, at most."""
        at, end, around = self._at, self._at + many, len(places)
        self._at = end % around
        return places[at:end] if end <= around else [*places[at:], *places[: end - around]]


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


def plain_writes(stream: Stream) -> tuple[Sequence[float], Iterator[Step]] | None:
    """The due times of a plain stream's tokens in seconds, and the writes of its body; None if no molds can be made of it."""
    tokens = stream.completion.choices[0].tokens
    tokens = tokens if isinstance(tokens, Tokens) else Tokens(tokens)
    shape = find_shape(stream, tokens) if tokens.largest <= MAX_PIECE else None
    if shape is None:
        return None
    own = shape.write_own(stream.identity)
    if shape.largest + len(own) > SLICE_BYTES // 2:
        return None
    due = stream.schedule.take(len(tokens) or 1)
    batches = _fill(stream, shape.molds, own, tokens, due)
    is_alone = stream.delivery.writes.mode == "event"
    writes = _alone(batches) if is_alone else _together(batches)
    return due, chain(writes, (Write(due[-1], _LAST_CHUNK, is_alone),))


_DONE_EVENT = frame_event(DONE, "done")
_DONE = b"%x\r\n%b\r\n" % (len(_DONE_EVENT), _DONE_EVENT)
_LAST_CHUNK = b"".join([piece.data for piece in code_chunked(())])


def _fill(stream: Stream, molds: Iterable[Mold], own: bytes, tokens: Tokens, due: Sequence[float]) -> Iterator[_Batch]:
    """The events of a stream, some at a time: its molds filled, those with a hole for a text once for each of their run."""
    fillers = _Fillers(stream.identity.seed)
    rest, first = iter(tokens.runs), 0
    for mold in molds:
        if not mold.has_text:
            text = encode(stream.completion.usage) if mold.has_usage else b""
            # What precedes the text of a run is due with it, what comes behind the last text with that.
            yield _Batch([due[min(first, len(due) - 1)]], [_pour_alone(mold, own, text, fillers)])
            continue
        run = next(rest)
        frame = _make_frame(mold, own, run, fillers.row)
        dues = due[first : first + len(run.tokens)]
        most = SLICE_BYTES // (run.largest + len(own) + mold.size + _LINES + STEP)
        for begin, end in _portions(dues, most):
            yield _Batch(dues[begin:end], frame.pour(run.texts(begin, end), run.lengths[1][begin:end], fillers))
        first += len(dues)
    yield _Batch(due[-1:], [_DONE])


def _portions(due: Sequence[float], most: int) -> Iterator[tuple[int, int]]:
    """Where some tokens of a run begin and end: all that are due together, `most` at most, else few."""
    at = 0
    while at < len(due):
        end = min(at + most, len(due))
        if due[at] != due[end - 1]:  # what is made long before it is due takes memory while it waits
            end = min(at + _AHEAD, len(due))
        yield at, end
        at = end


_AHEAD = 8
_LINES = len(b"ffff\r\n\r\n")


class _Frame(NamedTuple):
    """What stands around the texts of a run; `sizes` and `ends` depend on how long a text is: there is one for each length."""

    sizes: list[bytes]
    front: bytes
    middle: bytes
    ends: list[list[bytes]]

    def pour(self, texts: list[bytes], lengths: Sequence[int], fillers: _Fillers) -> list[bytes]:
        """The pieces of the events of some texts, each of which is an HTTP chunk of its own."""
        sizes, front, middle, ends = self
        pieces = [b"", front, b"", middle, b""] * len(texts)
        pieces[2::_PIECES] = texts
        if len(sizes) == 1:
            pieces[0::_PIECES] = sizes * len(texts)
            pieces[4::_PIECES] = fillers.take(ends[0], len(texts))
        else:
            pieces[0::_PIECES] = map(sizes.__getitem__, lengths)
            pieces[4::_PIECES] = map(
                getitem, map(ends.__getitem__, lengths), fillers.take(range(len(fillers.row)), len(texts))
            )
        return pieces


_PIECES = 5
"""Of how many pieces an event is poured: its size, what stands in front of the text, the text, what stands behind, the end."""


def _make_frame(mold: Mold, own: bytes, run: Run, row: range) -> _Frame:
    size, characters = len(own) + mold.size, len(own.decode()) + mold.characters
    sizes, ends = [], []
    for text_size, text_characters in run.lengths[0]:
        letters = (1 - characters - text_characters) % STEP if mold.fills else 0
        sizes.append(b"%x\r\n" % (size + text_size + letters))
        ends.append(_make_ends(row, letters, mold.back))
    return _Frame(sizes, own + mold.front, mold.middle, ends)


def _pour_alone(mold: Mold, own: bytes, text: bytes, fillers: _Fillers) -> bytes:
    """The one event of a mold that has no hole for a token's text."""
    characters = len(own.decode()) + mold.characters + len(text)
    letters = (1 - characters) % STEP if mold.fills else 0
    [at] = fillers.take(fillers.row, 1)
    filler, size = FILLER[at : at + letters], len(own) + mold.size + len(text) + letters
    return b"%x\r\n%b%b%b%b%b%b\r\n" % (size, own, mold.front, text, mold.middle, filler, mold.back)


@lru_cache(512)
def _make_ends(row: range, letters: int, back: bytes) -> list[bytes]:
    """All ends of an event, in the order in which a stream takes them: so they lie in memory too, and are found the fastest."""
    return [b"%b%b\r\n" % (FILLER[at : at + letters], back) for at in row]


def _alone(batches: Iterable[_Batch]) -> Iterator[Write | Burst]:
    """One write for each event; those of a batch that are due together are a burst."""
    number = 0
    for batch in batches:
        dues = batch.dues
        if len(dues) > 1 and dues[0] == dues[-1]:  # due times never decrease
            yield Burst(dues[0], [*batch.events()], number)
        else:
            yield from map(Write, dues, batch.events(), repeat(True), count(number))
        number += len(dues)


def _together(batches: Iterable[_Batch]) -> Iterator[Write]:
    """What is due at the same moment in one write, of 64 KiB at most."""
    parts: list[bytes] = []
    size, last_s, number, of = 0, 0.0, -1, 0
    for batch in batches:
        for due_s, events, data in batch.moments():
            size += len(data)
            if parts and (due_s != last_s or size > SLICE_BYTES):
                yield Write(last_s, b"".join(parts), False, number, of)
                parts, size, of = [], len(data), 0
            last_s = due_s
            number += events
            of += events
            parts.append(data)
    yield Write(last_s, b"".join(parts), False, number, of)
