"""Plain streams: the steps of what departs from OpenAI's stream in nothing, made from tokens with no objects in between.

A stream of some hundred tokens is some hundred times the same event around another text: a mold, and each token is put into
it. No rule of a chunk, an event or an HTTP chunk stands here but this one: the size of an HTTP chunk stands in front.
A property holds the result equal to the long way's, byte for byte and due time for due time.
"""

from collections.abc import Iterable, Iterator, Sequence
from functools import lru_cache
from operator import getitem
from typing import Any, NamedTuple, cast

from mockserver.chunks import FILLER, STEP, filler_row
from mockserver.completion import Run, Tokens
from mockserver.delivery import Delivery
from mockserver.json_text import COMPACT
from mockserver.message import Message
from mockserver.molds import Mold, frame_event, make_molds
from mockserver.sse import PLAIN, SLICE_BYTES
from mockserver.steps import Burst, Step, Write
from mockserver.stream import DONE, Stream
from mockserver.timing import Timing

MAX_PIECE = 2048
"""The longest text of a token, in bytes of JSON: a longer one may make an event that is cut in slices."""


class _Batch(NamedTuple):
    """Some events: the due time of each in seconds, and their bytes, of all in as many pieces."""

    dues: Sequence[float]
    pieces: list[bytes]


class _Fillers:
    """What fills the events of a stream: where in `FILLER` it may begin, one place after the other, round and round."""

    __slots__ = ("_at", "row")

    def __init__(self, seed: str) -> None:
        self.row, self._at = filler_row(seed)

    def take(self, count: int) -> Sequence[int]:
        """The numbers of the places for the next events."""
        at, places = self._at, len(self.row)
        self._at = (at + count) % places
        numbers = range(at, at + count)
        return numbers if at + count <= places else [number % places for number in numbers]


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
    due = stream.schedule.take(len(tokens) or 1)
    runs = (tokens if isinstance(tokens, Tokens) else Tokens(tokens)).runs
    if any(run.largest > MAX_PIECE for run in runs):
        return None
    molds = make_molds(stream, runs, due)
    if molds is None:
        return None
    batches = _fill(molds, runs, due, stream.identity.seed)
    return _alone(batches) if stream.delivery.writes.mode == "event" else _together(batches)


_DONE_EVENT = frame_event(DONE, "done")
_DONE = b"%x\r\n%b\r\n" % (len(_DONE_EVENT), _DONE_EVENT)


def _fill(molds: Iterable[Mold], runs: Iterable[Run], due: Sequence[float], seed: str) -> Iterator[_Batch]:
    """The events of a stream, some at a time: its molds filled, those with a hole for a text once for each of their run."""
    fillers = _Fillers(seed)
    rest, first = iter(runs), 0
    for mold in molds:
        if not mold.has_text:
            yield _Batch([mold.due_s], [_pour_alone(mold, fillers)])
            continue
        run = next(rest)
        own, most = due[first : first + len(run.tokens)], SLICE_BYTES // (run.largest + mold.size + _HEAD_BYTES + STEP)
        for begin, end in _portions(own, most):
            yield _pour(own[begin:end], mold, run, begin, end, fillers)
        first += len(own)
    yield _Batch([due[-1]], [_DONE])


def _portions(due: Sequence[float], most: int) -> Iterator[tuple[int, int]]:
    """Where some tokens of a run begin and end: all that are due together, `most` at most, else few."""
    at = 0
    while at < len(due):
        end = min(at + most, len(due))
        if due[at] != due[end - 1]:  # what is made long before it is due takes memory while it waits
            end = min(at + _AHEAD, len(due))
        yield at, end
        at = end


_AHEAD = 4
_HEAD_BYTES = 10


