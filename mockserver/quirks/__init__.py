"""Quirks: departures of providers from OpenAI's stream, each a small function in a table; dialects: named sets, as data.

A quirk says what it does, on which arrow, who is known to do it, what a right consumer makes of it, and which fields of the
outcome it hides. To add one, write a function in the file of its kind and one entry in that file's table: see CONTRIBUTING.
"""

from collections.abc import Iterable
from pathlib import Path
from typing import TypeVar

from mockserver.quirks import (
    choices,
    contents,
    events,
    extras,
    finish,
    identity,
    reasoning,
    tool_arguments,
    tool_calls,
    usage,
)
from mockserver.quirks.quirk import Arrow, Quirk

__all__ = ["DIALECT_FILES", "QUIRKS", "Quirk", "bend"]

_T = TypeVar("_T")

QUIRKS: dict[str, Quirk] = {
    quirk.name: quirk
    for quirk in (
        *tool_arguments.TABLE,
        *tool_calls.TABLE,
        *reasoning.TABLE,
        *contents.TABLE,
        *finish.TABLE,
        *usage.TABLE,
        *extras.TABLE,
        *identity.TABLE,
        *tool_calls.INDEX_TABLE,
        *choices.TABLE,
        *events.TABLE,
    )
}
"""Every quirk by its name, in the order in which they are applied: what others need is taken away last."""


DIALECT_FILES = {path.stem: path for path in sorted((Path(__file__).parent / "dialects").glob("*.yaml"))}
"""The file of every dialect, by its name; `mockserver.dialects` reads them."""


def bend(arrow: Arrow, value: _T, names: Iterable[str]) -> _T:
    """What travels along an arrow, bent by those of the quirks that act on it."""
    wanted = set(names)
    if wanted:
        for name, quirk in QUIRKS.items():
            if quirk.arrow == arrow and name in wanted:
                value = quirk.apply(value)
    return value
