"""What a quirk is, and the small tools that quirks are made of."""

from collections.abc import Callable, Iterator
from typing import Any, Literal

from msgspec import Struct

from mockserver.chunks import Chunk

Right = Literal["same", "either", "error"]
"""What a right consumer makes of a stream: the same outcome; an error; or either of them."""

Arrow = Literal["request", "tokens", "chunks", "events", "framing"]
Bend = Callable[[Iterator[Chunk]], Iterator[Chunk]]


class Quirk(Struct, frozen=True):
    """One departure of a provider from OpenAI's stream.

    `apply` bends what travels along `arrow`: the `ChatRequest`, a `CompletedChoice`, the chunks, the events, the `Framing`.
    `hides` names the fields of the outcome that the stream no longer carries (`usage`, `finish_reason`, `tool_ids`, …):
    nothing is expected of them.

    A chunk and all its members are the quirk's own to change, but for the usage, which others share. Once it has been yielded
    it is the next quirk's: nothing is read from it any more.
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
        for choice in data["choices"]:
            change(choice)

    return each_chunk(change_all, *kinds)


def each_delta(change: Callable[[dict[str, Any]], None], *kinds: str) -> Bend:
    """A quirk that changes every delta, or those in chunks of some kinds."""
    return each_choice(lambda choice: change(choice["delta"]), *kinds)


def each_piece(change: Callable[[dict[str, Any]], None]) -> Bend:
    """A quirk that changes every piece of a tool call."""

    def change_all(delta: dict[str, Any]) -> None:
        for piece in delta.get("tool_calls", ()):
            change(piece)

    return each_delta(change_all)


def put(key: str, value: Any) -> Callable[[dict[str, Any]], None]:
    """A change that gives an object a member."""

    def change(data: dict[str, Any]) -> None:
        data[key] = value

    return change


def put_missing(key: str, value: Any) -> Callable[[dict[str, Any]], None]:
    """A change that gives an object a member, if it has none of that name."""

    def change(data: dict[str, Any]) -> None:
        data.setdefault(key, value)

    return change


def drop(*keys: str) -> Callable[[dict[str, Any]], None]:
    """A change that takes members away."""

    def change(data: dict[str, Any]) -> None:
        for key in keys:
            data.pop(key, None)

    return change


def drop_null(key: str) -> Callable[[dict[str, Any]], None]:
    """A change that takes a member away if it is null."""

    def change(data: dict[str, Any]) -> None:
        if key in data and data[key] is None:
            del data[key]

    return change
