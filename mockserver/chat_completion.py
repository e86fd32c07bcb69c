"""Completion -> the answer that is not streamed: one `chat.completion` object."""

from typing import Any

from mockserver.chunks import Identity, logprobs_of, opened_part
from mockserver.completion import Call, CompletedChoice, Completion
from mockserver.request import ChatRequest


def make_completion(completion: Completion, request: ChatRequest, identity: Identity) -> dict[str, Any]:
    """The `chat.completion` object (OpenAI's CreateChatCompletionResponse)."""
    return {
        "id": identity.id,
        "object": "chat.completion",
        "created": identity.created,
        "model": identity.model,
        "choices": [
            {
                "index": choice.index,
                "message": make_message(choice),
                "logprobs": _logprobs(choice, request, identity),
                "finish_reason": choice.finish_reason,
            }
            for choice in completion.choices
        ],
        "usage": completion.usage,
        "service_tier": identity.service_tier,
        "system_fingerprint": identity.system_fingerprint,
    }


def make_message(choice: CompletedChoice) -> dict[str, Any]:
    """The message of a choice (OpenAI's ChatCompletionResponseMessage); `reasoning_content` only where there is some."""
    content = choice.text("content") or "" if opened_part(choice) == "content" else None
    message: dict[str, Any] = {"role": "assistant", "content": content}
    if choice.calls:
        message["tool_calls"] = [_make_call(call) for call in choice.calls]
    if choice.function_name is not None:
        message["function_call"] = {"name": choice.function_name, "arguments": choice.text("function_call") or ""}
    message["refusal"] = choice.text("refusal")
    if (reasoning := choice.text("reasoning")) is not None:
        message["reasoning_content"] = reasoning
    message["annotations"] = []
    return message


def _logprobs(choice: CompletedChoice, request: ChatRequest, identity: Identity) -> dict[str, Any] | None:
    if not request.logprobs:
        return None
    return logprobs_of(choice.tokens, 0, request.top_logprobs, f"{identity.seed}/{choice.index}", opened_part(choice))


def _make_call(call: Call) -> dict[str, Any]:
    said = {"name": call.name, "arguments" if call.type == "function" else "input": call.text}
    return {"id": call.id, "type": call.type, call.type: said}
