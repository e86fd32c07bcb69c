"""A plan rendered once and kept, with gaps for what differs between two askings: the ids.

A repeated request costs no rendering: the bytes between the ids are those of the first time, and due times with them. What is
filled in has the length of what stood there, so that every size on the way stays true. Kept for one second of the wall clock,
because `created` and `Date` change with it.
"""

import re
from collections.abc import Callable, Hashable, Iterator
from dataclasses import replace
from itertools import islice, takewhile
from operator import add

from mockserver.ids import OPENAI_IDS, make_id
from mockserver.plan import Plan, Terms
from mockserver.scenario import Turn
from mockserver.sse import SLICE_BYTES
from mockserver.steps import Head, Step, Write

MAX_TEMPLATES = 64
"""How many templates are kept; all go when there are more."""

_LONG_MEASURE = 8
"""Of how many writes without bytes in front, while its length is measured, a plan is too large."""

MAX_BYTES = 256 * 1024
"""The largest answer of which a template is kept."""


class Template:
    """The steps of a plan, their bytes in parts between the ids."""

    __slots__ = ("_gaps", "_plan", "_rows")

    def __init__(self, plan: Plan, gaps: list["_Gap"], rows: list["_Row"]) -> None:
        self._plan = plan
        self._gaps = gaps
        self._rows = rows

    def fill(self, make_plan: Callable[[Terms], Plan], terms: Terms) -> Plan | None:
        """The plan for other terms, or None if their ids have other lengths; `make_plan` makes its writes one by one."""
        key = terms.key
        ids = [terms.ids(gap.prefix, key + gap.suffix).encode() for gap in self._gaps]
        if any(len(own) != gap.length for own, gap in zip(ids, self._gaps, strict=True)):
            return None

        # Filled as they are asked for: the journal keeps the plan, and must not keep its bytes.
        def in_short() -> Iterator[Step]:
            for row in self._rows:
                if row.only is None or row.write is None:
                    yield row.fill(ids)
                else:  # nearly every row of a stream; here, as each would cost a call
                    due_s, alone, event, count = row.write
                    yield Write(due_s, ids[row.only].join(row.parts), alone, event, count)

        return Plan(self._plan.status, lambda: iter(make_plan(terms)), self._plan.stream, in_short)


class _Gap:
    """Where an id stands: its prefix and what its key has beyond that of the request."""

    __slots__ = ("length", "mark", "prefix", "suffix")

    def __init__(self, prefix: str, suffix: str, mark: str) -> None:
        self.prefix = prefix
        self.suffix = suffix
        self.mark = mark.encode()
        self.length = len(mark)


class _Row:
    """One step, its bytes cut at the gaps."""

    __slots__ = ("_holes", "_step", "only", "parts", "write")

    def __init__(self, step: Step, parts: list[bytes], holes: list[int]) -> None:
        self._step = step
        self.parts = parts
        self._holes = holes
        self.write = (step.due_s, step.alone, step.event, step.count) if isinstance(step, Write) else None
        self.only = holes[0] if len(set(holes)) == 1 else None  # of nearly every row: the completion's id

    def fill(self, ids: list[bytes]) -> Step:
        step = self._step
        if not self._holes or not isinstance(step, Head | Write):
            return step
        if self.only is not None:
            data = ids[self.only].join(self.parts)
        else:
            data = b"".join([*map(add, self.parts, map(ids.__getitem__, self._holes)), self.parts[-1]])
        if isinstance(step, Head):
            return Head(step.due_s, data, step.alone)
        return Write(step.due_s, data, step.alone, step.event, step.count)


