"""What a scenario changes in a stream by position: chunks edited, chunks and raw events inserted, or the whole given raw."""

import base64
from collections.abc import Iterable, Iterator
from typing import Annotated, Any

from msgspec import Meta, Struct
from msgspec.structs import replace

from mockserver.chunks import Chunk
from mockserver.json_text import JsonStyle, write_json
from mockserver.place import EventRef
from mockserver.quirks.quirk import Right
from mockserver.sse import Event


class Edit(Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """A change of one chunk, or of each: by JSON Merge Patch, or member by member."""

    at: Annotated[EventRef | None, Meta(description="Which chunk. Default: each.")] = None
    merge: Annotated[dict[str, Any], Meta(description="A JSON Merge Patch (RFC 7396): null takes a member away.")] = {}
    set: Annotated[
        dict[str, Any], Meta(description="JSON Pointers (RFC 6901) and the values to put there, null among them.")
    ] = {}


class Insert(Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """An event of the scenario's own, before or after an event: a chunk, or any data."""

    before: EventRef | None = None
    after: EventRef | None = None
    chunk: Annotated[
        dict[str, Any] | None, Meta(description="A chunk; id, object, created and model are added where it lacks them.")
    ] = None
    data: Annotated[str | None, Meta(description="The data of an event, as it is.")] = None
    event: Annotated[str | None, Meta(description="The value of an event: field.")] = None
    right: Annotated[Right, Meta(description="What a right consumer makes of it.")] = "same"

    def __post_init__(self) -> None:
        if (self.before is None) == (self.after is None):
            raise ValueError("an insertion stands either `before` or `after` an event")
        if (self.chunk is None) == (self.data is None):
            raise ValueError("an insertion has either a `chunk` or `data`")


class RawEvent(Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """One event given raw."""

    data: Annotated[
        str | dict[str, Any] | list[Any], Meta(description="Its data: a text, or a value to be written as JSON.")
    ]
    event: Annotated[str | None, Meta(description="Its name, as the event: field says it.")] = None


class Raw(Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """The whole stream as raw events or raw bytes. The scenario's reply is what it means, if `right` is `same`."""

    events: Annotated[tuple[str | RawEvent, ...] | None, Meta(description="The events: data, or data and name.")] = None
    body: Annotated[str | None, Meta(description="The body as a text.")] = None
    base64: Annotated[str | None, Meta(description="The body as base64, for bytes that are no text.")] = None
    right: Annotated[
        Right, Meta(description="What a right consumer makes of it: the reply (same), an error, or either.")
    ] = "same"

    def __post_init__(self) -> None:
        if sum(part is not None for part in (self.events, self.body, self.base64)) != 1:
            raise ValueError("a raw stream is given as one of `events`, `body`, `base64`")
        if self.base64 is not None:
            base64.b64decode(self.base64, validate=True)

    @property
    def body_bytes(self) -> bytes | None:
        if self.base64 is not None:
            return base64.b64decode(self.base64)
        return None if self.body is None else self.body.encode()


def edit_chunks(chunks: Iterable[Chunk], edits: Iterable[Edit]) -> Iterator[Chunk]:
    """Apply every edit to the chunks it is for; they are counted from 0."""
    wanted = tuple(edits)
    for number, chunk in enumerate(chunks):
        data = chunk.data
        for edit in wanted:
            if edit.at is None or edit.at.names(number, chunk.kind):
                data = merge_patch(data, edit.merge)
                for pointer, value in edit.set.items():
                    data = set_pointer(data, pointer, value)
        yield chunk if data is chunk.data else replace(chunk, data=data)


def insert_events(
    events: Iterable[Event], inserts: Iterable[Insert], common: dict[str, Any], style: JsonStyle
) -> Iterator[Event]:
    """Put the insertions in; events are counted without them. `common` is what chunks share."""
    wanted = tuple(inserts)
    for number, event in enumerate(events):
        for insert in wanted:
            if insert.before is not None and insert.before.names(number, event.kind):
                yield _event(insert, event.due_s, common, style)
        yield event
        for insert in wanted:
            if insert.after is not None and insert.after.names(number, event.kind):
                yield _event(insert, event.due_s, common, style)


def _event(insert: Insert, due_s: float, common: dict[str, Any], style: JsonStyle) -> Event:
    data = insert.data.encode() if insert.data is not None else write_json({**common, **(insert.chunk or {})}, style)
    return Event(data, due_s, "extra", name=insert.event)


def raw_events(raw: Raw, times: Iterable[float], style: JsonStyle) -> Iterator[Event]:
    """The events of a stream given raw; each is due as a token of its number would be."""
    due = iter(times)
    for given in raw.events or ():
        one = given if isinstance(given, RawEvent) else RawEvent(given)
        data = one.data.encode() if isinstance(one.data, str) else write_json(one.data, style)
        yield Event(data, next(due), "done" if data == b"[DONE]" else "delta", name=one.event)


def merge_patch(target: Any, patch: Any) -> Any:
    """JSON Merge Patch, RFC 7396 section 2, line by line; the target is left as it is."""
    if not isinstance(patch, dict):
        return patch
    result = dict(target) if isinstance(target, dict) else {}
    for name, value in patch.items():
        if value is None:
            result.pop(name, None)
        else:
            result[name] = merge_patch(result.get(name), value)
    return result


def set_pointer(target: Any, pointer: str, value: Any) -> Any:
    """A copy of `target` with `value` where a JSON Pointer points (RFC 6901); objects on the way are made, lists are not."""
    if pointer in ("", "/"):
        return value
    head, _, rest = pointer.removeprefix("/").partition("/")
    key = head.replace("~1", "/").replace("~0", "~")
    below = f"/{rest}" if rest else ""
    if isinstance(target, list):
        at = len(target) if key == "-" else int(key) if key.isdigit() else -1
        if 0 <= at < len(target):
            return [*target[:at], set_pointer(target[at], below, value), *target[at + 1 :]]
        return [*target, set_pointer({}, below, value)] if at == len(target) else target
    found = dict(target) if isinstance(target, dict) else {}
    found[key] = set_pointer(found.get(key, {}), below, value)
    return found
