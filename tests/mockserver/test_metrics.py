import sys
from http.client import HTTPConnection
from urllib.parse import urlsplit

import pytest
from prometheus_client.parser import text_string_to_metric_families

from mockserver import MockServer, UsageError
from mockserver.clock import JumpClock
from tests.support import wait_until

STREAM = b'{"model": "gpt-4o", "messages": [{"role": "user", "content": "Hi"}], "stream": true}'


def ask(server: MockServer, method: str, path: str, body: bytes | None = None) -> tuple[int, str, bytes]:
    address = urlsplit(server.url)
    assert address.hostname is not None
    connection = HTTPConnection(address.hostname, address.port, timeout=30)
    connection.request(method, path, body)
    answer = connection.getresponse()
    read = answer.status, answer.headers["Content-Type"], answer.read()
    connection.close()
    return read


def scrape(server: MockServer) -> dict[str, float]:
    """Every sample by its name, with its label if it has one."""
    status, content_type, body = ask(server, "GET", "/metrics")
    assert status == 200
    assert content_type.startswith("text/plain")
    return {
        "/".join([sample.name, *sample.labels.values()]): sample.value
        for family in text_string_to_metric_families(body.decode())
        for sample in family.samples
    }


def test_metrics_tell_what_was_sent_and_how_it_ended() -> None:
    with MockServer({"name": "one", "reply": {"pieces": ["a", "b"]}}, clock=JumpClock()) as server:
        before = scrape(server)
        _, _, body = ask(server, "POST", "/v1/chat/completions", STREAM)
        after = scrape(server)
        sent = server.requests[0].bytes_sent
    assert before["mockserver_events_total"] == 0
    assert after["mockserver_events_total"] == body.count(b"data:") == 5
    assert after["mockserver_sent_bytes_total"] == sent > len(body)
    assert after["mockserver_answers_total/complete"] == 1
    assert after["mockserver_streams_open"] == 0
    assert after["mockserver_write_lateness_seconds_count"] == 1
    assert after["mockserver_write_lateness_seconds_bucket/0.00025"] == 1, "the clock jumps: nothing is late"
    assert (after["mockserver_departures_total/FIN"], after["mockserver_departures_total/RST"]) == (0, 0)


def test_open_streams_and_clients_that_leave_are_counted() -> None:
    with MockServer({"name": "slow", "reply": "a b", "timing": {"itl": "1h"}}) as server:
        address = urlsplit(server.url)
        assert address.hostname is not None
        connection = HTTPConnection(address.hostname, address.port, timeout=30)
        connection.request("POST", "/v1/chat/completions", STREAM)
        answer = connection.getresponse()
        assert scrape(server)["mockserver_streams_open"] == 1
        answer.close()
        connection.close()
        wait_until(lambda: server.requests[0].ended is not None, "the client left")
        wait_until(lambda: scrape(server)["mockserver_streams_open"] == 0, "the stream is closed")
        told = scrape(server)
    assert told["mockserver_departures_total/FIN"] + told["mockserver_departures_total/RST"] == 1


def test_scraping_leaves_no_trace() -> None:
    with MockServer() as server:
        scrape(server)
        assert scrape(server)["mockserver_sent_bytes_total"] == 0
        assert server.requests == []
        assert ask(server, "POST", "/metrics", b"")[0] == 405


def test_without_the_library_the_answer_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    with MockServer() as server:
        monkeypatch.setitem(sys.modules, "prometheus_client", None)
        status, _, body = ask(server, "GET", "/metrics")
    assert status == 501
    assert b"pip install 'openai-mockserver[metrics]'" in body


@pytest.mark.parametrize("told", ["soon", -1.0])
def test_a_limit_of_lateness_that_is_none_is_refused(told: str | float) -> None:
    with pytest.raises(UsageError, match="max_lateness: expected a duration such as"):
        MockServer(max_lateness=told)


@pytest.mark.parametrize(("told", "limit_s"), [("50ms", 0.05), (0.2, 0.2), ("1s", 1.0)])
def test_a_limit_of_lateness_is_a_duration(told: str | float, limit_s: float) -> None:
    assert MockServer(max_lateness=told)._service.meter.max_late_s == limit_s
