"""The loop's server: where it listens, how it starts, how signals and threads end it."""

import asyncio
import os
import signal
import socket
import sys
import threading
from collections.abc import Callable, Iterator

import pytest
from starlette.types import Receive, Scope, Send

from mockserver.errors import MockServerError, StartError
from mockserver.loop import SIGNALS, LoopServer, LoopThread, listen, new_event_loop
from tests.support import open_descriptors


async def app(scope: Scope, receive: Receive, send: Send) -> None:
    """Is never asked."""


@pytest.fixture
def listener() -> Iterator[socket.socket]:
    with listen("127.0.0.1", 0) as made:
        yield made


def test_port_0_is_a_free_port_of_the_kernels_choice(listener: socket.socket) -> None:
    assert listener.getsockname()[1] > 0


def test_a_taken_port_is_told_with_the_remedy(listener: socket.socket) -> None:
    port = listener.getsockname()[1]
    with pytest.raises(
        StartError, match=rf"^cannot listen on 127\.0\.0\.1:{port}: Address already in use; another port, or"
    ):
        listen("127.0.0.1", port)


def test_an_address_of_another_machine_is_told_with_the_systems_reason() -> None:
    with pytest.raises(StartError, match=r"^cannot listen on 192\.0\.2\.1:0: [^;]+$"):
        listen("192.0.2.1", 0)


def test_a_name_that_is_no_address_is_told_with_the_systems_reason() -> None:
    with pytest.raises(StartError, match=r"^cannot listen on no such host:0: \S"):
        listen("no such host", 0)


def test_ipv6_is_listened_on_where_there_is_some() -> None:
    if not socket.has_ipv6:
        pytest.skip("no IPv6 here")
    with listen("::1", 0) as made:
        assert made.family == socket.AF_INET6


@pytest.mark.parametrize("there", [True, False])
def test_the_loop_is_uvloops_where_it_is_installed(monkeypatch: pytest.MonkeyPatch, there: bool) -> None:
    if not there:
        monkeypatch.setitem(sys.modules, "uvloop", None)
    loop = new_event_loop()
    loop.close()
    assert type(loop).__module__.startswith("uvloop") is there


@pytest.fixture(params=[True, False], ids=["uvloop", "asyncio"])
def run(request: pytest.FixtureRequest) -> Callable[[LoopServer], None]:
    """Runs a server in the main thread as `mockserver serve` does, on either kind of loop."""
    make_loop = new_event_loop if request.param else asyncio.new_event_loop

    def run(server: LoopServer, **options: signal.Handlers) -> None:
        async def serve() -> None:
            with server.handle_signals(**options):
                await server.run_until_stopped()

        with asyncio.Runner(loop_factory=make_loop) as runner:
            runner.run(serve())

    return run


@pytest.fixture
def handlers() -> Iterator[None]:
    """Puts the signal handlers of this process back."""
    before = {number: signal.getsignal(number) for number in SIGNALS}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


@pytest.mark.usefixtures("handlers")
@pytest.mark.parametrize("number", SIGNALS)
def test_a_signal_ends_it_and_the_handlers_of_before_are_back(
    listener: socket.socket, run: Callable[[LoopServer], None], number: signal.Signals
) -> None:
    def mine(*_: object) -> None:
        raise AssertionError("the signal belongs to the server")

    for each in SIGNALS:
        signal.signal(each, mine)
    run(LoopServer(app, listener, on_started=lambda: os.kill(os.getpid(), number)))
    assert [signal.getsignal(each) for each in SIGNALS] == [mine, mine]


@pytest.mark.usefixtures("handlers")
def test_a_process_that_only_ends_afterwards_may_ignore_signals(
    listener: socket.socket, run: Callable[..., None]
) -> None:
    run(
        LoopServer(app, listener, on_started=lambda: os.kill(os.getpid(), signal.SIGTERM)),
        afterwards=signal.SIG_IGN,
    )
    assert [signal.getsignal(each) for each in SIGNALS] == [signal.SIG_IGN, signal.SIG_IGN]
    assert not signal.pthread_sigmask(signal.SIG_BLOCK, []) & set(SIGNALS)


def test_to_stop_what_has_not_begun_is_no_error(listener: socket.socket) -> None:
    LoopServer(app, listener).stop()


def test_whoever_started_it_need_not_be_told(listener: socket.socket) -> None:
    async def serve() -> None:
        server = LoopServer(app, listener)
        running = asyncio.create_task(server.run_until_stopped())
        while not server.started:
            await asyncio.sleep(0)
        server.stop()
        await running

    asyncio.run(serve())
    assert listener.fileno() == -1


def test_a_thread_serves_until_it_is_stopped(listener: socket.socket) -> None:
    threads = threading.active_count()
    thread = LoopThread(app, listener)
    socket.create_connection(listener.getsockname()).close()
    assert threading.active_count() == threads + 1
    thread.stop()
    thread.stop()
    assert threading.active_count() == threads
    assert listener.fileno() == -1


def test_a_loop_that_does_not_start_is_told_and_leaves_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    LoopThread(app, listen("127.0.0.1", 0)).stop()  # what a process opens once and keeps, it has opened now
    threads, descriptors = threading.active_count(), open_descriptors()

    async def fail(server: LoopServer, sockets: object = None) -> None:
        raise OSError("out of luck")

    monkeypatch.setattr(LoopServer, "startup", fail)
    with pytest.raises(StartError, match=r"^the server did not start: out of luck$"):
        LoopThread(app, listen("127.0.0.1", 0))
    assert threading.active_count() == threads
    assert open_descriptors() == descriptors


def test_a_uvicorn_that_has_changed_inside_is_told_and_leaves_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    descriptors = open_descriptors()

    def fail() -> None:
        raise MockServerError("uvicorn has changed inside")

    monkeypatch.setattr("mockserver.loop.check_uvicorn", fail)
    with pytest.raises(MockServerError, match="changed inside"):
        LoopThread(app, listen("127.0.0.1", 0))
    assert open_descriptors() == descriptors


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_a_loop_that_breaks_later_is_told_by_its_thread(
    monkeypatch: pytest.MonkeyPatch, listener: socket.socket
) -> None:
    told: list[threading.ExceptHookArgs] = []
    monkeypatch.setattr(threading, "excepthook", told.append)

    async def fail(server: LoopServer) -> None:
        assert server._on_started is not None
        server._on_started()
        raise OSError("out of luck")

    monkeypatch.setattr(LoopServer, "main_loop", fail)
    LoopThread(app, listener).stop()
    assert [str(args.exc_value) for args in told] == ["out of luck"]
