"""What each fault of a stream comes to beside the others: it is judged by the stream as those before it leave it.

Faults may undo one another: an event of bad JSON is dropped again, the stream ends before it, or what some take for its end
comes first. A fault of which nothing is read has no verdict; where that is so to some readers only, no rule tells.
"""

from collections.abc import Iterable, Iterator, Sequence

from msgspec import Struct
from msgspec.structs import replace

from mockserver.faults import AnyFault, Landmarks, find_landmarks
from mockserver.http import Http, code_content
from mockserver.quirks.quirk import Right
from mockserver.sse import SLICE_BYTES, Event, Slice
from mockserver.stream import DONE, Stream


class Strike(Struct, frozen=True):
    """A fault as it strikes a stream: its verdict, and the fields of the outcome that it hides."""

    fault: AnyFault
    right: Right
    hides: tuple[str, ...] = ()


_Said = tuple[str | None, bytes]
"""What an event says, whenever it is due: its name and its data, or the bytes in place of both."""


class _Found(Struct, frozen=True):
    """A fault and the stream that it finds. `made` is what it puts in that was not there; None: it changes nothing."""

    fault: AnyFault
    landmarks: Landmarks
    events: Sequence[Event]
    made: frozenset[_Said] | None = frozenset()


def find_strikes(stream: Stream) -> list[Strike]:
    """What the faults of a stream do to those who read it, in the order in which they are given."""
    if not stream.faults:
        return []
    found, events = _strike_events(stream)
    found += _strike_bytes(stream, events)
    to_all, to_some = (_judge(found, events, trims) for trims in (False, True))
    strikes = [_join(one, other) for one, other in zip(to_all, to_some, strict=True)]
    return sorted(strikes, key=lambda strike: stream.faults.index(strike.fault))


def _join(one: Strike, other: Strike) -> Strike:
    """What is to be said of a fault that two readers find so."""
    return Strike(one.fault, one.right if one.right == other.right else "either", tuple({*one.hides, *other.hides}))


def _strike_events(stream: Stream) -> tuple[list[_Found], list[Event]]:
    """The faults of events, each with what it finds, and the events as they leave them."""
    around, events = stream.around, list(replace(stream, faults=()).events())
    found = []
    for fault in stream.faults:
        if fault.arrow == "events":
            landmarks = Landmarks(tuple(event.kind for event in events), ())
            struck = list(fault.on_events(events, around))
            before, after = ([_say(event) for event in some] for some in (events, struck))
            made = None if before == after else frozenset(after).difference(before)
            found.append(_Found(fault, landmarks, events, made))
            events = struck
    return found, events


def _say(event: Event) -> _Said:
    return (event.name, event.data) if event.raw is None else (None, event.raw)


def _strike_bytes(stream: Stream, events: Sequence[Event]) -> Iterator[_Found]:
    """The faults of the body and of what is made of it; of a coding it is taken that the request offers it."""
    before = [fault for fault in stream.faults if fault.arrow == "events"]
    for fault in stream.faults:
        if fault.arrow == "body":
            yield _Found(fault, _find_landmarks(stream, before), events)
            before.append(fault)
    others = [fault for fault in stream.faults if fault.arrow not in ("events", "body")]
    if others:
        http = stream.delivery.http
        for fault in stream.faults:
            http = fault.on_http(http)
        landmarks = _find_landmarks(stream, before, http)
        yield from (_Found(fault, landmarks, events) for fault in others)


def _find_landmarks(stream: Stream, faults: Sequence[AnyFault], http: Http | None = None) -> Landmarks:
    """The landmarks of the body with some faults, in the content coding that `http` has."""
    body, flush = _render(stream, faults), None
    if http is not None and http.coding is not None:
        body, flush = code_content(body, http.coding, http.flush), http.flush
    return replace(find_landmarks(body, flush), choices=stream.around.choices)


def _render(stream: Stream, faults: Sequence[AnyFault]) -> Iterator[Slice]:
    """The body with some faults; of what has no end, and behind which nothing comes, only the beginning."""
    endless = 0
    for piece in replace(stream, faults=tuple(faults)).body():
        yield piece
        endless += len(piece.data) if piece.kind == "endless" else 0
        if endless >= SLICE_BYTES:
            return


def _judge(found: Iterable[_Found], events: Sequence[Event], trims: bool) -> list[Strike]:
    """The strikes as they are to one reader."""
    as_read = [replace(one, landmarks=replace(one.landmarks, over=_find_end(one.events, trims))) for one in found]
    cuts = [cut for one in as_read if (cut := one.fault.cuts_at(one.landmarks)) is not None]
    if 0 in cuts:  # whatever was done to the events, none of them is read
        return [_judge_one(one) if one.fault.arrow != "events" else Strike(one.fault, "same") for one in as_read]
    read = {_say(event) for event in read_events(events[: min(cuts, default=None)], trims)}
    return [Strike(one.fault, "same") if _is_undone(one, read) else _judge_one(one) for one in as_read]


def read_events(events: Iterable[Event], trims: bool = False) -> Iterator[Event]:
    """The events up to the one that ends the stream.

    To every reader that is `[DONE]` (OpenAI); to one that trims also what is that but for white space around it.
    """
    for event in events:
        yield event
        if _is_end(event, trims):
            return


def _is_end(event: Event, trims: bool) -> bool:
    return (event.data.strip() if trims else event.data) == DONE


def _find_end(events: Sequence[Event], trims: bool) -> int | None:
    return next((number for number, event in enumerate(events) if _is_end(event, trims)), None)


def _is_undone(one: _Found, read: set[_Said]) -> bool:
    """Whether nothing is read of what a fault puts in, or it changes nothing."""
    return one.made is None or (bool(one.made) and one.made.isdisjoint(read))


def _judge_one(one: _Found) -> Strike:
    return Strike(one.fault, one.fault.right_in(one.landmarks), one.fault.hides_in(one.landmarks))
