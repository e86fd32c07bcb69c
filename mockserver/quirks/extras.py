"""Quirks that add members which OpenAI's chunks do not have."""

from collections.abc import Iterator
from typing import Any

from msgspec import Raw

from mockserver.chunks import Chunk
from mockserver.quirks.quirk import Quirk, each_choice, each_chunk

_SAFE = {"filtered": False, "severity": "safe"}
_CATEGORIES = ("hate", "self_harm", "sexual", "violence")

# As llama-server tells them, with numbers of our own.
_TIMINGS = {
    "cache_n": 0,
    "prompt_n": 21,
    "prompt_ms": 1399.085,
    "prompt_per_token_ms": 66.623,
    "prompt_per_second": 15.01,
    "predicted_n": 12,
    "predicted_ms": 1013.84,
    "predicted_per_token_ms": 84.487,
    "predicted_per_second": 11.836,
}

_X_GROQ_ID = "req_01kqxes8r3fmja0yhxvt665m6h"


def _filter_results(choice: dict[str, Any]) -> None:
    says = any(choice["delta"].get(key) for key in ("content", "refusal"))
    choice["content_filter_results"] = {name: dict(_SAFE) for name in _CATEGORIES} if says else {}


def _add_timings(chunks: Iterator[Chunk]) -> Iterator[Chunk]:
    """Put timings into the last chunk."""
    last: Chunk | None = None
    for chunk in chunks:
        if last is not None:
            yield last
        last = chunk
    if last is not None:
        last.data["timings"] = dict(_TIMINGS)
        yield last


def _add_x_groq(chunks: Iterator[Chunk]) -> Iterator[Chunk]:
    """Put x_groq into the first chunk and, with the usage, into the last one that has a choice."""
    first, last = True, None
    for chunk in chunks:
        if first:
            chunk.data["x_groq"], first = {"id": _X_GROQ_ID, "seed": 687314058}, False
        if last is not None:
            if chunk.kind == "usage":
                usage = chunk.data["usage"]
                last.data["x_groq"] = {"id": _X_GROQ_ID, "usage": usage}
                last.data["usage"] = usage
            yield last
        last = chunk
    if last is not None:
        yield last


def _add_nan(choice: dict[str, Any]) -> None:
    if isinstance(text := choice["delta"].get("content"), str) and text:
        token = {"token": text, "logprob": Raw(b"NaN"), "bytes": list(text.encode()), "top_logprobs": []}
        choice["logprobs"] = {"content": [token], "refusal": None}


def _add_unknown(data: dict[str, Any]) -> None:
    data["x_unknown"] = {"nested": [1, None, "two"]}
    for choice in data["choices"]:
        choice["x_unknown"] = True
        choice["delta"]["x_unknown"] = "in the delta"
        for piece in choice["delta"].get("tool_calls", ()):
            piece["x_unknown"] = 0


TABLE = (
    Quirk("content-filter-results", "each choice tells what the content filter found", "Azure", each_choice(_filter_results)),
    Quirk("timings", "the last chunk has the server's timings", "llama.cpp", _add_timings),
    Quirk("x-groq", "x_groq stands in the first chunk, and with the usage in the last one that has a choice", "Groq",
          _add_x_groq),
    Quirk("unknown-keys", "unknown keys stand at every level", "all providers", each_chunk(_add_unknown)),
    Quirk("json-nan", "a log probability is NaN, bare", "ragflow, Python encoders", each_choice(_add_nan), right="error"),
)  # fmt: skip
"""Every quirk of this kind."""
