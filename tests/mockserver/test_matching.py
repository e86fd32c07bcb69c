from collections.abc import Mapping
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mockserver.errors import RequestError
from mockserver.matching import Matched, differences, match
from mockserver.request import ChatRequest
from mockserver.scenario import Scenario
from mockserver.state import State
from tests.mockserver.strategies_local import ask

TOOL = {"type": "function", "function": {"name": "f"}}


def scenario(name: str, **match: Any) -> Scenario:
    return Scenario.of({"name": name, "match": match, "reply": name})


def choose(
    scenarios: list[Scenario],
    request: ChatRequest | None = None,
    headers: Mapping[str, str] | None = None,
    named: str | None = None,
    state: State | None = None,
) -> Matched:
    return match(scenarios, request or ask(), headers or {}, named, state or State())


def chosen(matched: Matched) -> str | None:
    return matched.scenario.name if matched.scenario else None


# The order


PATH, HEADER, MODEL, FIRST = scenario("by-path"), scenario("by-header"), scenario("by-model"), scenario("any")
WAYS: list[tuple[str, str, dict[str, Any]]] = [
    ("by-path", "named by the path", {"named": "by-path"}),
    ("by-header", "named by the header x-mock-scenario", {"headers": {"x-mock-scenario": "by-header"}}),
    ("by-model", "named by the model", {"request": ask(model="by-model")}),
    ("any", "first match", {}),
]


@pytest.mark.parametrize("first", range(len(WAYS)), ids=[name for name, *_ in WAYS])
def test_path_goes_before_header_before_model_before_the_first_match(first: int) -> None:
    name, why, _ = WAYS[first]
    given_ways: dict[str, Any] = {}
    for *_, arguments in WAYS[first:]:
        given_ways |= arguments
    matched = choose([FIRST, MODEL, HEADER, PATH], **given_ways)
    assert (chosen(matched), matched.why) == (name, why)


@pytest.mark.parametrize(("name", "why", "way"), WAYS[:3], ids=["path", "header", "model"])
def test_a_scenario_chosen_by_name_is_used_whatever_its_match_says(name: str, why: str, way: dict[str, Any]) -> None:
    scenarios = [scenario("any"), scenario(name, stream=True, model="nothing", nth=99)]
    matched = choose(scenarios, **way)
    assert (chosen(matched), matched.why) == (name, why)


@given(st.lists(st.booleans(), max_size=6))
def test_the_first_match_in_file_order_wins_and_those_before_it_are_explained(fits: list[bool]) -> None:
    scenarios = [scenario(f"s{k}", model="gpt-*" if fit else "o1-*") for k, fit in enumerate(fits)]
    matched = choose(scenarios)
    reasons = "; ".join(
        f"s{k}: expected a model like 'o1-*', got 'gpt-4o-mini'"
        for k in range(fits.index(True) if True in fits else len(fits))
    )
    if True in fits:
        assert chosen(matched) == f"s{fits.index(True)}"
        assert matched.why == (f"first match; before it: {reasons}" if reasons else "first match")
    else:
        assert matched == Matched(None, reasons or "there are no scenarios for it")


def test_of_scenarios_that_are_not_explained_it_is_not_said_why_they_do_not_match() -> None:
    scenarios = [scenario("mine", model="o1-*"), scenario("default", model="o3-*")]
    reason = "mine: expected a model like 'o1-*', got 'gpt-4o-mini'"
    assert match(scenarios, ask(), {}, None, State(), {"default"}) == Matched(None, reason)
    assert match(scenarios[1:], ask(), {}, None, State(), {"default"}).why == "there are no scenarios for it"
    assert match([*scenarios, scenario("any")], ask(), {}, None, State(), {"default", "any"}) == Matched(
        scenario("any"), f"first match; before it: {reason}"
    )


# Names that do not exist


