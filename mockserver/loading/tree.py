"""A tree of values that remembers its lines, built from what a YAML or JSON parser reports.

Everything that decides what a key, a plain scalar or an alias in a scenario file means lives here, and every bound on them.
Plain scalars follow YAML 1.2's core schema with decimal numbers only, so that `no`, `1:30` and `2024-01-01` are texts.
"""

import json
import re
from typing import Any, TypeAlias

from msgspec import Struct

from mockserver.errors import Problem

MAX_CHARACTERS = 64 * 1024 * 1024
MAX_NODES = 1_000_000
"""How many values a file may hold, its aliases expanded."""
MAX_DEPTH = 100
MAX_DIGITS = 300
"""How long a number may be: every whole number up to here also fits a float."""

Key: TypeAlias = str | int
Path: TypeAlias = tuple[Key, ...]


class Node(Struct, eq=False):
    """One value with the line it begins on, counted from 1.

    `raw` is how a value that is no text was written. `entries` are the parts of a list or mapping, each with the line of
    its key or of the item itself. `size` counts this value and all within it, aliases expanded.
    """

    value: Any
    line: int
    raw: str | None = None
    entries: dict[Key, tuple[int, "Node"]] = {}
    size: int = 1

    def attach(self, key: Key, line: int, part: "Node") -> None:
        """Make `part` the entry called `key`, in the value as in the tree."""
        self.entries[key] = (line, part)
        self.size += part.size
        if isinstance(self.value, list):
            self.value.append(part.value)
        else:
            self.value[key] = part.value

    def locate(self, path: Path) -> "tuple[int, Node]":
        """The line and node at the end of `path`, or as far as the path leads."""
        line, node = self.line, self
        for key in path:
            if key not in node.entries:
                break
            line, node = node.entries[key]
        return line, node


_SIMPLE_KEY = re.compile(r"[^\W\d][\w-]*")


def write_place(path: Path) -> str:
    """A path as problems show it, such as `scenarios[2].match.headers["x.y"]`."""
    parts = (
        f"[{key}]" if isinstance(key, int) else f".{key}" if _SIMPLE_KEY.fullmatch(key) else f"[{json.dumps(key)}]"
        for key in path
    )
    return "".join(parts).removeprefix(".")


class UnreadableError(Exception):
    """Reading cannot go on; never leaves `mockserver.loading.document`."""

    def __init__(self, message: str, line: int, remedy: str | None = None) -> None:
        super().__init__(message)
        self.line = line
        self.remedy = remedy


_MERGE = "<<"


class _Open(Struct):
    """A list or mapping whose end has not come. In a mapping `key` waits for its value; None there: it is no key."""

    node: Node
    anchor: str | None
    key: "tuple[str | None, int] | None" = None
    merged: list[tuple[int, Node]] = []

    @property
    def path(self) -> Path:
        """What the next entry will be called, if that is known."""
        if isinstance(self.node.value, list):
            return (len(self.node.value),)
        return (self.key[0],) if self.key and self.key[0] is not None else ()


