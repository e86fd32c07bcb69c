"""How a consumer is driven: as a program that speaks one JSON line a case, kept running, or started anew for each case.

The protocol stands in docs/writing-a-consumer.md. A program that hangs is killed, one that died is started anew; neither costs
more than its case.
"""

import contextlib
import json
import os
import queue
import signal
import subprocess
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from difflib import get_close_matches
from typing import Any, Literal

from mockserver.conformance.case import ABILITIES
from mockserver.errors import UsageError

START_BOUND_S = 60.0
"""How long a program may take to say who it is; some take many seconds to import what they need."""

_STOP_BOUND_S = 2.0


@dataclass(frozen=True, slots=True)
class Hello:
    """What a consumer says of itself: its name and version, and what it cannot expose."""

    name: str
    version: str = ""
    lacks: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Report:
    """What came back for one case.

    `deltas` are what it reported as it arrived, each with the time in seconds since the case was given to it. `ended` says
    how: with an `answer`, a `crash` or a `hang`; `output` is the end of what the program wrote to stderr.
    """

    ended: Literal["answer", "crash", "hang"]
    answer: Mapping[str, Any] = field(default_factory=dict)
    deltas: tuple[tuple[float, str], ...] = ()
    took_s: float = 0.0
    output: str = ""


def read_hello(said: Any) -> Hello:
    """Who a consumer says it is. Raises `ValueError` in words if it is not in the form of the protocol."""
    if not isinstance(said, Mapping) or not isinstance(said.get("consumer"), str):
        raise ValueError('expected {"consumer": "name", "version": "…", "lacks": […]}')
    lacks = said.get("lacks") or []
    if not isinstance(lacks, list) or not all(isinstance(word, str) for word in lacks):
        raise ValueError(f"expected `lacks` to be a list of words, got {lacks!r}")
    if unknown := sorted(set(lacks) - ABILITIES.keys()):
        near = get_close_matches(unknown[0], ABILITIES, n=1)
        raise ValueError(
            f"`lacks` has the unknown word {unknown[0]!r}; {f'did you mean {near[0]!r}?' if near else 'known are:'} "
            + ("" if near else ", ".join(ABILITIES))
        )
    return Hello(said["consumer"], str(said.get("version", "")), frozenset(lacks))


