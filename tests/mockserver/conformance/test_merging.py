"""Results played anew and put into the stored ones: in the suite's order, with the score of the whole."""

import pytest

from mockserver.conformance.merging import merge_reports
from mockserver.errors import UsageError
from tests.mockserver.conformance.made import CASES
from tests.mockserver.conformance.made import make_verdicts_report as made_report


def test_what_was_played_anew_takes_the_place_of_what_was_stored() -> None:
    stored = made_report("groq", plain="fail", role_missing="hang", sse_crlf="weak")
    anew = made_report("groq", role_missing="weak")
    anew["results"] = [result for result in reversed(anew["results"]) if result["id"] in ("plain", "role-missing")]
    anew["made_at"] = "2030-01-01T00:00:00+00:00"
    merged = merge_reports(stored, anew, CASES)
    assert [(result["id"], result["verdict"]) for result in merged["results"]] == [
        ("plain", "pass"), ("sse-crlf", "weak"), ("cut-clean-no-finish", "pass"), ("role-missing", "weak"),
    ]  # fmt: skip
    assert merged["score"] == made_report("groq", sse_crlf="weak", role_missing="weak")["score"]
    assert merged["made_at"] == "2030-01-01T00:00:00+00:00"
    assert merge_reports(stored, stored, CASES) == stored


def test_a_case_that_is_no_longer_there_is_dropped_and_its_verdict_counts_no_more() -> None:
    stored = made_report("groq", plain="fail")
    merged = merge_reports(stored, made_report("groq", plain="fail"), CASES[1:])
    assert [result["id"] for result in merged["results"]] == list(CASES[1:])
    assert merged["score"]["standard"]["fail"] == 0
    assert merged["score"]["standard"]["total"] == 2


def test_other_versions_and_cases_never_played_are_refused() -> None:
    stored = made_report("groq")
    with pytest.raises(UsageError, match=r"are of groq 1\.0, this is groq 2\.0: expected the same; play all cases"):
        merge_reports(stored, made_report("groq", "2.0"), CASES)
    with pytest.raises(UsageError, match=r"groq 1\.0 was never asked sse-bom: play these as well"):
        merge_reports(stored, made_report("groq"), [*CASES, "sse-bom"])
