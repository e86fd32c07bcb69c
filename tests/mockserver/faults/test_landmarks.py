"""The verdict on each fault, by how much of the stream has come."""

from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from mockserver.delivery import Delivery
from mockserver.faults import FAULTS, Fault, find_landmarks
from mockserver.faults.body import DamagedCoding, OtherBody, WrongLength
from mockserver.faults.cuts import Close, Stall, Truncate
from mockserver.faults.events import AfterDone, BadJson, BadUtf8, DoneSuffix, Drop, Duplicate, HalfEvent, Only, Swap
from mockserver.faults.landmarks import LONG_STREAM, Landmarks
from mockserver.faults.large import LargeEvent, ManyChunks
from mockserver.faults.told import ToldError
from mockserver.place import EventRef, Place
from mockserver.quirks.quirk import Right
from mockserver.scenario import convert
from mockserver.shorthand import Duration
from mockserver.sse import Slice
from tests.mockserver import delivery_strategies
from tests.mockserver.faults.struck import NOWHERE, SIMPLE, TRANSFERS, WITH_EVENT, landmarks
from tests.mockserver.plans import CONTENT, make_plan, read_answer


@given(
    delivery_strategies.faults(),
    st.sampled_from(TRANSFERS),
    st.sampled_from([None, "gzip", "br"]),
    st.booleans(),
    st.integers(1, 2),
)
@example(WrongLength(by=-16), "chunked", None, True, 1)
@example(DamagedCoding(event=EventRef("done")), "length", "br", True, 1)
@example(ToldError(shape="unframed", then="go_on"), "chunked", None, True, 1)
def test_the_verdict_on_a_stream_is_what_a_reader_finds(
    fault: Fault, transfer: str, coding: str | None, usage: bool, n: int
) -> None:
    """`same`: nothing is missing or wrong up to [DONE]. `error`: something is, and it can be told."""
    delivery = convert({"http": {"transfer": transfer} | ({"coding": coding} if coding else {})}, Delivery)
    more: dict[str, Any] = {"n": n} if usage else {"n": n, "stream_options": {"include_usage": False}}
    http = fault.on_http(delivery.http)
    plain = make_plan(delivery=delivery, **more)
    assert plain.stream is not None
    found = find_landmarks(plain.stream.body(), "event" if http.coding else None)
    if isinstance(fault, WrongLength) and coding:
        return  # its landmarks are those of the coded body: see the test of coded lengths
    right = fault.right_in(found)
    reading = read_answer(make_plan(fault, delivery=delivery, **more))
    if right == "same":
        assert reading.contents == [CONTENT] * n
        assert len(reading.finishes) == n
        assert "usage" in fault.hides_in(found) or bool(reading.usage) is usage
        assert not [problem for problem in reading.problems if not problem.startswith("HTTP")]
        if not reading.is_done:
            assert reading.is_complete, "without [DONE] the end must be clean"
    elif right == "error":
        assert reading.problems


CUT_RIGHTS: list[tuple[str, dict[str, Right]]] = [
    ("truncate", {"part": "error", "finish": "same", "done": "same"}),
    ("close", {"part": "error", "finish": "either", "done": "either"}),
    ("reset", {"part": "error", "finish": "either", "done": "either"}),
    ("half_close", {"part": "error", "finish": "either", "done": "either"}),
    ("stall", {"part": "error", "finish": "either", "done": "same"}),
    ("bad_chunk", {"part": "error", "finish": "either", "done": "either"}),
    ("endless", {"part": "error", "finish": "either", "done": "either"}),
    ("gzip_bomb", {"part": "error", "finish": "either", "done": "either"}),
]
SEEN = {
    "part": [*SIMPLE[:3], *[p for p in WITH_EVENT if p.event and p.event.value in (0, 2, "role")],
             Place("before_event", EventRef("finish")), Place("inside_event", EventRef("finish")),
             Place("inside_event", EventRef(5))],
    "finish": [Place("after_finish"), Place("after_event", EventRef(5)), Place("after_event", EventRef("usage")),
               Place("before_event", EventRef("done"))],
    "done": [Place("after_done"), Place("after_event", EventRef("done")), Place("after_event", EventRef(7))],
}  # fmt: skip


@pytest.mark.parametrize(("name", "rights"), CUT_RIGHTS)
def test_the_verdict_on_a_cut_depends_on_what_had_been_seen_not_on_how_the_place_is_written(
    name: str, rights: dict[str, Right]
) -> None:
    for seen, right in rights.items():
        for place in SEEN[seen]:
            assert FAULTS[name](at=place).right_in(landmarks()) == right, (seen, str(place))  # type: ignore[call-arg]
    for place in NOWHERE:
        assert FAULTS[name](at=place).right_in(landmarks()) == "same", str(place)  # type: ignore[call-arg]


@pytest.mark.parametrize("name", [name for name, _ in CUT_RIGHTS])
def test_a_cut_inside_an_event_behind_the_finish_may_be_told_or_not(name: str) -> None:
    for event in ("usage", "done", 6, 7):
        fault = FAULTS[name](at=Place("inside_event", EventRef(event)))  # type: ignore[call-arg]
        assert fault.right_in(landmarks()) == "either"


