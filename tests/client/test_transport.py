import math
import ssl
import time
from typing import Any

import httpcore2
import httpx2
import pytest

from client.transport import DeadlineBackend, DeadlineStream, DeadlineTransport, QuickAsyncTransport, Until, time_left
from tests.client.conftest import Serve
from tests.client.wire import HOLD, Drip, Reply, head, whole

PAST_S = -math.inf


class Told(httpcore2.NetworkStream):
    """A stream that only notes how it was called."""

    def __init__(self) -> None:
        self.calls: list[tuple[str, float | None]] = []

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        self.calls.append(("read", timeout))
        return b"x" * max_bytes

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        self.calls.append(("write", timeout))

    def close(self) -> None:
        self.calls.append(("close", None))

    def start_tls(
        self, ssl_context: ssl.SSLContext, server_hostname: str | None = None, timeout: float | None = None
    ) -> "Told":
        self.calls.append(("start_tls", timeout))
        return self

    def get_extra_info(self, info: str) -> Any:
        return info


def test_the_inner_name_that_the_transports_rest_on_is_still_there() -> None:
    assert isinstance(vars(httpx2.HTTPTransport())["_pool"], httpcore2.ConnectionPool)
    assert isinstance(vars(httpx2.AsyncHTTPTransport())["_pool"], httpcore2.AsyncConnectionPool)
    assert isinstance(DeadlineTransport()._pool, httpcore2.ConnectionPool)
    assert isinstance(QuickAsyncTransport()._pool, httpcore2.AsyncConnectionPool)


def test_without_a_deadline_the_timeout_stands() -> None:
    assert time_left(None, ValueError) is None
    assert time_left(3.0, ValueError) == 3.0
    with Until(math.inf):
        assert time_left(3.0, ValueError) == 3.0


def test_the_earlier_of_timeout_and_deadline_counts() -> None:
    with Until(time.monotonic() + 100):
        assert time_left(3.0, ValueError) == 3.0
        left_s = time_left(None, ValueError)
        assert left_s is not None
        assert 99 < left_s <= 100
        assert time_left(500.0, ValueError) == pytest.approx(100, abs=1)
        with Until(PAST_S), pytest.raises(KeyError):
            time_left(None, KeyError)
        assert time_left(3.0, ValueError) == 3.0
    assert time_left(None, ValueError) is None


def test_every_call_of_a_connection_keeps_the_deadline() -> None:
    told = Told()
    stream = DeadlineStream(told)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    with Until(time.monotonic() + 100):
        assert stream.read(2, 200) == b"xx"
        stream.write(b"x", 200)
        assert isinstance(stream.start_tls(context, "host", 200), DeadlineStream)
    assert [name for name, _ in told.calls] == ["read", "write", "start_tls"]
    assert all(timeout is not None and timeout <= 100 for _, timeout in told.calls)
    with Until(PAST_S):
        with pytest.raises(httpcore2.ReadTimeout):
            stream.read(2)
        with pytest.raises(httpcore2.WriteTimeout):
            stream.write(b"x")
        with pytest.raises(httpcore2.ConnectTimeout):
            stream.start_tls(context)
        with pytest.raises(httpcore2.ConnectTimeout):
            DeadlineBackend().connect_tcp("127.0.0.1", 9)
        stream.close()
    assert told.calls[-1] == ("close", None)
    assert stream.get_extra_info("socket") == "socket"


@pytest.mark.parametrize(
    "reply", [Reply(HOLD), Reply(Drip(b"H", 0.01)), Reply(head(content_length="9"), Drip(b"", 0.01))]
)
def test_a_request_ends_at_the_deadline_however_the_server_drags_its_feet(reply: Reply, serve: Serve) -> None:
    server = serve(reply)
    with httpx2.Client(transport=DeadlineTransport()) as http:
        with Until(time.monotonic() + 1.0), pytest.raises(httpx2.ReadTimeout):
            http.get(server.base_url)
        assert server.left.wait(10)


def test_connections_are_kept(serve: Serve) -> None:
    server = serve(whole(b"1"), whole(b"2"))
    with httpx2.Client(transport=DeadlineTransport()) as http:
        assert [http.get(server.base_url).text for _ in range(2)] == ["1", "2"]
    assert server.connection_count == 1
