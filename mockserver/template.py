"""A plan rendered once and kept, with gaps for what differs between two askings: the ids, `created` and `Date`.

A repeated request costs no rendering: the bytes between the gaps are those of the first time, and due times with them. What is
filled in has the length of what stood there, so that every size on the way stays true.
"""

import re
from collections.abc import Callable, Hashable, Iterable, Iterator
from itertools import islice, takewhile, zip_longest
from typing import NamedTuple

from msgspec.structs import replace

from mockserver.http import http_date
from mockserver.ids import OPENAI_IDS, make_id
from mockserver.plan import Plan, Terms
from mockserver.rows import Row, Rows, cut_step, fill_rows, gather
from mockserver.scenario import Turn
from mockserver.sse import SLICE_BYTES
from mockserver.steps import Step, Write, part

MAX_TEMPLATES = 64
"""How many templates are kept; all go when there are more."""

_LONG_MEASURE = 8
"""Of how many writes without bytes in front, while its length is measured, a plan is too large."""

MAX_BYTES = 256 * 1024
"""The largest answer of which a template is kept."""


class Template:
    """The steps of a plan, their bytes in parts between the gaps."""

    __slots__ = ("_gaps", "_plan", "_rows", "_sizes")

    def __init__(self, plan: Plan, gaps: list["_Gap"], rows: list[Row | Rows]) -> None:
        self._plan = plan
        self._gaps = gaps
        self._sizes = [len(gap.mark) for gap in gaps]
        self._rows = rows

    def fill(self, make_plan: Callable[[Terms], Plan], terms: Terms) -> Plan | None:
        """The plan for other terms, or None if what they put in has other lengths; `make_plan` makes its writes one by one."""
        own = [fill(terms) for _, fill in self._gaps]
        if [*map(len, own)] != self._sizes:
            return None

        # Filled as they are asked for: the journal keeps the plan, and must not keep its bytes.
        return Plan(
            self._plan.status, lambda: iter(make_plan(terms)), self._plan.stream, lambda: fill_rows(self._rows, own)
        )


class _Gap(NamedTuple):
    """What differs between two askings: what stands for it in the template, and how it follows from the terms of one."""

    mark: bytes
    fill: Callable[[Terms], bytes]


_MARK_S = 9_753_108_642.0
"""The moment in whose place others are put: of ten digits, as all until the year 2286."""

_CREATED = _Gap(b"%d" % _MARK_S, lambda terms: b"%d" % terms.wall_s)
_DATE = _Gap(http_date(_MARK_S).encode(), lambda terms: http_date(terms.wall_s).encode())


def _id_gap(prefix: str, suffix: str, mark: str) -> _Gap:
    """`suffix` is what the id's key has beyond that of the request."""
    return _Gap(mark.encode(), lambda terms: terms.ids(prefix, terms.key + suffix).encode())


def _both(one: _Gap, between: bytes, other: _Gap) -> _Gap:
    return _Gap(one.mark + between + other.mark, lambda terms: one.fill(terms) + between + other.fill(terms))


def make_template(make_plan: Callable[[Terms], Plan], terms: Terms) -> Template | None:
    """A template of the plan that `make_plan` makes, or None if it is too large or what differs cannot be told apart in it."""
    gaps: dict[str, _Gap] = {}

    def mark(prefix: str, key: str) -> str:
        own = make_id(prefix, f"gap/{len(gaps)}/{key}")[: len(terms.ids(prefix, key))]
        suffix = key.removeprefix(terms.key)
        return gaps.setdefault(prefix + suffix, _id_gap(prefix, suffix, own)).mark.decode()

    plan = make_plan(replace(terms, ids=mark, wall_s=_MARK_S))
    front = takewhile(lambda step: isinstance(step, Write) and not step.data, islice(plan, _LONG_MEASURE))
    if len(list(front)) == _LONG_MEASURE:  # it is so long that its length is measured in turns with other streams
        return None
    steps, size = [], 0
    for step in _join(plan):
        size += len(getattr(step, "data", b""))
        if size > MAX_BYTES:
            return None
        steps.append(step)
    wanted = {gap.mark: gap for gap in (*_find_pairs(steps, gaps.values()), *gaps.values(), _CREATED, _DATE)}
    pattern = re.compile(b"|".join(map(re.escape, wanted)))
    marks = dict.fromkeys(mark for step in steps for mark in pattern.findall(getattr(step, "data", b"")))
    found, numbers = [wanted[mark] for mark in marks], {mark: number for number, mark in enumerate(marks)}
    then_s = [following.due_s if isinstance(following, Write) else None for following in steps[1:]]
    rows = [cut_step(*step, pattern, numbers) for step in zip_longest(steps, then_s)]
    template = Template(plan, found, [*gather(rows)])
    # What is cut, coded or escaped is not found again: what is filled in is held against what is rendered.
    filled = template.fill(make_plan, terms)
    is_right = filled is not None and list(_one_by_one(filled.in_short())) == list(_one_by_one(_join(make_plan(terms))))
    return template if is_right else None


def _find_pairs(steps: Iterable[Step], ids: Iterable[_Gap]) -> Iterator[_Gap]:
    """Each id that stands close before `created`, both and what is between them as one gap: filled in at once in each event."""
    data = b"".join([step.data for step in steps if isinstance(step, Write)])
    for gap in ids:
        found = re.search(b"%b([^\n]{1,64}?)%b" % (re.escape(gap.mark), _CREATED.mark), data)
        if found is not None:
            yield _both(gap, found[1], _CREATED)


def _one_by_one(steps: Iterable[Step]) -> Iterator[Step]:
    """Each write a step of its own, and without what it tells of the one behind it."""
    return (replace(step, then_s=None) if isinstance(step, Write) else step for step in part(steps))


def _join(plan: Plan) -> Iterator[Step]:
    """The steps with those writes put together that are due at the same moment, as the player would.

    The head stays apart, and with it its own gaps: rows with one only are filled the fastest.
    """
    waiting: Write | None = None
    for step in part(plan.in_short()):
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
    """Whether more than the gaps differs between two askings: jitter, probabilities, random writes, what is coded."""
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
    """The templates of a server, found by what decides a plan's bytes apart from the gaps."""

    def __init__(self) -> None:
        self._kept: dict[Hashable, Template | None] = {}
        self._seen: Hashable = None

    def plan(
        self,
        key: Hashable,
        make_plan: Callable[[Terms], Plan],
        terms: Terms,
        varies: Callable[[], bool] = lambda: False,
    ) -> Plan:
        """The plan for `key`: from a template if it is asked for again, else made anew, as always where more of it `varies`."""
        kept = self._kept
        if key in kept:
            template = kept[key]
            filled = template.fill(make_plan, terms) if template is not None else None
            return filled if filled is not None else make_plan(terms)
        if key == self._seen:
            if len(kept) >= MAX_TEMPLATES:
                kept.clear()
            kept[key] = None if varies() else make_template(make_plan, terms)
        self._seen = key
        return make_plan(terms)

    def clear(self) -> None:
        """Forget all. From any thread: a template under way meanwhile is put where nobody looks any more."""
        self._kept = {}
        self._seen = None
