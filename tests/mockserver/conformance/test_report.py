"""The reports of a run: as data, for CI, for a pull request and for a terminal. The page is tested in a browser, elsewhere."""

import io
import json
import re
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import jsonschema
import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from mockserver.conformance.case import load_cases
from mockserver.conformance.consumer import Report
from mockserver.conformance.report import write_reports
from mockserver.conformance.report.data import MAX_TEXT, make_report
from mockserver.conformance.report.junit import write_junit
from mockserver.conformance.report.markdown import write_markdown
from mockserver.conformance.report.page import write_page
from mockserver.conformance.report.terminal import by_class, print_report, replay_command, summary_line
from mockserver.conformance.result import Result
from mockserver.conformance.run import Run
from mockserver.conformance.verdict import Verdict, VerdictName
from mockserver.errors import UsageError
from tests.mockserver.conformance.made import make_result, make_run, play

DOCUMENT = Path(__file__).parents[3] / "docs" / "conformance-report.md"
VERDICTS: tuple[VerdictName, ...] = ("pass", "weak", "fail", "crash", "hang", "harness error", "skip")
SAME = next(case for case in load_cases() if case.cls == "framing" and case.right == "same" and not case.needs)
BROKEN = next(case for case in load_cases() if case.cls == "fault" and case.right == "error" and not case.needs)
OTHERS = [case for case in load_cases() if case.cls == "protocol" and not case.needs]
DIALECT = next(case for case in load_cases() if case.cls == "dialect" and not case.needs)

_WHOLE, _NUMBER, _TEXT = {"type": "integer", "minimum": 0}, {"type": "number", "minimum": 0}, {"type": "string"}
_TEXTS = {"type": "array", "items": _TEXT}
_SCORE = {
    "type": "object",
    "properties": dict.fromkeys(("total", *VERDICTS), _WHOLE),
    "required": ["total", *VERDICTS],
    "additionalProperties": False,
}


def _rows(*items: dict[str, Any]) -> dict[str, Any]:
    return {
        "type": "array",
        "items": {"type": "array", "prefixItems": list(items), "minItems": len(items), "items": False},
    }


