from typing import Any, NamedTuple

import pytest

from mockserver.errors import RequestError
from mockserver.request.parameters import RULES, check_parameters, chosen_tools

Body = dict[str, Any]


class Refusal(NamedTuple):
    """A parameter that the real API refuses, and the words it uses."""

    body: Body
    param: str | None
    code: str | None
    message: str


def tool(name: str = "f", **members: Any) -> Body:
    return {"type": "function", "function": {"name": name} | members}


def formatted(**members: Any) -> Body:
    return {"response_format": {"type": "json_schema", "json_schema": members}}


def wrong_type(param: str, expected: str, value: Any, came: str) -> Refusal:
    sentence = f"Invalid type for '{param}': expected {expected}, but got {came} instead."
    return Refusal({param.split(".")[0]: value}, param, "invalid_type", sentence)


def absent(param: str, body: Body) -> Refusal:
    return Refusal(body, param, "missing_required_parameter", f"Missing required parameter: '{param}'.")


def out_of_range(param: str, kind: str, value: Any, bound: int, **beside: Any) -> Refusal:
    side, sign = ("above maximum", "<=") if value > bound else ("below minimum", ">=")
    sentence = f"Invalid '{param}': {kind} {side} value. Expected a value {sign} {bound}, but got {value} instead."
    code = f"{kind}_{'above_max' if value > bound else 'below_min'}_value"
    return Refusal({param: value} | beside, param, code, sentence)


def unlisted(param: str, body: Body, value: str, values: str) -> Refusal:
    return Refusal(body, param, "invalid_value", f"Invalid value: '{value}'. Supported values are: {values}.")


BOOLEANS = ["parallel_tool_calls", "logprobs", "stream", "store"]
STRINGS = ["user", "safety_identifier", "prompt_cache_key", "prompt_cache_retention"]
OBJECTS = ["moderation", "prompt_cache_options", "stream_options", "prediction", "audio", "web_search_options"]
DECIMALS = {"temperature": (0, 2), "top_p": (0, 1), "presence_penalty": (-2, 2), "frequency_penalty": (-2, 2)}
INTEGERS = {"max_completion_tokens": 1, "max_tokens": 1, "n": 1, "top_logprobs": 0, "seed": -(2**63)}

