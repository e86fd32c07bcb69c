import json
import re
from collections.abc import Iterator
from itertools import islice, takewhile
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from mockserver.delivery import Delivery
from mockserver.errors import RequestError
from mockserver.faults import Fault
from mockserver.faults.cuts import Close, Truncate
from mockserver.faults.events import Only
from mockserver.faults.large import Endless, GzipBomb, ManyChunks
from mockserver.place import EventRef, Place
from mockserver.plan import Plan, Terms, plan_body, plan_refusal, plan_turn
from mockserver.reply import Reply
from mockserver.request import ChatRequest
from mockserver.scenario import ErrorReply, Turn
from mockserver.shorthand import Size
from mockserver.steps import Abort, End, HalfClose, Head, Hold, Step, Write
from mockserver.stream import Stream
from mockserver.template import make_template
from mockserver.timing import Timing
from mockserver.writes import Writes
from tests.mockserver import delivery_strategies
from tests.mockserver.plans import CONTENT, data_of, last_of, make_plan, read_answer
from tests.mockserver.strategies_local import replies, requests

ALL_CODINGS = "gzip, deflate, br"
terms = st.builds(
    Terms,
    seed=st.sampled_from(["0", "1/x/abc"]),
    ordinal=st.integers(0, 3),
    wall_s=st.just(1_700_000_000.0),
    http_version=st.sampled_from(["1.1", "1.0"]),
    keep_alive=st.booleans(),
    accept_encoding=st.sampled_from([ALL_CODINGS, ""]),
)


def planned(reply: Reply, asked: ChatRequest, delivery: Delivery, timing: Timing, told: Terms) -> Plan:
    return plan_turn(Turn(reply=reply, delivery=delivery, timing=timing), asked, told)


any_delivery = delivery_strategies.deliveries() | delivery_strategies.deliveries(delivery_strategies.faults())


# Any plan


@given(replies(), requests(), any_delivery, delivery_strategies.timings, terms)
def test_a_plan_iterated_twice_is_the_same_and_its_due_times_never_decrease(
    reply: Reply, asked: ChatRequest, delivery: Delivery, timing: Timing, told: Terms
) -> None:
    plan = planned(reply, asked, delivery, timing, told)
    steps = list(plan)
    assert steps == list(plan)
    due = [step.due_s for step in steps]
    assert due == sorted(due)
    assert due[0] >= 0.0
    assert all(isinstance(step, Head | Write) for step in steps[:-1])
    assert isinstance(steps[-1], End | Hold | HalfClose | Abort)
    # Both made anew from the same things: the same bytes at the same times.
    assert list(planned(reply, asked, delivery, timing, told)) == steps


@given(replies(), requests(), delivery_strategies.deliveries(), delivery_strategies.timings, terms)
def test_a_legal_delivery_is_a_complete_message_with_one_head(
    reply: Reply, asked: ChatRequest, delivery: Delivery, timing: Timing, told: Terms
) -> None:
    plan = planned(reply, asked, delivery, timing, told)
    assert isinstance(plan.stream, Stream)
    reading = read_answer(plan, most=1_000_000)
    assert reading.is_complete
    assert (reading.status, plan.status) == (200, 200)
    wanted = [choice.text("content") or "" for choice in plan.stream.completion.choices]
    assert [*reading.contents, *[""] * (len(wanted) - len(reading.contents))] == wanted
    assert set(reading.finishes) == {choice.finish_reason for choice in plan.stream.completion.choices}
    end = last_of(plan)
    assert end == End(end.due_s, close=reading.headers["connection"] == "close")


@given(replies(), requests(), delivery_strategies.deliveries(), delivery_strategies.writes, delivery_strategies.groups)
def test_grouping_and_writes_never_change_what_the_body_means(
    reply: Reply, asked: ChatRequest, delivery: Delivery, writes: Writes, group: Any
) -> None:
    told = Terms(accept_encoding=ALL_CODINGS)
    one = read_answer(planned(reply, asked, delivery, Timing(), told), most=1_000_000)
    cut = read_answer(planned(reply, asked, replace(delivery, writes=writes), Timing(), told), most=1_000_000)
    assert cut.body == one.body, "writes change no byte of the body"
    grouped = read_answer(planned(reply, asked, replace(delivery, group=group), Timing(), told), most=1_000_000)
    for field in ("contents", "finishes", "usage", "is_done", "problems"):
        assert getattr(grouped, field) == getattr(one, field)


_IDS = re.compile(rb"chatcmpl-[A-Za-z0-9]{29}|call_[A-Za-z0-9]{24}|req_[0-9a-f]{32}")


