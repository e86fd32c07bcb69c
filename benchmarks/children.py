"""Processes that always end: each is told to when its context is left, and made to when it does not."""

import contextlib
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import IO

from benchmarks.machine import pinned

END_S = 5.0
"""How long a process may take to end when it is told to."""

SCRIPT_END_S = 4 * END_S
"""How long a script may take, which has servers to end."""

POLL_S = 0.5
"""How often a process is looked after: seldom, for its benchmark must not notice."""

ROOT = Path(__file__).parents[1]


class BenchmarkError(Exception):
    """A benchmark cannot be measured; the message is for its user."""


@contextlib.contextmanager
def running(
    command: Sequence[str],
    core: int | None = None,
    *,
    talk: bool = False,
    errors: IO[bytes] | int = subprocess.DEVNULL,
    end_s: float = END_S,
) -> Iterator["subprocess.Popen[str]"]:
    """A process on `core`, with all its children, until the context is left. With `talk`, its stdin and stdout are pipes."""
    pipe = subprocess.PIPE if talk else subprocess.DEVNULL
    try:
        with pinned(core):
            child = subprocess.Popen(
                command,
                stdin=pipe,
                stdout=pipe,
                stderr=errors,
                text=True,
                cwd=ROOT,
                start_new_session=True,
            )
    except OSError as error:
        raise BenchmarkError(f"{command[0]} cannot be started: {error}") from error
    try:
        yield child
    finally:
        end(child, end_s)


def leave_on_sigterm() -> None:
    """Let SIGTERM leave every context of this process first, so that its own children end with it."""
    signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(128 + number))


def end(child: "subprocess.Popen[str]", end_s: float = END_S) -> None:
    """End a process and those it started, kindly at first; its pipes are closed."""
    for number in (signal.SIGTERM, signal.SIGKILL):
        if child.poll() is None:
            _signal(child, number)
        with contextlib.suppress(subprocess.TimeoutExpired):
            child.wait(end_s)
            break
    _signal(child, signal.SIGKILL)  # what it left behind in its session
    for pipe in (child.stdin, child.stdout):
        if pipe is not None:
            with contextlib.suppress(OSError):
                pipe.close()


def _signal(child: "subprocess.Popen[str]", number: int) -> None:
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(child.pid, number)


def run(
    command: Sequence[str],
    bound_s: float,
    core: int | None = None,
    given: str = "",
    hear: Callable[[str], object] = lambda line: None,
    end_s: float = END_S,
) -> str:
    """What a process prints that is given `given`; `hear` is told the last line of its stderr whenever that is another one.

    Raises `BenchmarkError` where it fails or takes longer than `bound_s`.
    """
    name, bound = " ".join(command[1:4]), time.monotonic() + bound_s
    with tempfile.TemporaryFile() as errors, running(command, core, talk=True, errors=errors, end_s=end_s) as child:
        give(child, given)
        heard = ""
        while True:
            try:
                out, _ = child.communicate(timeout=POLL_S)
                break
            except subprocess.TimeoutExpired:
                pass
            if (said := read_last_line(errors)) != heard:
                heard = said
                hear(said)
            if time.monotonic() > bound:
                raise BenchmarkError(f"{name} took longer than {bound_s:.0f} s")
        if child.returncode:
            raise BenchmarkError(f"{name} ended with code {child.returncode}: {read_last_line(errors)}")
        return out


def give(child: "subprocess.Popen[str]", text: str) -> None:
    """Hand a process its whole input, which is short; `communicate` would not end it once it had timed out."""
    assert child.stdin is not None
    with contextlib.suppress(OSError), child.stdin:  # what it does not read because it has failed is told by its code
        child.stdin.write(text)
    child.stdin = None


def read_last_line(file: IO[bytes]) -> str:
    """The last line in a file that another process writes."""
    size = os.fstat(file.fileno()).st_size
    tail = os.pread(file.fileno(), 4096, max(size - 4096, 0)).decode(errors="replace").strip()
    return tail.rpartition("\n")[2].strip()


def python(module: str, *arguments: str) -> list[str]:
    """The command that runs a module of ours."""
    return [sys.executable, "-m", module, *arguments]
