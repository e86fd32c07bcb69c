"""The report for a terminal: a table by class, then each failure with all that is needed to understand and replay it."""

from collections import Counter
from collections.abc import Iterator, Sequence

from rich.console import Console
from rich.table import Table
from rich.text import Text

from mockserver.conformance.mark import find_mark
from mockserver.conformance.result import Result
from mockserver.conformance.run import Run

VERDICTS = ("pass", "weak", "fail", "crash", "hang", "harness error", "skip")
COLORS = {"pass": "green", "weak": "yellow", "skip": "dim", "harness error": "magenta"}


def print_report(
    run: Run, console: Console, replay: str = "mockserver check", shown: Sequence[Result] | None = None
) -> None:
    """Print a run. `replay` is the command that was used, without its selection; `shown` are the results to explain."""
    console.print(make_table(run))
    for result in troubles(run) if shown is None else shown:
        for line in explain_result(result, replay):
            console.print(line, highlight=False, soft_wrap=True)
    for reason, count in count_skips(run).items():
        console.print(Text(f"{count} skipped: {reason}", style="dim"), soft_wrap=True)
    console.print(summary_line(run), highlight=False)


def make_table(run: Run) -> Table:
    """A row for each class: the standard's first, then the dialects, scored apart."""
    table = Table(title=f"{run.consumer.name} {run.consumer.version}".strip(), title_justify="left")
    table.add_column("class")
    seen = [name for name in VERDICTS if any(result.verdict.name == name for result in run.results)]
    for name in seen:
        table.add_column(name, justify="right", style=COLORS.get(name, "red"))
    for cls, counts in by_class(run).items():
        table.add_row(cls, *(str(counts[name] or "") for name in seen), end_section=cls == "standard")
    return table


def by_class(run: Run) -> dict[str, Counter[str]]:
    """The verdicts counted by class, with sums for the standard's classes and for the dialects."""
    counts: dict[str, Counter[str]] = {}
    for result in run.results:
        counts.setdefault(result.case.cls, Counter())[result.verdict.name] += 1
    dialect = counts.pop("dialect", None)
    counts["standard"] = sum(counts.values(), Counter())
    if dialect is not None:
        counts["dialect"] = dialect
    return counts


def troubles(run: Run) -> list[Result]:
    """The results that are not as they should be, the worst first."""
    order = {name: k for k, name in enumerate(("harness error", "crash", "hang", "fail", "weak"))}
    return sorted((r for r in run.results if r.verdict.name in order), key=lambda r: order[r.verdict.name])


def count_skips(run: Run) -> Counter[str]:
    """How many cases were skipped for which reason."""
    return Counter(reason for r in run.results if r.verdict.name == "skip" for reason in r.verdict.reasons[:1])


def explain_result(result: Result, replay: str) -> Iterator[Text]:
    """One result in lines: requirement, source, expected and got, the bytes with the place marked, how to replay it."""
    case, verdict = result.case, result.verdict
    color = COLORS.get(verdict.name, "red")
    yield Text.assemble("\n", (f"{verdict.name:<5}", color), " ", (case.id, "bold"), f"  {case.title}")
    yield Text(f"      {case.keyword}: {case.requirement} [{case.source}]")
    for reason in verdict.reasons:
        yield Text(f"      {reason.encode('utf-8', 'backslashreplace').decode()}")
    plan = result.exchanges[-1].plan if result.exchanges else None
    if plan is not None and (mark := find_mark(plan)) is not None:
        yield Text(f"      bytes: {mark}", style="dim")
    yield Text(f"      again: {replay_command(replay, case.id)}", style="dim")


def replay_command(replay: str, case: str) -> str:
    """The command that plays one case again."""
    front, dashes, command = replay.partition(" -- ")
    return f"{front} --run {case}{dashes}{command}"


def summary_line(run: Run) -> str:
    """The run in one line, which tools that read test output understand."""
    failed = sum(run.count(name) for name in ("fail", "crash", "hang", "harness error"))
    passed, weak, skipped = run.count("pass"), run.count("weak"), run.count("skip")
    more = f", {weak} weak" if weak else ""
    return f"{passed} passed, {failed} failed{more}, {skipped} skipped in {run.took_s:.1f} s"
