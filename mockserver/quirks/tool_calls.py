"""Quirks of the pieces of a tool call: its id, type, name and index. Those of its arguments are in `tool_arguments.py`."""

from collections.abc import Iterator
from itertools import chain, zip_longest
from typing import Any

from msgspec import Struct
from msgspec.structs import replace

from mockserver.chunks import Chunk
from mockserver.completion import CompletedChoice
from mockserver.quirks.pieces import Call, list_pieces, name_piece, said
from mockserver.quirks.quirk import Bend, Quirk, drop, each_piece, put
from mockserver.runs import Token


def _interleave(choice: CompletedChoice) -> CompletedChoice:
    """Say one token of each call in turn."""
    calls = [[t for t in choice.tokens if t.part == "tool_call" and t.call == k] for k in range(len(choice.calls))]
    turns: chain[Token | None] = chain.from_iterable(zip_longest(*calls))
    others = tuple(token for token in choice.tokens if token.part != "tool_call")
    return replace(choice, tokens=others + tuple(token for token in turns if token is not None))


def _repeat_headers(chunks: Iterator[Chunk]) -> Iterator[Chunk]:
    """Put id, type and name, as far as they have been told, into every piece of a call."""
    told: dict[Call, dict[str, Any]] = {}
    for chunk in chunks:
        for call, piece in list_pieces(chunk):
            header = told.setdefault(call, {})
            header |= {key: piece[key] for key in ("id", "type") if key in piece}
            if "name" in said(piece):
                header["name"] = said(piece)["name"]
            if "name" in header:
                name_piece(piece, header["name"])
            given = {"index": piece["index"], "id": header.get("id"), "type": header.get("type")}
            rest = {key: value for key, value in piece.items() if key not in given}
            piece.clear()
            piece |= {**{key: value for key, value in given.items() if value is not None}, **rest}
        yield chunk


def _later_pieces(change: Any) -> Bend:
    """A quirk that changes every piece of a call but its first; `change` gets the piece and its number in the stream."""

    def bend(chunks: Iterator[Chunk]) -> Iterator[Chunk]:
        begun: set[Call] = set()
        count = 0
        for chunk in chunks:
            for call, piece in list_pieces(chunk):
                if call in begun:
                    change(piece, count)
                begun.add(call)
                count += 1
            yield chunk

    return bend


def _new_id(piece: dict[str, Any], count: int) -> None:
    piece["id"] = f"call_{count}"


def _empty_name(piece: dict[str, Any], count: int) -> None:
    said(piece).setdefault("name", "")


def _empty_id(piece: dict[str, Any], count: int) -> None:
    piece.setdefault("id", "")


def _null_header(piece: dict[str, Any], count: int) -> None:
    piece.setdefault("id", None)
    piece.setdefault("type", None)
    said(piece).setdefault("name", None)


class _Late(Struct):
    """A member of a call that is held back, and the call's type."""

    type: str
    value: Any
    sent: bool = False


def _delay(key: str) -> Bend:
    """Move a member of a call's first piece into its second one, or into one of its own before the finish."""

    def bend(chunks: Iterator[Chunk]) -> Iterator[Chunk]:
        late: dict[Call, _Late] = {}
        for chunk in chunks:
            if chunk.kind == "finish":
                yield from _left_over(chunk, late, key)
            for call, piece in list_pieces(chunk):
                holder = said(piece) if key == "name" else piece
                if call not in late and key in holder:
                    late[call] = _Late("custom" if "custom" in piece else "function", holder.pop(key))
                elif call in late and not late[call].sent:
                    holder[key], late[call].sent = late[call].value, True
            yield chunk

    return bend


def _left_over(finish: Chunk, late: dict[Call, _Late], key: str) -> Iterator[Chunk]:
    """The members that no second piece of their call could carry, each in a chunk of its own."""
    for choice in finish.data["choices"]:
        for (index, call), held in late.items():
            if index == choice["index"] and not held.sent:
                held.sent = True
                body = {held.type: {key: held.value}} if key == "name" else {key: held.value}
                delta = {"tool_calls": [{"index": call, **body}]}
                yield Chunk(
                    {**finish.data, "choices": [{**choice, "delta": delta, "finish_reason": None}]},
                    finish.due_s,
                    "delta",
                )


def _from_one(piece: dict[str, Any]) -> None:
    piece["index"] += 1


TABLE = (
    Quirk("tool-interleaved", "pieces of several calls alternate", "legal; some gateways", _interleave, arrow="tokens"),
    Quirk("tool-name-late", "a call's name comes after its first arguments", "some compatible servers", _delay("name")),
    Quirk("tool-type-late", "a call's type comes after its first arguments", "DeepInfra", _delay("type")),
    Quirk("tool-id-repeated", "id, type and name stand in every piece of a call", "Fireworks, vLLM with GLM, LiteLLM gateways",
          _repeat_headers),
    Quirk("tool-id-changes", "every piece of a call has another id", "LM Studio, Poolside", _later_pieces(_new_id),
          right="either", hides=("tool_ids",)),
    Quirk("tool-name-empty-pieces", 'every later piece of a call says name: ""', "LM Studio, GLM through Mistral",
          _later_pieces(_empty_name)),
    Quirk("tool-id-empty-pieces", 'every later piece of a call says id: ""', "Qwen on DashScope", _later_pieces(_empty_id)),
    Quirk("tool-null-pieces", "every later piece of a call says null for id, type and name", "Cloudflare Workers AI, MiMo",
          _later_pieces(_null_header)),
)  # fmt: skip
"""Every quirk of this kind; to be followed by `INDEX_TABLE` when nothing needs ids and indexes any more."""

INDEX_TABLE = (
    Quirk("tool-index-starts-at-1", "the first call has index 1", "translators for Anthropic and Bedrock",
          each_piece(_from_one)),
    Quirk("tool-id-missing", "no call has an id", "SiliconFlow and others", each_piece(drop("id")), right="either",
          hides=("tool_ids",)),
    Quirk("tool-type-missing", "a call has no type", "DeepInfra, Mistral", each_piece(drop("type"))),
    Quirk("tool-index-missing", "tool_calls[].index is absent", "Gemini's compatible endpoint, old Ollama, mistral.rs",
          each_piece(drop("index")), right="either"),
    Quirk("tool-index-null", "tool_calls[].index is null", "Gemini's compatible endpoint, mistral.rs",
          each_piece(put("index", None)), right="either"),
    Quirk("tool-index-all-zero", "every call has index 0, with an id of its own", "Gemini proxies, Ollama, Dynamo, Bedrock",
          each_piece(put("index", 0)), right="either"),
    Quirk("tool-index-minus-one", "tool_calls[].index is -1", "seen in openai-go's code", each_piece(put("index", -1)),
          right="either"),
)  # fmt: skip
"""Quirks that take away what others need; the first one needs the index that the rest take."""
