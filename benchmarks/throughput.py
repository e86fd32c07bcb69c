"""Unpaced streams a second: a repeated scenario, and one where every request's reply differs."""

import contextlib
import sys
from statistics import median

import msgspec

from benchmarks.children import BenchmarkError
from benchmarks.generator import ask, doubt_speed
from benchmarks.load import Ask
from benchmarks.row import BARE, FRAMEWORK, OURS, PEER, Goal, Measured, Row
from benchmarks.script import run_script, tell
from benchmarks.servers import Server, choose, serving
from benchmarks.streams import EVENTS, REPLIES, Kind

CONNECTIONS = 32
ROUNDS = 5
"""How often each server is asked; its figure is the median."""

NAMES = (BARE, FRAMEWORK, OURS, "aimock", "llmock")


def measure(quick: bool) -> Measured:
    """Both rows."""
    repeated = measure_kind("once", quick)
    differing = measure_kind("differing", quick)
    rows = (
        make_row("repeated", "unpaced, a repeated scenario", repeated, (Goal(10_000), Goal(5, PEER))),
        # Not five times the peer too: that was above twice 4,000 when the goals were set.
        make_row("differing", "unpaced, every request's reply differs", differing, (Goal(4_000),)),
    )
    skipped = dict.fromkeys([*repeated.skipped, *differing.skipped])
    return Measured(rows, skipped=tuple(skipped), remarks=(repeated.ceiling,))


class Speeds:
    """What each server did in each round; `doubts` about ours, `notes` about the others; the load generator's `ceiling`."""

    def __init__(self, skipped: list[str]) -> None:
        self.rounds: dict[str, list[Round]] = {}
        self.skipped = skipped

    @property
    def figures(self) -> dict[str, float]:
        """The streams a second of each server, the median of its rounds."""
        return {name: median(one.speed for one in rounds) for name, rounds in self.rounds.items()}

    @property
    def notes(self) -> list[str]:
        """What the figures of each server rest on."""
        return [_describe(name, rounds) for name, rounds in self.rounds.items()]

    @property
    def doubts(self) -> list[str]:
        """Why the figure of ours may be the load generator's."""
        return [one.doubt for one in self.rounds[OURS] if one.doubt][:1]

    @property
    def ceiling(self) -> str:
        """What the load generator reads at least."""
        best = max(self.rounds[BARE], key=lambda one: one.speed)
        return (
            f"The load generator reads at least {best.speed:,.0f} streams/s, {best.speed * EVENTS:,.0f} events/s, "
            f"{best.speed * best.size / 1e6:,.0f} MB/s: what it got from the bare limit, {best.busy:.0%} busy."
        )


class Round(msgspec.Struct, frozen=True):
    """One asking of one server: streams a second, bytes a stream, how busy the generator was, the server's processor time a
    stream, and why the speed may not be the server's."""

    speed: float
    size: float
    busy: float
    cost_s: float | None
    doubt: str | None


def _describe(name: str, rounds: list[Round]) -> str:
    size, busy = median(one.size for one in rounds), median(one.busy for one in rounds)
    costs = [one.cost_s for one in rounds if one.cost_s is not None]
    slowest, fastest = min(one.speed for one in rounds), max(one.speed for one in rounds)
    doubts = [one.doubt for one in rounds if one.doubt and name != OURS][:1]
    return "; ".join(
        [
            f"{name}: {slowest:,.0f} to {fastest:,.0f} streams/s in {len(rounds)} rounds",
            f"{size:,.0f} bytes a stream" + (f", {median(costs) * 1e6:,.0f} µs of processor time" if costs else ""),
            f"load generator {busy:.0%} busy",
            *doubts,
        ]
    )


def measure_kind(kind: Kind, quick: bool) -> Speeds:
    """Ask each server that can answer in the way of `kind` as fast as it answers.

    All are up, and are asked in turn, some rounds of a second each: a machine that is slow for a while is so for all of them.
    """
    names, skipped = choose(kind, NAMES)
    speeds = Speeds(skipped)
    with contextlib.ExitStack() as stack:
        servers = []
        for name in names:
            try:
                servers.append(stack.enter_context(serving(name, kind)))
            except BenchmarkError as error:
                _skip(name, error, speeds)
        for number in range(1, (1 if quick else ROUNDS) + 1):
            tell(f"{kind}: round {number} of {1 if quick else ROUNDS}: {', '.join(server.name for server in servers)}")
            for server in list(servers):
                try:
                    speeds.rounds.setdefault(server.name, []).append(_ask(server, kind, quick))
                except BenchmarkError as error:
                    servers.remove(server)
                    speeds.rounds.pop(server.name)
                    _skip(server.name, error, speeds)
    return speeds


def _skip(name: str, error: BenchmarkError, speeds: Speeds) -> None:
    if name == OURS:
        raise error
    speeds.skipped.append(str(error))


def _ask(server: Server, kind: Kind, quick: bool) -> Round:
    same_size = server.name in (BARE, FRAMEWORK) or (server.name == OURS and kind != "differing")
    events = None if server.name == "llmock" else EVENTS
    seconds, warm_up_s = (0.5, 0.3) if quick else (1.0, 0.3)
    answered, used = ask(Ask(server.port, kind, CONNECTIONS, seconds, warm_up_s, same_size, events), server)
    speed = answered.streams / answered.seconds
    return Round(
        speed,
        answered.bytes / answered.streams,
        answered.busy,
        None if used is None else used / speed,
        doubt_speed(answered.busy, used),
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
