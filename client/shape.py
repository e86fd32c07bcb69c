"""Reading JSON values of the shape the protocol promises; anything else is a `MalformedError` that names the place.

Null and an absent key are the same everywhere: providers disagree about which to send.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from client.errors import MalformedError, excerpt

__all__ = ["read_arguments", "read_list", "read_object", "read_text", "refuse"]


def refuse(place: str, expected: str, value: object) -> MalformedError:
    """The error for a value of the wrong shape; `place` is a path inside the chunk, such as `choices[0].delta.content`."""
    return MalformedError(f"{expected} at {place}", f"{type(value).__name__} {excerpt(repr(value))}")


def read_object(value: object, place: str) -> Mapping[str, Any]:
    """An object."""
    if not isinstance(value, Mapping):
        raise refuse(place, "an object", value)
    return value


def read_list(value: object, place: str) -> Sequence[Any]:
    """A list; an empty one for null."""
    if value is None:
        return ()
    if not isinstance(value, list):
        raise refuse(place, "a list", value)
    return value


def read_text(value: object, place: str) -> str:
    """A text; an empty one for null."""
    if value is None:
        return ""
    if not isinstance(value, str):
        raise refuse(place, "a text", value)
    return value


def read_arguments(value: object, place: str) -> str:
    """Arguments as text; an object or a list sent in place of text is its JSON."""
    if isinstance(value, Mapping | list):
        return msgspec.json.encode(value).decode()
    return read_text(value, place)