def make_template(make_plan: Callable[[Terms], Plan], terms: Terms) -> Template | None:
    """A template of the plan that `make_plan` makes, or None if it is too large or its ids cannot be told apart in it."""
    gaps: dict[str, _Gap] = {}

    def mark(prefix: str, key: str) -> str:
        own = make_id(prefix, f"gap/{len(gaps)}/{key}")[: len(terms.ids(prefix, key))]
        suffix = key.removeprefix(terms.key)
        return gaps.setdefault(prefix + suffix, _Gap(prefix, suffix, own)).mark.decode()

    plan = make_plan(replace(terms, ids=mark))
    front = takewhile(lambda step: isinstance(step, Write) and not step.data, islice(plan, _LONG_MEASURE))
    if len(list(front)) == _LONG_MEASURE:  # it is so long that its length is measured in turns with other streams
        return None
    steps, size = [], 0
    for step in _join(plan):
        size += len(getattr(step, "data", b""))
        if size > MAX_BYTES:
            return None
        steps.append(step)
    found = list(gaps.values())
    numbers = {gap.mark: number for number, gap in enumerate(found)}
    pattern = re.compile(b"|".join(map(re.escape, numbers)) or b"(?!)")
    template = Template(plan, found, [_cut(step, pattern, numbers) for step in steps])
    # An id that is cut, coded or escaped is not found again: what is filled in is held against what is rendered.
    filled = template.fill(make_plan, terms)
    is_right = filled is not None and list(filled.in_short()) == list(_join(make_plan(terms)))
    return template if is_right else None


def _cut(step: Step, pattern: "re.Pattern[bytes]", numbers: dict[bytes, int]) -> _Row:
    if not isinstance(step, Head | Write):
        return _Row(step, [], [])
    parts, holes, at = [], [], 0
    for found in pattern.finditer(step.data):
        parts.append(step.data[at : found.start()])
        holes.append(numbers[found[0]])
        at = found.end()
    return _Row(step, [*parts, step.data[at:]], holes)


def _join(plan: Plan) -> Iterator[Step]:
    """The steps with those writes put together that are due at the same moment, as the player would.

    The head stays apart, and with it its own id: rows with one id only are filled the fastest.
    """
    waiting: Write | None = None
    for step in plan.in_short():
        if waiting is not None and isinstance(step, Write) and _leave_together(waiting, step):
            event = waiting.event if step.event is None else step.event
            waiting = Write(waiting.due_s, waiting.data + step.data, False, event, waiting.count + step.count)
            continue
        if waiting is not None:
            yield waiting
        waiting = step if isinstance(step, Write) else None
        if waiting is None:
            yield step
    if waiting is not None:
        yield waiting


def _leave_together(one: Write, other: Write) -> bool:
    together = one.due_s == other.due_s and not one.alone and not other.alone
    return together and len(one.data) + len(other.data) <= SLICE_BYTES


def varies_with_ordinal(turn: Turn) -> bool:
    """Whether more than the ids differs between two askings: jitter, probabilities, random writes, what is coded."""
    timing, delivery = turn.timing, turn.delivery
    return (
        any(pause is not None and pause.varies for pause in (timing.ttft, timing.itl))
        or any(fault.probability < 1 or fault.arrow == "coding" for fault in delivery.faults)
        or any(fault.__struct_config__.tag == "gzip_bomb" for fault in delivery.faults)
        or delivery.writes.mode == "random"
        or delivery.http.coding is not None
        or delivery.dialect is not None
        or delivery.ids != OPENAI_IDS  # they are made of those that a template fills in
    )


class Templates:
    """The templates of a server, found by what decides a plan's bytes apart from the ids."""

    def __init__(self) -> None:
        self._kept: dict[Hashable, Template | None] = {}
        self._seen: Hashable = None

    def plan(self, key: Hashable, make_plan: Callable[[Terms], Plan], terms: Terms) -> Plan:
        """The plan for `key`: from a template if it is asked for again, else made anew."""
        kept = self._kept
        if key in kept:
            template = kept[key]
            filled = template.fill(make_plan, terms) if template is not None else None
            return filled if filled is not None else make_plan(terms)
        if key == self._seen:
            if len(kept) >= MAX_TEMPLATES:
                kept.clear()
            kept[key] = make_template(make_plan, terms)
        self._seen = key
        return make_plan(terms)

    def clear(self) -> None:
        """Forget all. From any thread: a template under way meanwhile is put where nobody looks any more."""
        self._kept = {}
        self._seen = None
