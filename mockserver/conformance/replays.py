"""The smallest scenario that shows each defect, as a file of its own: made of the case, so that both stay the same.

DOCS/conformance/replays/ID.yaml    for `mockserver check --scenario`, for `mockserver serve`, and for a bug report
"""

import shlex
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from mockserver.conformance.case import Case
from mockserver.conformance.defects import Defect, list_bad_cells
from mockserver.loading import dump_scenarios
from mockserver.scenario import ScenarioFile

FOLDER = "docs/conformance/replays"

_ASKED_ANYWAY = {"n", "tools", "functions"}
"""What is asked by itself where a reply calls for it; see `adhoc.py`."""


class Replay(NamedTuple):
    """A row played again: by whom, which case, whether its scenario says all of it, and whether `weak` is to fail."""

    defect: Defect
    consumer: str
    case: Case
    is_whole: bool
    strict: bool

    @property
    def command(self) -> str:
        """The one command that shows the defect."""
        chosen = f"--scenario {FOLDER}/{self.defect.id}.yaml" if self.is_whole else f"--run {self.case.id}"
        return f"mockserver check --consumer {self.consumer} {chosen}{' --strict' if self.strict else ''}"

    @property
    def text(self) -> str:
        """The scenario file."""
        lines = [f"{self.defect.library}: {self.defect.title}", f"Made of the case {self.case.id}.", self.command]
        if not self.is_whole:
            lines.append("That plays the case: the consumer's part, to leave or to ask again, no scenario can say.")
        return "".join(f"# {line}\n" for line in lines) + _dump(self.case)


def choose_replays(defects: Sequence[Defect], matrix: Mapping[str, Any], cases: Sequence[Case]) -> Iterator[Replay]:
    """A replay for each row that explains a cell: of its cases the one with the shortest scenario that says all of it.

    The consumer is that of the row's own command, if it has such a cell.
    """
    by_id = {case.id: case for case in cases}
    for defect in defects:
        cells = [(who, what, verdict) for who, what, verdict in list_bad_cells(matrix) if defect.explains(who, what)]
        words = shlex.split(defect.replay)
        told = words[words.index("--consumer") + 1]
        consumer = next((who for who, *_ in sorted(cells, key=lambda cell: cell[0] != told)), told)
        of_it = {what: verdict for who, what, verdict in cells if who == consumer and what in by_id}
        if of_it:
            name = min(of_it, key=lambda what: (not _is_whole(by_id[what]), len(_dump(by_id[what]))))
            yield Replay(defect, consumer, by_id[name], _is_whole(by_id[name]), of_it[name] == "weak")


def _is_whole(case: Case) -> bool:
    """Whether the scenario alone, with what is asked for its reply, is the case."""
    acts = case.leave_after_chunks is not None or case.retries or case.read_pause_ms or case.then_plain
    return not acts and case.request.keys() <= _ASKED_ANYWAY


def _dump(case: Case) -> str:
    return dump_scenarios(ScenarioFile(scenarios=(case.as_scenario(),)))


def write_replays(replays: Sequence[Replay], folder: Path) -> None:
    """Write a file for each, and take away those of rows that are gone."""
    folder.mkdir(parents=True, exist_ok=True)
    names = {f"{replay.defect.id}.yaml": replay.text for replay in replays}
    for path in folder.glob("*.yaml"):
        if path.name not in names:
            path.unlink()
    for name, text in names.items():
        (folder / name).write_text(text, encoding="utf-8")
