"""Cases and runs made for tests of what is made of them."""

import contextlib
from collections.abc import Mapping, Sequence
from typing import Any

from mockserver.conformance.case import Case, choose_cases, load_cases
from mockserver.conformance.consumer import Hello, Report
from mockserver.conformance.report.data import make_report
from mockserver.conformance.result import Result, judge_report
from mockserver.conformance.run import Run, make_line, serve_cases, wait_for_end
from mockserver.conformance.verdict import Verdict, VerdictName
from tests.support import AnswerCutError, RawClient

SIMPLE = [case for case in load_cases() if case.cls == "framing" and not case.needs and case.right == "same"][:6]
"""Some plain cases, whose streams are legal."""


def find_case(name: str) -> Case:
    """The case of the suite with an id."""
    [case] = choose_cases(load_cases(), [name])
    return case


def play(case: Case, got: Mapping[str, Any] | None = None, report: Report | None = None) -> Result:
    """A case, asked once for real, with what a consumer is said to have reported of it."""
    with serve_cases([case]) as server:
        line = make_line(case, server.scenario_url(case.id))
        with RawClient(server) as client, contextlib.suppress(AnswerCutError):
            client.ask(line["request"], path=f"/scenarios/{case.id}/v1/chat/completions")
        answer = report or Report("answer", {"case": case.id, **(got or {})}, ((0.001, "Hel"),), 0.0125)
        return judge_report(case, answer, wait_for_end(server, case), frozenset())


def make_result(case: str, verdict: VerdictName, *reasons: str) -> Result:
    """A result that nothing was played for."""
    return Result(find_case(case), Verdict(verdict, reasons))


def make_run(results: Sequence[Result], name: str = "tiny", version: str = "1.0", lacks: Sequence[str] = ()) -> Run:
    """A run of these results."""
    return Run(Hello(name, version, frozenset(lacks)), tuple(results), 1_700_000_000.0, 1.25, 7)


CASES = ("plain", "sse-crlf", "cut-clean-no-finish", "role-missing")


def make_verdicts_report(name: str, version: str = "1.0", **verdicts: str) -> dict[str, Any]:
    """The report of a consumer on four cases, passed but where a verdict is told."""
    results = [make_result(case, verdicts.get(case.replace("-", "_"), "pass"), f"why {case}") for case in CASES]  # type: ignore[arg-type]
    return make_report(make_run(results, name, version, ["n"]))


ROW: dict[str, Any] = {
    "id": "crlf", "library": "tiny", "version": "1.0", "kind": "defect", "title": "CRLF is not read", "rule": "WHATWG",
    "where": "tiny/sse.py:3", "cause": "it splits at LF.", "replay": "mockserver check --consumer tiny --run sse-crlf",
    "cells": [{"consumers": ["tiny", "big"], "cases": ["sse-*"]}],
}  # fmt: skip
"""A row of a list of defects."""
