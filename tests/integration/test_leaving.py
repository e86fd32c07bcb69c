"""A client that leaves is noticed within 100 ms, however it leaves and whatever it was waiting for, and nothing stays behind."""

import gc
import threading
import time
import weakref
from collections.abc import Callable
from typing import Any

import pytest

from mockserver.journal import Exchange
from mockserver.server import MockServer
from tests.support import RawClient, chat, held, lent_connections, open_descriptors, render_request, wait_until

NOTICED_S = 0.1
TRIES = 8
"""A busy machine may be late for reasons of its own: the best of some tries counts. One alone must come in seconds."""

BIG = ["x" * 65_000] * 300
STALL = {"faults": [{"fault": "stall", "at": {"after_event": 1}}]}
HALF_CLOSE = {"faults": [{"fault": "half_close", "at": {"after_event": 1}}]}
ENDLESS = {"faults": [{"fault": "endless", "size": "64GiB"}]}
REQUEST = render_request(chat())

SCENARIOS: dict[str, dict[str, Any]] = {
    "paced": {"content": "a b c d e f g h", "timing": {"itl": "10s"}},
    "not begun": {"content": "a", "timing": {"ttft": "1h"}},
    "headers sent": {"content": "a", "timing": {"ttft": "1h", "headers": 0}},
    "stalled": {"content": "a b c", "delivery": STALL},
    "half-closed": {"content": "a b c", "delivery": HALF_CLOSE},
    "blocked": {"pieces": BIG},
}

LEAVES: dict[str, tuple[Callable[[RawClient], None], tuple[str, ...]]] = {
    # A socket that is closed with something unread sends RST, as the system likes.
    "close": (RawClient.close, ("client left (FIN)", "client left (RST)")),
    "FIN": (RawClient.end_writing, ("client left (FIN)",)),
    "RST": (RawClient.reset, ("client left (RST)",)),
}

AHEAD: dict[str, tuple[bytes, int]] = {
    "alone": (b"", 0),
    "one more request pipelined": (REQUEST, 1),
    "several more and half of another": (REQUEST * 5 + REQUEST[:-20], 6),
}


def wait_for_client(server: MockServer) -> None:
    """Until the server can send no more because the client does not read: the kernels in between take nothing any more."""
    sent, before = 0, -1
    while sent != before:
        wait_until(lambda: any(connection.waits_for_client for connection in lent_connections(server)), "blocked")
        sent, before = sum(connection.sent for connection in lent_connections(server)), sent
        time.sleep(0.01)


def leave_and_time(server: MockServer, client: RawClient, leave: Callable[[RawClient], None]) -> tuple[Exchange, float]:
    """The exchange of the last request, and how long after its client left that was noted, in seconds."""
    [exchange] = server.requests
    assert exchange.ended is None
    left_at = time.monotonic()
    leave(client)
    wait_until(lambda: exchange.ended)
    return exchange, time.monotonic() - left_at


def assert_nothing_stays(server: MockServer, threads: int, descriptors: int) -> None:
    wait_until(lambda: held(server) == (0, 0), "connections and tasks are gone")
    wait_until(lambda: open_descriptors() == descriptors, "descriptors are closed")
    assert threading.active_count() == threads


@pytest.mark.parametrize("ahead", AHEAD)
@pytest.mark.parametrize("how", LEAVES)
@pytest.mark.parametrize("what", SCENARIOS)
def test_a_client_that_leaves_is_noticed(any_loop_server: MockServer, what: str, how: str, ahead: str) -> None:
    server, (leave, endings) = any_loop_server, LEAVES[how]
    server.reply(**SCENARIOS[what])
    threads, descriptors = threading.active_count(), open_descriptors()
    noticed = []
    for _ in range(TRIES):
        server._service.journal.clear()
        with RawClient(server, receive_buffer=4096) as client:
            client.send(REQUEST)
            if what == "blocked":
                wait_for_client(server)
            elif what == "not begun":
                wait_until(lambda: [exchange for exchange in server.requests if exchange.status])
            else:
                client.read_until(b"\r\n\r\n" if what == "headers sent" else b'"content":""')
            requests, count = AHEAD[ahead]
            client.send(requests)
            wait_until(lambda count=count: len(lent_connections(server)) == 1 + count)  # type: ignore[misc]
            exchange, after_s = leave_and_time(server, client, leave)
            assert exchange.ended in (("half-closed",) if what == "half-closed" else endings)
            assert exchange.bytes_sent >= len(client.received)
            assert len(server.requests) == 1, "a pipelined request whose turn has not come never begins"
            assert_nothing_stays(server, threads, descriptors + (how == "FIN"))
        noticed.append(after_s)
        if after_s < NOTICED_S:
            break
    assert min(noticed) < NOTICED_S, f"noticed after {noticed} s"
    assert_nothing_stays(server, threads, descriptors)


