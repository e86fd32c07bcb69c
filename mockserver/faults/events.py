"""Faults of events: malformed, doubled, dropped, swapped, what follows [DONE], nothing but [DONE] or comments."""

from collections.abc import Iterable, Iterator
from typing import Annotated, ClassVar, Literal

import msgspec
from msgspec import Meta
from msgspec.structs import replace

from mockserver.faults.fault import Around, Fault, FaultArrow, find_event
from mockserver.faults.landmarks import Landmarks
from mockserver.faults.large import say
from mockserver.place import EventRef
from mockserver.quirks.quirk import Right
from mockserver.shorthand import default
from mockserver.sse import Event

Ref = Annotated[EventRef, Meta(description="Which event.")]
_FIRST_TEXT = EventRef(1)
_ALL = ("content", "tool_calls", "refusal", "reasoning", "finish_reason", "usage", "tool_ids")


class _EventFault(Fault, frozen=True):
    """A fault that strikes one event."""

    arrow: ClassVar[FaultArrow] = "events"
    event: Ref = default(_FIRST_TEXT)

    def right_in(self, stream: Landmarks) -> Right:
        number = stream.number(self.event)
        return "same" if number is None else self.right_at(stream.kinds[number])

    def right_at(self, kind: str) -> Right:
        """The verdict where an event of that kind is struck."""
        raise NotImplementedError

    def on_events(self, events: Iterable[Event], around: Around) -> Iterator[Event]:
        for where, event in find_event(self.event, events, around):
            if where == "here":
                yield from self.strike(event)
            else:
                yield event

    def strike(self, event: Event) -> Iterator[Event]:
        """What comes in place of the event."""
        raise NotImplementedError


class BadJson(_EventFault, frozen=True, tag="bad_json"):
    """The event's data is no JSON: a colon is missing, or it is what `data` says."""

    sent_by: ClassVar[str] = "encoders, proxies"
    data: Annotated[str | None, Meta(description="The data to send in its place.")] = None

    def right_at(self, kind: str) -> Right:
        # Whoever has the finish may read no further; and of data that is JSON or empty after all, no rule tells.
        return "either" if kind == "done" or _is_json(self.data) else "error"

    def hides_in(self, stream: Landmarks) -> tuple[str, ...]:
        """All, where what came in the event's place may be passed over without a word: what it said came to nobody."""
        number = stream.number(self.event)
        passed_over = number is not None and stream.kinds[number] not in ("done", "whole") and _is_json(self.data)
        return _ALL if passed_over else super().hides_in(stream)

    def strike(self, event: Event) -> Iterator[Event]:
        if self.data is not None:
            yield replace(event, data=self.data.encode())
            return
        damaged = event.data.replace(b'":', b'"', 1)
        yield replace(event, data=damaged if damaged != event.data else b"}" + event.data)


def _is_json(data: str | None) -> bool:
    try:
        msgspec.json.decode(data or "null")
    except msgspec.DecodeError:
        return False
    return data is not None


