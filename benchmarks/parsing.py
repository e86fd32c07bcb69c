"""Events a second that a client parses and adds up on one core: `client`, the OpenAI SDK's `Stream`, httpx-sse.

What is compared is the way from bytes to the whole text, the finish reason and the usage; see `benchmarks.parsing_inside`.
"""

import sys

import msgspec

from benchmarks.children import BenchmarkError, python, run
from benchmarks.lateness import median
from benchmarks.machine import find_version, server_core
from benchmarks.parsing_inside import Body, Parsed
from benchmarks.row import OURS, Goal, Measured, Row
from benchmarks.script import run_script, tell

SDK = "openai"
HTTPX_SSE = "httpx-sse"
CUTS: dict[Body, str] = {"each": "one event in each read", "large": "reads of 64 KiB"}
GOALS = (Goal(5, SDK), Goal(2, HTTPX_SSE))
INSIDE_S = 60.0
TURNS = 3
"""Each reader has so many turns, one after the other, so that what else the machine does falls on all alike."""


def measure(quick: bool) -> Measured:
    """A row for each way of cutting the bytes into reads. Each reader runs in a process of its own, on one core."""
    readers = [OURS, *(name for name in (SDK, HTTPX_SSE) if find_version(name))]
    skipped = [f"{name} is not installed: pip install {name}" for name in (SDK, HTTPX_SSE) if name not in readers]
    rows = []
    for cut, words in CUTS.items():
        speeds: dict[str, list[float]] = {name: [] for name in readers}
        notes: dict[str, str] = {}
        for name in readers * (1 if quick else TURNS):
            if name not in speeds:
                continue
            tell(f"parsing, {words}: {name}")
            try:
                parsed = measure_reader(name, cut, quick)
            except BenchmarkError as error:
                if name == OURS:
                    raise
                skipped.append(f"parsing with {name}: {error}")
                del speeds[name]
                notes.pop(name, None)
                continue
            speeds[name].append(parsed.events_per_s)
            notes[name] = f"{name}: {parsed.does}"
        figures = {name: median(each) for name, each in speeds.items()}
        figure = f"`client`: events parsed and added up, one core, {words}"
        rows.append(
            Row(f"parsing-{cut}", figure, "events/s", "more", figures, GOALS, limit="", notes=tuple(notes.values()))
        )
    return Measured(tuple(rows), skipped=tuple(skipped))


def measure_reader(name: str, cut: Body, quick: bool) -> Parsed:
    """What one reader does in a process of its own."""
    seconds = "0.3" if quick else "0.6"
    told = run(python("benchmarks.parsing_inside", name, cut, seconds), INSIDE_S, server_core())
    return msgspec.json.decode(told, type=Parsed)


if __name__ == "__main__":
    sys.exit(run_script(measure, __doc__ or ""))
