"""`mockserver check`: judge a streaming consumer, in any language."""

import shlex
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from mockserver.conformance.case import Case
    from mockserver.conformance.run import Options, Result, Run

EXAMPLES = """\b
[bold]Examples[/bold]
  mockserver check --consumer openai-python       the SDK beside this package
  mockserver check --consumer litellm --python ~/app/.venv/bin/python
  mockserver check -- node consumer.mjs           a program of your own
  mockserver check --run 'cut-*' -- node consumer.mjs
  mockserver check --scenario found.yaml -- node consumer.mjs
  mockserver check --url --port 8001              for a page, or a phone
  mockserver check --html report.html --junit report.xml -- node consumer.mjs

\b
[bold]Exit codes[/bold]
  0  every case passed, or failed as the baseline says
  1  a case failed, or one of the baseline passes now
  2  the consumer cannot be driven
"""


def check(
    command: Annotated[list[str] | None, typer.Argument(metavar="-- COMMAND", help="The consumer's program.")] = None,
    consumer: Annotated[
        str | None, typer.Option(metavar="NAME", help="A consumer that an adapter is ready for, in place of COMMAND.")
    ] = None,
    python: Annotated[
        str | None, typer.Option(metavar="PATH", help="The Python that has it; default: this one.")
    ] = None,
    node: Annotated[str | None, typer.Option(metavar="PATH", help="The Node that runs it, in this folder.")] = None,
    browser: Annotated[str | None, typer.Option(metavar="PATH", help="The Chromium that runs it.")] = None,
    list_consumers: Annotated[
        bool, typer.Option("--list-consumers", help="List the ready adapters and leave.")
    ] = False,
    run: Annotated[list[str] | None, typer.Option("--run", metavar="GLOB", help="Only cases with such ids.")] = None,
    skip: Annotated[list[str] | None, typer.Option("--skip", metavar="GLOB", help="No cases with such ids.")] = None,
    cls: Annotated[list[str] | None, typer.Option("--class", metavar="CLASS", help="Only cases of this class.")] = None,
    jobs: Annotated[int, typer.Option(min=1, max=64, help="Cases at once, each with a program of its own.")] = 1,
    time_limit: Annotated[float, typer.Option(metavar="SECONDS", help="How long a case may take.")] = 20.0,
    spawn: Annotated[
        bool, typer.Option("--spawn", help="Start the program anew for each case, told by environment variables.")
    ] = False,
    strict: Annotated[bool, typer.Option("--strict", help="Weak fails the run too.")] = False,
    baseline: Annotated[
        str | None, typer.Option(metavar="FILE", help="Known failures; one that passes now fails the run.")
    ] = None,
    write_baseline: Annotated[
        str | None, typer.Option(metavar="FILE", help="Write what fails now as a baseline.")
    ] = None,
    html: Annotated[str | None, typer.Option(metavar="FILE", help="Write a page with all the evidence.")] = None,
    json_file: Annotated[
        str | None, typer.Option("--json", metavar="FILE", help="Write the results for machines.")
    ] = None,
    junit: Annotated[str | None, typer.Option(metavar="FILE", help="Write JUnit XML, for CI.")] = None,
    markdown: Annotated[str | None, typer.Option(metavar="FILE", help="Write Markdown, for a pull request.")] = None,
    seed: Annotated[int, typer.Option(help="The seed of all that varies.")] = 0,
    scenario: Annotated[
        list[str] | None, typer.Option(metavar="FILE", help="Judge by the scenarios of a file, in place of the cases.")
    ] = None,
    url: Annotated[
        bool, typer.Option("--url", help="Start nothing: serve the cases, and judge what the consumer posts back.")
    ] = False,
    host: Annotated[str, typer.Option(help="With --url: the address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65535, help="With --url: the port; 0: a free one.")] = 0,
    list_cases: Annotated[bool, typer.Option("--list-cases", help="List the cases and leave.")] = False,
) -> int:
    """Play every case to a consumer and judge what it reports of it.

    The program speaks one JSON line a case: see docs/writing-a-consumer.md.
    """
    from mockserver.conformance.case import choose_cases, load_cases
    from mockserver.errors import UsageError

    if list_consumers:
        return _list_consumers()
    cases = choose_cases(_load_scenarios(scenario) if scenario else load_cases(), run or (), skip or (), cls or ())
    if not cases:
        raise UsageError("no case is chosen; `mockserver check --list-cases` shows them all")
    if list_cases:
        width = max(len(case.id) for case in cases)
        for case in cases:
            print(f"{case.id:<{width}}  {case.cls:<9}  {case.right:<6}  {case.title}")
        return 0
    from mockserver.conformance.run import Options, exit_code

    if url:
        if command or consumer:
            raise UsageError("--url starts no consumer: expected neither --consumer nor -- COMMAND with it")
        replay = "mockserver check --url"
        done = _judge_posted(cases, host, port, seed)
    else:
        started, replay = _choose_consumer(command, consumer, {"python": python, "node": node, "browser": browser})
        done = _run(started, cases, Options(jobs=jobs, time_limit_s=time_limit, spawn=spawn, seed=seed))
    replay = _with_scenarios(replay, scenario)
    from rich.console import Console

    from mockserver.conformance.baseline import compare_with_baseline, read_baseline, write_baseline_file
    from mockserver.conformance.report import write_reports
    from mockserver.conformance.report.terminal import print_report

    console = Console(file=sys.stdout)
    write_reports(done, replay, html=html, json_file=json_file, junit=junit, markdown=markdown, strict=strict)
    if write_baseline:
        write_baseline_file(Path(write_baseline), done, strict)
    if baseline is None:
        print_report(done, console, replay)
        return exit_code(done, strict)
    compared = compare_with_baseline(done, read_baseline(Path(baseline)), strict)
    print_report(done, console, replay, shown=compared.new)
    for line in compared.lines():
        console.print(line, highlight=False)
    return int(bool(compared.new or compared.mended))


def _choose_consumer(
    command: list[str] | None, consumer: str | None, programs: "Mapping[str, str | None]"
) -> tuple[list[str], str]:
    """The consumer's program, and the command that judges it again."""
    from mockserver.conformance.adapters import Environment, find_adapter, make_command
    from mockserver.errors import UsageError

    given = {name: path for name, path in programs.items() if path is not None}
    if bool(command) == bool(consumer):
        raise UsageError(
            "no consumer is given: expected `--consumer NAME` (see --list-consumers) or `-- COMMAND...`"
            if not command
            else "expected `--consumer NAME` or `-- COMMAND...`, got both"
        )
    if command:
        if given:
            raise UsageError(f"--{next(iter(given))} says where a ready adapter runs: expected --consumer NAME with it")
        return command, f"mockserver check -- {shlex.join(command)}"
    assert consumer is not None
    places: dict[str, Any] = given  # `folder` has no option here, so all of them are programs
    started = make_command(find_adapter(consumer), Environment(**places))
    return started, shlex.join(
        ["mockserver", "check", "--consumer", consumer, *(f"--{name}={path}" for name, path in given.items())]
    )


def _load_scenarios(files: list[str]) -> "list[Case]":
    from mockserver.conformance.adhoc import make_case
    from mockserver.loading import load_scenarios

    return [make_case(scenario) for scenario in load_scenarios(files).scenarios]


def _with_scenarios(replay: str, files: list[str] | None) -> str:
    """The command that judges again, by the same files."""
    options = "".join(f" --scenario {shlex.quote(file)}" for file in files or ())
    front, dashes, command = replay.partition(" -- ")
    return f"{front}{options}{dashes}{command}"


def _judge_posted(cases: "Sequence[Case]", host: str, port: int, seed: int) -> "Run":
    from mockserver.address import LOCAL_HOSTS
    from mockserver.cli.terminal import tell
    from mockserver.conformance.board import judge_posted
    from mockserver.server import MockServer

    if host not in LOCAL_HOSTS:
        tell(f"warning: listening on {host}, so other machines reach this server, and anybody on them")

    def announce(server: MockServer) -> None:
        print(
            f"{len(cases)} cases: {server.url}/ for people, {server.url}/cases.json for programs; Ctrl-C ends",
            flush=True,
        )

    def print_verdict(result: "Result") -> None:
        print(f"{result.verdict.name:<5} {result.case.id}", *result.verdict.reasons, sep="\n      ", flush=True)

    return judge_posted(cases, host=host, port=port, seed=seed, on_start=announce, on_result=print_verdict)


def _list_consumers() -> int:
    from mockserver.conformance.adapters import ADAPTERS

    width = max(map(len, ADAPTERS))
    for adapter in ADAPTERS.values():
        print(f"{adapter.name:<{width}}  {adapter.language:<7}  {adapter.says}: {adapter.install}")
    return 0


def _run(command: list[str], cases: "Sequence[Case]", options: "Options") -> "Run":
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

    from mockserver.conformance.run import run_cases

    columns = (
        TextColumn("[progress.description]{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
    )
    console = Console(stderr=True)
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as progress:
        task = progress.add_task("playing", total=len(cases))
        return run_cases(command, cases, options, on_result=lambda result: progress.advance(task))
