"""Quirks of reasoning, which OpenAI does not stream and everybody else streams in a way of their own."""

from collections.abc import Iterator
from typing import Any

from mockserver.chunks import Chunk
from mockserver.quirks.quirk import Quirk, each_delta


def _null_beside(chunks: Iterator[Chunk]) -> Iterator[Chunk]:
    """Say null for the content while reasoning comes, from the first delta on, and for the reasoning beside what follows it."""
    reasons: set[int] = set()
    for chunk in _begin_with_reasoning(chunks):
        for choice in chunk.data["choices"]:
            delta = choice["delta"]
            if "reasoning_content" in delta:
                reasons.add(choice["index"])
                delta.setdefault("content", None)
            elif choice["index"] in reasons and "tool_calls" not in delta:
                delta["reasoning_content"] = None
        yield chunk


def _begin_with_reasoning(chunks: Iterator[Chunk]) -> Iterator[Chunk]:
    """Where reasoning comes first, let the first deltas say so: content null and an empty reasoning."""
    begun: list[Chunk] = []
    for chunk in chunks:
        if chunk.kind == "role":
            begun.append(chunk)
            continue
        if any("reasoning_content" in choice["delta"] for choice in chunk.data["choices"]):
            for first in begun:
                first.data["choices"][0]["delta"] |= {"content": None, "reasoning_content": ""}
        yield from begun
        begun = []
        yield chunk
    yield from begun


def _both(delta: dict[str, Any]) -> None:
    if "reasoning_content" in delta:
        delta["reasoning"] = delta["reasoning_content"]


def _rename(delta: dict[str, Any]) -> None:
    if "reasoning_content" in delta:
        delta["reasoning"] = delta.pop("reasoning_content")


def _add_details(delta: dict[str, Any]) -> None:
    if text := delta.get("reasoning") or delta.get("reasoning_content"):
        delta["reasoning_details"] = [{"type": "reasoning.text", "text": text, "format": "unknown", "index": 0}]


def _to_parts(delta: dict[str, Any]) -> None:
    text = delta.pop("reasoning", None) or delta.get("reasoning_content")
    delta.pop("reasoning_content", None)
    if text:
        delta["content"] = [{"type": "thinking", "thinking": [{"type": "text", "text": text}]}]


def _leave_out(chunks: Iterator[Chunk]) -> Iterator[Chunk]:
    for chunk in chunks:
        choices = chunk.data["choices"]
        reasons = any("reasoning_content" in choice["delta"] or "reasoning" in choice["delta"] for choice in choices)
        for choice in choices:
            for key in ("reasoning_content", "reasoning", "reasoning_details"):
                choice["delta"].pop(key, None)
        if chunk.kind != "delta" or not reasons or any(choice["delta"] for choice in choices):
            yield chunk


TABLE = (
    Quirk("reasoning-null-beside", "content is null while reasoning comes, from the first delta on, and reasoning_content is null after it",
          "DeepSeek, Qwen on DashScope", _null_beside),
    Quirk("reasoning-both", "reasoning comes under both names", "vLLM 0.11, gateways", each_delta(_both)),
    Quirk("reasoning-field", "reasoning comes as `reasoning`", "OpenRouter, new vLLM, Ollama, Groq", each_delta(_rename)),
    Quirk("reasoning-details", "reasoning comes with reasoning_details beside it", "OpenRouter, MiniMax",
          each_delta(_add_details)),
    Quirk("reasoning-parts", "reasoning comes as typed parts of the content", "Mistral", each_delta(_to_parts), right="either",
          hides=("reasoning",)),
    Quirk("reasoning-missing", "reasoning is thought and counted, and not sent", "OpenAI, Gemini", _leave_out,
          hides=("reasoning",)),
)  # fmt: skip
"""Every quirk of this kind."""
