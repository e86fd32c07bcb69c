"""Identifiers as OpenAI shapes them, made from a key instead of from chance: the same key gives the same id."""

from collections.abc import Callable
from hashlib import blake2b

_BASE62 = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"
_SHAPES = {"chatcmpl-": (29, _BASE62), "call_": (24, _BASE62), "req_": (32, "0123456789abcdef")}

IdGenerator = Callable[[str, str], str]
"""Makes an id from a prefix (`chatcmpl-`, `call_`, `req_`) and a key that says what it is for."""


def make_id(prefix: str, key: str) -> str:
    """An id of the length and letters that the real API gives to `prefix`.

    >>> len(make_id("chatcmpl-", "0/paced/1"))
    38
    """
    length, letters = _SHAPES.get(prefix, (24, _BASE62))
    number = int.from_bytes(blake2b(f"{prefix}{key}".encode(), digest_size=32).digest())
    chosen = []
    for _ in range(length):
        number, k = divmod(number, len(letters))
        chosen.append(letters[k])
    return prefix + "".join(chosen)
