"""Bytes -> writes: which bytes go to the kernel in one send call. No byte is ever lost or reordered here.

Mode `due` leaves it to the player to join what is due at the same moment. Every other mode keeps each write a send call of its
own. TCP joins what comes back to back: the reader sees the same borders only with a gap, and if it is waiting.
"""

import re
from collections.abc import Iterable, Iterator
from itertools import repeat
from random import Random
from typing import Annotated, Literal, TypeVar

from msgspec import Meta, Struct
from msgspec.structs import replace

from mockserver.shorthand import Duration, Size
from mockserver.sse import SLICE_BYTES, Slice, split_slice
from mockserver.steps import Head, Step, Write

Mode = Literal["due", "event", "bytes", "size", "random", "offsets", "cuts"]
Cut = Literal["utf8", "field", "crlf", "blank_line", "json", "escape"]

GAP_S = 0.001
"""The gap between two writes where the bytes are cut, unless the scenario says otherwise."""

MEANWHILE = Slice(b"", 0.0, None, "meanwhile")
"""Becomes a write of no bytes: rendering takes long, and who plays the plan may do something else."""

# Each named cut as a pattern: the write ends where the pattern's first group does.
_CUTS: dict[str, re.Pattern[bytes]] = {
    "utf8": re.compile(rb"([\xc2-\xf4])[\x80-\xbf]"),
    "field": re.compile(rb"(?:^|(?<=[\r\n]))(da)ta:"),
    "crlf": re.compile(rb"(\r)\n"),
    "blank_line": re.compile(rb"(\r\n|\n|\r(?!\n))(?=\r|\n)"),
    "json": re.compile(rb'(\{")'),
    "escape": re.compile(rb"(\\u[0-9a-fA-F])[0-9a-fA-F]{3}"),
}


_NEEDED = {"size": "size", "random": "size", "offsets": "offsets", "cuts": "cuts"}

_Item = TypeVar("_Item", Slice, Slice | Step)


