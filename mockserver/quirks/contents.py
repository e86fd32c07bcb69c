"""Quirks of roles and contents, and of what stands beside them in a delta."""

from collections.abc import Iterator
from typing import Any

from mockserver.chunks import Chunk
from mockserver.quirks.quirk import Bend, Quirk, drop, drop_null, each_choice, each_delta, put, put_missing

_CALLS = ("tool_calls", "function_call")


def _role_with_content(chunks: Iterator[Chunk]) -> Iterator[Chunk]:
    """Send no role delta of its own: the first delta of each choice carries the role."""
    held: dict[int, dict[str, Any]] = {}
    for chunk in chunks:
        choice = chunk.data["choices"][0] if chunk.data["choices"] else None
        if choice is None:
            yield chunk
        elif chunk.kind == "role" and not set(_CALLS) & choice["delta"].keys():
            held[choice["index"]] = choice["delta"]
        elif role := held.pop(choice["index"], None):
            choice["delta"] = {key: value for key, value in role.items() if value} | choice["delta"]
            yield Chunk(chunk.data, chunk.due_s, "role" if chunk.kind == "delta" else chunk.kind)
        else:
            yield chunk


def _role_alone(content: str | None) -> Bend:
    """Let the first delta say the role and, where it has no content, this one; and a tool call begin in the next one."""

    def bend(chunks: Iterator[Chunk]) -> Iterator[Chunk]:
        for chunk in chunks:
            if chunk.kind != "role":
                yield chunk
                continue
            choice = chunk.data["choices"][0]
            delta = choice["delta"]
            calls = {key: delta.pop(key) for key in _CALLS if key in delta}
            if delta.get("content") is None and delta.get("refusal") != "" and "reasoning_content" not in delta:
                delta["content"] = content
            begin = Chunk({**chunk.data, "choices": [{**choice, "delta": calls}]}, chunk.due_s, "delta")
            yield chunk
            if calls:
                yield begin

    return bend


def _null_content(delta: dict[str, Any]) -> None:
    if delta.get("content") == "":
        delta["content"] = None


def _drop_empty_content(delta: dict[str, Any]) -> None:
    if not delta.get("content"):
        delta.pop("content", None)


def _content_parts(delta: dict[str, Any]) -> None:
    if isinstance(text := delta.get("content"), str) and text:
        delta["content"] = [{"type": "text", "text": text}]


def _cumulate(chunks: Iterator[Chunk]) -> Iterator[Chunk]:
    """Let each delta say all of its text so far."""
    said: dict[int, str] = {}
    for chunk in chunks:
        for choice in chunk.data["choices"]:
            if isinstance(text := choice["delta"].get("content"), str) and text:
                said[choice["index"]] = choice["delta"]["content"] = said.get(choice["index"], "") + text
        yield chunk


TABLE = (
    Quirk("role-alone", 'the first delta says role and content: "", and no more, before a single tool call too',
          "vLLM, DeepSeek, Mistral, llama.cpp", _role_alone("")),
    Quirk("role-alone-null", "the first delta says the role and no more but a content, which is null before a tool call",
          "Groq", _role_alone(None)),
    Quirk("role-with-content", "the first text comes with the role, in one delta", "Ollama, OpenRouter, Gemini",
          _role_with_content),
    Quirk("role-repeated", "role: assistant stands in every delta", "Ollama, OpenRouter, Gemini, many small servers",
          each_delta(put("role", "assistant"))),
    Quirk("role-missing", "no delta has a role", "open-webui, small servers", each_delta(drop("role"))),
    Quirk("role-empty", 'role is "" in every delta', "SGLang, GLM servers", each_delta(put("role", ""))),
    Quirk("role-null", "role is null in every delta", "SGLang, GLM servers", each_delta(put("role", None))),
    Quirk("content-null-first", "the first delta says content: null", "Azure, llama.cpp",
          each_delta(_null_content, "role")),
    Quirk("content-missing-first", "the first delta has a role and no content", "old Azure, small servers",
          each_delta(_drop_empty_content, "role")),
    Quirk("content-empty-finish", 'the last delta says content: ""', "DeepSeek, Mistral, vLLM",
          each_delta(put_missing("content", ""), "finish")),
    Quirk("content-empty-always", 'content: "" stands in every delta that has no text', "Ollama, OpenRouter",
          each_delta(put_missing("content", ""))),
    Quirk("delta-cumulative", "each delta says all of the text so far", "DashScope paths, Gemini thinking proxies", _cumulate,
          right="either", hides=("content",)),
    Quirk("content-array", "content is a list of typed parts", "Mistral's reasoning models, GLM through Mistral",
          each_delta(_content_parts), right="either"),
    Quirk("refusal-missing", "refusal: null is left out", "everybody but OpenAI and Azure", each_delta(drop_null("refusal"))),
    Quirk("logprobs-missing", "logprobs: null is left out", "llama.cpp, Ollama, OpenRouter, Gemini",
          each_choice(drop_null("logprobs"))),
)  # fmt: skip
"""Every quirk of this kind."""
