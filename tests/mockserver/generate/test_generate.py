import json
import re
from typing import Any

import openai
import pytest
from hypothesis import given
from hypothesis import strategies as st
from jsonschema import Draft202012Validator
from pydantic import BaseModel, Field

from mockserver.errors import RequestError
from mockserver.generate import (
    GeneratedCall,
    generate_json,
    generate_reply,
    generate_text,
    generate_tool_call,
    generate_value,
)
from mockserver.reply import Choice, FunctionCall, ToolCall
from mockserver.request import ChatRequest, parse_request
from tests.mockserver.request_strategies import valid_requests
from tests.mockserver.schema_strategies import strict_schemas

seeds = st.integers() | st.text(max_size=5)


def ask(text: str = "What is the weather in Tokyo, in celsius?", **parameters: Any) -> ChatRequest:
    body = {"model": "gpt-4o-mini", "messages": [{"role": "user", "content": text}]} | parameters
    return parse_request(json.dumps(body).encode())


def function(name: str = "get_weather", **members: Any) -> dict[str, Any]:
    return {"type": "function", "function": {"name": name} | members}


def custom(name: str = "sql", **members: Any) -> dict[str, Any]:
    return {"type": "custom", "custom": {"name": name} | members}


def grammar(definition: str, syntax: str = "regex") -> dict[str, Any]:
    return {"type": "grammar", "grammar": {"syntax": syntax, "definition": definition}}


def formatted(schema: dict[str, Any] | None = None, name: str = "answer") -> dict[str, Any]:
    described = {"name": name, "strict": True} | ({} if schema is None else {"schema": schema})
    return {"type": "json_schema", "json_schema": described}


WEATHER = {
    "type": "object",
    "properties": {
        "location": {"type": "string", "description": "City and country, e.g. Bogotá, Colombia"},
        "unit": {"type": "string", "enum": ["celsius", "fahrenheit"]},
    },
    "required": ["location", "unit"],
    "additionalProperties": False,
}


@given(st.text(max_size=300), seeds, st.integers(0, 5))
def test_a_text_is_a_few_sentences_and_always_the_same(said: str, seed: int | str, choice: int) -> None:
    request = ask(said)
    text = generate_text(request, seed, choice)
    assert 20 <= len(text.split()) <= 80
    assert text == generate_text(request, seed, choice)
    assert "\n" not in text
    assert text.endswith(".")
    assert re.search(r"\b[Mm]ock|\bNo model\b", text)


def test_a_text_quotes_what_was_asked() -> None:
    assert "“What is the weather in Tokyo, in celsius?”" in generate_text(ask(), 0)
    assert "“今日の天気は？”" in generate_text(ask("今日の天気は？"), 0)
    assert "“{quote} {}”" in generate_text(ask("{quote} {}"), 0)
    assert "without any words" in generate_text(ask(""), 0)


def test_requests_seeds_and_choices_get_texts_of_their_own() -> None:
    texts = {generate_text(ask(f"Question {number}"), 0) for number in range(50)}
    texts |= {generate_text(ask(), seed) for seed in range(50)}
    texts |= {generate_text(ask(), 1000, choice) for choice in range(50)}
    assert len(texts) > 145
    history = [{"role": "user", "content": "Earlier"}, {"role": "user", "content": "Question 1"}]
    assert generate_text(ask(messages=history), 0) != generate_text(ask("Question 1"), 0)
    assert generate_text(ask(model="other"), 0) != generate_text(ask(), 0)


def test_json_fits_the_schema_and_is_compact() -> None:
    written = generate_json(ask(response_format=formatted(WEATHER)), 0)
    Draft202012Validator(WEATHER).validate(json.loads(written))
    assert written == '{"location":"Tokyo, Japan","unit":"celsius"}'
    assert generate_json(ask("Bonjour", response_format=formatted(WEATHER)), 0).startswith(
        '{"location":"Bogotá, Colombia"'
    )
    assert generate_json(ask(response_format=formatted()), 0) == "{}"


def test_json_mode_gets_a_small_object() -> None:
    value = json.loads(generate_json(ask("Answer in JSON", response_format={"type": "json_object"}), 0))
    assert value["question"] == "Answer in JSON"
    assert isinstance(value["answer"], str)


@given(strict_schemas(), st.integers(0, 3))
def test_any_schema_of_the_subset_is_answered(schema: dict[str, Any], choice: int) -> None:
    request = ask(response_format=formatted(schema))
    written = generate_json(request, 0, choice)
    Draft202012Validator(schema).validate(json.loads(written))
    assert written == generate_json(request, 0, choice)


