"""The list of defects: each row explains cells of the matrix, each cell that is no pass is explained, and the document says so."""

import json
import re
from itertools import groupby
from pathlib import Path
from typing import Any

import msgspec
import pytest

from mockserver.conformance.adapters import ADAPTERS
from mockserver.conformance.baseline import read_baseline
from mockserver.conformance.case import load_cases
from mockserver.conformance.defects import Defect, find_idle, find_unexplained, read_defects, render_defects
from mockserver.conformance.publishing import BEGIN_DEFECTS, END_DEFECTS
from mockserver.errors import UsageError
from tests.mockserver.conformance.made import ROW

ROOT = Path(__file__).parents[3]
DOCS = ROOT / "docs"
BASELINES = ROOT / "tests" / "baselines"


def make_row(**more: Any) -> Defect:
    return msgspec.convert({**ROW, **more}, Defect)


def make_matrix(**columns: dict[str, str]) -> dict[str, Any]:
    return {
        name: {"cells": {case: [verdict, "why"] for case, verdict in cells.items()}} for name, cells in columns.items()
    }


def test_a_cell_without_a_row_is_found() -> None:
    matrix = make_matrix(tiny={"sse-crlf": "fail", "plain": "hang", "n-one": "skip"}, other={"sse-crlf": "weak"})
    assert find_unexplained([make_row()], matrix) == ["tiny: plain: hang", "other: sse-crlf: weak"]


def test_what_explains_nothing_is_found() -> None:
    matrix = make_matrix(tiny={"sse-crlf": "fail", "cut-rst": "skip"})
    row = make_row(cells=[{"consumers": ["tiny", "big"], "cases": ["sse-*", "cut-*"]}])
    assert find_idle([row], matrix) == ["crlf: big", "crlf: cut-*"]


def test_a_row_is_rendered_with_its_cells_and_who_sends_such_streams() -> None:
    matrix = make_matrix(tiny={"sse-crlf": "fail"}, big={"sse-crlf": "fail", "sse-cr": "fail"})
    sources = {"sse-crlf": "observed: IIS", "sse-cr": "WHATWG HTML 9.2.6; observed: a Mac"}
    text = render_defects(
        [make_row(), make_row(id="two", kind="choice", version="", sent_by="nobody")], matrix, sources
    )
    assert "| defect | 1 |" in text
    assert "| choice | 1 |" in text
    assert text.count("### tiny") == 1
    assert "**CRLF is not read** (defect, 1.0)" in text
    assert "- Cause: it splits at LF. [`tiny/sse.py:3`]" in text
    assert "- Sent by: IIS; a Mac\n" in text
    assert "- Seen with: tiny, big\n- Cases: sse-crlf, sse-cr\n" in text
    assert "(choice)" in text
    assert "- Sent by: nobody\n" in text


def test_a_rule_that_nobody_was_seen_to_use_may_be_used_by_anybody() -> None:
    text = render_defects([make_row()], make_matrix(tiny={"sse-crlf": "fail"}), {"sse-crlf": "WHATWG HTML 9.2.6"})
    assert "- Sent by: any server" in text


def test_a_file_that_is_no_list_of_rows_is_told(tmp_path: Path) -> None:
    path = tmp_path / "defects.yaml"
    path.write_text("- {id: one}\n", encoding="utf-8")
    with pytest.raises(UsageError, match=r"cannot read the defects .*library"):
        read_defects(path)


# What is published

ROWS = read_defects(DOCS / "conformance" / "defects.yaml")
MATRIX: dict[str, Any] = json.loads((DOCS / "conformance" / "matrix.json").read_text(encoding="utf-8"))


def test_every_cell_that_is_no_pass_is_explained_and_every_row_explains_some() -> None:
    assert find_unexplained(ROWS, MATRIX) == []
    assert find_idle(ROWS, MATRIX) == []


def test_the_matrix_is_of_cases_and_consumers_that_there_are() -> None:
    assert MATRIX.keys() <= ADAPTERS.keys()
    assert len(MATRIX) >= 25
    assert {case for column in MATRIX.values() for case in column["cells"]} <= {case.id for case in load_cases()}


def test_every_row_has_an_id_of_its_own_and_replays_a_case_of_it() -> None:
    assert len({row.id for row in ROWS}) == len(ROWS)
    for row in ROWS:
        told = re.fullmatch(r"mockserver check --consumer (\S+)((?: --run \S+)+)( --strict)?", row.replay)
        assert told, row.replay
        globs = re.findall(r"--run '?([^' ]+)'?", told[2])
        cells = MATRIX[told[1]]["cells"]
        for glob in globs:
            pattern = re.compile(glob.replace("*", ".*"))
            assert any(pattern.fullmatch(case) and row.explains(told[1], case) for case in cells), row.replay


@pytest.mark.parametrize("row", [row for row in ROWS if row.kind != "choice"], ids=lambda row: row.id)
def test_every_row_names_the_library_its_version_and_the_line(row: Defect) -> None:
    assert row.version
    assert len(row.cause) > 10
    assert re.match(r"[\w@./:-]+:[1-9]\d*\b", row.where), f"expected file:line, got {row.where}"


def test_rows_of_a_library_stand_together() -> None:
    libraries = [library for library, _ in groupby(ROWS, key=lambda row: row.library)]
    assert len(set(libraries)) == len(libraries)


@pytest.mark.parametrize("path", sorted(BASELINES.glob("*.txt")), ids=lambda path: path.stem)
def test_a_baseline_is_explained_by_the_rows(path: Path) -> None:
    known = dict.fromkeys(read_baseline(path))
    assert [case for case in known if not any(row.explains(path.stem, case) for row in ROWS)] == []


def test_the_document_holds_the_list_as_it_is() -> None:
    text = (DOCS / "conformance.md").read_text(encoding="utf-8")
    told = text.partition(BEGIN_DEFECTS)[2].partition(END_DEFECTS)[0]
    sources = {case.id: case.source for case in load_cases()}
    assert told.strip() == render_defects(ROWS, MATRIX, sources)
