"""`make matrix`: every ready adapter with the newest version of its consumer, judged, side by side.

Consumers are installed into environments of their own. Each is judged by `mockserver check` in a process of its own. What comes
of it:

    FOLDER/results/NAME.json     all the evidence, as `mockserver check --json` writes it
    DOCS/conformance/matrix.json every cell, with the reason where it is no pass; nothing in it depends on the time of day
    DOCS/conformance/matrix.html the same as a page
    DOCS/conformance/replays/    for each row of the list of defects the smallest scenario that shows it
    DOCS/conformance.md          the table of scores, and the list of defects of DOCS/conformance/defects.yaml, each between two
                                 marks; the rest of that file is written by hand

`make matrix ARGS="--run 'cut-*'"` plays some cases anew, to what is installed, and puts them into the stored results; the whole is
published.
"""

import argparse
import json
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path

from mockserver.conformance.adapters import ADAPTERS, Adapter, find_adapter
from mockserver.conformance.adapters.installing import find_python, install_consumers, node_folder
from mockserver.conformance.case import choose_cases, load_cases
from mockserver.conformance.merging import merge_reports
from mockserver.conformance.publishing import Report, make_table, render, tell_fraction, write_docs
from mockserver.errors import MockServerError, UsageError

_TIME_LIMIT_S = 150
"""For each case: long enough that a busy machine does not make a hang of what is merely slow."""

_RUN_BOUND_S = 7200.0


@dataclass(frozen=True, slots=True)
class Options:
    """How a matrix is made."""

    folder: Path
    docs: Path
    install: bool = True
    at_once: int = 2
    jobs: int = 1
    run: tuple[str, ...] = ()
    """Globs of the ids of cases: these are played anew, and put into the stored results of all. None: all are played."""


def make_matrix(adapters: Sequence[Adapter], options: Options, tell: Callable[[str], None]) -> dict[str, Report]:
    """Install and judge the consumers; their reports by name, for those that could be judged."""
    results = options.folder.resolve() / "results"
    results.mkdir(parents=True, exist_ok=True)
    if options.install:
        install_consumers(adapters, options.folder, tell)
    count = iter(range(1, len(adapters) + 1))

    def judge(adapter: Adapter) -> Report | str:
        tell(f"judging {adapter.name}")
        play = play_anew if options.run else judge_consumer
        report = play(adapter, options, results / f"{adapter.name}.json")
        said = report if isinstance(report, str) else _describe_score(report)
        tell(f"[{next(count)}/{len(adapters)}] {adapter.name}: {said}")
        return report

    with ThreadPoolExecutor(options.at_once) as executor:
        judged = dict(zip((adapter.name for adapter in adapters), executor.map(judge, adapters), strict=True))
    return {name: report for name, report in judged.items() if not isinstance(report, str)}


def _describe_score(report: Report) -> str:
    standard, dialect = (report["score"][kind] for kind in ("standard", "dialect"))
    return (
        f"{report['consumer']['version']}, standard {tell_fraction(standard)}, dialects {tell_fraction(dialect)}, "
        f"{standard['weak'] + dialect['weak']} weak, {report['took_s']:.0f} s"
    )


def play_anew(adapter: Adapter, options: Options, stored: Path) -> Report | str:
    """Some cases judged once more, and those never played, put into the stored results of a consumer.

    The stored results stay as they were where that cannot be.
    """
    if not stored.exists():
        return f"not judged: expected the results of all cases in {stored}; play them first, without --run"
    before, ids = json.loads(stored.read_text(encoding="utf-8")), [case.id for case in load_cases()]
    never = tuple({*ids} - {result["id"] for result in before["results"]})
    anew = judge_consumer(adapter, replace(options, run=options.run + never), stored.with_suffix(".anew"))
    stored.with_suffix(".anew").unlink(missing_ok=True)
    if isinstance(anew, str):
        return anew
    try:
        merged = merge_reports(before, anew, ids)
    except UsageError as error:
        return f"not judged: {error}"
    stored.write_text(json.dumps(merged, ensure_ascii=False), encoding="utf-8")
    return {**merged, "command": anew["command"]}