def test_a_response_format_that_cannot_be_met_is_refused() -> None:
    with pytest.raises(RequestError, match="Invalid schema for response_format 'answer': In context=") as caught:
        generate_json(
            ask(response_format=formatted({"type": "object", "required": ["a"], "properties": {"a": False}})), 0
        )
    assert (caught.value.status, caught.value.param, caught.value.code) == (
        400,
        "response_format",
        "invalid_json_schema",
    )


@pytest.mark.parametrize(
    "parameters",
    [
        {},
        {"tools": [function()]},
        {"tools": [function()], "tool_choice": "auto"},
        {"tools": [function()], "tool_choice": "none"},
        {
            "tools": [function()],
            "tool_choice": {"type": "allowed_tools", "allowed_tools": {"mode": "auto", "tools": [function()]}},
        },
        {
            "tools": [function()],
            "tool_choice": {"type": "allowed_tools", "allowed_tools": {"mode": "required", "tools": []}},
        },
        {"functions": [{"name": "f"}]},
        {"functions": [{"name": "f"}], "function_call": "auto"},
    ],
)
def test_no_call_is_made_where_none_is_insisted_on(parameters: dict[str, Any]) -> None:
    assert generate_tool_call(ask(**parameters), 0) is None
    assert generate_reply(ask(**parameters), 0).choices[0].content == generate_text(ask(**parameters), 0)


def test_required_calls_any_of_the_tools_with_fitting_arguments() -> None:
    request = ask(tools=[function(parameters=WEATHER), function("now"), custom()], tool_choice="required")
    calls = [generate_tool_call(request, 0, choice) for choice in range(30)]
    by_name = {call.name: call for call in calls if call}
    assert by_name["get_weather"] == GeneratedCall(
        "function", "get_weather", '{"location":"Tokyo, Japan","unit":"celsius"}'
    )
    assert by_name["now"] == GeneratedCall("function", "now", "{}")
    assert by_name["sql"] == GeneratedCall("custom", "sql", "What is the weather in Tokyo, in celsius?")
    assert calls == [generate_tool_call(request, 0, choice) for choice in range(30)]


@pytest.mark.parametrize(
    ("choice", "name"),
    [
        ({"type": "function", "function": {"name": "b"}}, "b"),
        ({"type": "custom", "custom": {"name": "a"}}, "a"),
        (
            {
                "type": "allowed_tools",
                "allowed_tools": {"mode": "required", "tools": [{"type": "function", "name": "b"}]},
            },
            "b",
        ),
    ],
)
def test_a_tool_chosen_by_name_is_called(choice: dict[str, Any], name: str) -> None:
    request = ask(tools=[function("a"), function("b"), custom("a"), function("c")], tool_choice=choice)
    for seed in range(10):
        call = generate_tool_call(request, seed)
        assert call is not None
        assert (call.name, call.kind) == (name, choice["type"] if name == "a" else "function")


def test_the_deprecated_way_is_called_by_name() -> None:
    request = ask(functions=[{"name": "f"}, {"name": "g", "parameters": WEATHER}], function_call={"name": "g"})
    assert {call and call.name for call in (generate_tool_call(request, seed) for seed in range(10))} == {"g"}
    call = generate_tool_call(request, 0)
    assert call is not None
    assert (call.name, call.legacy) == ("g", True)
    Draft202012Validator(WEATHER).validate(json.loads(call.text))
    assert generate_reply(request, 0).choices == (Choice(function_call=FunctionCall("g", call.text)),)


@pytest.mark.parametrize("kind", [None, ["object", "null"]])
def test_arguments_are_an_object_whatever_the_schema_leaves_open(kind: Any) -> None:
    schema = {"properties": {"a": {"type": "integer"}}, "required": ["a"]} | ({} if kind is None else {"type": kind})
    for seed in range(20):
        call = generate_tool_call(ask(tools=[function(parameters=schema)], tool_choice="required"), seed)
        assert call is not None
        assert isinstance(json.loads(call.text)["a"], int)


