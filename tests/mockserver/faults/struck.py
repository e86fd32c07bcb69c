"""What the tests of faults share: places, and what a plan is with a fault and without."""

from itertools import product
from typing import Any

from mockserver.delivery import Delivery
from mockserver.faults import Fault, find_landmarks
from mockserver.faults.landmarks import Landmarks
from mockserver.place import EventRef, Place
from mockserver.scenario import convert
from mockserver.steps import Head, Step, Write
from mockserver.stream import Stream
from tests.mockserver import delivery_strategies
from tests.mockserver.plans import KINDS, make_plan, parse_events, read_answer

PACED = {"ttft": "100ms", "itl": "20ms"}
SIMPLE = [Place(kind) for kind in delivery_strategies.WITHOUT_EVENT]
WITH_EVENT = [
    Place(kind, ref)
    for kind, ref in product(
        delivery_strategies.WITH_EVENT, [EventRef(event) for event in (0, 2, 7, *delivery_strategies.EVENT_NAMES)]
    )
]
PLACES = [*SIMPLE, *WITH_EVENT]
NOWHERE = [Place("after_event", EventRef(8)), Place("inside_event", EventRef(99)), Place("before_event", EventRef(50))]
TRANSFERS = ("chunked", "length", "close")


def fault_of(name: str, **options: Any) -> Fault:
    """A fault as a file would say it."""
    made: Fault = convert({"faults": [{"fault": name, **options}]}, Delivery).faults[0]
    return made


def offset_of(place: Place, plain: list[Step]) -> int:
    """How many bytes of the plain plan, in mode event, stand before a place; found by counting."""
    found = [
        (KINDS[step.event], len(step.data)) for step in plain if isinstance(step, Write) and step.event is not None
    ]
    head = len(plain[0].data) if isinstance(plain[0], Head) else 0
    target = place.event.value if place.event else place.kind.removeprefix("after_")
    if target in ("before_reply", "before_headers"):
        return 0
    if target == "headers":
        return head
    number = target if isinstance(target, int) else [kind for kind, _ in found].index(target)
    before = head + sum(size for _, size in found[:number])
    size = found[number][1]
    return before + {"before_event": 0, "inside_event": size // 2}.get(place.kind, size)


def due_of(place: Place, plain: list[Step]) -> float:
    """When the last byte before a place is due; before something, when that would have been."""
    if place.kind == "before_reply":
        return 0.0
    at = offset_of(place, plain)
    size = 0
    for step in plain:
        size += len(step.data) if isinstance(step, Head | Write) else 0
        if size > at or (size == at and place.kind not in ("before_event", "before_headers")):
            return step.due_s
    raise AssertionError(place)


def landmarks(**more: Any) -> Landmarks:
    """What the verdicts on the plain stream depend on."""
    stream = make_plan(**more).stream
    assert isinstance(stream, Stream)
    return find_landmarks(stream.body())


def plain_events() -> list[tuple[str, str]]:
    return list(parse_events(read_answer(make_plan()).body))


def events_with(*faults: Fault, **more: Any) -> list[tuple[str, str]]:
    return list(parse_events(read_answer(make_plan(*faults, **more)).body))
