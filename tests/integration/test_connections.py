"""HTTP/1.1 as clients speak it: keep-alive, pipelining, upgrades, bodies in any shape, and what is not HTTP at all."""

import json
import logging
import socket
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mockserver import transport
from mockserver.server import MockServer
from mockserver.transport import LendingProtocol
from tests.support import RawClient, chat, held, lent_connections, render_request, wait_until

Sender = Callable[[RawClient], None]


@pytest.fixture(scope="module")
def shared() -> Iterator[MockServer]:
    """One server for all examples of a property; it repeats what it is asked."""
    replies = [{"name": f"number-{k}", "match": {"last_user": str(k)}, "reply": f"this is {k}"} for k in range(10)]
    with MockServer(*replies, strict=True) as server:
        yield server


def numbered(number: int, **headers: str) -> bytes:
    return render_request(chat(str(number), stream=number % 2 == 0), headers=headers)


# Keep-alive

ANSWERS: dict[str, tuple[Any, str, str, int]] = {
    "a stream": (chat(), "POST", "/v1/chat/completions", 200),
    "a stream of a named scenario": (chat(), "POST", "/scenarios/plain/v1/chat/completions", 200),
    "a whole answer": (chat(stream=False), "POST", "/v1/chat/completions", 200),
    "a wrong request": (chat(temperature=9), "POST", "/v1/chat/completions", 400),
    "no JSON": (b"{", "POST", "/v1/chat/completions", 400),
    "an empty body": (b"", "POST", "/v1/chat/completions", 400),
    "no body": (None, "POST", "/v1/chat/completions", 400),
    "an error of a scenario": (chat("fail"), "POST", "/v1/chat/completions", 429),
    "another path": (chat(), "POST", "/v1/completions", 404),
    "an unknown scenario": (chat(), "POST", "/scenarios/none/v1/chat/completions", 404),
    "another method": (None, "GET", "/v1/chat/completions", 405),
    "a body over the limit": (bytes(3_000), "POST", "/v1/chat/completions", 413),
    "a preflight": (None, "OPTIONS", "/v1/chat/completions", 200),
    "the models": (None, "GET", "/v1/models", 200),
    "a model": (None, "GET", "/v1/models/a/b", 200),
    "the models' head": (None, "HEAD", "/v1/models", 200),
    "the head of an error": (None, "HEAD", "/v1/chat/completions", 405),
    "its health": (None, "GET", "/healthz", 200),
}


@pytest.fixture
def keeping(server: MockServer, monkeypatch: pytest.MonkeyPatch) -> MockServer:
    monkeypatch.setattr(LendingProtocol, "max_body_bytes", 2_000)
    server.reply("plain", name="plain")
    server.add(
        {"name": "failing", "match": {"last_user": "fail"}, "error": {"status": 429, "headers": {"Retry-After": "1"}}}
    )
    return server


@pytest.mark.parametrize("first", ANSWERS)
def test_after_any_answer_the_connection_serves_the_next_request(keeping: MockServer, first: str) -> None:
    body, method, path, status = ANSWERS[first]
    with RawClient(keeping) as client:
        for _ in range(2):
            answer = client.ask(body, method, path)
            assert answer.status == status
            assert answer.header("connection") == "keep-alive"
            assert client.ask(chat()).content == "plain"
        assert client.end is None
        client.end_writing()
        assert client.read_to_end() == "FIN"


def test_all_answers_one_after_the_other_and_all_at_once_are_the_same(keeping: MockServer) -> None:
    requests = [render_request(body, method, path) for body, method, path, _ in ANSWERS.values()]
    with RawClient(keeping) as client:
        client.send(b"".join(requests))
        for _, method, _, status in ANSWERS.values():
            assert client.read_answer(to=method).status == status
    assert [exchange.status for exchange in keeping.requests] == [
        status for _, method, path, status in ANSWERS.values() if method != "OPTIONS" and path != "/healthz"
    ]