@given(replies(), requests(), delivery_strategies.deliveries(), delivery_strategies.timings)
def test_asked_again_only_ids_and_jitter_differ(
    reply: Reply, asked: ChatRequest, delivery: Delivery, timing: Timing
) -> None:
    still = replace(timing, comments=None)  # with jitter there may be more or fewer of them in between
    plans = [
        planned(reply, asked, delivery, still, Terms(ordinal=ordinal, accept_encoding=ALL_CODINGS))
        for ordinal in (0, 1)
    ]
    one, other = (read_answer(plan, most=1_000_000) for plan in plans)
    assert _IDS.sub(b"?", one.body) == _IDS.sub(b"?", other.body)
    assert not {found for found in _IDS.findall(one.body) if found in other.body} - {*_own_ids(reply)}
    differing = {
        name for name in one.headers.keys() | other.headers.keys() if one.headers.get(name) != other.headers.get(name)
    }
    assert differing <= {"x-request-id", "openai-processing-ms", "content-length"}
    varies = any(pause is not None and pause.varies for pause in (timing.ttft, timing.itl))
    if not varies and delivery.writes.mode != "random" and delivery.http.coding is None:
        assert [step.due_s for step in plans[0]] == [step.due_s for step in plans[1]]


def _own_ids(reply: Reply) -> Iterator[bytes]:
    """The ids that the reply itself gives."""
    return iter(_IDS.findall(repr(reply).encode()))


def test_another_seed_is_another_answer_and_the_ordinal_another_id() -> None:
    plans = [make_plan(terms=Terms(seed=seed, ordinal=ordinal)) for seed in "12" for ordinal in (0, 1)]
    assert len({data_of(plan) for plan in plans}) == 4


def test_a_repeated_request_is_other_in_its_jitter() -> None:
    timing = {"itl": {"uniform": ["1ms", "9ms"]}}
    one, other, again = (
        [step.due_s for step in make_plan(timing=timing, terms=Terms(ordinal=ordinal))] for ordinal in (0, 1, 0)
    )
    assert one == again
    assert one != other
    seeded = [
        [step.due_s for step in make_plan(timing={**timing, "seed": 7}, terms=Terms(seed=seed, ordinal=0))]
        for seed in "12"
    ]
    assert seeded[0] == seeded[1], "a seed of its own makes the timing the same for every request"


# Not streamed


@given(replies(), requests(), any_delivery, delivery_strategies.timings, terms)
def test_without_a_stream_plans_are_as_regular(
    reply: Reply, asked: ChatRequest, delivery: Delivery, timing: Timing, told: Terms
) -> None:
    whole = replace(asked, stream=False)
    steps = list(planned(reply, whole, delivery, timing, told))
    assert steps == list(planned(reply, whole, delivery, timing, told))
    due = [step.due_s for step in steps]
    assert due == sorted(due)
    if not delivery.faults:
        reading = read_answer(steps, most=1_000_000)
        assert reading.is_complete
        assert json.loads(reading.body)["object"] == "chat.completion"


def test_without_a_stream_the_answer_comes_when_the_last_token_would_have() -> None:
    steps = list(make_plan(stream=False, timing={"ttft": "100ms", "itl": "20ms"}))
    assert [step.due_s for step in steps] == pytest.approx([0.16] * len(steps))
    reading = read_answer(steps)
    assert reading.contents == [CONTENT]
    assert reading.headers["content-length"] == str(len(reading.body))
    assert reading.headers["openai-processing-ms"] == "160"
    assert make_plan(stream=False).stream is None


def test_http_and_time_apply_without_a_stream_and_quirks_and_framing_do_not() -> None:
    delivery = {
        "http": {"transfer": "chunked", "coding": "gzip", "status": 201},
        "quirks": ["done-missing"],
        "framing": {"line_end": "crlf", "bom": True},
        "writes": {"mode": "size", "size": 100},
    }
    plan = make_plan(stream=False, delivery=delivery)
    reading = read_answer(plan)
    assert (reading.status, reading.contents, reading.problems) == (201, [CONTENT], [])
    assert reading.headers["content-encoding"] == "gzip"
    assert max(len(step.data) for step in plan if isinstance(step, Write)) == 100


# The head


def dues(plan: Plan) -> tuple[float, float, float]:
    """When head, first byte of the body and end are due."""
    steps = list(plan)
    first = next((step.due_s for step in steps if isinstance(step, Write)), -1.0)
    return steps[0].due_s, first, steps[-1].due_s


