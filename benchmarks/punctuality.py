"""How late the events of paced streams come, against the number of streams: ITL 20 ms, 203 events, starts spread over 2 s."""

import math
import sys
from collections.abc import Sequence

from benchmarks.children import BenchmarkError
from benchmarks.generator import doubt_lateness, listen
from benchmarks.load import Heard, Listen
from benchmarks.row import BARE, OURS, Goal, Measured, Row, Series
from benchmarks.script import run_script, tell
from benchmarks.servers import choose, serving
from benchmarks.streams import ITL_S, make_schedule

NAMES = (BARE, OURS, "aimock")
COUNTS = (1, 100, 500, 1_000, 2_000)
QUICK_COUNTS = (1, 100)
SPREAD_S = 2.0
ROUNDS = 3
"""How often ours and the bare limit are measured, in turn, where there is a goal: one that was disturbed would decide."""

GOALS: dict[int, tuple[Goal, ...]] = {
    1: (Goal(2),),
    1_000: (Goal(2, BARE), Goal(6)),
    2_000: (Goal(2, BARE),),
}
"""By the number of streams: what the lateness at the 99th percentile ought to be, in milliseconds."""

DRIFT_GOAL = Goal(0.1)
"""What one stream may last longer than planned, in per cent."""

Found = dict[int, dict[str, Heard]]


def measure(quick: bool) -> Measured:
    """A row for each number of streams that has a goal, one for the drift, and the series of them all."""
    names, skipped = choose("paced", NAMES)
    found: Found = {}
    for count in QUICK_COUNTS if quick else COUNTS:
        heard: dict[str, list[Heard]] = {}
        for number in range(1, (ROUNDS if count in GOALS and not quick else 1) + 1):
            for name in names if number == 1 else (BARE, OURS):
                tell(f"{count:,} paced streams, round {number}: {name}")
                try:
                    heard.setdefault(name, []).append(measure_server(name, count))
                except BenchmarkError as error:
                    if name == OURS:
                        raise
                    skipped.append(f"{count:,} paced streams: {error}")
        found[count] = {name: choose_median(runs) for name, runs in heard.items() if runs}
    rows = [make_row(count, found[count]) for count in found if count in GOALS]
    return Measured((*rows, make_drift_row(found[1])), {"lateness": make_series(found)}, tuple(skipped))


def measure_server(name: str, count: int) -> Heard:
    """What is heard of `count` streams of one server. Each has its own plan, and is held to that."""
    with serving(name, "paced") as server:
        # What is rendered or compiled when it is first asked for is not what is measured.
        schedule = make_schedule(name)
        listen(Listen(server.port, 4, 0.1, schedule[:1]))
        return listen(Listen(server.port, count, SPREAD_S if count > 1 else 0.0, schedule))


def choose_median(heard: Sequence[Heard]) -> Heard:
    """The run whose 99th percentile is the median."""
    ordered = sorted(heard, key=lambda one: math.inf if one.lateness is None else one.lateness.p99_s)
    return ordered[(len(ordered) - 1) // 2]


def make_row(count: int, heard: dict[str, Heard]) -> Row:
    """The lateness of so many streams."""
    figures, notes = {}, []
    for name, one in heard.items():
        late = one.lateness
        if late is None or late.missing:
            notes.append(
                f"{name}: not reached, {'all' if late is None else late.missing} events had not come at the end"
            )
            continue
        figures[name] = late.p99_s * 1000
        notes.append(
            f"{name}: median {late.p50_s * 1000:.2f} ms, largest {late.max_s * 1000:.1f} ms, earliest {late.min_s * 1000:.2f} ms; "
            f"load generator {one.busy:.0%} busy, its own timers {one.own_p99_s * 1000:.2f} ms late at the p99"
        )
    doubt = doubt_lateness(heard[OURS])
    return Row(
        f"lateness-{count}",
        f"{count:,} stream{'s' if count > 1 else ''}, ITL {ITL_S * 1000:.0f} ms: lateness p99",
        "ms",
        "less",
        figures,
        GOALS[count],
        notes=tuple(notes),
        doubts=(doubt,) if doubt else (),
    )


def make_drift_row(heard: dict[str, Heard]) -> Row:
    """How much longer than planned one stream lasted, in per cent; shorter counts as longer."""
    drifts = {name: one.lateness.drift for name, one in heard.items() if one.lateness}
    figures = {name: abs(drift) * 100 for name, drift in drifts.items() if drift is not None}
    return Row(
        "drift",
        f"1 stream, ITL {ITL_S * 1000:.0f} ms: drift of the total",
        "%",
        "less",
        figures,
        (DRIFT_GOAL,),
        compared=False,
    )


def make_series(found: Found) -> Series:
    """The 99th percentiles against the number of streams."""
    names = dict.fromkeys(name for heard in found.values() for name in heard)
    points = {
        name: [(count, _reached_ms(heard[name])) for count, heard in found.items() if name in heard] for name in names
    }
    return Series("Lateness of an event, 99th percentile", "streams at once, ITL 20 ms", "ms", points)


def _reached_ms(heard: Heard) -> float | None:
    late = heard.lateness
    return None if late is None or late.missing else late.p99_s * 1000


if __name__ == "__main__":
    sys.exit(run_script(measure, __doc__ or ""))
