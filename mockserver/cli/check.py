"""`mockserver check`: judge a streaming consumer, in any language."""

import shlex
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mockserver.cli import check_options as told

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from mockserver.conformance.case import Case
    from mockserver.conformance.result import Result
    from mockserver.conformance.run import Run

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
    command: told.Command = None,
    consumer: told.Consumer = None,
    python: told.Python = None,
    node: told.Node = None,
    browser: told.Browser = None,
    list_consumers: told.ListConsumers = False,
    run: told.RunGlobs = None,
    skip: told.SkipGlobs = None,
    cls: told.Classes = None,
    jobs: told.Jobs = 1,
    time_limit: told.TimeLimit = 20.0,
    spawn: told.Spawn = False,
    strict: told.Strict = False,
    baseline: told.Baseline = None,
    write_baseline: told.NewBaseline = None,
    html: told.Html = None,
    json_file: told.Json = None,
    junit: told.JUnit = None,
    markdown: told.Markdown = None,
    seed: told.Seed = 0,
    scenario: told.Scenarios = None,
    url: told.Url = False,
    host: told.Host = "127.0.0.1",
    port: told.Port = 0,
    list_cases: told.ListCases = False,
) -> int:
    """Play every case to a consumer and judge what it reports, one JSON line a case: see docs/writing-a-consumer.md."""
    if list_consumers:
        return _list_consumers()
    cases = _choose_cases(scenario, run, skip, cls)
    if list_cases:
        return _list_cases(cases)
    if url:
        done, replay = _judge_posted(cases, command or consumer, host, port, seed), "mockserver check --url"
    else:
        started, replay = _choose_consumer(command, consumer, {"python": python, "node": node, "browser": browser})
        done = _run(started, cases, jobs=jobs, time_limit_s=time_limit, spawn=spawn, seed=seed)
    files = {"html": html, "json_file": json_file, "junit": junit, "markdown": markdown}
    return _report(done, _with_scenarios(replay, scenario), strict, baseline, write_baseline, files)


def _choose_cases(
    scenarios: list[str] | None, run: list[str] | None, skip: list[str] | None, classes: list[str] | None
) -> "list[Case]":
    from mockserver.conformance.case import choose_cases, load_cases
    from mockserver.errors import UsageError

    cases = choose_cases(
        _load_scenarios(scenarios) if scenarios else load_cases(), run or (), skip or (), classes or ()
    )
    if not cases:
        raise UsageError("no case is chosen; `mockserver check --list-cases` shows them all")
    return cases


def _list_cases(cases: "Sequence[Case]") -> int:
    width = max(len(case.id) for case in cases)
    for case in cases:
        print(f"{case.id:<{width}}  {case.cls:<9}  {case.right:<6}  {case.title}")
    return 0


def _report(
    done: "Run", replay: str, strict: bool, baseline: str | None, new_baseline: str | None, files: dict[str, str | None]
) -> int:
    """Tell what came of the run, on the terminal and in files, and return the exit code."""
    from rich.console import Console

    from mockserver.conformance.baseline import compare_with_baseline, read_baseline, write_baseline_file
    from mockserver.conformance.report import write_reports
    from mockserver.conformance.report.terminal import print_report
    from mockserver.conformance.run import exit_code

    console = Console(file=sys.stdout)
    write_reports(done, replay, **files, strict=strict)
    if new_baseline:
        write_baseline_file(Path(new_baseline), done, strict)
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


def _judge_posted(cases: "Sequence[Case]", consumer: str | list[str] | None, host: str, port: int, seed: int) -> "Run":
    from mockserver.address import LOCAL_HOSTS
    from mockserver.cli.terminal import tell
    from mockserver.conformance.board import judge_posted
    from mockserver.errors import UsageError
    from mockserver.server import MockServer

    if consumer:
        raise UsageError("--url starts no consumer: expected neither --consumer nor -- COMMAND with it")
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


def _run(command: list[str], cases: "Sequence[Case]", **options: Any) -> "Run":
    from mockserver.cli.terminal import show_progress
    from mockserver.conformance.run import Options, run_cases

    with show_progress("playing", len(cases)) as advance:
        return run_cases(command, cases, Options(**options), on_result=lambda result: advance())
