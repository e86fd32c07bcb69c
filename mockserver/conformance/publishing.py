"""What is published of a matrix: its cells as data, the page, the table of scores and the list of defects in the document."""

import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from mockserver.conformance.adapters import ADAPTERS
from mockserver.conformance.case import load_cases
from mockserver.conformance.defects import find_unexplained, read_defects, render_defects
from mockserver.conformance.replays import choose_replays, write_replays
from mockserver.conformance.report.page import write_page
from mockserver.errors import UsageError

BEGIN, END = "<!-- matrix: made by `make matrix` -->", "<!-- matrix ends -->"
BEGIN_DEFECTS, END_DEFECTS = "<!-- defects: made of defects.yaml by `make matrix` -->", "<!-- defects end -->"

_REASON_LENGTH = 300
_TIMED = ("writes", "deltas", "took_ms", "output")
_TOLD_ONCE = ("class", "title", "requirement", "source", "keyword", "because")
_EVIDENCE = ("expected", "got", "bytes", "ended", "requests")

Report = dict[str, Any]
"""The report of one consumer, as `mockserver check --json` writes it."""


def make_cells(reports: Mapping[str, Report]) -> Report:
    """Every cell as plain data: the same whenever every verdict is."""
    return {
        name: {
            "version": report["consumer"]["version"],
            "lacks": report["consumer"]["lacks"],
            "score": report["score"],
            "cells": {
                result["id"]: [result["verdict"], *(reason[:_REASON_LENGTH] for reason in result["reasons"][:1])]
                for result in report["results"]
                if result["verdict"] != "pass"
            },
        }
        for name, report in reports.items()
    }


def find_changes(before: Report, now: Report) -> Iterator[str]:
    """The cells that are not what they were, of consumers whose version is."""
    for name, new in now.items():
        old = before.get(name)
        if old is None or old["version"] != new["version"]:
            continue
        for case in sorted({*old["cells"], *new["cells"]}):
            was, is_ = (column["cells"].get(case, ["pass"])[0] for column in (old, new))
            if was != is_:
                yield f"{name}: {case} was {was}, is {is_}"


def trim_reports(reports: Sequence[Report]) -> list[Report]:
    """The reports without what the page can do without: times, the evidence of what passed, and what is told of a case once."""
    told: set[str] = set()
    return [{**report, "results": [_trim(result, told) for result in report["results"]]} for report in reports]


def _trim(result: Report, told: set[str]) -> Report:
    dropped = {*_TIMED, *(_EVIDENCE if result["verdict"] in ("pass", "skip") else ())}
    if result["id"] in told:
        dropped |= set(_TOLD_ONCE)
    told.add(result["id"])
    return {key: value for key, value in result.items() if key not in dropped}


def make_table(reports: Mapping[str, Report]) -> str:
    """The scores as a table of Markdown."""
    lines = [
        "| consumer | version | driven as | standard | dialects | weak | fail | hang, crash |",
        "|---|---|---|---:|---:|---:|---:|---:|",
    ]
    for name, report in reports.items():
        standard, dialect = (report["score"][kind] for kind in ("standard", "dialect"))
        weak, fail = (standard[verdict] + dialect[verdict] for verdict in ("weak", "fail"))
        stuck = sum(score[verdict] for score in (standard, dialect) for verdict in ("hang", "crash"))
        lines.append(
            f"| {name} | {report['consumer']['version']} | {ADAPTERS[name].says} | {tell_fraction(standard)} | {tell_fraction(dialect)} "
            f"| {weak or ''} | {fail or ''} | {stuck or ''} |"
        )
    return "\n".join(lines)


def tell_fraction(score: Mapping[str, int]) -> str:
    """How many of how many passed."""
    return f"{score['pass']} of {score['total']}"


def write_docs(reports: Mapping[str, Report], docs: Path) -> list[str]:
    """Write what is published; the cells that are not what they were at the last time."""
    folder = docs / "conformance"
    folder.mkdir(parents=True, exist_ok=True)
    cells_file = folder / "matrix.json"
    cells = make_cells(reports)
    before = json.loads(cells_file.read_text(encoding="utf-8")) if cells_file.exists() else {}
    cells_file.write_text(json.dumps(cells, ensure_ascii=False, indent=1, sort_keys=True) + "\n", encoding="utf-8")
    page = write_page(trim_reports(list(reports.values())))
    (folder / "matrix.html").write_text(page, encoding="utf-8")
    made = max(report["made_at"] for report in reports.values())[:10]
    count = max(len(report["results"]) for report in reports.values())
    table = f"{make_table(reports)}\n\n{len(reports)} consumers, {count} cases, {made}."
    write_between(docs / "conformance.md", BEGIN, END, table)
    write_defects(docs)
    return list(find_changes(before, cells))


def write_between(path: Path, begin: str, end: str, text: str) -> None:
    """Put a text between two marks of a file, which is begun where there is none. Raises `UsageError` if a mark is gone."""
    old = path.read_text(encoding="utf-8") if path.exists() else f"# Conformance\n\n{begin}\n{end}\n"
    front, found_begin, rest = old.partition(begin)
    _, found_end, back = rest.partition(end)
    if not found_begin or not found_end:
        raise UsageError(f"{path}: expected the lines {begin!r} and {end!r}, between which goes what is made")
    path.write_text(f"{front}{begin}\n\n{text}\n\n{end}{back}", encoding="utf-8")


def write_defects(docs: Path) -> None:
    """Write the list of defects, where there is one, and their replays, by the matrix that was published last."""
    rows = docs / "conformance" / "defects.yaml"
    if not rows.exists():
        return
    cells = json.loads((docs / "conformance" / "matrix.json").read_text(encoding="utf-8"))
    sources = {case.id: case.source for case in load_cases()}
    defects = read_defects(rows)
    replays = list(choose_replays(defects, cells, load_cases()))
    write_replays(replays, docs / "conformance" / "replays")
    text = render_defects(defects, cells, sources, {replay.defect.id: replay.command for replay in replays})
    write_between(docs / "conformance.md", BEGIN_DEFECTS, END_DEFECTS, text)


def render(docs: Path) -> int:
    """Write the list of defects, and say which cells it does not explain; 1 if there are any."""
    write_defects(docs)
    folder = docs / "conformance"
    cells = json.loads((folder / "matrix.json").read_text(encoding="utf-8"))
    unexplained = find_unexplained(read_defects(folder / "defects.yaml"), cells)
    print("\n".join(unexplained) or "every cell that is no pass is explained")
    return int(bool(unexplained))