RESULT: dict[str, Any] = {
    "id": {"type": "string", "pattern": "^[a-z0-9-]+$"},
    "class": {"enum": ["framing", "http", "protocol", "dialect", "fault", "time", "limits", "lifecycle"]},
    "title": _TEXT,
    "requirement": _TEXT,
    "source": _TEXT,
    "keyword": {"enum": ["must", "should", "may"]},
    "right": {"enum": ["same", "error", "either"]},
    "verdict": {"enum": list(VERDICTS)},
    "reasons": _TEXTS,
    "requests": _WHOLE,
    "because": _TEXTS,
    "expected": {"type": "object"},
    "got": {"type": "object"},
    "took_ms": _NUMBER,
    "deltas": _rows(_NUMBER, _TEXT),
    "output": _TEXT,
    "ended": {"type": ["string", "null"]},
    "writes": _rows(_NUMBER, _NUMBER, _WHOLE),
    "bytes": {
        "type": "object",
        "properties": {"before": _TEXT, "after": _TEXT, "note": _TEXT},
        "required": ["before", "after", "note"],
        "additionalProperties": False,
    },
}
REPORT: dict[str, Any] = {
    "format": {"const": "openai-mockserver conformance report"},
    "version": {"const": 1},
    "suite": _TEXT,
    "made_at": {"type": "string", "pattern": r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\+00:00$"},
    "took_s": _NUMBER,
    "seed": {"type": "integer"},
    "command": _TEXT,
    "consumer": {
        "type": "object",
        "properties": {"name": _TEXT, "version": _TEXT, "lacks": _TEXTS},
        "required": ["name", "version", "lacks"],
        "additionalProperties": False,
    },
    "score": {
        "type": "object",
        "properties": {"standard": _SCORE, "dialect": _SCORE},
        "required": ["standard", "dialect"],
        "additionalProperties": False,
    },
    "results": {
        "type": "array",
        "items": {
            "type": "object",
            "properties": RESULT,
            "required": list(RESULT)[:10],
            "additionalProperties": False,
        },
    },
}
SCHEMA = {"type": "object", "properties": REPORT, "required": list(REPORT), "additionalProperties": False}
"""The format of docs/conformance-report.md, version 1."""


@pytest.fixture(scope="module")
def run() -> Run:
    """A run with every verdict, real evidence, and what is hard to write down."""
    crashed = Report("crash", output="Traceback\nValueError: </script> \x00\x1b[31m é🙂\u2028")
    long = play(SAME, {"content": "x" * 5000, "usage": {"prompt_tokens": None}, "tool_calls": [{"id": "a"}]})
    return make_run(
        [
            long,
            play(BROKEN, {"content": "", "finish_reason": "stop", "content\ud800": None}),
            play(DIALECT, {"error": {"type": "ValueError", "message": "]]> & <b>"}}),
            play(OTHERS[1], report=crashed),
            Result(OTHERS[2], Verdict("pass")),
            make_result(OTHERS[3].id, "weak", "no error | but\nno finish <reason> either"),
            make_result(OTHERS[4].id, "hang"),
            make_result(OTHERS[5].id, "harness error", "event 3: \ud800 is no character"),
            make_result(OTHERS[6].id, "skip", "the consumer lacks n"),
        ],
        lacks=["tools", "n"],
    )


def test_the_data_is_as_the_document_says(run: Run) -> None:
    report = json.loads(json.dumps(make_report(run, "mockserver check -- ./it")))
    jsonschema.Draft202012Validator(SCHEMA).validate(report)
    assert report["results"][0]["writes"]
    assert report["results"][0]["expected"]["finish_reason"] == "stop"
    assert report["results"][1]["because"]
    assert report["results"][1]["bytes"]["note"]
    assert report["results"][3]["output"].startswith("Traceback")
    assert report["results"][0]["deltas"] == [[1.0, "Hel"]]
    assert report["results"][0]["took_ms"] == 12.5
    assert "case" not in report["results"][0]["got"]
    assert {result["verdict"] for result in report["results"]} == set(VERDICTS)


def test_the_document_names_every_member_and_no_other() -> None:
    document = DOCUMENT.read_text()
    report, result = document.split("## A result")
    named = [
        set(re.findall(r"`([a-z_]+)`", "".join(re.findall(r"^\| (`.*?) \|", part, re.M)))) for part in (report, result)
    ]
    assert named == [set(REPORT), set(RESULT)]


def test_the_documents_example_is_valid() -> None:
    [example] = re.findall(r"```json\n(.*?)```", DOCUMENT.read_text(), re.S)
    jsonschema.Draft202012Validator(SCHEMA).validate(json.loads(example))


def test_standard_and_dialects_are_scored_apart_and_what_is_skipped_is_no_part(run: Run) -> None:
    score = make_report(run)["score"]
    assert score["dialect"]["total"] == 1
    assert score["standard"]["total"] == len(run.results) - 2
    assert score["standard"]["skip"] == 1


def test_long_texts_are_cut_and_say_so(run: Run) -> None:
    content = make_report(run)["results"][0]["got"]["content"]
    assert content == "x" * MAX_TEXT + "… (1000 characters more)"


@pytest.mark.parametrize("strict", [False, True])
def test_junit_counts_every_case_once_and_is_xml_whatever_was_said(run: Run, strict: bool) -> None:
    root = ET.fromstring(write_junit(make_report(run), strict))
    cases = list(root.iter("testcase"))
    assert [case.get("name") for case in cases if case.find("skipped") is not None] == [run.results[-1].case.id]
    tags = {"fail": "failure", "crash": "error", "hang": "error", "harness error": "error", "skip": "skipped"}
    tags |= {"weak": "failure"} if strict else {}
    told = {case.get("name"): [child.tag for child in case] for case in cases}
    assert told == {r.case.id: [tags[r.verdict.name]] if r.verdict.name in tags else [] for r in run.results}
    for suite in root.iter("testsuite"):
        assert int(suite.get("tests", "0")) == len(suite.findall("testcase"))
        assert int(suite.get("failures", "0")) == len(list(suite.iter("failure")))
        assert int(suite.get("errors", "0")) == len(list(suite.iter("error")))


@given(st.text(st.characters(codec=None)))
def test_no_text_breaks_the_xml_the_table_or_the_page(text: str) -> None:
    run = make_run([make_result(SAME.id, "fail", text)])
    report = make_report(run)
    assert ET.fromstring(write_junit(report)).find(".//failure") is not None
    lines = write_markdown(report).splitlines()
    [row] = [line for line in lines if line.startswith(f"| `{SAME.id}`")]
    assert len(re.findall(r"(?<!\\)\|", row.replace("\\\\", ""))) == 4
    page = write_page([report])
    [data] = re.findall(r"^const reports = (.*);$", page, re.M)
    assert json.loads(data)[0]["results"][0]["reasons"] == [text]
    assert page.count("</script") == 1


def test_markdown_has_a_table_by_class_and_a_line_for_each_trouble(run: Run) -> None:
    text = write_markdown(make_report(run))
    assert "### Conformance of tiny 1.0" in text
    assert "no error \\| but no finish &lt;reason> either" in text
    assert f"| `{SAME.id}` | fail |" in text
    assert f"`{OTHERS[2].id}`" not in text
    assert text.index("| framing |") < text.index("| dialect |")
    assert write_markdown(make_report(make_run([make_result(SAME.id, "pass")]))).count("\n") == 7


def test_the_terminal_explains_each_trouble_and_how_to_play_it_again(run: Run) -> None:
    out = io.StringIO()
    print_report(run, Console(file=out, width=200), "mockserver check --jobs 2 -- ./it")
    text = out.getvalue()
    assert f"must: {SAME.requirement} [{SAME.source}]" in text
    assert f"again: mockserver check --jobs 2 --run {SAME.id} -- ./it" in text
    assert "▶" in text
    assert text.index("harness error ") < text.index(f"crash {OTHERS[1].id}") < text.index(f"fail  {SAME.id}")
    *_, skipped, summary = text.rstrip().splitlines()
    assert (skipped, summary) == ("1 skipped: the consumer lacks n", "2 passed, 5 failed, 1 weak, 1 skipped in 1.2 s")


def test_the_terminal_sums_the_standard_and_then_tells_the_dialects(run: Run) -> None:
    counts = by_class(run)
    assert list(counts)[-2:] == ["standard", "dialect"]
    assert counts["standard"].total() == len(run.results) - 1
    assert "dialect" not in by_class(make_run([make_result(SAME.id, "pass")]))


def test_a_run_without_weak_does_not_speak_of_it() -> None:
    assert summary_line(make_run([make_result(SAME.id, "pass")])) == "1 passed, 0 failed, 0 skipped in 1.2 s"


def test_a_command_without_a_program_is_played_again_too() -> None:
    assert replay_command("mockserver check --consumer groq", "one") == "mockserver check --consumer groq --run one"


def test_the_reports_that_are_wanted_are_written_and_no_others(run: Run, tmp_path: Path) -> None:
    write_reports(run, "it", html=str(tmp_path / "a.html"), json_file=str(tmp_path / "a.json"))
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.html", "a.json"]
    write_reports(run, "it", junit=str(tmp_path / "a.xml"), markdown=str(tmp_path / "a.md"), strict=True)
    assert json.loads((tmp_path / "a.json").read_text())["command"] == "it"
    assert ET.parse(tmp_path / "a.xml").getroot().tag == "testsuites"


def test_a_report_that_cannot_be_written_is_explained(run: Run, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"cannot write the report .*: No such file"):
        write_reports(run, "it", html=str(tmp_path / "no" / "such" / "folder.html"))


def test_the_title_of_the_page_is_text() -> None:
    assert "<title>a &amp; &lt;b></title>" in write_page([], "a & <b>")