def _pour(dues: Sequence[float], mold: Mold, run: Run, begin: int, end: int, fillers: _Fillers) -> _Batch:
    """A mold filled with some texts of a run: the pieces of the events, each of them an HTTP chunk of its own.

    What stands around a text depends on its length alone, so it is made once for each length that there is.
    """
    texts, lengths = run.texts(begin, end), cast(list[Any], run.sizes[begin:end])
    count, is_ascii = len(texts), run.is_ascii
    if not is_ascii:
        lengths = [*zip(lengths, [len(text.decode()) for text in texts], strict=True)]
    heads, ends = {}, {}
    for length in {*lengths}:
        size, characters = (length, length) if is_ascii else length
        letters = (1 - mold.characters - characters) % STEP if mold.fills else 0
        ends[length] = _make_ends(fillers.row, letters, mold.back)
        heads[length] = b"%x\r\n%b" % (mold.size + size + letters, mold.front)
    pieces = [mold.middle] * (_PIECES * count)
    is_even = len(heads) == 1
    pieces[0::_PIECES] = [*heads.values()] * count if is_even else map(heads.__getitem__, lengths)
    pieces[1::_PIECES] = texts
    own = [*ends.values()] * count if is_even else map(ends.__getitem__, lengths)
    pieces[3::_PIECES] = map(getitem, own, fillers.take(count))
    return _Batch(dues, pieces)


def _pour_alone(mold: Mold, fillers: _Fillers) -> bytes:
    """The one event of a mold that has no hole for a text."""
    letters = (1 - mold.characters) % STEP if mold.fills else 0
    at = fillers.row[fillers.take(1)[0]]
    filler = FILLER[at : at + letters]
    return b"%x\r\n%b%b%b%b\r\n" % (mold.size + letters, mold.front, mold.middle, filler, mold.back)


@lru_cache(512)
def _make_ends(row: range, letters: int, back: bytes) -> list[bytes]:
    """All ends of an event, in the order in which a stream takes them: so they lie in memory too, and are found the fastest."""
    return [b"%b%b\r\n" % (FILLER[at : at + letters], back) for at in row]


_PIECES = 4
"""Of how many pieces an event is made, when it is poured: what stands before its text, the text, what stands behind, the end."""


def _alone(batches: Iterable[_Batch]) -> Iterator[Write | Burst]:
    """One write for each event; those of a batch that are due together are a burst."""
    number = 0
    for batch in batches:
        dues = batch.dues
        if len(dues) > 1 and dues[0] == dues[-1]:  # due times never decrease
            yield Burst(dues[0], [b"".join(pieces) for _, pieces in _split(batch)], number)
            number += len(dues)
            continue
        for due_s, pieces in _split(batch):
            yield Write(due_s, b"".join(pieces), True, number)
            number += 1


def _together(batches: Iterable[_Batch]) -> Iterator[Write]:
    """What is due at the same moment in one write, of 64 KiB at most."""
    parts: list[bytes] = []
    size, last_s, number, of = 0, 0.0, -1, 0
    for batch in batches:
        is_one = batch.dues[0] == batch.dues[-1]  # due times never decrease
        for dues, pieces in (batch,) if is_one else _singly(batch):
            data = b"".join(pieces)
            size += len(data)
            if parts and (dues[0] != last_s or size > SLICE_BYTES):
                yield Write(last_s, b"".join(parts), False, number, of)
                parts, size, of = [], len(data), 0
            last_s = dues[0]
            number += len(dues)
            of += len(dues)
            parts.append(data)
    yield Write(last_s, b"".join(parts), False, number, of)


def _singly(batch: _Batch) -> Iterator[tuple[Sequence[float], Sequence[bytes]]]:
    """Each event of a batch as a batch of its own."""
    for due_s, pieces in _split(batch):
        yield [due_s], pieces


def _split(batch: _Batch) -> Iterator[tuple[float, Sequence[bytes]]]:
    """The events of a batch: the due time and the pieces of each."""
    each = [iter(batch.pieces)] * (len(batch.pieces) // len(batch.dues))
    return zip(batch.dues, zip(*each, strict=True), strict=True)