def judge_consumer(adapter: Adapter, options: Options, result: Path) -> Report | str:
    """One consumer judged; its report, or what kept it from being judged."""
    command = [sys.executable, "-m", "mockserver", "check", "--consumer", adapter.name, "--json", str(result)]
    command += ["--jobs", str(options.jobs), "--time-limit", str(_TIME_LIMIT_S)]
    command += [part for glob in options.run for part in ("--run", glob)]
    place = options.folder.resolve()
    if adapter.language == "python" and adapter.name != "client":
        command += ["--python", str(find_python(adapter, options.folder))]
    elif adapter.language != "python":
        place = node_folder(options.folder)
        node = place / "node_modules" / ".bin" / "node"
        command += ["--node", str(node)] if node.exists() else []
    result.unlink(missing_ok=True)
    done = subprocess.run(
        command, cwd=place if place.is_dir() else None, capture_output=True, text=True, timeout=_RUN_BOUND_S
    )
    if done.returncode not in (0, 1) or not result.exists():
        return f"not judged: {(done.stderr or done.stdout).strip()[-500:]}"
    report: Report = json.loads(result.read_text(encoding="utf-8"))
    return {**report, "command": f"mockserver check --consumer {adapter.name}"}


def make_parser() -> argparse.ArgumentParser:
    """What the command may be told."""
    parser = argparse.ArgumentParser(
        prog="python -m mockserver.conformance.matrix", description="Judge every ready adapter."
    )
    parser.add_argument("names", nargs="*", metavar="NAME", help="only these consumers; nothing is published then")
    parser.add_argument(
        "--folder", type=Path, default=Path(".matrix"), help="where consumers are installed (%(default)s)"
    )
    parser.add_argument("--docs", type=Path, default=Path("docs"), help="where it is published (%(default)s)")
    parser.add_argument(
        "--run",
        action="append",
        default=[],
        metavar="GLOB",
        help="play only these cases anew, to what is installed, and put them into the stored results",
    )
    parser.add_argument("--keep", action="store_true", help="install nothing: judge what is there")
    parser.add_argument(
        "--render",
        action="store_true",
        help="judge nothing: write the list of defects anew, and say what it leaves open",
    )
    parser.add_argument("--at-once", type=int, default=2, metavar="N", help="consumers judged at once (%(default)s)")
    parser.add_argument("--jobs", type=int, default=1, metavar="N", help="cases at once, of each (%(default)s)")
    return parser


def main(arguments: Sequence[str] | None = None) -> int:
    """Make the matrix as told; 1 if a consumer could not be judged."""
    given = make_parser().parse_args(arguments)
    started = time.monotonic()

    def tell(text: str) -> None:
        print(f"{time.monotonic() - started:5.0f} s  {text}", flush=True)

    try:
        if given.render:
            return render(given.docs)
        adapters = [find_adapter(name) for name in given.names] or list(ADAPTERS.values())
        if given.run and not choose_cases(load_cases(), given.run):
            raise UsageError(
                f"no case is called {' or '.join(given.run)}; `mockserver check --list-cases` shows them all"
            )
        options = Options(
            given.folder, given.docs, not (given.keep or given.run), given.at_once, given.jobs, tuple(given.run)
        )
        reports = make_matrix(adapters, options, tell)
        if given.names:
            print(make_table(reports))
        elif reports:
            changes = write_docs(reports, options.docs)
            print("\n".join(changes) if changes else "every cell is what it was, where there was one before")
    except MockServerError as error:
        print(f"matrix: {error}", file=sys.stderr)
        return 2
    return int(len(reports) < len(adapters))


if __name__ == "__main__":
    sys.exit(main())
