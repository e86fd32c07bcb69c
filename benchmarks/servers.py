"""The servers that are measured, each a process on the servers' core, started and ended alike."""

import contextlib
import json
import socket
import subprocess
import tempfile
import time
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from benchmarks.children import BenchmarkError, python, running
from benchmarks.machine import server_core
from benchmarks.peers import OTHERS
from benchmarks.row import BARE, FRAMEWORK, OURS
from benchmarks.streams import Kind, make_aimock_fixtures, make_pieces, make_scenarios

START_S = 30.0
"""How long a server may take until it listens."""

POLL_S = 0.001


@dataclass(frozen=True, slots=True)
class Server:
    """A running server."""

    name: str
    port: int
    pid: int


@dataclass(frozen=True, slots=True)
class Program:
    """How a server is started to answer in the way of a kind: its command; and what is to be told to it when it listens."""

    command: Callable[[Kind, int, Path], list[str]]
    kinds: tuple[Kind, ...]
    tell: Callable[[int], None] | None = None


@contextlib.contextmanager
def serving(name: str, kind: Kind) -> Iterator[Server]:
    """A server of that name while the context lasts. Raises `BenchmarkError` where it does not start."""
    program, port = PROGRAMS[name], find_port()
    with tempfile.TemporaryDirectory(prefix="bench-") as folder:
        command = program.command(kind, port, Path(folder))
        with running(command, server_core()) as child:
            wait_for(child, port, name)
            if program.tell is not None:
                program.tell(port)
            yield Server(name, port, child.pid)


def find_excuse(name: str) -> str | None:
    """Why a server cannot be measured here, in a sentence; None where it can."""
    return OTHERS[name].excuse if name in OTHERS and not OTHERS[name].is_installed else None


def choose(kind: Kind, names: tuple[str, ...]) -> tuple[list[str], list[str]]:
    """Those of `names` that can answer in the way of `kind` here, and for the others the sentences that say why not."""
    able = [name for name in names if kind in PROGRAMS[name].kinds]
    excuses = [excuse for name in able if (excuse := find_excuse(name))]
    return [name for name in able if find_excuse(name) is None], excuses


def find_port() -> int:
    """A port that is free at the moment."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def wait_for(child: "subprocess.Popen[str]", port: int, name: str, bound_s: float = START_S) -> None:
    """Wait until something listens on `port`. Raises `BenchmarkError`."""
    bound = time.monotonic() + bound_s
    while time.monotonic() < bound:
        if child.poll() is not None:
            raise BenchmarkError(f"{name} ended with code {child.returncode} before it listened")
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
            return
        time.sleep(POLL_S)
    raise BenchmarkError(f"{name} did not listen within {bound_s:.0f} s")


def command_of_ours(kind: Kind, port: int, folder: Path) -> list[str]:
    """`mockserver serve` with the scenarios of `kind`."""
    file = folder / "scenarios.json"
    file.write_text(json.dumps(make_scenarios(kind)))
    return python("mockserver", "serve", str(file), "--port", str(port), "--log-level", "error")


def command_of_aimock(kind: Kind, port: int, folder: Path) -> list[str]:
    """aimock with chunks of four characters, and silent."""
    file = folder / "fixtures.json"
    file.write_text(json.dumps(make_aimock_fixtures(kind)))
    return [str(OTHERS["aimock"].command), "-p", str(port), "-f", str(file), "-c", "4", "--log-level", "silent"]


def command_of_llmock(kind: Kind, port: int, folder: Path) -> list[str]:
    """llmock, which is told its answer later."""
    return [str(OTHERS["llmock"].command), "serve", "-p", str(port), "--log-level", "error"]


def tell_llmock(port: int) -> None:
    """Tell a running llmock what to answer: as many words as there are tokens."""
    behavior = {"type": "reply", "text": "".join(make_pieces()).strip(), "times": None}
    body = json.dumps({"behaviors": [behavior]}).encode()
    url = f"http://127.0.0.1:{port}/_llmock/scenario"
    request = urllib.request.Request(url, body, {"Content-Type": "application/json"})
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    with opener.open(request, timeout=5):
        pass


PROGRAMS: dict[str, Program] = {
    OURS: Program(command_of_ours, ("once", "differing", "events", "paced", "stalled")),
    BARE: Program(
        lambda kind, port, folder: python("benchmarks.bare", kind, str(port)),
        ("once", "differing", "events", "paced", "stalled"),
    ),
    FRAMEWORK: Program(
        lambda kind, port, folder: python("benchmarks.framework", kind, str(port)),
        ("once", "differing", "events", "stalled"),
    ),
    "aimock": Program(command_of_aimock, ("once", "differing", "events", "paced", "stalled")),
    "llmock": Program(command_of_llmock, ("once",), tell_llmock),
}