REFUSALS: list[Refusal] = [
    *(wrong_type(param, "a boolean", "yes", "a string") for param in BOOLEANS),
    *(wrong_type(param, "a boolean", 1, "an integer") for param in BOOLEANS),
    *(wrong_type(param, "a string", {"a": 1}, "an object") for param in STRINGS),
    *(wrong_type(param, "an object", "x", "a string") for param in [*OBJECTS, "response_format", "logit_bias"]),
    *(wrong_type(param, "a decimal", "hot", "a string") for param in DECIMALS),
    *(wrong_type(param, "a decimal", True, "a boolean") for param in DECIMALS),
    *(wrong_type(param, "an integer", "2", "a string") for param in INTEGERS),
    *(wrong_type(param, "an integer", 1.0, "a decimal number") for param in INTEGERS),
    *(wrong_type(param, "an integer", True, "a boolean") for param in INTEGERS),
    *(out_of_range(param, "decimal", bound + step, bound) for param, bounds in DECIMALS.items()
      for bound, step in zip(bounds, (-0.5, 0.5), strict=True)),
    *(out_of_range(param, "decimal", bounds[1] + 1, bounds[1]) for param, bounds in DECIMALS.items()),
    *(out_of_range(param, "integer", bound - 1, bound) for param, bound in INTEGERS.items()),
    out_of_range("n", "integer", 129, 128),
    out_of_range("seed", "integer", 2**63, 2**63 - 1),
    Refusal(
        {"logprobs": True, "top_logprobs": 21},
        "top_logprobs",
        None,
        "Invalid value for 'top_logprobs': must be less than or equal to 20.",
    ),
    # Parameters that belong together.
    *(
        Refusal(body, "top_logprobs", None, "The 'top_logprobs' parameter is only allowed when 'logprobs' is enabled.")
        for body in ({"top_logprobs": 0}, {"top_logprobs": 5, "logprobs": False})
    ),
    *(
        Refusal(
            {"stream_options": {}} | body,
            "stream_options",
            None,
            "The 'stream_options' parameter is only allowed when 'stream' is enabled.",
        )
        for body in ({}, {"stream": False}, {"stream": None})
    ),
    *(
        Refusal(
            {param: value},
            param,
            None,
            f"Invalid value for '{param}': '{param}' is only allowed when '{others}' are specified.",
        )
        for param, value, others in (
            ("tool_choice", "auto", "tools"),
            ("tool_choice", tool(), "tools"),
            ("parallel_tool_calls", False, "tools"),
            ("function_call", "none", "functions"),
        )
    ),
    Refusal(
        {"max_tokens": 5, "max_completion_tokens": 5},
        "max_tokens",
        "invalid_parameter_combination",
        "Setting 'max_tokens' and 'max_completion_tokens' at the same time is not supported.",
    ),
    # Stop sequences.
    wrong_type("stop", "one of a string or array of strings", 5, "an integer"),
    Refusal(
        {"stop": ["a", 5]}, "stop[1]", "invalid_type",
        "Invalid type for 'stop[1]': expected a string, but got an integer instead.",
    ),
    Refusal(
        {"stop": list("abcde")},
        "stop",
        "array_above_max_length",
        "Invalid 'stop': array too long. Expected an array with maximum length 4, "
        "but got an array with length 5 instead.",
    ),
    *(
        Refusal(
            {param: []},
            param,
            "empty_array",
            f"Invalid '{param}': empty array. Expected an array with minimum length 1, but got an empty array instead.",
        )
        for param in ("stop", "tools", "functions")
    ),
    # Closed sets.
    wrong_type("service_tier", "one of 'auto', 'default', 'fast', 'flex', 'priority', or 'scale'", 1, "an integer"),
    unlisted(
        "service_tier", {"service_tier": "bogus"}, "bogus",
        "'auto', 'default', 'fast', 'flex', 'priority', and 'scale'",
    ),
    wrong_type("verbosity", "one of 'low', 'medium', or 'high'", [], "an array"),
    unlisted("verbosity", {"verbosity": "loud"}, "loud", "'low', 'medium', and 'high'"),
    *(
        Refusal(
            {"reasoning_effort": value},
            "reasoning_effort",
            "unsupported_value",
            f"Unsupported value: 'reasoning_effort' does not support {shown} with this model. Supported values are: "
            "'none', 'minimal', 'low', 'medium', 'high', 'xhigh', and 'max'.",
        )
        for value, shown in (("hard", "'hard'"), ({"effort": "low"}, "{'effort': 'low'}"), (1.5, "1.5"))
    ),
    wrong_type("modalities", "an array of strings", "text", "a string"),
    # Members.
    absent("moderation.model", {"moderation": {}}),
    absent("prediction.content", {"prediction": {"type": "content"}}),
    unlisted("prediction.type", {"prediction": {"type": "x", "content": ""}}, "x", "'content'"),
    Refusal(
        {"stream": True, "stream_options": {"include_usage": "yes"}},
        "stream_options.include_usage",
        "invalid_type",
        "Invalid type for 'stream_options.include_usage': expected a boolean, but got a string instead.",
    ),
    Refusal(
        {"safety_identifier": "x" * 65},
        "safety_identifier",
        "string_above_max_length",
        "Invalid 'safety_identifier': string too long. Expected a string with maximum length 64, "
        "but got a string with length 65 instead.",
    ),
    Refusal(
        {"logit_bias": {"50256": 101}},
        "logit_bias.50256",
        "decimal_above_max_value",
        "Invalid 'logit_bias.50256': decimal above maximum value. Expected a value <= 100, but got 101 instead.",
    ),
    # Metadata.
    wrong_type("metadata", "a metadata object", "x", "a string"),
    Refusal(
        {"metadata": {"k": 7}},
        "metadata.k",
        "invalid_type",
        "Invalid type for 'metadata.k': expected a string, but got an integer instead.",
    ),
    Refusal(
        {"metadata": {str(number): "" for number in range(17)}},
        "metadata",
        "object_above_max_properties",
        "Invalid 'metadata': too many properties. Expected an object with at most 16 properties, "
        "but got an object with 17 properties instead.",
    ),
    Refusal(
        {"metadata": {"k" * 65: "v"}},
        f"metadata.{'k' * 65}",
        "property_name_above_max_length",
        "Invalid property name in 'metadata': 'kkk...kkk' is too long. Expected a string with maximum length 64, "
        "but got a string with length 65 instead.",
    ),
    Refusal(
        {"metadata": {"k": "x" * 513}},
        "metadata.k",
        "string_above_max_length",
        "Invalid 'metadata.k': string too long. Expected a string with maximum length 512, "
        "but got a string with length 513 instead.",
    ),
    # Response formats.
    absent("response_format.type", {"response_format": {}}),
    unlisted(
        "response_format.type",
        {"response_format": {"type": "xml"}},
        "xml",
        "'json_object', 'json_schema', and 'text'",
    ),
    absent("response_format.json_schema", {"response_format": {"type": "json_schema"}}),
    absent("response_format.json_schema.name", formatted()),
    Refusal(
        formatted(name="a b"),
        "response_format.json_schema.name",
        "invalid_value",
        "Invalid 'response_format.json_schema.name': string does not match pattern. "
        "Expected a string that matches the pattern '^[a-zA-Z0-9_-]+$'.",
    ),
    Refusal(
        formatted(name="answer", schema=[]),
        "response_format.json_schema.schema",
        "invalid_type",
        "Invalid type for 'response_format.json_schema.schema': expected an object, but got an array instead.",
    ),
    Refusal(
        formatted(name="answer", strict=True, schema={"type": "array"}),
        "response_format",
        "invalid_json_schema",
        "Invalid schema for response_format 'answer': schema must be a JSON Schema of 'type: \"object\"', "
        "got 'type: \"array\"'.",
    ),
    # Tools.
    wrong_type("tools", "an array of objects", "none", "a string"),
    Refusal(
        {"tools": [5]}, "tools[0]", "invalid_type",
        "Invalid type for 'tools[0]': expected an object, but got an integer instead.",
    ),
    absent("tools[0].type", {"tools": [{"function": {"name": "f"}}]}),
    unlisted("tools[1].type", {"tools": [tool(), {"type": "web_search"}]}, "web_search", "'function' and 'custom'"),
    absent("tools[0].function", {"tools": [{"type": "function"}]}),
    absent("tools[0].function.name", {"tools": [{"type": "function", "function": {}}]}),
    absent("tools[0].custom.name", {"tools": [{"type": "custom", "custom": {}}]}),
    absent(
        "tools[0].custom.format.grammar",
        {"tools": [{"type": "custom", "custom": {"name": "c", "format": {"type": "grammar"}}}]},
    ),
    Refusal(
        {"tools": [tool("")]},
        "tools[0].function.name",
        "empty_string",
        "Invalid 'tools[0].function.name': empty string. Expected a string with minimum length 1, "
        "but got an empty string instead.",
    ),
    *(
        Refusal(
            {"tools": [tool(name)]},
            "tools[0].function.name",
            "invalid_value",
            "Invalid 'tools[0].function.name': string does not match pattern. "
            "Expected a string that matches the pattern '^[a-zA-Z0-9_-]+$'.",
        )
        for name in ("app.search", "f\n", "größe")
    ),
    Refusal(
        {"tools": [tool("f" * 65)]},
        "tools[0].function.name",
        "string_above_max_length",
        "Invalid 'tools[0].function.name': string too long. Expected a string with maximum length 64, "
        "but got a string with length 65 instead.",
    ),
    Refusal(
        {"tools": [tool(parameters="{}")]},
        "tools[0].function.parameters",
        "invalid_type",
        "Invalid type for 'tools[0].function.parameters': expected an object, but got a string instead.",
    ),
    Refusal(
        {"tools": [tool(parameters={"type": "array"})]},
        "tools[0].function.parameters",
        "invalid_function_parameters",
        "Invalid schema for function 'f': schema must be a JSON Schema of 'type: \"object\"', got 'type: \"array\"'.",
    ),
    Refusal(
        {"tools": [tool()] * 129},
        "tools",
        "array_above_max_length",
        "Invalid 'tools': array too long. Expected an array with maximum length 128, "
        "but got an array with length 129 instead.",
    ),
    # Choices.
    wrong_type("tool_choice", "one of one of 'none', 'auto', or 'required' or object", 7, "an integer"),
    unlisted("tool_choice", {"tools": [tool()], "tool_choice": "any"}, "any", "'none', 'auto', and 'required'"),
    absent("tool_choice.function", {"tools": [tool()], "tool_choice": {"type": "bogus"}}),
    absent("tool_choice.function", {"tools": [tool()], "tool_choice": {"type": ["function"]}}),
    absent("tool_choice.function.name", {"tools": [tool()], "tool_choice": {"type": "function", "function": {}}}),
    absent("tool_choice.custom", {"tools": [tool()], "tool_choice": {"type": "custom"}}),
    absent("tool_choice.allowed_tools", {"tools": [tool()], "tool_choice": {"type": "allowed_tools"}}),
    unlisted(
        "tool_choice.allowed_tools.mode",
        {"tools": [tool()], "tool_choice": {"type": "allowed_tools", "allowed_tools": {"mode": "none", "tools": []}}},
        "none",
        "'auto' and 'required'",
    ),
    *(
        Refusal(
            {"tools": [tool("f")], "tool_choice": choice},
            "tool_choice",
            None,
            f"Invalid value for 'tool_choice': no {kind} named '{name}' was specified in the 'tools' parameter.",
        )
        for choice, kind, name in (
            (tool("g"), "function", "g"),
            ({"type": "custom", "custom": {"name": "f"}}, "custom tool", "f"),
            ({"type": "allowed_tools", "allowed_tools": {"mode": "auto", "tools": [tool("g")]}}, "function", "g"),
        )
    ),
    wrong_type("functions", "an array of function definitions", "x", "a string"),
    absent("functions[0].name", {"functions": [{"parameters": {}}]}),
    wrong_type("function_call", "one of 'none', 'auto' or object", 7, "an integer"),
    unlisted("function_call", {"functions": [{"name": "f"}], "function_call": "any"}, "any", "'none' and 'auto'"),
    absent("function_call.name", {"functions": [{"name": "f"}], "function_call": {}}),
    Refusal(
        {"functions": [{"name": "f"}], "function_call": {"name": "g"}},
        "function_call",
        None,
        "Invalid value for 'function_call': no function named 'g' was specified in the 'functions' parameter.",
    ),
]  # fmt: skip


