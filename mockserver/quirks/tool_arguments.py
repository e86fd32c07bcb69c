"""Quirks of the arguments of a tool call, of how many pieces carry them, and of what stands beside a call."""

from collections.abc import Iterator
from typing import Any

import msgspec

from mockserver.chunks import Chunk
from mockserver.quirks.pieces import Call, gather_calls, list_pieces, said
from mockserver.quirks.quirk import Quirk, each_delta, each_piece


def _object_arguments(chunks: Iterator[Chunk]) -> Iterator[Chunk]:
    """Send the arguments as a JSON value in place of a text, whole calls at once; what is no JSON stays a text."""
    for chunk in gather_calls(chunks, together=False):
        for _, piece in list_pieces(chunk):
            if "arguments" in said(piece):
                try:
                    said(piece)["arguments"] = msgspec.json.decode(said(piece)["arguments"] or "{}")
                except msgspec.DecodeError:
                    continue
        yield chunk


def _whole(chunks: Iterator[Chunk]) -> Iterator[Chunk]:
    return gather_calls(chunks, together=False)


def _whole_together(chunks: Iterator[Chunk]) -> Iterator[Chunk]:
    return gather_calls(chunks, together=True)


def _change_first(change: Any) -> Any:
    """A quirk that changes the empty arguments, or input, of a call's first piece."""

    def change_piece(piece: dict[str, Any]) -> None:
        for key in ("arguments", "input"):
            if "id" in piece and said(piece).get(key, "…") == "":
                change(said(piece), key)

    return each_piece(change_piece)


def _drop_empty(holder: dict[str, Any], key: str) -> None:
    del holder[key]


def _null_empty(holder: dict[str, Any], key: str) -> None:
    holder[key] = None


def _resend(chunks: Iterator[Chunk]) -> Iterator[Chunk]:
    """Send the full arguments of each call once more before the finish."""
    sent: dict[Call, str] = {}
    for chunk in chunks:
        for call, piece in list_pieces(chunk):
            text = said(piece).get("arguments")
            if isinstance(text, str):
                sent[call] = sent.get(call, "") + text
        if chunk.kind == "finish":
            for choice in chunk.data["choices"]:
                for (index, number), arguments in sent.items():
                    if index == choice["index"] and arguments:
                        delta = {"tool_calls": [{"index": number, "function": {"arguments": arguments}}]}
                        again = {**choice, "delta": delta, "finish_reason": None}
                        yield Chunk({**chunk.data, "choices": [again]}, chunk.due_s, "delta")
        yield chunk


def _empty_content(delta: dict[str, Any]) -> None:
    if delta.get("tool_calls") and delta.get("content") is None:
        delta["content"] = ""


def _null_content(delta: dict[str, Any]) -> None:
    if delta.get("tool_calls"):
        delta.setdefault("content", None)


def _add_signature(piece: dict[str, Any]) -> None:
    if "id" in piece:
        piece["extra_content"] = {"google": {"thought_signature": "CrYBAdHtim9mb29iYXI="}}


TABLE = (
    Quirk("tool-args-object", "arguments is a JSON object, not a text", "llama.cpp, MiniMax", _object_arguments, right="either"),
    Quirk("tool-whole-in-one-chunk", "a call comes at once: id, name and all arguments", "Ollama, Groq, Gemini", _whole),
    Quirk("tool-several-in-one-delta", "all calls come whole in one delta", "Mistral, Gemini's compatible endpoint, GLM",
          _whole_together),
    Quirk("tool-args-missing-first", "the first piece of a call has no arguments", "vLLM", _change_first(_drop_empty)),
    Quirk("tool-args-null-first", "the first piece of a call says arguments: null", "vLLM", _change_first(_null_empty)),
    Quirk("tool-args-resent", "the full arguments come once more at the end", "vLLM xlam, cursor proxy, SGLang with MiniMax",
          _resend, right="error"),
    Quirk("tool-calls-empty-array", "tool_calls: [] stands in every delta", "vLLM 0.22, DeepSeek through OpenRouter, Kimi",
          each_delta(lambda delta: delta.setdefault("tool_calls", []))),
    Quirk("tool-content-empty", 'content: "" stands beside every tool call', "Ollama", each_delta(_empty_content)),
    Quirk("tool-content-null", "content: null stands beside every tool call", "OpenAI, OpenRouter, vLLM, GLM",
          each_delta(_null_content)),
    Quirk("tool-extra-content", "a call carries a provider's own member", "Gemini (thought_signature)",
          each_piece(_add_signature)),
)  # fmt: skip
"""Every quirk of this kind."""
