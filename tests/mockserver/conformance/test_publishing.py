"""What is published of a matrix: two equal runs make the same files, and what is written by hand stays."""

from pathlib import Path
from typing import Any

import pytest
import yaml

from mockserver.conformance.publishing import (
    BEGIN,
    BEGIN_DEFECTS,
    END,
    END_DEFECTS,
    find_changes,
    make_cells,
    make_table,
    render,
    trim_reports,
    write_docs,
)
from mockserver.conformance.report.data import make_report
from mockserver.errors import UsageError
from tests.mockserver.conformance.made import ROW, make_run, play
from tests.mockserver.conformance.made import make_verdicts_report as made_report


def test_a_cell_is_told_where_it_is_no_pass() -> None:
    cells = make_cells({"groq": made_report("groq", cut_clean_no_finish="weak", role_missing="fail")})
    assert cells["groq"]["cells"] == {
        "cut-clean-no-finish": ["weak", "why cut-clean-no-finish"],
        "role-missing": ["fail", "why role-missing"],
    }
    assert cells["groq"]["version"] == "1.0"
    assert cells["groq"]["lacks"] == ["n"]


def test_changes_are_told_of_the_same_version_alone() -> None:
    before = make_cells({"groq": made_report("groq", plain="fail"), "agno": made_report("agno", plain="fail")})
    now = make_cells(
        {"groq": made_report("groq", sse_crlf="hang"), "agno": made_report("agno", "2.0"), "together": made_report("t")}
    )
    assert list(find_changes(before, now)) == ["groq: plain was fail, is pass", "groq: sse-crlf was pass, is hang"]
    assert list(find_changes(before, before)) == []


def test_the_table_has_the_standard_and_the_dialects_apart() -> None:
    table = make_table({"groq": made_report("groq", cut_clean_no_finish="weak", role_missing="fail", plain="hang")})
    assert table.splitlines()[2] == "| groq | 1.0 | create(stream=True) in a loop | 1 of 3 | 0 of 1 | 1 | 1 | 1 |"
    clean = make_table({"groq": made_report("groq")})
    assert clean.splitlines()[2] == "| groq | 1.0 | create(stream=True) in a loop | 3 of 3 | 1 of 1 |  |  |  |"


def test_the_page_keeps_the_evidence_of_what_failed_and_no_times() -> None:
    passed, failed = (
        play_report({"content": "Hello, wörld! 你好 🙂"}),
        play_report({"content": "Bye", "finish_reason": "stop"}),
    )
    [first, second] = trim_reports([failed, {**failed, "results": passed["results"]}])
    [told], [again] = first["results"], second["results"]
    assert {"title", "requirement", "source", "expected", "got", "bytes"} <= told.keys()
    assert not told.keys() & {"writes", "deltas", "took_ms"}
    assert {"id", "verdict", "reasons"} <= again.keys()
    assert "title" not in again


def play_report(got: dict[str, Any]) -> dict[str, Any]:
    from mockserver.conformance.case import load_cases

    case = next(case for case in load_cases() if case.id == "sse-bom")
    return make_report(make_run([play(case, got)]))


def test_the_docs_are_the_same_when_every_verdict_is(tmp_path: Path) -> None:
    docs = tmp_path / "docs"
    docs.mkdir()
    (docs / "conformance.md").write_text(f"# By hand\n\n{BEGIN}\nold\n{END}\n\nThe rest.\n", encoding="utf-8")
    reports = {"groq": made_report("groq", plain="fail"), "agno": made_report("agno")}
    assert write_docs(reports, docs) == []
    before = {path.name: path.read_bytes() for path in docs.rglob("*.*")}
    assert before.keys() == {"conformance.md", "matrix.json", "matrix.html"}
    text = before["conformance.md"].decode()
    assert text.startswith(f"# By hand\n\n{BEGIN}\n\n| consumer |")
    assert text.endswith(f"2 consumers, 4 cases, 2023-11-14.\n\n{END}\n\nThe rest.\n")
    assert "old" not in text
    assert write_docs(reports, docs) == []
    assert {path.name: path.read_bytes() for path in docs.rglob("*.*")} == before
    assert write_docs({"groq": made_report("groq")}, docs) == ["groq: plain was fail, is pass"]


def test_a_document_is_begun_where_there_is_none_and_not_guessed_at_where_the_marks_are_gone(tmp_path: Path) -> None:
    write_docs({"groq": made_report("groq")}, tmp_path)
    assert BEGIN in (tmp_path / "conformance.md").read_text(encoding="utf-8")
    (tmp_path / "conformance.md").write_text("# Mine\n", encoding="utf-8")
    with pytest.raises(UsageError, match="between which goes what is made"):
        write_docs({"groq": made_report("groq")}, tmp_path)


def test_the_list_of_defects_is_written_beside_the_table(tmp_path: Path) -> None:
    (tmp_path / "conformance").mkdir()
    text = f"{BEGIN}\n{END}\n\nBy hand.\n\n{BEGIN_DEFECTS}\nold\n{END_DEFECTS}\n"
    (tmp_path / "conformance.md").write_text(text, encoding="utf-8")
    rows = [{**ROW, "cells": [{"consumers": ["groq"], "cases": ["sse-*"]}]}]
    (tmp_path / "conformance" / "defects.yaml").write_text(yaml.safe_dump(rows), encoding="utf-8")
    write_docs({"groq": made_report("groq", sse_crlf="fail")}, tmp_path)
    made = (tmp_path / "conformance.md").read_text(encoding="utf-8")
    assert "old" not in made
    assert "By hand." in made
    assert "**CRLF is not read** (defect, 1.0)" in made
    assert "- Cases: sse-crlf" in made


def test_rendering_anew_says_which_cells_are_not_explained(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "conformance").mkdir()
    (tmp_path / "conformance.md").write_text(f"{BEGIN}\n{END}\n{BEGIN_DEFECTS}\n{END_DEFECTS}\n", encoding="utf-8")
    rows = [{**ROW, "cells": [{"consumers": ["groq"], "cases": ["sse-*"]}]}]
    (tmp_path / "conformance" / "defects.yaml").write_text(yaml.safe_dump(rows), encoding="utf-8")
    write_docs({"groq": made_report("groq", sse_crlf="fail", plain="hang")}, tmp_path)
    assert render(tmp_path) == 1
    assert capsys.readouterr().out == "groq: plain: hang\n"
    write_docs({"groq": made_report("groq", sse_crlf="fail")}, tmp_path)
    assert render(tmp_path) == 0
