"""The event loop's server: uvicorn's, with a main loop, a shutdown and signals of its own.

uvicorn's own loop ticks every 0.1 s, waits for streams to end, raises signals again and exits with 3. This one wakes when it
is told to, cuts what is still being played and stops within milliseconds. Uvicorn's own headers, proxy headers, access log
and lifespan are off: what goes over the wire is what the plan says.
"""

import asyncio
import contextlib
import errno
import signal
import socket
import threading
from collections.abc import Callable, Iterator
from typing import Any

import uvicorn
from starlette.types import ASGIApp

from mockserver.errors import StartError
from mockserver.internals import check_uvicorn
from mockserver.transport import LendingProtocol, Meeting

with contextlib.suppress(ImportError):
    import uvloop  # noqa: F401 - here, so that the first start need not wait for it

KEEP_ALIVE_S = 600
"""How long an idle connection is kept, in seconds; long, because a test may pause for as long as it likes."""

_ACCEPTING_ROUNDS = 5
"""How often the loop goes round at most until what it has accepted is one of the server's connections."""

SIGNALS = (signal.SIGINT, signal.SIGTERM)
"""What ends a server that runs in the foreground: Ctrl-C, and what `kill` sends."""


def new_event_loop() -> asyncio.AbstractEventLoop:
    """A loop of uvloop where the platform has it, else asyncio's own."""
    try:
        import uvloop
    except ImportError:
        return asyncio.new_event_loop()
    return uvloop.new_event_loop()


def listen(host: str, port: int) -> socket.socket:
    """A socket that listens on `host` and `port` (0: a free one). Raises `StartError` with the system's reason."""
    if not 0 <= port <= 65_535:  # the system would take what is left of it in 16 bits
        raise StartError(f"cannot listen on port {port}: expected 0 to 65535")
    try:
        # As bytes where that will do: a text would have Python import its codec for international names.
        name = host.encode() if host.isascii() else host
        family, _, _, _, address = socket.getaddrinfo(name, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)[0]
        listener = socket.socket(family, socket.SOCK_STREAM)
    except OSError as error:
        raise StartError(f"cannot listen on {host}:{port}: {error.strerror or error}") from error
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(address)
        listener.listen(2048)
    except OSError as error:
        listener.close()
        hint = "; another port, or --port 0 for a free one, would do" if error.errno == errno.EADDRINUSE else ""
        raise StartError(f"cannot listen on {host}:{port}: {error.strerror or error}{hint}") from error
    return listener


class LoopServer(uvicorn.Server):
    """Serves an app on a listening socket until `stop` is called; `meet` is asked about every new connection."""

    def __init__(
        self,
        app: ASGIApp,
        listener: socket.socket,
        on_started: Callable[[], Any] | None = None,
        meet: Meeting = LendingProtocol.meet,
    ) -> None:
        check_uvicorn()
        config = uvicorn.Config(
            app,
            http=type("MeetingProtocol", (LendingProtocol,), {"meet": staticmethod(meet)}),
            ws="none",
            lifespan="off",
            interface="asgi3",
            log_config=None,
            access_log=False,
            proxy_headers=False,
            server_header=False,
            date_header=False,
            timeout_keep_alive=KEEP_ALIVE_S,
        )
        super().__init__(config)
        self._listener = listener
        self._on_started = on_started
        self._stop: asyncio.Event | None = None

    async def run_until_stopped(self) -> None:
        """Serve until `stop`, or with `handle_signals` SIGINT or SIGTERM; then close everything at once."""
        self._stop = asyncio.Event()
        try:
            await self._serve([self._listener])
        except BaseException:
            if self.started:  # else a loop that closes would wait for what is still open
                await self.shutdown()
            raise

    async def main_loop(self) -> None:
        assert self._stop is not None
        if self._on_started is not None:
            self._on_started()
        await self._stop.wait()

    def stop(self) -> None:
        """End `run_until_stopped`. To be called in the loop's thread."""
        if self._stop is not None:
            self._stop.set()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        # asyncio forgets to close a socket that it has accepted and not yet set up when its server is closed.
        with contextlib.suppress(NotImplementedError):
            asyncio.get_running_loop().remove_reader(self._listener)
        for _ in range(_ACCEPTING_ROUNDS):
            await asyncio.sleep(0)
        for server in self.servers:
            server.close()
        while self.server_state.connections:  # their loss is told in the next rounds
            for connection in list(self.server_state.connections):
                connection.stop()  # type: ignore[union-attr]
            await asyncio.sleep(0)
        tasks = list(self.server_state.tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        for server in self.servers:
            await server.wait_closed()

    @contextlib.contextmanager
    def handle_signals(self, afterwards: signal.Handlers | None = None) -> Iterator[None]:
        """While this lasts, SIGINT and SIGTERM stop the server. In the main thread only.

        `afterwards` is how they are handled from then on (default: as they were before). A process that only ends then
        wants `SIG_IGN`: a second Ctrl-C must not kill it.
        """
        loop = asyncio.get_running_loop()
        before = {number: signal.getsignal(number) for number in SIGNALS}
        for number in SIGNALS:
            loop.add_signal_handler(number, self.stop)
        try:
            yield
        finally:
            # A removed handler leaves the system's own, which kills: until it is replaced, signals wait.
            mask = signal.pthread_sigmask(signal.SIG_BLOCK, SIGNALS)
            for number in SIGNALS:
                loop.remove_signal_handler(number)
                signal.signal(number, before[number] if afterwards is None else afterwards)
            signal.pthread_sigmask(signal.SIG_SETMASK, mask)


class LoopThread:
    """An app that is served in a loop in a thread of its own; ready when this is made.

    Takes `listener` over and closes it in the end, whatever happens. Raises `StartError` where the loop does not start.
    """

    def __init__(self, app: ASGIApp, listener: socket.socket, meet: Meeting = LendingProtocol.meet) -> None:
        self._started = threading.Event()
        self._failure: BaseException | None = None
        with contextlib.ExitStack() as on_failure:
            on_failure.callback(listener.close)
            self._server = LoopServer(app, listener, self._started.set, meet)
            self._thread = threading.Thread(target=self._run, name="mockserver", daemon=True)
            self._thread.start()
            self._started.wait()
            if self._failure is not None:
                self._thread.join()
                raise StartError(f"the server did not start: {self._failure}") from self._failure
            on_failure.pop_all()

    def _run(self) -> None:
        try:
            with asyncio.Runner(loop_factory=new_event_loop) as runner:
                self._loop = runner.get_loop()
                runner.run(self._server.run_until_stopped())
        except BaseException as error:
            if self._started.is_set():
                raise
            self._failure = error
        finally:
            self._started.set()

    def stop(self) -> None:
        """End the server and the thread; nothing of them is left when this returns."""
        with contextlib.suppress(RuntimeError):  # the loop is closed: it ended by itself
            self._loop.call_soon_threadsafe(self._server.stop)
        self._thread.join()