class Program:
    """A consumer's program, running. To be used by one thread."""

    def __init__(self, command: Sequence[str], spawn: bool = False, env: Mapping[str, str] | None = None) -> None:
        self._command = list(command)
        self._spawn = spawn
        self._env = {**os.environ, "NO_PROXY": "127.0.0.1,localhost", **(env or {})}
        self._process: subprocess.Popen[str] | None = None
        self._lines: queue.Queue[str | None] = queue.Queue()
        self._errors: list[str] = []
        self._threads: list[threading.Thread] = []
        self.hello: Hello | None = None

    def start(self) -> Hello:
        """Start the program and learn who it is. Raises `UsageError` if it cannot be started or says something else."""
        if self._spawn:
            self.hello = Hello(os.path.basename(self._command[0]))
            return self.hello
        self._open({})
        line = self._next_line(time.monotonic() + START_BOUND_S)
        try:
            said = json.loads(line or "")
        except ValueError as error:
            ended = self._process.poll() if self._process else None
            self.stop()
            how = "it ended" if ended is not None else "nothing" if line is None else repr(line[:200])
            raise UsageError(
                f'expected the first line of {self._command[0]!r} to be {{"consumer": "name", "version": "…"}}, got {how}'
                + (f"; its stderr ends: {self._output()[-300:]!r}" if self._errors else "")
            ) from error
        try:
            self.hello = read_hello(said)
        except ValueError as error:
            self.stop()
            raise UsageError(
                f"the first line of {self._command[0]!r}: {error}; got {str(line).strip()[:200]!r}"
            ) from error
        return self.hello

    def run(self, line: Mapping[str, Any], time_limit_s: float) -> Report:
        """Give the program one case and wait for its answer, at most `time_limit_s`."""
        started = time.monotonic()
        if self._spawn:
            self._open(_as_environment(line))
        elif self._process is None:
            try:
                self.start()
            except UsageError as error:  # it did start once: whatever keeps it from doing so again is its own doing
                return Report("crash", took_s=time.monotonic() - started, output=str(error))
            started = time.monotonic()  # what it took to import what it needs is no part of the case
        self._errors.clear()
        deltas: list[tuple[float, str]] = []
        if not self._spawn and not self._send(line):
            return self._died("crash", deltas, started)
        deadline = started + time_limit_s
        while True:
            got = self._next_line(deadline)
            if got is None:
                died = self._process is not None and self._ended()
                return self._died("crash" if died else "hang", deltas, started)
            answer = _read_answer(got, line["case"])
            if answer is None:
                continue
            if "delta" in answer:
                deltas.append((time.monotonic() - started, str(answer["delta"])))
                continue
            if self._spawn:
                self.stop()
            return Report("answer", answer, tuple(deltas), time.monotonic() - started, self._output())

    def stop(self) -> None:
        """End the program and everything it started, and leave no thread behind."""
        process, self._process = self._process, None
        if process is None:
            return
        if process.stdin:
            with contextlib.suppress(OSError):
                process.stdin.close()
        try:
            process.wait(_STOP_BOUND_S if process.poll() is None and not self._spawn else 0.2)
        except subprocess.TimeoutExpired:
            _kill(process)
            process.wait()
        _kill(process)
        for thread in self._threads:
            thread.join()
        for stream in (process.stdout, process.stderr):
            if stream:
                stream.close()
        self._threads = []
        self._lines = queue.Queue()

    def _open(self, extra: Mapping[str, str]) -> None:
        try:
            process = subprocess.Popen(
                self._command,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                text=True,
                encoding="utf-8",
                errors="replace",
                env={**self._env, **extra},
                start_new_session=True,
            )
        except OSError as error:
            raise UsageError(f"cannot start {self._command[0]!r}: {error.strerror or error}") from error
        self._process = process
        self._errors = []
        self._threads = [
            threading.Thread(target=self._read_lines, args=(process, self._lines), daemon=True),
            threading.Thread(target=self._read_errors, args=(process,), daemon=True),
        ]
        for thread in self._threads:
            thread.start()

    def _read_lines(self, process: "subprocess.Popen[str]", lines: "queue.Queue[str | None]") -> None:
        assert process.stdout is not None
        for line in process.stdout:
            lines.put(line)
        lines.put(None)

    def _read_errors(self, process: "subprocess.Popen[str]") -> None:
        assert process.stderr is not None
        for line in process.stderr:
            self._errors.append(line)
            del self._errors[:-200]

    def _send(self, line: Mapping[str, Any]) -> bool:
        assert self._process is not None
        assert self._process.stdin is not None
        try:
            self._process.stdin.write(json.dumps(line) + "\n")
            self._process.stdin.flush()
        except OSError:
            return False
        return True

    def _next_line(self, deadline: float) -> str | None:
        try:
            return self._lines.get(timeout=max(deadline - time.monotonic(), 0.001))
        except queue.Empty:
            return None

    def _ended(self) -> bool:
        assert self._process is not None
        try:
            self._process.wait(0.1)
        except subprocess.TimeoutExpired:
            return False
        return True

    def _died(self, ended: Literal["crash", "hang"], deltas: list[tuple[float, str]], started: float) -> Report:
        self.stop()
        return Report(ended, {}, tuple(deltas), time.monotonic() - started, self._output())

    def _output(self) -> str:
        return "".join(self._errors)[-4000:]


def _read_answer(line: str, case: str) -> Mapping[str, Any] | None:
    """An answer to the case; a program may also print other things, which are passed over."""
    try:
        answer = json.loads(line)
    except ValueError:
        return None
    return answer if isinstance(answer, dict) and answer.get("case") == case else None


def _as_environment(line: Mapping[str, Any]) -> dict[str, str]:
    """A case for a program that is started for it alone."""
    return {
        "OPENAI_BASE_URL": str(line["base_url"]),
        "OPENAI_API_KEY": str(line["api_key"]),
        "MOCKSERVER_CASE": str(line["case"]),
        "MOCKSERVER_LINE": json.dumps(line),
        "MOCKSERVER_REQUEST": json.dumps(line["request"]),
        "MOCKSERVER_TIMEOUT_S": str(line["timeout_s"]),
    }


def _kill(process: "subprocess.Popen[str]") -> None:
    """Kill a program and its children; they share a process group."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        if hasattr(os, "killpg"):
            os.killpg(process.pid, signal.SIGKILL)
        else:
            process.kill()