@pytest.mark.parametrize(
    ("way", "where"),
    [({"named": "pacd"}, "path"), ({"headers": {"x-mock-scenario": "pacd"}}, "header x-mock-scenario")],
    ids=["path", "header"],
)
def test_an_unknown_name_gets_a_404_with_the_nearest_and_all_there_are(way: dict[str, Any], where: str) -> None:
    with pytest.raises(RequestError) as caught:
        choose([scenario("flaky"), scenario("paced")], **way)
    error = caught.value
    assert (error.status, error.code, error.type, error.param) == (
        404,
        "scenario_not_found",
        "invalid_request_error",
        None,
    )
    assert error.message == (
        f"The scenario 'pacd', named by the {where}, does not exist. Did you mean 'paced'? There are: flaky, paced."
    )


def test_where_nothing_is_near_nothing_is_suggested() -> None:
    with pytest.raises(RequestError) as caught:
        choose([scenario("paced")], named="xyz")
    assert caught.value.message == "The scenario 'xyz', named by the path, does not exist. There are: paced."
    with pytest.raises(RequestError, match="There are: none"):
        choose([], named="xyz")


def test_of_very_many_scenarios_only_some_are_named() -> None:
    with pytest.raises(RequestError) as caught:
        choose([scenario(f"s{k:03}") for k in range(100)], named="xyz")
    assert "s019." in caught.value.message
    assert "s020" not in caught.value.message


def test_a_model_that_names_no_scenario_is_no_mistake() -> None:
    assert chosen(choose([scenario("any")], ask(model="anyone"))) == "any"


# Each condition

PICTURE = {"type": "image_url", "image_url": {"url": "https://example.com/a.png"}}
TALK = ask(
    model="gpt-4o-mini",
    messages=[
        {"role": "system", "content": "Be brief."},
        {"role": "user", "content": "First question"},
        {"role": "assistant", "content": "First answer"},
        {"role": "user", "content": [{"type": "text", "text": "Keep"}, PICTURE, {"type": "text", "text": "pace!"}]},
        {"role": "assistant", "content": "Last answer"},
    ],
    stream=True,
)
HEADERS = {"x-tenant": "blue", "accept": "*/*"}
MATCHING: list[dict[str, Any]] = [
    {},
    {"model": "gpt-4o-mini"},
    {"model": "gpt-*"},
    {"model": "*-[lm]ini"},
    {"model": "gpt-?o-mini"},
    {"stream": True},
    {"has_tools": False},
    {"last_user": "Keep\npace!"},
    {"last_user": {"exact": "Keep\npace!"}},
    {"last_user": {"contains": "pace"}},
    {"last_user": {"regex": "(?s)^K.+!$"}},
    {"any_message": "First answer"},
    {"any_message": {"contains": "brief"}},
    {"any_message": {"regex": "^Last"}},
    {"headers": {"x-tenant": "blue"}},
    {"headers": {"X-Tenant": {"contains": "lu"}, "Accept": {"regex": r"^\*"}}},
    {"nth": 1},
    {"nth": [3, 1]},
    {"model": "gpt-*", "stream": True, "last_user": {"contains": "pace"}, "headers": {"accept": "*/*"}},
]


@pytest.mark.parametrize("conditions", MATCHING, ids=str)
def test_a_request_that_fulfils_the_conditions_matches(conditions: dict[str, Any]) -> None:
    assert list(differences(scenario("s", **conditions), TALK, HEADERS, State())) == []


DIFFERENT: list[tuple[dict[str, Any], str]] = [
    ({"model": "GPT-*"}, "expected a model like 'GPT-*', got 'gpt-4o-mini'"),
    ({"model": "gpt"}, "expected a model like 'gpt', got 'gpt-4o-mini'"),
    ({"stream": False}, "expected stream false, got true"),
    ({"has_tools": True}, "expected tools, got none"),
    ({"last_user": "Keep"}, r"expected the last user message to equal 'Keep', got 'Keep\npace!'"),
    ({"last_user": {"contains": "First"}}, r"expected the last user message to contain 'First', got 'Keep\npace!'"),
    ({"last_user": {"regex": "^pace"}}, r"expected the last user message to match '^pace', got 'Keep\npace!'"),
    ({"any_message": "Be brief"}, "expected a message to equal 'Be brief', none does"),
    ({"headers": {"X-Tenant": "red"}}, "expected header X-Tenant to equal 'red', got 'blue'"),
    ({"headers": {"X-Team": {"contains": "a"}}}, "expected header X-Team to contain 'a', got none"),
    ({"nth": 2}, "expected request number 2, this is number 1"),
    ({"nth": [2, 5]}, "expected request number 2 or 5, this is number 1"),
]


