"""Chunk -> JSON text: how the same object may be written. Compact and raw, as OpenAI writes it, unless told otherwise."""

import json
from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta, Struct


class JsonStyle(Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """How chunks are written as JSON. U+2028 and U+2029 stand raw, as RFC 8259 allows, unless `ascii`."""

    ascii: Annotated[bool, Meta(description="All that is not ASCII as \\u escapes, pairs of them beyond U+FFFF.")] = (
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
        Literal["openai", "sorted", "reversed"], Meta(description="The order of the keys of every object.")
    ] = "openai"


COMPACT = JsonStyle()


def write_json(value: Any, style: JsonStyle = COMPACT) -> bytes:
    """`value` as a JSON text in UTF-8. NaN and the infinities are written bare, as some servers do."""
    if style == COMPACT and not _has_nan(value):
        return msgspec.json.encode(value)
    separators = (", ", ": ") if style.spaces else (",", ": ") if style.indent is not None else (",", ":")
    text = json.dumps(
        _ordered(value, style.key_order), ensure_ascii=style.ascii, separators=separators, indent=style.indent
    )
    return text.encode()


def _ordered(value: Any, order: str) -> Any:
    if isinstance(value, dict):
        keys = sorted(value) if order == "sorted" else reversed(value) if order == "reversed" else value
        return {key: _ordered(value[key], order) for key in keys}
    return [_ordered(item, order) for item in value] if isinstance(value, list | tuple) else value


def _has_nan(value: Any) -> bool:
    """Whether a chunk holds a number that JSON does not know; it stands in the log probabilities, if anywhere."""
    if isinstance(value, float):
        return value != value or value in (float("inf"), float("-inf"))
    if isinstance(value, dict):
        return any(map(_has_nan, value.values()))
    return isinstance(value, list) and any(map(_has_nan, value))
