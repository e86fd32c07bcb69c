"""docs/performance.md: what was measured, when, where, against whom. Pure but for `write_report`."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path

from benchmarks.peers import OTHERS
from benchmarks.plots import draw
from benchmarks.row import (
    OURS,
    YARDSTICK,
    Measured,
    Reading,
    Row,
    Series,
    best_peer,
    describe_goal,
    is_met,
    ratios,
    show_figure,
    show_number,
    show_ratio,
)

PLOTS = "performance"
LOG = frozenset({"lateness"})
"""The series that span several powers of ten."""

VERDICTS = {True: "yes", False: "**no**", None: "-"}

INTRODUCTION = """\
# Performance

Written by `make bench`. Every figure is from one run on one machine; between machines only the ratios can be compared. The
server runs on one core, the load generator on another, in a process of its own; it is tried on the bare limit first.

- **bare**: a uvloop protocol without any framework that writes ready-made bytes; paced, a timer of the loop's a stream, in whole ms.
- **framework**: Starlette under uvicorn with ready-made bytes, and nothing else.
- **peer**: the best of the other programs measured.
- A stream is 203 events: a role, 200 tokens, a finish reason, `[DONE]`. A request is what an SDK sends by default.
"""


def write_report(measured: Sequence[Measured], about: Mapping[str, str], docs: Path) -> None:
    """Write the page and its plots into a folder. Raises `BenchmarkError` where a plot cannot be drawn."""
    for key, series in find_series(measured).items():
        draw(series, docs / PLOTS / f"{key}.svg", key in LOG)
    (docs / "performance.md").write_text(render_report(measured, about))


def render_report(measured: Sequence[Measured], about: Mapping[str, str]) -> str:
    """The whole page."""
    rows = [row for one in measured for row in one.rows]
    parts = [INTRODUCTION, *(f"- {name}: {told}" for name, told in about.items()), "", "## Figures", ""]
    parts += _table(
        ["", "unit", "ours", "limit", "peer", "ours ÷ limit", "ours ÷ peer", "goal", "met"],
        map(_cells, rows),
        numbers=range(2, 7),
    )
    for key, series in find_series(measured).items():
        parts += ["", f"## {series.title}", "", f"![{series.title}]({PLOTS}/{key}.svg)", "", *_render_series(series)]
    readings = [reading for one in measured for reading in one.readings]
    if readings:
        parts += ["", "## Read by others", "", *_render_readings(readings)]
    remarks = [remark for one in measured for remark in one.remarks]
    skipped = [f"Not measured: {what}." for one in measured for what in one.skipped]
    parts += ["", "## Notes", "", *(f"- {line}" for line in dict.fromkeys([*remarks, *skipped]))]
    for row in rows:
        parts += [
            f"- {row.figure}:",
            *(f"  - {note}" for note in (*(f"in doubt: {doubt}" for doubt in row.doubts), *row.notes)),
        ]
    return "\n".join(parts) + "\n"


def describe_others() -> dict[str, str]:
    """The versions of the other programs that are installed."""
    return {name: f"{other.package} {other.find_version()}" for name, other in OTHERS.items() if other.is_installed}


def find_series(measured: Sequence[Measured]) -> dict[str, Series]:
    """All series, by the names of their plots."""
    return {key: series for one in measured for key, series in one.series.items()}


def _cells(row: Row) -> list[str]:
    found, peer = ratios(row), best_peer(row)
    ours = show_figure(row.figures, OURS) + (" (in doubt)" if row.doubts else "")
    goal = describe_goal(row)
    return [
        row.figure,
        row.unit,
        ours,
        _named(row.figures, row.limit),
        f"{show_number(peer[1])} ({peer[0]})" if peer else "-",
        show_ratio(found.get(row.limit)),
        show_ratio(found.get(peer[0])) if peer else "-",
        goal or "-",
        VERDICTS[is_met(row)],
    ]


def _named(figures: Mapping[str, float], name: str) -> str:
    return f"{show_number(figures[name])} ({name})" if name in figures and name != YARDSTICK else "-"


def _render_series(series: Series) -> Iterator[str]:
    """A table of the points: a plot cannot be read by everybody."""
    counts = sorted({count for points in series.points.values() for count, _ in points})
    rows = ([name, *(_point(dict(points), count) for count in counts)] for name, points in series.points.items())
    return _table([f"{series.y}, at", *(f"{count:,}" for count in counts)], rows, numbers=range(1, len(counts) + 1))


def _point(points: Mapping[int, float | None], count: int) -> str:
    if count not in points:
        return "-"
    figure = points[count]
    return "not reached" if figure is None else show_number(figure)


def _render_readings(readings: Iterable[Reading]) -> Iterator[str]:
    rows = ([r.quantity, *(f"{x:,.2f} {r.unit}" for x in (r.planned, r.mean, r.p50, r.p99))] for r in readings)
    return _table(["aiperf reports", "told", "mean", "p50", "p99"], rows, numbers=range(1, 5))


def _table(head: Sequence[str], rows: Iterable[Sequence[str]], numbers: range) -> Iterator[str]:
    """A table in Markdown; the columns `numbers` are set to the right."""
    yield f"| {' | '.join(head)} |"
    yield f"|{'|'.join('--:' if at in numbers else '---' for at in range(len(head)))}|"
    for row in rows:
        yield f"| {' | '.join(cell.replace('|', '/') for cell in row)} |"
