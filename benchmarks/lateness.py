"""How late the events of paced streams came: arrivals against due times, put together. Pure."""

import math
from collections.abc import Sequence

from msgspec import Struct


class Lateness(Struct, frozen=True):
    """Times in seconds, over all events of all streams; early ones are below zero. `drift` is a share of the planned total
    (None where no stream was complete); `missing` counts events that had not come when the wait was over.
    """

    p50_s: float
    p99_s: float
    max_s: float
    min_s: float
    drift: float | None
    missing: int


def percentile(ordered: Sequence[float], share: float) -> float:
    """The smallest value that at least `share` of all values do not exceed; `ordered` is not empty and goes upwards."""
    return ordered[max(math.ceil(share * len(ordered)) - 1, 0)]


def median(values: Sequence[float]) -> float:
    """The lower median."""
    return percentile(sorted(values), 0.5)


def summarise(late_s: Sequence[float], drifts: Sequence[float], missing: int) -> Lateness | None:
    """All events' lateness and each complete stream's drift as one; None if no event came at all."""
    if not late_s:
        return None
    ordered = sorted(late_s)
    drift = median(drifts) if drifts else None
    return Lateness(percentile(ordered, 0.5), percentile(ordered, 0.99), ordered[-1], ordered[0], drift, missing)


def find_drift(first_s: float, last_s: float, planned_s: float) -> float:
    """How much longer than planned it took from the first event to the last, as a share of the plan."""
    return (last_s - first_s) / planned_s - 1
