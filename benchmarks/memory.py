"""The memory of open streams that stall, above that of the idle server, against their number."""

import sys
import time
from collections.abc import Sequence

import msgspec

from benchmarks.children import BenchmarkError, python, running
from benchmarks.load import CONNECT_S, Held, Hold
from benchmarks.machine import load_core, raise_descriptor_limit, read_rss_bytes
from benchmarks.reading import read_line
from benchmarks.row import BARE, FRAMEWORK, OURS, Goal, Measured, Row, Series
from benchmarks.script import DESCRIPTORS, run_script, tell
from benchmarks.servers import Server, choose, serving

NAMES = (BARE, FRAMEWORK, OURS, "aimock")
STEPS = (1, 1_000, 2_500, 5_000, 10_000)
QUICK_STEPS = (1, 100, 500)
SPARE = 500
"""Descriptors that a process needs for itself."""

KIB = 1024


def measure(quick: bool) -> Measured:
    """The row of the largest number of streams, and the series."""
    limit = raise_descriptor_limit(DESCRIPTORS) - SPARE
    wanted = QUICK_STEPS if quick else STEPS
    steps = [step for step in wanted if step <= limit]
    names, skipped = choose("stalled", NAMES)
    if len(steps) < len(wanted):
        skipped.append(f"{wanted[-1]:,} open streams: this system allows a process {limit + SPARE:,} descriptors")
    found: dict[str, list[tuple[int, float]]] = {}
    for name in names:
        tell(f"{steps[-1]:,} stalled streams: {name}")
        try:
            with serving(name, "stalled") as server:
                found[name] = measure_server(server, steps)
        except BenchmarkError as error:
            if name == OURS:
                raise
            skipped.append(f"memory: {error}")
    return Measured((make_row(found, steps[-1]),), {"memory": make_series(found)}, tuple(skipped))


def measure_server(server: Server, steps: Sequence[int]) -> list[tuple[int, float]]:
    """The server's memory at each number of open streams, in bytes. The first stream makes it load what it loads late."""
    points = []
    bound_s = CONNECT_S * 2
    with running(python("benchmarks.load"), load_core(), talk=True) as child:
        assert child.stdin is not None
        line = msgspec.json.encode(Hold(server.port, list(steps))).decode()
        for _ in steps:
            child.stdin.write(line + "\n")
            child.stdin.flush()
            line = ""
            held = msgspec.json.decode(read_line(child, bound_s), type=Held)
            points.append((held.streams, float(settle_rss_bytes(server.pid))))
    return points


def settle_rss_bytes(pid: int, still_s: float = 0.3, bound_s: float = 3.0) -> int:
    """The memory of a process once it has stopped growing for a moment, or when the wait is over."""
    bound = time.monotonic() + bound_s
    before = read_rss_bytes(pid)
    while time.monotonic() < bound:
        time.sleep(still_s)
        now = read_rss_bytes(pid)
        if abs(now - before) < 64 * KIB:
            return now
        before = now
    return before


def per_stream_kib(points: Sequence[tuple[int, float]]) -> float:
    """What a stream costs: the growth from the first point to the last."""
    (first, idle), (last, full) = points[0], points[-1]
    return (full - idle) / (last - first) / KIB


def make_row(found: dict[str, list[tuple[int, float]]], count: int) -> Row:
    """What each stream costs of so many."""
    notes = tuple(f"{name}: {points[0][1] / KIB / KIB:.0f} MiB idle" for name, points in found.items())
    figures = {name: per_stream_kib(points) for name, points in found.items()}
    figure = f"{count:,} open stalled streams: memory of each"
    return Row("memory", figure, "KiB", "less", figures, (Goal(20),), limit=FRAMEWORK, notes=notes)


def make_series(found: dict[str, list[tuple[int, float]]]) -> Series:
    """The whole memory against the number of streams, in MiB."""
    points: dict[str, list[tuple[int, float | None]]] = {
        name: [(count, size / KIB / KIB) for count, size in points] for name, points in found.items()
    }
    return Series("Memory of the server", "open streams that stall", "MiB", points)


if __name__ == "__main__":
    sys.exit(run_script(measure, __doc__ or ""))