@pytest.mark.parametrize(
    ("parameters", "param"),
    [
        ({"tools": [custom(), function(parameters={"type": 5})], "tool_choice": function()}, "tools[1].function.parameters"),
        ({"tools": [function(parameters={"properties": 5})], "tool_choice": "required"}, "tools[0].function.parameters"),
        ({"tools": [function(parameters={"$ref": "#/no"})], "tool_choice": "required"}, "tools[0].function.parameters"),
        ({"functions": [{"name": "f", "parameters": {"minProperties": "x"}}], "function_call": {"name": "f"}},
         "functions[0].parameters"),
    ],
)  # fmt: skip
def test_parameters_that_cannot_be_met_are_refused(parameters: dict[str, Any], param: str) -> None:
    with pytest.raises(RequestError, match="Invalid schema for function '") as caught:
        generate_tool_call(ask(**parameters), 0)
    error = caught.value
    assert (error.status, error.type) == (400, "invalid_request_error")
    assert (error.param, error.code) == (param, "invalid_json_schema")


def test_a_custom_tool_without_words_to_repeat_gets_two_of_ours() -> None:
    call = generate_tool_call(ask("", tools=[custom(format={"type": "text"})], tool_choice="required"), 0)
    assert call is not None
    assert re.fullmatch("[a-z]+ [a-z]+", call.text)


def test_a_regex_grammar_is_matched_as_a_whole() -> None:
    definition = r"(?<verb>SELECT|DELETE) [a-z]{1,9} FROM [a-z]+(?: LIMIT \d+)?"
    request = ask(tools=[custom(format=grammar(definition))], tool_choice="required")
    for seed in range(20):
        call = generate_tool_call(request, seed)
        assert call is not None
        assert re.fullmatch(definition.replace("?<", "?P<"), call.text)


@pytest.mark.parametrize(
    ("described", "reason"),
    [
        (grammar("start: WORD", "lark"), "this mock server makes no text by lark grammars"),
        (grammar("("), "it is not a regular expression that Python reads"),
        (grammar("(?!)"), "no text was found that it matches"),
    ],
)
def test_a_grammar_that_nothing_is_found_for_is_refused(described: dict[str, Any], reason: str) -> None:
    with pytest.raises(RequestError, match="Invalid grammar for custom tool 'sql'") as caught:
        generate_tool_call(ask(tools=[function(), custom(format=described)], tool_choice=custom()), 0)
    error = caught.value
    assert reason in error.message
    assert error.message.endswith("Give a scenario whose reply has this call.")
    assert (error.status, error.param, error.code) == (400, "tools[1].custom.format.grammar", "invalid_grammar")


def test_another_tool_is_called_rather_than_one_with_a_lark_grammar() -> None:
    request = ask(tools=[custom(format=grammar("start: WORD", "lark")), function()], tool_choice="required")
    calls = [generate_tool_call(request, seed) for seed in range(20)]
    assert {call.name for call in calls if call} == {"get_weather"}


def test_a_reply_is_a_call_or_json_or_text_for_each_choice() -> None:
    reply = generate_reply(ask(n=3), 0)
    assert [choice.content for choice in reply.choices] == [generate_text(ask(n=3), 0, choice) for choice in range(3)]
    called = generate_reply(ask(tools=[function()], tool_choice="required", response_format=formatted(WEATHER)), 0)
    assert called.choices == (Choice(tool_calls=(ToolCall("get_weather", "{}"),)),)
    typed = generate_reply(ask(tools=[custom()], tool_choice="required"), 0)
    assert typed.choices[0].tool_calls[0].type == "custom"
    assert typed.choices[0].tool_calls[0].input == "What is the weather in Tokyo, in celsius?"
    answered = ask(response_format=formatted(WEATHER))
    assert generate_reply(answered, 0).choices[0].content == generate_json(answered, 0)


@given(valid_requests(), seeds)
def test_every_valid_request_gets_a_reply_or_a_reason(body: dict[str, Any], seed: int | str) -> None:
    request = parse_request(json.dumps(body).encode())
    try:
        reply = generate_reply(request, seed)
    except RequestError as error:
        assert error.code in ("invalid_json_schema", "invalid_grammar")  # noqa: PT017
        return
    assert len(reply.choices) == request.n
    assert generate_reply(request, seed) == reply


class Step(BaseModel):
    explanation: str
    output: str


class Answer(BaseModel):
    """What the openai package turns into a strict schema and reads the answer back with."""

    steps: list[Step] = Field(min_length=1)
    confidence: float = Field(ge=0, le=1)
    parent: "Answer | None"


def test_answers_are_read_back_by_the_models_that_asked() -> None:
    tool = openai.pydantic_function_tool(Answer)
    for seed in range(20):
        call = generate_tool_call(ask(tools=[tool], tool_choice="required"), seed)
        assert call is not None
        answer = Answer.model_validate_json(call.text)
        assert answer.steps
        assert 0 <= answer.confidence <= 1
    schema = Answer.model_json_schema()
    Answer.model_validate(generate_value(schema, 1))
