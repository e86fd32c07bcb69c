"""Quirks of finish reasons, and of the chunk that carries them."""

from collections.abc import Iterator
from typing import Any

from msgspec.structs import replace

from mockserver.chunks import Chunk
from mockserver.quirks.quirk import Bend, Quirk, each_choice


def _finish_with(key: str, only: str | None = None) -> Bend:
    """Put each choice's finish reason, or `only` that one, into its last delta, if that has something under `key`."""

    def bend(chunks: Iterator[Chunk]) -> Iterator[Chunk]:
        held: dict[int, Chunk] = {}
        sent_s = 0.0
        for chunk in _release(chunks, held, key, only):
            # With several choices one may have waited while others went on: nothing is due before what precedes it.
            sent_s = max(sent_s, chunk.due_s)
            yield chunk if chunk.due_s == sent_s else replace(chunk, due_s=sent_s)

    return bend


def _release(chunks: Iterator[Chunk], held: dict[int, Chunk], key: str, only: str | None) -> Iterator[Chunk]:
    """The chunks, each that may be its choice's last held back until the next of that choice."""
    for chunk in chunks:
        if not chunk.data["choices"]:
            yield chunk
            continue
        choice = chunk.data["choices"][0]
        last = held.pop(choice["index"], None)
        if last is not None and chunk.kind == "finish" and choice["finish_reason"] == (only or choice["finish_reason"]):
            last.data["choices"][0]["finish_reason"] = choice["finish_reason"]
            yield Chunk(last.data, chunk.due_s, "finish")
            continue
        if last is not None:
            yield last
        if chunk.kind != "finish" and choice["delta"].get(key):
            held[choice["index"]] = chunk
        else:
            yield chunk


def _no_finish_chunk(chunks: Iterator[Chunk]) -> Iterator[Chunk]:
    for chunk in chunks:
        if chunk.kind != "finish":
            yield chunk
        elif any(map(_says_something, chunk.data["choices"])):
            for choice in chunk.data["choices"]:
                choice["finish_reason"] = None
            yield Chunk(chunk.data, chunk.due_s, "delta")


def _says_something(choice: dict[str, Any]) -> bool:
    return any(value for key, value in choice["delta"].items() if key != "role")


def _stop_with_tools(choice: dict[str, Any]) -> None:
    if choice["finish_reason"] == "tool_calls":
        choice["finish_reason"] = "stop"


def _null_finish(choice: dict[str, Any]) -> None:
    choice["finish_reason"] = None


def _empty_finish(choice: dict[str, Any]) -> None:
    choice["finish_reason"] = choice["finish_reason"] or ""


def _drop_null_finish(choice: dict[str, Any]) -> None:
    if choice["finish_reason"] is None:
        del choice["finish_reason"]


def _copy_finish(choice: dict[str, Any]) -> None:
    choice["native_finish_reason"] = choice["finish_reason"]


TABLE = (
    Quirk("finish-stop-with-tools", "the finish reason is stop although tools are called",
          "Gemini, Ollama, OpenRouter, mlx-vlm, old vLLM", each_choice(_stop_with_tools), hides=("finish_reason",)),
    Quirk("finish-with-content", "the last text and the finish reason come in one chunk", "vLLM, Mistral, Gemini",
          _finish_with("content")),
    Quirk("finish-length-with-content", "finish reason length comes in one chunk with the last text", "vLLM",
          _finish_with("content", only="length")),
    Quirk("finish-with-tools", "the last of a tool call and the finish reason come in one chunk", "Mistral, vLLM, old Gemini",
          _finish_with("tool_calls")),
    Quirk("finish-chunk-missing", "no chunk for the finish reason comes, only [DONE]", "some gateways", _no_finish_chunk,
          right="either", hides=("finish_reason",)),
    Quirk("finish-null-at-end", "no chunk has a finish reason", "Ollama, koboldcpp, Jan", each_choice(_null_finish),
          right="either", hides=("finish_reason",)),
    Quirk("finish-empty-string", 'finish_reason is "" until the end', "SGLang, LocalAI, Ollama, proxies of o3 models",
          each_choice(_empty_finish)),
    Quirk("native-finish-reason", "the model's own finish reason stands beside OpenAI's", "OpenRouter",
          each_choice(_copy_finish)),
    Quirk("finish-missing-until-end", "finish_reason is left out until the end", "Gemini, Doubao, small servers",
          each_choice(_drop_null_finish)),
)  # fmt: skip
"""Every quirk of this kind."""
