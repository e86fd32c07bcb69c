from typing import Any

import pytest

from mockserver.faults import Around
from mockserver.http import RATE_LIMIT_HEADERS, Http, Interim
from mockserver.message import Message
from mockserver.shorthand import Size
from mockserver.sse import Slice
from tests.mockserver.test_http import decoder, read_with_h11

BODY = [Slice(b"data: one\n\n", 0.1, 0, "delta"), Slice(b"data: [DONE]\n\n", 0.2, 1, "done")]
TEXT = b"data: one\n\ndata: [DONE]\n\n"


def message(http: Http | None = None, **fields: Any) -> Message:
    defaults: dict[str, Any] = {
        "status": 200,
        "content_type": "text/event-stream",
        "prefers_chunked": True,
        "request_version": "1.1",
        "keep_alive": True,
        "accept_encoding": "",
        "wall_s": 0.0,
        "request_id": "req_1",
    }
    return Message(http=http or Http(), **{**defaults, **fields})


def headers(made: Message, length: int | None = None, processing_s: float = 0.0) -> dict[str, str]:
    lines = made.head(processing_s, length).decode("latin-1").split("\r\n")[1:-2]
    found = dict(line.split(": ", 1) for line in lines)
    assert len(found) == len(lines), "no header is there twice"
    return found


def framed(made: Message) -> list[bytes]:
    return [piece.data for piece in made.frame(made.code(BODY, (), Around()))]


# What ends the body, and the connection


@pytest.mark.parametrize(
    ("http", "fields", "transfer", "closes", "says"),
    [
        (Http(), {}, "chunked", False, "keep-alive"),
        (Http(), {"prefers_chunked": False}, "length", False, "keep-alive"),
        (Http(transfer="length"), {}, "length", False, "keep-alive"),
        (Http(transfer="close"), {}, "close", True, "close"),
        (Http(transfer="close", connection="keep-alive"), {}, "close", True, "keep-alive"),
        (Http(connection="close"), {}, "chunked", True, "close"),
        (Http(version="1.0"), {}, "close", True, "close"),
        (Http(version="1.0", transfer="length"), {}, "length", True, "close"),
        (Http(version="1.1"), {"request_version": "1.0", "keep_alive": False}, "chunked", True, "close"),
        (Http(), {"request_version": "1.0", "keep_alive": False}, "close", True, "close"),
        (Http(), {"keep_alive": False}, "chunked", True, "close"),
        (Http(connection="keep-alive"), {"keep_alive": False}, "chunked", True, "keep-alive"),
        (Http(headers={"Content-Length": "7"}), {}, "chunked", True, "keep-alive"),
        (Http(headers={"transfer-encoding": None}), {}, "chunked", True, "keep-alive"),
        (Http(headers={"Connection": "Close, x"}), {}, "chunked", True, "Close, x"),
        (Http(headers={"Connection": "Upgrade"}), {}, "chunked", False, "Upgrade"),
    ],
)
def test_what_ends_the_body_and_whether_the_connection_ends_with_it(
    http: Http, fields: dict[str, Any], transfer: str, closes: bool, says: str
) -> None:
    made = message(http, **fields)
    assert made.transfer == transfer
    assert made.closes is closes
    assert headers(made, 25)["Connection"] == says


def test_the_head_tells_of_the_framing_that_the_body_has() -> None:
    chunked, by_length, until_close = (message(Http(transfer=transfer)) for transfer in ("chunked", "length", "close"))
    assert headers(chunked)["Transfer-Encoding"] == "chunked"
    assert "Content-Length" not in headers(chunked)
    assert headers(by_length, 25)["Content-Length"] == "25"
    assert "Transfer-Encoding" not in headers(by_length, 25)
    assert not {"Transfer-Encoding", "Content-Length"} & headers(until_close).keys()


@pytest.mark.parametrize("transfer", ["chunked", "length", "close"])
@pytest.mark.parametrize("coding", [None, "gzip", "deflate", "br"])
@pytest.mark.parametrize("flush", ["event", "end"])
def test_h11_reads_the_body_back(transfer: Any, coding: Any, flush: Any) -> None:
    made = message(Http(transfer=transfer, coding=coding, flush=flush), accept_encoding="gzip, deflate, br")
    wire = framed(made)
    _, body, _ = read_with_h11(made.head(0.0, len(b"".join(wire))), wire, eof=transfer == "close")
    assert (decoder(coding)(body) if coding else body) == TEXT
    assert headers(made, 1).get("Content-Encoding") == coding
    assert headers(made, 1).get("Vary") == ("Accept-Encoding" if coding else None)


