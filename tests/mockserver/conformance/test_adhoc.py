"""Scenarios that are no cases of the suite, judged like them."""

import json

import pytest
from hypothesis import given

from mockserver.conformance.adhoc import make_case
from mockserver.conformance.case import Case, load_cases
from mockserver.conformance.fuzz import make_scenarios
from mockserver.errors import UsageError
from mockserver.outcome import expect
from mockserver.plan import Terms, plan_turn
from mockserver.request import parse_request
from mockserver.scenario import Scenario

WEATHER = {"name": "get_weather", "arguments": {"city": "Oslo"}}


def test_it_asks_for_what_the_reply_has() -> None:
    case = make_case(
        Scenario.of(
            {
                "name": "both",
                "reply": {
                    "choices": [
                        {"tool_calls": [WEATHER, {**WEATHER, "id": "call_b"}]},
                        {"tool_calls": [{"name": "run_sql", "type": "custom", "input": "SELECT 1"}]},
                    ]
                },
            }
        )
    )
    assert case.body()["n"] == 2
    assert [tool["type"] for tool in case.body()["tools"]] == ["function", "custom"]
    assert case.body()["tools"][0]["function"] == {
        "name": "get_weather",
        "strict": True,
        "parameters": {
            "type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"], "additionalProperties": False,
        },
    }  # fmt: skip
    assert case.needs == ("n", "tools", "custom_tools", "parallel_tools")
    old = make_case(Scenario.of({"name": "old", "reply": {"function_call": {"name": "f", "arguments": "{}"}}}))
    assert old.body()["functions"][0]["name"] == "f"
    assert old.needs == ("function_call",)


@pytest.mark.parametrize("arguments", ["", '{"city": "Os', "[1]", "[" * 100_000], ids=["none", "cut", "list", "deep"])
def test_arguments_that_are_no_object_have_a_schema_of_none(arguments: str) -> None:
    reply = {"tool_calls": [{"name": "f", "arguments": arguments}]}
    [tool] = make_case(Scenario.of({"name": "odd", "reply": reply})).body()["tools"]
    assert tool["function"]["parameters"]["properties"] == {}
    assert tool["function"]["strict"] is True


def test_a_plain_text_asks_for_nothing_in_particular() -> None:
    case = make_case(Scenario.of({"name": "plain", "reply": "Hello", "description": "Only a text"}))
    assert (case.request, case.needs, case.right, case.title) == ({}, (), "same", "Only a text")


def test_what_is_right_is_computed() -> None:
    cut = {"faults": [{"fault": "truncate", "at": {"after_event": 1}}]}
    assert make_case(Scenario.of({"name": "cut", "reply": "Hello there", "delivery": cut})).right == "error"
    assert make_case(Scenario.of({"name": "no", "error": {"status": 500}})).right == "error"
    turns = [{"reply": {"choices": [{"content": "a"}, {"content": "b"}]}}, {"reply": "c"}]
    assert make_case(Scenario.of({"name": "turns", "sequence": turns})).body()["n"] == 2


def test_what_meets_connections_is_refused() -> None:
    with pytest.raises(UsageError, match="'reset': on_connect"):
        make_case(Scenario.of({"name": "reset", "on_connect": {"fault": "reset"}}))


@pytest.mark.parametrize(
    "case", [case for case in load_cases() if not case.request and not case.scenario.sequence], ids=str
)
def test_a_case_of_the_suite_made_anew_of_its_scenario_has_the_same_right(case: Case) -> None:
    assert make_case(case.as_scenario()).right == case.right


@given(make_scenarios())
def test_what_is_right_of_any_scenario_does_not_depend_on_the_request_number(scenario: Scenario) -> None:
    case = make_case(scenario)
    request = parse_request(json.dumps(case.body()).encode())
    plan = plan_turn(case.as_scenario().turn(3), request, Terms(seed="other", ordinal=3))
    assert plan.stream is not None
    assert expect(plan.stream).right == case.right