class HalfEvent(_EventFault, frozen=True, tag="half_event"):
    """The event's data is cut in half; its framing is kept."""

    sent_by: ClassVar[str] = "proxies with a buffer limit"

    def right_at(self, kind: str) -> Right:
        return "either" if kind == "done" else "error"

    def strike(self, event: Event) -> Iterator[Event]:
        # Half of one byte would be none, and no data is passed over.
        yield replace(event, data=event.data[: max(len(event.data) // 2, 1)])


class _Unnoticed(_EventFault, frozen=True):
    """A fault that no consumer could know of: where one reports no error, nothing is expected of what it made of it."""

    harmless: ClassVar[tuple[str, ...]] = ()
    """The kinds of events with which it changes nothing."""

    def right_at(self, kind: str) -> Right:
        return "error" if kind == "whole" else "same" if kind in self.harmless else "either"

    def hides_in(self, stream: Landmarks) -> tuple[str, ...]:
        return _ALL if self.right_in(stream) == "either" else ()


class BadUtf8(_Unnoticed, frozen=True, tag="bad_utf8"):
    """Bytes that are not UTF-8 stand inside a text of the event."""

    sent_by: ClassVar[str] = "byte-level tokenizers"
    bytes: Annotated[str, Meta(pattern="^([0-9a-fA-F]{2})+$", description="The bytes, in hexadecimal.")] = "fffe"

    def right_at(self, kind: str) -> Right:
        return "either"

    def strike(self, event: Event) -> Iterator[Event]:
        for key in (b'"content":"', b'"arguments":"', b'"model":"'):
            at = event.data.find(key)
            if at >= 0:
                at += len(key)
                break
        else:
            at = len(event.data) // 2
        yield replace(event, data=event.data[:at] + bytes.fromhex(self.bytes) + event.data[at:])


class Duplicate(_Unnoticed, frozen=True, tag="duplicate"):
    """The event comes twice."""

    sent_by: ClassVar[str] = "proxies and queues that try again"
    harmless: ClassVar[tuple[str, ...]] = ("usage", "done")

    def strike(self, event: Event) -> Iterator[Event]:
        yield event
        yield event


class Drop(_Unnoticed, frozen=True, tag="drop"):
    """The event does not come."""

    sent_by: ClassVar[str] = "proxies, queues that are full"
    harmless: ClassVar[tuple[str, ...]] = ("usage", "done")

    def hides_in(self, stream: Landmarks) -> tuple[str, ...]:
        number = stream.number(self.event)
        is_usage = number is not None and stream.kinds[number] == "usage"
        return ("usage",) if is_usage else super().hides_in(stream)

    def strike(self, event: Event) -> Iterator[Event]:
        yield from ()


class Swap(_Unnoticed, frozen=True, tag="swap"):
    """The event and the one after it change places; the last one has none to change with."""

    sent_by: ClassVar[str] = "queues with several workers"

    def right_in(self, stream: Landmarks) -> Right:
        number = stream.number(self.event)
        return "same" if number is None or number + 1 >= len(stream.kinds) else "either"

    def on_events(self, events: Iterable[Event], around: Around) -> Iterator[Event]:
        held: Event | None = None
        for where, event in find_event(self.event, events, around):
            if where == "here":
                held = event
                continue
            yield event
            if held is not None:
                yield replace(held, due_s=max(held.due_s, event.due_s))
                held = None
        if held is not None:
            yield held


class DoneSuffix(_EventFault, frozen=True, tag="done_suffix"):
    """Before the event comes another one: [DONE] with something right behind it, which is no [DONE]."""

    sent_by: ClassVar[str] = "forgers, proxies"
    event: Annotated[EventRef, Meta(description="Before which event.")] = default(EventRef(2))
    text: Annotated[str, Meta(description="What stands behind [DONE]; a line end begins a second data line.")] = "xyz"

    def right_at(self, kind: str) -> Right:
        return "either" if kind == "done" or self._is_done_to_some(kind) else "error"

    def hides_in(self, stream: Landmarks) -> tuple[str, ...]:
        number = stream.number(self.event)
        early = number is not None and stream.kinds[number] != "done" and self._is_done_to_some(stream.kinds[number])
        return _ALL if early else super().hides_in(stream)

    def _is_done_to_some(self, kind: str) -> bool:
        """Whether nothing but white space stands behind it: no rule tells, and to whoever trims that is the end."""
        return kind != "whole" and not self.text.strip()

    def strike(self, event: Event) -> Iterator[Event]:
        yield Event(b"[DONE]" + self.text.encode(), event.due_s, "extra")
        yield event


class AfterDone(Fault, frozen=True, tag="after_done"):
    """Events come after [DONE]: a chunk with more text and a second [DONE], or what `events` says."""

    arrow: ClassVar[FaultArrow] = "events"
    sent_by: ClassVar[str] = "proxies"
    events: Annotated[tuple[str, ...], Meta(description="The data of each event.")] = ()

    def right_in(self, stream: Landmarks) -> Right:
        return "same"

    def on_events(self, events: Iterable[Event], around: Around) -> Iterator[Event]:
        for event in events:
            yield event
            if event.kind == "done":
                more = [text.encode() for text in self.events] or [say(around.chunk, "XX"), b"[DONE]"]
                yield from (Event(data, event.due_s, "extra") for data in more)


class Only(Fault, frozen=True, tag="only"):
    """Nothing of the stream comes but [DONE], or comments, or nothing at all."""

    arrow: ClassVar[FaultArrow] = "events"
    sent_by: ClassVar[str] = "crashed backends, OpenRouter, proxies"
    what: Annotated[Literal["done", "comments", "nothing"], Meta(description="What comes.")] = "nothing"

    def on_events(self, events: Iterable[Event], around: Around) -> Iterator[Event]:
        for event in events:
            if self.what == "comments":
                yield replace(event, data=b"", raw=b": keep-alive\n\n", kind="comment")
            elif self.what == "done" and event.kind == "done":
                yield event


TABLE = (BadJson, HalfEvent, BadUtf8, Duplicate, Drop, Swap, DoneSuffix, AfterDone, Only)
