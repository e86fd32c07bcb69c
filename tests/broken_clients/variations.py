"""The broken clients of `variations.yaml`, as functions that answer a line of the consumer protocol."""

from collections.abc import Callable, Mapping
from functools import cache
from pathlib import Path
from types import CodeType
from typing import Any

import yaml
from msgspec import Struct, convert

FOLDER = Path(__file__).parent
SOURCE = FOLDER / "good.py"

Ask = Callable[[Mapping[str, Any]], dict[str, Any]]


class Patch(Struct, frozen=True, forbid_unknown_fields=True):
    """A text of `good.py`, and what a broken client has in its place."""

    old: str
    new: str


class Variation(Struct, frozen=True, forbid_unknown_fields=True):
    """One broken client; `breaks` ends the sentence "A client that …"."""

    name: str
    breaks: str
    patches: tuple[Patch, ...]

    def source(self) -> str:
        """The text of the broken client. Raises `ValueError` where a patch does not fit, once and no more."""
        text = SOURCE.read_text("utf-8")
        for patch in self.patches:
            if text.count(patch.old) != 1:
                found = text.count(patch.old)
                raise ValueError(f"{self.name}: expected once in good.py, found {found} times: {patch.old!r}")
            text = text.replace(patch.old, patch.new)
        return text


@cache
def load_variations() -> Mapping[str, Variation]:
    """All broken clients by name, in the order of the file."""
    rows = convert(yaml.safe_load((FOLDER / "variations.yaml").read_text("utf-8")), list[Variation])
    return {row.name: row for row in rows}


@cache
def compile_client(name: str) -> CodeType:
    """A broken client by its name; `good` is the one that nothing is wrong with."""
    text = SOURCE.read_text("utf-8") if name == "good" else load_variations()[name].source()
    return compile(text, f"{SOURCE.name} ({name})", "exec")


def load_ask(name: str) -> Ask:
    """The function `ask` of a client, in a namespace of its own, with connections of its own."""
    module: dict[str, Any] = {"__name__": f"broken_{name.replace('-', '_')}"}
    exec(compile_client(name), module)
    ask: Ask = module["ask"]
    return ask


def close(ask: Ask) -> None:
    """Close the connections that a client keeps."""
    kept = getattr(ask, "__globals__", {}).get("KEPT", {})
    while kept:
        kept.popitem()[1].socket.close()
