"""The oracle: what of reply, request and delivery decides what a right consumer must report, and how reports are compared."""

from base64 import b64encode
from itertools import islice
from typing import Any

import pytest
from hypothesis import given, reject
from hypothesis import strategies as st

from mockserver.delivery import Delivery
from mockserver.edits import Insert, Raw
from mockserver.outcome import ANY, Expected, compare, expect
from mockserver.place import EventRef
from mockserver.quirks.quirk import Right
from mockserver.steps import Step
from mockserver.strategies.faults import faults
from mockserver.stream import Stream
from tests.mockserver.plans import CONTENT, make_plan

TEXT_USAGE = '{"choices":[],"usage": {"prompt_tokens":1}}'
VERDICTS: list[tuple[dict[str, Any], Right, tuple[str, ...]]] = [
    # the delivery, the verdict, because of what
    ({}, "same", ()),
    ({"http": {"status": 201}}, "same", ()),
    ({"http": {"status": 299}}, "same", ()),
    ({"http": {"status": 204}}, "error", ("status 204",)),
    ({"http": {"status": 205}}, "either", ("status 205",)),
    ({"http": {"status": 103}}, "error", ("status 103",)),
    ({"http": {"status": 304}}, "error", ("status 304",)),
    ({"http": {"status": 500}}, "error", ("status 500",)),
    ({"http": {"headers": {"X-Extra": "a", "Content-Type": "text/event-stream"}}}, "same", ()),
    ({"http": {"headers": {"Content-Length": "5"}, "transfer": "length"}}, "either", ("the header Content-Length",)),
    ({"http": {"headers": {"content-encoding": "gzip"}}}, "either", ("the header content-encoding",)),
    ({"http": {"headers": {"Content-Encoding": None}, "coding": "gzip"}}, "either", ("the header Content-Encoding",)),
    (
        {"http": {"headers": {"Transfer-Encoding": "chunked"}, "transfer": "close"}},
        "either",
        ("the header Transfer-Encoding",),
    ),
    ({"http": {"headers": {"Content-Length": "5"}, "status": 500}}, "error", ("status 500",)),
    ({"http": {"headers": {"Content-Length": "5"}}, "right": "error"}, "error", ()),
    ({"quirks": ["usage-missing"]}, "same", ()),
    ({"quirks": ["finish-chunk-missing"]}, "either", ("finish-chunk-missing",)),
    ({"quirks": ["tool-index-missing"]}, "same", ()),
    ({"quirks": ["json-nan", "finish-chunk-missing"]}, "error", ("json-nan",)),
    ({"faults": [{"fault": "reset"}, {"fault": "bad_json"}]}, "error", ("reset",)),
    ({"faults": [{"fault": "swap"}, {"fault": "bad_json"}]}, "error", ("bad_json",)),
    ({"faults": [{"fault": "reset", "at": {"after_event": 99}}]}, "same", ()),
    ({"inserts": [{"before": 0, "data": "x", "right": "either"}]}, "either", ("an insertion",)),
    ({"raw": {"events": ["x"], "right": "error"}}, "error", ("the raw stream",)),
    ({"framing": {"final_blank_line": False}}, "same", ()),
    ({"framing": {"final_blank_line": False}, "quirks": ["done-missing"]}, "either", ("the missing blank line",)),
    ({"faults": [{"fault": "reset"}], "right": "same"}, "same", ()),
    ({"right": "either"}, "either", ()),
]


@pytest.mark.parametrize(("delivery", "right", "because"), VERDICTS)
def test_the_verdict_is_the_gravest_of_all_that_the_delivery_does(
    delivery: dict[str, Any], right: Right, because: tuple[str, ...]
) -> None:
    expected = expected_of(delivery)
    assert (expected.right, expected.because) == (right, because)


def stream_of(delivery: Delivery | dict[str, Any], **request: Any) -> Stream:
    stream = make_plan(delivery=delivery, **request).stream
    assert stream is not None
    return stream


def expected_of(delivery: Delivery | dict[str, Any], **request: Any) -> Expected:
    return expect(stream_of(delivery, **request))


HIDDEN: list[tuple[dict[str, Any], set[str]]] = [
    ({}, set()),
    ({"quirks": ["usage-missing"]}, {"usage"}),
    ({"quirks": ["finish-null-at-end"]}, {"finish_reason"}),
    ({"hides": ["content", "finish_reason"]}, {"content", "finish_reason"}),
    ({"raw": {"events": ["x", "[DONE]"]}}, {"usage"}),
    ({"raw": {"body": "data: [DONE]\n\n"}}, {"usage"}),
    ({"raw": {"events": [TEXT_USAGE, "[DONE]"]}}, set()),
    ({"raw": {"body": f"data: {TEXT_USAGE}\n\n"}}, set()),
    ({"faults": [{"fault": "drop", "event": "usage"}]}, {"usage"}),
]


@pytest.mark.parametrize(("delivery", "hidden"), HIDDEN)
def test_of_what_the_delivery_does_not_carry_nothing_is_expected(delivery: dict[str, Any], hidden: set[str]) -> None:
    outcome = expected_of(delivery).outcome
    assert {field for field, value in outcome.items() if value is ANY} == hidden


def test_usage_that_was_not_asked_for_is_not_expected() -> None:
    outcome = expected_of({}, stream_options={"include_usage": False}).outcome
    assert outcome["usage"] is ANY
    assert outcome["content"] == CONTENT