@pytest.mark.parametrize(("conditions", "reason"), DIFFERENT, ids=[reason for _, reason in DIFFERENT])
def test_a_condition_that_fails_is_explained_with_what_was_expected_and_what_came(
    conditions: dict[str, Any], reason: str
) -> None:
    assert list(differences(scenario("s", **conditions), TALK, HEADERS, State())) == [reason]


def test_tools_where_none_should_be_and_no_stream_where_one_should_are_explained() -> None:
    request = ask(tools=[TOOL])
    wanted = scenario("s", has_tools=False, stream=True)
    assert list(differences(wanted, request, {}, State())) == [
        "expected stream true, got false",
        "expected no tools, got some",
    ]


def test_all_conditions_that_fail_are_explained_and_then_the_request_is_not_counted() -> None:
    state = State()
    wanted = scenario("s", model="o1", stream=False, any_message="x", headers={"a": "b"}, nth=1)
    assert len(list(differences(wanted, TALK, HEADERS, state))) == 4
    assert state.count_candidate("s") == 1


def test_without_a_user_the_last_user_message_is_empty() -> None:
    request = ask(messages=[{"role": "system", "content": "x"}])
    assert list(differences(scenario("s", last_user=""), request, {}, State())) == []
    assert list(differences(scenario("s", last_user="x"), request, {}, State())) == [
        "expected the last user message to equal 'x', got ''"
    ]


def test_a_long_message_is_shown_by_its_beginning() -> None:
    request = ask(messages=[{"role": "user", "content": "y" * 1_000}])
    [reason] = differences(scenario("s", last_user="x"), request, {}, State())
    assert reason == f"expected the last user message to equal 'x', got '{'y' * 60}…'"


def test_the_deprecated_functions_are_tools_too() -> None:
    assert chosen(choose([scenario("s", has_tools=True)], ask(functions=[{"name": "f"}]))) == "s"


# The n-th request

kinds = st.lists(st.booleans(), max_size=12)


@given(kinds, st.lists(st.integers(1, 8), min_size=1, max_size=3, unique=True))
def test_nth_counts_the_requests_that_fulfil_the_rest(streamed: list[bool], nth: list[int]) -> None:
    state = State()
    wanted = scenario("nth", stream=True, nth=nth)
    answers = [chosen(choose([wanted, scenario("rest")], ask(stream=kind), state=state)) for kind in streamed]
    expected = ["nth" if kind and streamed[: k + 1].count(True) in nth else "rest" for k, kind in enumerate(streamed)]
    assert answers == expected


def test_the_second_request_is_the_second_for_every_scenario_that_counts() -> None:
    state = State()
    scenarios = [scenario("first", nth=1), scenario("second", nth=2), scenario("third", nth=3)]
    matched = [choose(scenarios, state=state) for _ in range(4)]
    assert list(map(chosen, matched)) == ["first", "second", "third", None]
    assert matched[2].why == (
        "first match; before it: first: expected request number 1, this is number 3; "
        "second: expected request number 2, this is number 3"
    )


def test_a_request_that_names_its_scenario_is_not_counted() -> None:
    state = State()
    scenarios = [scenario("second", nth=2), scenario("any")]
    for _ in range(3):
        choose(scenarios, named="any", state=state)
    assert [chosen(choose(scenarios, state=state)) for _ in range(2)] == ["any", "second"]