@pytest.mark.parametrize("refused", REFUSALS, ids=lambda refused: f"{refused.param}-{refused.code}")
def test_a_wrong_parameter_is_refused_in_the_real_api_s_words(refused: Refusal) -> None:
    with pytest.raises(RequestError) as caught:
        check_parameters(refused.body)
    error = caught.value
    assert (error.message, error.param, error.code) == (refused.message, refused.param, refused.code)
    assert (error.status, error.type) == (400, "invalid_request_error")


def test_every_rule_has_an_example_that_is_refused() -> None:
    refused = {(example.param or "").split(".")[0].split("[")[0] for example in REFUSALS}
    assert refused == set(RULES) - {"messages"}


ACCEPTED: list[Body] = [
    *({param: bound} for param, bounds in DECIMALS.items() for bound in bounds),
    *({param: bound, "logprobs": True} for param, bound in INTEGERS.items()),
    {"n": 128},
    {"seed": 2**63 - 1},
    {"logprobs": True, "top_logprobs": 20},
    {"stop": list("abcd")},
    {"tools": [tool()] * 128, "tool_choice": "required", "parallel_tool_calls": False},
    {"tools": [tool(parameters=None, strict=None)]},
    {"tools": [tool(parameters={"type": ["object", "null"]})]},
    {"tools": [tool("f")], "tool_choice": {"function": {"name": "f"}}},
    {
        "tools": [tool("f")],
        "tool_choice": {
            "type": "allowed_tools",
            "allowed_tools": {
                "mode": "auto",
                "tools": [{"type": "function", "name": "f"}, {"type": "mcp"}, {"type": 1}],
            },
        },
    },
    {"functions": [{"name": "f"}], "function_call": {"name": "f"}},
    {"max_tokens": 5, "max_completion_tokens": None},
    {"metadata": {f"{number:064}": "x" * 512 for number in range(16)}},
    {"modalities": ["image", "text"]},
    formatted(name="answer", schema={"type": "array"}),
    formatted(name="answer", schema=None),
    {param: None for param in RULES if param != "messages"},
]


