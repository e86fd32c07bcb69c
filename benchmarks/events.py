"""Unpaced streams with one send call for each event: events a second."""

import sys

from benchmarks.row import BARE, FRAMEWORK, Goal, Measured, Row
from benchmarks.script import run_script
from benchmarks.streams import EVENTS
from benchmarks.throughput import measure_kind


def measure(quick: bool) -> Measured:
    """The row; the framework's figure is that of its own `send`, one call an event, which uvloop then joins."""
    speeds = measure_kind("events", quick)
    figures = {name: speed * EVENTS for name, speed in speeds.figures.items()}
    notes = [*speeds.notes, f"{FRAMEWORK}: one send of ASGI an event; uvloop may join them on the way to the kernel"]
    row = Row(
        "events",
        "unpaced, one send call per event",
        "events/s",
        "more",
        figures,
        (Goal(0.7, BARE),),
        notes=tuple(notes),
        doubts=tuple(speeds.doubts),
    )
    return Measured((row,), skipped=tuple(speeds.skipped))


if __name__ == "__main__":
    sys.exit(run_script(measure, __doc__ or ""))
