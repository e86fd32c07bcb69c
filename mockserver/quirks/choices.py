"""Quirks of choices, deltas, roles, contents and finish reasons."""

from collections.abc import Iterator
from typing import Any

from mockserver.chunks import Chunk, join_values
from mockserver.quirks.quirk import Quirk, each_choice, each_chunk


def _set_delta(key: str, value: Any, *kinds: str) -> Any:
    def change(choice: dict[str, Any]) -> None:
        choice["delta"][key] = value

    return each_choice(change, *kinds)


def _drop_role(choice: dict[str, Any]) -> None:
    choice["delta"].pop("role", None)


def _null_content_first(choice: dict[str, Any]) -> None:
    if choice["delta"].get("content") == "":
        choice["delta"]["content"] = None


def _null_delta(choice: dict[str, Any]) -> None:
    if not choice["delta"]:
        choice["delta"] = None


def _drop_delta(choice: dict[str, Any]) -> None:
    if not choice["delta"]:
        del choice["delta"]


def _empty_finish(choice: dict[str, Any]) -> None:
    choice["finish_reason"] = choice["finish_reason"] or ""


def _null_finish(choice: dict[str, Any]) -> None:
    choice["finish_reason"] = None


def _drop_null_finish(choice: dict[str, Any]) -> None:
    if choice["finish_reason"] is None:
        del choice["finish_reason"]


def _finish_with_content(chunks: Iterator[Chunk]) -> Iterator[Chunk]:
    """Put each choice's finish reason into its last delta."""
    held: dict[int, Chunk] = {}
    for chunk in chunks:
        index = chunk.data["choices"][0]["index"] if chunk.data["choices"] else None
        if index is None:
            yield chunk
        elif chunk.kind == "finish" and index in held:
            last = held.pop(index)
            last.data["choices"][0]["finish_reason"] = chunk.data["choices"][0]["finish_reason"]
            yield Chunk(last.data, last.due_s, "finish")
        else:
            if index in held:
                yield held.pop(index)
            held[index] = chunk


def _add_empty_deltas(chunks: Iterator[Chunk]) -> Iterator[Chunk]:
    """After every delta an empty one."""
    for chunk in chunks:
        yield chunk
        if chunk.kind in ("role", "delta"):
            blank = [{**choice, "delta": {}, "logprobs": None} for choice in chunk.data["choices"]]
            yield Chunk({**chunk.data, "choices": blank}, chunk.due_s, "extra")


def _add_empty_choices(chunks: Iterator[Chunk]) -> Iterator[Chunk]:
    """After every delta a chunk without choices."""
    for chunk in chunks:
        yield chunk
        if chunk.kind in ("role", "delta"):
            yield Chunk({**chunk.data, "choices": []}, chunk.due_s, "extra")


def _null_choices(data: dict[str, Any]) -> None:
    if not data["choices"]:
        data["choices"] = None


def _drop_choices(data: dict[str, Any]) -> None:
    if not data["choices"]:
        del data["choices"]


def _cumulate(chunks: Iterator[Chunk]) -> Iterator[Chunk]:
    """Let each delta say all of its text so far."""
    said: dict[int, str] = {}
    for chunk in chunks:
        for choice in chunk.data["choices"]:
            if text := choice["delta"].get("content"):
                said[choice["index"]] = choice["delta"]["content"] = said.get(choice["index"], "") + text
        yield chunk


def _content_parts(choice: dict[str, Any]) -> None:
    if text := choice["delta"].get("content"):
        choice["delta"]["content"] = [{"type": "text", "text": text}]


def _message(choice: dict[str, Any]) -> None:
    choice["message"] = choice.pop("delta")


def _reasoning_field(choice: dict[str, Any]) -> None:
    delta = choice["delta"]
    if "reasoning_content" in delta:
        text = delta.pop("reasoning_content")
        delta["reasoning"] = text
        delta["reasoning_details"] = [{"type": "reasoning.text", "text": text, "index": 0}]


def _reasoning_both(choice: dict[str, Any]) -> None:
    if "reasoning_content" in choice["delta"]:
        choice["delta"]["reasoning"] = choice["delta"]["reasoning_content"]


def _drop_refusal(choice: dict[str, Any]) -> None:
    if choice["delta"].get("refusal", "") is None:
        del choice["delta"]["refusal"]


