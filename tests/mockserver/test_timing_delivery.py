"""Time in a delivery, from a scenario's words to the due times of its steps: pauses at places, comments, bursts, replays."""

from itertools import product
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from mockserver.delivery import Delivery
from mockserver.place import EventRef, Place
from mockserver.shorthand import Duration
from mockserver.sse import Slice
from mockserver.steps import Head, Step, Write
from mockserver.stream import comment_while_waiting, delay
from mockserver.timing import Comments, PauseAt, Timing
from tests.mockserver import delivery_strategies
from tests.mockserver.plans import KINDS, data_of, make_plan, parse_events, read_answer

PACED = {"ttft": "100ms", "itl": "20ms"}
DUE_OF_EVENTS = [0.1, 0.1, 0.12, 0.14, 0.16, 0.16, 0.16, 0.16]
"""When the events of the paced stream are due: role and first token at TTFT, what ends the stream with the last token."""


def due_of_events(timing: dict[str, Any], **more: Any) -> list[float]:
    """When the last byte of each event is due."""
    found: dict[int, float] = {}
    for step in make_plan(timing=timing, **more):
        if isinstance(step, Write) and step.event is not None:
            found[step.event] = step.due_s
    return [found[number] for number in sorted(found)]


def comments(steps: list[Step]) -> list[float]:
    return [
        step.due_s for step in steps if isinstance(step, Write) and step.event is None and b"\n:" in b"\n" + chunk(step)
    ]


def chunk(step: Write) -> bytes:
    return step.data.partition(b"\r\n")[2]


# Tokens, bursts, speed


def test_role_and_first_token_at_ttft_each_token_a_pause_later_the_end_with_the_last() -> None:
    assert due_of_events(PACED) == pytest.approx(DUE_OF_EVENTS)


@pytest.mark.parametrize("mode", [{}, {"mode": "event"}])
@pytest.mark.parametrize("http", [{}, {"coding": "gzip"}, {"transfer": "length"}, {"chunk_size": 50}])
def test_due_times_survive_every_coding_on_the_way(http: dict[str, Any], mode: dict[str, Any]) -> None:
    assert due_of_events(PACED, delivery={"http": http, "writes": mode}) == pytest.approx(DUE_OF_EVENTS)


@pytest.mark.parametrize(
    ("group", "expected"),
    [
        (2, [0.1, 0.12, 0.16, 0.16, 0.16, 0.16]),
        ("all", [0.1, 0.16, 0.16, 0.16, 0.16]),
        ([3, 1], [0.1, 0.14, 0.16, 0.16, 0.16, 0.16]),
    ],
)
def test_a_chunk_of_several_tokens_is_due_when_its_last_token_is(group: Any, expected: list[float]) -> None:
    assert due_of_events(PACED, delivery={"group": group}) == pytest.approx(expected)


def test_a_burst_of_tokens_comes_at_once_when_the_first_of_them_is_due() -> None:
    assert due_of_events({**PACED, "burst": 2}) == pytest.approx([0.1, 0.1, 0.1, 0.14, 0.14, 0.14, 0.14, 0.14])
    assert due_of_events({**PACED, "burst": 9}) == pytest.approx([0.1] * 8)


def test_at_another_speed_tokens_come_that_much_sooner_and_pauses_at_places_stay() -> None:
    assert due_of_events({**PACED, "speed": 4}) == pytest.approx([due / 4 for due in DUE_OF_EVENTS])
    paused = due_of_events({**PACED, "speed": 2, "pauses": [{"at": {"after_event": 0}, "lasts": 1}]})
    assert paused == pytest.approx([0.05, *(due / 2 + 1 for due in DUE_OF_EVENTS[1:])])


def test_recorded_pauses_are_played_again() -> None:
    due = due_of_events({"ttft": 0.5, "itl": {"recorded": [0.1, 0.2, 0.3]}})
    assert due == pytest.approx([0.5, 0.5, 0.6, 0.8, 1.1, 1.1, 1.1, 1.1])


def test_a_slow_drip_is_a_long_pause_between_tokens() -> None:
    assert due_of_events({"ttft": 0, "itl": "1h"})[-1] == 3 * 3600


# Pauses at places


