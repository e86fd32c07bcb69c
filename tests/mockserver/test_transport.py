import asyncio
import os
import queue
import socket
import time
from collections.abc import Awaitable, Callable, Iterator
from types import SimpleNamespace
from typing import Any, Self

import pytest
from starlette.testclient import TestClient
from starlette.types import ASGIApp, Receive, Scope, Send

from mockserver import connection as connection_module
from mockserver import incoming, transport
from mockserver import loop as loop_module
from mockserver.api import Service, Settings, make_app
from mockserver.clock import Clock, JumpClock, RealClock
from mockserver.connection import Connection
from mockserver.errors import ConnectionNotLentError
from mockserver.loop import LoopThread, listen
from mockserver.server import MockServer
from mockserver.transport import LendingProtocol, borrow
from tests.support import PATIENCE_S, RawClient, render_request, wait_until

ANSWER = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"

Play = Callable[[Connection], Awaitable[None]]


class Stage:
    """A bare server on which tests play on lent connections themselves: each request gets the next of `plays`."""

    def __init__(self) -> None:
        self.plays: queue.SimpleQueue[Play] = queue.SimpleQueue()
        self.errors: queue.SimpleQueue[BaseException] = queue.SimpleQueue()
        self._listener = listen("127.0.0.1", 0)
        self.url = f"http://127.0.0.1:{self._listener.getsockname()[1]}"
        self._thread = LoopThread(self._answer, self._listener)

    async def _answer(self, scope: Scope, receive: Receive, send: Send) -> None:
        connection = borrow(scope)
        try:
            while (await receive()).get("more_body"):
                pass
            await self.plays.get_nowait()(connection)
        except Exception as error:
            self.errors.put(error)
        finally:
            connection.drop()

    @property
    def protocols(self) -> list[LendingProtocol]:
        return list(self._thread._server.server_state.connections)  # type: ignore[arg-type]

    def on_next_request(self, play: Play) -> None:
        self.plays.put(play)

    def stop(self) -> None:
        self._thread.stop()
        if not self.errors.empty():
            raise self.errors.get()


