"""What connections meet before any request is read, on both event loops."""

import logging

import openai
import pytest

from mockserver.server import MockServer
from tests.support import AnswerCutError, RawClient, chat, held, render_request, wait_until

FATES = {"close": "FIN", "reset": "RST", "stall": "timeout"}


def fate(name: str, fault: str, connections: int = 1) -> dict[str, object]:
    return {"name": name, "reply": "hi", "on_connect": {"fault": fault, "connections": connections}}


def meet(server: MockServer, asks: bool, patience_s: float) -> str | None:
    """Connect, perhaps ask, and say how the connection ended; nothing must have come on it.

    A reset may come so soon that connecting already fails.
    """
    try:
        with RawClient(server, patience_s=patience_s) as client:
            if asks:
                client.send(render_request(chat()) * 3)
            client.read_to_end()
            assert client.received == b""
            return client.end
    except ConnectionError:
        return "RST"


@pytest.mark.parametrize("fault", FATES)
@pytest.mark.parametrize("asks", [True, False])
def test_the_next_connections_end_as_told_and_the_one_after_is_served(
    any_loop_server: MockServer, fault: str, asks: bool
) -> None:
    server = any_loop_server
    server.add(fate("one", fault, 2))
    for _ in range(2):
        assert meet(server, asks, 0.05 if fault == "stall" else 5.0) == FATES[fault]
    with RawClient(server) as client:
        assert client.ask(chat()).content == "hi"
    assert len(server.requests) == 1, "a connection without a request is no request"
    wait_until(lambda: held(server) == (0, 0))


def test_a_stalled_connection_stays_until_its_client_leaves_whatever_is_sent_on_it(any_loop_server: MockServer) -> None:
    any_loop_server.add(fate("one", "stall"))
    with RawClient(any_loop_server, patience_s=0.05) as client:
        client.send(b"this is not even HTTP\r\n\r\n" * 100)
        assert client.read_to_end() == "timeout"
        assert held(any_loop_server)[0] == 1
    wait_until(lambda: held(any_loop_server) == (0, 0))


def test_a_server_can_stop_while_connections_are_stalled_or_closing() -> None:
    with MockServer(fate("one", "stall"), fate("two", "close"), strict=True) as server:
        clients = [RawClient(server), RawClient(server)]
        wait_until(lambda: held(server)[0] == 2)
    for client in clients:
        assert client.read_to_end() in ("FIN", "RST")
        client.close()


def test_it_counts_from_the_start_of_the_server_from_adding_and_anew_from_a_reset() -> None:
    def ends(server: MockServer, count: int) -> list[bool]:
        served = []
        for _ in range(count):
            try:
                with RawClient(server) as client:
                    served.append(client.ask(chat()).status == 200)
            except (AnswerCutError, ConnectionError):  # the reset may come before connect() has returned
                served.append(False)
        return served

    with MockServer(fate("one", "close", 2), strict=True) as server:
        assert ends(server, 3) == [False, False, True]
        server.reply("again", on_connect={"fault": "reset"})
        assert ends(server, 2) == [False, True]
        server.reset()
        assert ends(server, 3) == [False, False, True]
        server.add({"name": "one", "reply": "hi"})
        server.reset()
        server.add({"name": "one", "reply": "replaced, and on_connect with it"})
        assert ends(server, 1) == [True]


def test_the_log_says_which_scenario_a_connection_met(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO, "mockserver"), MockServer(fate("gone", "close"), strict=True) as server:
        with RawClient(server) as client:
            assert client.read_to_end() == "FIN"
        wait_until(lambda: "gone: a connection gets close before any request" in caplog.text)


def test_the_sdk_tries_again_and_is_served(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("openai._base_client.BaseClient._calculate_retry_timeout", lambda *_: 0.0)
    with (
        MockServer(fate("flaky", "reset", 2), strict=True) as server,
        openai.OpenAI(base_url=server.base_url, api_key="test", max_retries=2) as client,
    ):
        answer = client.chat.completions.create(model="m", messages=[{"role": "user", "content": "hello"}])
        assert answer.choices[0].message.content == "hi"
        [exchange] = server.requests
        assert exchange.retry_count == 2
