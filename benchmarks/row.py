"""A row: one figure of every server measured, what it is compared with, and what it ought to be. Pure."""

from collections.abc import Mapping
from typing import Literal

from msgspec import Struct

OURS = "ours"
BARE = "bare"
FRAMEWORK = "framework"
YARDSTICK = "yardstick"
PEER = "peer"
"""In a goal: the best of those that are neither ours nor a limit."""

NOT_PEERS = frozenset({OURS, BARE, FRAMEWORK, YARDSTICK})


class Goal(Struct, frozen=True):
    """What a figure ought to reach at least (at most, where less is better): a number, or so many times another's figure."""

    bound: float
    of: str | None = None


class Row(Struct, frozen=True):
    """One figure. `figures` holds it by who was measured; `limit` names the one that counts as the bare limit.

    `notes` say what a reader must know; `doubts` say why a figure is not to be trusted, and make no goal met. What is not
    `compared` has no stored ratio: its figures are so near to nothing that their ratios are noise.
    """

    key: str
    figure: str
    unit: str
    better: Literal["more", "less"]
    figures: dict[str, float]
    goals: tuple[Goal, ...] = ()
    limit: str = BARE
    notes: tuple[str, ...] = ()
    doubts: tuple[str, ...] = ()
    compared: bool = True


class Series(Struct, frozen=True):
    """A figure against the number of streams: for each server its points (streams, figure), a point None if not reached."""

    title: str
    x: str
    y: str
    points: dict[str, list[tuple[int, float | None]]]


class Reading(Struct, frozen=True):
    """What somebody else's program reports of a quantity that the server was told, `planned`."""

    quantity: str
    unit: str
    planned: float
    mean: float
    p50: float
    p99: float


class Measured(Struct, frozen=True):
    """What one script found out. `skipped` says in a sentence what was not measured, and why."""

    rows: tuple[Row, ...]
    series: dict[str, Series] = {}
    skipped: tuple[str, ...] = ()
    remarks: tuple[str, ...] = ()
    readings: tuple[Reading, ...] = ()


def best_peer(row: Row) -> tuple[str, float] | None:
    """The peer with the best figure, and that figure."""
    peers = [(value, name) for name, value in row.figures.items() if name not in NOT_PEERS]
    if not peers:
        return None
    value, name = max(peers) if row.better == "more" else min(peers)
    return name, value


def ratios(row: Row) -> dict[str, float]:
    """Our figure as so many times each other's."""
    ours = row.figures.get(OURS)
    if ours is None:
        return {}
    return {name: ours / value for name, value in row.figures.items() if name != OURS and value}


def is_met(row: Row) -> bool | None:
    """Whether every goal is met: not where ours was not reached. None: no goal, nothing to compare with, or in doubt."""
    verdicts = [_is_reached(row, goal) for goal in row.goals]
    if False in verdicts:
        return False
    return None if not verdicts or None in verdicts or row.doubts else True


def _is_reached(row: Row, goal: Goal) -> bool | None:
    ours, reference = row.figures.get(OURS), _reference(row, goal)
    if ours is None:
        return False
    if reference is None:
        return None
    bound = goal.bound * reference
    return ours >= bound if row.better == "more" else ours <= bound


def _reference(row: Row, goal: Goal) -> float | None:
    if goal.of is None:
        return 1.0
    if goal.of == PEER:
        best = best_peer(row)
        return best[1] if best else None
    return row.figures.get(goal.of)


def describe_goal(row: Row) -> str:
    """The goals as a reader of the table sees them, such as `≥ 10,000; ≥ 5 × peer`."""
    sign = "≥" if row.better == "more" else "≤"
    said = (f"{sign} {show_number(g.bound)}" + (f" × {g.of}" if g.of else "") for g in row.goals)
    return "; ".join(said)


def show_number(value: float) -> str:
    """Three digits that count, thousands apart: `12,300`, `4.08`, `0.012`."""
    size = abs(value)
    if size >= 1000:
        return f"{round(value, 3 - len(str(int(size)))):,.0f}"
    digits = 0 if size >= 100 else 1 if size >= 10 else 2 if size >= 1 else 3
    text = f"{value:.{digits}f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def show_ratio(ratio: float | None) -> str:
    """A ratio for the table; a dash where there is none."""
    return "-" if ratio is None else f"{ratio:.2f}" if ratio < 10 else f"{ratio:.0f}"


def show_figure(figures: Mapping[str, float], name: str) -> str:
    """One server's figure, or a dash."""
    return show_number(figures[name]) if name in figures else "-"
