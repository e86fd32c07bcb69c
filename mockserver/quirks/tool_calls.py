"""Quirks of tool calls."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import chain, zip_longest
from typing import Any

import msgspec

from mockserver.chunks import Chunk
from mockserver.quirks.quirk import Quirk, each_call, each_choice, said
from mockserver.reply import CompletedChoice, Token


def _set_index(value: int | None) -> Any:
    def change(piece: dict[str, Any]) -> None:
        piece["index"] = value

    return each_call(change)


def _drop(*keys: str) -> Any:
    def change(piece: dict[str, Any]) -> None:
        for key in keys:
            piece.pop(key, None)

    return each_call(change)


def _from_one(piece: dict[str, Any]) -> None:
    piece["index"] = (piece.get("index") or 0) + 1


def _repeat_headers(chunks: Iterator[Chunk]) -> Iterator[Chunk]:
    """Put id, type and name into every piece of a call."""
    headers: dict[tuple[int, int], dict[str, Any]] = {}
    for chunk in chunks:
        for choice in chunk.data["choices"]:
            for piece in choice["delta"].get("tool_calls", ()):
                key = (choice["index"], piece["index"])
                header = headers.setdefault(
                    key, {k: piece.get(k) for k in ("id", "type")} | {"name": said(piece).get("name")}
                )
                piece.update({k: header[k] for k in ("id", "type")})
                said(piece)["name"] = header["name"]
        yield chunk


def _change_ids(chunks: Iterator[Chunk]) -> Iterator[Chunk]:
    """Give every piece an id, another one each time."""
    count = 0
    for chunk in chunks:
        for choice in chunk.data["choices"]:
            for piece in choice["delta"].get("tool_calls", ()):
                piece["id"] = piece.get("id") or f"call_{count}"
                count += 1
        yield chunk


def _delay(key: str) -> Any:
    """Move a member of a call's first piece into its second one, or into one of its own before the finish."""

    def bend(chunks: Iterator[Chunk]) -> Iterator[Chunk]:
        late: dict[tuple[int, int], _Late] = {}
        for chunk in chunks:
            for choice in chunk.data["choices"]:
                if chunk.kind == "finish":
                    yield from _left_over(chunk, choice, late, key)
                for piece in choice["delta"].get("tool_calls", ()):
                    holder = said(piece) if key == "name" else piece
                    call = (choice["index"], piece["index"])
                    if call not in late and key in holder:
                        late[call] = _Late(piece.get("type", "function"), holder.pop(key))
                    elif call in late and not late[call].sent:
                        holder[key], late[call].sent = late[call].value, True
            yield chunk

    return bend


@dataclass(slots=True)
class _Late:
    """A member of a call that is held back, and the call's type."""

    type: str
    value: Any
    sent: bool = False


def _left_over(finish: Chunk, choice: dict[str, Any], late: dict[tuple[int, int], _Late], key: str) -> Iterator[Chunk]:
    """The members that no second piece of their call could carry, each in a chunk of its own."""
    for (index, call), held in late.items():
        if index == choice["index"] and not held.sent:
            held.sent = True
            body = {held.type: {key: held.value}} if key == "name" else {key: held.value}
            said_now = {**choice, "delta": {"tool_calls": [{"index": call, **body}]}, "finish_reason": None}
            yield Chunk({**finish.data, "choices": [said_now]}, finish.due_s, "delta")


def _empty_names(piece: dict[str, Any]) -> None:
    said(piece).setdefault("name", "")


def _null_arguments(piece: dict[str, Any]) -> None:
    if "id" in piece and said(piece).get("arguments") == "":
        said(piece)["arguments"] = None


def _empty_array(choice: dict[str, Any]) -> None:
    choice["delta"].setdefault("tool_calls", [])


def _whole(chunks: Iterator[Chunk]) -> Iterator[Chunk]:
    """Gather each call into one piece that has everything, when the last of its arguments is due."""
    yield from _gathered(chunks, together=False)


def _whole_together(chunks: Iterator[Chunk]) -> Iterator[Chunk]:
    """Gather all calls into one delta."""
    yield from _gathered(chunks, together=True)


def _gathered(chunks: Iterator[Chunk], together: bool) -> Iterator[Chunk]:
    calls: dict[int, dict[int, dict[str, Any]]] = {}
    for chunk in chunks:
        for choice in chunk.data["choices"]:
            held = calls.setdefault(choice["index"], {})
            for piece in choice["delta"].pop("tool_calls", ()):
                if piece["index"] not in held:
                    held[piece["index"]] = msgspec.to_builtins(piece)
                else:
                    for key, text in said(piece).items():
                        said(held[piece["index"]])[key] = (said(held[piece["index"]])[key] or "") + (text or "")
            if chunk.kind == "finish" and held:
                for pieces in [list(held.values())] if together else [[call] for call in held.values()]:
                    delta = {"tool_calls": pieces}
                    yield Chunk(
                        {**chunk.data, "choices": [{**choice, "delta": delta, "finish_reason": None}]},
                        chunk.due_s,
                        "delta",
                    )
        if chunk.kind != "delta" or any(choice["delta"] for choice in chunk.data["choices"]):
            yield chunk


