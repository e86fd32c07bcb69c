"""Reading from a process, and from a server, with a bound."""

import contextlib
import selectors
import socket
import subprocess
import time

from benchmarks.children import BenchmarkError
from benchmarks.load import END


def read_line(child: "subprocess.Popen[str]", bound_s: float) -> str:
    """The next line that a process prints, which writes no more than a line at a time. Raises `BenchmarkError`."""
    assert child.stdout is not None
    with selectors.DefaultSelector() as selector:
        selector.register(child.stdout, selectors.EVENT_READ)
        ready = selector.select(bound_s)
    line = child.stdout.readline() if ready else ""
    if not line:
        raise BenchmarkError("it ended without a word" if ready else f"it said nothing within {bound_s:.0f} s")
    return line


def ask_until_answered(port: int, request: bytes, bound_s: float, poll_s: float = 0.0005) -> float:
    """Ask until a whole answer came, as a program that waits for its server would; returns the moment it was there.

    The moment is one of `time.perf_counter`. Raises `BenchmarkError`.
    """
    bound = time.perf_counter() + bound_s
    while time.perf_counter() < bound:
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), bound_s) as connection:
            return ask_once(connection, request)
        time.sleep(poll_s)
    raise BenchmarkError(f"no answer within {bound_s:.0f} s")


def ask_once(connection: socket.socket, request: bytes) -> float:
    """Ask and read a whole answer, sent in transfer chunks or with its length; returns the moment it was there."""
    connection.settimeout(10)
    connection.sendall(request)
    got = b""
    while not got.endswith(END):
        data = connection.recv(1 << 16)
        if not data:
            raise ConnectionError("the connection ended before the answer did")
        got += data
    return time.perf_counter()
