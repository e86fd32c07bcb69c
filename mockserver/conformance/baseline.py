"""A baseline: the failures that are known, as a file. A new failure fails the run, and so does a known one that passes now."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from mockserver.conformance.result import Result
from mockserver.conformance.run import Run
from mockserver.conformance.verdict import BAD
from mockserver.errors import UsageError


@dataclass(frozen=True, slots=True)
class Compared:
    """A run held against a baseline: failures that it does not name, and cases it names that pass now."""

    new: tuple[Result, ...]
    mended: tuple[str, ...]
    known: tuple[str, ...]

    def lines(self) -> Iterator[str]:
        """What is to be told of it."""
        if self.known:
            yield f"{len(self.known)} known failures, as the baseline says"
        for case in self.mended:
            yield f"{case} passes now: take it out of the baseline"


def read_baseline(path: Path) -> Mapping[str, str]:
    """The known failures of a file: case ids, each with its comment. Raises `UsageError`."""
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"cannot read the baseline {path}: {error}") from error
    found = {}
    for number, line in enumerate(lines, 1):
        case, _, comment = line.partition("#")
        if len(case.split()) > 1:
            raise UsageError(f"{path}:{number}: expected one case id, and a comment after #, got {line!r}")
        if case.strip():
            found[case.strip()] = comment.strip()
    return found


def compare_with_baseline(run: Run, known: Mapping[str, str], strict: bool = False) -> Compared:
    """Hold a run against the known failures; cases that were not run are left out of it."""
    failed = failing(run, strict)
    ran = {result.case.id: result for result in run.results if result.verdict.name != "skip"}
    return Compared(
        new=tuple(result for case, result in failed.items() if case not in known),
        mended=tuple(case for case in known if case in ran and case not in failed),
        known=tuple(case for case in known if case in failed),
    )


def write_baseline_file(path: Path, run: Run, strict: bool = False) -> None:
    """Write the failures of a run as a baseline. Raises `UsageError`."""
    lines = [f"# Known failures of {run.consumer.name} {run.consumer.version}".rstrip()]
    for case, result in failing(run, strict).items():
        reason = " ".join((result.verdict.reasons or ("",))[0].split())
        lines.append(f"{case}  # {result.verdict.name}: {reason[:100]}".rstrip())
    try:
        path.write_text("\n".join(lines) + "\n", encoding="utf-8", errors="backslashreplace")
    except OSError as error:
        raise UsageError(f"cannot write the baseline {path}: {error.strerror}") from error


def failing(run: Run, strict: bool = False) -> dict[str, Result]:
    """The results that fail a run, by case."""
    bad = {*BAD, "weak"} if strict else set(BAD)
    return {result.case.id: result for result in run.results if result.verdict.name in bad}