@pytest.mark.parametrize("stream", [True, False])
def test_a_request_that_closes_gets_its_answer_and_then_the_end(keeping: MockServer, stream: bool) -> None:
    with RawClient(keeping) as client:
        answer = client.ask(chat(stream=stream), connection="close")
        assert answer.content == "plain"
        assert answer.header("connection") == "close"
        assert answer.framing == ("chunked" if stream else "length")
        assert client.read_to_end() == "FIN"
    wait_until(lambda: held(keeping) == (0, 0))


def test_what_follows_a_request_that_closes_is_not_answered(keeping: MockServer) -> None:
    with RawClient(keeping) as client:
        client.send(render_request(chat(), headers={"connection": "close"}) + render_request(chat()) + b"garbage" * 100)
        assert client.read_answer().content == "plain"
        assert client.read_to_end() == "FIN"
        assert client.received.count(b"HTTP/1.1") == 1
    assert len(keeping.requests) == 1


@pytest.mark.parametrize("connection", [None, "keep-alive", "close"])
@pytest.mark.parametrize("stream", [True, False])
def test_http_1_0_gets_its_answer_without_chunks_and_then_the_end(
    keeping: MockServer, stream: bool, connection: str | None
) -> None:
    headers = {} if connection is None else {"connection": connection}
    with RawClient(keeping) as client:
        client.send(render_request(chat(stream=stream), headers=headers, version="1.0"))
        answer = client.read_answer()
        assert answer.content == "plain"
        assert answer.header("connection") == "close"
        assert answer.framing == ("close" if stream else "length")
        assert client.read_to_end() == "FIN"


# Pipelining


@given(st.lists(st.integers(0, 9), min_size=1, max_size=12), st.integers(1, 400))
def test_pipelined_requests_are_answered_in_order_however_they_are_cut(
    shared: MockServer, numbers: list[int], size: int
) -> None:
    with RawClient(shared) as client:
        client.send_pieces(b"".join(map(numbered, numbers)), size)
        assert [client.read_answer().content for _ in numbers] == [f"this is {number}" for number in numbers]


def test_a_request_may_be_cut_at_every_byte(shared: MockServer) -> None:
    request = numbered(4)
    with RawClient(shared) as client:
        for at in range(1, len(request)):
            client.send(request[:at])
            client.send(request[at:])
            assert client.read_answer().content == "this is 4"


def test_a_request_may_come_byte_by_byte(shared: MockServer) -> None:
    with RawClient(shared) as client:
        client.send_pieces(numbered(5))
        assert client.read_answer().content == "this is 5"


def test_paced_answers_to_pipelined_requests_do_not_overlap(server: MockServer) -> None:
    server.reply("a b c d", timing={"ttft": "5ms", "itl": "5ms"})
    with RawClient(server) as client:
        client.send(render_request(chat()) * 3)
        assert [client.read_answer().content for _ in range(3)] == ["a b c d"] * 3
    for exchange in server.requests:
        assert min(played.at_s for played in exchange.played) >= 0.005
        assert max(played.at_s for played in exchange.played) >= 0.020


