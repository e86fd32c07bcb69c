"""Faults that end or hold a stream: where, when and how."""

from typing import Any

import pytest

from mockserver.faults import Fault
from mockserver.faults.cuts import Close, HalfClosed, Reset, Stall, Truncate
from mockserver.place import EventRef, Place
from mockserver.shorthand import Duration
from mockserver.steps import Abort, End, HalfClose, Head, Hold, Step, Write
from tests.mockserver.faults.struck import PACED, PLACES, TRANSFERS, WITH_EVENT, due_of, offset_of
from tests.mockserver.plans import data_of, last_of, make_plan, read_answer

CUTS: list[tuple[Fault, type[Step]]] = [(Close(), End), (Reset(), Abort), (HalfClosed(), HalfClose), (Stall(), Hold)]


@pytest.mark.parametrize("transfer", TRANSFERS)
@pytest.mark.parametrize("place", PLACES, ids=str)
@pytest.mark.parametrize(("fault", "step"), CUTS)
def test_a_cut_leaves_what_stands_before_its_place_and_ends_as_it_says(
    fault: Fault, step: type[Step], place: Place, transfer: str
) -> None:
    delivery = {"http": {"transfer": transfer}, "writes": {"mode": "event"}}
    plain = list(make_plan(delivery=delivery, timing=PACED))
    struck = list(make_plan(type(fault)(at=place), delivery=delivery, timing=PACED))  # type: ignore[call-arg]
    assert data_of(struck) == data_of(plain)[: offset_of(place, plain)]
    assert isinstance(struck[-1], step)
    assert struck[-1].due_s == pytest.approx(due_of(place, plain))
    if isinstance(struck[-1], End):
        assert struck[-1].close
    if isinstance(struck[-1], Abort):
        assert struck[-1].drain


def test_a_reset_may_destroy_what_is_under_way() -> None:
    assert last_of(make_plan(Reset(drain=False))) == Abort(0.0, drain=False)


@pytest.mark.parametrize("how", [{"writes": {"mode": "bytes", "of": "body"}}, {"writes": {"mode": "size", "size": 7}}])
@pytest.mark.parametrize("place", WITH_EVENT, ids=str)
def test_the_way_of_writing_does_not_move_a_place(place: Place, how: dict[str, Any]) -> None:
    delivery = {**how, "http": {"transfer": "close"}}
    plain = list(make_plan(delivery={"http": {"transfer": "close"}, "writes": {"mode": "event"}}))
    assert data_of(make_plan(Close(at=place), delivery=delivery)) == data_of(plain)[: offset_of(place, plain)]


@pytest.mark.parametrize("place", [p for p in PLACES if not p.kind.startswith("before_r")], ids=str)
def test_truncated_the_message_is_complete_and_says_no_more_than_its_beginning(place: Place) -> None:
    plain = read_answer(make_plan(delivery={"http": {"transfer": "close"}}))
    for transfer in TRANSFERS:
        reading = read_answer(make_plan(Truncate(at=place), delivery={"http": {"transfer": transfer}}))
        assert reading.is_complete
        assert plain.body.startswith(reading.body)
    steps = list(make_plan(delivery={"http": {"transfer": "close"}, "writes": {"mode": "event"}}))
    head = len(steps[0].data) if isinstance(steps[0], Head) else 0
    assert len(reading.body) == max(offset_of(place, steps) - head, 0)


@pytest.mark.parametrize("place", PLACES, ids=str)
def test_a_stall_for_a_time_makes_all_behind_it_later_and_nothing_else(place: Place) -> None:
    plain = list(make_plan(timing=PACED))
    struck = list(make_plan(Stall(at=place, lasts=Duration(2.0)), timing=PACED))
    assert data_of(struck) == data_of(plain)
    at, size = offset_of(place, list(make_plan(timing=PACED, delivery={"writes": {"mode": "event"}}))), 0
    due_of_byte = [step.due_s for step in plain if isinstance(step, Head | Write) for _ in step.data]
    for step in struck:
        first, size = size, size + (len(step.data) if isinstance(step, Head | Write) else 0)
        if size > first:
            assert step.due_s == pytest.approx(due_of_byte[first] + (2.0 if first >= at else 0.0))
    assert struck[-1].due_s == pytest.approx(plain[-1].due_s + 2.0)


def test_with_several_choices_the_finish_is_the_last_one() -> None:
    struck = read_answer(make_plan(Truncate(at=Place("after_finish")), n=3))
    assert len(struck.finishes) == 3
    assert len(read_answer(make_plan(Truncate(at=Place("before_event", EventRef("finish"))), n=3)).finishes) == 2


@pytest.mark.parametrize(
    ("faults", "ends", "size_of"),
    [
        ((Close(at=Place("after_event", EventRef(2))), Reset(at=Place("after_event", EventRef(1)))), Abort, 1),
        ((Close(at=Place("after_event", EventRef(1))), Reset(at=Place("after_event", EventRef(2)))), End, 1),
        ((Truncate(at=Place("after_event", EventRef(1))), Stall(at=Place("after_event", EventRef(4)))), End, 1),
    ],
)
def test_of_several_cuts_the_first_one_on_the_way_counts(
    faults: tuple[Fault, ...], ends: type[Step], size_of: int
) -> None:
    struck = list(make_plan(*faults))
    assert isinstance(struck[-1], ends)
    events = {step.event for step in struck if isinstance(step, Write) and step.event is not None}
    assert events == set(range(size_of + 1))
