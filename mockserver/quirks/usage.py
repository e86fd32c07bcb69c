"""Quirks of usage: in which chunks it stands, and what of it."""

from collections.abc import Iterator
from typing import Any

from msgspec.structs import replace

from mockserver.chunks import Chunk
from mockserver.quirks.quirk import Quirk, drop_null, each_chunk, put, put_missing
from mockserver.request import ChatRequest

COUNTS = ("prompt_tokens", "completion_tokens", "total_tokens")


def _ask(request: ChatRequest) -> ChatRequest:
    return replace(request, include_usage=True)


def _drop_usage_chunk(chunks: Iterator[Chunk]) -> Iterator[Chunk]:
    for chunk in chunks:
        if chunk.kind != "usage":
            chunk.data.pop("usage", None)
            yield chunk


def _drop_details(data: dict[str, Any]) -> None:
    data["usage"] = {key: data["usage"][key] for key in COUNTS}


def _add_cache_counts(data: dict[str, Any]) -> None:
    usage = data["usage"]
    hits = usage.get("prompt_tokens_details", {}).get("cached_tokens", 0)
    misses = usage["prompt_tokens"] - hits
    data["usage"] = {**usage, "prompt_cache_hit_tokens": hits, "prompt_cache_miss_tokens": misses}


def _usage_every_chunk(chunks: Iterator[Chunk]) -> Iterator[Chunk]:
    """Let each chunk say the usage so far; it grows evenly to the whole."""
    waiting = list(chunks)  # the whole usage stands in the last chunk
    whole = next((chunk.data["usage"] for chunk in waiting if chunk.kind == "usage"), None)
    deltas = sum(map(_says_something, waiting))
    count = 0
    for chunk in waiting:
        if whole is not None and chunk.kind != "usage":
            count += _says_something(chunk)
            said = whole["completion_tokens"] * count // deltas if deltas else 0
            prompt = whole["prompt_tokens"]
            chunk.data["usage"] = dict(zip(COUNTS, (prompt, said, prompt + said), strict=True))
        yield chunk


def _says_something(chunk: Chunk) -> bool:
    deltas = (choice["delta"] for choice in chunk.data["choices"])
    return any(value for delta in deltas for key, value in delta.items() if key != "role")


def _with_last_choice(chunks: Iterator[Chunk], change: Any) -> Iterator[Chunk]:
    """The chunks, the one before the usage held back; `change` gets it and the usage and says what comes of the two."""
    last: Chunk | None = None
    for chunk in chunks:
        if chunk.kind == "usage" and last is not None:
            yield from change(last, chunk)
            last = None
            continue
        if last is not None:
            yield last
        last = chunk
    if last is not None:
        yield last


def _usage_with_finish(chunks: Iterator[Chunk]) -> Iterator[Chunk]:
    """Put the usage into the chunk before it, and send none for it."""

    def change(last: Chunk, usage: Chunk) -> Iterator[Chunk]:
        last.data["usage"] = usage.data["usage"]
        yield last

    return _with_last_choice(chunks, change)


def _usage_with_choice(chunks: Iterator[Chunk]) -> Iterator[Chunk]:
    """Repeat the last choice in the usage chunk, finish reason and all, but nothing of what it said."""

    def change(last: Chunk, usage: Chunk) -> Iterator[Chunk]:
        for choice in last.data["choices"][:1]:
            said = choice["delta"]
            delta = {
                key: said[key] and "" if key == "content" else said[key] for key in ("role", "content") if key in said
            }
            usage.data["choices"] = [{**choice, "delta": delta}]
        yield last
        yield usage

    return _with_last_choice(chunks, change)


def _empty_chunk_after(chunks: Iterator[Chunk]) -> Iterator[Chunk]:
    for chunk in chunks:
        after = Chunk({**chunk.data, "choices": [], "usage": None}, chunk.due_s, "extra")
        yield chunk
        if chunk.kind == "usage":
            yield after


TABLE = (
    Quirk("usage-unasked", "usage is sent although it was not asked for", "apfel, quotio, OpenRouter, DeepSeek, Mistral", _ask,
          arrow="request", hides=("usage",)),
    Quirk("usage-missing", "usage is never sent, even if asked for", "old servers, many gateways", _drop_usage_chunk,
          hides=("usage",)),
    Quirk("usage-details-missing", "usage has the three counts and no details", "Ollama, vLLM, Gemini, llama.cpp",
          each_chunk(_drop_details, "usage")),
    Quirk("usage-cache-tokens", "usage says how many tokens of the prompt were cached and how many not", "DeepSeek",
          each_chunk(_add_cache_counts, "usage")),
    Quirk("usage-null", "usage: null stands in every other chunk, asked for or not", "Azure, DeepSeek, Qwen on DashScope, Doubao",
          each_chunk(put_missing("usage", None))),
    Quirk("usage-null-missing", "usage: null is left out of the other chunks", "vLLM, Ollama, llama.cpp, OpenRouter, Mistral",
          each_chunk(drop_null("usage"))),
    Quirk("usage-every-chunk", "each chunk has the usage so far", "vLLM continuous_usage_stats, SGLang, SiliconFlow, Gemini",
          _usage_every_chunk),
    Quirk("usage-with-finish", "usage comes in the last chunk with a choice", "Gemini, Mistral, DeepSeek", _usage_with_finish),
    Quirk("usage-with-choice", "the chunk for the usage repeats the last choice", "OpenRouter", _usage_with_choice),
    Quirk("usage-then-empty-chunk", "an empty chunk follows the usage", "xAI through LiteLLM", _empty_chunk_after),
    Quirk("usage-empty-object", "usage is {}", "MiniMax, old LiteLLM", each_chunk(put("usage", {}), "usage"), hides=("usage",)),
)  # fmt: skip
"""Every quirk of this kind."""
