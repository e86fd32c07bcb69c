from typing import Any

import pytest
from hypothesis import given

from mockserver.chat_completion import make_completion, make_message
from mockserver.chunks import Identity
from mockserver.reply import Choice, FunctionCall, Reply, ToolCall
from mockserver.request import ChatRequest
from tests.mockserver.strategies_local import answer, ask, groups, replies, requests, stream, whole

A = ToolCall("a", arguments={"x": 1}, id="call_a")
Message = dict[str, Any]


class Accumulator:
    """A small consumer of a stream, written after OpenAI's guide and knowing nothing of how the stream is made."""

    def __init__(self) -> None:
        self.message: Message = {}
        self.logprobs: dict[str, Any] | None = None
        self.finish_reason: str | None = None

    def take(self, choice: dict[str, Any]) -> None:
        for key, value in choice["delta"].items():
            if key == "tool_calls":
                for piece in value:
                    self.take_call(piece)
            elif key == "function_call":
                call = self.message.setdefault(key, {})
                for member, text in value.items():
                    call[member] = call.get(member, "") + text
            elif value is None or key not in self.message or self.message[key] is None:
                self.message[key] = value
            else:
                self.message[key] += value
        for part, entries in (choice["logprobs"] or {}).items():
            self.logprobs = self.logprobs or {"content": None, "refusal": None}
            if entries is not None:
                self.logprobs[part] = (self.logprobs[part] or []) + entries
        if choice["finish_reason"] is not None:
            assert self.finish_reason is None, "a choice finishes once"
            self.finish_reason = choice["finish_reason"]

    def take_call(self, piece: dict[str, Any]) -> None:
        calls = self.message.setdefault("tool_calls", [])
        if piece["index"] == len(calls):
            calls.append({key: value for key, value in piece.items() if key != "index"})
            return
        call = calls[piece["index"]]
        for key in piece.keys() - {"index"}:
            for member, text in piece[key].items():
                call[key][member] += text


def accumulate(chunks: list[dict[str, Any]]) -> dict[int, Accumulator]:
    found: dict[int, Accumulator] = {}
    for chunk in chunks:
        for choice in chunk["choices"]:
            found.setdefault(choice["index"], Accumulator()).take(choice)
    return found


@given(replies(), requests(), groups)
def test_the_stream_accumulated_is_the_whole_answer(reply: Reply, request: ChatRequest, group: tuple[int, ...]) -> None:
    chunks = [chunk.data for chunk in stream(reply, request, group)]
    completion = whole(reply, request)
    accumulated = accumulate(chunks)
    assert list(accumulated) == [choice["index"] for choice in completion["choices"]]
    for choice in completion["choices"]:
        found = accumulated[choice["index"]]
        message = {"refusal": None, **found.message, "annotations": []}
        assert message == choice["message"]
        assert (found.finish_reason, found.logprobs) == (choice["finish_reason"], choice["logprobs"])
    for key in ("id", "created", "model", "service_tier", "system_fingerprint"):
        assert {chunk[key] for chunk in chunks} == {completion[key]}
    if request.include_usage:
        assert chunks[-1]["usage"] == completion["usage"]


@given(replies(), requests(cuts=False))
def test_uncut_the_whole_answer_is_the_reply(reply: Reply, request: ChatRequest) -> None:
    for index, choice in enumerate(whole(reply, request)["choices"]):
        meant = reply.choices[index % len(reply.choices)] if reply.choices else reply
        assert choice["message"] == message_meant(meant, choice["message"])
        assert choice["index"] == index


def message_meant(choice: Choice, message: Message) -> Message:
    """The message a choice means; ids that it does not tell, and whether an empty text is null, are as they came."""
    found: Message = {
        "role": "assistant",
        "content": choice.content or message["content"],
        "refusal": choice.refusal or None,
        "annotations": [],
    }
    assert message["content"] in (None, "") or choice.content
    if choice.tool_calls:
        found["tool_calls"] = [
            {
                "id": call.id or made["id"],
                "type": call.type,
                call.type: {"name": call.name, "input" if call.type == "custom" else "arguments": call.text},
            }
            for call, made in zip(choice.tool_calls, message["tool_calls"], strict=True)
        ]
    if choice.function_call:
        found["function_call"] = {"name": choice.function_call.name, "arguments": choice.function_call.text}
    if choice.reasoning:
        found["reasoning_content"] = choice.reasoning
    return found


CONTENTS: list[tuple[Choice, str | None]] = [
    (Choice(), ""),
    (Choice(content=""), ""),
    (Choice(content="Hi", tool_calls=(A,)), "Hi"),
    (Choice(content="Hi", refusal="No"), "Hi"),
    (Choice(pieces=("",), tool_calls=(A,)), ""),
    (Choice(reasoning="Hm"), ""),
    (Choice(refusal="No"), None),
    (Choice(tool_calls=(A,)), None),
    (Choice(content="", tool_calls=(A,)), None),
    (Choice(function_call=FunctionCall("f")), None),
    (Choice(reasoning="Hm", tool_calls=(A,)), None),
]


@pytest.mark.parametrize(("choice", "content"), CONTENTS, ids=[str(choice)[:80] for choice, _ in CONTENTS])
def test_content_is_null_only_where_calls_or_a_refusal_stand_in_its_place(choice: Choice, content: str | None) -> None:
    message = whole(Reply(choices=(choice,)), ask())["choices"][0]["message"]
    assert message["content"] == content


def test_a_message_names_only_what_it_has() -> None:
    [plain] = answer(Reply(content="Hi"), ask()).choices
    assert make_message(plain) == {"role": "assistant", "content": "Hi", "refusal": None, "annotations": []}


def test_a_stop_at_the_very_start_leaves_an_empty_text() -> None:
    [choice] = whole(Reply(content="STOP here", tool_calls=(A,)), ask(stop="STOP"))["choices"]
    assert (choice["message"]["content"], choice["finish_reason"]) == ("", "stop")
    assert "tool_calls" not in choice["message"]


def test_logprobs_are_null_unless_asked_for() -> None:
    assert whole(Reply(content="Hi"), ask())["choices"][0]["logprobs"] is None
    assert whole(Reply(tool_calls=(A,)), ask(logprobs=True))["choices"][0]["logprobs"] is None
    assert whole(Reply(), ask(logprobs=True))["choices"][0]["logprobs"] == {"content": [], "refusal": None}


def test_the_object_names_its_kind_and_carries_the_identity() -> None:
    identity = Identity("chatcmpl-9", 12, "gpt-5", "7", system_fingerprint=None, service_tier="flex")
    completion = make_completion(answer(Reply(content="Hi"), ask()), ask(), identity)
    assert list(completion) == [
        "id",
        "object",
        "created",
        "model",
        "choices",
        "usage",
        "service_tier",
        "system_fingerprint",
    ]
    del completion["choices"], completion["usage"]
    assert completion == {
        "id": "chatcmpl-9",
        "object": "chat.completion",
        "created": 12,
        "model": "gpt-5",
        "service_tier": "flex",
        "system_fingerprint": None,
    }
