"""Faults of the body: another one, a damaged coding, a wrong length, a bad chunk."""

from typing import Any

import pytest

from mockserver.faults import find_landmarks
from mockserver.faults.body import BadChunk, DamagedCoding, OtherBody, WrongLength
from mockserver.faults.landmarks import Landmarks
from mockserver.place import EventRef, Place
from mockserver.steps import End, Write
from tests.mockserver.faults.struck import PACED, fault_of, offset_of
from tests.mockserver.plans import CONTENT, KINDS, data_of, last_of, make_plan, read_answer
from tests.mockserver.test_http import decoder


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
    assert found.size > found.ends[-1], "the coding has an end of its own"
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
