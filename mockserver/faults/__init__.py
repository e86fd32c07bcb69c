"""Faults: deliberate departures from a legal delivery, each a small frozen type that names its arrow and its verdict.

To add one, write its class in the file of its arrow and put it into that file's table: see CONTRIBUTING, which starts from
`Fault`, the one that does nothing.
"""

from collections.abc import Iterable
from random import Random
from typing import TYPE_CHECKING, Union

from mockserver.faults import body, cuts, events, large, told
from mockserver.faults.fault import Around, Fault
from mockserver.faults.landmarks import Landmarks, find_landmarks

__all__ = ["FAULTS", "AnyFault", "Around", "Fault", "Landmarks", "choose", "find_landmarks"]

FAULTS: dict[str, type[Fault]] = {
    str(kind.__struct_config__.tag): kind
    for kind in (*cuts.TABLE, *events.TABLE, *told.TABLE, *body.TABLE, *large.TABLE)
}
"""Every fault by its name."""

if TYPE_CHECKING:
    AnyFault = Fault
else:
    AnyFault = Union[tuple(FAULTS.values())]  # noqa: UP007 - what may stand in a scenario's list of faults


def choose(faults: Iterable[AnyFault], key: str) -> list[AnyFault]:
    """The faults that strike this request, each with its probability. `key` names seed, request and ordinal."""
    return [
        fault
        for number, fault in enumerate(faults)
        if fault.probability >= 1 or Random(f"fault/{number}/{key}").random() < fault.probability
    ]
