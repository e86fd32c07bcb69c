"""Identifiers as OpenAI shapes them, made from a key instead of from chance: the same key gives the same id."""

import re
from collections.abc import Callable
from hashlib import blake2b
from typing import Annotated
from uuid import UUID

from msgspec import Meta, Struct

_BASE62 = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"
_HEX = b"0123456789abcdef"


def _table(letters: bytes) -> bytes:
    """What letter each byte of a digest becomes."""
    return bytes(letters[byte % len(letters)] for byte in range(256))


# prefix -> the length of what follows, and its letters
_SHAPES = {"chatcmpl-": (29, _table(_BASE62)), "call_": (24, _table(_BASE62)), "req_": (32, _table(_HEX))}
_OTHER = (24, _table(_BASE62))

IdGenerator = Callable[[str, str], str]
"""Makes an id from a prefix (`chatcmpl-`, `call_`, `req_`) and a key that says what it is for."""


def make_id(prefix: str, key: str) -> str:
    """An id of the length and letters that the real API gives to `prefix`.

    >>> len(make_id("chatcmpl-", "0/paced/1"))
    38
    """
    length, table = _SHAPES.get(prefix, _OTHER)
    digest = blake2b(f"{prefix}{key}".encode(), digest_size=32).digest()
    return prefix + digest[:length].translate(table).decode()


_PART = re.compile(r"\{(?:(hex|alnum|digits)(?::([1-9]|[1-5]\d|6[0-4]))?|(uuid|created|number))\}")
_LETTERS = {"hex": _table(_HEX), "alnum": _table(_BASE62), "digits": _table(b"0123456789")}
_SHAPE_HELP = "{hex:16}, {alnum:20}, {digits:3}, {uuid}, {created} (its time) and {number} (of the call) are filled in"


class Ids(Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """How ids look where a provider's are not OpenAI's."""

    completion: Annotated[str | None, Meta(description=f"The completion's id: {_SHAPE_HELP}.")] = None
    call: Annotated[
        str | None, Meta(description=f"The id of a tool call that the reply gives none: {_SHAPE_HELP}.")
    ] = None

    def __post_init__(self) -> None:
        for shape in (self.completion, self.call):
            if shape is not None and re.search("[{}]", _PART.sub("", shape)):
                raise ValueError(f"ids: expected a text in which {_SHAPE_HELP}; got {shape!r}")


OPENAI_IDS = Ids()


def shape_id(shape: str | None, own: str, created: int = 0, number: int = 0) -> str:
    """An id of another shape, made from `own`, the id as it would be without one: the same own id gives the same.

    >>> shape_id("call_0{number}_{digits:4}", "call_x", number=1)
    'call_01_9757'
    """
    if shape is None:
        return own

    def fill(part: re.Match[str]) -> str:
        letters, count, word = part.groups()
        digest = blake2b(f"{own}/{part.start()}".encode(), digest_size=64).digest()
        if letters:
            return digest[: int(count or 1)].translate(_LETTERS[letters]).decode()
        return {"uuid": str(UUID(bytes=digest[:16], version=4)), "created": str(created), "number": str(number)}[word]

    return _PART.sub(fill, shape)
