"""What a quirk is, and the small tools that quirks are made of."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Literal

from mockserver.chunks import Chunk

Right = Literal["same", "either", "error"]
"""What a right consumer makes of a stream: the same outcome; an error; or either of them."""

Arrow = Literal["request", "tokens", "chunks", "events", "framing"]
Bend = Callable[[Iterator[Chunk]], Iterator[Chunk]]


@dataclass(frozen=True, slots=True)
class Quirk:
    """One departure of a provider from OpenAI's stream.

    `apply` bends what travels along `arrow`: the `ChatRequest`, a `CompletedChoice`, the chunks, the events, the `Framing`.
    `hides` names the fields of the outcome that the stream no longer carries (`usage`, `finish_reason`, `tool_ids`, …):
    nothing is expected of them.
    """

    name: str
    says: str
    sent_by: str
    apply: Callable[[Any], Any]
    arrow: Arrow = "chunks"
    right: Right = "same"
    hides: tuple[str, ...] = ()


def each_chunk(change: Callable[[dict[str, Any]], None], *kinds: str) -> Bend:
    """A quirk that changes every chunk by itself, or those of some kinds."""

    def bend(chunks: Iterator[Chunk]) -> Iterator[Chunk]:
        for chunk in chunks:
            if not kinds or chunk.kind in kinds:
                change(chunk.data)
            yield chunk

    return bend


def each_choice(change: Callable[[dict[str, Any]], None], *kinds: str) -> Bend:
    """A quirk that changes every choice of every chunk, or of chunks of some kinds."""

    def change_all(data: dict[str, Any]) -> None:
        for choice in data.get("choices") or ():
            change(choice)

    return each_chunk(change_all, *kinds)


def each_call(change: Callable[[dict[str, Any]], None]) -> Bend:
    """A quirk that changes every piece of a tool call."""

    def change_all(choice: dict[str, Any]) -> None:
        for piece in choice["delta"].get("tool_calls") or ():
            change(piece)

    return each_choice(change_all)


def said(piece: dict[str, Any]) -> dict[str, Any]:
    """What a piece of a tool call says: its `function` or `custom` member."""
    found: dict[str, Any] = piece.get("function") or piece.get("custom") or {}
    return found
