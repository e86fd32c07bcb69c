"""What a case is, and how files of cases are loaded and checked."""

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, get_args

import pytest
import yaml

from mockserver.conformance.case import (
    ABILITIES,
    BASE_REQUEST,
    Ability,
    Case,
    choose_cases,
    explain_skip,
    load_cases,
    load_untested,
)
from mockserver.errors import ScenarioError

ONE: dict[str, Any] = {
    "id": "one",
    "title": "One case",
    "requirement": "It is read as what it means.",
    "source": "OpenAI",
    "right": "same",
    "scenario": {"reply": "Hello"},
}
Write = Callable[..., Path]


@pytest.fixture
def write(tmp_path: Path) -> Write:
    """Writes files of cases into a folder of their own: name without suffix -> contents."""

    def write(**files: Any) -> Path:
        for name, content in files.items():
            (tmp_path / f"{name}.yaml").write_text(yaml.safe_dump(content), encoding="utf-8")
        return tmp_path

    return write


def framing(*cases: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {"class": "framing", "cases": list(cases), **more}


def problem(folder: Path) -> str:
    with pytest.raises(ScenarioError) as caught:
        load_cases(folder)
    return str(caught.value)


def test_a_case_bears_the_class_of_its_file_and_defaults_for_all_it_does_not_say(write: Write) -> None:
    [case] = load_cases(write(a=framing(ONE)))
    assert (case.id, case.cls, case.keyword, case.right) == ("one", "framing", "must", "same")
    assert (case.needs, case.retries, case.leave_after_chunks, case.read_pause_ms, case.then_plain) == (
        (),
        0,
        None,
        0,
        False,
    )
    assert (case.timeout_s, case.time_limit_s, case.saw.requests) == (None, None, None)


def test_a_case_whose_extra_is_not_installed_is_loaded_all_the_same_and_skipped_with_what_to_install(
    write: Write, monkeypatch: pytest.MonkeyPatch
) -> None:
    squeezed = {"reply": "Hello", "delivery": {"http": {"coding": "br"}}}
    folder = write(a=framing({**ONE, "id": "br", "extra": "brotli", "scenario": squeezed, "needs": ["n"]}, ONE))
    there, _ = load_cases.__wrapped__(folder)
    assert there.scenario.delivery.http.coding == "br"
    assert explain_skip(there) is None
    monkeypatch.setitem(sys.modules, "brotli", None)
    case, other = load_cases.__wrapped__(folder)
    assert (case.id, case.scenario.reply, other.id) == ("br", "Hello", "one")
    assert explain_skip(case) == "needs the extra brotli: pip install 'openai-mockserver[brotli]'"
    assert explain_skip(case, frozenset({"n"})) == "the consumer lacks n"
    assert explain_skip(other) is None


def test_an_extra_that_there_is_not_is_refused(write: Write) -> None:
    assert "extra" in problem(write(a=framing({**ONE, "extra": "zstd"})))


def test_files_are_read_in_the_order_of_their_names(write: Write) -> None:
    folder = write(b=framing({**ONE, "id": "two"}), a={"class": "http", "cases": [ONE]})
    assert [(case.id, case.cls) for case in load_cases(folder)] == [("one", "http"), ("two", "framing")]


def test_two_cases_of_one_id_are_refused_though_they_stand_in_two_files(write: Write) -> None:
    assert "two cases have the id 'one'" in problem(write(a=framing(ONE), b=framing(ONE)))


def test_the_second_way_of_a_case_must_not_take_the_id_of_another(write: Write) -> None:
    both = {**ONE, "both_ways": True}
    assert "'one-close'" in problem(write(a=framing(both, {**ONE, "id": "one-close"})))


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"rihgt": "same"}, "rihgt"),
        ({"right": "maybe"}, "right"),
        ({"keyword": "shall"}, "keyword"),
        ({"id": "No Slug"}, "id"),
        ({"id": "ends-"}, "id"),
        ({"requirement": "short"}, "requirement"),
        ({"source": ""}, "source"),
        ({"needs": ["telepathy"]}, "needs"),
        ({"timeout_s": 0}, "timeout_s"),
        ({"leave_after_chunks": 0}, "leave_after_chunks"),
        ({"saw": {"request": 1}}, "request"),
        ({"scenario": {"reply": "Hello", "name": "x"}}, "name"),
        ({"scenario": {"delivery": {"quirks": ["no-such-quirk"]}}}, "no-such-quirk"),
        ({"scenario": {"delivery": {"faults": [{"fault": "no-such-fault"}]}}}, "no-such-fault"),
    ],
)
def test_what_is_unknown_or_out_of_bounds_is_refused_with_the_case_and_the_place(
    write: Write, change: dict[str, Any], said: str
) -> None:
    message = problem(write(a=framing({**ONE, **change})))
    assert f"case {change.get('id', 'one')!r}" in message
    assert said in message


