"""Quirks of usage."""

from collections.abc import Iterator
from typing import Any

from msgspec.structs import replace

from mockserver.chunks import Chunk
from mockserver.quirks.quirk import Quirk, each_chunk
from mockserver.request import ChatRequest


def _drop_usage_chunk(chunks: Iterator[Chunk]) -> Iterator[Chunk]:
    for chunk in chunks:
        if chunk.kind != "usage":
            chunk.data.pop("usage", None)
            yield chunk


def _drop_null_usage(data: dict[str, Any]) -> None:
    if data.get("usage", "") is None:
        del data["usage"]


def _usage_every_chunk(chunks: Iterator[Chunk]) -> Iterator[Chunk]:
    """Let each chunk say the usage so far; the last one has the whole."""
    waiting = list(chunks)  # the whole usage stands in the last chunk
    whole = next((chunk.data["usage"] for chunk in waiting if chunk.kind == "usage"), None)
    count = 0
    for chunk in waiting:
        if whole is not None and chunk.kind != "usage":
            count += chunk.kind == "delta"
            count = min(count, whole["completion_tokens"])
            chunk.data["usage"] = {
                "prompt_tokens": whole["prompt_tokens"],
                "completion_tokens": count,
                "total_tokens": whole["prompt_tokens"] + count,
            }
        yield chunk


def _usage_with_finish(chunks: Iterator[Chunk]) -> Iterator[Chunk]:
    """Put the usage into the chunk with the last finish reason, and send no chunk for it."""
    last: Chunk | None = None
    for chunk in chunks:
        if chunk.kind == "usage" and last is not None:
            last.data["usage"] = chunk.data["usage"]
            continue
        if last is not None:
            yield last
        last = chunk
    if last is not None:
        yield last


def _empty_chunk_after(chunks: Iterator[Chunk]) -> Iterator[Chunk]:
    for chunk in chunks:
        yield chunk
        if chunk.kind == "usage":
            yield Chunk({**chunk.data, "usage": None}, chunk.due_s, "extra")


def _empty_object(data: dict[str, Any]) -> None:
    data["usage"] = {}


def _ask(request: ChatRequest) -> ChatRequest:
    return replace(request, include_usage=True)


TABLE = (
    Quirk("usage-unasked", "usage is sent although it was not asked for", "apfel, quotio, Gemini", _ask, arrow="request",
          hides=("usage",)),
    Quirk("usage-missing", "usage is never sent, even if asked for", "old servers, many gateways", _drop_usage_chunk,
          hides=("usage",)),
    Quirk("usage-null-missing", "usage: null is left out of the other chunks", "vLLM, Ollama", each_chunk(_drop_null_usage)),
    Quirk("usage-every-chunk", "each chunk has the usage so far", "vLLM continuous_usage_stats, SGLang, SiliconFlow",
          _usage_every_chunk),
    Quirk("usage-with-finish", "usage comes in the last chunk with a choice", "Gemini, Mistral, Groq, DeepSeek",
          _usage_with_finish),
    Quirk("usage-then-empty-chunk", "an empty chunk follows the usage", "xAI through LiteLLM", _empty_chunk_after),
    Quirk("usage-empty-object", "usage is {}", "MiniMax, old LiteLLM", each_chunk(_empty_object, "usage"), hides=("usage",)),
)  # fmt: skip
"""Every quirk of this kind."""
