"""The list of defects: each row explains cells of the matrix, each cell that is no pass is explained, and the document says so."""

import json
import re
from functools import cache
from importlib.metadata import version
from itertools import groupby
from pathlib import Path
from typing import Any

import msgspec
import pytest

from mockserver.conformance.adapters import ADAPTERS, Environment, find_adapter, make_command
from mockserver.conformance.adhoc import make_case
from mockserver.conformance.baseline import read_baseline
from mockserver.conformance.case import Case, choose_cases, load_cases
from mockserver.conformance.defects import Defect, find_idle, find_unexplained, read_defects, render_defects
from mockserver.conformance.publishing import BEGIN_DEFECTS, END_DEFECTS
from mockserver.conformance.replays import Replay, choose_replays, write_replays
from mockserver.conformance.run import run_cases
from mockserver.conformance.verdict import Verdict
from mockserver.errors import UsageError
from mockserver.loading import load_scenarios
from tests.mockserver.conformance.made import ROW

ROOT = Path(__file__).parents[3]
DOCS = ROOT / "docs"
BASELINES = ROOT / "tests" / "baselines"


def make_row(**more: Any) -> Defect:
    return msgspec.convert({**ROW, **more}, Defect)


def make_matrix(**columns: dict[str, str]) -> dict[str, Any]:
    return {
        name: {"cells": {case: [verdict, "why"] for case, verdict in cells.items()}} for name, cells in columns.items()
    }


def test_a_cell_without_a_row_is_found() -> None:
    matrix = make_matrix(tiny={"sse-crlf": "fail", "plain": "hang", "n-one": "skip"}, other={"sse-crlf": "weak"})
    assert find_unexplained([make_row()], matrix) == ["tiny: plain: hang", "other: sse-crlf: weak"]


def test_what_explains_nothing_is_found() -> None:
    matrix = make_matrix(tiny={"sse-crlf": "fail", "cut-rst": "skip"})
    row = make_row(cells=[{"consumers": ["tiny", "big"], "cases": ["sse-*", "cut-*"]}])
    assert find_idle([row], matrix) == ["crlf: big", "crlf: cut-*"]


def test_a_row_is_rendered_with_its_cells_and_who_sends_such_streams() -> None:
    matrix = make_matrix(tiny={"sse-crlf": "fail"}, big={"sse-crlf": "fail", "sse-cr": "fail"})
    sources = {"sse-crlf": "observed: IIS", "sse-cr": "WHATWG HTML 9.2.6; observed: a Mac"}
    text = render_defects(
        [make_row(), make_row(id="two", kind="choice", version="", sent_by="nobody")],
        matrix,
        sources,
        {"crlf": "play it"},
    )
    assert "| defect | 1 |" in text
    assert "| choice | 1 |" in text
    assert text.count("### tiny") == 1
    assert "**CRLF is not read** (defect, 1.0)" in text
    assert "- Cause: it splits at LF. [`tiny/sse.py:3`]" in text
    assert "- Sent by: IIS; a Mac\n" in text
    assert "- Seen with: tiny, big\n- Cases: sse-crlf, sse-cr\n" in text
    assert "(choice)" in text
    assert "- Sent by: nobody\n" in text
    assert f"- Replay: `play it` ([the scenario](conformance/replays/crlf.yaml)); more: `{ROW['replay']}`\n" in text
    assert text.endswith(f"- Replay: `{ROW['replay']}`")


def test_a_rule_that_nobody_was_seen_to_use_may_be_used_by_anybody() -> None:
    text = render_defects([make_row()], make_matrix(tiny={"sse-crlf": "fail"}), {"sse-crlf": "WHATWG HTML 9.2.6"}, {})
    assert "- Sent by: any server" in text


def test_a_file_that_is_no_list_of_rows_is_told(tmp_path: Path) -> None:
    path = tmp_path / "defects.yaml"
    path.write_text("- {id: one}\n", encoding="utf-8")
    with pytest.raises(UsageError, match=r"cannot read the defects .*library"):
        read_defects(path)


# What is published

ROWS = read_defects(DOCS / "conformance" / "defects.yaml")
MATRIX: dict[str, Any] = json.loads((DOCS / "conformance" / "matrix.json").read_text(encoding="utf-8"))


def test_every_cell_that_is_no_pass_is_explained_and_every_row_explains_some() -> None:
    assert find_unexplained(ROWS, MATRIX) == []
    assert find_idle(ROWS, MATRIX) == []


def test_the_matrix_is_of_cases_and_consumers_that_there_are() -> None:
    assert MATRIX.keys() <= ADAPTERS.keys()
    assert len(MATRIX) >= 25
    assert {case for column in MATRIX.values() for case in column["cells"]} <= {case.id for case in load_cases()}


def test_every_row_has_an_id_of_its_own_and_replays_a_case_of_it() -> None:
    assert len({row.id for row in ROWS}) == len(ROWS)
    for row in ROWS:
        told = re.fullmatch(r"mockserver check --consumer (\S+)((?: --run \S+)+)( --strict)?", row.replay)
        assert told, row.replay
        globs = re.findall(r"--run '?([^' ]+)'?", told[2])
        cells = MATRIX[told[1]]["cells"]
        for glob in globs:
            pattern = re.compile(glob.replace("*", ".*"))
            assert any(pattern.fullmatch(case) and row.explains(told[1], case) for case in cells), row.replay


@pytest.mark.parametrize("row", [row for row in ROWS if row.kind != "choice"], ids=lambda row: row.id)
def test_every_row_names_the_library_its_version_and_the_line(row: Defect) -> None:
    assert row.version
    assert len(row.cause) > 10
    assert re.match(r"[\w@./:-]+:[1-9]\d*\b", row.where), f"expected file:line, got {row.where}"


