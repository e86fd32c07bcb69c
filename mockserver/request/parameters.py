"""What every parameter of a chat completion may be, and which of them go together.

`RULES` is one table, in the order in which the real API reports what is wrong when several things are. Null stands for
absent in every optional parameter, as it does there.
"""

from typing import Any

from mockserver.errors import RequestError
from mockserver.request import wording
from mockserver.request.messages import check_messages
from mockserver.request.rules import (
    Rule,
    anything,
    array,
    boolean,
    decimal,
    integer,
    obj,
    one_of,
    string,
    string_or,
    tagged,
    text,
)

Body = dict[str, Any]

REASONING_EFFORTS = ("none", "minimal", "low", "medium", "high", "xhigh", "max")

_NAME = text(longest=64, pattern="^[a-zA-Z0-9_-]+$")
_INT64 = 2**63


def _function(value: Any, param: str) -> None:
    """A function that the model may call: `FunctionObject`, or a member of the deprecated `functions`."""
    _FUNCTION(value, param)
    kind = (value.get("parameters") or {}).get("type")
    if type(kind) is str and kind != "object":
        raise RequestError(
            f"Invalid schema for function '{value['name']}': schema must be a JSON Schema of 'type: \"object\"', "
            f"got 'type: \"{wording.show(kind)}\"'.",
            param=f"{param}.parameters",
            code="invalid_function_parameters",
        )


_FUNCTION = obj({"name": _NAME}, {"description": string, "parameters": obj(), "strict": boolean})
_GRAMMAR = obj({"definition": string, "syntax": one_of(("lark", "regex"))})
_CUSTOM = obj(
    {"name": _NAME},
    {
        "description": string,
        "format": tagged("type", {"text": anything, "grammar": obj({"grammar": _GRAMMAR})}),
    },
)
_TOOL = tagged("type", {"function": obj({"function": _function}), "custom": obj({"custom": _CUSTOM})})

_NAMED = obj({"name": string})
_ALLOWED_TOOLS = obj({"mode": one_of(("auto", "required")), "tools": array(obj(), expected="an array of objects")})
_CHOICES: dict[str, Rule] = {
    "function": obj({"function": _NAMED}),
    "custom": obj({"custom": _NAMED}),
    "allowed_tools": obj({"allowed_tools": _ALLOWED_TOOLS}),
}


def _tool_choice(value: Any, param: str) -> None:
    if type(value) is str:
        one_of(("none", "auto", "required"))(value, param)
    elif type(value) is dict:
        kind = value.get("type")
        # An unknown type is taken for a function, and then the function is what is missing.
        _CHOICES.get(kind if type(kind) is str else "", _CHOICES["function"])(value, param)
    else:
        # The stammer is theirs.
        phrase = "one of one of 'none', 'auto', or 'required' or object"
        raise wording.invalid_type(param, phrase, value)


def _function_call(value: Any, param: str) -> None:
    if type(value) is str:
        one_of(("none", "auto"))(value, param)
    else:
        obj({"name": string}, expected="one of 'none', 'auto' or object")(value, param)


def _response_format(value: Any, param: str) -> None:
    _RESPONSE_FORMAT(value, param)
    described = value["json_schema"] if value["type"] == "json_schema" else {}
    kind = (described.get("schema") or {}).get("type")
    if described.get("strict") and type(kind) is str and kind != "object":
        raise RequestError(
            f"Invalid schema for response_format '{described['name']}': schema must be a JSON Schema of "
            f"'type: \"object\"', got 'type: \"{wording.show(kind)}\"'.",
            param=param,
            code="invalid_json_schema",
        )


_JSON_SCHEMA = obj({"name": _NAME}, {"description": string, "schema": obj(), "strict": boolean})
_RESPONSE_FORMAT = tagged(
    "type", {"json_object": anything, "json_schema": obj({"json_schema": _JSON_SCHEMA}), "text": anything}
)


def _top_logprobs(value: Any, param: str) -> None:
    integer(0)(value, param)
    if value > 20:
        # The one range that is still checked in the older words.
        raise wording.too_large(param, 20)


def _reasoning_effort(value: Any, param: str) -> None:
    if type(value) is not str or value not in REASONING_EFFORTS:
        raise wording.unsupported_value(param, value, REASONING_EFFORTS)


def _metadata(value: Any, param: str) -> None:
    """At most 16 pairs of a key of up to 64 characters and a string of up to 512."""
    if type(value) is not dict:
        raise wording.invalid_type(param, "a metadata object", value)
    if len(value) > 16:
        raise RequestError(
            f"Invalid '{param}': too many properties. Expected an object with at most 16 properties, "
            f"but got an object with {len(value)} properties instead.",
            param=param,
            code="object_above_max_properties",
        )
    for key, member in value.items():
        if len(key) > 64:
            raise RequestError(
                f"Invalid property name in '{param}': '{key[:3]}...{key[-3:]}' is too long. Expected a string with "
                f"maximum length 64, but got a string with length {len(key)} instead.",
                param=f"{param}.{wording.show(key)}",
                code="property_name_above_max_length",
            )
        string(member, f"{param}.{key}")
        if len(member) > 512:
            raise wording.long_string(f"{param}.{key}", len(member), 512)


