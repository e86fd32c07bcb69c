"""How long it takes from the start to the first whole answer, in process and cold, and how long a stop takes."""

import sys
import tempfile
import time
from pathlib import Path

import msgspec

from benchmarks.children import BenchmarkError, python, run, running
from benchmarks.lateness import median
from benchmarks.machine import server_core
from benchmarks.reading import ask_until_answered
from benchmarks.row import FRAMEWORK, OURS, Goal, Measured, Row
from benchmarks.script import run_script, tell
from benchmarks.servers import PROGRAMS, START_S, choose, find_port
from benchmarks.starting_inside import Started
from benchmarks.streams import make_requests

COLD_NAMES = (FRAMEWORK, OURS, "aimock", "llmock")
INSIDE_S = 120.0


def measure(quick: bool) -> Measured:
    """Three rows: a start in process, a cold start, a stop with streams open."""
    times = 3 if quick else 10
    inside = {name: measure_inside(name, times) for name in (FRAMEWORK, OURS)}
    cold, skipped = measure_cold(times)
    return Measured(
        (
            make_row(
                "start",
                "MockServer() start to first answer, in process",
                {name: one.start_ms for name, one in inside.items()},
                (Goal(20),),
                [
                    f"{name}: {one.first_ms:.1f} ms the first time, with what is loaded late"
                    for name, one in inside.items()
                ],
            ),
            make_row("cold", "`mockserver serve` cold start to first answer", cold, (Goal(160),)),
            make_row(
                "stop",
                "MockServer stop, 100 streams open",
                {name: one.stop_ms for name, one in inside.items()},
                (Goal(20),),
            ),
        ),
        skipped=tuple(skipped),
    )


def make_row(
    key: str, figure: str, figures: dict[str, float], goals: tuple[Goal, ...], notes: list[str] | None = None
) -> Row:
    """A row of medians in milliseconds; the framework is the limit: nothing that answers HTTP from Python starts sooner."""
    return Row(key, figure, "ms", "less", figures, goals, limit=FRAMEWORK, notes=tuple(notes or ()))


def measure_inside(name: str, times: int) -> Started:
    """Start and stop it some times in one process."""
    tell(f"start and stop in process: {name}")
    return msgspec.json.decode(run(python("benchmarks.starting_inside", name, str(times)), INSIDE_S), type=Started)


def measure_cold(times: int) -> tuple[dict[str, float], list[str]]:
    """The median time of a cold start of each server, in milliseconds. They take turns, so that noise strikes all alike."""
    names, skipped = choose("once", COLD_NAMES)
    took: dict[str, list[float]] = {name: [] for name in names}
    for number in range(times + 1):
        tell(f"cold start {number} of {times}: {', '.join(took)}")
        for name in list(took):
            try:
                took_ms = start_cold(name) * 1000
            except BenchmarkError as error:
                if name == OURS:
                    raise
                skipped.append(f"cold start of {name}: {error}")
                del took[name]
                continue
            if number:  # the first fills the caches of files and of bytecode
                took[name].append(took_ms)
    return {name: median(all_ms) for name, all_ms in took.items()}, skipped


def start_cold(name: str) -> float:
    """The seconds from the start of a process to its first whole answer. Ours is told nothing, as `mockserver serve`."""
    port, [request] = find_port(), make_requests("once")
    with tempfile.TemporaryDirectory(prefix="bench-") as folder:
        command = PROGRAMS[name].command("once", port, Path(folder))
        if name == OURS:
            command = python("mockserver", "serve", "--port", str(port))
        started = time.perf_counter()
        with running(command, server_core()):
            return ask_until_answered(port, request, START_S) - started


if __name__ == "__main__":
    sys.exit(run_script(measure, __doc__ or ""))
