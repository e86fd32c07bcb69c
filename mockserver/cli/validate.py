"""`mockserver validate`: every mistake in scenario files."""

from typing import Annotated

import typer

from mockserver.cli.terminal import tell

EXAMPLES = """\b
[bold]Examples[/bold]
  mockserver validate chat.yaml
  mockserver validate scenarios/       every .yaml, .yml and .json in it

\b
[bold]Exit codes[/bold]
  0  no mistakes
  1  mistakes; each a line of stdout: file:line: place: what was expected
  2  a file cannot be read
"""


def validate(
    files: Annotated[list[str], typer.Argument(metavar="FILE|FOLDER", help="Scenario files, or folders of them.")],
) -> int:
    """Report every mistake in scenario files, with its line, what was expected and what was probably meant.

    Several files are checked together, as `mockserver serve` would read them: no two scenarios may have the same name.
    """
    from mockserver.errors import ScenarioError
    from mockserver.loading import load_scenarios

    try:
        loaded = load_scenarios(files)
    except ScenarioError as error:
        for problem in error.problems:
            print(" ".join(str(problem).splitlines()))
        tell(_count(len(error.problems), "mistake"))
        # What is wrong with a file's text has a line; a file whose text could not be had at all has none.
        return 2 if any(problem.line is None for problem in error.problems) else 1
    print(f"All right: {_count(len(loaded.scenarios), 'scenario')}.")
    return 0


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"
