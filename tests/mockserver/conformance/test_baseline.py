"""The baseline: what was known to fail, held against what fails now."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mockserver.conformance.baseline import compare_with_baseline, failing, read_baseline, write_baseline_file
from mockserver.conformance.case import load_cases
from mockserver.conformance.result import Result
from mockserver.conformance.run import Run
from mockserver.conformance.verdict import BAD, Verdict, VerdictName
from mockserver.errors import UsageError
from tests.mockserver.conformance.made import make_result, make_run

VERDICTS: tuple[VerdictName, ...] = ("pass", "weak", "fail", "crash", "hang", "skip", "harness error")
CASES = load_cases()[:8]
verdicts = st.lists(st.sampled_from(VERDICTS), min_size=len(CASES), max_size=len(CASES))


def run_with(names: list[VerdictName]) -> Run:
    return make_run([Result(case, Verdict(name, ("why\nso",))) for case, name in zip(CASES, names, strict=True)])


@given(verdicts, st.sets(st.sampled_from([case.id for case in CASES])), st.booleans())
def test_every_case_is_new_known_mended_or_fine(names: list[VerdictName], known: set[str], strict: bool) -> None:
    compared = compare_with_baseline(run_with(names), dict.fromkeys(known, ""), strict)
    bad = {*BAD, "weak"} if strict else set(BAD)
    for case, name in zip(CASES, names, strict=True):
        assert (case.id in [result.case.id for result in compared.new]) == (name in bad and case.id not in known)
        assert (case.id in compared.known) == (name in bad and case.id in known)
        assert (case.id in compared.mended) == (name not in bad and name != "skip" and case.id in known)


@given(verdicts, st.booleans())
def test_a_baseline_that_was_written_names_exactly_what_fails(
    tmp_path_factory: pytest.TempPathFactory, names: list[VerdictName], strict: bool
) -> None:
    run = run_with(names)
    file = tmp_path_factory.getbasetemp() / "baseline.txt"
    write_baseline_file(file, run, strict)
    known = read_baseline(file)
    assert set(known) == set(failing(run, strict))
    assert all(comment.endswith("why so") for comment in known.values())
    compared = compare_with_baseline(run, known, strict)
    assert (compared.new, compared.mended) == ((), ())


def test_a_case_that_was_not_run_is_neither_known_nor_mended() -> None:
    compared = compare_with_baseline(make_run([make_result(CASES[0].id, "pass")]), {"gone-by": ""})
    assert (compared.new, compared.mended, compared.known) == ((), (), ())
    assert list(compared.lines()) == []


def test_it_tells_what_is_mended_and_how_many_are_known() -> None:
    run = make_run([make_result(CASES[0].id, "pass"), make_result(CASES[1].id, "fail", "no")])
    compared = compare_with_baseline(run, {CASES[0].id: "", CASES[1].id: ""})
    assert list(compared.lines()) == [
        "1 known failures, as the baseline says",
        f"{CASES[0].id} passes now: take it out of the baseline",
    ]


def test_comments_and_blank_lines_are_read_over(tmp_path: Path) -> None:
    file = tmp_path / "baseline.txt"
    file.write_text("# all of it\n\n  sse-crlf   # fail: lost\ncut-here\n")
    assert read_baseline(file) == {"sse-crlf": "fail: lost", "cut-here": ""}


def test_a_line_with_two_ids_is_refused_with_its_number(tmp_path: Path) -> None:
    file = tmp_path / "baseline.txt"
    file.write_text("sse-crlf\ncut-here cut-there\n")
    with pytest.raises(UsageError, match=r"baseline\.txt:2: expected one case id"):
        read_baseline(file)


@pytest.mark.parametrize("data", [None, b"\xff\xfe\x00"])
def test_a_file_that_cannot_be_read_is_explained(tmp_path: Path, data: bytes | None) -> None:
    file = tmp_path / "baseline.txt"
    if data is not None:
        file.write_bytes(data)
    with pytest.raises(UsageError, match="cannot read the baseline"):
        read_baseline(file)


def test_what_utf_8_cannot_write_is_escaped(tmp_path: Path) -> None:
    file = tmp_path / "baseline.txt"
    write_baseline_file(file, make_run([make_result(CASES[0].id, "fail", "\ud800")]))
    assert read_baseline(file) == {CASES[0].id: r"fail: \ud800"}


def test_a_file_that_cannot_be_written_is_explained(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="cannot write the baseline"):
        write_baseline_file(tmp_path / "no" / "baseline.txt", make_run([]))