def _drop_logprobs(choice: dict[str, Any]) -> None:
    if choice.get("logprobs", "") is None:
        del choice["logprobs"]


def _role_with_content(chunks: Iterator[Chunk]) -> Iterator[Chunk]:
    """Send no role delta of its own: the first delta of each choice carries the role."""
    held: dict[int, Chunk] = {}
    for chunk in chunks:
        index = chunk.data["choices"][0]["index"] if chunk.data["choices"] else None
        if chunk.kind == "role" and index is not None:
            held[index] = chunk
        elif index is not None and index in held:
            role = held.pop(index)
            choice = chunk.data["choices"][0]
            first = {k: v for k, v in role.data["choices"][0]["delta"].items() if k not in choice["delta"] or v}
            choice["delta"] = join_values(first, choice["delta"])
            yield chunk
        else:
            yield chunk
    yield from held.values()


TABLE = (
    Quirk("role-repeated", "role: assistant stands in every delta", "Ollama, Groq, many small servers",
          _set_delta("role", "assistant", "role", "delta", "finish")),
    Quirk("role-missing", "no delta has a role", "open-webui, small servers", each_choice(_drop_role)),
    Quirk("role-empty", 'role is "" in every delta', "SGLang, GLM servers", _set_delta("role", "", "role", "delta", "finish")),
    Quirk("role-null", "role is null in every delta", "SGLang, GLM servers", _set_delta("role", None, "role", "delta", "finish")),
    Quirk("role-with-content", "the first text comes with the role, in one delta", "Ollama, Mistral", _role_with_content),
    Quirk("content-null-first", "the first delta says content: null", "Azure, vLLM, llama.cpp",
          each_choice(_null_content_first, "role")),
    Quirk("content-empty-finish", 'the last delta says content: ""', "Ollama, DeepSeek, OpenRouter",
          _set_delta("content", "", "finish")),
    Quirk("content-array", "content is a list of typed parts", "Mistral's reasoning models, GLM through Mistral",
          each_choice(_content_parts), right="either"),
    Quirk("delta-empty", "empty deltas stand between the others", "OpenAI, GLM", _add_empty_deltas),
    Quirk("delta-cumulative", "each delta says all of the text so far", "DashScope paths, Gemini thinking proxies", _cumulate,
          right="either", hides=("content",)),
    Quirk("choices-empty-midstream", "chunks without choices stand between the others", "Lepton, Copilot, Fireworks",
          _add_empty_choices),
    Quirk("finish-empty-string", 'finish_reason is "" until the end', "SGLang, LocalAI, Ollama, proxies of o3 models",
          each_choice(_empty_finish)),
    Quirk("finish-null-at-end", "no chunk has a finish reason", "Ollama, koboldcpp, Jan", each_choice(_null_finish),
          right="either", hides=("finish_reason",)),
    Quirk("finish-missing-until-end", "finish_reason is left out until the end", "small servers", each_choice(_drop_null_finish)),
    Quirk("finish-with-content", "the last text and the finish reason come in one chunk", "vLLM, Mistral", _finish_with_content),
    Quirk("reasoning-field", "reasoning comes as `reasoning`, with details", "OpenRouter, new vLLM",
          each_choice(_reasoning_field)),
    Quirk("reasoning-both", "reasoning comes under both names", "gateways", each_choice(_reasoning_both)),
    Quirk("refusal-missing", "refusal: null is left out", "everybody but OpenAI", each_choice(_drop_refusal)),
    Quirk("logprobs-missing", "logprobs: null is left out", "everybody but OpenAI", each_choice(_drop_logprobs)),
    Quirk("delta-null", "an empty delta is null", "Azure and others", each_choice(_null_delta)),
    Quirk("delta-missing", "an empty delta is left out", "open-webui, Qwen-compatible servers, Azure", each_choice(_drop_delta)),
    Quirk("message-instead-of-delta", "a choice says message where delta should be", "web bridges, Foundry Local",
          each_choice(_message), right="either"),
    Quirk("choices-null", "where there are no choices, choices is null", "vLLM, OpenRouter, Bedrock proxies",
          each_chunk(_null_choices), right="either"),
    Quirk("choices-missing", "where there are no choices, the key is left out", "ROCm ATOM and others", each_chunk(_drop_choices),
          right="either"),
)  # fmt: skip
"""Every quirk of this kind; those that take something away come last, so that the others find it."""