@pytest.mark.parametrize("body", ACCEPTED, ids=lambda body: "-".join(body)[:40])
def test_a_right_parameter_is_accepted_up_to_its_bounds(body: Body) -> None:
    check_parameters(body)


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ({"messages": "x"}, {"functions": "x"}),
        ({"functions": "x"}, {"tools": "x"}),
        ({"tools": "x"}, {"parallel_tool_calls": 1}),
        ({"n": "abc"}, {"temperature": "x"}),
        ({"n": 0}, {"metadata": {"k": 7}}),
        ({"temperature": "x"}, {"top_p": "x"}),
        ({"presence_penalty": "x"}, {"frequency_penalty": "x"}),
        ({"user": 1}, {"seed": 1.5}),
        ({"seed": 1.5}, {"service_tier": "bogus"}),
        ({"service_tier": 1}, {"stream": "yes"}),
        ({"stream": "yes"}, {"store": "yes"}),
        ({"store": "yes"}, {"metadata": "x"}),
        ({"metadata": "x"}, {"verbosity": "x"}),
        ({"verbosity": "x"}, {"top_logprobs": 1}),
    ],
)
def test_of_two_wrong_parameters_the_first_in_the_api_s_order_is_reported(first: Body, second: Body) -> None:
    for body in (first | second, second | first):
        with pytest.raises(RequestError) as caught:
            check_parameters(body)
        assert caught.value.param == next(iter(first))


def test_a_choice_names_one_tool_or_several() -> None:
    assert chosen_tools({"type": "function", "function": {"name": "f"}}) == [("function", "f")]
    assert chosen_tools({"type": "custom", "custom": {"name": "c"}}) == [("custom", "c")]
    among = [
        {"type": "function", "name": "f"},
        {"type": "custom", "custom": {"name": "c"}},
        {"function": {"name": "g"}},
    ]
    assert chosen_tools({"type": "allowed_tools", "allowed_tools": {"mode": "auto", "tools": among}}) == [
        ("function", "f"),
        ("custom", "c"),
        ("function", "g"),
    ]
