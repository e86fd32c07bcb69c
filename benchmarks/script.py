"""What all scripts share: `--json`, `--quick`, a table, and words on what is being measured at the moment."""

import argparse
import sys
from collections.abc import Callable, Sequence

import msgspec
from rich.console import Console
from rich.table import Table
from rich.text import Text

from benchmarks.children import BenchmarkError, leave_on_sigterm
from benchmarks.machine import raise_descriptor_limit
from benchmarks.row import NOT_PEERS, OURS, Measured, Row, describe_goal, is_met, ratios, show_number, show_ratio

Measure = Callable[[bool], Measured]
"""Measures; told whether quickly, which shows that all works and gives figures not worth keeping."""

DESCRIPTORS = 65_536
VERDICTS = {True: "met", False: "not met", None: "-"}


def tell(what: str) -> None:
    """Say on stderr what is being measured."""
    print(f"  {what}", file=sys.stderr, flush=True)


def run_script(measure: Measure, about: str, arguments: Sequence[str] | None = None) -> int:
    """The command line of one script; returns the exit code."""
    parser = argparse.ArgumentParser(description=about, allow_abbrev=False)
    parser.add_argument("--json", action="store_true", help="print what was measured for machines")
    parser.add_argument("--quick", action="store_true", help="short: shows that it works, the figures are worth little")
    options = parser.parse_args(arguments)
    raise_descriptor_limit(DESCRIPTORS)
    leave_on_sigterm()
    try:
        measured = measure(options.quick)
    except BenchmarkError as error:
        print(f"benchmarks: {error}", file=sys.stderr)
        return 2
    if options.json:
        print(msgspec.json.encode(measured).decode())
    else:
        show(measured, Console())
    return 0


def show(measured: Measured, console: Console) -> None:
    """Print what was measured as a table for each row."""
    for row in measured.rows:
        console.print(make_table(row))
        for note in (*row.notes, *row.doubts):
            console.print(Text(f"  {note}"))
    if measured.readings:
        table = Table("", "told", "mean", "p50", "p99")
        for one in measured.readings:
            table.add_row(one.quantity, *(f"{x:.2f} {one.unit}" for x in (one.planned, one.mean, one.p50, one.p99)))
        console.print(table)
    for sentence in (*measured.remarks, *(f"skipped: {what}" for what in measured.skipped)):
        console.print(Text(sentence))


def make_table(row: Row) -> Table:
    """A row with each server's figure and our ratio to it."""
    goal = describe_goal(row)
    said = f"; goal {goal}: {VERDICTS[is_met(row)]}" if goal else ""
    table = Table("", row.unit, "ours is × this", title=f"{row.figure}{said}", title_justify="left")
    found = ratios(row)
    for name in sorted(row.figures, key=lambda name: (name != OURS, name not in NOT_PEERS, name)):
        table.add_row(name, show_number(row.figures[name]), show_ratio(found.get(name)))
    return table