@pytest.mark.parametrize(
    ("timing", "expected"),
    [
        ({}, (0, 0, 0)),
        ({"ttft": 1, "itl": 0.1}, (1, 1, 1.3)),
        ({"ttft": 1, "headers": 0.2}, (0.2, 1, 1)),
        ({"ttft": 1, "headers": 5}, (1, 1, 1)),
        ({"ttft": 1, "pauses": [{"at": "before_reply", "lasts": 2}]}, (3, 3, 3)),
        ({"ttft": 1, "headers": 0.5, "pauses": [{"at": "before_headers", "lasts": 2}]}, (2.5, 3, 3)),
        ({"ttft": 1, "pauses": [{"at": "after_headers", "lasts": 2}]}, (1, 3, 3)),
        ({"ttft": 1, "headers": 0, "pauses": [{"at": "after_headers", "lasts": 2}]}, (0, 3, 3)),
        ({"pauses": [{"at": "after_done", "lasts": 2}]}, (0, 0, 2)),
        ({"pauses": [{"at": {"after_event": 99}, "lasts": 2}]}, (0, 0, 0)),
        ({"pauses": [{"at": {"before_event": 0}, "lasts": 2}]}, (2, 2, 2)),
    ],
)
def test_the_head_leaves_with_the_first_event_unless_told_earlier(
    timing: dict[str, Any], expected: tuple[float, float, float]
) -> None:
    assert dues(make_plan(timing=timing)) == pytest.approx(expected)


@pytest.mark.parametrize("fault", [Only(), Truncate(), Truncate(at=Place("before_event", EventRef(0)))])
def test_a_body_of_nothing_comes_when_its_first_event_would_have(fault: Any) -> None:
    steps = list(make_plan(fault, timing={"ttft": 1}))
    assert [step.due_s for step in steps] == [1.0] * 3
    assert read_answer(steps).body == b""


def test_nothing_is_rendered_before_it_is_asked_for() -> None:
    plan = make_plan(ManyChunks(count=10**12), delivery={"http": {"transfer": "close"}})
    assert len(list(islice(plan, 1000))) == 1000
    plan = make_plan(Endless(size=None), delivery={"http": {"chunk_size": "1MiB"}})
    assert sum(len(step.data) for step in islice(plan, 100) if isinstance(step, Write)) > 4_000_000


def test_events_are_marked_on_their_writes_through_every_coding() -> None:
    for http in ({}, {"coding": "gzip"}, {"coding": "br", "transfer": "length"}, {"chunk_size": 7}):
        plan = make_plan(delivery={"http": http, "writes": {"mode": "event"}})
        events = [step.event for step in plan if isinstance(step, Write) and step.event is not None]
        assert list(dict.fromkeys(events)) == list(range(8))


def test_a_chance_of_a_fault_is_decided_by_seed_and_ordinal() -> None:
    struck = {
        ordinal: isinstance(last_of(make_plan(Close(probability=0.5), terms=Terms(ordinal=ordinal))), End)
        and not read_answer(make_plan(Close(probability=0.5), terms=Terms(ordinal=ordinal))).is_complete
        for ordinal in range(40)
    }
    assert {True, False} == set(struck.values())


# Codings that were not asked for, HTTP/1.0, interim responses


@pytest.mark.parametrize("mode", ["due", "event", "random"])
@pytest.mark.parametrize(
    "fault", [GzipBomb(size=Size(8 << 20)), ManyChunks(count=5000)], ids=["gzip_bomb", "many_chunks"]
)
def test_while_a_length_is_measured_others_have_their_turn(fault: Fault, mode: str) -> None:
    writes = {"mode": mode, "gap": "1ms", "size": 60_000} if mode == "random" else {"mode": mode}
    plan = make_plan(fault, delivery={"http": {"transfer": "length"}, "writes": writes})
    steps = list(plan)
    front = list(takewhile(lambda step: not isinstance(step, Head), steps))
    assert front == [Write(0.0, b"")] * len(front)
    assert len(front) > 7, "one for each 16 slices"
    head, _, body = data_of(steps).partition(b"\r\n\r\n")
    assert b"\r\nContent-Length: %d\r\n" % len(body) in head
    assert steps[len(front)].due_s == 0.0, "which takes no time of the plan's"


def test_of_a_plan_whose_length_takes_long_to_measure_no_template_is_made() -> None:
    """That would measure all of it at once, while every other stream waits."""
    asked = 0

    def make(terms: Terms) -> Plan:
        plan = make_plan(ManyChunks(count=100_000), delivery={"http": {"transfer": "length"}}, terms=terms)

        def steps() -> Iterator[Step]:
            nonlocal asked
            for step in plan:
                asked += 1
                yield step

        return Plan(200, steps, plan.stream)

    assert make_template(make, Terms(wall_s=1_700_000_000.0)) is None
    assert asked < 10
    assert (
        make_template(
            lambda terms: make_plan(delivery={"http": {"transfer": "length"}}, terms=terms),
            Terms(wall_s=1_700_000_000.0),
        )
        is not None
    )


