import inspect
import json
import tracemalloc
from collections.abc import Iterator
from itertools import islice, product
from typing import Any

import msgspec
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from mockserver.delivery import Delivery
from mockserver.faults import FAULTS, Fault, choose, find_landmarks
from mockserver.faults.body import BadChunk, DamagedCoding, OtherBody, WrongLength
from mockserver.faults.cuts import Close, HalfClosed, Reset, Stall, Truncate
from mockserver.faults.events import AfterDone, BadJson, BadUtf8, DoneSuffix, Drop, Duplicate, HalfEvent, Only, Swap
from mockserver.faults.landmarks import LONG_STREAM, Landmarks
from mockserver.faults.large import Endless, GzipBomb, LargeEvent, ManyChunks
from mockserver.faults.told import SHAPES, ToldError
from mockserver.place import EventRef, Place
from mockserver.quirks.quirk import Right
from mockserver.scenario import convert
from mockserver.shorthand import Duration, Size
from mockserver.sse import Slice
from mockserver.steps import Abort, End, HalfClose, Head, Hold, Step, Write
from mockserver.stream import Stream
from tests.mockserver import delivery_strategies
from tests.mockserver.plans import CONTENT, KINDS, data_of, last_of, make_plan, parse_events, read_answer
from tests.mockserver.test_http import decoder

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


# The table


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


# Where a stream is cut


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


# Verdicts


def landmarks(plan_faults: tuple[Fault, ...] = (), coded: bool = False, **more: Any) -> Landmarks:
    stream = make_plan(**more).stream
    assert isinstance(stream, Stream)
    return find_landmarks(stream.body(), "event" if coded else None)


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


# Events


def plain_events() -> list[tuple[str, str]]:
    return list(parse_events(read_answer(make_plan()).body))


def events_with(*faults: Fault, **more: Any) -> list[tuple[str, str]]:
    return list(parse_events(read_answer(make_plan(*faults, **more)).body))


