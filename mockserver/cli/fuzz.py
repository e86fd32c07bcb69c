"""`mockserver fuzz`: search for a stream that a consumer does not understand."""

import secrets
import shlex
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from mockserver.conformance.fuzz import Found, Fuzzed, FuzzOptions

EXAMPLES = """\b
[bold]Examples[/bold]
  mockserver fuzz -- mockserver-client --consumer     a hundred streams
  mockserver fuzz --time 60 --examples 100000 -- node consumer.mjs
  mockserver fuzz --seed 7 --out found.yaml -- ./consumer

\b
[bold]Exit codes[/bold]
  0  nothing was found
  1  the consumer fails: the smallest stream is saved, and how to play it told
  2  the consumer cannot be driven
"""


def fuzz(
    command: Annotated[list[str], typer.Argument(metavar="-- COMMAND", help="The consumer's program.")],
    examples: Annotated[int, typer.Option(min=1, help="How many streams are played.")] = 100,
    seed: Annotated[int | None, typer.Option(help="The same seed makes up the same streams. Default: any.")] = None,
    time: Annotated[
        float | None, typer.Option(metavar="SECONDS", help="How long to search at most, shrinking included.")
    ] = None,
    out: Annotated[str, typer.Option(metavar="FILE", help="Where a failure is saved.")] = "fuzz.yaml",
    time_limit: Annotated[float, typer.Option(metavar="SECONDS", help="How long one stream may take.")] = 5.0,
    faults: Annotated[bool, typer.Option(help="Play broken streams too, not only legal ones.")] = True,
    strict: Annotated[bool, typer.Option("--strict", help="Weak is a failure too.")] = False,
) -> int:
    """Make up scenarios, play them to a consumer, and shrink the first that it fails on to the smallest such stream.

    The program speaks one JSON line a case: see docs/writing-a-consumer.md. Needs Hypothesis: the extra strategies.
    """
    from mockserver.errors import UsageError

    try:
        from mockserver.conformance.fuzz import FuzzOptions
    except ModuleNotFoundError as error:
        if error.name != "hypothesis":
            raise
        raise UsageError("fuzz needs Hypothesis: pip install 'openai-mockserver[strategies]'") from error
    chosen = secrets.randbelow(1_000_000) if seed is None else seed
    done = _search(command, FuzzOptions(examples, chosen, time, time_limit, strict, faults))
    name = f"{done.consumer.name} {done.consumer.version}".strip()
    if done.found is None:
        print(f"{name}: {done.played} streams played, nothing found (seed {chosen})")
        return 0
    _save(done.found, Path(out), f"Found by mockserver fuzz --seed {chosen} against {name}: {_describe(done.found)}.")
    _tell(done.found, f"mockserver check --scenario {shlex.quote(out)} -- {shlex.join(command)}")
    print(f"{name}: {done.played} streams played; {_describe(done.found)}; saved as {out} (seed {chosen})")
    return 1


def _search(command: list[str], options: "FuzzOptions") -> "Fuzzed":
    from mockserver.cli.terminal import show_progress
    from mockserver.conformance.fuzz import fuzz

    with show_progress("playing") as advance:
        return fuzz(command, options, lambda result: advance())


def _describe(found: "Found") -> str:
    if not found.repeatable:
        return f"{found.result.verdict.name}, but not each time: the smallest stream that was seen to fail"
    size = "the smallest stream" if found.smallest else "the smallest stream when the time was up"
    return f"{found.result.verdict.name}, {size}"


def _save(found: "Found", path: Path, heading: str) -> None:
    from mockserver.errors import UsageError
    from mockserver.strategies import as_file

    try:
        path.write_text(f"# {heading}\n{as_file(found.scenario)}", encoding="utf-8")
    except OSError as error:
        raise UsageError(f"cannot write the scenario {path}: {error.strerror}") from error


def _tell(found: "Found", replay: str) -> None:
    from rich.console import Console

    from mockserver.conformance.report.terminal import explain_result
    from mockserver.strategies import as_file

    console = Console(file=sys.stdout)
    for line in explain_result(found.result, replay):
        console.print(line, highlight=False, soft_wrap=True)
    print(f"\n{as_file(found.scenario)}")
