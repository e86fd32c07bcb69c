"""Identifiers as OpenAI shapes them, made from a key instead of from chance: the same key gives the same id."""

from collections.abc import Callable
from hashlib import blake2b

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
