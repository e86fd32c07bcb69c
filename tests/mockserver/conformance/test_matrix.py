"""The matrix: what is installed and how, what is published of it, and that two equal runs make the same files."""

import json
import os
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from mockserver.conformance.adapters import Adapter, find_adapter
from mockserver.conformance.adapters.installing import find_python, install_consumers, node_folder
from mockserver.conformance.case import choose_cases, load_cases
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


@pytest.fixture
def few(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Options:
    """A matrix of the two cases `plain` and `sse-bom`, of which `plain` is to be played anew, and no results yet."""
    monkeypatch.setattr("mockserver.conformance.matrix.load_cases", lambda: choose_cases(load_cases(), FEW))
    (tmp_path / "m" / "results").mkdir(parents=True)
    return Options(tmp_path / "m", tmp_path / "docs", install=False, run=("plain",))


FEW = ("plain", "sse-bom")


def store(options: Options, name: str = "client", **more: Any) -> Path:
    """Put results of the two cases into the folder: wrong of `plain`, and true of `sse-bom`."""
    stored = options.folder / "results" / "client.json"
    report = judge_consumer(find_adapter("client"), replace(options, run=FEW), stored)
    assert isinstance(report, dict), report
    report["results"][0] |= {"verdict": "fail", "reasons": ["of old"]}
    path = stored.with_stem(name)
    path.write_text(json.dumps({**report, **more}), encoding="utf-8")
    return path


def test_a_consumer_is_judged_in_a_process_of_its_own(tmp_path: Path) -> None:
    options = Options(tmp_path / "m", tmp_path / "docs", run=FEW)
    report = judge_consumer(find_adapter("client"), options, tmp_path / "client.json")
    assert isinstance(report, dict)
    assert report["command"] == "mockserver check --consumer client"
    assert report["score"]["standard"]["pass"] == 2
    said = judge_consumer(find_adapter("groq"), options, tmp_path / "groq.json")
    assert isinstance(said, str)
    assert said.startswith("not judged: mockserver:")


def test_cases_that_are_played_anew_are_put_into_the_stored_results(few: Options) -> None:
    stored = store(few)
    before = json.loads(stored.read_text(encoding="utf-8"))
    told: list[str] = []
    reports = make_matrix(adapters("client", "groq"), few, told.append)
    assert list(reports) == ["client"]
    assert [result["verdict"] for result in reports["client"]["results"]] == ["pass", "pass"]
    assert reports["client"]["results"][1] == before["results"][1], "it was not played again"
    assert json.loads(stored.read_text(encoding="utf-8"))["score"]["standard"]["pass"] == 2
    assert told.index("judging client") < next(
        k for k, line in enumerate(told) if "client: 0.1.0, standard 2 of 2" in line
    )
    assert any("groq: not judged: expected the results of all cases in" in line for line in told)
    assert [path.name for path in stored.parent.iterdir()] == ["client.json"]


def test_what_cannot_be_put_into_the_stored_results_leaves_them_as_they_are(few: Options) -> None:
    stored = store(few, consumer={"name": "client", "version": "0.0.1", "lacks": []})
    before = stored.read_bytes()
    told: list[str] = []
    assert make_matrix(adapters("client"), few, told.append) == {}
    assert "the stored results are of client 0.0.1" in told[-1]
    assert stored.read_bytes() == before


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
    assert main([*arguments, "--run", "sse-*", "--run", "plain"]) == 1
    assert seen[-1] == Options(tmp_path, docs, install=False, at_once=3, jobs=4, run=("sse-*", "plain"))
    assert main(["--run", "sse-nothing-*"]) == 2
    assert "no case is called sse-nothing-*" in capsys.readouterr().err
    assert main(["nobody"]) == 2
    assert "no adapter for a consumer 'nobody'" in capsys.readouterr().err