def test_too_many_requests_ahead_of_their_answers_are_refused_in_their_turn(
    server: MockServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(transport, "MAX_PIPELINED", 3)
    server.reply("plain", timing={"ttft": "50ms"})
    with RawClient(server) as client:
        client.send(render_request(chat()) * 10)
        assert [client.read_answer().status for _ in range(5)] == [200, 200, 200, 200, 503]
        assert client.read_to_end() == "FIN"


# Upgrades

H2C = {
    "connection": "Upgrade, HTTP2-Settings",
    "upgrade": "h2c",
    "http2-settings": "AAEAAEAAAAIAAAAAAAMAAAAAAAQBAAAAAAUAAEAAAAYABgAA",
}


def test_an_upgrade_to_h2c_as_javas_client_sends_it_is_ignored_and_the_body_is_read(shared: MockServer) -> None:
    shared.reset()
    with RawClient(shared) as client:
        for number in range(4):
            client.send(numbered(number, **H2C))
            answer = client.read_answer()
            assert answer.status == 200
            assert answer.version == "HTTP/1.1"
            assert answer.content == f"this is {number}"
        client.send(numbered(7))
        assert client.read_answer().content == "this is 7"
    assert [exchange.headers.get("upgrade") for exchange in shared.requests] == ["h2c"] * 4 + [None]
    assert shared.requests[0].headers["connection"] == H2C["connection"]


@given(st.lists(st.tuples(st.integers(0, 9), st.booleans()), min_size=1, max_size=6), st.integers(1, 500))
def test_upgrades_are_ignored_wherever_they_stand_and_however_they_are_cut(
    shared: MockServer, requests: list[tuple[int, bool]], size: int
) -> None:
    with RawClient(shared) as client:
        client.send_pieces(b"".join(numbered(number, **(H2C if upgrade else {})) for number, upgrade in requests), size)
        assert [client.read_answer().content for _ in requests] == [f"this is {number}" for number, _ in requests]


def test_an_upgrade_to_a_websocket_is_ignored_too(shared: MockServer) -> None:
    headers = {
        "connection": "Upgrade",
        "upgrade": "websocket",
        "sec-websocket-version": "13",
        "sec-websocket-key": "x" * 22 + "==",
    }
    with RawClient(shared) as client:
        assert client.ask(None, "GET", "/v1/realtime", **headers).status == 404
        assert client.ask(None, "GET", "/v1/models", **headers).status == 200


@pytest.mark.parametrize(
    ("version", "connection", "framing"), [("1.0", "upgrade", "close"), ("1.1", "upgrade, close", "chunked")]
)
def test_an_upgrade_by_a_request_that_closes_is_ignored_and_the_connection_closed(
    shared: MockServer, version: str, connection: str, framing: str
) -> None:
    with RawClient(shared) as client:
        client.send(render_request(chat("2"), headers=H2C | {"connection": connection}, version=version) + numbered(3))
        answer = client.read_answer()
        assert (answer.content, answer.framing) == ("this is 2", framing)
        assert client.read_to_end() == "FIN"


# Bodies


def chunked(data: bytes, size: int, extension: bytes = b"", trailers: bytes = b"") -> bytes:
    pieces = [data[at : at + size] for at in range(0, len(data), size)]
    return b"".join(b"%x%b\r\n%b\r\n" % (len(p), extension, p) for p in pieces) + b"0\r\n" + trailers + b"\r\n"


@given(
    st.integers(1, 200),
    st.sampled_from([b"", b";a=b", b';a="b"']),
    st.sampled_from([b"", b"x-after: 1\r\n"]),
    st.integers(1, 300),
)
def test_a_body_may_be_chunked(shared: MockServer, size: int, extension: bytes, trailers: bytes, cut: int) -> None:
    head = render_request(None, headers={"transfer-encoding": "chunked", "trailer": "x-after"})
    body = chunked(json.dumps(chat("3")).encode(), size, extension, trailers)
    with RawClient(shared) as client:
        client.send_pieces(head + body + numbered(8), cut)
        assert client.read_answer().content == "this is 3"
        assert client.read_answer().content == "this is 8"


def test_a_client_that_expects_100_continue_gets_it_before_the_answer(shared: MockServer) -> None:
    request = numbered(6, expect="100-continue")
    head = request.index(b"\r\n\r\n") + 4
    with RawClient(shared) as client:
        for _ in range(2):
            before = len(client.received)
            client.send(request[:head])
            while b"100 Continue\r\n\r\n" not in client.received[before:]:
                client.read()
            client.send(request[head:])
            answer = client.read_answer()
            assert answer.interim == (100,)
            assert answer.content == "this is 6"
            assert client.received[before:] == b"HTTP/1.1 100 Continue\r\n\r\n" + answer.raw.removeprefix(
                b"HTTP/1.1 100 Continue\r\n\r\n"
            )


def test_100_continue_of_a_pipelined_request_waits_for_its_turn(server: MockServer) -> None:
    server.reply("plain", timing={"ttft": "30ms", "headers": 0})
    with RawClient(server) as client:
        client.send(render_request(chat()) + render_request(chat(stream=False), headers={"expect": "100-continue"}))
        first, second = client.read_answer(), client.read_answer()
        assert (first.interim, first.content) == ((), "plain")
        assert (second.interim, second.content) == ((100,), "plain")


LIMIT = 100_000


@pytest.fixture
def small_bodies(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(LendingProtocol, "max_body_bytes", LIMIT)


@pytest.mark.usefixtures("small_bodies")
def test_a_body_as_large_as_allowed_is_read(server: MockServer) -> None:
    server.reply("plain")
    body = json.dumps(chat()).encode()
    with RawClient(server) as client:
        assert client.ask(body + b" " * (LIMIT - len(body))).content == "plain"
        answer = client.ask(body + b" " * (LIMIT - len(body) + 1))
        assert answer.status == 413
        assert answer.json["error"] == {
            "message": f"Maximum content size limit ({LIMIT}) exceeded ({LIMIT + 1} bytes read)",
            "type": "server_error",
            "param": None,
            "code": None,
        }


@pytest.mark.usefixtures("small_bodies")
def test_the_answer_to_a_body_over_the_limit_comes_while_the_client_is_still_sending(server: MockServer) -> None:
    server.reply("plain")
    size = 20 * LIMIT
    with RawClient(server) as client:
        client.send(b"POST /v1/chat/completions HTTP/1.1\r\nhost: mock\r\ncontent-length: %d\r\n\r\n" % size)
        answer = client.read_answer()  # nothing of the body was sent
        assert answer.status == 413
        assert answer.json["error"]["message"].endswith(f"({size} bytes read)")
        for _ in range(20):
            client.send(bytes(LIMIT))  # is read and thrown away: no reset, and the connection is in order afterwards
        assert client.ask(chat()).content == "plain"
    assert [exchange.ended for exchange in server.requests][:1] == ["complete"]
    assert server.requests[0].raw_body == b""


@pytest.mark.usefixtures("small_bodies")
@pytest.mark.parametrize("connection", ["keep-alive", "close"])
def test_a_chunked_body_without_end_is_answered_when_it_is_over_the_limit(server: MockServer, connection: str) -> None:
    server.reply("plain")
    with RawClient(server) as client:
        client.send(render_request(None, headers={"transfer-encoding": "chunked", "connection": connection}))
        piece = b"2710\r\n" + bytes(10_000) + b"\r\n"
        for _ in range(10):
            client.send(piece)
        wait_until(lambda: [lent.received for lent in lent_connections(server)] == [LIMIT])
        client.send(piece)
        answer = client.read_answer()
        assert answer.status == 413
        assert answer.header("connection") == connection
        for _ in range(20):
            client.send(piece)
        if connection == "keep-alive":
            client.send(b"0\r\n\r\n")
            assert client.ask(chat()).content == "plain"
        else:
            assert client.read_to_end() == "FIN"


@pytest.mark.usefixtures("small_bodies")
def test_a_body_over_the_limit_that_is_announced_is_refused_without_100_continue(server: MockServer) -> None:
    with RawClient(server) as client:
        client.send(render_request(None, headers={"content-length": str(LIMIT + 1), "expect": "100-continue"}))
        answer = client.read_answer()
        assert (answer.status, answer.interim) == (413, ())


def test_a_body_that_is_not_chunked_as_it_says_is_refused_in_its_turn(server: MockServer) -> None:
    server.reply("plain", timing={"ttft": "20ms"})
    with RawClient(server) as client:
        broken = render_request(None, headers={"transfer-encoding": "chunked"}) + b"5\r\nhello\r\nnonsense\r\n"
        client.send(render_request(chat()) + broken + render_request(chat()))
        assert client.read_answer().content == "plain"
        answer = client.read_answer()
        assert answer.status == 400
        assert answer.json["error"]["type"] == "invalid_request_error"
        assert "Invalid HTTP request" in answer.json["error"]["message"]
        assert answer.header("connection") == "close"
        assert client.read_to_end() == "FIN"
    assert [exchange.status for exchange in server.requests] == [200, 400]


@pytest.mark.parametrize(
    ("opening", "told"),
    [
        (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", "This is TLS: the server speaks http://, not https://"),
        (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", "HTTP/2 is not spoken here, HTTP/1.1 is"),
        (b"nonsense\r\n\r\n", "Invalid HTTP request: "),
    ],
)
def test_who_speaks_another_protocol_is_told_which_is_spoken(
    server: MockServer, caplog: pytest.LogCaptureFixture, opening: bytes, told: str
) -> None:
    with RawClient(server) as client:
        client.send(opening)
        answer = client.read_answer()
        assert answer.status == 400
        assert answer.json["error"]["message"].startswith(told)
        assert client.read_to_end() == "FIN"
    assert told in caplog.text


def test_a_broken_body_behind_an_answer_that_came_early_ends_the_connection(
    server: MockServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(LendingProtocol, "max_body_bytes", 10)
    with RawClient(server) as client:
        client.send(render_request(None, headers={"transfer-encoding": "chunked"}) + b"14\r\n" + bytes(20))
        assert client.read_answer().status == 413
        client.send(b"\r\nnonsense\r\n")
        assert client.read_to_end() == "FIN"
        assert client.received.count(b"HTTP/1.1") == 1


# What is not HTTP

GARBAGE = {
    "garbage": b"garbage\r\n\r\n",
    "TLS": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(range(200)),
    "HTTP/2": b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\4\0\0\0\0\0",
    "an unknown method": b"BREW /coffee HTTP/1.1\r\nhost: mock\r\n\r\n",
    "no version": b"POST /v1/chat/completions\r\n\r\n",
    "another version": render_request(chat(), version="2.0"),
    "CONNECT": b"CONNECT api.openai.com:443 HTTP/1.1\r\nhost: mock\r\n\r\n",
    "a path that is no URL": b"GET no-slash HTTP/1.1\r\nhost: mock\r\n\r\n",
    "a path that is not ASCII": "GET /v1/modèles HTTP/1.1\r\nhost: mock\r\n\r\n".encode(),
    "no colon in a header": b"GET / HTTP/1.1\r\nhost mock\r\n\r\n",
    "a header with NUL": b"GET / HTTP/1.1\r\nhost: mo\0ck\r\n\r\n",
    "two lengths": b"POST / HTTP/1.1\r\ncontent-length: 1\r\ncontent-length: 2\r\n\r\n",
    "length and chunks": b"POST / HTTP/1.1\r\ncontent-length: 1\r\ntransfer-encoding: chunked\r\n\r\n",
    "a length that is no number": b"POST / HTTP/1.1\r\ncontent-length: many\r\n\r\n",
    "a negative length": b"POST / HTTP/1.1\r\ncontent-length: -1\r\n\r\n",
    "a length beyond all machines": b"POST / HTTP/1.1\r\ncontent-length: 99999999999999999999999\r\n\r\n",
    "a head without end": b"GET / HTTP/1.1\r\nx: " + b"y" * 300_000,
    "a line without end": b"GET /" + b"y" * 300_000,
    "headers without end": b"GET / HTTP/1.1\r\n" + b"x: y\r\n" * 60_000,
}
STATUS = {
    "another version": 505,
    "no version": 505,
    "CONNECT": 405,
    "a head without end": 431,
    "a line without end": 431,
    "headers without end": 431,
}


@pytest.mark.parametrize("after_s", [0, 1], ids=["at once", "after a request that is being answered"])
@pytest.mark.parametrize("what", GARBAGE)
def test_what_is_not_http_is_refused_in_its_turn_and_the_connection_closed(
    any_loop_server: MockServer, what: str, after_s: int, caplog: pytest.LogCaptureFixture
) -> None:
    server = any_loop_server
    server.reply("plain", timing={"ttft": "20ms", "headers": 0})
    with RawClient(server) as client, caplog.at_level(logging.WARNING):
        client.send(render_request(chat()) * after_s + GARBAGE[what])
        for _ in range(after_s):
            assert client.read_answer().content == "plain", "nothing is written into an answer that is being played"
        answer = client.read_answer()
        assert answer.status == STATUS.get(what, 400)
        assert set(answer.json["error"]) == {"message", "type", "param", "code"}
        assert answer.header("connection") == "close"
        assert client.read_to_end() == "FIN"
        assert b"Traceback" not in client.received
    assert [record.getMessage() for record in caplog.records if "Traceback" in record.getMessage()] == []
    assert any("not HTTP" in record.getMessage() for record in caplog.records)
    wait_until(lambda: held(server) == (0, 0))


def test_garbage_is_no_reason_to_reset_a_client_that_is_still_sending_it(server: MockServer) -> None:
    with RawClient(server) as client:
        for _ in range(20):
            client.send(b"garbage" * 10_000)
        assert client.read_answer().status == 400
        assert client.read_to_end() == "FIN"


def test_garbage_from_a_client_that_is_being_answered_does_not_hide_that_it_leaves(server: MockServer) -> None:
    server.reply("plain", timing={"ttft": "1h"})
    with RawClient(server) as client:
        client.send(render_request(chat()) + GARBAGE["garbage"])
        wait_until(lambda: lent_connections(server))
        client.end_writing()
        wait_until(lambda: server.requests and server.requests[0].ended == "client left (FIN)")
        assert client.read_to_end() == "FIN"
        assert client.received == b""


def test_a_long_head_is_read(server: MockServer) -> None:
    server.reply("plain")
    with RawClient(server) as client:
        assert client.ask(chat(), path="/" + "x" * 65_000 + "/v1/chat/completions").content == "plain"
        assert client.ask(None, "GET", "/v1/models/" + "z" * 65_000).json["id"] == "z" * 65_000
        assert client.ask(chat(), x_long="y" * 240_000).content == "plain"
    assert server.requests[2].headers["x-long"] == "y" * 240_000


def test_a_head_that_is_too_long_is_refused_though_it_is_complete(server: MockServer) -> None:
    for request, status in (
        (render_request(chat(), headers={"x-long": "y" * 280_000}), 431),
        (render_request(chat(), path="/" + "x" * 66_000), 414),
    ):
        with RawClient(server) as client:
            client.send(request)
            assert client.read_answer().status == status
            assert client.read_to_end() == "FIN"
    assert server.requests == []


def test_empty_lines_between_requests_are_ignored(server: MockServer) -> None:
    server.reply("plain")
    with RawClient(server) as client:
        client.send((b"\r\n" + render_request(chat()) + b"\r\n") * 3)
        assert [client.read_answer().content for _ in range(3)] == ["plain"] * 3


def test_a_request_target_with_the_whole_url_as_proxies_get_it_is_read(server: MockServer) -> None:
    server.reply("plain")
    with RawClient(server) as client:
        assert client.ask(chat(), path=f"{server.url}/v1/chat/completions").content == "plain"


@given(st.binary(max_size=200), st.booleans())
def test_no_bytes_at_all_harm_the_server(shared: MockServer, data: bytes, behind_a_request: bool) -> None:
    with RawClient(shared) as client:
        client.send(numbered(1) * behind_a_request + data)
        client.end_writing()
        client.read_to_end()
        statuses = [line[9:12] for line in client.received.split(b"\r\n") if line.startswith(b"HTTP/1.1 ")]
        assert not any(status.startswith(b"5") and status != b"505" for status in statuses)
    with RawClient(shared) as client:
        assert client.ask(chat("1")).content == "this is 1"


# Addresses


def test_ipv6() -> None:
    if not socket.has_ipv6:
        pytest.skip("no IPv6 here")
    with MockServer(strict=True, host="::1") as server, RawClient(server) as client:
        server.reply("plain")
        assert server.url.startswith("http://[::1]:")
        assert client.ask(chat()).content == "plain"


def test_many_connections_at_once(server: MockServer) -> None:
    server.reply("a b c", timing={"itl": "5ms"})
    clients = [RawClient(server) for _ in range(100)]
    for client in clients:
        client.send(render_request(chat()))
    for client in clients:
        assert client.read_answer().content == "a b c"
        client.close()
    wait_until(lambda: held(server) == (0, 0))