class Writes(Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """Which bytes leave in one send call."""

    mode: Annotated[
        Mode,
        Meta(
            description="due: what is due at the moment, together; event: one each; bytes: one byte each; size: `size` bytes "
            "each; random: 1 to `size` bytes, by the seed; offsets: cut at `offsets`; cuts: cut at named places."
        ),
    ] = "due"
    size: Annotated[Size | None, Meta(description="Bytes a write, for size and random; 64 KiB at most.")] = None
    offsets: Annotated[
        tuple[int, ...],
        Meta(
            description="Where to cut, in bytes from the start, for offsets; what is longer than 64 KiB is cut besides."
        ),
    ] = ()
    cuts: Annotated[
        tuple[Cut, ...],
        Meta(
            description="Where to cut, for cuts: utf8 (inside a character), field (inside `data:`), crlf (between CR and LF), "
            "blank_line (between the two line ends that end an event), json (inside the JSON), escape (inside \\uXXXX)."
        ),
    ] = ()
    of: Annotated[
        Literal["wire", "body", "response"],
        Meta(
            description="What sizes and offsets count: wire (the body as it goes over the wire; default), body (before any "
            "coding; each piece becomes an HTTP chunk of its own), response (the head as well)."
        ),
    ] = "wire"
    gap: Annotated[
        Duration | None, Meta(description="The least time between two writes. Default 1 ms when cutting.")
    ] = None

    def __post_init__(self) -> None:
        needed = _NEEDED.get(self.mode)
        for name in dict.fromkeys(_NEEDED.values()):
            given = getattr(self, name) not in (None, ())
            if given != (name == needed):
                raise ValueError(f"writes of mode {self.mode} {'have no' if given else 'need'} `{name}`")
        if self.size is not None and not 1 <= self.size <= SLICE_BYTES:
            raise ValueError(
                f"size: expected 1 byte to 64 KiB, which is what one send call takes, got {int(self.size)}"
            )
        if list(self.offsets) != sorted(set(self.offsets)) or any(at < 1 for at in self.offsets):
            raise ValueError(f"offsets: expected growing numbers from 1, got {list(self.offsets)}")
        if self.mode == "due" and self.gap is not None:
            raise ValueError("writes of mode due have no `gap`: what is due at the moment leaves together")

    @property
    def gap_s(self) -> float:
        return self.gap if self.gap is not None else 0.0 if self.mode in ("due", "event") else GAP_S


def cut_body(body: Iterable[Slice], writes: Writes, seed: str) -> Iterable[Slice]:
    """Cut the body where the writes say so in terms of the body, before any coding."""
    if writes.mode == "cuts":
        return _cut_by_name(body, writes.cuts)
    return _recut(body, _sizes(writes, seed)) if writes.of == "body" and writes.mode not in ("due", "event") else body


def make_writes(wire: Iterable[Slice | Step], writes: Writes, seed: str = "") -> Iterator[Step]:
    """The steps of a response: its bytes as writes, other steps as they are."""
    if writes.mode == "due":
        return (_step(item) for item in wire if not isinstance(item, Slice) or item.data or item.kind == MEANWHILE.kind)
    if writes.of != "body" and writes.mode not in ("event", "cuts"):
        wire = _recut(wire, _sizes(writes, seed), with_head=writes.of == "response")
    return _space(_join(wire), writes.gap_s)


def _step(item: Slice | Step) -> Step:
    if not isinstance(item, Slice):
        return item
    return Head(item.due_s, item.data) if item.kind == "head" else Write(item.due_s, item.data, event=item.event)


def _sizes(writes: Writes, seed: str) -> Iterator[int]:
    match writes.mode:
        case "bytes":
            return repeat(1)
        case "size":
            return repeat(writes.size or 1)
        case "random":
            random = Random(f"writes/{seed}")
            return (random.randint(1, writes.size or 1) for _ in repeat(None))
        case _:
            return _between(writes.offsets)


def _between(offsets: Iterable[int]) -> Iterator[int]:
    """The sizes of what lies between the offsets, none of them over 64 KiB."""
    at = 0
    for offset in offsets:
        while offset > at:
            size = min(offset - at, SLICE_BYTES)
            yield size
            at += size
    yield from repeat(SLICE_BYTES)


def _recut(items: Iterable[_Item], sizes: Iterator[int], with_head: bool = True) -> Iterator[_Item]:
    """Cut slices so that, those that `join` taken together, they have the sizes wanted. No mark is lost."""
    room, begun = next(sizes), False
    for item in items:
        if not isinstance(item, Slice) or not item.data or (item.kind in ("head", "interim") and not with_head):
            yield item
            continue
        data, due_s, event, kind = item.data, item.due_s, item.event, item.kind
        at, size = 0, len(data)
        while at < size:
            end = min(at + room, size)
            yield Slice(
                data[at:end], due_s, event, kind, item.starts and not at, item.ends and end == size, joins=begun
            )
            room, begun = room - (end - at), True
            if not room:
                room, begun = next(sizes), False
            at = end


def _cut_by_name(body: Iterable[Slice], names: Iterable[str]) -> Iterator[Slice]:
    patterns = [_CUTS[name] for name in names]
    for piece in body:
        cuts = sorted({found.end(1) for pattern in patterns for found in pattern.finditer(piece.data)})
        rest, done = piece, 0
        for at in cuts:
            first, rest = split_slice(rest, at - done)
            done = at
            yield first
        yield rest


def _join(items: Iterable[Slice | Step]) -> Iterator[Step]:
    """One write for each slice and those that join it; due when its last byte is."""
    parts: list[bytes] = []
    first: Slice | None = None
    due_s = 0.0
    for item in items:
        if isinstance(item, Slice) and not item.data:
            if item.kind == MEANWHILE.kind:
                yield _step(item)
            continue
        if first is not None and not (isinstance(item, Slice) and item.joins):
            yield _alone(first, due_s, b"".join(parts))
            first, parts = None, []
        if isinstance(item, Slice):
            first, due_s = first or item, item.due_s
            parts.append(item.data)
        else:
            yield item
    if first is not None:
        yield _alone(first, due_s, b"".join(parts))


def _alone(first: Slice, due_s: float, data: bytes) -> Step:
    if first.kind == "head":
        return Head(due_s, data, alone=True)
    return Write(due_s, data, alone=True, event=first.event)


def _space(steps: Iterable[Step], gap_s: float) -> Iterator[Step]:
    """Put at least a gap between two writes; what follows is never due before what precedes."""
    last_s = next_write_s = 0.0
    for step in steps:
        is_write = isinstance(step, Write | Head) and len(step.data) > 0
        last_s = max(step.due_s, next_write_s if is_write else last_s)
        if is_write:
            next_write_s = last_s + gap_s
        yield step if last_s == step.due_s else replace(step, due_s=last_s)