def test_chunks_have_the_size_extension_and_trailers_that_were_told() -> None:
    made = message(Http(chunk_size=Size(8), chunk_extension=";x=1", trailers={"X-Sum": "9"}))
    wire = framed(made)
    assert b"".join(wire).startswith(b"8;x=1\r\ndata: on\r\n8;x=1\r\ne\n\ndata:\r\n")
    assert wire[-1] == b"0;x=1\r\nX-Sum: 9\r\n\r\n"
    assert headers(made)["Trailer"] == "X-Sum"
    _, body, trailers = read_with_h11(made.head(0.0, None), wire)
    assert body == TEXT
    assert trailers == [(b"x-sum", b"9")]


# Content codings


@pytest.mark.parametrize(
    ("accept", "unasked", "coding"),
    [("gzip", False, "gzip"), ("br", False, None), ("", False, None), ("", True, "gzip"), ("gzip;q=0", True, "gzip")],
)
def test_a_coding_is_used_only_if_the_request_offered_it_unless_it_is_to_be_used_unasked(
    accept: str, unasked: bool, coding: str | None
) -> None:
    made = message(Http(coding="gzip", coding_unasked=unasked), accept_encoding=accept)
    assert made.coding == coding
    assert (b"".join(piece.data for piece in made.code(BODY, (), Around())) == TEXT) is (coding is None)


# The head


def test_the_head_has_everything_that_the_real_api_sends() -> None:
    found = headers(message(request_id="req_7", wall_s=784111777.0), processing_s=0.0126)
    assert found == {
        "Date": "Sun, 06 Nov 1994 08:49:37 GMT",
        "Content-Type": "text/event-stream",
        "Transfer-Encoding": "chunked",
        "Connection": "keep-alive",
        "openai-processing-ms": "13",
        "openai-version": "2020-10-01",
        "x-request-id": "req_7",
        **RATE_LIMIT_HEADERS,
        "Access-Control-Allow-Origin": "*",
        "Access-Control-Expose-Headers": "*",
    }


def test_headers_of_the_answer_replace_the_usual_ones_and_those_of_the_scenario_replace_both() -> None:
    made = message(
        Http(headers={"retry-after": "9", "X-Request-Id": None}),
        extra=(("Retry-After", "1"), ("x-ratelimit-limit-requests", "3")),
    )
    found = headers(made)
    assert found["retry-after"] == "9"
    assert found["x-ratelimit-limit-requests"] == "3"
    assert not {"Retry-After", "x-request-id", "X-Request-Id"} & found.keys()


@pytest.mark.parametrize("content_type", ["text/plain", "TEXT/EVENT-STREAM", None])
def test_the_content_type_may_be_another_or_missing(content_type: str | None) -> None:
    found = headers(message(Http(headers={"content-type": content_type})))
    assert found.get("content-type") == content_type
    assert "Content-Type" not in found


# What has no body, and what stands in front


@pytest.mark.parametrize(("status", "has_body"), [(200, True), (204, False), (304, False), (103, False), (599, True)])
def test_an_answer_without_content_says_nothing_of_one(status: int, has_body: bool) -> None:
    made = message(status=status)
    assert made.has_body is has_body
    assert bool({"Content-Type", "Transfer-Encoding", "Content-Length"} & headers(made, 5).keys()) is has_body


def test_an_interim_status_as_the_answer_ends_the_connection_because_the_client_waits_for_more() -> None:
    assert message(status=103).closes
    assert not message(status=204).closes


def test_interim_responses_stand_in_front_and_not_before_an_answer_to_http_1_0() -> None:
    http = Http(interim=(Interim(103, {"Link": "</a>"}), Interim(102)))
    assert [piece.data for piece in message(http).interims()] == [
        b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n",
        b"HTTP/1.1 102 Processing\r\n\r\n",
    ]
    assert [(piece.due_s, piece.kind) for piece in message(http).interims()] == [(0.0, "interim")] * 2
    assert list(message(http, request_version="1.0").interims()) == []
