"""A stream from its meaning to the bytes of its body: chunks -> events -> body bytes, each arrow one method.

Nothing here knows HTTP; `mockserver.plan` makes a message of the body.
"""

import re
from collections.abc import Iterable, Iterator
from itertools import chain, repeat
from typing import Any

from msgspec import Struct
from msgspec.structs import replace

from mockserver.chat_completion import make_completion
from mockserver.chunks import Chunk, Identity, make_chunks, obfuscate
from mockserver.completion import Completion
from mockserver.delivery import Delivery
from mockserver.edits import edit_chunks, find_kind, insert_events, raw_events
from mockserver.faults import AnyFault, Around
from mockserver.json_text import write_json
from mockserver.quirks import bend
from mockserver.request import ChatRequest
from mockserver.sse import Event, Slice, cut_slice, encode_events
from mockserver.timing import Schedule

DONE = b"[DONE]"
_EVERYTHING = 1 << 60


class Stream(Struct, frozen=True):
    """One streamed answer: all that decides the bytes of its body. `faults` are those that strike."""

    completion: Completion
    request: ChatRequest
    identity: Identity
    schedule: Schedule
    delivery: Delivery
    faults: tuple[AnyFault, ...] = ()

    def chunks(self) -> Iterator[Chunk]:
        """The chunks, bent by the quirks and edited."""
        quirks, delivery = self.delivery.quirks, self.delivery
        request, completion = self.request, self.completion
        if quirks:
            request = bend("request", request, quirks)
            choices = tuple(bend("tokens", choice, quirks) for choice in completion.choices)
            completion = replace(completion, choices=choices)
        chunks = make_chunks(completion, request, self.identity, self.schedule, _group(delivery.group))
        if request.include_obfuscation:
            chunks = obfuscate(chunks, self.identity.seed)
        chunks = bend("chunks", chunks, quirks)
        return edit_chunks(chunks, delivery.edits) if delivery.edits else chunks

    def events(self) -> Iterable[Event]:
        """The events, with insertions and faults."""
        delivery = self.delivery
        if delivery.raw is not None:
            events: Iterable[Event] = raw_events(delivery.raw, self.schedule, delivery.json)
        else:
            events = self._events_of_chunks()
        events = bend("events", events, delivery.quirks)
        if delivery.inserts:
            events = insert_events(events, delivery.inserts, self._common(), delivery.json)
        for fault in self.faults:
            events = fault.on_events(events, self.around)
        return events

    def _events_of_chunks(self) -> Iterator[Event]:
        due_s, style = 0.0, self.delivery.json
        for chunk in self.chunks():
            due_s = chunk.due_s
            yield Event(write_json(chunk.data, style), due_s, chunk.kind)
        yield Event(DONE, due_s, "done")

    def body(self) -> Iterator[Slice]:
        """The bytes of the body, before any coding and cut; a slice of no bytes stands at the end."""
        raw = self.delivery.raw
        if raw is not None and raw.body_bytes is not None:
            body: Iterable[Slice] = raw_slices(raw.body_bytes, self.schedule)
        else:
            body = encode_events(self.events(), bend("framing", self.delivery.framing, self.delivery.quirks))
        return _strike(body, self)

    @property
    def around(self) -> Around:
        """What faults may know of this stream."""
        return Around(write_json({**self._common(), "choices": []}), len(self.completion.choices), self._render_whole)

    @property
    def due_s(self) -> float:
        """When the first event is due."""
        return self.schedule.ttft_s

    def _render_whole(self) -> bytes:
        return write_json(make_completion(self.completion, self.request, self.identity), self.delivery.json)

    def _common(self) -> dict[str, Any]:
        identity = self.identity
        return {
            "id": identity.id,
            "object": "chat.completion.chunk",
            "created": identity.created,
            "model": identity.model,
        }


