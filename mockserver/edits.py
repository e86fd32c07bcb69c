"""What a scenario changes in a stream by position: chunks edited, chunks and raw events inserted, or the whole given raw."""

import base64
import re
from collections.abc import Iterable, Iterator
from typing import Annotated, Any

import msgspec
from msgspec import Meta, Struct
from msgspec.structs import replace

from mockserver.chunks import Chunk
from mockserver.json_text import JsonStyle, keep_bare, write_json
from mockserver.place import EventRef
from mockserver.quirks.quirk import Right
from mockserver.shorthand import Text
from mockserver.sse import Event, check_line

# RFC 6901 3: json-pointer = *( "/" reference-token ), where "~" is written "~0" and "/" is written "~1".
_POINTER = re.compile(r"(?:/(?:[^~/]|~[01])*)*")


class Edit(Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """A change of one chunk, or of each: by JSON Merge Patch, or member by member."""

    at: Annotated[EventRef | None, Meta(description="Which chunk. Default: each.")] = None
    merge: Annotated[dict[str, Any], Meta(description="A JSON Merge Patch (RFC 7396): null takes a member away.")] = {}
    set: Annotated[
        dict[str, Any],
        Meta(
            description="JSON Pointers (RFC 6901) and the values to put there, null among them, where that is possible."
        ),
    ] = {}

    def __post_init__(self) -> None:
        for pointer in self.set:
            if not _POINTER.fullmatch(pointer):
                raise ValueError(f"set: expected JSON Pointers such as /choices/0/delta, got {pointer!r}")


class Insert(Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """An event of the scenario's own, before or after an event: a chunk, or any data."""

    before: EventRef | None = None
    after: EventRef | None = None
    chunk: Annotated[
        dict[str, Any] | None, Meta(description="A chunk; id, object, created and model are added where it lacks them.")
    ] = None
    data: Annotated[Text | None, Meta(description="The data of an event, as it is.")] = None
    event: Annotated[str | None, Meta(description="The value of an event: field.")] = None
    times: Annotated[int, Meta(ge=1, description="How often in a row.")] = 1
    right: Annotated[Right, Meta(description="What a right consumer makes of it.")] = "same"

    def __post_init__(self) -> None:
        if (self.before is None) == (self.after is None):
            raise ValueError("an insertion stands either `before` or `after` an event")
        if (self.chunk is None) == (self.data is None):
            raise ValueError("an insertion has either a `chunk` or `data`")
        check_line(self.event or "", "event")


class RawEvent(Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """One event given raw."""

    data: Annotated[
        str | dict[str, Any] | list[Any], Meta(description="Its data: a text, or a value to be written as JSON.")
    ]
    event: Annotated[str | None, Meta(description="The value of an event: field.")] = None

    def __post_init__(self) -> None:
        check_line(self.event or "", "event")


class Raw(Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """The whole stream as raw events or raw bytes. The scenario's reply is what it means, if `right` is `same`."""

    events: Annotated[tuple[str | RawEvent, ...] | None, Meta(description="The events: data, or data and name.")] = None
    body: Annotated[Text | None, Meta(description="The body as a text.")] = None
    base64: Annotated[str | None, Meta(description="The body as base64, for bytes that are no text.")] = None
    right: Annotated[
        Right, Meta(description="What a right consumer makes of it: the reply (same), an error, or either.")
    ] = "same"

    def __post_init__(self) -> None:
        if sum(part is not None for part in (self.events, self.body, self.base64)) != 1:
            raise ValueError("a raw stream is given as one of `events`, `body`, `base64`")
        _ = self.body_bytes

    @property
    def body_bytes(self) -> bytes | None:
        """The body, None where events are given."""
        if self.base64 is not None:
            return base64.b64decode("".join(self.base64.split()), validate=True)
        return None if self.body is None else self.body.encode()


def edit_chunks(chunks: Iterable[Chunk], edits: Iterable[Edit]) -> Iterator[Chunk]:
    """Apply every edit to the chunks it is for; they are counted from 0."""
    wanted = [(edit.at, keep_bare(edit.merge), keep_bare(edit.set)) for edit in edits]
    for number, chunk in enumerate(chunks):
        data = chunk.data
        for at, merge, pointers in wanted:
            if at is None or at.names(number, chunk.kind):
                data = merge_patch(data, merge)
                for pointer, value in pointers.items():
                    data = set_pointer(data, pointer, value)
        yield chunk if data is chunk.data else replace(chunk, data=data)


def insert_events(
    events: Iterable[Event], inserts: Iterable[Insert], common: dict[str, Any], style: JsonStyle
) -> Iterator[Event]:
    """Put the insertions in; events are counted without them. `common` is what chunks share."""
    wanted = [(insert, _make_event(insert, common, style)) for insert in inserts]
    for number, event in enumerate(events):
        for insert, own in wanted:
            if insert.before is not None and insert.before.names(number, event.kind):
                yield from (replace(own, due_s=event.due_s),) * insert.times
        yield event
        for insert, own in wanted:
            if insert.after is not None and insert.after.names(number, event.kind):
                yield from (replace(own, due_s=event.due_s),) * insert.times


def _make_event(insert: Insert, common: dict[str, Any], style: JsonStyle) -> Event:
    if insert.data is not None:
        data = insert.data.encode()
    else:
        data = write_json({**common, **keep_bare(insert.chunk or {})}, style)
    return Event(data, 0.0, "extra", name=insert.event)


def raw_events(raw: Raw, times: Iterable[float], style: JsonStyle) -> Iterator[Event]:
    """The events of a stream given raw; each is due as a token of its number would be."""
    due = iter(times)
    for given in raw.events or ():
        one = given if isinstance(given, RawEvent) else RawEvent(given)
        data = one.data.encode() if isinstance(one.data, str) else write_json(keep_bare(one.data), style)
        yield Event(data, next(due), find_kind(data), name=one.event)


def find_kind(data: bytes) -> str:
    """What an event is for, by its data: so that places have a meaning in a stream given raw."""
    if data == b"[DONE]":
        return "done"
    try:
        chunk: Any = msgspec.json.decode(data)
        choices = chunk["choices"] or []
        if any(choice.get("finish_reason") for choice in choices):
            return "finish"
        if not choices and chunk.get("usage"):
            return "usage"
        delta = choices[0]["delta"]
        return "role" if delta.get("role") and not any(delta[key] for key in delta if key != "role") else "delta"
    except (msgspec.DecodeError, LookupError, TypeError, AttributeError):
        return "delta"


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
    """A copy of `target` with `value` where a JSON Pointer points (RFC 6901).

    Objects on the way that are not there are made. Where it cannot be, because what stands on the way is no object, or a
    list that ends before, the target is as it was: of a chunk without choices there is no first choice.
    """
    # RFC 6901 4: "~1" is unescaped before "~0", so that "~01" becomes "~1".
    keys = [key.replace("~1", "/").replace("~0", "~") for key in pointer.split("/")[1:]]
    return _set(target, keys, value)


def _set(target: Any, keys: list[str], value: Any) -> Any:
    if not keys:
        return value
    key, *rest = keys
    if isinstance(target, dict):
        return {**target, key: _set(target.get(key, {}), rest, value)}
    if isinstance(target, list):
        at = len(target) if key == "-" else int(key) if re.fullmatch("0|[1-9][0-9]*", key) else -1
        if 0 <= at < len(target):
            return [*target[:at], _set(target[at], rest, value), *target[at + 1 :]]
        return [*target, value] if at == len(target) and not rest else target
    return target