def test_rows_of_a_library_stand_together() -> None:
    libraries = [library for library, _ in groupby(ROWS, key=lambda row: row.library)]
    assert len(set(libraries)) == len(libraries)


@pytest.mark.parametrize("path", sorted(BASELINES.glob("*.txt")), ids=lambda path: path.stem)
def test_a_baseline_is_explained_by_the_rows(path: Path) -> None:
    known = dict.fromkeys(read_baseline(path))
    assert [case for case in known if not any(row.explains(path.stem, case) for row in ROWS)] == []


def test_the_document_holds_the_list_as_it_is() -> None:
    text = (DOCS / "conformance.md").read_text(encoding="utf-8")
    told = text.partition(BEGIN_DEFECTS)[2].partition(END_DEFECTS)[0]
    sources = {case.id: case.source for case in load_cases()}
    commands = {replay.defect.id: replay.command for replay in make_replays()}
    assert told.strip() == render_defects(ROWS, MATRIX, sources, commands)


# Replays


@cache
def make_replays() -> list[Replay]:
    """A replay for each row; a second's work, which is none of every worker that only collects the tests."""
    return list(choose_replays(ROWS, MATRIX, load_cases()))


FILES = DOCS / "conformance" / "replays"


def test_every_row_has_a_file_and_every_file_is_of_a_row() -> None:
    assert [replay.defect for replay in make_replays()] == list(ROWS)
    assert sorted(path.stem for path in FILES.iterdir()) == sorted(row.id for row in ROWS)


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.id)
def test_a_replay_is_the_case_and_asks_what_the_case_asks(row: Defect) -> None:
    [replay] = [replay for replay in make_replays() if replay.defect == row]
    path = FILES / f"{replay.defect.id}.yaml"
    assert path.read_text(encoding="utf-8") == replay.text, "make matrix ARGS=--render writes it anew"
    [scenario] = load_scenarios([path]).scenarios
    assert scenario == replay.case.as_scenario()
    assert replay.defect.explains(replay.consumer, replay.case.id)
    verdict = MATRIX[replay.consumer]["cells"][replay.case.id][0]
    assert replay.strict == (verdict == "weak")
    if replay.is_whole:
        case = make_case(scenario)
        assert case.request.get("n") == replay.case.request.get("n")
        assert {*case.needs} <= {*replay.case.needs} | {"tools"}
        assert {*list_tools(case)} <= {*list_tools(replay.case)}
        assert bool(list_tools(case)) == bool(list_tools(replay.case))


def list_tools(case: Case) -> list[tuple[str, str]]:
    return [(tool["type"], tool[tool["type"]]["name"]) for tool in case.request.get("tools", ())]


def play(consumer: str, *files: Path) -> dict[str, Verdict]:
    """What comes of scenario files, as `mockserver check --scenario` judges them."""
    cases = {scenario.name: make_case(scenario) for file in files for scenario in load_scenarios([file]).scenarios}
    run = run_cases(make_command(find_adapter(consumer), Environment()), list(cases.values()))
    return {result.case.id: result.verdict for result in run.results}


def test_a_replay_shows_the_defect() -> None:
    """The official SDK is beside the tests: what it makes of its smallest replays is what the matrix says of the cases."""
    column = MATRIX["openai-python"]
    if version("openai") != column["version"]:
        pytest.skip(f"the matrix is of openai {column['version']}")
    replays = {replay.case.id: replay.defect.id for replay in make_replays() if replay.consumer == "openai-python"}
    told = play("openai-python", *(FILES / f"{row}.yaml" for row in replays.values()))
    assert len(told) >= 5
    for case, verdict in told.items():
        assert [verdict.name, verdict.reasons[0][:300]] == column["cells"][case]


def test_what_is_no_defect_of_a_row_is_none_of_its_replay() -> None:
    """The reference client passes what the others fail: the scenarios are to be understood, or to be reported."""
    files = [
        FILES / f"{replay.defect.id}.yaml"
        for replay in make_replays()
        if replay.is_whole and not replay.case.time_limit_s
    ]
    assert {name: told for name, told in play("client", *files).items() if told.name != "pass"} == {}


def test_the_smallest_that_says_all_is_chosen() -> None:
    cases = choose_cases(
        load_cases(), ["client-breaks-early", "finish-length", "plain", "sse-crlf", "text-1m-in-one-chunk"]
    )
    told = {case.id: "fail" for case in cases}
    [one] = choose_replays([make_row(cells=[{"consumers": ["tiny"], "cases": ["*"]}])], make_matrix(tiny=told), cases)
    assert (one.case.id, one.is_whole) == ("plain", True)
    assert one.command == "mockserver check --consumer tiny --scenario docs/conformance/replays/crlf.yaml"
    acts = make_matrix(big={"client-breaks-early": "weak"})
    [two] = choose_replays([make_row(cells=[{"consumers": ["big"], "cases": ["client-*"]}])], acts, cases)
    assert two.command == "mockserver check --consumer big --run client-breaks-early --strict"
    assert "the consumer's part" in two.text


def test_files_of_rows_that_are_gone_are_taken_away(tmp_path: Path) -> None:
    (tmp_path / "gone.yaml").write_text("old", encoding="utf-8")
    write_replays(make_replays()[:2], tmp_path)
    assert sorted(path.stem for path in tmp_path.iterdir()) == sorted(replay.defect.id for replay in make_replays()[:2])
