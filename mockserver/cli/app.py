"""The subcommands put together, and how typer's own complaints reach the terminal."""

from collections.abc import Callable
from inspect import cleandoc
from typing import Annotated, Any

import typer

from mockserver._version import __version__
from mockserver.cli.check import EXAMPLES as CHECK_EXAMPLES
from mockserver.cli.check import check
from mockserver.cli.demo import EXAMPLES as DEMO_EXAMPLES
from mockserver.cli.demo import demo
from mockserver.cli.fuzz import EXAMPLES as FUZZ_EXAMPLES
from mockserver.cli.fuzz import fuzz
from mockserver.cli.listing import EXPLAIN_EXAMPLES, LIST_EXAMPLES, explain, list_all
from mockserver.cli.schema import EXAMPLES as SCHEMA_EXAMPLES
from mockserver.cli.schema import schema
from mockserver.cli.serve import EXAMPLES as SERVE_EXAMPLES
from mockserver.cli.serve import serve
from mockserver.cli.show import EXAMPLES as SHOW_EXAMPLES
from mockserver.cli.show import show
from mockserver.cli.terminal import tell
from mockserver.cli.validate import EXAMPLES as VALIDATE_EXAMPLES
from mockserver.cli.validate import validate

ABOUT = "A local server that speaks OpenAI's chat-completions stream exactly as told."
EXAMPLES = """\b
[bold]First steps[/bold]
  mockserver demo            the steps of OpenAI's guide, played and checked
  mockserver serve           a server on http://127.0.0.1:8000/v1
  mockserver serve --help    how to give it scenarios of your own
"""

app = typer.Typer(
    name="mockserver",
    rich_markup_mode="rich",
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _with_examples(text: str, examples: str) -> str:
    """A help text, its paragraphs joined, with its examples, which keep their lines: in an epilog older typers join them."""
    paragraphs = [" ".join(paragraph.split()) for paragraph in cleandoc(text).split("\n\n")]
    return "\n\n".join([*paragraphs, examples])


def _print_version(wanted: bool) -> None:
    if wanted:
        print(f"mockserver {__version__}")
        raise typer.Exit


@app.callback(help=_with_examples(ABOUT, EXAMPLES))
def describe(
    version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version.")
    ] = False,
    debug: Annotated[
        bool, typer.Option("--debug", help="Show tracebacks; also with MOCKSERVER_DEBUG=1. May stand anywhere.")
    ] = False,
) -> None:
    pass


COMMANDS: dict[str, tuple[Callable[..., int], str]] = {
    "serve": (serve, SERVE_EXAMPLES),
    "validate": (validate, VALIDATE_EXAMPLES),
    "schema": (schema, SCHEMA_EXAMPLES),
    "show": (show, SHOW_EXAMPLES),
    "list": (list_all, LIST_EXAMPLES),
    "explain": (explain, EXPLAIN_EXAMPLES),
    "check": (check, CHECK_EXAMPLES),
    "fuzz": (fuzz, FUZZ_EXAMPLES),
    "demo": (demo, DEMO_EXAMPLES),
}
for name, (command, examples) in COMMANDS.items():
    app.command(name, help=_with_examples(command.__doc__ or "", examples))(command)

# typer has carried a click of its own since 0.26 and hides its names: the root of its usage errors is reached so in both.
_UsageError: type[Exception] = typer.BadParameter.__mro__[1]


def run_typer(arguments: list[str], debug: bool) -> int:
    """Run a command line through typer and return its exit code."""
    command: Any = typer.main.get_command(app)
    try:
        code = command.main(arguments, prog_name="mockserver", standalone_mode=False, obj=debug)
    except _UsageError as error:
        message = error.format_message().rstrip(".")  # type: ignore[attr-defined]
        path = f"mockserver {arguments[0]}" if arguments[0] in command.commands else "mockserver"
        tell(f"{message}; `{path} --help` explains")
        return 2
    except typer.Abort:
        return 130
    return code if isinstance(code, int) else 0
