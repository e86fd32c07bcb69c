"""Unpaced streams a second: a repeated scenario, and one where every request's reply differs."""

import sys

from benchmarks.children import BenchmarkError
from benchmarks.generator import ask, doubt_speed
from benchmarks.load import Ask
from benchmarks.row import BARE, FRAMEWORK, OURS, PEER, Goal, Measured, Row
from benchmarks.script import run_script, tell
from benchmarks.servers import Server, choose, serving
from benchmarks.streams import EVENTS, REPLIES, Kind

CONNECTIONS = 32
NAMES = (BARE, FRAMEWORK, OURS, "aimock", "llmock")


def measure(quick: bool) -> Measured:
    """Both rows."""
    repeated = measure_kind("once", quick)
    differing = measure_kind("differing", quick)
    rows = (
        make_row("repeated", "unpaced, a repeated scenario", repeated, (Goal(10_000), Goal(5, PEER))),
        make_row("differing", "unpaced, every request's reply differs", differing, (Goal(4_000), Goal(5, PEER))),
    )
    skipped = dict.fromkeys([*repeated.skipped, *differing.skipped])
    return Measured(rows, skipped=tuple(skipped), remarks=(repeated.ceiling,))


class Speeds:
    """The streams a second of each server; `doubts` about ours, `notes` about the others; the load generator's `ceiling`."""

    def __init__(self, skipped: list[str]) -> None:
        self.figures: dict[str, float] = {}
        self.doubts: list[str] = []
        self.notes: list[str] = []
        self.skipped = skipped
        self.ceiling = ""


def measure_kind(kind: Kind, quick: bool) -> Speeds:
    """Ask each server that can answer in the way of `kind` as fast as it answers, the bare one first."""
    names, skipped = choose(kind, NAMES)
    speeds = Speeds(skipped)
    for name in names:
        tell(f"{kind}: {name}")
        try:
            with serving(name, kind) as server:
                _measure_server(server, kind, quick, speeds)
        except BenchmarkError as error:
            if name == OURS:
                raise
            speeds.skipped.append(str(error))
    return speeds


def _measure_server(server: Server, kind: Kind, quick: bool, speeds: Speeds) -> None:
    same_size = kind != "differing" and server.name in (OURS, BARE, FRAMEWORK)
    events = None if server.name == "llmock" else EVENTS
    seconds, warm_up_s = (0.5, 0.3) if quick else (4.0, 1.0)
    answered, used = ask(Ask(server.port, kind, CONNECTIONS, seconds, warm_up_s, same_size, events), server)
    name, speed = server.name, answered.streams / answered.seconds
    speeds.figures[name] = speed
    size = answered.bytes / answered.streams
    cost = "" if used is None else f", {used / speed * 1e6:,.0f} µs of processor time"
    speeds.notes.append(f"{name}: {size:,.0f} bytes a stream{cost}; load generator {answered.busy:.0%} busy")
    doubt = doubt_speed(answered.busy, used)
    if doubt and name == OURS:
        speeds.doubts.append(doubt)
    elif doubt:
        speeds.notes.append(f"{name}: {doubt}")
    if name == BARE:
        speeds.ceiling = (
            f"The load generator reads at least {speed:,.0f} streams/s, {speed * EVENTS:,.0f} events/s, "
            f"{speed * size / 1e6:,.0f} MB/s: what it got from the bare limit, {answered.busy:.0%} busy."
        )


def make_row(key: str, figure: str, speeds: Speeds, goals: tuple[Goal, ...]) -> Row:
    """The row of some speeds."""
    notes = list(speeds.notes)
    if key == "differing":
        notes.append(
            f"{REPLIES:,} scenarios of {EVENTS} events each, chosen by model in turn; bare and framework repeat one answer"
        )
    return Row(key, figure, "streams/s", "more", speeds.figures, goals, notes=tuple(notes), doubts=tuple(speeds.doubts))


if __name__ == "__main__":
    sys.exit(run_script(measure, __doc__ or ""))
