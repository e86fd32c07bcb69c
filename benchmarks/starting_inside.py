"""Starts and stops a server some times in this process, and prints how long that took. `… starting_inside NAME TIMES`."""

import asyncio
import contextlib
import socket
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack

import msgspec

from benchmarks.children import BenchmarkError
from benchmarks.lateness import median
from benchmarks.reading import ask_once
from benchmarks.row import FRAMEWORK, OURS
from benchmarks.servers import find_port
from benchmarks.streams import make_requests, make_scenarios

OPEN = 100
"""Streams that are open when a server is stopped."""

BOUND_S = 20.0


class Started(msgspec.Struct, frozen=True):
    """Medians in milliseconds; `first_ms` is the start that had to load everything."""

    first_ms: float
    start_ms: float
    stop_ms: float


class Ours:
    """Our own server, in a thread."""

    def __init__(self, stalled: bool) -> None:
        from mockserver import MockServer

        [scenario] = make_scenarios("stalled" if stalled else "once")["scenarios"]
        self._server = MockServer(scenario)

    def start(self) -> int:
        self._server.start()
        return int(self._server.url.rpartition(":")[2])

    def stop(self) -> None:
        self._server.stop()


class Framework:
    """Starlette under uvicorn in a thread, as people run it in tests."""

    def __init__(self, stalled: bool) -> None:
        import uvicorn

        from benchmarks.framework import make_config

        self._port = find_port()
        config = make_config("stalled" if stalled else "once", self._port)
        config.timeout_graceful_shutdown = 0  # else it waits for the streams
        self._server = uvicorn.Server(config)
        self._thread = threading.Thread(target=self._run, daemon=True)

    def _run(self) -> None:
        with contextlib.suppress(asyncio.CancelledError):
            self._server.run()

    def start(self) -> int:
        self._thread.start()
        bound = time.monotonic() + BOUND_S
        while not self._server.started:
            if time.monotonic() > bound:
                raise BenchmarkError("uvicorn did not start")
            time.sleep(0.0005)
        return self._port

    def stop(self) -> None:
        self._server.should_exit = True
        self._thread.join(BOUND_S)


KINDS: dict[str, type[Ours] | type[Framework]] = {OURS: Ours, FRAMEWORK: Framework}


def measure_start(name: str) -> float:
    """The milliseconds from the making of a server to its first whole answer."""
    [request] = make_requests("once")
    began = time.perf_counter()
    server = KINDS[name](False)
    port = server.start()
    try:
        with socket.create_connection(("127.0.0.1", port), BOUND_S) as connection:
            return (ask_once(connection, request) - began) * 1000
    finally:
        server.stop()


def measure_stop(name: str) -> float:
    """The milliseconds that a stop takes while streams are open and stall."""
    server = KINDS[name](True)
    port = server.start()
    with open_streams(port):
        began = time.perf_counter()
        server.stop()
        return (time.perf_counter() - began) * 1000


@contextlib.contextmanager
def open_streams(port: int) -> Iterator[None]:
    """`OPEN` streams of which the first bytes have come."""
    [request] = make_requests("stalled")
    with ExitStack() as stack:
        streams = [stack.enter_context(socket.create_connection(("127.0.0.1", port), BOUND_S)) for _ in range(OPEN)]
        for stream in streams:
            stream.sendall(request)
        for stream in streams:
            stream.recv(1 << 16)
        yield


def main(arguments: list[str]) -> None:
    """The command line."""
    name, times = arguments[0], int(arguments[1])
    starts = [measure_start(name) for _ in range(times + 1)]
    stops = [measure_stop(name) for _ in range(times)]
    print(msgspec.json.encode(Started(starts[0], median(starts[1:]), median(stops))).decode())


if __name__ == "__main__":
    main(sys.argv[1:])
