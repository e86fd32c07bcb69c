"""The matrix: what is installed and how, what is published of it, and that two equal runs make the same files."""

import json
import os
import sys
from pathlib import Path
from typing import Any

import pytest

from mockserver.conformance.adapters import Adapter, find_adapter
from mockserver.conformance.adapters.installing import find_python, install_consumers, node_folder
from mockserver.conformance.matrix import Options, judge_consumer, main, make_matrix
from mockserver.errors import UsageError
from tests.mockserver.conformance.made import make_verdicts_report as made_report

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
