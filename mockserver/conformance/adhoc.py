"""A scenario that is no case of the suite, judged like one: what has no requirement of its own is held by the general one."""

import json
from collections.abc import Iterator
from typing import Any

from mockserver.conformance.case import BASE_REQUEST, Ability, Answer, Case
from mockserver.errors import UsageError
from mockserver.outcome import expect
from mockserver.plan import Terms, plan_turn
from mockserver.quirks.quirk import Right
from mockserver.reply import Choice, Reply
from mockserver.request import parse_request
from mockserver.scenario import Scenario

REQUIREMENT = (
    "The outcome depends on the reply, never on the delivery; if the delivery is broken, the consumer must say so."
)

_TYPES = {
    str: "string",
    bool: "boolean",
    int: "integer",
    float: "number",
    list: "array",
    dict: "object",
    type(None): "null",
}
_ANYTHING = {"type": "object", "properties": {}, "additionalProperties": True}


def make_case(scenario: Scenario, source: str = "a scenario of your own") -> Case:
    """A scenario as a case. Its request asks for as many choices, and offers the tools, that the reply has.

    Raises `UsageError` for a scenario with `on_connect`, which concerns connections and not a request.
    """
    if scenario.on_connect is not None:
        raise UsageError(f"scenario {scenario.name!r}: on_connect meets connections before any request: it is no case")
    choices = tuple(_choices(scenario))
    request = {key: value for key, value in _ask_for(choices).items() if value}
    return Case(
        id=scenario.name,
        title=scenario.description or "A scenario",
        requirement=REQUIREMENT,
        source=source,
        scenario=Answer(
            reply=scenario.reply,
            error=scenario.error,
            sequence=scenario.sequence,
            timing=scenario.timing,
            delivery=scenario.delivery,
            rate_limit=scenario.rate_limit,
            seed=scenario.seed,
        ),
        right=_find_right(scenario, {**BASE_REQUEST, **request}),
        request=request,
        needs=tuple(dict.fromkeys(_needs(choices, request))),
    )


def _choices(scenario: Scenario) -> Iterator[Choice]:
    """The choices that the scenario's replies have; of several turns, those of the one with the most."""
    replies = [scenario.reply, *(turn.reply for turn in scenario.sequence)]
    yield from max((reply.choices or (reply,) for reply in replies if isinstance(reply, Reply)), key=len, default=())


def _ask_for(choices: tuple[Choice, ...]) -> dict[str, Any]:
    calls = {(call.type, call.name): call for choice in choices for call in choice.tool_calls}
    tools = [
        {"type": "custom", "custom": {"name": name}}
        if kind == "custom"
        else {"type": "function", "function": {"name": name, "strict": True, "parameters": _describe(call.text)}}
        for (kind, name), call in calls.items()
    ]
    names = dict.fromkeys(choice.function_call.name for choice in choices if choice.function_call is not None)
    functions = [{"name": name, "parameters": _ANYTHING} for name in names]
    return {"n": len(choices) if len(choices) > 1 else None, "tools": tools, "functions": functions}


def _describe(arguments: str) -> dict[str, Any]:
    """A strict schema that these arguments fit, as SDKs ask for that read arguments by themselves; of none where they are no object."""
    try:
        said = json.loads(arguments)
    except (ValueError, RecursionError):
        said = None
    properties = {key: {"type": _TYPES[type(value)]} for key, value in said.items()} if isinstance(said, dict) else {}
    return {"type": "object", "properties": properties, "required": [*properties], "additionalProperties": False}


def _needs(choices: tuple[Choice, ...], request: dict[str, Any]) -> Iterator[Ability]:
    if "n" in request:
        yield "n"
    if "tools" in request:
        yield "tools"
    if any(tool["type"] == "custom" for tool in request.get("tools", ())):
        yield "custom_tools"
    if any(len(choice.tool_calls) > 1 for choice in choices):
        yield "parallel_tools"
    if "functions" in request:
        yield "function_call"


def _find_right(scenario: Scenario, body: dict[str, Any]) -> Right:
    """What the oracle says of the answer to the first request."""
    plan = plan_turn(scenario.turn(0), parse_request(json.dumps(body).encode()), Terms())
    return "error" if plan.stream is None else expect(plan.stream).right
