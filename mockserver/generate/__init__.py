"""A sensible reply where no scenario gives one: a text, an answer in JSON, a call of a tool.

Everything follows from the seed and the request, so that the same question gets the same answer, from every process.
`schema_values` makes values that fit a JSON Schema, from the shapes of `schemas` and `shapes` by the makers of `value_maker` and
`scalars`, which say what people expect to read (`samples`, `patterns`); nothing rolls but `dice`.
"""

import json
from hashlib import blake2b
from typing import TYPE_CHECKING, Any, Literal

import msgspec

from mockserver.errors import RequestError
from mockserver.generate.dice import Dice
from mockserver.generate.excerpt import excerpt, one_line
from mockserver.generate.samples import word
from mockserver.reply import Choice, FunctionCall, Reply, ToolCall
from mockserver.request import ChatRequest, OfferedTool, last_user_text, message_texts, offered_tools
from mockserver.request.parameters import chosen_tools
from mockserver.request.wording import show

__all__ = ["GeneratedCall", "generate_json", "generate_reply", "generate_text", "generate_tool_call", "generate_value"]

if TYPE_CHECKING:
    from mockserver.generate.schema_values import generate_value


def __getattr__(name: str) -> Any:
    """PEP 562: what makes values for schemas is slow to import, and plain texts do not need it."""
    if name != "generate_value":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from mockserver.generate.schema_values import generate_value

    return generate_value


_OPENINGS = (
    "You asked: “{quote}”.",
    "Thank you for asking: “{quote}”.",
    "Here is an answer to “{quote}”.",
    "Your question was: “{quote}”.",
    "So you would like to know: “{quote}”.",
)
_WORDLESS = "Your last message came without any words of its own."
_EXPLANATIONS = (
    "This is a mock reply from a local test server, so no model has given it any thought.",
    "No model has read it: a mock server wrote these lines, to give your code something to read.",
    "A mock server answers here in place of a model, and says the same whenever you ask the same.",
    "The words are a mock server's, which knows nothing but is always there and costs nothing.",
)
_CLOSINGS = (
    "If you would rather hear something else, write a scenario that says it.",
    "To choose the words and their timing yourself, give the server a scenario.",
    "A scenario file can make this answer longer, slower, or wrong in interesting ways.",
    "Should the exact words matter to your test, put them into a scenario.",
)
_SIGNATURES = (
    "Its code words are {first} and {second}.",
    "For recognition: {first} {second}.",
    "Think of it as the {first} {second} answer.",
)


class GeneratedCall(msgspec.Struct, frozen=True):
    """A call of one of the offered tools. `text` is the arguments as compact JSON, or a custom tool's input."""

    kind: Literal["function", "custom"]
    name: str
    text: str
    legacy: bool = False
    """Offered in the deprecated `functions`."""


def generate_reply(request: ChatRequest, seed: int | str) -> Reply:
    """What a model might answer: the call that the request insists on, else JSON if it asks for that, else text.

    With `n` above one every choice says something of its own. Raises `RequestError` for a schema or a grammar that nothing
    was found for.
    """
    return Reply(choices=tuple(_generate_choice(request, seed, choice) for choice in range(request.n)))


def generate_text(request: ChatRequest, seed: int | str, choice: int = 0) -> str:
    """A few friendly sentences, 20 to 80 words, that quote what was asked and own up to being a mock's."""
    dice = _dice(request, seed).at("text", choice)
    quote = excerpt(last_user_text(request))
    first, second = word(dice, "first"), word(dice, "second")
    sentences = (
        dice.pick(_OPENINGS, "opening").format(quote=quote) if quote else _WORDLESS,
        dice.pick(_EXPLANATIONS, "explanation"),
        dice.pick(_CLOSINGS, "closing"),
        dice.pick(_SIGNATURES, "signature").format(first=first, second=second),
    )
    return " ".join(sentences)


def generate_json(request: ChatRequest, seed: int | str, choice: int = 0) -> str:
    """Compact JSON as `response_format` asks for: what fits its schema, or a small object.

    Raises `RequestError` for a schema that nothing was found for.
    """
    dice = _dice(request, seed).at("json", choice)
    asked = last_user_text(request)
    described = (request.response_format or {}).get("json_schema")
    if described is None:
        return _compact({"answer": generate_text(request, seed, choice), "question": excerpt(asked)})
    schema = described.get("schema")
    from mockserver.generate.schema_values import generate_value

    value = generate_value(
        {"type": "object"} if schema is None else schema,
        dice.roll(2**63),
        subject=f"response_format '{described['name']}'",
        context=one_line(asked),
    )
    return _compact(value)


