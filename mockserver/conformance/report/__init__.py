"""Reports of a run: for a terminal, as JSON, JUnit XML, Markdown, and a page of HTML."""

import json
from collections.abc import Callable
from pathlib import Path

from mockserver.conformance.report.data import make_report
from mockserver.conformance.report.junit import write_junit
from mockserver.conformance.report.markdown import write_markdown
from mockserver.conformance.report.page import write_page
from mockserver.conformance.run import Run
from mockserver.errors import UsageError


def write_reports(
    run: Run,
    command: str,
    *,
    html: str | None = None,
    json_file: str | None = None,
    junit: str | None = None,
    markdown: str | None = None,
    strict: bool = False,
) -> None:
    """Write the reports that are wanted, each to its file. Raises `UsageError` where one cannot be written."""
    report = make_report(run, command)
    wanted: dict[str | None, Callable[[], str]] = {
        html: lambda: write_page([report], f"Conformance of {run.consumer.name}"),
        json_file: lambda: json.dumps(report, ensure_ascii=False, indent=1) + "\n",
        junit: lambda: write_junit(report, strict),
        markdown: lambda: write_markdown(report),
    }
    for name, write in wanted.items():
        if name is None:
            continue
        try:
            # A consumer may report half of a surrogate pair, which UTF-8 cannot write: JSON's own escape stands for it.
            Path(name).write_text(write(), encoding="utf-8", errors="backslashreplace")
        except OSError as error:
            raise UsageError(f"cannot write the report {name}: {error.strerror}") from error
