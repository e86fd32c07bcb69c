"""Chunk -> JSON text: how the same object may be written. Compact and raw, as OpenAI writes it, unless told otherwise."""

import json
import math
from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta, Raw, Struct

_HTML_ESCAPES = str.maketrans({mark: f"\\u{ord(mark):04x}" for mark in "<>&\u2028\u2029"})


class JsonStyle(Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """How chunks are written as JSON. U+2028 and U+2029 stand raw, as RFC 8259 allows, unless they are escaped."""

    ascii: Annotated[bool, Meta(description="All that is not ASCII as \\u escapes, pairs of them beyond U+FFFF.")] = (
        False
    )
    html: Annotated[bool, Meta(description="<, >, &, U+2028 and U+2029 as \\u escapes, as Go writes by default.")] = (
        False
    )
    spaces: Annotated[bool, Meta(description="A space after each comma and colon, as Python writes by default.")] = (
        False
    )
    indent: Annotated[
        Annotated[int, Meta(ge=0, le=16)] | None,
        Meta(description="Over several lines, which become several data: lines."),
    ] = None
    key_order: Annotated[
        Literal["openai", "sorted", "reversed"] | tuple[str, ...],
        Meta(
            description="The order of the keys of every object. Of a list, those keys that an object has stand in that order "
            "in the places that they have among the others."
        ),
    ] = "openai"


COMPACT = JsonStyle()


def write_json(value: Any, style: JsonStyle = COMPACT) -> bytes:
    """`value` as a JSON text in UTF-8. It may hold what `keep_bare` made of numbers that JSON does not know."""
    if style.key_order != "openai":
        value = _ordered(value, style.key_order)
    if not style.ascii and not style.spaces and style.indent is None:
        data = msgspec.json.encode(value)
        return data.decode().translate(_HTML_ESCAPES).encode() if style.html else data
    separators = (", ", ": ") if style.spaces else (",", ": ") if style.indent is not None else (",", ":")
    text = json.dumps(_without_raw(value), ensure_ascii=style.ascii, separators=separators, indent=style.indent)
    return (text.translate(_HTML_ESCAPES) if style.html else text).encode()


def keep_bare(value: Any) -> Any:
    """A copy of `value` in which NaN and the infinities will be written bare, as some servers do, and not as null."""
    if isinstance(value, dict):
        return {key: keep_bare(member) for key, member in value.items()}
    if isinstance(value, list | tuple):
        return [keep_bare(item) for item in value]
    return Raw(json.dumps(value).encode()) if isinstance(value, float) and not math.isfinite(value) else value


def _without_raw(value: Any) -> Any:
    """What `keep_bare` made, undone: Python's writer knows no `Raw`, and writes such numbers bare by itself."""
    if isinstance(value, dict):
        return {key: _without_raw(member) for key, member in value.items()}
    if isinstance(value, list | tuple):
        return [_without_raw(item) for item in value]
    return float(bytes(value)) if isinstance(value, Raw) else value


def _ordered(value: Any, order: str | tuple[str, ...]) -> Any:
    if isinstance(value, dict):
        return {key: _ordered(value[key], order) for key in _order_keys(value, order)}
    return [_ordered(item, order) for item in value] if isinstance(value, list | tuple) else value


def _order_keys(data: dict[str, Any], order: str | tuple[str, ...]) -> list[str]:
    if isinstance(order, tuple):
        listed = iter([key for key in order if key in data])
        return [next(listed) if key in order else key for key in data]
    return sorted(data) if order == "sorted" else [*reversed(data)]
