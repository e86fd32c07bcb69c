"""Of every fault: its name, its place, its chance; and what it does where there is no stream."""

import inspect
import json
from typing import Any

import msgspec
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from mockserver.delivery import Delivery
from mockserver.faults import FAULTS, Fault, choose
from mockserver.faults.body import OtherBody
from mockserver.faults.cuts import Close, Truncate
from mockserver.faults.events import AfterDone, BadUtf8, DoneSuffix, Drop, Duplicate, HalfEvent, Swap
from mockserver.faults.landmarks import Landmarks
from mockserver.faults.large import LargeEvent, ManyChunks
from mockserver.faults.told import ToldError
from mockserver.place import EventRef, Place
from mockserver.scenario import convert
from tests.mockserver import delivery_strategies
from tests.mockserver.faults.struck import NOWHERE, fault_of, landmarks
from tests.mockserver.plans import CONTENT, data_of, make_plan, read_answer


def test_every_fault_says_its_name_what_it_does_and_on_which_arrow_and_can_be_used_without_options() -> None:
    arrows = {"events": "on_events", "body": "on_body", "coding": "on_coding", "length": "on_length", "wire": "on_wire"}
    for name, kind in FAULTS.items():
        fault = kind()
        assert fault_of(name) == fault
        first_paragraph = (inspect.getdoc(kind) or "").split("\n\n")[0]
        assert first_paragraph.endswith("."), name
        assert "deliberate departure" not in first_paragraph, f"{name} has no words of its own"
        method = arrows[kind.arrow]
        assert getattr(kind, method) is not getattr(Fault, method), f"{name} does nothing on its arrow"
        assert fault.right in ("same", "either", "error")


def test_strategies_know_every_fault_and_all_its_options() -> None:
    assert delivery_strategies.FAULT_OPTIONS.keys() == FAULTS.keys()
    for name, options in delivery_strategies.FAULT_OPTIONS.items():
        assert options.keys() == set(FAULTS[name].__struct_fields__) - {"probability"}, name


def test_the_one_that_does_nothing_does_nothing() -> None:
    assert data_of(make_plan(Fault())) == data_of(make_plan())
    assert list(make_plan(Fault())) == list(make_plan())


@pytest.mark.parametrize("place", NOWHERE)
@pytest.mark.parametrize("name", [name for name, kind in FAULTS.items() if {"at", "event"} & {*kind.__struct_fields__}])
def test_a_fault_whose_place_or_event_does_not_come_does_not_strike(name: str, place: Place) -> None:
    fields = FAULTS[name].__struct_fields__
    fault = FAULTS[name](**({"at": place} if "at" in fields else {"event": place.event}))
    struck = make_plan(fault, delivery={"http": {"coding": "gzip", "coding_unasked": True, "transfer": "chunked"}})
    plain = make_plan(delivery={"http": {"coding": "gzip", "coding_unasked": True, "transfer": "chunked"}})
    assert list(struck) == list(plain)
    assert fault.right_in(landmarks()) == "same"


# Without a stream: the body as one event


@pytest.mark.parametrize("event", [0, 1, 5, "finish", "done"])
def test_a_body_that_is_no_stream_is_the_one_event_whatever_it_is_called(event: Any) -> None:
    ref = EventRef(event)
    plain = read_answer(make_plan(stream=False)).body
    assert read_answer(make_plan(Drop(event=ref), stream=False)).body == b""
    assert read_answer(make_plan(Duplicate(event=ref), stream=False)).body == plain * 2
    assert read_answer(make_plan(HalfEvent(event=ref), stream=False)).body == plain[: len(plain) // 2]
    assert b"\xff\xfe" in read_answer(make_plan(BadUtf8(event=ref), stream=False)).body
    inside = make_plan(Close(at=Place("inside_event", ref)), stream=False)
    assert data_of(inside).endswith(plain[: len(plain) // 2])
    assert read_answer(make_plan(Close(at=Place("after_event", ref)), stream=False)).contents == [CONTENT]
    assert read_answer(make_plan(Truncate(at=Place("before_event", ref)), stream=False)).body == b""


@pytest.mark.parametrize("shape", ["object", "chunk", "string"])
def test_an_error_told_without_a_stream_is_the_body(shape: Any) -> None:
    reading = read_answer(make_plan(ToldError(shape=shape), stream=False))
    assert "error" in json.loads(reading.body)
    assert reading.status == 200


@pytest.mark.parametrize("fault", [AfterDone(), DoneSuffix(), LargeEvent(), ManyChunks(count=5), Swap()])
def test_what_only_a_stream_can_have_does_not_strike_without_one(fault: Fault) -> None:
    if isinstance(fault, DoneSuffix):
        assert fault.right_in(Landmarks(("whole",), (9,))) == "error"
        return
    assert list(make_plan(fault, stream=False)) == list(make_plan(stream=False))
    assert fault.right_in(Landmarks(("whole",), (9,))) == "same"


@given(delivery_strategies.faults(), st.sampled_from([None, "chunked", "close"]))
@example(OtherBody(what="completion", content_type="text/event-stream"), None)
def test_the_verdict_on_a_body_that_is_no_stream_is_what_a_reader_finds(fault: Fault, transfer: str | None) -> None:
    delivery = convert({"http": {"transfer": transfer}} if transfer else {}, Delivery)
    plain = read_answer(make_plan(delivery=delivery, stream=False))
    coded = fault.on_http(delivery.http).coding is not None
    found = Landmarks(("whole",), (len(plain.body),), "event" if coded else None)
    reading = read_answer(make_plan(fault, delivery=delivery, stream=False))
    right = fault.right_in(found)
    if right == "same":
        assert (reading.contents, reading.finishes) == ([CONTENT], ["stop"])
    elif right == "error":
        assert reading.problems


# Chance


def test_a_fault_strikes_as_often_as_it_says_decided_by_seed_and_ordinal() -> None:
    faults = [Drop(probability=0.25), Swap(), Duplicate(probability=0.0)]
    struck = [choose(faults, f"seed/{ordinal}") for ordinal in range(2000)]
    assert struck == [choose(faults, f"seed/{ordinal}") for ordinal in range(2000)]
    assert 400 < sum(faults[0] in chosen for chosen in struck) < 600
    assert all(faults[1] in chosen and faults[2] not in chosen for chosen in struck)
    assert struck != [choose(faults, f"other/{ordinal}") for ordinal in range(2000)]


def test_two_faults_of_the_same_chance_are_thrown_for_apart() -> None:
    faults = [Drop(probability=0.5), Swap(probability=0.5)]
    assert {len(choose(faults, str(ordinal))) for ordinal in range(50)} == {0, 1, 2}


@pytest.mark.parametrize("probability", [-0.1, 1.1])
def test_a_chance_is_from_0_to_1(probability: float) -> None:
    with pytest.raises(msgspec.ValidationError, match="Expected `float`"):
        msgspec.convert({"fault": "drop", "probability": probability}, Drop)
