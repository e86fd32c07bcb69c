"""Replies, requests and what becomes of them: what the tests of reply, chunks and completion share."""

import json
from itertools import count
from typing import Any

from hypothesis import strategies as st

from mockserver.chat_completion import make_completion
from mockserver.chunks import Chunk, Identity, make_chunks
from mockserver.completion import Completion, complete
from mockserver.reply import Reply
from mockserver.request import ChatRequest, parse_request
from mockserver.strategies.replies import choices, custom_tools, function_tools, pieces, replies, texts, words
from mockserver.timing import UNPACED, Schedule
from mockserver.tokens import split_text

__all__ = [
    "IDENTITY",
    "answer",
    "ask",
    "choices",
    "custom_tools",
    "function_tools",
    "groups",
    "pieces",
    "replies",
    "requests",
    "stream",
    "texts",
    "whole",
]

IDENTITY = Identity(id="chatcmpl-1", created=1_700_000_000, model="gpt-4o-mini", seed="7")

groups = st.lists(st.integers(1, 5), max_size=6).map(tuple)


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