def _object_arguments(chunks: Iterator[Chunk]) -> Iterator[Chunk]:
    """Send the arguments as a JSON object in place of a text, whole calls at once."""
    for chunk in _whole(chunks):
        for choice in chunk.data["choices"]:
            for piece in choice["delta"].get("tool_calls", ()):
                try:
                    said(piece)["arguments"] = msgspec.json.decode(said(piece).get("arguments") or "{}")
                except msgspec.DecodeError:
                    continue
        yield chunk


def _empty_content(choice: dict[str, Any]) -> None:
    if choice["delta"].get("tool_calls"):
        choice["delta"].setdefault("content", "")
        if choice["delta"]["content"] is None:
            choice["delta"]["content"] = ""


def _null_content(choice: dict[str, Any]) -> None:
    if choice["delta"].get("tool_calls"):
        choice["delta"].setdefault("content", None)


def _finish_stop(choice: dict[str, Any]) -> None:
    if choice["finish_reason"] == "tool_calls":
        choice["finish_reason"] = "stop"


def _signature(piece: dict[str, Any]) -> None:
    if "id" in piece:
        piece["extra_content"] = {"google": {"thought_signature": "CrYBAdHtim9mb29iYXI="}}


def _interleave(choice: CompletedChoice) -> CompletedChoice:
    """Say one token of each call in turn."""
    calls = [[t for t in choice.tokens if t.part == "tool_call" and t.call == k] for k in range(len(choice.calls))]
    turns: chain[Token | None] = chain.from_iterable(zip_longest(*calls))
    others = tuple(token for token in choice.tokens if token.part != "tool_call")
    return replace(choice, tokens=others + tuple(token for token in turns if token is not None))


TABLE = (
    Quirk("tool-interleaved", "pieces of several calls alternate", "legal; some gateways", _interleave, arrow="tokens"),
    Quirk("tool-whole-in-one-chunk", "a call comes at once: id, name and all arguments", "Ollama, Mistral, Gemini", _whole),
    Quirk("tool-several-in-one-delta", "all calls come whole in one delta", "Gemini's compatible endpoint, GLM", _whole_together),
    Quirk("tool-name-late", "a call's name comes after its first arguments", "some compatible servers", _delay("name")),
    Quirk("tool-type-late", "a call's type comes after its first arguments", "DeepInfra", _delay("type")),
    Quirk("tool-id-repeated", "id, type and name stand in every piece of a call", "Fireworks, vLLM with GLM, LiteLLM gateways",
          _repeat_headers),
    Quirk("tool-id-changes", "every piece of a call has another id", "LM Studio, Poolside", _change_ids, right="either",
          hides=("tool_ids",)),
    Quirk("tool-id-missing", "no call has an id", "SiliconFlow and others", _drop("id"), right="either", hides=("tool_ids",)),
    Quirk("tool-name-empty-pieces", 'every later piece of a call says name: ""', "LM Studio", each_call(_empty_names)),
    Quirk("tool-type-missing", "a call has no type", "DeepInfra", _drop("type")),
    Quirk("tool-args-null-first", "the first piece of a call says arguments: null", "vLLM", each_call(_null_arguments)),
    Quirk("tool-args-object", "arguments is a JSON object, not a text", "llama.cpp, MiniMax", _object_arguments, right="either"),
    Quirk("tool-calls-empty-array", "tool_calls: [] stands in every delta", "vLLM 0.22, DeepSeek through OpenRouter, Kimi",
          each_choice(_empty_array)),
    Quirk("tool-content-empty", 'content: "" stands beside every tool call', "Ollama", each_choice(_empty_content)),
    Quirk("tool-content-null", "content: null stands beside every tool call", "OpenAI, vLLM, GLM", each_choice(_null_content)),
    Quirk("tool-extra-content", "a call carries a provider's own member", "Gemini (thought_signature)", each_call(_signature)),
    Quirk("finish-stop-with-tools", "the finish reason is stop although tools are called", "Ollama, OpenRouter, old vLLM",
          each_choice(_finish_stop), hides=("finish_reason",)),
    Quirk("tool-index-missing", "tool_calls[].index is absent", "Gemini's compatible endpoint, old Ollama, mistral.rs",
          _drop("index"), right="either"),
    Quirk("tool-index-null", "tool_calls[].index is null", "Gemini's compatible endpoint, mistral.rs",
          _set_index(None), right="either"),
    Quirk("tool-index-all-zero", "every call has index 0, with an id of its own", "Gemini proxies, Ollama, Dynamo, Bedrock",
          _set_index(0), right="either"),
    Quirk("tool-index-starts-at-1", "the first call has index 1", "translators for Anthropic and Bedrock", each_call(_from_one)),
    Quirk("tool-index-minus-one", "tool_calls[].index is -1", "seen in openai-go's code", _set_index(-1), right="either"),
)  # fmt: skip
"""Every quirk of this kind; those that take the index away come last, so that the others find it."""
