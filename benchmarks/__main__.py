"""All benchmarks, in under ten minutes: docs/performance.md, its plots and benchmarks/ratios.json. `make bench`.

`--check` writes nothing: it fails where a ratio is worse than the stored one by 20 %, and measures such a row twice first.
"""

import argparse
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import msgspec
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

from benchmarks import ratios
from benchmarks.children import ROOT, SCRIPT_END_S, BenchmarkError, leave_on_sigterm, python, run
from benchmarks.machine import describe_machine, raise_descriptor_limit
from benchmarks.report import describe_others, write_report
from benchmarks.row import Measured
from benchmarks.script import DESCRIPTORS, show


@dataclass(frozen=True, slots=True)
class Script:
    """A script, about how long it takes, and after how long it is given up."""

    name: str
    takes_s: float
    bound_s: float


SCRIPTS = (
    Script("throughput", 60, 240),
    Script("events", 30, 150),
    Script("punctuality", 180, 480),
    Script("memory", 60, 300),
    Script("starting", 30, 300),
    Script("parsing", 30, 180),
    Script("conformance", 30, 260),
    Script("others_clock", 50, 240),
)

Say = Callable[[str], None]


def measure(script: Script, quick: bool, say: Say) -> Measured:
    """What one script finds, in a process of its own. Raises `BenchmarkError`."""
    options = ["--json", *(["--quick"] if quick else [])]
    told = run(python(f"benchmarks.{script.name}", *options), script.bound_s, hear=say, end_s=SCRIPT_END_S)
    return msgspec.json.decode(told, type=Measured)


def measure_all(scripts: Sequence[Script], quick: bool, console: Console) -> dict[str, Measured]:
    """What every script finds, by its name, with progress; one that fails is left out, and said so."""
    found: dict[str, Measured] = {}
    columns = (TextColumn("{task.description}"), BarColumn(), TimeElapsedColumn())
    # Drawn only when something changes: a benchmark must not share its core with a clock on the screen.
    with Progress(*columns, console=console, auto_refresh=False) as progress:
        task = progress.add_task("", total=sum(script.takes_s for script in scripts))
        for script in scripts:

            def say(what: str, name: str = script.name) -> None:
                progress.update(task, description=f"{name}: {what}"[:60], refresh=True)

            say("begins")
            began = time.monotonic()
            try:
                found[script.name] = measure(script, quick, say)
                console.print(f"{script.name}: {time.monotonic() - began:.0f} s", markup=False)
            except BenchmarkError as error:
                console.print(f"{script.name}: {error}", markup=False)
            progress.advance(task, script.takes_s)
        progress.update(task, description="done", refresh=True)
    return found


def check(found: Mapping[str, Measured], stored: ratios.Ratios, again: Callable[[str], Measured]) -> list[str]:
    """One line for each row whose ratios are worse than the stored ones, both times it was measured.

    `again` measures a script once more: what is slow but once was disturbed.
    """
    lines = []
    for name, measured in found.items():
        worse = ratios.find_worse(measured.rows, stored)
        if worse:
            second = ratios.find_worse(again(name).rows, stored)
            lines += [line for key, line in second.items() if key in worse]
    return lines


def run_check(found: Mapping[str, Measured], quick: bool, console: Console) -> int:
    """Compare with the stored ratios; returns the exit code."""
    stored = ratios.load()
    if not stored:
        console.print(
            f"{ratios.FILE.name} holds no ratios to compare with: python -m benchmarks writes it", markup=False
        )
        return 2
    by_name = {script.name: script for script in SCRIPTS}

    def again(name: str) -> Measured:
        console.print(f"{name}: worse than stored, measured once more", markup=False)
        return measure(by_name[name], quick, lambda what: None)

    lines = check(found, stored, again)
    for line in lines:
        console.print(line, markup=False, soft_wrap=True)
    if not lines:
        console.print(f"no ratio is worse than the stored one by {ratios.TOLERANCE:.0%}", markup=False)
    return int(bool(lines))


def read_arguments(arguments: Sequence[str] | None) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__, allow_abbrev=False)
    parser.add_argument("--check", action="store_true", help="write nothing; fail where a ratio is worse than stored")
    parser.add_argument("--quick", action="store_true", help="write nothing; shows that all works")
    parser.add_argument(
        "--only",
        action="append",
        choices=[script.name for script in SCRIPTS],
        help="write nothing but what is printed; these scripts alone",
    )
    parser.add_argument("--docs", type=Path, default=ROOT / "docs", help="the folder that performance.md is written to")
    return parser.parse_args(arguments)


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure, then write or check; returns the exit code: 1 where a ratio got worse, 2 where a script failed."""
    options, console = read_arguments(arguments), Console()
    scripts = [script for script in SCRIPTS if not options.only or script.name in options.only]
    raise_descriptor_limit(DESCRIPTORS)
    leave_on_sigterm()
    about, began = describe_machine(), time.monotonic()
    try:
        found = measure_all(scripts, options.quick, console)
        failed = 2 if len(found) < len(scripts) else 0
        for one in found.values():
            show(one, console)
        console.print(f"measured in {time.monotonic() - began:.0f} s")
        if options.check:
            return run_check(found, options.quick, console) or failed
        if options.quick or options.only:
            return failed
        if failed:
            console.print("nothing is written, for a script failed")
            return failed
        write_report(list(found.values()), about | describe_others(), options.docs)
        ratios.store(ratios.collect(row for one in found.values() for row in one.rows))
        console.print(
            f"written: {options.docs}/performance.md, its plots, and the ratios", markup=False, soft_wrap=True
        )
    except BenchmarkError as error:
        console.print(f"benchmarks: {error}", markup=False, soft_wrap=True)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
