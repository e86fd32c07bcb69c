"""The defects found, as data: each counted once, under the library that holds it, with the cells of the matrix that it explains.

They are kept in `docs/conformance/defects.yaml`, written by hand, each verified by reading the line that causes it. Every cell of
the matrix that is no pass must be explained by a row; a row must explain a cell. The list in the documents is made of it.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from fnmatch import fnmatchcase
from itertools import groupby
from pathlib import Path
from typing import Any, Literal

import msgspec
import yaml

from mockserver.errors import UsageError

Kind = Literal["defect", "weakness", "cost", "dialect", "choice"]

KINDS: dict[Kind, str] = {
    "defect": "the standard or OpenAI's contract says otherwise",
    "weakness": "a broken answer is not reported, though it can be known to be broken; or what is left is not closed",
    "cost": "time grows with the square of what is read",
    "dialect": "another provider's departure, which nobody has promised to understand",
    "choice": "its makers say that it is meant so, or it is the loop's own: not counted",
}


_SENDERS = 4


class Cells(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Cells of the matrix: every one of the cases of every one of the consumers. Both may be patterns such as `cut-*`."""

    consumers: tuple[str, ...]
    cases: tuple[str, ...]

    def hold(self, consumer: str, case: str) -> bool:
        """Whether a cell is one of them."""
        return any(fnmatchcase(consumer, glob) for glob in self.consumers) and any(
            fnmatchcase(case, glob) for glob in self.cases
        )


class Defect(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """One root cause: what is wrong, by which rule, at which line, and the cells that come of it."""

    id: str
    library: str
    version: str
    kind: Kind
    title: str
    rule: str
    where: str
    cause: str
    replay: str
    cells: tuple[Cells, ...]
    sent_by: str = ""

    def explains(self, consumer: str, case: str) -> bool:
        """Whether it is a cause of a cell that is no pass."""
        return any(cells.hold(consumer, case) for cells in self.cells)


def read_defects(path: Path) -> tuple[Defect, ...]:
    """The rows of a file, in its order. Raises `UsageError`."""
    try:
        return msgspec.convert(yaml.safe_load(path.read_text(encoding="utf-8")), tuple[Defect, ...])
    except (OSError, UnicodeDecodeError, yaml.YAMLError, msgspec.ValidationError) as error:
        raise UsageError(f"cannot read the defects {path}: {error}") from error


def list_bad_cells(matrix: Mapping[str, Any]) -> Iterator[tuple[str, str, str]]:
    """The cells that are no pass: consumer, case, verdict."""
    for consumer, column in matrix.items():
        for case, (verdict, *_) in column["cells"].items():
            if verdict != "skip":
                yield consumer, case, verdict


def find_unexplained(defects: Sequence[Defect], matrix: Mapping[str, Any]) -> list[str]:
    """The cells that no row explains."""
    return [
        f"{consumer}: {case}: {verdict}"
        for consumer, case, verdict in list_bad_cells(matrix)
        if not any(defect.explains(consumer, case) for defect in defects)
    ]


def find_idle(defects: Sequence[Defect], matrix: Mapping[str, Any]) -> list[str]:
    """What explains nothing: consumers and cases of a row without a cell that is no pass."""
    bad = [(consumer, case) for consumer, case, _ in list_bad_cells(matrix)]
    return [
        f"{defect.id}: {glob}"
        for defect in defects
        for cells in defect.cells
        for glob, place in (*((glob, 0) for glob in cells.consumers), *((glob, 1) for glob in cells.cases))
        if not any(cells.hold(*cell) and fnmatchcase(cell[place], glob) for cell in bad)
    ]


def render_defects(
    defects: Sequence[Defect], matrix: Mapping[str, Any], sources: Mapping[str, str], replays: Mapping[str, str]
) -> str:
    """The list as Markdown: how many of which kind, then the rows by library.

    `sources` says whose rule each case tests, `replays` by which one command a row is seen.
    """
    lines = ["| kind | rows | means |", "|---|---:|---|"]
    lines += [f"| {kind} | {sum(row.kind == kind for row in defects)} | {says} |" for kind, says in KINDS.items()]
    bad = [(consumer, case) for consumer, case, _ in list_bad_cells(matrix)]
    for library, rows in groupby(defects, key=lambda row: row.library):
        lines += ["", f"### {library}"]
        for row in rows:
            lines += ["", *_render_defect(row, [cell for cell in bad if row.explains(*cell)], sources)]
            lines += [_render_replay(row, replays.get(row.id))]
    return "\n".join(lines)


def _render_defect(defect: Defect, cells: Sequence[tuple[str, str]], sources: Mapping[str, str]) -> Iterator[str]:
    consumers = dict.fromkeys(consumer for consumer, _ in cells)
    cases = dict.fromkeys(case for _, case in cells)
    yield f"**{defect.title}** ({', '.join(filter(None, (defect.kind, defect.version)))})"
    yield ""
    yield f"- Rule: {defect.rule}"
    yield f"- Cause: {defect.cause} {_mark_code(defect.where)}"
    yield f"- Sent by: {defect.sent_by or _list_senders(cases, sources)}"
    yield f"- Seen with: {', '.join(consumers)}"
    yield f"- Cases: {', '.join(cases)}"


def _render_replay(defect: Defect, command: str | None) -> str:
    """The one command with its file, and that which plays more of the row's cases."""
    if command is None:
        return f"- Replay: `{defect.replay}`"
    more = f"; more: `{defect.replay}`" if defect.replay != command else ""
    return f"- Replay: `{command}` ([the scenario](conformance/replays/{defect.id}.yaml)){more}"


def _mark_code(where: str) -> str:
    """A place in code, in brackets; a path without quotes of its own is set as code."""
    return f"[{where}]" if "`" in where else f"[`{where}`]"


def _list_senders(cases: Iterable[str], sources: Mapping[str, str]) -> str:
    """Who has been seen to send such streams, by the sources of the cases; a rule of a standard may be used by anybody."""
    seen = [part for case in cases for part in sources.get(case, "").split(";") if "observed:" in part]
    told = dict.fromkeys(part.partition("observed:")[2].strip() for part in seen)
    return "; ".join(list(told)[:_SENDERS]) or "any server: it is in the standard, or in OpenAI's contract"
