"""Faults of events: malformed, doubled, dropped, swapped, errors told in the stream, what comes after [DONE]."""

from collections.abc import Iterable, Iterator
from typing import Annotated, Any, ClassVar, Literal

import msgspec
from msgspec import Meta
from msgspec.structs import replace

from mockserver.faults.fault import Around, Fault, FaultArrow
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
    event: EventRef = default(_FIRST_TEXT)

    def on_events(self, events: Iterable[Event], around: Around) -> Iterator[Event]:
        for number, event in enumerate(events):
            if self.event.names(number, event.kind):
                yield from self.strike(event)
            else:
                yield event

    def strike(self, event: Event) -> Iterator[Event]:
        """What comes in place of the event."""
        yield event


class BadJson(_EventFault, frozen=True, tag="bad_json"):
    """The event's data is no JSON: a colon is missing, or it is what `data` says."""

    sent_by: ClassVar[str] = "encoders, proxies"
    data: Annotated[str | None, Meta(description="The data to send in its place.")] = None

    def strike(self, event: Event) -> Iterator[Event]:
        damaged = event.data.replace(b'":', b'"', 1) if self.data is None else self.data.encode()
        yield replace(event, data=damaged if damaged != event.data else event.data + b"}")


class HalfEvent(_EventFault, frozen=True, tag="half_event"):
    """The event's data is cut in half; its framing is kept."""

    sent_by: ClassVar[str] = "proxies with a buffer limit"

    def strike(self, event: Event) -> Iterator[Event]:
        yield replace(event, data=event.data[: len(event.data) // 2])


class BadUtf8(_EventFault, frozen=True, tag="bad_utf8"):
    """Bytes that are not UTF-8 stand inside a text of the event."""

    sent_by: ClassVar[str] = "byte-level tokenizers"
    bytes: Annotated[str, Meta(pattern="^([0-9a-fA-F]{2})+$", description="The bytes, in hexadecimal.")] = "fffe"

    @property
    def right(self) -> Right:
        return "either"

    @property
    def hides(self) -> tuple[str, ...]:
        return _ALL if self.right == "either" else ()

    def strike(self, event: Event) -> Iterator[Event]:
        for key in (b'"content":"', b'"arguments":"', b'"model":"'):
            at = event.data.find(key)
            if at >= 0:
                at += len(key)
                break
        else:
            at = len(event.data) // 2
        yield replace(event, data=event.data[:at] + bytes.fromhex(self.bytes) + event.data[at:])


class Duplicate(_EventFault, frozen=True, tag="duplicate"):
    """The event comes twice."""

    @property
    def right(self) -> Right:
        return "same" if self.event.value in ("done", "usage") else "either"

    @property
    def hides(self) -> tuple[str, ...]:
        return _ALL if self.right == "either" else ()

    def strike(self, event: Event) -> Iterator[Event]:
        yield event
        yield event


class Drop(_EventFault, frozen=True, tag="drop"):
    """The event does not come."""

    @property
    def right(self) -> Right:
        return "same" if self.event.value == "done" else "either"

    @property
    def hides(self) -> tuple[str, ...]:
        return _ALL if self.right == "either" else ()

    def strike(self, event: Event) -> Iterator[Event]:
        yield from ()


class Swap(Fault, frozen=True, tag="swap"):
    """The event and the one after it change places."""

    arrow: ClassVar[FaultArrow] = "events"
    event: EventRef = default(_FIRST_TEXT)

    @property
    def right(self) -> Right:
        return "either"

    @property
    def hides(self) -> tuple[str, ...]:
        return _ALL if self.right == "either" else ()

    def on_events(self, events: Iterable[Event], around: Around) -> Iterator[Event]:
        held: Event | None = None
        for number, event in enumerate(events):
            if held is not None:
                yield replace(event, due_s=max(held.due_s, event.due_s))
                yield replace(held, due_s=max(held.due_s, event.due_s))
                held = None
            elif self.event.names(number, event.kind):
                held = event
            else:
                yield event
        if held is not None:
            yield held


class DoneSuffix(Fault, frozen=True, tag="done_suffix"):
    """Something stands right behind [DONE], in the place of an event of the stream and before the rest of it."""

    arrow: ClassVar[FaultArrow] = "events"
    event: EventRef = default(EventRef(2))
    text: str = "xyz"

    def on_events(self, events: Iterable[Event], around: Around) -> Iterator[Event]:
        for number, event in enumerate(events):
            if self.event.names(number, event.kind):
                yield Event(b"[DONE]" + self.text.encode(), event.due_s, "extra")
            yield event


class AfterDone(Fault, frozen=True, tag="after_done"):
    """Events come after [DONE]: a chunk with more text and a second [DONE], or what `events` says."""

    arrow: ClassVar[FaultArrow] = "events"
    sent_by: ClassVar[str] = "proxies"
    events: Annotated[tuple[str, ...], Meta(description="The data of each event.")] = ()

    @property
    def right(self) -> Right:
        return "same"

    def on_events(self, events: Iterable[Event], around: Around) -> Iterator[Event]:
        due_s = 0.0
        for event in events:
            due_s = event.due_s
            yield event
        more = tuple(text.encode() for text in self.events) or (_more_text(around.chunk), b"[DONE]")
        for data in more:
            yield Event(data, due_s, "extra")


def _more_text(chunk: bytes) -> bytes:
    data: dict[str, Any] = msgspec.json.decode(chunk)
    choice = {"index": 0, "delta": {"content": "XX"}, "logprobs": None, "finish_reason": None}
    return msgspec.json.encode({**data, "choices": [choice]})


class Only(Fault, frozen=True, tag="only"):
    """Nothing of the stream comes but [DONE], or comments, or nothing at all."""

    arrow: ClassVar[FaultArrow] = "events"
    sent_by: ClassVar[str] = "crashed backends, OpenRouter, proxies"
    what: Literal["done", "comments", "nothing"] = "nothing"

    def on_events(self, events: Iterable[Event], around: Around) -> Iterator[Event]:
        for event in events:
            if self.what == "comments":
                yield replace(event, data=b"", raw=b": keep-alive\n\n", kind="comment")
            elif self.what == "done" and event.kind == "done":
                yield event


TABLE = (BadJson, HalfEvent, BadUtf8, Duplicate, Drop, Swap, DoneSuffix, AfterDone, Only)
