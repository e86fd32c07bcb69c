"""The matrix: what is installed and how, what is published of it, and that two equal runs make the same files."""

import json
import os
import sys
from pathlib import Path
from typing import Any

import pytest

from mockserver.conformance.adapters import Adapter, find_adapter
from mockserver.conformance.adapters.installing import find_python, install_consumers, node_folder
from mockserver.conformance.matrix import (
    BEGIN,
    END,
    Options,
    find_changes,
    judge_consumer,
    main,
    make_cells,
    make_matrix,
    make_table,
    trim_reports,
    write_docs,
)
from mockserver.conformance.report.data import make_report
from mockserver.errors import UsageError
from tests.mockserver.conformance.made import make_result, make_run, play

CASES = ("plain", "sse-crlf", "cut-clean-no-finish", "role-missing")


def made_report(name: str, version: str = "1.0", **verdicts: str) -> dict[str, Any]:
    results = [make_result(case, verdicts.get(case.replace("-", "_"), "pass"), f"why {case}") for case in CASES]  # type: ignore[arg-type]
    return make_report(make_run(results, name, version, ["n"]))


# Publishing


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
    with pytest.raises(UsageError, match="between which the table goes"):
        write_docs({"groq": made_report("groq")}, tmp_path)


# Installing


@pytest.fixture
def tools(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of tools that write down how they were called; the file that they write to."""
    log = tmp_path / "log"
    folder = tmp_path / "tools"
    folder.mkdir()
    for name in ("uv", "npm"):
        script = folder / name
        script.write_text(f'#!/bin/sh\necho "{name} $*" >> {log}\n', encoding="utf-8")
        script.chmod(0o755)
    monkeypatch.setenv("PATH", f"{folder}{os.pathsep}/usr/bin{os.pathsep}/bin")
    return log


def adapters(*names: str) -> list[Adapter]:
    return [find_adapter(name) for name in names]


def test_every_set_of_packages_is_installed_once(tools: Path, tmp_path: Path) -> None:
    told: list[str] = []
    chosen = adapters(
        "client", "openai-python", "openai-python-helper", "agno", "openai-node", "ai-sdk", "browser-fetch"
    )
    install_consumers(chosen, tmp_path / "m", told.append)
    calls = tools.read_text().splitlines()
    pythons = [find_python(find_adapter(name), tmp_path / "m") for name in ("openai-python", "agno")]
    assert calls == [
        "npm install --no-audit --no-fund --loglevel=error node@24",
        "npm install --no-audit --no-fund --loglevel=error @ai-sdk/openai-compatible@latest ai@latest openai@latest",
        f"uv venv --quiet --python {sys.executable} {pythons[0].parents[1]}",
        f"uv pip install --python {pythons[0]} --quiet --upgrade openai",
        f"uv venv --quiet --python {sys.executable} {pythons[1].parents[1]}",
        f"uv pip install --python {pythons[1]} --quiet --upgrade agno openai",
    ]
    assert len(told) == 3
    assert json.loads((node_folder(tmp_path / "m") / "package.json").read_text()) == {"private": True}


def test_pip_does_where_there_is_no_uv(tools: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "tools" / "uv").unlink()
    python = find_python(find_adapter("groq"), tmp_path)
    python.parent.mkdir(parents=True)
    python.write_text(f'#!/bin/sh\necho "python $*" >> {tools}\n', encoding="utf-8")
    python.chmod(0o755)
    monkeypatch.setattr(sys, "executable", str(python))
    install_consumers(adapters("groq"), tmp_path, lambda text: None)
    assert tools.read_text() == "python -m pip install --quiet --upgrade groq\n"
    python.unlink()
    other = tmp_path / "other"
    other.write_text(f'#!/bin/sh\necho "other $*" >> {tools}\n{sys.executable!s} --version 2>/dev/null; exit 3\n')
    other.chmod(0o755)
    monkeypatch.setattr(sys, "executable", str(other))
    with pytest.raises(UsageError, match=r"other -m venv .* failed"):
        install_consumers(adapters("groq"), tmp_path, lambda text: None)


def test_a_tool_that_is_missing_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(UsageError, match="npm is needed, and cannot be found"):
        install_consumers(adapters("ai-sdk"), tmp_path, lambda text: None)


# Judging


def test_a_consumer_is_judged_in_a_process_of_its_own(tmp_path: Path) -> None:
    told: list[str] = []
    options = Options(tmp_path / "m", tmp_path / "docs", install=False, check=("--run", "plain", "--run", "sse-bom"))
    reports = make_matrix(adapters("client", "groq"), options, told.append)
    assert list(reports) == ["client"]
    assert reports["client"]["command"] == "mockserver check --consumer client"
    assert reports["client"]["score"]["standard"]["pass"] == 2
    assert sorted(line.partition(":")[0].partition(" ")[2] for line in told) == ["client", "groq"]
    assert any("standard 2 of 2" in line for line in told)
    assert any("groq: not judged: mockserver:" in line for line in told)


def test_nodes_consumers_run_in_their_folder_by_its_node(tmp_path: Path) -> None:
    said = judge_consumer(find_adapter("ai-sdk"), Options(tmp_path, tmp_path), tmp_path / "result.json")
    assert isinstance(said, str)
    node = node_folder(tmp_path) / "node_modules" / ".bin" / "node"
    node.parent.mkdir(parents=True)
    node.write_text("#!/bin/sh\necho v19.0.0\n", encoding="utf-8")
    node.chmod(0o755)
    said = judge_consumer(find_adapter("ai-sdk"), Options(tmp_path, tmp_path), tmp_path / "result.json")
    assert isinstance(said, str)
    assert "is v19.0.0" in said


def test_some_names_are_judged_and_nothing_is_published(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    seen: list[Options] = []

    def fake(chosen: list[Adapter], options: Options, tell: Any) -> dict[str, Any]:
        seen.append(options)
        tell("working")
        return {adapter.name: made_report(adapter.name) for adapter in chosen if adapter.name != "agno"}

    monkeypatch.setattr("mockserver.conformance.matrix.make_matrix", fake)
    docs = tmp_path / "docs"
    arguments = ["--docs", str(docs), "--folder", str(tmp_path), "--keep", "--at-once", "3", "--jobs", "4"]
    assert main(["client", *arguments]) == 0
    assert "| client | 1.0 |" in capsys.readouterr().out
    assert not docs.exists()
    assert seen[0] == Options(tmp_path, docs, install=False, at_once=3, jobs=4)
    assert main(arguments) == 1, "one could not be judged"
    assert "every cell is what it was" in capsys.readouterr().out
    assert (docs / "conformance" / "matrix.json").is_file()
    assert main(["nobody"]) == 2
    assert "no adapter for a consumer 'nobody'" in capsys.readouterr().err