class WholeAnswer(Struct, frozen=True):
    """An answer that is not streamed, or an error: one body, sent whole, as one event."""

    text: bytes
    due_s: float
    faults: tuple[AnyFault, ...] = ()

    def body(self) -> Iterator[Slice]:
        """The bytes of the body, before any coding and cut; a slice of no bytes stands at the end."""
        events: Iterable[Event] = (Event(self.text, self.due_s, "whole"),)
        for fault in self.faults:
            events = fault.on_events(events, self.around)
        body: Iterable[Slice] = chain.from_iterable(
            cut_slice(Slice(event.raw if event.raw is not None else event.data, event.due_s, number, event.kind))
            for number, event in enumerate(events)
        )
        return _strike(body, self)

    @property
    def around(self) -> Around:
        """What faults may know of this answer."""
        return Around(completion=lambda: self.text)


def _strike(body: Iterable[Slice], answer: Stream | WholeAnswer) -> Iterator[Slice]:
    """The body with the faults of that arrow, and its end."""
    due_s = answer.due_s
    if answer.faults:
        around = answer.around
        for fault in answer.faults:
            body = fault.on_body(_mark_end(body, due_s), around)
    return _mark_end(body, due_s)


def _mark_end(body: Iterable[Slice], due_s: float) -> Iterator[Slice]:
    """The body and a slice of no bytes: what stands behind the last event, for those who look for a place there.

    It is due when the last event is; `due_s` is when the first would have been, if there is none.
    """
    for piece in body:
        due_s = piece.due_s
        yield piece
    yield Slice(b"", due_s, None, "end")


def _group(group: Any) -> Iterable[int]:
    """How many tokens each chunk carries, in turn."""
    if isinstance(group, tuple):
        return group
    return repeat(_EVERYTHING if group == "all" else group)


# A blank line, after whatever ends a line: what stands before it is an event, for places' sake.
_BLOCK_END = re.compile(rb"(?:\r\n|\n|\r(?!\n)){2}")
_DATA = re.compile(rb"(?:\A(?:\xef\xbb\xbf)?|(?<=[\r\n]))data(?:: ?([^\r\n]*))?(?=[\r\n]|\Z)")


def raw_slices(body: bytes, times: Iterable[float]) -> Iterator[Slice]:
    """A body given raw, cut behind each event so that places have a meaning; an event is due as a token would be."""
    due, number, at = iter(times), 0, 0
    due_s = next(due)
    for end in chain((found.end() for found in _BLOCK_END.finditer(body)), (len(body),)):
        block = body[at:end]
        at = end
        if not block:
            continue
        data = [found[1] or b"" for found in _DATA.finditer(block)]
        if data:
            yield from cut_slice(Slice(block, due_s, number, find_kind(b"\n".join(data))))
            number, due_s = number + 1, next(due)
        else:
            yield from cut_slice(Slice(block, due_s, None, "comment"))


def delay(body: Iterable[Slice], late_s: float) -> Iterable[Slice]:
    """The same bytes, all of them later."""
    return (replace(piece, due_s=piece.due_s + late_s) for piece in body) if late_s else body


def comment_while_waiting(body: Iterable[Slice], text: str, every_s: float, since_s: float) -> Iterator[Slice]:
    """Put a comment wherever nothing was due for `every_s`, but only behind a blank line: else it would end what has begun."""
    comment = b"".join(b":%b\n" % line.encode() for line in re.split("\r\n|\n|\r", text)) + b"\n"
    last_s, is_between = since_s, True
    for piece in body:
        if piece.kind == "bom":  # nothing may stand in front of it
            yield replace(piece, due_s=min(piece.due_s, last_s + every_s))
            continue
        while is_between and piece.starts and last_s + every_s < piece.due_s:
            last_s += every_s
            yield Slice(comment, last_s, None, "comment")
        last_s = piece.due_s
        is_between = _BLANK_LINE_LAST.search(piece.data) is not None if piece.data else is_between
        yield piece


_BLANK_LINE_LAST = re.compile(rb"(?:\A|\r\n|\n|\r(?!\n))(?:\r\n|\n|\r)\Z")
