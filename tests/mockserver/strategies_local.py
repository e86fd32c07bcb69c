"""Replies, requests and what becomes of them: what the tests of reply, chunks and completion share."""

import json
from itertools import count
from typing import Any

from hypothesis import strategies as st

from mockserver.chunks import Chunk, Identity, make_chunks
from mockserver.completion import make_completion
from mockserver.reply import Choice, Completion, FunctionCall, Reply, ToolCall, complete
from mockserver.request import ChatRequest, parse_request
from mockserver.timing import UNPACED, Schedule
from mockserver.tokens import split_text

IDENTITY = Identity(id="chatcmpl-1", created=1_700_000_000, model="gpt-4o-mini", seed="7")

FINISH_REASONS = ("stop", "length", "tool_calls", "content_filter", "function_call")


def ask(**parameters: Any) -> ChatRequest:
    """The request with these parameters."""
    body = {"model": "gpt-4o-mini", "messages": [{"role": "user", "content": "Hello"}], **parameters}
    return parse_request(json.dumps(body).encode())


def answer(reply: Reply, request: ChatRequest) -> Completion:
    """What the request gets of the reply; calls without an id become call_0, call_1, …"""
    return complete(reply, request, split_text, (f"call_{k}" for k in count()))


def stream(reply: Reply, request: ChatRequest, group: tuple[int, ...] = ()) -> list[Chunk]:
    """The chunks of the answer, unpaced and without obfuscation filled in."""
    return list(make_chunks(answer(reply, request), request, IDENTITY, Schedule(UNPACED), group))


def whole(reply: Reply, request: ChatRequest) -> dict[str, Any]:
    """The answer that is not streamed."""
    return make_completion(answer(reply, request), request, IDENTITY)


words = st.sampled_from(
    ["Hello", " world", ",", " 1", "2", "\n", "naïve", " 你好", "🙂", '{"a":', ' "b"}', "  ", "STOP"]
)
texts = st.lists(words, max_size=8).map("".join) | st.text(max_size=20)
pieces = st.lists(words | st.text(max_size=4), max_size=6).map(tuple)
groups = st.lists(st.integers(1, 5), max_size=6).map(tuple)
names = st.text("abcXYZ019_-", min_size=1, max_size=12)
arguments: st.SearchStrategy[str | dict[str, Any]] = texts | st.dictionaries(
    names, st.none() | st.booleans() | st.integers() | texts | st.lists(st.integers(), max_size=2), max_size=3
)
call_ids = st.none() | st.text("abcXYZ019", min_size=24, max_size=24).map("call_".__add__)

function_tools = st.builds(ToolCall, names, arguments=arguments, id=call_ids) | st.builds(
    ToolCall, names, id=call_ids, pieces=pieces
)
custom_tools = st.builds(ToolCall, names, id=call_ids, type=st.just("custom"), input=st.none() | texts) | st.builds(
    ToolCall, names, id=call_ids, type=st.just("custom"), pieces=pieces
)
function_calls = st.builds(FunctionCall, names, arguments=arguments) | st.builds(FunctionCall, names, pieces=pieces)


@st.composite
def choices(draw: st.DrawFn, tools: st.SearchStrategy[ToolCall] = function_tools | custom_tools) -> Choice:
    """Any choice that a scenario can write down."""
    own = draw(st.booleans())
    calls = draw(st.lists(tools, max_size=3).map(tuple))
    return Choice(
        content=None if own else draw(st.none() | texts),
        pieces=draw(pieces) if own else None,
        reasoning=draw(st.none() | texts),
        refusal=draw(st.none() | texts),
        tool_calls=calls,
        function_call=None if calls else draw(st.none() | function_calls),
        finish_reason=draw(st.none() | st.sampled_from(FINISH_REASONS)),
    )


def replies(tools: st.SearchStrategy[ToolCall] = function_tools | custom_tools) -> st.SearchStrategy[Reply]:
    """Any reply: one choice written directly, or several."""
    one = choices(tools).map(
        lambda choice: Reply(**{field: getattr(choice, field) for field in Choice.__struct_fields__})
    )
    return one | st.lists(choices(tools), min_size=1, max_size=3).map(lambda several: Reply(choices=tuple(several)))


@st.composite
def requests(draw: st.DrawFn, *, cuts: bool = True) -> ChatRequest:
    """A request with any of the parameters that shape the answer; without `cuts` it gets the reply whole."""
    parameters: dict[str, Any] = {"n": draw(st.integers(1, 3)), "stream": True}
    if draw(st.booleans()):
        parameters["stream_options"] = {
            "include_usage": draw(st.booleans()),
            "include_obfuscation": draw(st.booleans()),
        }
    if draw(st.booleans()):
        parameters |= {"logprobs": True, "top_logprobs": draw(st.integers(0, 20))}
    if cuts and draw(st.booleans()):
        parameters["max_tokens"] = draw(st.integers(1, 12))
    if cuts and draw(st.booleans()):
        parameters["stop"] = draw(st.lists(words | st.text(min_size=1, max_size=2), min_size=1, max_size=4))
    return ask(**parameters)