def test_an_answer_to_http_1_0_has_neither_chunks_nor_interim_responses() -> None:
    told = Terms(http_version="1.0", keep_alive=False)
    plan = make_plan(delivery={"http": {"interim": [{}], "trailers": {"X-A": "1"}}}, terms=told)
    data = data_of(plan)
    assert data.startswith(b"HTTP/1.0 200 OK\r\n")
    assert b"Transfer-Encoding" not in data
    assert last_of(plan) == End(0.0, close=True)
    assert read_answer(plan).contents == [CONTENT]


def test_interim_responses_leave_at_once_and_before_a_fault_before_the_headers() -> None:
    delivery = {"http": {"interim": [{"status": 103, "headers": {"Link": "</a>"}}]}}
    steps = list(make_plan(timing={"ttft": 1}, delivery=delivery))
    assert steps[0] == Write(0.0, b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n")
    assert isinstance(steps[1], Head)
    cut = list(make_plan(Close(at=Place("before_headers")), timing={"ttft": 1}, delivery=delivery))
    assert cut == [steps[0], End(1.0, close=True, cut=True)]
    assert list(make_plan(Close(at=Place("before_reply")), delivery=delivery)) == [End(0.0, close=True, cut=True)]


@pytest.mark.parametrize("status", [204, 304])
def test_a_status_without_content_has_none(status: int) -> None:
    steps = list(make_plan(delivery={"http": {"status": status}}))
    assert [type(step) for step in steps] == [Head, End]
    assert last_of(make_plan(Close(), delivery={"http": {"status": status}})) == End(0.0, close=True, cut=True)


def test_headers_of_the_terms_are_added() -> None:
    told = Terms(headers=(("x-ratelimit-limit-requests", "3"), ("X-New", "1")))
    reading = read_answer(make_plan(terms=told))
    assert (reading.headers["x-ratelimit-limit-requests"], reading.headers["x-new"]) == ("3", "1")


# Errors, redirects, other answers


@pytest.mark.parametrize(
    ("error", "told"),
    [
        (ErrorReply(), {"message": "The mock server answers with status 500, as its scenario says.", "type": "server_error",
                        "param": None, "code": None}),
        (ErrorReply(429, code="rate_limit_exceeded"), {"type": "requests", "code": "rate_limit_exceeded"}),
        (ErrorReply(400, "No", "mine", "n", "bad"), {"message": "No", "type": "mine", "param": "n", "code": "bad"}),
        (ErrorReply(418), {"type": "invalid_request_error"}),
        (ErrorReply(502), {"type": "server_error"}),
    ],
)  # fmt: skip
def test_an_error_has_openai_s_object(error: ErrorReply, told: dict[str, Any]) -> None:
    plan = make_plan(error=error)
    reading = read_answer(plan)
    assert reading.status == plan.status == error.status
    assert json.loads(reading.body)["error"].items() >= told.items()
    assert reading.headers["content-type"] == "application/json"


@pytest.mark.parametrize(
    ("status", "told"),
    [
        (400, "invalid_request_error"), (401, "invalid_request_error"), (403, "invalid_request_error"),
        (404, "invalid_request_error"), (429, "requests"), (500, "server_error"), (503, "service_unavailable"),
    ],
)  # fmt: skip
def test_an_error_has_the_type_that_the_real_api_tells_be_it_the_scenario_s_or_the_server_s_own(
    status: int, told: str
) -> None:
    assert read_error(status)["type"] == told
    refusal = plan_refusal(RequestError("No", status=status), Terms())
    assert json.loads(read_answer(refusal).body)["error"]["type"] == told


def read_error(status: int) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(read_answer(make_plan(error=ErrorReply(status))).body)["error"]
    return found


@pytest.mark.parametrize(
    ("body", "content_type", "sent"),
    [("<html>", "text/html", b"<html>"), ("  <p>", "text/html", b"  <p>"), ("busy", "text/plain; charset=utf-8", b"busy"),
     ("", "text/plain; charset=utf-8", b""), ({"detail": "x"}, "application/json", b'{"detail":"x"}'),
     ({}, "application/json", b"{}")],
)  # fmt: skip
def test_an_error_may_have_a_body_of_its_own(body: Any, content_type: str, sent: bytes) -> None:
    reading = read_answer(make_plan(error=ErrorReply(503, headers={"Retry-After": "2"}, body=body)))
    assert (reading.body, reading.headers["content-type"], reading.headers["retry-after"]) == (sent, content_type, "2")


@pytest.mark.parametrize("status", [301, 302, 307, 308])
def test_a_redirect_is_a_status_and_a_location(status: int) -> None:
    error = ErrorReply(status, headers={"Location": "/scenarios/other/v1/chat/completions"}, body="")
    reading = read_answer(make_plan(error=error))
    assert (reading.status, reading.body, reading.headers["content-length"]) == (status, b"", "0")
    assert reading.headers["location"] == "/scenarios/other/v1/chat/completions"


def test_an_error_comes_at_ttft_and_the_delivery_s_faults_and_http_apply() -> None:
    plan = make_plan(
        Close(at=Place("inside_event", EventRef(0))),
        error=ErrorReply(500, body="x" * 10),
        timing={"ttft": 2},
        delivery={"http": {"headers": {"X-A": "1"}}},
    )
    assert data_of(plan).endswith(b"\r\n\r\nxxxxx")
    assert b"X-A: 1" in data_of(plan)
    assert last_of(plan) == End(2.0, close=True, cut=True)


def test_a_refusal_says_what_the_request_got_wrong() -> None:
    error = RequestError("no", status=405, type="t", param="p", code="c", headers=(("Allow", "POST"),))
    plan = plan_refusal(error, Terms())
    reading = read_answer(plan)
    assert (reading.status, plan.status, reading.headers["allow"]) == (405, 405, "POST")
    assert json.loads(reading.body) == {"error": {"message": "no", "type": "t", "param": "p", "code": "c"}}


def test_any_other_answer_is_sent_at_once() -> None:
    plan = plan_body(200, "text/plain", b"hello", Terms(keep_alive=False), (("X-A", "1"),))
    reading = read_answer(plan)
    assert (reading.body, reading.headers["x-a"], reading.headers["connection"]) == (b"hello", "1", "close")
    assert last_of(plan) == End(0.0, close=True)


@pytest.mark.parametrize("headers", [{"X": "a\r\nb"}, {"a b": "x"}, {"X": "日"}])
def test_headers_of_an_error_that_cannot_go_over_the_wire_are_refused_when_it_is_read(headers: dict[str, str]) -> None:
    with pytest.raises(msgspec.ValidationError, match="headers"):
        msgspec.convert({"headers": headers}, ErrorReply)


# Streams that a scenario gives itself


RAW = 'data: a\r\n\r\n: ping\n\ndata: {"choices":[{"index":0,"delta":{},"finish_reason": "stop"}]}\n\ndata: [DONE]\n\ndata: rest'


def test_a_stream_given_raw_is_sent_as_it_is_and_its_places_are_found() -> None:
    delivery = {"raw": {"body": RAW}, "writes": {"mode": "event"}}
    plan = make_plan(delivery=delivery, timing={"ttft": 1, "itl": 0.5})
    assert read_answer(plan).body == RAW.encode()
    writes = [step for step in plan if isinstance(step, Write)][:-1]
    assert [step.event for step in writes] == [0, None, 1, 2, 3]
    assert [step.due_s for step in writes] == [1.0, 1.5, 1.5, 2.0, 2.5]
    for place, ends in ((Place("after_finish"), b'"stop"}]}\n\n'), (Place("after_done"), b"[DONE]\n\n")):
        assert read_answer(make_plan(Truncate(at=place), delivery=delivery)).body.endswith(ends)


def test_events_given_raw_are_framed_and_insertions_stand_where_they_should() -> None:
    delivery = {"raw": {"events": ["a", {"data": {"b": 1}, "event": "x"}, "[DONE]"]}, "framing": {"line_end": "cr"}}
    assert read_answer(make_plan(delivery=delivery)).body == b'data: a\r\revent: x\rdata: {"b":1}\r\rdata: [DONE]\r\r'
    inserted = make_plan(delivery={"inserts": [{"before": "done", "data": "hello"}]})
    assert read_answer(inserted).body.endswith(b"data: hello\n\ndata: [DONE]\n\n")


def test_chunks_are_edited() -> None:
    edited = make_plan(delivery={"edits": [{"at": 0, "merge": {"model": "other"}}]})
    assert read_answer(edited).body.count(b'"model":"other"') == 1


def test_a_delivery_is_rendered_with_its_dialect() -> None:
    assert b"prompt_filter_results" in data_of(make_plan(delivery={"dialect": "azure"}))