@pytest.mark.parametrize("number", range(8))
def test_faults_of_one_event_change_that_event_alone(number: int) -> None:
    plain, ref = plain_events(), EventRef(number)
    before, here, behind = plain[:number], plain[number], plain[number + 1 :]
    assert events_with(Duplicate(event=ref)) == [*before, here, here, *behind]
    assert events_with(Drop(event=ref)) == [*before, *behind]
    half = here[1].encode()[: len(here[1].encode()) // 2].decode("utf-8", "replace")
    assert events_with(HalfEvent(event=ref)) == [*before, ("", half), *behind]
    assert events_with(DoneSuffix(event=ref)) == [*before, ("", "[DONE]xyz"), here, *behind]
    assert events_with(Swap(event=ref)) == [*before, *behind[:1], here, *behind[1:]]
    assert events_with(BadJson(event=ref, data="{")) == [*before, ("", "{"), *behind]
    damaged = events_with(BadJson(event=ref))
    assert damaged[:number] + damaged[number + 1 :] == before + behind
    with pytest.raises(ValueError, match=r"Expecting|Extra"):
        json.loads(damaged[number][1])


def test_kinds_stand_for_numbers() -> None:
    for kind in ("role", "finish", "usage", "done"):
        assert events_with(Drop(event=EventRef(kind))) == events_with(Drop(event=EventRef(KINDS.index(kind))))


def test_of_two_choices_the_first_role_and_the_last_finish_are_meant() -> None:
    plain = events_with(n=2)
    roles = [k for k, (_, data) in enumerate(plain) if '"role"' in data]
    finishes = [k for k, (_, data) in enumerate(plain) if '"finish_reason":"stop"' in data]
    assert len(roles) == len(finishes) == 2
    without_role, without_finish = (events_with(Drop(event=EventRef(kind)), n=2) for kind in ("role", "finish"))
    assert without_role == [event for k, event in enumerate(plain) if k != roles[0]]
    assert without_finish == [event for k, event in enumerate(plain) if k != finishes[1]]


def test_swapped_events_are_both_due_when_the_later_one_was() -> None:
    struck = [s for s in make_plan(Swap(event=EventRef(2)), timing=PACED) if isinstance(s, Write) and s.event in (2, 3)]
    assert [step.due_s for step in struck] == pytest.approx([0.14, 0.14])


@pytest.mark.parametrize(
    "more", [{}, {"tools": [{"type": "function", "function": {"name": "f"}}]}], ids=["content", "tools offered"]
)
@pytest.mark.parametrize("number", range(8))
def test_bytes_that_are_no_utf8_stand_in_a_text_of_the_event_and_only_there(number: int, more: dict[str, Any]) -> None:
    plain = read_answer(make_plan(**more)).body
    struck = read_answer(make_plan(BadUtf8(event=EventRef(number), bytes="FFc3"), **more)).body
    assert struck.count(b"\xff\xc3") == 1
    assert struck.replace(b"\xff\xc3", b"") == plain
    for k, event in enumerate(struck.split(b"\n\n")[:-1]):
        if k == number:
            with pytest.raises(UnicodeDecodeError):
                event.decode()
        else:
            event.decode()


def test_done_may_be_the_first_of_two_data_lines() -> None:
    assert b"data: [DONE]\ndata: xyz\n\n" in read_answer(make_plan(DoneSuffix(text="\nxyz"))).body


def test_after_done_comes_more_text_and_a_second_done_or_what_was_told() -> None:
    *plain, (_, more), second = events_with(AfterDone())
    assert plain == plain_events()
    assert json.loads(more)["choices"][0]["delta"] == {"content": "XX"}
    assert json.loads(more)["id"] == json.loads(plain[0][1])["id"]
    assert second == ("", "[DONE]")
    assert events_with(AfterDone(events=("a", "b")))[-2:] == [("", "a"), ("", "b")]
    without_done = {"quirks": ["done-missing"]}
    assert events_with(AfterDone(), delivery=without_done) == events_with(delivery=without_done)


def test_only_done_only_comments_or_nothing_comes() -> None:
    assert read_answer(make_plan(Only())).body == b""
    assert read_answer(make_plan(Only(what="done"))).body == b"data: [DONE]\n\n"
    assert read_answer(make_plan(Only(what="comments"))).body == b": keep-alive\n\n" * 8
    paced = list(make_plan(Only(what="comments"), timing=PACED))
    assert [step.due_s for step in paced if isinstance(step, Write)][:3] == pytest.approx([0.1, 0.1, 0.12])


# Errors that the server tells


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize(("then", "rest"), [("end", []), ("done", [("", "[DONE]")]), ("go_on", None), ("close", [])])
def test_an_error_is_told_in_every_shape_with_what_follows_it(shape: Any, then: Any, rest: Any) -> None:
    plain = plain_events()
    plan = make_plan(ToldError(shape=shape, then=then, message="Out of cake", code="cake"))
    body = read_answer(plan).body
    before = b"".join(b"data: %b\n\n" % data.encode() for _, data in plain[:2])
    behind = b"".join(b"data: %b\n\n" % data.encode() for _, data in (plain[2:] if rest is None else rest))
    assert body.startswith(before)
    assert body.endswith(behind)
    told = body[len(before) : len(body) - len(behind)]
    assert b"Out of cake" in told
    assert told.endswith(b"\n\n")
    assert last_of(plan) == End(0.0, close=then == "close", cut=then == "close")
    assert read_answer(plan).is_complete is (then != "close")


@pytest.mark.parametrize(
    ("at", "number"),
    [(Place("before_event", EventRef(0)), 0), (Place("after_event", EventRef("finish")), 6), (Place("after_done"), 8),
     (Place("inside_event", EventRef(3)), 3), (Place("after_headers"), 0), (Place("before_reply"), 0)],
)  # fmt: skip
def test_an_error_is_told_at_its_place(at: Place, number: int) -> None:
    plain = plain_events()
    struck = events_with(ToldError(at=at, then="go_on"))
    assert struck[:number] + struck[number + 1 :] == plain
    assert json.loads(struck[number][1]) == {
        "error": {"message": "The server had an error while processing your request", "type": "server_error",
                  "param": None, "code": "server_error"}
    }  # fmt: skip
    ended = events_with(ToldError(at=at))
    assert ended == struck[: number + 1]


def test_the_shapes_of_errors_are_explained_each_with_who_sends_it() -> None:
    _, *lines = ToldError.explanations()
    assert len(lines) == len(SHAPES)
    for line, (name, (sent_by, _)) in zip(lines, SHAPES.items(), strict=True):
        assert line.strip().startswith(name)
        assert "text" in line
        assert sent_by in line


def test_with_several_choices_an_error_after_the_finish_is_after_all_of_them() -> None:
    struck = events_with(ToldError(at=Place("after_finish")), n=2)
    assert sum('"finish_reason":"stop"' in data for _, data in struck) == 2


# Another body, under status 200


@pytest.mark.parametrize(
    ("options", "content_type", "begins"),
    [
        ({}, "text/html", b"<!DOCTYPE html>"),
        ({"what": "error"}, "application/json", b'{"error":{'),
        ({"what": "completion"}, "application/json", b'{"id":"chatcmpl-'),
        ({"text": "  <p>"}, "text/html", b"  <p>"),
        ({"text": '{"a": 1}'}, "application/json", b'{"a": 1}'),
        ({"text": "[1]"}, "application/json", b"[1]"),
        ({"text": "no such deployment"}, "text/plain; charset=utf-8", b"no such"),
        ({"text": ""}, "text/plain; charset=utf-8", b""),
        ({"what": "completion", "content_type": "text/event-stream"}, "text/event-stream", b'{"id"'),
    ],
)
def test_another_body_comes_whole_with_the_type_that_fits_it(
    options: dict[str, Any], content_type: str, begins: bytes
) -> None:
    reading = read_answer(make_plan(fault_of("other_body", **options)))
    assert (reading.status, reading.is_complete) == (200, True)
    assert reading.headers["content-type"] == content_type
    assert reading.headers["content-length"] == str(len(reading.body))
    assert reading.body.startswith(begins)
    assert begins or not reading.body


def test_the_whole_completion_is_the_answer_that_is_not_streamed() -> None:
    struck = read_answer(make_plan(OtherBody(what="completion")))
    whole = read_answer(make_plan(stream=False))
    assert struck.body == whole.body
    assert struck.contents == [CONTENT]
    asked_whole = read_answer(make_plan(OtherBody(what="completion"), stream=False))
    assert asked_whole.body == whole.body


def test_another_body_comes_when_the_first_event_would_have_and_a_scenario_may_say_its_type_and_framing() -> None:
    plan = make_plan(
        OtherBody(), timing=PACED, delivery={"http": {"transfer": "chunked", "headers": {"content-type": "x/y"}}}
    )
    assert next(iter(plan)).due_s == pytest.approx(0.1)
    reading = read_answer(plan)
    assert (reading.headers["content-type"], reading.headers["transfer-encoding"]) == ("x/y", "chunked")


@pytest.mark.parametrize("content_type", ["a\r\nb", "日"])
def test_a_content_type_that_would_be_more_than_a_header_is_refused(content_type: str) -> None:
    with pytest.raises(ValueError, match="content_type"):
        OtherBody(content_type=content_type)


# Codings and lengths


@pytest.mark.parametrize("coding", ["gzip", "deflate", "br"])
@pytest.mark.parametrize("number", range(8))
def test_a_damaged_coding_fails_at_its_event_and_not_before(coding: str, number: int) -> None:
    delivery = {"http": {"coding": coding, "transfer": "close"}, "writes": {"mode": "event"}}
    plain = read_answer(make_plan(delivery={"http": {"transfer": "close"}})).body
    unpack, unpacked, failed_at = decoder(coding), b"", None
    for step in make_plan(DamagedCoding(event=EventRef(number)), delivery=delivery):
        if isinstance(step, Write):
            try:
                unpacked += unpack(step.data)
            except Exception:  # zlib's and brotli's have no common parent
                failed_at = step.event
                break
    assert failed_at == number
    assert unpacked == b"".join(part + b"\n\n" for part in plain.split(b"\n\n")[:number])


@pytest.mark.parametrize("coding", ["gzip", "deflate", "br"])
def test_a_coding_flushed_at_the_end_is_damaged_there(coding: str) -> None:
    delivery = {"http": {"coding": coding, "flush": "end"}}
    reading = read_answer(make_plan(DamagedCoding(event=EventRef(2)), delivery=delivery))
    assert [problem.partition(":")[0] for problem in reading.problems] == ["coding", "events"]
    assert reading.contents == []


def test_the_length_of_the_coding_stays_what_it_was_when_it_is_damaged() -> None:
    delivery = {"http": {"coding": "gzip", "transfer": "length"}}
    one, other = make_plan(DamagedCoding(), delivery=delivery), make_plan(delivery=delivery)
    assert len(data_of(one)) == len(data_of(other))


def test_where_no_coding_is_told_a_damaged_one_is_gzip_and_only_if_the_request_offers_it() -> None:
    assert read_answer(make_plan(DamagedCoding())).headers["content-encoding"] == "gzip"
    from mockserver.plan import Terms

    assert not read_answer(make_plan(DamagedCoding(), terms=Terms())).problems


@pytest.mark.parametrize("by", [-3000, -600, -14, -1, 0, 1, 10_000])
@pytest.mark.parametrize("coding", [None, "gzip"])
def test_a_wrong_length_is_wrong_by_what_it_says_and_ends_the_connection(by: int, coding: str | None) -> None:
    http = {"transfer": "chunked", **({"coding": coding} if coding else {})}
    plan = make_plan(WrongLength(by=by), delivery={"http": http})
    plain = make_plan(delivery={"http": {**http, "transfer": "length"}})
    head, _, body = data_of(plan).partition(b"\r\n\r\n")
    assert body == data_of(plain).partition(b"\r\n\r\n")[2]
    assert b"Content-Length: %d\r\n" % max(len(body) + by, 0) in head
    assert b"Transfer-Encoding" not in head
    assert b"Connection: keep-alive" in head, "it lies about that too"
    assert last_of(plan) == End(0.0, close=True)
    said = make_plan(WrongLength(by=by), delivery={"http": {**http, "connection": "close"}})
    assert b"Connection: close" in data_of(said)


def test_the_verdict_on_a_length_that_is_too_small_counts_the_bytes_of_the_coding() -> None:
    plan = make_plan(delivery={"http": {"coding": "gzip"}})
    assert plan.stream is not None
    from mockserver.http import code_content

    found = find_landmarks(code_content(plan.stream.body(), "gzip"), "event")
    total, finish = found.size, found.ends[KINDS.index("finish")]
    assert WrongLength(by=finish - total).right_in(found) == "either"
    assert WrongLength(by=finish - total - 1).right_in(found) == "error"
    assert WrongLength(by=-1).right_in(Landmarks((), ())) == "error"


@pytest.mark.parametrize(
    "place", [Place("after_headers"), Place("after_event", EventRef(1)), Place("after_done")], ids=str
)
def test_a_bad_chunk_breaks_the_chunked_coding_at_its_place(place: Place) -> None:
    plain = list(make_plan(delivery={"writes": {"mode": "event"}}))
    plan = make_plan(BadChunk(at=place), delivery={"http": {"transfer": "length"}})
    assert data_of(plan) == data_of(plain)[: offset_of(place, plain)] + b"zz\r\nxyz\r\n"
    assert last_of(plan) == End(0.0, close=True, cut=True)
    assert "illegal chunk header" in read_answer(plan).problems[0]


# Size


ENDLESS = {
    "line": (b"data: ", b"x"), "event": (b"", b"data: x\n"), "comments": (b"", b": keep-alive\n\n"), "blank": (b"", b"\n"),
}  # fmt: skip


@pytest.mark.parametrize("what", ENDLESS)
@pytest.mark.parametrize("size", [1, 5, 6, 7, 65_536, 200_000])
def test_what_is_endless_has_exactly_its_size_and_ends_the_body(what: Any, size: int) -> None:
    opening, unit = ENDLESS[what]
    body = read_answer(make_plan(Endless(what=what, size=Size(size)))).body
    assert body == (opening + unit * size)[:size]


@pytest.mark.parametrize("place", PLACES, ids=str)
def test_what_is_endless_comes_behind_its_place(place: Place) -> None:
    before = read_answer(make_plan(Truncate(at=place))).body
    assert read_answer(make_plan(Endless(at=place, size=Size(10)))).body == before + b"data: xxxx"


@pytest.mark.parametrize(
    ("at", "due_s"),
    [(Place("after_headers"), 0.1), (Place("before_event", EventRef(2)), 0.12), (Place("after_event", EventRef(2)), 0.12),
     (Place("inside_event", EventRef(3)), 0.14), (Place("after_done"), 0.16)],
)  # fmt: skip
def test_a_unit_each_so_often_drips_from_the_place_on(at: Place, due_s: float) -> None:
    fault = Endless(what="comments", at=at, size=Size(14 * 3), every=Duration(0.5))
    struck = list(make_plan(fault, timing=PACED))
    drops = [step for step in struck if isinstance(step, Write) and b"keep-alive" in step.data]
    assert [step.due_s for step in drops] == pytest.approx([due_s, due_s + 0.5, due_s + 1.0])
    assert struck[0].due_s == pytest.approx(0.1)


def test_until_the_client_leaves_there_is_no_end_and_no_length() -> None:
    for delivery in ({}, {"http": {"transfer": "length"}}, {"http": {"transfer": "close"}}):
        plan = make_plan(fault_of("endless", size=None), delivery=delivery)
        pieces = islice((step for step in plan if isinstance(step, Head | Write)), 50)
        assert len(data_of(pieces)) > 3_000_000
        assert b"Content-Length" not in data_of(islice(plan, 1))
    assert b"Transfer-Encoding" not in data_of(islice(plan, 1)), "closed by the connection, as told"


@pytest.mark.parametrize(
    "fault",
    [
        Endless(),
        GzipBomb(size=Size(64 * 1024 * 1024)),
        LargeEvent(size=Size(64 * 1024 * 1024)),
        ManyChunks(count=30_000),
    ],
)
def test_64_mebibytes_or_many_chunks_are_never_held(fault: Fault) -> None:
    def sizes() -> Iterator[int]:
        for step in make_plan(fault):
            if isinstance(step, Head | Write):
                yield len(step.data)

    tracemalloc.start()
    try:
        total = sum(sizes())
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 3_000_000
    if not isinstance(fault, GzipBomb):
        assert total > 64 * 1024 * 1024 or isinstance(fault, ManyChunks)


def test_a_gzip_bomb_is_small_on_the_wire_and_has_its_size_when_unpacked() -> None:
    plan = make_plan(GzipBomb(at=Place("after_event", EventRef(1)), size=Size(10_000_000)))
    assert len(data_of(plan)) < 40_000
    reading = read_answer(plan)
    assert reading.headers["content-encoding"] == "gzip"
    before = read_answer(make_plan(Truncate(at=Place("after_event", EventRef(1))))).body
    assert reading.body == before + b"data: " + b"x" * (10_000_000 - 6)


@pytest.mark.parametrize("size", [1, 5_000, 65_536, 300_000])
def test_a_large_event_is_one_chunk_of_that_size_that_says_nothing(size: int) -> None:
    plain = read_answer(make_plan())
    struck = read_answer(make_plan(LargeEvent(at=Place("before_event", EventRef(2)), size=Size(size))))
    assert (struck.contents, struck.problems) == ([CONTENT], [])
    blocks = struck.body.split(b"\n\n")
    assert blocks[:2] + blocks[3:] == plain.body.split(b"\n\n")
    if size > 1:
        assert len(blocks[2]) + 2 == size
    large = json.loads(blocks[2].removeprefix(b"data: "))
    assert (large["choices"], set(large["padding"]) <= {"x"}) == ([], True)


@pytest.mark.parametrize("where", ["after_headers", "after_done"])
def test_a_large_event_may_stand_first_or_last(where: str) -> None:
    events = list(parse_events(read_answer(make_plan(LargeEvent(at=Place(where), size=Size(500)))).body))
    assert '"padding"' in events[0 if where == "after_headers" else -1][1]
    assert len(events) == 9


def test_many_chunks_say_nothing_and_stand_before_their_event() -> None:
    struck = events_with(ManyChunks(event=EventRef("finish"), count=1000))
    plain = plain_events()
    assert struck[:5] == plain[:5]
    assert struck[1005:] == plain[5:]
    assert {data for _, data in struck[5:1005]} == {struck[5][1]}
    assert json.loads(struck[5][1])["choices"][0]["delta"] == {"content": ""}


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
