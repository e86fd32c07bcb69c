"""What the tests of quirks share: samples of every kind of reply, bent, and what a consumer reads of them."""

import json
from collections.abc import Iterable
from typing import Any

from mockserver.delivery import Delivery
from mockserver.reply import Choice, FunctionCall, Reply, ToolCall
from mockserver.request import ChatRequest
from mockserver.stream import Stream
from mockserver.timing import UNPACED, Schedule
from tests.mockserver.strategies_local import IDENTITY, answer, ask

CALLS = (ToolCall("f", {"a": 1}, id="call_f"), ToolCall("g", '{"b":"x"}', id="call_g"))
SAMPLES: dict[str, tuple[Reply, dict[str, Any]]] = {
    "text": (Reply(content="Hello there", reasoning="Let me", usage=None), {}),
    "calls": (Reply(content="Hi", tool_calls=CALLS), {}),
    "one call": (Reply(tool_calls=CALLS[:1]), {}),
    "cut": (Reply(content="Hello there, you"), {"max_tokens": 2}),
    "custom": (Reply(tool_calls=(ToolCall("c", id="call_c", type="custom", input="x y"),)), {}),
    "refusal": (Reply(refusal="No, thank you"), {}),
    "legacy": (Reply(function_call=FunctionCall("f", {"a": 1})), {}),
    "two": (Reply(choices=(Choice(content="Hello there, you"), Choice(content="Bye now"))), {"n": 2}),
    "nothing": (Reply(content=""), {}),
}

PAIRED = ("text", "calls", "custom", "legacy")
"""The samples that between them have every kind of chunk and delta."""


def make_stream(reply: Reply, request: ChatRequest, quirks: Iterable[str] = (), **delivery: Any) -> Stream:
    schedule = Schedule(UNPACED)
    return Stream(answer(reply, request), request, IDENTITY, schedule, Delivery(quirks=tuple(quirks), **delivery))


def ask_stream(usage: bool = True, **parameters: Any) -> ChatRequest:
    options = {"stream_options": {"include_usage": True}} if usage else {}
    return ask(stream=True, **options, **parameters)


def sample(name: str, *quirks: str, usage: bool = True, **delivery: Any) -> Stream:
    reply, parameters = SAMPLES[name]
    return make_stream(reply, ask_stream(usage, **parameters), quirks, **delivery)


def body_of(stream: Stream) -> bytes:
    return b"".join(piece.data for piece in stream.body())


def chunks_of(stream: Stream) -> list[dict[str, Any]]:
    """The chunks as a consumer reads them."""
    return [json.loads(event.data) for event in stream.events() if event.data != b"[DONE]"]


def deltas_of(stream: Stream) -> list[Any]:
    return [choice.get("delta", "absent") for chunk in chunks_of(stream) for choice in chunk.get("choices") or ()]


def pieces_of(stream: Stream) -> list[dict[str, Any]]:
    return [piece for delta in deltas_of(stream) for piece in (delta or {}).get("tool_calls") or ()]