@pytest.mark.parametrize(("kind", "number"), list(product(("before_event", "inside_event", "after_event"), range(8))))
def test_a_pause_at_an_event_makes_all_behind_it_later(kind: str, number: int) -> None:
    paused = list(make_plan(timing={**PACED, "pauses": [{"at": {kind: number}, "lasts": 1}]}))
    first_late = {"before_event": number, "inside_event": number, "after_event": number + 1}[kind]
    due = [due + (number_ >= first_late) for number_, due in enumerate(DUE_OF_EVENTS)]
    assert due_of_events({**PACED, "pauses": [{"at": {kind: number}, "lasts": 1}]}) == pytest.approx(due)
    assert paused[-1].due_s == pytest.approx(1.16)
    assert data_of(paused).count(b"data: ") == 8
    halves = [step for step in paused if isinstance(step, Write) and step.event == number]
    assert len(halves) == (2 if kind == "inside_event" else 1)
    assert halves[0].due_s == pytest.approx(DUE_OF_EVENTS[number] + (kind == "before_event"))


@pytest.mark.parametrize("coding", ["gzip", "deflate", "br"])
def test_what_stands_before_a_pause_inside_an_event_can_be_unpacked_before_it(coding: str) -> None:
    pauses = {"pauses": [{"at": {"inside_event": 3}, "lasts": 1}]}
    steps = list(make_plan(timing=pauses, delivery={"http": {"coding": coding}}))
    early = read_answer([step for step in steps if step.due_s < 1])
    whole = read_answer(steps)
    assert whole.body.startswith(early.body)
    events = whole.body.split(b"\n\n")
    assert early.body == b"\n\n".join(events[:3]) + b"\n\n" + events[3][: len(events[3] + b"\n\n") // 2]


@given(st.lists(st.builds(PauseAt, delivery_strategies.places, delivery_strategies.durations), max_size=4))
def test_pauses_add_up_and_change_no_byte(pauses: list[PauseAt]) -> None:
    timing = Timing(ttft=None, pauses=tuple(pauses))
    steps, plain = list(make_plan(timing=timing)), list(make_plan())
    assert read_answer(steps).body == read_answer(plain).body
    comes = [pause for pause in pauses if _comes(pause.at)]
    assert steps[-1].due_s == pytest.approx(sum(pause.lasts for pause in comes))


def _comes(place: Place) -> bool:
    return place.target is None or place.target.value in (*range(8), *KINDS)


def test_pauses_apply_to_an_answer_that_is_not_streamed() -> None:
    timing = {**PACED, "pauses": [{"at": "after_headers", "lasts": 1}, {"at": {"inside_event": 0}, "lasts": 2}]}
    steps = list(make_plan(stream=False, timing=timing))
    assert [step.due_s for step in steps] == pytest.approx([0.16, 1.16, 3.16, 3.16])


def test_a_delay_of_nothing_is_the_same_body() -> None:
    body = [Slice(b"a", 1.0)]
    assert delay(body, 0.0) is body
    assert [piece.due_s for piece in delay(body, 2.0)] == [3.0]


# Comments while waiting


@pytest.mark.parametrize(
    ("timing", "head_s", "expected"),
    [
        ({"ttft": 1, "comments": {"every": 0.3}}, 0.3, [0.3, 0.6, 0.9]),
        ({"ttft": 1, "headers": 0.2, "comments": {"every": 0.3}}, 0.2, [0.5, 0.8]),
        ({"ttft": 0.3, "comments": {"every": 0.3}}, 0.3, []),
        ({"itl": 1, "comments": {"every": 0.4}}, 0.0, [0.4, 0.8, 1.4, 1.8, 2.4, 2.8]),
        ({"comments": {"every": 0.4}, "pauses": [{"at": "after_done", "lasts": 1}]}, 0.0, [0.4, 0.8]),
        ({"comments": {"every": 0.4}, "pauses": [{"at": "after_headers", "lasts": 1}]}, 0.0, [0.4, 0.8]),
        ({"comments": {"every": 0.4}, "pauses": [{"at": "before_headers", "lasts": 1}]}, 1.0, []),
        ({"ttft": 1, "comments": {"every": 0.4}, "pauses": [{"at": "before_reply", "lasts": 1}]}, 1.4, [1.4, 1.8]),
        ({"comments": {"every": 0.4}, "pauses": [{"at": {"inside_event": 2}, "lasts": 5}]}, 0.0, []),
    ],
)
def test_comments_come_so_often_wherever_nothing_else_does(
    timing: dict[str, Any], head_s: float, expected: list[float]
) -> None:
    steps = list(make_plan(timing=timing))
    assert comments(steps) == pytest.approx(expected)
    assert isinstance(steps[0], Head)
    assert steps[0].due_s == pytest.approx(head_s)
    assert read_answer(steps).problems == []


@given(delivery_strategies.timings, delivery_strategies.framings)
def test_comments_never_change_what_the_events_say(timing: Timing, framing: Any) -> None:
    delivery = Delivery(framing=framing)
    plain = replace(timing, comments=None)
    with_comments = replace(timing, comments=Comments(Duration(0.001), " keep\nalive"))
    one, other = (read_answer(make_plan(timing=each, delivery=delivery)) for each in (plain, with_comments))
    assert list(parse_events(one.body)) == list(parse_events(other.body))


@pytest.mark.parametrize("end", ["lf", "crlf", "cr"])
def test_a_comment_never_comes_between_an_event_and_the_lines_before_it(end: str) -> None:
    framing = {"line_end": end, "extra": [{"lines": ["event: message"], "at": "before", "event": 2}]}
    timing = {"comments": {"every": 0.4}, "pauses": [{"at": {"before_event": k}, "lasts": 1} for k in (2, 3)]}
    steps = list(make_plan(timing=timing, delivery={"framing": framing}))
    assert comments(steps) == pytest.approx([1.4, 1.8])
    assert list(parse_events(read_answer(steps).body))[2][0] == "message"


def test_a_comment_stands_behind_the_byte_order_mark_which_comes_with_it() -> None:
    steps = list(make_plan(timing={"ttft": 1, "comments": {"every": 0.4}}, delivery={"framing": {"bom": True}}))
    assert read_answer(steps).body.startswith(b"\xef\xbb\xbf: keep-alive\n\n: keep-alive\n\ndata: ")
    marks = [step.due_s for step in steps if isinstance(step, Write) and b"\xef\xbb\xbf" in step.data]
    assert marks == [0.4]


def test_a_comment_of_several_lines_is_several_comments_and_one_of_none_a_bare_colon() -> None:
    body = [Slice(b"data: a\n\n", 0.1, 0)]
    for text, comment in (("a\r\nb\rc", b":a\n:b\n:c\n\n"), ("", b":\n\n"), (" x\u2028y", b": x\xe2\x80\xa8y\n\n")):
        assert [piece.data for piece in comment_while_waiting(body, text, 0.06, 0.0)] == [comment, b"data: a\n\n"]


def test_without_a_stream_there_are_no_comments() -> None:
    timing = {"ttft": 1, "comments": {"every": 0.1}}
    assert data_of(make_plan(stream=False, timing=timing)) == data_of(make_plan(stream=False, timing={"ttft": 1}))


def test_comments_for_an_hour_cost_no_memory() -> None:
    waiting = comment_while_waiting([Slice(b"x", 3600.0)], "", 0.001, 0.0)
    assert next(waiting).due_s == pytest.approx(0.001)


# Writes in time


def test_a_gap_and_a_pause_between_tokens_do_not_add_up() -> None:
    steps = list(make_plan(timing=PACED, delivery={"writes": {"mode": "event", "gap": "5ms"}}))
    due = [step.due_s for step in steps if isinstance(step, Write) and step.event is not None]
    # The head leaves with the first event, which is why that is a gap late; the next token is due when it was.
    assert due == pytest.approx([0.105, 0.11, 0.12, 0.14, 0.16, 0.165, 0.17, 0.175])


def test_a_place_before_the_first_event_is_the_same_written_either_way() -> None:
    first = EventRef(0)
    one = list(make_plan(timing=Timing(pauses=(PauseAt(Place("before_event", first), Duration(1)),))))
    other = list(make_plan(timing=Timing(pauses=(PauseAt(Place("before_event", EventRef("role")), Duration(1)),))))
    assert one == other
