"""Scenarios played over a socket to the reference client and the SDK, and what each made of them."""

import threading
from collections.abc import Callable, Mapping
from concurrent.futures import Future
from typing import Any, ParamSpec, TypeVar

import httpx2
import openai
import pytest

from client.consumer import Case, run_case
from mockserver.conformance.verdict import Verdict, judge
from mockserver.journal import Exchange
from mockserver.outcome import ANY, Expected, expect
from mockserver.scenario import Scenario
from mockserver.server import MockServer

P = ParamSpec("P")
T = TypeVar("T")
PATIENCE_S = 10.0
"""How long one answer may take; a test in which one takes longer has found a hang."""


def make_request(scenario: Scenario, stream: bool = True) -> dict[str, Any]:
    """A request for every choice of the scenario's reply."""
    meaning = scenario.turn(0).meaning
    request: dict[str, Any] = {
        "model": "gpt-4o-mini",
        "messages": [{"role": "user", "content": "Say hello."}],
        "n": max(len(meaning.choices), 1) if meaning is not None else 1,
        "stream": stream,
    }
    return {**request, "stream_options": {"include_usage": True}} if stream else request


def ask_client(
    server: MockServer, scenario: Scenario, http: httpx2.Client, *, stream: bool = True, timeout_s: float = 5.0
) -> dict[str, Any]:
    """What the reference client reports."""
    base_url = server.scenario_url(scenario.name)
    case = Case(base_url=base_url, request=make_request(scenario, stream), api_key="test", timeout_s=timeout_s)
    return call_bounded(run_case, case, http, lambda _: None)


def ask_sdk(server: MockServer, scenario: Scenario, http: httpx2.Client) -> dict[str, Any]:
    """What the SDK's raw stream comes to in a loop with the guards that everybody should have."""
    return call_bounded(read_with_sdk, server, scenario, http)


def read_with_sdk(server: MockServer, scenario: Scenario, http: httpx2.Client) -> dict[str, Any]:
    """The loop of `ask_sdk`."""
    sdk = openai.OpenAI(
        base_url=server.scenario_url(scenario.name), api_key="test", max_retries=0, timeout=5.0, http_client=http
    )
    choices: dict[int, dict[str, Any]] = {}
    usage: Any = None
    error: dict[str, str] | None = None
    try:
        for chunk in sdk.chat.completions.create(**make_request(scenario)):
            usage = chunk.usage.model_dump() if chunk.usage else usage
            for choice in chunk.choices or ():
                add_choice(choices, choice)
    except Exception as raised:
        error = {"type": type(raised).__name__, "message": str(raised)}
    found = [{**one, "tool_calls": list(one["tool_calls"].values())} for _, one in sorted(choices.items())]
    several = {"choices": found} if len(found) > 1 else found[0] if found else {}
    return {**several, "usage": usage, "error": error}


def add_choice(choices: dict[int, dict[str, Any]], choice: Any) -> None:
    """Append what one chunk says of one choice."""
    empty: dict[str, Any] = {"content": "", "refusal": "", "reasoning": "", "tool_calls": {}, "finish_reason": None}
    own = choices.setdefault(choice.index, empty)
    delta = choice.delta
    own["content"] += delta.content or ""
    own["refusal"] += delta.refusal or ""
    own["reasoning"] += getattr(delta, "reasoning_content", None) or ""
    own["finish_reason"] = choice.finish_reason or own["finish_reason"]
    for piece in delta.tool_calls or ():
        said = piece.function.model_dump() if piece.function else getattr(piece, "custom", None) or {}
        text = "input" if getattr(piece, "custom", None) else "arguments"
        call = own["tool_calls"].setdefault(piece.index, {"id": None, "type": None, "name": None})
        call["id"], call["type"] = call["id"] or piece.id, call["type"] or piece.type
        call["name"] = call["name"] or said.get("name")
        call[text] = call.get(text, "") + (said.get(text) or "")
    if delta.function_call:
        call = own["tool_calls"].setdefault("legacy", {"type": "function", "name": None, "arguments": ""})
        call["name"] = call["name"] or delta.function_call.name
        call["arguments"] += delta.function_call.arguments or ""


def last_exchange(server: MockServer, scenario: Scenario) -> Exchange:
    """The newest exchange; it must be the scenario's."""
    exchange = server.requests[-1]
    assert exchange.scenario == scenario.name
    return exchange


def expected_of(server: MockServer, scenario: Scenario) -> Expected:
    """What the oracle expects of the stream that was played last."""
    plan = last_exchange(server, scenario).plan
    assert plan is not None
    assert plan.stream is not None, "the answer was no stream"
    return expect(plan.stream)


def judge_last(server: MockServer, scenario: Scenario, got: Mapping[str, Any]) -> Verdict:
    """The verdict on what was made of the stream that was played last; arguments are compared to the letter."""
    return judge(expected_of(server, scenario), got, arguments_as_json=False)


def without_ids(outcome: Mapping[str, Any]) -> dict[str, Any]:
    """An outcome in which the ids of tool calls may be any: each request gets ids of its own."""
    if "choices" in outcome:
        return {**outcome, "choices": [without_ids(choice) for choice in outcome["choices"]]}
    return {**outcome, "tool_calls": [{**call, "id": ANY} for call in outcome.get("tool_calls") or ()]}


def call_bounded(call: Callable[P, T], *args: P.args, **options: P.kwargs) -> T:
    """What a call comes to; the test fails where it takes longer than anything may, even if it never returns."""
    future: Future[T] = Future()

    def run() -> None:
        try:
            future.set_result(call(*args, **options))
        except BaseException as error:
            future.set_exception(error)

    # A thread cannot be ended: one that hangs is left behind, and does not keep the tests from ending.
    thread = threading.Thread(target=run, name=f"bounded-{call.__name__}", daemon=True)
    thread.start()
    thread.join(PATIENCE_S)
    if thread.is_alive():
        pytest.fail(f"hung: expected {call.__name__} to return within {PATIENCE_S:g} s")
    return future.result()
