"""The list of defects: each row explains cells of the matrix, each cell that is no pass is explained, and the document says so."""

from pathlib import Path
from typing import Any

import msgspec
import pytest

from mockserver.conformance.defects import Defect, find_idle, find_unexplained, read_defects, render_defects
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
