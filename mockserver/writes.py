"""Bytes -> writes: which bytes go to the kernel in one send call. No byte is ever lost or reordered here."""

from collections.abc import Iterable, Iterator

from mockserver.sse import Slice
from mockserver.steps import Write


def make_writes(wire: Iterable[Slice]) -> Iterator[Write]:
    """One write for each slice; the player joins those that are due together, at most 64 KiB a send call."""
    for piece in wire:
        yield Write(piece.due_s, piece.data, event=piece.event)
