"""The stored ratios, and what counts as worse. Pure but for reading and writing one file."""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Literal

import msgspec

from benchmarks.row import Row, ratios, show_ratio

FILE = Path(__file__).parent / "ratios.json"
TOLERANCE = 0.2
"""A ratio may be worse by this share of the stored one."""

Ratios = Mapping[str, Mapping[str, float]]
"""By row, then by who ours is compared with: our figure as so many times the other's."""


def collect(rows: Iterable[Row]) -> dict[str, dict[str, float]]:
    """The ratios of all rows that are compared, to four digits that count."""
    return {row.key: {name: _round(x) for name, x in ratios(row).items()} for row in rows if row.compared}


def load(file: Path = FILE) -> dict[str, dict[str, float]]:
    """The stored ratios; none where there is no file."""
    return msgspec.json.decode(file.read_bytes(), type=dict[str, dict[str, float]]) if file.exists() else {}


def store(found: Ratios, file: Path = FILE) -> None:
    """Write the ratios, one line each."""
    file.write_bytes(msgspec.json.format(msgspec.json.encode(found, order="sorted"), indent=2) + b"\n")


def is_worse(better: Literal["more", "less"], now: float, stored: float, tolerance: float = TOLERANCE) -> bool:
    """Whether a ratio is worse than the stored one by more than `tolerance` of it."""
    return now < stored * (1 - tolerance) if better == "more" else now > stored * (1 + tolerance)


def find_worse(rows: Iterable[Row], stored: Ratios) -> dict[str, str]:
    """For each row that got worse, by its key, one line that says by what."""
    found = {}
    for row in rows:
        now, before = ratios(row), stored.get(row.key, {})
        worse = [name for name in before if name in now and is_worse(row.better, now[name], before[name])]
        if worse:
            said = ", ".join(f"{show_ratio(now[name])} × {name}, was {show_ratio(before[name])}" for name in worse)
            found[row.key] = f"{row.key}: {row.figure}: {said} ({row.better} is better)"
    return found


def _round(ratio: float) -> float:
    return float(f"{ratio:.4g}")
