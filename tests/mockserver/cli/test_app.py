"""The help texts, as typer and rich print them: read as markup, and in a terminal of 80 columns."""

import re
from typing import Any

import pytest
import typer
from rich.text import Text

from mockserver.cli.app import ABOUT, COMMANDS, EXAMPLES, app

TEXTS = {"mockserver": (ABOUT, EXAMPLES)} | {name: (run.__doc__ or "", more) for name, (run, more) in COMMANDS.items()}
WIDTH = 78
"""Of 80 columns typer leaves one free at either side."""


def parameters() -> dict[str, str]:
    """The help text of every argument and option, by its command and name."""
    root: Any = typer.main.get_command(app)
    return {
        f"{name} {parameter.name}": parameter.help or ""
        for name, command in root.commands.items()
        for parameter in command.params
    }


@pytest.mark.parametrize("name", TEXTS)
def test_every_example_stands_on_a_line_of_its_own(name: str) -> None:
    lines = re.sub(r"\[/?bold\]", "", TEXTS[name][1]).splitlines()
    assert [line for line in lines if len(line) > WIDTH] == []


@pytest.mark.parametrize(
    ("place", "text"), [(place, text) for place, both in TEXTS.items() for text in both] + list(parameters().items())
)
def test_nothing_in_a_help_text_is_lost_as_markup(place: str, text: str) -> None:
    assert text, f"{place} is not explained"
    printed = text.replace("\b", "")  # typer's own mark: keep these lines
    assert Text.from_markup(printed).plain == re.sub(r"\[/?bold\]", "", printed)


def test_what_may_be_repeated_has_its_dots_once() -> None:
    root: Any = typer.main.get_command(app)
    for name, command in root.commands.items():
        usage = " ".join(command.collect_usage_pieces(typer.Context(command, info_name=name)))
        assert "......" not in usage.replace("]", ""), usage
