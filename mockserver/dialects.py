"""Dialects: named sets of quirks, as data. A delivery that names one begins where the dialect ends.

Each dialect is a file in `mockserver/quirks/dialects/`: its name, what it is, the sources of its claims, and a delivery.
"""

from collections.abc import Mapping
from functools import cache, lru_cache
from typing import Annotated, Any

import msgspec
import yaml
from msgspec import Meta, Struct

from mockserver.quirks import DIALECT_FILES
from mockserver.scenario import Delivery, convert
from mockserver.shorthand import encode_shorthand


class Dialect(Struct, frozen=True, forbid_unknown_fields=True):
    """What a provider's stream is like."""

    name: str
    says: Annotated[str, Meta(description="What it is, in a line.")]
    sources: Annotated[tuple[str, ...], Meta(min_length=1, description="Where each claim can be checked.")]
    delivery: Delivery


@cache
def load_dialect(name: str) -> Dialect:
    """The dialect called `name`; a delivery that names another one is refused when it is made."""
    return convert(yaml.safe_load(DIALECT_FILES[name].read_text(encoding="utf-8")), Dialect)


def load_dialects() -> Mapping[str, Dialect]:
    """All dialects by name."""
    return {name: load_dialect(name) for name in DIALECT_FILES}


def resolve_dialect(delivery: Delivery) -> Delivery:
    """The delivery with its dialect worked in: lists are added to, everything else is replaced by what the delivery says."""
    if delivery.dialect is None:
        return delivery
    return _resolve(msgspec.json.encode(delivery, enc_hook=encode_shorthand))


@lru_cache(1024)
def _resolve(encoded: bytes) -> Delivery:
    own = msgspec.json.decode(encoded)
    base = load_dialect(own.pop("dialect")).delivery
    return convert(_overlay(msgspec.to_builtins(base, enc_hook=encode_shorthand), own), Delivery)


def _overlay(base: Any, own: Any) -> Any:
    if isinstance(base, dict) and isinstance(own, dict):
        return {**base, **{key: _overlay(base[key], own[key]) if key in base else own[key] for key in own}}
    if isinstance(base, list | tuple) and isinstance(own, list | tuple):
        return [*base, *own]
    return own
