"""The report as Markdown, for the comment of a pull request or a README."""

from collections.abc import Iterator

from mockserver.conformance.report.data import Report

_VERDICTS = ("pass", "weak", "fail", "crash", "hang", "harness error", "skip")


def write_markdown(report: Report) -> str:
    """The Markdown of a report: a table by class, then a line for each case that is not as it should be."""
    return "\n".join(_lines(report)) + "\n"


def _lines(report: Report) -> Iterator[str]:
    consumer = report["consumer"]
    yield f"### Conformance of {consumer['name']} {consumer['version']}".rstrip()
    yield ""
    classes = list(dict.fromkeys(result["class"] for result in report["results"]))
    seen = [name for name in _VERDICTS if any(result["verdict"] == name for result in report["results"])]
    yield f"| class | {' | '.join(seen)} |"
    yield f"|---|{'---:|' * len(seen)}"
    for cls in sorted(classes, key=lambda name: name == "dialect"):
        own = [result["verdict"] for result in report["results"] if result["class"] == cls]
        yield f"| {cls} | {' | '.join(str(own.count(name) or '') for name in seen)} |"
    troubled = [result for result in report["results"] if result["verdict"] not in ("pass", "skip")]
    if troubled:
        yield ""
        yield "| case | verdict | what happened |"
        yield "|---|---|---|"
        yield from (f"| `{r['id']}` | {r['verdict']} | {_cell(r)} |" for r in troubled)
    yield ""
    yield f"{len(report['results'])} cases, openai-mockserver {report['suite']}, {report['made_at'][:10]}, seed {report['seed']}."


def _cell(result: Report) -> str:
    text = " ".join((result["reasons"] or [result["title"]])[0].split())
    short = text if len(text) <= 160 else text[:159] + "…"
    return short.replace("\\", "\\\\").replace("|", "\\|").replace("<", "&lt;")