@pytest.mark.parametrize("sent", [len(REQUEST) - 1, REQUEST.index(b"\r\n\r\n") + 4, REQUEST.index(b"\r\n\r\n") + 9])
@pytest.mark.parametrize("how", LEAVES)
def test_a_client_that_leaves_before_its_request_is_complete_is_noticed(
    any_loop_server: MockServer, how: str, sent: int
) -> None:
    server, (leave, endings) = any_loop_server, LEAVES[how]
    threads, descriptors = threading.active_count(), open_descriptors()
    noticed = []
    for _ in range(TRIES):
        server._service.journal.clear()
        with RawClient(server) as client:
            client.send(REQUEST[:sent])
            wait_until(lambda: server.requests)
            exchange, after_s = leave_and_time(server, client, leave)
            assert exchange.ended in endings
            assert exchange.status == 0
            assert exchange.bytes_sent == 0
            assert_nothing_stays(server, threads, descriptors + (how == "FIN"))
        noticed.append(after_s)
        if after_s < NOTICED_S:
            break
    assert min(noticed) < NOTICED_S, f"noticed after {noticed} s"
    assert_nothing_stays(server, threads, descriptors)


@pytest.mark.parametrize("sent", [b"", b"POST /v1/chat", REQUEST[:40]])
@pytest.mark.parametrize("how", LEAVES)
def test_a_client_that_leaves_before_there_is_a_request_leaves_nothing(
    any_loop_server: MockServer, how: str, sent: bytes
) -> None:
    server, (leave, _) = any_loop_server, LEAVES[how]
    threads, descriptors = threading.active_count(), open_descriptors()
    with RawClient(server) as client:
        client.send(sent)
        wait_until(lambda: held(server) == (1, 0))
        leave(client)
        assert_nothing_stays(server, threads, descriptors + (how == "FIN"))
    assert server.requests == []


@pytest.mark.parametrize("how", LEAVES)
def test_a_client_that_leaves_between_two_requests_leaves_nothing(any_loop_server: MockServer, how: str) -> None:
    server, (leave, _) = any_loop_server, LEAVES[how]
    server.reply("hello")
    threads, descriptors = threading.active_count(), open_descriptors()
    with RawClient(server) as client:
        assert client.ask(chat()).content == "hello"
        wait_until(lambda: held(server) == (1, 0))
        leave(client)
        assert_nothing_stays(server, threads, descriptors + (how == "FIN"))
    assert [exchange.ended for exchange in server.requests] == ["complete"]


@pytest.mark.parametrize("how", LEAVES)
def test_a_client_that_sends_a_request_and_leaves_at_once_is_in_the_journal(
    any_loop_server: MockServer, how: str
) -> None:
    server, (leave, endings) = any_loop_server, LEAVES[how]
    server.reply("hello", timing={"ttft": "1h"})
    with RawClient(server) as client:
        client.send(REQUEST)
        leave(client)
        if how != "RST":  # which may overtake the request, and then there is none
            wait_until(lambda: server.requests)
        wait_until(lambda: all(exchange.ended in endings for exchange in server.requests))


def test_what_a_blocked_client_costs_is_bounded_and_is_told(server: MockServer) -> None:
    server.reply(pieces=BIG)
    with RawClient(server, receive_buffer=4096) as client:
        client.send(REQUEST)
        wait_for_client(server)
        [connection] = lent_connections(server)
        [exchange] = server.requests
        assert len(connection._rest) <= 65_536, "no more than one write waits for the client"
        exchange, _ = leave_and_time(server, client, RawClient.reset)
        assert exchange.bytes_sent < sum(map(len, BIG))
        assert exchange.bytes_sent <= sum(played.size for played in exchange.played) <= exchange.bytes_sent + 65_536


def test_those_who_stay_get_their_streams_while_others_leave(server: MockServer) -> None:
    server.reply("hold", name="held", delivery=STALL)
    server.reply("one two three", name="short", timing={"itl": "2ms"})
    leaving = [RawClient(server, receive_buffer=4096) for _ in range(20)]
    for client in leaving:
        client.send(render_request(chat(), headers={"x-mock-scenario": "held"}))
    with RawClient(server) as staying:
        for client in leaving:
            client.reset()
            assert staying.ask(chat()).content == "one two three"
        wait_until(lambda: held(server) == (1, 0))
    ended = [exchange.ended for exchange in server.requests if exchange.scenario == "short"]
    wait_until(lambda: server.requests[-1].ended)
    assert ended[:-1] == ["complete"] * 19


def test_nothing_refers_to_the_connections_of_clients_that_left(any_loop_server: MockServer) -> None:
    server = any_loop_server
    server.reply("a b c", delivery=STALL)
    protocols = []
    for leave, _ in LEAVES.values():
        with RawClient(server) as client:
            client.send(REQUEST * 3)
            client.read_until(b'"content":""')
            assert server._thread is not None
            protocols += [weakref.ref(protocol) for protocol in server._thread._server.server_state.connections]
            leave(client)
            wait_until(lambda: held(server) == (0, 0))
    assert len(protocols) == 3

    def all_gone() -> bool:
        gc.collect()
        return not any(protocol() for protocol in protocols)

    wait_until(all_gone, "the protocols are garbage")
