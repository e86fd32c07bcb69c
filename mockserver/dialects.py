"""Dialects: named sets of quirks, as data. A delivery that names one begins where the dialect ends.

Each dialect is a file in `mockserver/quirks/dialects/`: its name, what it is, the sources of its claims, and a delivery.
"""

from collections.abc import Mapping
from functools import cache, lru_cache
from typing import Annotated, Any

import msgspec
from msgspec import Meta, Struct

from mockserver.delivery import Delivery
from mockserver.quirks import DIALECT_FILES
from mockserver.scenario import convert
from mockserver.shorthand import encode_shorthand

_ADDED = frozenset({"quirks", "edits", "inserts", "faults", "extra", "interim"})
"""What is added to what a dialect has; lists of other names are one value, like a list of line ends, and replaced."""


class Dialect(Struct, frozen=True, forbid_unknown_fields=True):
    """What a provider's stream is like."""

    name: str
    says: Annotated[str, Meta(description="What it is, in a line.")]
    sources: Annotated[tuple[str, ...], Meta(min_length=1, description="Where each claim can be checked.")]
    delivery: Delivery

    def __post_init__(self) -> None:
        if self.delivery.dialect is not None:
            raise ValueError(f"dialect {self.name}: expected quirks and the like, not another dialect")


@cache
def load_dialect(name: str) -> Dialect:
    """The dialect called `name`; a delivery that names another one is refused when it is made."""
    import yaml

    return convert(yaml.safe_load(DIALECT_FILES[name].read_text(encoding="utf-8")), Dialect)


def load_dialects() -> Mapping[str, Dialect]:
    """All dialects by name."""
    return {name: load_dialect(name) for name in DIALECT_FILES}


def resolve_dialect(delivery: Delivery) -> Delivery:
    """The delivery with its dialect worked in.

    Quirks, edits, insertions, faults and extra lines are added to the dialect's; everything else that the delivery says is
    said in its place. What it leaves at the default it does not say.
    """
    if delivery.dialect is None:
        return delivery
    return _resolve(msgspec.json.encode(delivery, enc_hook=encode_shorthand))


@lru_cache(1024)
def _resolve(encoded: bytes) -> Delivery:
    own = msgspec.json.decode(encoded)
    base = load_dialect(own.pop("dialect")).delivery
    return convert(_overlay(msgspec.to_builtins(base, enc_hook=encode_shorthand), own), Delivery)


def _overlay(base: dict[str, Any], own: dict[str, Any]) -> dict[str, Any]:
    merged = dict(base)
    for key, value in own.items():
        if key in _ADDED:
            merged[key] = [*base.get(key, ()), *value]
        elif isinstance(value, dict) and isinstance(base.get(key), dict):
            merged[key] = _overlay(base[key], value)
        else:
            merged[key] = value
    return merged
