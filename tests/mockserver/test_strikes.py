"""Faults beside one another: each is judged by the stream as those before it leave it, and by what of it is read."""

from itertools import islice
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mockserver.faults import FAULTS
from mockserver.outcome import expect
from mockserver.place import EventRef
from mockserver.quirks.quirk import Right
from mockserver.sse import Event
from mockserver.strategies.faults import FAULT_OPTIONS, faults
from mockserver.stream import Stream
from mockserver.strikes import _render, find_strikes, read_events
from tests.mockserver.plans import make_plan

# Of the plain stream event 1 is the first text, 5 the finish, 6 the usage, 7 [DONE].
BAD, DROP, PASSED = {"fault": "bad_json"}, {"fault": "drop"}, {"fault": "bad_json", "data": "{}"}
FORGED, TRIMMED = {"fault": "done_suffix", "event": 1}, {"fault": "done_suffix", "event": 2, "text": " "}
TOLD = {"fault": "error_event", "at": {"before_event": 1}, "then": "go_on"}
TOGETHER: list[tuple[list[dict[str, Any]], Right, tuple[str, ...]]] = [
    # one strikes what the other has put in
    ([BAD, DROP], "either", ("drop",)),
    ([DROP, BAD], "error", ("bad_json",)),
    ([BAD, PASSED], "either", ("bad_json",)),
    ([PASSED, BAD], "error", ("bad_json",)),
    ([FORGED, DROP], "either", ("drop",)),
    ([FORGED, PASSED], "either", ("bad_json",)),
    ([TOLD, DROP], "either", ("drop",)),
    ([BAD, {"fault": "swap"}], "error", ("bad_json",)),
    ([BAD, {"fault": "duplicate"}], "error", ("bad_json",)),
    ([{"fault": "bad_json", "data": "{"}] * 2, "error", ("bad_json",)),
    ([{"fault": "bad_json", "data": "{"}, {"fault": "half_event"}], "error", ("bad_json",)),
    # the place of the second moves, or does not come any more
    ([{"fault": "drop", "event": "usage"}, {"fault": "bad_json", "event": 6}], "either", ("bad_json",)),
    ([{"fault": "drop", "event": "done"}, {"fault": "reset", "at": "after_done"}], "same", ()),
    ([{"fault": "many_chunks", "event": "role", "count": 9}, {"fault": "reset", "at": {"after_event": 7}}], "error", ("reset",)),
    ([{"fault": "only"}, BAD], "error", ("only",)),
    ([{"fault": "bad_json", "data": ""}, BAD], "error", ("bad_json",)),
    # the stream is over before it
    ([{"fault": "bad_json", "event": "usage"}, {"fault": "truncate", "at": "after_finish"}], "same", ()),
    ([{"fault": "bad_json", "event": "usage"}, {"fault": "reset", "at": "after_finish"}], "either", ("reset",)),
    ([{"fault": "bad_json", "event": "usage"}, {"fault": "wrong_length", "by": -100}], "either", ("wrong_length",)),
    ([{"fault": "bad_json", "event": "usage"}, {"fault": "endless", "at": "after_finish"}], "either", ("endless",)),
    ([{"fault": "bad_json", "event": "usage"}, {"fault": "damaged_coding", "event": "usage"}], "either", ("damaged_coding",)),
    ([{"fault": "after_done"}, {"fault": "bad_json", "event": 8}], "same", ()),
    ([BAD, {"fault": "other_body", "what": "completion"}], "either", ("other_body",)),
    ([{"fault": "only"}, {"fault": "other_body", "what": "completion"}], "either", ("other_body",)),
    ([{"fault": "other_body", "what": "completion"}, {"fault": "close", "at": {"after_event": 1}}], "either",
     ("other_body", "close")),
    # to some it is over before it
    ([BAD, TRIMMED], "error", ("bad_json",)),
    ([{"fault": "bad_json", "event": 3}, TRIMMED], "either", ("bad_json", "done_suffix")),
    ([TRIMMED, {"fault": "bad_json", "event": 4}], "either", ("done_suffix", "bad_json")),
    ([TRIMMED, {"fault": "reset", "at": {"after_event": 4}}], "either", ("done_suffix", "reset")),
    ([TRIMMED, {"fault": "reset", "at": {"after_event": 1}}], "error", ("reset",)),
]  # fmt: skip


@pytest.mark.parametrize(("struck", "right", "because"), TOGETHER)
def test_faults_that_undo_each_other_are_judged_by_what_is_read_of_them(
    struck: list[dict[str, Any]], right: Right, because: tuple[str, ...]
) -> None:
    expected = expect(stream_of(struck))
    assert (expected.right, expected.because) == (right, because)


def test_of_choices_that_do_not_all_finish_any_more_none_is_the_last() -> None:
    dropped = {"fault": "drop", "event": "finish"}
    assert expect(stream_of([dropped, {"fault": "reset", "at": {"before_event": "finish"}}], n=2)).because == ("drop",)


def stream_of(struck: list[dict[str, Any]], **request: Any) -> Stream:
    stream = make_plan(delivery={"faults": struck}, **request).stream
    assert stream is not None
    return stream


def test_strikes_stand_in_the_order_of_the_faults_whatever_their_arrows() -> None:
    struck = [{"fault": "close"}, {"fault": "truncate"}, BAD, {"fault": "wrong_length"}, DROP]
    told = [strike.fault.__struct_config__.tag for strike in find_strikes(stream_of(struck))]
    assert told == [fault["fault"] for fault in struck]
    assert find_strikes(stream_of([])) == []


def test_what_has_no_end_is_not_rendered_to_its_end() -> None:
    endless: list[dict[str, Any]] = [
        {"fault": "endless", "at": "after_finish", "size": None},
        {"fault": "close", "at": "after_done"},
    ]
    stream = stream_of(endless)
    assert len(list(islice(_render(stream, stream.faults), 100))) < 20
    assert expect(stream).right == "either"


ALONE = [name for name in FAULT_OPTIONS if name not in ("drop", "swap", "duplicate")]


@given(faults(ALONE))
def test_beside_a_fault_that_does_not_strike_the_verdict_is_its_own(fault: Any) -> None:
    nowhere = FAULTS["bad_json"](event=EventRef(9999))  # type: ignore[call-arg]
    alone, beside = (expect(make_plan(*struck).stream) for struck in ((fault,), (nowhere, fault, nowhere)))  # type: ignore[arg-type]
    assert (alone.right, alone.because) == (beside.right, beside.because)


@given(st.lists(faults(), max_size=3))
def test_an_error_that_is_expected_has_a_fault_to_show(struck: list[Any]) -> None:
    stream = make_plan(*struck).stream
    assert stream is not None
    assert (expect(stream).right == "error") == any(strike.right == "error" for strike in find_strikes(stream))


@pytest.mark.parametrize(
    ("data", "trims", "count"), [("[DONE]", False, 1), ("[DONE] ", False, 2), ("[DONE] ", True, 1)]
)
def test_a_stream_is_read_up_to_what_ends_it(data: str, trims: bool, count: int) -> None:
    events = [Event(data.encode(), 0.0, "extra"), Event(b"[DONE]", 0.0, "done"), Event(b"{}", 0.0, "extra")]
    assert list(read_events(events, trims)) == events[:count]