@pytest.fixture(params=["uvloop", "asyncio"])
def stage(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[Stage]:
    if request.param == "asyncio":
        monkeypatch.setattr(loop_module, "new_event_loop", asyncio.new_event_loop)
    stage = Stage()
    yield stage
    stage.stop()


@pytest.fixture(params=["send calls of our own", "by the transport"])
def either_way(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where a socket cannot be written to as a file, the transport sends."""
    monkeypatch.setattr(connection_module, "_HAS_FD_WRITE", request.param == "send calls of our own")


def put(results: "queue.SimpleQueue[Any]") -> Any:
    return results.get(timeout=PATIENCE_S)


# What the connection can do


@pytest.mark.usefixtures("either_way")
def test_what_is_sent_arrives_in_order_and_is_counted(stage: Stage) -> None:
    results: queue.SimpleQueue[Any] = queue.SimpleQueue()

    async def play(connection: Connection) -> None:
        for piece in (b"HTTP/1.1 200 OK\r\n", b"Content-Length: 4\r\n\r\n", b"ab", b"cd"):
            connection.send(piece)
            assert not connection.waits_for_client
        await connection.drained()
        results.put(connection.sent)
        connection.finish(close=False)

    stage.on_next_request(play)
    with RawClient(stage.url) as client:
        assert client.ask(b"").body == b"abcd"
        assert put(results) == len(client.received)


def test_small_writes_are_not_held_back_by_the_kernel(stage: Stage) -> None:
    results: queue.SimpleQueue[Any] = queue.SimpleQueue()

    async def play(connection: Connection) -> None:
        with socket.socket(fileno=os.dup(connection._lender.fd)) as same:
            results.put(same.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY))

    stage.on_next_request(play)
    with RawClient(stage.url) as client:
        client.send(render_request(b""))
        assert put(results) != 0


SENDING: dict[str, Callable[[Connection], object]] = {
    "alone": lambda connection: connection.send(ANSWER),
    "with others": lambda connection: connection.send_each([ANSWER], time.monotonic),
}


@pytest.mark.parametrize("send", SENDING.values(), ids=SENDING)
def test_a_kernel_that_takes_nothing_is_asked_again(
    stage: Stage, monkeypatch: pytest.MonkeyPatch, send: Callable[[Connection], object]
) -> None:
    answers: list[int | BlockingIOError] = [BlockingIOError(), 3, BlockingIOError()]

    def write(fd: int, data: memoryview) -> int:
        answer = answers.pop(0) if answers else len(data)
        if isinstance(answer, BlockingIOError):
            raise answer
        return os.write(fd, data[:answer])

    monkeypatch.setattr(connection_module, "os", SimpleNamespace(write=write))

    async def play(connection: Connection) -> None:
        send(connection)
        await connection.drained()
        assert connection.sent == len(ANSWER)
        connection.finish(close=False)

    stage.on_next_request(play)
    with RawClient(stage.url) as client:
        assert client.ask(b"").raw == ANSWER
    assert answers == []


@pytest.mark.usefixtures("either_way")
def test_what_the_kernel_does_not_take_waits_and_every_byte_arrives_when_the_client_reads(stage: Stage) -> None:
    results: queue.SimpleQueue[Any] = queue.SimpleQueue()
    data = bytes(range(256)) * 40_000  # more than the kernel buffers for a client that does not read

    async def play(connection: Connection) -> None:
        connection.send(data)
        results.put((connection.waits_for_client, connection.sent, connection.unsent))
        await connection.drained()
        results.put((connection.waits_for_client, connection.sent))
        connection.send(b"the end")
        await connection.drained()
        connection.finish(close=True)

    stage.on_next_request(play)
    with RawClient(stage.url, receive_buffer=4096) as client:
        client.send(render_request(b""))
        waits, sent, unsent = put(results)
        assert waits
        assert 0 <= sent < len(data)
        assert unsent >= len(data) - sent
        assert results.empty(), "nobody reads yet"
        assert client.read_to_end() == "FIN"
        assert client.received == data + b"the end"
    assert put(results) == (False, len(data))


def test_sent_counts_what_the_kernel_took_of_an_answer_that_its_client_never_read(stage: Stage) -> None:
    results: queue.SimpleQueue[Any] = queue.SimpleQueue()

    async def play(connection: Connection) -> None:
        connection.send(bytes(10_000_000))
        results.put(connection.sent)
        await connection.drained()
        results.put((connection.left, connection.sent, connection.acknowledged, connection.waits_for_client))

    stage.on_next_request(play)
    client = RawClient(stage.url, receive_buffer=4096)
    client.send(render_request(b""))
    at_first = put(results)
    client.reset()
    left, sent, acknowledged, waits = put(results)
    assert left == "RST"
    assert not waits
    # The kernel may have taken some more meanwhile, in steps that are counted; the one byte offered last may be missing.
    assert at_first <= sent < 10_000_000
    assert acknowledged is None or 0 <= acknowledged <= sent


@pytest.mark.skipif(not connection_module._HAS_SIOCOUTQ, reason="this system does not tell what was acknowledged")
def test_acknowledged_counts_what_has_reached_the_clients_system(stage: Stage) -> None:
    results: queue.SimpleQueue[Any] = queue.SimpleQueue()

    async def play(connection: Connection) -> None:
        connection.send(bytes(10_000_000))
        for _ in range(200):
            await asyncio.sleep(0.001)
            if connection.acknowledged and connection.acknowledged < connection.sent:
                break
        results.put((connection.acknowledged, connection.sent, connection.unsent))
        await connection.gone()
        results.put((connection.left, connection.acknowledged))

    stage.on_next_request(play)
    with RawClient(stage.url, receive_buffer=4096) as client:
        client.send(render_request(b""))
        acknowledged, sent, unsent = put(results)
        assert 0 < acknowledged < sent, "the client's system took some, its buffer is small"
        assert unsent == 10_000_000 - acknowledged
        client.end_writing()
        left, at_the_end = put(results)
        assert left == "FIN"
        assert acknowledged <= at_the_end <= sent, "known still after the client has left"


def test_acknowledged_is_none_where_the_system_does_not_tell(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connection_module, "_HAS_SIOCOUTQ", False)
    results: queue.SimpleQueue[Any] = queue.SimpleQueue()

    async def play(connection: Connection) -> None:
        connection.send(ANSWER)
        results.put((connection.acknowledged, connection.unsent))
        await connection.abort()  # has nothing to wait for
        results.put(connection.acknowledged)

    stage.on_next_request(play)
    with RawClient(stage.url) as client:
        client.send(render_request(b""))
        assert put(results) == (None, 0)
        assert put(results) is None
        assert client.read_to_end() == "RST"


def test_an_ioctl_that_fails_tells_nothing(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connection_module, "_SIOCOUTQ", 0xDEAD)
    results: queue.SimpleQueue[Any] = queue.SimpleQueue()

    async def play(connection: Connection) -> None:
        results.put(connection.acknowledged)
        connection.send(ANSWER)
        connection.finish(close=False)

    stage.on_next_request(play)
    with RawClient(stage.url) as client:
        assert client.ask(b"").body == b"ok"
    assert put(results) is None


def test_sending_to_a_client_that_has_reset_notes_that_it_left(stage: Stage) -> None:
    results: queue.SimpleQueue[Any] = queue.SimpleQueue()
    gone: queue.SimpleQueue[None] = queue.SimpleQueue()

    async def play(connection: Connection) -> None:
        results.put(None)
        gone.get(timeout=PATIENCE_S)  # blocks the loop: it cannot have been told of the reset
        assert connection.left is None
        connection.send(b"x")
        results.put((connection.left, connection.sent))
        connection.send(b"y")
        results.put(connection.sent)

    stage.on_next_request(play)
    client = RawClient(stage.url)
    client.send(render_request(b""))
    put(results)
    client.reset()
    gone.put(None)
    assert put(results) == ("RST", 0)
    assert put(results) == 0


def test_an_abort_delivers_what_was_sent_before_it(stage: Stage) -> None:
    data = bytes(range(256)) * 2000

    async def play(connection: Connection) -> None:
        connection.send(data)
        await connection.drained()
        await connection.abort()

    for _ in range(20):
        stage.on_next_request(play)
        with RawClient(stage.url, receive_buffer=4096) as client:
            client.send(render_request(b""))
            assert client.read_to_end() == "RST"
            assert client.received == data


def test_an_abort_without_drain_destroys_what_is_under_way(stage: Stage) -> None:
    async def play(connection: Connection) -> None:
        connection.send(bytes(10_000_000))
        await connection.abort(drain=False)

    stage.on_next_request(play)
    with RawClient(stage.url, receive_buffer=4096) as client:
        client.send(render_request(b""))
        assert client.read_to_end() == "RST"
        assert len(client.received) < 10_000_000


def test_an_abort_waits_no_longer_than_its_bound_for_a_client_that_does_not_read(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connection_module, "DRAIN_BOUND_S", 0.05)
    results: queue.SimpleQueue[Any] = queue.SimpleQueue()

    async def play(connection: Connection) -> None:
        connection.send(bytes(10_000_000))
        await connection.abort()
        results.put("aborted")

    stage.on_next_request(play)
    with RawClient(stage.url, receive_buffer=4096) as client:
        client.send(render_request(b""))
        assert put(results) == "aborted"
        assert client.read_to_end() == "RST"


def test_a_half_closed_connection_is_read_until_its_client_leaves(stage: Stage) -> None:
    results: queue.SimpleQueue[Any] = queue.SimpleQueue()

    async def play(connection: Connection) -> None:
        connection.send(ANSWER)
        connection.half_close()
        results.put(connection.left)
        await connection.gone()
        results.put(connection.left)

    stage.on_next_request(play)
    with RawClient(stage.url) as client:
        client.send(render_request(b""))
        assert client.read_to_end() == "FIN"
        assert client.received == ANSWER
        client.send(b"still heard, without a reset")
        client.send(b"and again")
        assert put(results) is None
        assert results.empty()
    assert put(results) == "FIN"
    wait_until(lambda: not stage.protocols)


def test_after_an_answer_the_connection_is_given_back_once_and_for_all(stage: Stage) -> None:
    async def play(connection: Connection) -> None:
        connection.send(ANSWER)
        connection.finish(close=False)
        connection.finish(close=True)
        connection.drop()
        await connection.abort()

    for _ in range(2):
        stage.on_next_request(play)
    with RawClient(stage.url) as client:
        assert client.ask(b"").body == b"ok"
        assert client.ask(b"").body == b"ok"


def test_a_connection_that_is_closed_is_read_on_until_its_client_closes_too(stage: Stage) -> None:
    async def play(connection: Connection) -> None:
        connection.send(ANSWER)
        connection.finish(close=True)

    stage.on_next_request(play)
    with RawClient(stage.url) as client:
        client.send(render_request(b""))
        assert client.read_to_end() == "FIN"
        for _ in range(20):
            client.send(bytes(100_000))  # all of it is read, none of it is understood: no reset
        assert client.received == ANSWER
        assert len(stage.protocols) == 1
    wait_until(lambda: not stage.protocols)


def test_a_client_that_never_closes_is_closed_after_a_while(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(transport, "LINGER_S", 0.02)

    async def play(connection: Connection) -> None:
        connection.send(ANSWER)
        connection.finish(close=True)

    stage.on_next_request(play)
    with RawClient(stage.url) as client:
        client.send(render_request(b""))
        assert client.read_to_end() == "FIN"
        wait_until(lambda: not stage.protocols)


def test_a_connection_that_its_client_closes_too_leaves_no_timer_behind(stage: Stage) -> None:
    async def play(connection: Connection) -> None:
        connection.send(ANSWER)
        connection.finish(close=True)

    stage.on_next_request(play)
    with RawClient(stage.url) as client:
        client.send(render_request(b""))
        assert client.read_to_end() == "FIN"
        [protocol] = stage.protocols
    wait_until(lambda: protocol._lingering is not None and protocol._lingering.cancelled())


def test_an_idle_connection_that_is_reset_leaves_no_timer_behind(stage: Stage) -> None:
    async def play(connection: Connection) -> None:
        connection.send(ANSWER)
        connection.finish(close=False)

    stage.on_next_request(play)
    client = RawClient(stage.url)
    assert client.ask(b"").body == b"ok"
    [protocol] = stage.protocols
    wait_until(lambda: protocol._idle_timer is not None)
    client.reset()
    wait_until(lambda: not stage.protocols)
    wait_until(lambda: protocol._idle_timer is not None and protocol._idle_timer.cancelled())


# What is said about it


def test_half_closing_a_connection_that_the_client_has_just_reset_closes_it() -> None:
    class Reset(asyncio.Transport):
        aborted = False

        def write_eof(self) -> None:
            raise OSError(107, "Transport endpoint is not connected")

        def abort(self) -> None:
            self.aborted = True

    half = Reset()
    connection_module.end_writing(half)
    assert half.aborted


def test_where_no_connection_is_lent_the_error_says_what_to_use_instead() -> None:
    app = make_app(Service(Settings()))
    with (
        TestClient(app) as client,
        pytest.raises(ConnectionNotLentError, match=r"Use mockserver\.MockServer") as caught,
    ):
        client.get("/v1/models")
    assert "test client" in str(caught.value)


def test_something_else_of_the_same_name_is_not_a_connection() -> None:
    with pytest.raises(ConnectionNotLentError):
        borrow({"extensions": {transport.EXTENSION: object()}})


def test_what_the_server_had_to_say_before_the_answer_is_never_overtaken_by_it(stage: Stage) -> None:
    before = b"x" * 8_000_000  # more than any system keeps for a client that does not read

    async def play(connection: Connection) -> None:
        connection._transport.write(before)
        connection.send(ANSWER)
        await connection.drained()
        connection.finish(close=True)

    stage.on_next_request(play)
    with RawClient(stage.url) as client:
        client.send(render_request(b""))
        client.read_to_end()
        assert client.received == before + ANSWER


# When a request had been read


def test_a_request_is_read_when_its_last_byte_is_and_one_that_waits_for_its_turn_when_that_comes(stage: Stage) -> None:
    results: queue.SimpleQueue[Any] = queue.SimpleQueue()

    async def play(connection: Connection) -> None:
        results.put((connection.read_at, time.monotonic()))
        connection.send(ANSWER)
        connection.finish(close=False)

    for _ in range(3):
        stage.on_next_request(play)
    with RawClient(stage.url) as client:
        began, request = time.monotonic(), render_request(b"12")
        client.send(request[:-1])
        wait_until(lambda: any(protocol.lent for protocol in stage.protocols), "the head is read")
        last_byte_at = time.monotonic()
        client.send(request[-1:] + request + request)
        (first_at, first_played), (second_at, _), (third_at, _) = put(results), put(results), put(results)
    assert began < last_byte_at <= first_at <= first_played
    assert second_at is third_at is None


@pytest.mark.parametrize(("clock", "late"), [(RealClock(), True), (JumpClock(), False)])
def test_an_answers_clock_starts_when_the_request_was_read_unless_that_clock_may_have_jumped_since(
    clock: Clock, late: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(incoming, "time", SimpleNamespace(monotonic=lambda: time.monotonic() - 0.5))
    with MockServer(clock=clock) as server:
        with RawClient(server.url) as client:
            assert client.ask(b'{"model": "m", "messages": [{"role": "user", "content": "Hi"}]}').status == 200
        [exchange] = server.requests
        assert (exchange.late_s >= 0.5) == late
        assert (exchange.late_s == 0.0) == (not late)


# How long an idle connection is kept


class _Loop:
    """A loop whose time the test tells, and which keeps what is to be called and when."""

    def __init__(self) -> None:
        self.now = 0.0
        self.timers: list[tuple[float, Callable[[], None]]] = []

    def time(self) -> float:
        return self.now

    def call_later(self, delay_s: float, callback: Callable[[], None]) -> SimpleNamespace:
        self.timers.append((self.now + delay_s, callback))
        return SimpleNamespace(cancel=lambda: None)

    def pass_to_timer(self) -> None:
        [(self.now, callback)], self.timers = self.timers, []
        callback()


async def _answer_at_once(scope: Scope, receive: Receive, send: Send) -> None:
    borrow(scope).finish(close=False)


def test_an_idle_connection_is_closed_after_its_time_and_each_request_begins_it_anew() -> None:
    loop, closed, (ours, theirs) = _Loop(), list[float](), socket.socketpair()
    config = SimpleNamespace(loaded_app=_answer_at_once, timeout_keep_alive=10)
    wire = SimpleNamespace(
        get_extra_info={"socket": ours}.get,
        set_write_buffer_limits=lambda high: None,
        is_closing=lambda: bool(closed),
        close=lambda: closed.append(loop.now),
    )
    with ours, theirs:
        state = SimpleNamespace(connections=set(), tasks=set())
        protocol = LendingProtocol(config, state, {}, loop)  # type: ignore[arg-type]
        protocol.connection_made(wire)  # type: ignore[arg-type]
        assert loop.timers == [], "who has not asked yet may take all the time there is"
        protocol.data_received(render_request(b""))
        loop.now = 4.0
        protocol.data_received(render_request(b""))
        loop.pass_to_timer()
        assert (loop.now, closed) == (10.0, [])
        loop.now = 13.0
        protocol.data_received(b"POST ")
        loop.pass_to_timer()
        assert (loop.now, closed) == (14.0, []), "a request has begun"
        protocol.data_received(render_request(b"").removeprefix(b"POST "))
        loop.now = 20.0
        loop.pass_to_timer()
        assert (loop.now, closed) == (24.0, [24.0])
        assert loop.timers == []


# One connection whose kernel, client and application are the test's


class _Socketless:
    """A transport that records what is done with it; its socket takes whatever is sent."""

    def __init__(self) -> None:
        self.done: list[str] = []
        self.written: list[bytes] = []
        self._ours, self.theirs = socket.socketpair()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self._ours.close()
        self.theirs.close()

    def get_extra_info(self, name: str) -> object:
        return self._ours if name == "socket" else None

    def set_write_buffer_limits(self, high: int) -> None: ...

    def get_write_buffer_size(self) -> int:
        return 0

    def is_closing(self) -> bool:
        return bool(self.done)

    def write(self, data: bytes) -> None:
        self.written.append(data)

    def abort(self) -> None:
        self.done.append("aborted")

    def connect(self, app: ASGIApp) -> LendingProtocol:
        """A protocol on this transport, in the loop that is running."""
        config = SimpleNamespace(loaded_app=app, timeout_keep_alive=600)
        protocol = LendingProtocol(config, SimpleNamespace(connections=set(), tasks=set()), {})  # type: ignore[arg-type]
        protocol.connection_made(self)  # type: ignore[arg-type]
        return protocol


def test_the_clock_of_a_pipelined_request_starts_with_its_turn_whatever_is_read_before_it() -> None:
    begun: list[tuple[Connection, float | None]] = []

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        connection = borrow(scope)
        begun.append((connection, connection.read_at))
        await connection.woken()

    async def run() -> None:
        with _Socketless() as wire:
            protocol = wire.connect(app)
            protocol.data_received(render_request(b"") * 2)
            [(first, first_read_at)] = begun
            assert first_read_at is not None
            first.finish(close=False)
            protocol.data_received(b"POST ")  # before the loop comes to the second one's turn
            assert begun[1][1] is None
            for connection, _ in begun:
                connection.wake()
            await asyncio.gather(*protocol._server_state.tasks)

    asyncio.run(run())


def test_on_a_connection_that_is_closing_no_further_request_is_begun_and_no_timer_is_set() -> None:
    asked: list[str] = []

    async def run() -> None:
        with _Socketless() as wire:

            async def app(scope: Scope, receive: Receive, send: Send) -> None:
                asked.append(scope["path"])
                wire.done.append("closing")
                borrow(scope).finish(close=False)

            protocol = wire.connect(app)
            protocol.data_received(render_request(b"") * 2)
            await asyncio.sleep(0)
            assert len(asked) == 1
            protocol.lent.clear()
            protocol.answered(Connection(protocol), close=False)
            assert protocol._idle_timer is None

    asyncio.run(run())


@pytest.mark.parametrize("raises", [False, True])
def test_an_application_that_forgets_its_answer_or_breaks_loses_the_connection(
    raises: bool, caplog: pytest.LogCaptureFixture
) -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        if raises:
            raise ZeroDivisionError("in the middle")

    async def run() -> None:
        with _Socketless() as wire:
            wire.connect(app).data_received(render_request(b""))
            assert wire.done == ["aborted"]

    with caplog.at_level("ERROR", "mockserver"):
        asyncio.run(run())
    assert ("in the middle" in caplog.text) == raises


def test_asgis_own_channel_says_that_answers_are_played(caplog: pytest.LogCaptureFixture) -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})

    async def run() -> None:
        with _Socketless() as wire:
            wire.connect(app).data_received(render_request(b""))

    with caplog.at_level("ERROR", "mockserver"):
        asyncio.run(run())
    assert "answers are played on the lent connection" in caplog.text


def test_a_client_that_has_left_is_told_before_its_body_and_hears_nothing_more() -> None:
    heard: list[object] = []

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        heard.append(await receive())

    async def run() -> None:
        with _Socketless() as wire:
            protocol = wire.connect(app)
            protocol._is_answering = True  # another one is
            protocol.data_received(render_request(b"ab", headers={"Expect": "100-continue"}))
            protocol.eof_received()
            protocol._is_answering = False
            protocol._answer_next()
            assert heard == [{"type": "http.disconnect"}]
            assert wire.written == []

    asyncio.run(run())


def test_a_request_whose_task_is_cancelled_while_its_body_is_read_is_stopped() -> None:
    async def run() -> str | None:
        service = Service(Settings())
        with _Socketless() as wire:
            protocol = wire.connect(make_app(service))
            protocol.data_received(render_request(b"ab")[:-1])
            [task] = protocol._server_state.tasks
            await asyncio.sleep(0)
            task.cancel()
            await task
            assert wire.done == ["aborted"]
        [exchange] = service.journal
        assert service.meter.ended == {"stopped": 1}
        return exchange.ended

    assert asyncio.run(run()) == "stopped"
