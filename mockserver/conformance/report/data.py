"""A run as plain data: what `--json` writes, and all that the other reports are made of.

The format is versioned: members may be added within a version, none changes its meaning. It is described in
docs/conformance-report.md.
"""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from mockserver._version import __version__
from mockserver.conformance.mark import find_mark
from mockserver.conformance.result import Result
from mockserver.conformance.run import Run
from mockserver.outcome import ANY

FORMAT = "openai-mockserver conformance report"
FORMAT_VERSION = 1

Report = dict[str, Any]

MAX_TEXT = 4_000
"""Longer texts are cut in a report, with a note of how much is missing."""

MAX_ROWS = 400
"""How many writes and deltas of one case are told one by one."""


def make_report(run: Run, command: str = "") -> Report:
    """A run as plain data. `command` is how the consumer was started."""
    results = [_describe(result) for result in run.results]
    return {
        "format": FORMAT,
        "version": FORMAT_VERSION,
        "suite": __version__,
        "made_at": datetime.fromtimestamp(run.started_at, UTC).isoformat(timespec="seconds"),
        "took_s": round(run.took_s, 3),
        "seed": run.seed,
        "command": command,
        "consumer": {"name": run.consumer.name, "version": run.consumer.version, "lacks": sorted(run.consumer.lacks)},
        "score": score_results(results),
        "results": results,
    }


def score_results(results: Sequence[Report]) -> dict[str, dict[str, int]]:
    """How many results have which verdict, the standard's and the dialects' apart; those skipped are no part of `total`."""
    return {kind: _score(results, kind == "dialect") for kind in ("standard", "dialect")}


def _score(results: Sequence[Report], dialect: bool) -> dict[str, int]:
    own = [result["verdict"] for result in results if (result["class"] == "dialect") == dialect]
    counts = {name: own.count(name) for name in ("pass", "weak", "fail", "crash", "hang", "harness error", "skip")}
    return {"total": len(own) - counts["skip"], **counts}


def _describe(result: Result) -> Report:
    case, verdict, report = result.case, result.verdict, result.report
    last = result.exchanges[-1] if result.exchanges else None
    described: Report = {
        "id": case.id,
        "class": case.cls,
        "title": case.title,
        "requirement": case.requirement,
        "source": case.source,
        "keyword": case.keyword,
        "right": case.right,
        "verdict": verdict.name,
        "reasons": [_cut(reason) for reason in verdict.reasons],
        "requests": len(result.exchanges),
    }
    if result.expected is not None:
        described["because"] = list(result.expected.because)
        described["expected"] = _plain(result.expected.outcome)
    if report is not None:
        described["took_ms"] = round(report.took_s * 1000, 1)
        described["got"] = _plain({key: value for key, value in report.answer.items() if key != "case"})
        described["deltas"] = [[round(at_s * 1000, 1), _cut(text)] for at_s, text in report.deltas[:MAX_ROWS]]
        if report.output and verdict.name in ("crash", "hang"):
            described["output"] = _cut(report.output)
    if last is not None:
        described["ended"] = last.ended
        described["writes"] = [
            [round(p.due_s * 1000, 3), round(p.at_s * 1000, 3), p.size] for p in last.played[:MAX_ROWS]
        ]
        if last.plan is not None and verdict.name != "pass" and (mark := find_mark(last.plan)) is not None:
            before, after = (part.decode("utf-8", "backslashreplace") for part in (mark.before, mark.after))
            described["bytes"] = {"before": before, "after": after, "note": mark.note}
    return described


def _plain(value: Any) -> Any:
    if value is ANY:
        return "(any)"
    if isinstance(value, dict):
        return {str(key): _plain(member) for key, member in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value[:MAX_ROWS]]
    return _cut(value) if isinstance(value, str) else value


def _cut(text: str) -> str:
    return text if len(text) <= MAX_TEXT else f"{text[:MAX_TEXT]}… ({len(text) - MAX_TEXT} characters more)"
