"""The steps of a template, their bytes cut at its gaps: what stands between two gaps is kept, what is put in comes with the terms."""

import re
from collections.abc import Iterable, Iterator
from itertools import groupby
from operator import add
from typing import NamedTuple

from mockserver.sse import SLICE_BYTES
from mockserver.steps import Burst, Head, Step, Write


class Row:
    """One step, its bytes cut at the gaps."""

    __slots__ = ("_holes", "_step", "only", "parts", "size", "write")

    def __init__(self, step: Step, parts: list[bytes], holes: list[int], then_s: float | None = None) -> None:
        self._step = step
        self.parts = parts
        self._holes = holes
        self.size = len(getattr(step, "data", b""))
        self.write = (step.due_s, step.alone, step.event, step.count, then_s) if isinstance(step, Write) else None
        self.only = holes[0] if len(set(holes)) == 1 else None  # of nearly every row: the completion's id and `created`

    def fill(self, owns: list[bytes]) -> Step:
        step = self._step
        if not self._holes or not isinstance(step, Head | Write):
            return step
        if self.only is not None:
            data = owns[self.only].join(self.parts)
        else:
            data = b"".join([*map(add, self.parts, map(owns.__getitem__, self._holes)), self.parts[-1]])
        if isinstance(step, Head):
            return Head(step.due_s, data, step.alone)
        return Write(step.due_s, data, step.alone, step.event, step.count)


class Rows(NamedTuple):
    """Rows of which one burst is made: one after the other, due together, and all with the same gap only."""

    due_s: float
    event: int
    only: int
    parts: list[list[bytes]]

    def fill(self, owns: list[bytes]) -> Burst:
        return Burst(self.due_s, [*map(owns[self.only].join, self.parts)], self.event)


def gather(rows: Iterable[Row]) -> Iterator[Row | Rows]:
    """Rows as they are, but those put together of which one burst can be made."""
    for key, group in groupby(enumerate(rows), lambda numbered: _burst_key(*numbered)):
        members = [*group]
        if key is None or len(members) == 1:
            yield from (row for _, row in members)
            continue
        due_s, ahead, only = key
        event = ahead + members[0][0]
        most = max(SLICE_BYTES // max(row.size for _, row in members), 1)
        for at in range(0, len(members), most):
            parts = [row.parts for _, row in members[at : at + most]]
            yield Rows(due_s, event + at, only, parts)


def _burst_key(number: int, row: Row) -> tuple[float, int, int] | None:
    """The same for rows of which one burst can be made, as each belongs to the next event; None for all others."""
    if row.write is None or row.only is None:
        return None
    due_s, is_alone, event, count, _ = row.write
    return (due_s, event - number, row.only) if is_alone and event is not None and count == 1 else None


def cut_step(step: Step, then_s: float | None, pattern: "re.Pattern[bytes]", numbers: dict[bytes, int]) -> Row:
    """A step cut where `pattern` finds the mark of a gap; `numbers` are those of the gaps, by their marks."""
    if not isinstance(step, Head | Write):
        return Row(step, [], [])
    parts, holes, at = [], [], 0
    for found in pattern.finditer(step.data):
        parts.append(step.data[at : found.start()])
        holes.append(numbers[found[0]])
        at = found.end()
    return Row(step, [*parts, step.data[at:]], holes, then_s)


def fill_rows(rows: list[Row | Rows], owns: list[bytes]) -> Iterator[Step]:
    """The steps of a template; `owns` is what is put into its gaps, by their numbers."""
    number, own = -1, b""
    for row in rows:
        if isinstance(row, Rows) or row.only is None or row.write is None:
            yield row.fill(owns)
            continue
        # Nearly every row of a stream; here, as each would cost a call.
        if row.only != number:
            number, own = row.only, owns[row.only]
        due_s, alone, event, count, then_s = row.write
        yield Write(due_s, own.join(row.parts), alone, event, count, then_s)