@pytest.mark.parametrize("missing", ["id", "title", "requirement", "source", "right", "scenario"])
def test_a_case_without_one_of_its_parts_is_refused(write: Write, missing: str) -> None:
    assert missing in problem(write(a=framing({key: value for key, value in ONE.items() if key != missing})))


def test_a_file_with_an_unknown_key_or_class_is_refused_with_its_name(write: Write) -> None:
    assert "a.yaml" in problem(write(a=framing(ONE, more=1)))


def test_a_file_of_an_unknown_class_is_refused(write: Write) -> None:
    assert "a.yaml" in problem(write(a={"class": "weather", "cases": [ONE]}))


def test_a_case_played_both_ways_is_two_cases_the_second_with_connection_close(write: Write) -> None:
    given = {**ONE, "both_ways": True, "scenario": {"reply": "Hello", "delivery": {"http": {"transfer": "length"}}}}
    first, second = load_cases(write(a=framing(given)))
    assert (first.id, second.id) == ("one", "one-close")
    assert first.scenario.delivery.http.connection is None
    assert (second.scenario.delivery.http.connection, second.scenario.delivery.http.transfer) == ("close", "length")
    assert "Connection: close" in second.title
    assert not second.both_ways


def test_the_requests_body_is_the_base_with_what_the_case_says_and_without_what_it_takes_away(write: Write) -> None:
    given = {**ONE, "request": {"n": 2, "stream_options": None}}
    [case] = load_cases(write(a=framing(given)))
    assert case.body() == {**{k: v for k, v in BASE_REQUEST.items() if k != "stream_options"}, "n": 2}


def test_a_case_as_a_scenario_has_its_name_and_everything_it_sends(write: Write) -> None:
    scenario = {"sequence": [{"error": {"status": 429}}, {"reply": "Hello"}], "timing": {"itl": "5ms"}, "seed": 3}
    [case] = load_cases(write(a=framing({**ONE, "scenario": scenario})))
    made = case.as_scenario()
    assert (made.name, made.description, made.seed) == ("one", "One case", 3)
    assert made.turn(0).error is not None
    assert (made.turn(1).reply, made.turn(1).timing) == ("Hello", made.timing)


def test_requirements_that_are_not_tested_stay_as_rows_with_a_reason(write: Write) -> None:
    row = {"id": "later", "requirement": "It waits.", "source": "RFC 9110 10.2.3", "reason": "Takes an hour."}
    folder = write(a=framing(ONE, untested=[row]), b=framing())
    assert [(row.id, row.reason) for row in load_untested(folder)] == [("later", "Takes an hour.")]


def test_abilities_are_a_closed_vocabulary_each_with_what_it_says() -> None:
    assert set(ABILITIES) == set(get_args(Ability))
    assert all(meaning.startswith(("it ", "its ")) for meaning in ABILITIES.values())


def test_cases_are_chosen_by_globs_and_classes(write: Write) -> None:
    folder = write(
        a=framing(ONE, {**ONE, "id": "cut-one"}, {**ONE, "id": "cut-two"}),
        b={"class": "http", "cases": [{**ONE, "id": "three"}]},
    )
    cases = load_cases(folder)

    def chosen(*arguments: Any, **keywords: Any) -> list[str]:
        return [case.id for case in choose_cases(cases, *arguments, **keywords)]

    assert chosen() == ["one", "cut-one", "cut-two", "three"]
    assert chosen(["cut-*"]) == ["cut-one", "cut-two"]
    assert chosen(["cut-*", "three"], skip=["*-two"]) == ["cut-one", "three"]
    assert chosen(classes=["http"]) == ["three"]
    assert chosen(["cut-*"], classes=["http"]) == []


def test_cases_are_values() -> None:
    case: Case = load_cases()[0]
    assert load_cases()[0] is case, "loaded once"
    assert isinstance(case, Case)
