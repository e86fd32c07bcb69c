"""The pieces of tool calls in chunks: to find them, to read them, to put whole calls together."""

from collections.abc import Iterator
from typing import Any

import msgspec

from mockserver.chunks import Chunk

Call = tuple[int, int]
"""Which call: the index of its choice and its own."""


def list_pieces(chunk: Chunk) -> Iterator[tuple[Call, dict[str, Any]]]:
    """Every piece of a tool call in a chunk."""
    for choice in chunk.data["choices"]:
        for piece in choice["delta"].get("tool_calls", ()):
            yield (choice["index"], piece["index"]), piece


def said(piece: dict[str, Any]) -> dict[str, Any]:
    """What a piece says: its `function` or `custom` member, or an empty object that leads nowhere."""
    found: dict[str, Any] = piece.get("function") or piece.get("custom") or {}
    return found


def name_piece(piece: dict[str, Any], name: str) -> None:
    """Put the call's name into a piece, in front of what it says."""
    for kind in ("function", "custom"):
        if kind in piece:
            piece[kind] = {"name": name, **{key: value for key, value in piece[kind].items() if key != "name"}}


def gather_calls(chunks: Iterator[Chunk], together: bool) -> Iterator[Chunk]:
    """Put each call into one piece that has everything, sent when its choice finishes; all in one delta if `together`."""
    calls: dict[int, dict[int, dict[str, Any]]] = {}
    for chunk in chunks:
        for choice in chunk.data["choices"]:
            held = calls.setdefault(choice["index"], {})
            for piece in choice["delta"].pop("tool_calls", ()):
                _add_piece(held, piece)
            if chunk.kind == "finish" and held:
                pieces = list(held.values())
                for group in [pieces] if together else [[piece] for piece in pieces]:
                    whole = {**choice, "delta": {"tool_calls": group}, "finish_reason": None}
                    yield Chunk({**chunk.data, "choices": [whole]}, chunk.due_s, "delta")
        if chunk.kind != "delta" or any(choice["delta"] for choice in chunk.data["choices"]):
            yield chunk


def _add_piece(held: dict[int, dict[str, Any]], piece: dict[str, Any]) -> None:
    if piece["index"] not in held:
        held[piece["index"]] = msgspec.to_builtins(piece)
        return
    whole = said(held[piece["index"]])
    for key, text in said(piece).items():
        whole[key] = whole.get(key, "") + text
