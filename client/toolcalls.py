"""Which tool call does a piece belong to? The rules that answer it live here.

The protocol says: by `index`. Providers leave it out, or send 0 for every call; then the index says nothing and the id decides.
Whether it says anything is known only at the end, so pieces are kept in order and sorted out by `resolve`:

- **Two or more different indexes came**: the index decides, alone. Ids that change from piece to piece are one call's; the first
  stands.
- **One index, or none, came** (a single call, or parallel calls that all say 0):
  a piece with an id seen before belongs to that call;
  a new id begins a call if the piece has a name too, or if no call has begun, and else belongs to the current call: as its
  late id if it had none, and otherwise its id has changed (the first stands);
  a piece without an id and without an index begins a call if its name differs from the current call's, or if it stands behind
  another piece in the same delta and has a name;
  any other piece without an id belongs to the current call, which is the one last added to.

An id is taken once. A name is taken once however often it is repeated; a different later one is appended, as any delta is.
Arguments are appended; where a provider sends an object instead of text, its JSON is.

Because nothing is decided before the end, keeping pieces is plain concatenation, and so associative.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from client.completion import ToolCall
from client.shape import read_arguments, read_object, read_text

__all__ = ["Pieces"]

KNOWN_KEYS = frozenset({"index", "id", "type", "function", "custom"})


class Piece:
    """One or several neighbouring pieces of one call."""

    __slots__ = ("behind", "extra", "id", "index", "names", "texts", "type")

    def __init__(self, index: int | None, id: str, behind: bool) -> None:
        self.index = index
        self.id = id
        self.behind = behind
        self.type = ""
        self.names: list[str] = []
        self.texts: list[str] = []
        self.extra: dict[str, Any] = {}

    def continues(self, before: Piece) -> bool:
        """Whether `resolve` is sure to give it to the call of the piece right before it, whatever else comes."""
        if self.index != before.index:
            return False
        return self.id == before.id if self.id else not self.names

    def absorb(self, other: Piece) -> None:
        """Append what `other` carries."""
        self.id = self.id or other.id
        self.type = self.type or other.type
        self.names += [name for name in other.names if name not in self.names]
        self.texts += other.texts
        self.extra.update(other.extra)


class Pieces:
    """The pieces of one choice's tool calls, in order."""

    __slots__ = ("_pieces",)

    def __init__(self) -> None:
        self._pieces: list[Piece] = []

    def add(self, entry: object, number: int, place: str) -> None:
        """Take entry `number` of a delta's `tool_calls`, found at `place`."""
        self._keep(read_piece(read_object(entry, place), number, place))

    def extend(self, other: Pieces) -> None:
        """Append the pieces of `other`, which came after these."""
        for piece in other._pieces:
            copy = Piece(piece.index, piece.id, piece.behind)
            copy.absorb(piece)
            self._keep(copy)

    def _keep(self, piece: Piece) -> None:
        if self._pieces and piece.continues(self._pieces[-1]):
            self._pieces[-1].absorb(piece)
        else:
            self._pieces.append(piece)

    def resolve(self) -> tuple[ToolCall, ...]:
        """The calls: by index where indexes differ, else in order of appearance."""
        indexes = {piece.index for piece in self._pieces if piece.index is not None}
        by_index = len(indexes) > 1
        calls: list[Piece] = []
        indexed: dict[int, Piece] = {}
        known: dict[str, Piece] = {}
        current: Piece | None = None
        for piece in self._pieces:
            if by_index and piece.index is not None:
                call = indexed.get(piece.index)
            else:
                call = find_call(piece, known, current)
            if call is None:
                call = Piece(piece.index, "", piece.behind)
                calls.append(call)
            call.absorb(piece)
            if by_index and piece.index is not None:
                indexed[piece.index] = call
            if piece.id:
                known.setdefault(piece.id, call)
            current = call
        if by_index:
            calls.sort(key=lambda call: (call.index is None, call.index or 0))
        return tuple(
            ToolCall(call.id, "".join(call.names), "".join(call.texts), call.type or "function", call.extra)
            for call in calls
        )


def find_call(piece: Piece, known: Mapping[str, Piece], current: Piece | None) -> Piece | None:
    """The call a piece belongs to where the index says nothing; None if it begins one."""
    if piece.id in known:
        return known[piece.id]
    if current is None:
        return None
    if piece.id:
        is_late = not current.id and (not piece.names or not current.names or piece.names[0] in current.names)
        return current if is_late or not piece.names else None
    if piece.index is not None or not piece.names:
        return current
    differs = bool(current.names) and piece.names[0] not in current.names
    return None if differs or piece.behind else current


def read_piece(entry: Mapping[str, Any], number: int, place: str) -> Piece:
    """One entry of a delta's `tool_calls`, its shape checked."""
    index = entry.get("index")
    if not isinstance(index, int) or isinstance(index, bool):
        index = None
    piece = Piece(index, read_text(entry.get("id"), f"{place}.id"), behind=number > 0 and index is None)
    piece.type = read_text(entry.get("type"), f"{place}.type")
    for kind, text_key in (("function", "arguments"), ("custom", "input")):
        if entry.get(kind) is None:
            continue
        body = read_object(entry[kind], f"{place}.{kind}")
        name = read_text(body.get("name"), f"{place}.{kind}.name")
        text = read_arguments(body.get(text_key), f"{place}.{kind}.{text_key}")
        piece.type = piece.type or ("custom" if kind == "custom" else "")
        piece.names += [name] if name else []
        piece.texts += [text] if text else []
        inner = {key: value for key, value in body.items() if key not in ("name", text_key)}
        piece.extra.update({kind: inner} if inner else {})
    piece.extra.update({key: value for key, value in entry.items() if key not in KNOWN_KEYS and value is not None})
    return piece