def _logit_bias(value: Any, param: str) -> None:
    obj()(value, param)
    for token, bias in value.items():
        decimal(-100, 100)(bias, f"{param}.{wording.show(token)}")


RULES: dict[str, Rule] = {
    "messages": check_messages,
    "functions": array(_function, expected="an array of function definitions", shortest=1, longest=128),
    "function_call": _function_call,
    "tools": array(_TOOL, expected="an array of objects", shortest=1, longest=128),
    "tool_choice": _tool_choice,
    "parallel_tool_calls": boolean,
    "max_completion_tokens": integer(1),
    "n": integer(1, 128),
    "temperature": decimal(0, 2),
    "top_p": decimal(0, 1),
    "presence_penalty": decimal(-2, 2),
    "frequency_penalty": decimal(-2, 2),
    "logprobs": boolean,
    "top_logprobs": _top_logprobs,
    "user": string,
    "seed": integer(-_INT64, _INT64 - 1),
    "moderation": obj({"model": string}),
    "safety_identifier": text(longest=64),
    "prompt_cache_options": obj(),
    "prompt_cache_key": string,
    "prompt_cache_retention": string,
    "response_format": _response_format,
    "service_tier": one_of(("auto", "default", "fast", "flex", "priority", "scale")),
    "max_tokens": integer(1),
    "reasoning_effort": _reasoning_effort,
    "logit_bias": _logit_bias,
    "stop": string_or(
        list,
        array(string, expected="an array of strings", shortest=1, longest=4),
        expected="one of a string or array of strings",
    ),
    "stream": boolean,
    "stream_options": obj(optional={"include_usage": boolean, "include_obfuscation": boolean}),
    "store": boolean,
    "metadata": _metadata,
    "prediction": obj({"type": one_of(("content",)), "content": anything}),
    "verbosity": one_of(("low", "medium", "high")),
    # Other providers take other modalities than OpenAI's text and audio.
    "modalities": array(string, expected="an array of strings"),
    "audio": obj(),
    "web_search_options": obj(),
}

_ONLY_WITH = (("tool_choice", "tools"), ("parallel_tool_calls", "tools"), ("function_call", "functions"))
_ONLY_WHEN = (("top_logprobs", "logprobs"), ("stream_options", "stream"))


def check_parameters(body: Body) -> None:
    """Hold each parameter of the body against its rule, then those that depend on each other.

    Raises `RequestError` for the first thing wrong, in the order of `RULES`.
    """
    for param, rule in RULES.items():
        value = body.get(param)
        if value is not None:
            rule(value, param)
    for param, others in _ONLY_WITH:
        if body.get(param) is not None and body.get(others) is None:
            raise wording.only_with(param, others)
    for param, switch in _ONLY_WHEN:
        if body.get(param) is not None and not body.get(switch):
            raise wording.only_when(param, switch)
    if body.get("max_tokens") is not None and body.get("max_completion_tokens") is not None:
        raise RequestError(
            "Setting 'max_tokens' and 'max_completion_tokens' at the same time is not supported.",
            param="max_tokens",
            code="invalid_parameter_combination",
        )
    _check_choice(body)


def _check_choice(body: Body) -> None:
    """Hold that a tool or function chosen by name is one of those offered."""
    call = body.get("function_call")
    if type(call) is dict and not any(function["name"] == call["name"] for function in body["functions"]):
        raise wording.not_offered("function_call", "function", call["name"], "functions")
    choice = body.get("tool_choice")
    if type(choice) is not dict:
        return
    offered = {(tool["type"], tool[tool["type"]]["name"]) for tool in body["tools"]}
    for kind, name in chosen_tools(choice):
        if (kind, name) not in offered:
            phrase = "custom tool" if kind == "custom" else "function"
            raise wording.not_offered("tool_choice", phrase, name, "tools")


def chosen_tools(choice: Body) -> list[tuple[str, str]]:
    """The kinds and names of the tools that a `tool_choice` object names, be it one or a list of allowed ones."""
    if choice.get("type") != "allowed_tools":
        kind = "custom" if choice.get("type") == "custom" else "function"
        return [(kind, choice[kind]["name"])]
    return [pair for tool in choice["allowed_tools"]["tools"] for pair in _allowed_names(tool)]


def _allowed_names(tool: Body) -> list[tuple[str, str]]:
    """The kind and name of one allowed tool, which may be written nested as in `tools`, or flat; none if neither."""
    kind = tool.get("type", "function")
    nested = tool.get(kind) if type(kind) is str else None
    name = nested.get("name") if type(nested) is dict else tool.get("name")
    return [(kind, name)] if type(name) is str and type(kind) is str else []
