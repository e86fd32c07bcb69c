"""`mockserver validate`."""

from pathlib import Path

import pytest

from mockserver import cli


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "right.yaml").write_text("scenarios:\n  - {name: a, reply: A}\n  - {name: b, reply: B}\n")
    (tmp_path / "wrong.yaml").write_text("scenarios:\n  - name: c\n    repyl: C\n    timing: {itl: soon}\n")
    return tmp_path


def test_files_without_mistakes(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["validate", "right.yaml"]) == 0
    assert capsys.readouterr() == ("All right: 2 scenarios.\n", "")


def test_every_mistake_is_a_line_with_file_line_place_and_remedy(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["validate", "right.yaml", "wrong.yaml"]) == 1
    shown, errors = capsys.readouterr()
    first, second = shown.splitlines()
    assert first.startswith("wrong.yaml:3: scenarios[0]")
    assert "'repyl'" in first
    assert "did you mean 'reply'?" in first
    assert second.startswith("wrong.yaml:4: scenarios[0].timing.itl: expected a duration")
    assert errors == "mockserver: 2 mistakes\n"


def test_files_are_checked_together(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (folder / "other.yaml").write_text("{name: a, reply: again}")
    assert cli.main(["validate", "right.yaml", "other.yaml"]) == 1
    shown, errors = capsys.readouterr()
    assert shown.startswith("other.yaml:1: ")
    assert "the name 'a' is taken: right.yaml:2" in shown
    assert errors == "mockserver: 1 mistake\n"


def test_a_folder_is_every_file_in_it(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["validate", "."]) == 1
    assert "wrong.yaml:3" in capsys.readouterr().out


@pytest.mark.parametrize("content", [None, b"\xff\xfe"])
def test_a_file_that_is_not_there_is_2_and_one_that_is_no_text_is_1(
    folder: Path, capsys: pytest.CaptureFixture[str], content: bytes | None
) -> None:
    if content is not None:
        (folder / "file.yaml").write_bytes(content)
    assert cli.main(["validate", "file.yaml", "wrong.yaml"]) == (2 if content is None else 1)
    shown = capsys.readouterr().out
    assert ("file.yaml: cannot be read: No such file" if content is None else "file.yaml:1: not UTF-8") in shown
    assert "wrong.yaml:3" in shown
