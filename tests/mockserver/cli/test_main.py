"""What goes wrong reaches the terminal as one line, with the right exit code."""

import importlib
import os
import runpy
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import typer

from mockserver import cli
from mockserver._version import __version__
from mockserver.cli.app import app
from mockserver.errors import Problem, ScenarioError, StartError

ROOT = Path(__file__).parents[3]
COMMANDS: dict[str, Any] = typer.main.get_command(app).commands  # type: ignore[attr-defined]

Failing = Callable[[BaseException], None]


@pytest.fixture
def failing(monkeypatch: pytest.MonkeyPatch) -> Failing:
    """Makes the command fail."""

    def install(error: BaseException) -> None:
        def fail(arguments: list[str], debug: bool) -> int:
            raise error

        monkeypatch.setattr(cli, "_run", fail)

    monkeypatch.delenv(cli.DEBUG_VARIABLE, raising=False)
    return install


@pytest.mark.parametrize(
    ("error", "code", "line"),
    [
        (StartError("cannot listen on x:1: in use"), 2, "mockserver: cannot listen on x:1: in use\n"),
        (ScenarioError([Problem("wrong\nhere", file="a.yaml", line=3)]), 2, "mockserver: a.yaml:3: wrong here\n"),
        (KeyError("k"), 1, "mockserver: a bug in mockserver, KeyError: 'k' (--debug shows where)\n"),
        (KeyboardInterrupt(), 130, ""),
    ],
)
def test_whatever_goes_wrong_is_one_line_on_stderr(
    failing: Failing, capsys: pytest.CaptureFixture[str], error: BaseException, code: int, line: str
) -> None:
    failing(error)
    assert cli.main(["schema"]) == code
    assert capsys.readouterr() == ("", line)


@pytest.mark.parametrize("error", [StartError("in use"), KeyError("k")])
@pytest.mark.parametrize("arguments", [["--debug", "schema"], ["schema", "--debug"]])
def test_with_debug_the_traceback_is_shown(failing: Failing, error: Exception, arguments: list[str]) -> None:
    failing(error)
    with pytest.raises(type(error)):
        cli.main(arguments)


@pytest.mark.parametrize(("value", "shown"), [("1", True), ("yes", True), ("0", False), ("", False)])
def test_a_variable_asks_for_the_traceback_as_well(
    failing: Failing, monkeypatch: pytest.MonkeyPatch, value: str, shown: bool
) -> None:
    failing(KeyError("k"))
    monkeypatch.setenv(cli.DEBUG_VARIABLE, value)
    if shown:
        with pytest.raises(KeyError):
            cli.main(["schema"])
    else:
        assert cli.main(["schema"]) == 1


def test_debug_after_two_dashes_is_somebody_elses(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[tuple[list[str], bool]] = []

    def note(arguments: list[str], debug: bool) -> int:
        seen.append((arguments, debug))
        return 0

    monkeypatch.setattr(cli, "_run", note)
    cli.main(["validate", "--", "--debug"])
    cli.main(["--debug", "validate", "--", "--debug"])
    assert seen == [(["validate", "--", "--debug"], False), (["validate", "--", "--debug"], True)]


def test_who_stops_reading_is_told_nothing(failing: Failing, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    failing(BrokenPipeError())
    with open(tmp_path / "out", "w") as out:
        monkeypatch.setattr(sys, "stdout", out)
        assert cli.main(["schema"]) == 1
        assert os.fstat(out.fileno()).st_rdev == os.stat(os.devnull).st_rdev


def test_arguments_are_the_processs_own_by_default(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", ["mockserver", "--version"])
    assert cli.main() == 0
    assert capsys.readouterr() == (f"mockserver {__version__}\n", "")


def test_without_arguments_it_explains_itself(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main([]) == 0
    shown, errors = capsys.readouterr()
    assert errors == ""
    for word in ("serve", "validate", "schema", "demo", "--version", "--debug", "First steps"):
        assert word in shown


@pytest.mark.parametrize("command", sorted(COMMANDS))
@pytest.mark.parametrize("flag", ["--help", "-h"])
def test_every_subcommand_explains_itself(command: str, flag: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main([command, flag]) == 0
    assert f"Usage: mockserver {command}" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "said", "help_"),
    [
        (["serv"], "'serv'", "mockserver --help"),
        (["serve", "--prot", "1"], "--prot", "mockserver serve --help"),
        (["serve", "--port", "x"], "'--port'", "mockserver serve --help"),
        (["serve", "--port", "65536"], "'--port'", "mockserver serve --help"),
        (["serve", "--port"], "--port", "mockserver serve --help"),
        (["serve", "--time-scale", "-1"], "'--time-scale'", "mockserver serve --help"),
        (["serve", "--log-level", "loud"], "'--log-level'", "mockserver serve --help"),
        (["validate"], "FILE", "mockserver validate --help"),
        (["schema", "extra"], "extra", "mockserver schema --help"),
        (["--no-such"], "--no-such", "mockserver --help"),
    ],
)
def test_a_wrong_command_line_is_one_line_that_names_what_is_wrong_and_who_explains(
    arguments: list[str], said: str, help_: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.main(arguments) == 2
    shown, errors = capsys.readouterr()
    assert shown == ""
    assert errors.startswith("mockserver: ")
    assert errors.count("\n") == 1
    assert said in errors
    assert f"`{help_}` explains" in errors


@pytest.mark.parametrize("error", [KeyboardInterrupt, typer.Abort])
def test_interrupted_while_typer_runs_it_is_130(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], error: type[BaseException]
) -> None:
    def interrupt() -> None:
        raise error

    monkeypatch.setattr("mockserver.scenario.scenario_file_schema", interrupt)
    assert cli.main(["schema"]) == 130
    assert "Traceback" not in capsys.readouterr().err


def test_the_package_may_be_run_as_a_module(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", ["mockserver", "--version"])
    with pytest.raises(SystemExit) as ended:
        runpy.run_path(str(ROOT / "mockserver" / "__main__.py"), run_name="__main__")
    assert ended.value.code == 0
    assert capsys.readouterr().out == f"mockserver {__version__}\n"
    assert importlib.import_module("mockserver.__main__").main is cli.main