def generate_tool_call(request: ChatRequest, seed: int | str, choice: int = 0) -> GeneratedCall | None:
    """The call that `tool_choice` or `function_call` insists on; None where the model is free to answer.

    Raises `RequestError` for a schema or a grammar that nothing was found for.
    """
    tools = _demanded_tools(request)
    if not tools:
        return None
    dice = _dice(request, seed).at("call", choice)
    tool = dice.pick([tool for tool in tools if not _is_lark(tool)] or tools, "tool")
    asked = last_user_text(request)
    if tool.kind == "custom":
        return GeneratedCall("custom", tool.name, _custom_input(tool, dice, excerpt(asked)))
    from mockserver.generate.schema_values import generate_value

    arguments = generate_value(
        _arguments_schema(tool),
        dice.roll(2**63),
        param=tool.param,
        subject=f"function '{tool.name}'",
        context=one_line(asked),
    )
    return GeneratedCall("function", tool.name, _compact(arguments), legacy=tool.legacy)


def _generate_choice(request: ChatRequest, seed: int | str, choice: int) -> Choice:
    call = generate_tool_call(request, seed, choice)
    if call is None:
        wants_json = (request.response_format or {}).get("type") in ("json_object", "json_schema")
        return Choice(content=(generate_json if wants_json else generate_text)(request, seed, choice))
    if call.legacy:
        return Choice(function_call=FunctionCall(call.name, call.text))
    if call.kind == "custom":
        return Choice(tool_calls=(ToolCall(call.name, type="custom", input=call.text),))
    return Choice(tool_calls=(ToolCall(call.name, call.text),))


def _demanded_tools(request: ChatRequest) -> list[OfferedTool]:
    """The tools of which the request insists that one be called."""
    offered = offered_tools(request)
    call, choice = request.function_call, request.tool_choice
    if isinstance(call, dict):
        return [tool for tool in offered if tool.legacy and tool.name == call["name"]]
    if isinstance(choice, dict):
        if choice.get("type") == "allowed_tools" and choice["allowed_tools"]["mode"] == "auto":
            return []
        names = chosen_tools(choice)
        return [tool for tool in offered if (tool.kind, tool.name) in names]
    return [tool for tool in offered if not tool.legacy] if choice == "required" else []


def _arguments_schema(tool: OfferedTool) -> dict[str, Any]:
    """The schema of a function's arguments, which are an object even where it does not say so, or says it may be null."""
    schema = tool.parameters or {}
    kinds = schema.get("type")
    is_object = kinds is None or (isinstance(kinds, list) and "object" in kinds)
    return schema | {"type": "object"} if is_object else schema


def _is_lark(tool: OfferedTool) -> bool:
    return tool.grammar is not None and tool.grammar["syntax"] == "lark"


def _custom_input(tool: OfferedTool, dice: Dice, quote: str) -> str:
    if tool.grammar is None:
        return quote or f"{word(dice, 'first')} {word(dice, 'second')}"
    definition = tool.grammar["definition"]
    reason = "no text was found that it matches"
    if _is_lark(tool):
        reason = "this mock server makes no text by lark grammars"
    else:
        from mockserver.generate.patterns import PatternError, spell

        try:
            # A grammar describes the whole input, where a pattern in a schema may match any part.
            text = spell(definition, dice.at("grammar"), whole=True)
            if text is not None:
                return text
        except PatternError as error:
            reason = f"it {error}"
    raise RequestError(
        f"Invalid grammar for custom tool '{tool.name}': {show(reason)}. Give a scenario whose reply has this call.",
        param=tool.param,
        code="invalid_grammar",
    )


def _dice(request: ChatRequest, seed: int | str) -> Dice:
    """The dice of one request: what was said to which model decides with the seed."""
    said = json.dumps([request.model, message_texts(request)]).encode()
    return Dice(f"{seed}/{blake2b(said, digest_size=16).hexdigest()}")


def _compact(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))
