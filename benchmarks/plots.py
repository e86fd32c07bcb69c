"""The plots: SVG, drawn by matplotlib, which is imported only here."""

import io
from pathlib import Path
from typing import Any

from benchmarks.children import BenchmarkError
from benchmarks.row import Series

COLOURS = {"ours": "#0b6bcb", "bare": "#6b7280", "framework": "#a16207", "aimock": "#c2410c", "llmock": "#7e22ce"}
MARKERS = {"ours": "o", "bare": "s", "framework": "D", "aimock": "^", "llmock": "v"}


def draw(series: Series, file: Path, log: bool) -> None:
    """Write one plot. With `log`, the y axis is logarithmic. The same figures give the same bytes.

    Raises `BenchmarkError` where matplotlib is not installed.
    """
    try:
        import matplotlib
    except ImportError as error:
        raise BenchmarkError("matplotlib is needed for the plots: pip install -e '.[bench]'") from error
    matplotlib.use("svg")
    from matplotlib.figure import Figure

    style: Any = {"svg.fonttype": "path", "svg.hashsalt": "benchmarks", "font.size": 11}
    with matplotlib.rc_context(style):
        figure = Figure(figsize=(7.2, 4.2), layout="constrained")
        axes = figure.add_subplot()
        for name, points in series.points.items():
            reached = [(x, y) for x, y in points if y is not None]
            axes.plot(
                [x for x, _ in reached],
                [y for _, y in reached],
                label=name,
                color=COLOURS.get(name),
                marker=MARKERS.get(name, "o"),
                markersize=5,
            )
        axes.set(title=series.title, xlabel=series.x, ylabel=series.y)
        if log:
            axes.set_yscale("log")
        else:
            axes.set_ylim(bottom=0)
        axes.grid(True, alpha=0.3)
        axes.legend(frameon=False)
        drawn = io.BytesIO()
        figure.savefig(drawn, format="svg", metadata={"Date": None, "Creator": None}, facecolor="white")
    file.parent.mkdir(parents=True, exist_ok=True)
    # matplotlib leaves blanks at the ends of lines, which git would complain of.
    file.write_text("\n".join(line.rstrip() for line in drawn.getvalue().decode().splitlines()) + "\n")