class Tree:
    """Builds nodes from what a parser reports, without recursion and within bounds.

    `problems` are the mistakes that reading can go on after; anything else raises `UnreadableError`.
    """

    def __init__(self, file: str | None = None) -> None:
        self.root: Node | None = None
        self.problems: list[Problem] = []
        self._file = file
        self._open: list[_Open] = []
        self._anchors: dict[str, Node] = {}
        self._count = 0

    def begin(self, value: Any, line: int, anchor: str | None = None) -> None:
        """A list or mapping, given empty, begins."""
        if len(self._open) >= MAX_DEPTH:
            raise UnreadableError(f"nested deeper than {MAX_DEPTH} levels", line)
        self._open.append(_Open(Node(value, line), anchor))

    def end(self) -> None:
        """The innermost list or mapping ends."""
        done = self._open.pop()
        for line, source in done.merged:
            self._merge(done.node, line, source)
        self._add(done.node, done.node.line, done.anchor, 1)

    def text(self, value: str, line: int, anchor: str | None = None) -> None:
        """A quoted or block scalar comes."""
        self._add(Node(value, line), line, anchor, 1)

    def plain(self, written: str, line: int, anchor: str | None = None) -> None:
        """A scalar without quotes comes."""
        try:
            value = read_plain(written)
        except ValueError as error:
            self.report(str(error), line, "quote it if it is a text")
            value = 0
        raw = written if written == _MERGE or not isinstance(value, str) else None
        self._add(Node(value, line, raw), line, anchor, 1)

    def alias(self, name: str, line: int) -> None:
        """A value that was named before comes again."""
        if name not in self._anchors:
            if any(part.anchor == name for part in self._open):
                raise UnreadableError(f"the alias *{name} stands inside what it names", line)
            raise UnreadableError(
                f"the alias *{name} names nothing: no &{name} comes before it",
                line,
                f'if it is a text, quote it: "*{name}"',
            )
        self._add(self._anchors[name], line, None, self._anchors[name].size)

    def report(self, message: str, line: int, remedy: str | None = None) -> None:
        """Note a mistake at the current place, and go on."""
        place = write_place(tuple(key for part in self._open for key in part.path))
        problem = Problem(message, place, self._file, line, remedy)
        if problem not in self.problems[-1:]:
            self.problems.append(problem)

    def _add(self, node: Node, line: int, anchor: str | None, count: int) -> None:
        self._count += count
        if self._count > MAX_NODES:
            raise UnreadableError(f"more than {MAX_NODES} values, aliases expanded", line)
        if anchor is not None:
            self._anchors[anchor] = node
        if not self._open:
            self.root = node
            return
        top = self._open[-1]
        if isinstance(top.node.value, list):
            top.node.attach(len(top.node.value), line, node)
        elif top.key is None:
            top.key = (self._read_key(node, line), line)
        else:
            (key, key_line), top.key = top.key, None
            if key is _MERGE:
                top.merged.append((key_line, node))
            elif key is not None and key not in top.node.entries:
                top.node.attach(key, key_line, node)

    def _read_key(self, node: Node, line: int) -> str | None:
        """The key that `node` is, or None if it cannot be one."""
        if node.raw == _MERGE:
            return _MERGE
        if not isinstance(node.value, str):
            if node.raw is None:
                self.report(
                    "expected a text as key, got a list or mapping", line, "quote a text that begins with { or ["
                )
            else:
                self.report(f"expected a text as key, got {node.raw or 'nothing'}", line, f'quote it: "{node.raw}"')
            return None
        top = self._open[-1]
        if node.value in top.node.entries:
            top.key = (node.value, line)
            self.report(
                f"the key was given before, on line {top.node.entries[node.value][0]}", line, "keep one of them"
            )
        return node.value

    def _merge(self, node: Node, line: int, source: Node) -> None:
        """Add what a merge key `<<` brings.

        https://yaml.org/type/merge.html: "each of its key/value pairs is inserted into the current mapping, unless the key
        already exists in it. […] Keys in mapping nodes earlier in the sequence override keys specified in later mapping
        nodes."
        """
        parts = [part for _, part in source.entries.values()] if isinstance(source.value, list) else [source]
        for part in parts:
            if not isinstance(part.value, dict):
                self.report(
                    "expected << to name a mapping, or a list of them", line, 'for a key of that name write "<<"'
                )
                return
            for key, (key_line, value) in part.entries.items():
                if key not in node.entries:
                    node.attach(key, key_line, value)


# YAML 1.2.2, 10.3.2 (core schema), without octal and hexadecimal numbers, infinities and NaN, which JSON has not either.
_CONSTANTS: dict[str, bool | None] = {
    **dict.fromkeys(("", "~", "null", "Null", "NULL")),
    **dict.fromkeys(("true", "True", "TRUE"), True),
    **dict.fromkeys(("false", "False", "FALSE"), False),
}
NUMBER = re.compile(r"[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?")
_WHOLE = re.compile(r"[-+]?[0-9]+")


def read_plain(written: str) -> Any:
    """What a plain scalar means: null, a boolean, a number or else a text.

    A number too long or too large raises `ValueError`.
    """
    if written in _CONSTANTS:
        return _CONSTANTS[written]
    if not NUMBER.fullmatch(written):
        return written
    if len(written) > MAX_DIGITS:
        raise ValueError(f"a number of more than {MAX_DIGITS} digits")
    if _WHOLE.fullmatch(written):
        return int(written)
    if (number := float(written)) in (float("inf"), float("-inf")):
        raise ValueError(f"the number {written} is too large")
    return number