@pytest.mark.parametrize(
    ("delivery", "is_told"),
    [
        ({"http": {"status": 500}}, True),
        ({"http": {"status": 204}}, False),
        ({"faults": [{"fault": "error_event"}]}, True),
        ({"faults": [{"fault": "error_event", "shape": "unframed"}]}, False),
        ({"faults": [{"fault": "other_body"}]}, True),
        ({"faults": [{"fault": "other_body", "content_type": "text/event-stream"}]}, False),
        ({"faults": [{"fault": "reset"}]}, False),
    ],
)
def test_the_server_tells_of_some_faults_itself(delivery: dict[str, Any], is_told: bool) -> None:
    assert expected_of(delivery).told is is_told


@pytest.mark.parametrize(
    ("fault", "is_no_stream"),
    [
        ({}, True),
        ({"text": "{}"}, True),
        ({"text": "no healthy upstream"}, True),
        ({"what": "error"}, False),
        ({"text": '{"error": {"message": "no"}}'}, False),
        ({"content_type": "text/event-stream"}, False),
    ],
)
def test_a_body_that_is_no_stream_is_told_apart_from_one_that_tells_an_error(
    fault: dict[str, Any], is_no_stream: bool
) -> None:
    assert expected_of({"faults": [{"fault": "other_body", **fault}]}).no_stream is is_no_stream


def test_where_no_consumer_can_know_the_text_it_is_the_replys_or_what_the_events_say() -> None:
    expected = expected_of({"faults": [{"fault": "duplicate", "event": 2}]})
    assert expected.right == "either"
    assert [reading["content"] for reading in expected.readings] == [CONTENT, "Hello lo né🙂"]


@pytest.mark.parametrize(
    "delivery",
    [
        {"quirks": ["delta-null"], "faults": [{"fault": "drop", "event": 2}]},
        {"faults": [{"fault": "bad_json", "event": 1, "data": '{"choices":[{"index":0,"delta":null}]}'}]},
        {"faults": [{"fault": "bad_json", "event": 1, "data": '{"choices":[{"index":-1,"delta":{"content":"x"}}]}'}]},
    ],
)
def test_what_says_no_text_of_a_choice_adds_none(delivery: dict[str, Any]) -> None:
    _, *said = expected_of({**delivery, "hides": ["content"]}).readings
    assert said
    assert all("x" not in reading["content"] for reading in said)


def test_what_a_reader_that_trims_has_read_by_then_is_right_too() -> None:
    early = {"faults": [{"fault": "done_suffix", "event": 3, "text": " "}]}
    [meant, to_all, to_some] = expected_of(early).readings
    assert [reading["content"] for reading in (meant, to_all, to_some)] == [CONTENT, CONTENT, "Hello "]
    [_, _, one_choice] = expected_of({"faults": [{"fault": "done_suffix", "event": 1, "text": " "}]}, n=2).readings
    assert "choices" not in one_choice, "of the second choice nothing came"


RAW_EVENTS = tuple(event.data.decode() for event in stream_of({}).events())
RAW_BODY = b"".join(piece.data for piece in stream_of({}).body())
RAWS = st.sampled_from([Raw(events=RAW_EVENTS), Raw(body=RAW_BODY.decode()), Raw(base64=b64encode(RAW_BODY).decode())])
BLAMED = st.builds(
    lambda fault: {"faults": (fault,)},
    faults(["bad_json", "half_event", "only", "error_event", "many_chunks", "truncate", "reset", "other_body"]),
) | st.builds(lambda at: {"inserts": (Insert(before=EventRef(at), data="x", right="error"),)}, st.integers(0, 7))


@given(st.none() | RAWS, BLAMED)
def test_what_the_oracle_blames_is_in_the_bytes(raw: Raw | None, blamed: dict[str, Any]) -> None:
    try:
        delivery = Delivery(raw=raw, **blamed)
    except ValueError:  # would do nothing, and is refused
        reject()
    if expected_of(delivery).because:
        assert sent(delivery) != sent(Delivery(raw=raw))


def sent(delivery: Delivery) -> list[Step]:
    return list(islice(make_plan(delivery=delivery), 50))


# Comparing

OUTCOME = {"content": "Hi", "tool_calls": [{"id": "1", "index": 0}], "usage": {"total_tokens": 3}, "refusal": None}


@pytest.mark.parametrize(
    ("got", "said"),
    [
        (OUTCOME, []),
        ({**OUTCOME, "refusal": "", "more": 1}, []),
        ({**OUTCOME, "usage": {"total_tokens": 3, "cached": 1}}, []),
        ({**OUTCOME, "content": None}, ["content: expected 'Hi', got None"]),
        ({**OUTCOME, "tool_calls": []}, ["tool_calls: expected [{'id': '1', 'index': 0}], got []"]),
        ({**OUTCOME, "tool_calls": [{"id": "2", "index": 0}]}, ["tool_calls[0].id: expected '1', got '2'"]),
        ({**OUTCOME, "usage": {"total_tokens": 4}}, ["usage.total_tokens: expected 3, got 4"]),
        ({**OUTCOME, "usage": {"total_tokens": True}}, ["usage.total_tokens: expected 3, got True"]),
    ],
)
def test_differences_are_told_with_their_place(got: dict[str, Any], said: list[str]) -> None:
    assert list(compare(OUTCOME, got)) == said


def test_of_long_texts_only_the_place_where_they_part_is_quoted() -> None:
    [said] = compare({"content": "x" * 500}, {"content": "x" * 450 + "y"})
    assert said == f"content: from character 450 on: expected {'x' * 60!r} of 500, got {'x' * 20 + 'y'!r} of 451"


@given(
    st.recursive(
        st.none() | st.text() | st.integers(), lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner)
    )
)
def test_anything_agrees_with_itself_and_with_any(value: Any) -> None:
    assert list(compare(value, value)) == []
    assert list(compare(ANY, value)) == []
    assert repr(ANY) == "any"
