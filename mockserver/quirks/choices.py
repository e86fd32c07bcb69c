"""Quirks of choices and deltas as wholes: empty, null, absent, together, by another name."""

from collections.abc import Iterator
from typing import Any

from mockserver.chunks import Chunk
from mockserver.quirks.quirk import Quirk, each_choice, each_chunk


def _add_empty_deltas(chunks: Iterator[Chunk]) -> Iterator[Chunk]:
    """After every delta an empty one."""
    for chunk in chunks:
        blank = [{**choice, "delta": {}, "logprobs": None} for choice in chunk.data["choices"]]
        after = Chunk({**chunk.data, "choices": blank}, chunk.due_s, "extra")
        yield chunk
        if chunk.kind in ("role", "delta"):
            yield after


def _add_empty_choices(chunks: Iterator[Chunk]) -> Iterator[Chunk]:
    """After every delta a chunk without choices."""
    for chunk in chunks:
        after = Chunk({**chunk.data, "choices": []}, chunk.due_s, "extra")
        yield chunk
        if chunk.kind in ("role", "delta"):
            yield after


def _join_choices(chunks: Iterator[Chunk]) -> Iterator[Chunk]:
    """Put what several choices say at the same moment into one chunk; each finishes in one of its own."""
    held: Chunk | None = None
    for chunk in chunks:
        if held is not None and _fits(held, chunk):
            held.data["choices"] += chunk.data["choices"]
            continue
        if held is not None:
            yield held
        held = chunk
    if held is not None:
        yield held


def _fits(held: Chunk, chunk: Chunk) -> bool:
    together = (held.kind, held.due_s) == (chunk.kind, chunk.due_s) and chunk.kind in ("role", "delta")
    return together and bool(held.data["choices"][-1]["index"] < chunk.data["choices"][0]["index"])


def _add_nulls(choice: dict[str, Any]) -> None:
    for key in ("content", "role", "tool_calls", "reasoning_content"):
        choice["delta"].setdefault(key, None)


def _null_delta(choice: dict[str, Any]) -> None:
    if not choice["delta"]:
        choice["delta"] = None


def _drop_delta(choice: dict[str, Any]) -> None:
    if not choice["delta"]:
        del choice["delta"]


def _add_message(choice: dict[str, Any]) -> None:
    choice["message"] = choice.get("delta")


def _only_message(choice: dict[str, Any]) -> None:
    if "delta" in choice:
        choice["message"] = choice.pop("delta")


def _null_choices(data: dict[str, Any]) -> None:
    if not data["choices"]:
        data["choices"] = None


def _drop_choices(data: dict[str, Any]) -> None:
    if not data["choices"]:
        del data["choices"]


TABLE = (
    Quirk("choices-in-one-chunk", "what several choices say at once comes in one chunk", "vLLM, legal", _join_choices),
    Quirk("delta-empty", "empty deltas stand between the others", "OpenAI, GLM", _add_empty_deltas),
    Quirk("choices-empty-midstream", "chunks without choices stand between the others", "Lepton, Copilot, Fireworks",
          _add_empty_choices),
    Quirk("delta-nulls", "a delta says null for everything else it could say", "MiMo, some gateways", each_choice(_add_nulls)),
    Quirk("delta-null", "an empty delta is null", "Azure and others", each_choice(_null_delta)),
    Quirk("delta-missing", "an empty delta is left out", "open-webui, Qwen-compatible servers, Azure", each_choice(_drop_delta)),
    Quirk("message-beside-delta", "a choice says message as well as delta", "Foundry Local", each_choice(_add_message)),
    Quirk("message-instead-of-delta", "a choice says message where delta should be", "web bridges", each_choice(_only_message),
          right="either"),
    Quirk("choices-null", "where there are no choices, choices is null", "vLLM, OpenRouter, Bedrock proxies",
          each_chunk(_null_choices), right="either"),
    Quirk("choices-missing", "where there are no choices, the key is left out", "ROCm ATOM and others", each_chunk(_drop_choices),
          right="either"),
)  # fmt: skip
"""Every quirk of this kind. They come last: the others rely on choices that are a list and deltas that are objects."""