@pytest.mark.parametrize(
    ("fault", "right"),
    [
        (Stall(lasts=Duration(5)), "same"),
        (BadJson(), "error"), (BadJson(event=EventRef("usage")), "error"), (BadJson(event=EventRef(7)), "either"),
        (BadJson(data=""), "either"), (BadJson(data="{}"), "either"), (BadJson(data="{"), "error"),
        (HalfEvent(), "error"), (HalfEvent(event=EventRef("done")), "either"),
        (BadUtf8(), "either"), (BadUtf8(event=EventRef("done")), "either"),
        (Duplicate(), "either"), (Duplicate(event=EventRef(6)), "same"), (Duplicate(event=EventRef("done")), "same"),
        (Drop(), "either"), (Drop(event=EventRef("usage")), "same"), (Drop(event=EventRef(7)), "same"),
        (Swap(), "either"), (Swap(event=EventRef("done")), "same"),
        (DoneSuffix(), "error"), (DoneSuffix(event=EventRef("done")), "either"),
        (DoneSuffix(text=" \n"), "either"), (DoneSuffix(text=" ", event=EventRef("done")), "either"),
        (AfterDone(), "same"), (Only(), "error"), (Only(what="done"), "error"), (Only(what="comments"), "error"),
        (ToldError(), "error"), (ToldError(at=Place("after_finish")), "error"), (ToldError(at=Place("after_done")), "either"),
        (ToldError(at=Place("before_reply"), then="go_on"), "error"), (ToldError(shape="bare_line"), "error"),
        (ToldError(shape="bare_line", then="go_on"), "either"), (ToldError(shape="unframed", at=Place("after_finish")), "either"),
        (OtherBody(), "error"), (OtherBody(what="error"), "error"), (OtherBody(what="completion"), "either"),
        (OtherBody(what="completion", text="x"), "error"),
        (WrongLength(by=0), "same"), (WrongLength(by=1), "either"), (WrongLength(by=-1), "either"),
        (WrongLength(by=-14), "either"), (WrongLength(by=-2000), "error"),
        (LargeEvent(), "same"), (ManyChunks(), "same"), (DamagedCoding(), "same"),
    ],
)  # fmt: skip
def test_the_verdict_on_each_fault_in_the_plain_stream(fault: Fault, right: Right) -> None:
    assert fault.right_in(landmarks()) == right


@pytest.mark.parametrize(
    ("event", "flush", "right"),
    [(1, "event", "error"), ("finish", "event", "error"), ("usage", "event", "either"), (7, "event", "either"),
     (7, "end", "error"), (8, "end", "same"), (1, None, "same")],
)  # fmt: skip
def test_the_verdict_on_a_damaged_coding_depends_on_how_it_is_flushed(event: Any, flush: Any, right: Right) -> None:
    plain = landmarks()
    found = Landmarks(plain.kinds, plain.ends, flush)
    assert DamagedCoding(event=EventRef(event)).right_in(found) == right


def test_without_a_stream_at_hand_the_verdict_is_that_on_a_long_one() -> None:
    assert LONG_STREAM.kinds[1000:] == ("delta", "finish", "usage", "done")
    assert Close(at=Place("after_event", EventRef(900))).right == "error"
    assert Close(at=Place("after_finish")).right == "either"
    assert DamagedCoding().right == "error"
    assert Duplicate().hides == ("content", "tool_calls", "refusal", "reasoning", "finish_reason", "usage", "tool_ids")
    assert Close(at=Place("after_finish")).hides == ("usage",)
    assert BadJson().hides == ()
    assert DoneSuffix(text=" ").hides == Duplicate().hides
    assert DoneSuffix(text=" ", event=EventRef("done")).hides == ("usage",)
    assert DoneSuffix().hides_in(landmarks()) == DoneSuffix(text=" ", event=EventRef(99)).hides_in(landmarks()) == ()


def test_what_a_cut_keeps_back_is_hidden() -> None:
    assert Truncate(at=Place("after_finish")).hides_in(landmarks()) == ("usage",)
    assert Truncate(at=Place("before_event", EventRef("done"))).hides_in(landmarks()) == ()
    assert Truncate(at=NOWHERE[0]).hides_in(landmarks()) == ()
    assert Drop(event=EventRef("usage")).hides_in(landmarks()) == ("usage",)
    assert Drop(event=EventRef("done")).hides_in(landmarks()) == ()
    assert Duplicate(event=EventRef("usage")).hides_in(landmarks()) == ()
    assert Drop(event=EventRef(99)).hides_in(landmarks()) == ()


def test_an_event_of_several_slices_has_its_landmark_at_its_end() -> None:
    pieces = [Slice(b"ab", 0.0, 0, "role", ends=False), Slice(b"c", 0.0, 0, "role", starts=False), Slice(b":\n\n", 0.0),
              Slice(b"d", 0.0, 1, "done")]  # fmt: skip
    assert find_landmarks(pieces) == Landmarks(("role", "done"), (3, 7), size=7)


def test_with_several_choices_all_of_them_must_have_finished() -> None:
    found = Landmarks(("role", "role", "finish", "finish", "done"), (1, 2, 3, 4, 5))
    assert found.number(EventRef("finish")) == 3
    assert found.number(EventRef("role")) == 0
    assert Close(at=Place("after_finish")).right_in(found) == "either"
    assert Close(at=Place("before_event", EventRef("finish"))).right_in(found) == "error"
    assert Close(at=Place("after_event", EventRef(2))).right_in(found) == "error"


def test_a_stream_without_a_finish_is_whole_only_with_done() -> None:
    found = Landmarks(("delta", "delta", "done"), (1, 2, 3))
    assert [found.seen(count) for count in range(4)] == ["part", "part", "part", "done"]
