"""How long the whole conformance run against the reference client takes."""

import subprocess
import sys
import time

from benchmarks.children import BenchmarkError, python, running
from benchmarks.machine import measure_yardstick_s
from benchmarks.row import OURS, YARDSTICK, Goal, Measured, Row
from benchmarks.script import run_script, tell

BOUND_S = 240.0
QUICK = ("--run", "sse-*")


def measure(quick: bool) -> Measured:
    """The row. It has no rival; `--check` compares it with a fixed piece of work in this Python, the yardstick."""
    tell("the yardstick")
    yardstick_s = measure_yardstick_s()
    chosen = QUICK if quick else ()
    tell("mockserver check")
    took_s, code = run_check(chosen)
    notes = [f"`mockserver check -- python -m client --consumer`, one case at a time, ended with code {code}"]
    doubts = [f"the run ended with code {code}: not every case passed"] if code else []
    if quick:
        doubts.append(f"only {' '.join(chosen)}: not the whole run")
    figures = {OURS: took_s, YARDSTICK: yardstick_s}
    row = Row(
        "conformance",
        "whole conformance run against `client`",
        "s",
        "less",
        figures,
        (Goal(20),),
        limit="",
        notes=tuple(notes),
        doubts=tuple(doubts),
    )
    return Measured((row,))


def run_check(chosen: tuple[str, ...]) -> tuple[float, int]:
    """How many seconds it takes, and its exit code. Raises `BenchmarkError` where it takes longer than `BOUND_S`."""
    command = python("mockserver", "check", *chosen, "--", sys.executable, "-m", "client", "--consumer")
    began = time.perf_counter()
    with running(command) as child:
        try:
            code = child.wait(BOUND_S)
        except subprocess.TimeoutExpired:
            raise BenchmarkError(f"the conformance run took longer than {BOUND_S:.0f} s") from None
        return time.perf_counter() - began, code


if __name__ == "__main__":
    sys.exit(run_script(measure, __doc__ or ""))
