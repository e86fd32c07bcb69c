"""One choice's share of the chunks, kept in pieces: adding costs an append, merging is concatenation, joining comes last.

Which key is read how is the table at the end; the rules behind it stand in `client.accumulate`.
"""

from __future__ import annotations

import base64
import contextlib
from collections.abc import Callable, Iterable, Mapping
from itertools import chain
from typing import Any

from client.completion import Audio, Choice, Delta, FunctionCall
from client.shape import read_arguments, read_list, read_object, read_text
from client.toolcalls import Pieces

__all__ = ["ChoiceParts", "fold"]

CHOICE_KEYS = frozenset({"index", "delta", "message", "finish_reason", "logprobs", "usage"})


class ChoiceParts:
    """What the chunks have brought for one choice."""

    def __init__(self, index: int) -> None:
        self.index = index
        self.finish_reason: str | None = None
        self._role = ""
        self._texts: dict[str, list[str]] = {"content": [], "reasoning": [], "refusal": []}
        self.contents = self._texts["content"]
        self._calls = Pieces()
        self._function_calls: list[tuple[str, str]] = []
        self._audio: list[Mapping[str, Any]] = []
        self._logprobs: list[Mapping[str, Any]] = []
        self._extra: dict[str, list[Any]] = {}  # unknown keys of deltas
        self._outer: dict[str, Any] = {}  # unknown keys of the choice object around them
        self._plain: tuple[str, ...] | None = None  # the keys of the last choice object without unknown ones

    def add(self, choice: Mapping[str, Any], place: int) -> Delta:
        """Take one choice object, at `place` in the chunk's list."""
        if tuple(choice) != self._plain:
            self._add_outer(choice)
        finish_reason = choice.get("finish_reason") or None
        if finish_reason:
            self.finish_reason = read_text(finish_reason, f"choices[{place}].finish_reason")
        logprobs = choice.get("logprobs")
        if logprobs:
            self._logprobs.append(read_object(logprobs, f"choices[{place}].logprobs"))
        delta = choice.get("delta")
        if delta is None:
            delta = choice.get("message") or {}
        if type(delta) is dict and len(delta) == 1:
            content = delta.get("content")
            if type(content) is str:  # the common chunk: text and nothing else
                self.contents.append(content)
                return Delta(self.index, content, "", "", (), finish_reason, delta)
        return self._add_delta(read_object(delta, f"choices[{place}].delta"), f"choices[{place}].delta", finish_reason)

    def _add_outer(self, choice: Mapping[str, Any]) -> None:
        unknown = {key: value for key, value in choice.items() if key not in CHOICE_KEYS}
        self._outer.update((key, value) for key, value in unknown.items() if value is not None)
        self._plain = None if unknown else tuple(choice)

    def _add_delta(self, delta: Mapping[str, Any], place: str, finish_reason: str | None) -> Delta:
        added: dict[str, str] = {}
        for key, value in delta.items():
            if value is not None:
                take = TAKERS.get(key, ChoiceParts._take_unknown)
                take(self, value, f"{place}.{key}", added)
        for kind, text in added.items():
            self._texts[kind].append(text)
        return Delta(
            self.index,
            added.get("content", ""),
            added.get("reasoning", ""),
            added.get("refusal", ""),
            tuple(delta.get("tool_calls") or ()),
            finish_reason,
            delta,
        )

    def _take_unknown(self, value: object, place: str, added: dict[str, str]) -> None:
        self._extra.setdefault(place.rpartition(".")[2], []).append(value)

    def _take_role(self, value: object, place: str, added: dict[str, str]) -> None:
        self._role = self._role or read_text(value, place)

    def _take_content(self, value: object, place: str, added: dict[str, str]) -> None:
        if not isinstance(value, list):
            added["content"] = read_text(value, place)
            return
        for part in value:
            kind, text = read_part(part)
            if kind:
                added[kind] = added.get(kind, "") + text
            else:
                self._take_unknown([part], place, added)

    def _take_refusal(self, value: object, place: str, added: dict[str, str]) -> None:
        added["refusal"] = read_text(value, place)

    def _take_reasoning(self, value: object, place: str, added: dict[str, str]) -> None:
        if not isinstance(value, str):
            self._take_unknown(value, place, added)
        elif value != added.get("reasoning"):
            added["reasoning"] = added.get("reasoning", "") + value

    def _take_tool_calls(self, value: object, place: str, added: dict[str, str]) -> None:
        for number, entry in enumerate(read_list(value, place)):
            self._calls.add(entry, number, f"{place}[{number}]")

    def _take_function_call(self, value: object, place: str, added: dict[str, str]) -> None:
        call = read_object(value, place)
        name = read_text(call.get("name"), f"{place}.name")
        self._function_calls.append((name, read_arguments(call.get("arguments"), f"{place}.arguments")))

    def _take_audio(self, value: object, place: str, added: dict[str, str]) -> None:
        piece = read_object(value, place)
        for key in ("id", "data", "transcript"):
            read_text(piece.get(key), f"{place}.{key}")
        self._audio.append(piece)

    def merge(self, later: ChoiceParts) -> None:
        """Append the parts of the same choice that came after these."""
        for kind, texts in later._texts.items():
            self._texts[kind] += texts
        self._calls.extend(later._calls)
        self._function_calls += later._function_calls
        self._audio += later._audio
        self._logprobs += later._logprobs
        for key, values in later._extra.items():
            self._extra.setdefault(key, []).extend(values)
        self._outer.update(later._outer)
        self.finish_reason = later.finish_reason or self.finish_reason
        self._role = self._role or later._role

    def choice(self) -> Choice:
        """What has come so far, as a value of its own."""
        content, reasoning, refusal = ("".join(self._texts[kind]) for kind in ("content", "reasoning", "refusal"))
        return Choice(
            index=self.index,
            content=content,
            refusal=refusal or None,
            reasoning=reasoning or None,
            tool_calls=self._calls.resolve(),
            function_call=join_function_call(self._function_calls) if self._function_calls else None,
            audio=join_audio(self._audio) if self._audio else None,
            logprobs=fold(self._logprobs),
            finish_reason=self.finish_reason,
            role=self._role or "assistant",
            extra={**self._outer, **{key: fold(values) for key, values in self._extra.items()}},
        )


def read_part(part: object) -> tuple[str, str]:
    """What a typed part of a content list adds to, and the text it adds; ("", "") for a kind that is not known."""
    if isinstance(part, str):
        return "content", part
    if isinstance(part, Mapping):
        text, thinking = part.get("text"), part.get("thinking")
        if part.get("type") in ("text", "output_text") and isinstance(text, str):
            return "content", text
        if part.get("type") == "thinking":
            # Mistral nests a list of text parts; others send the text itself.
            inner = [read_part(each) for each in thinking] if isinstance(thinking, list) else [read_part(thinking)]
            if all(kind == "content" for kind, _ in inner):
                return "reasoning", "".join(text for _, text in inner)
    return "", ""


def join_function_call(pieces: Iterable[tuple[str, str]]) -> FunctionCall:
    """Name and argument pieces as one call; a name is taken once however often it is repeated."""
    names, texts = zip(*pieces, strict=True)
    return FunctionCall("".join(dict.fromkeys(names)), "".join(texts))


def join_audio(pieces: Iterable[Mapping[str, Any]]) -> Audio:
    """Pieces of a spoken answer as one; base64 pieces that are padded each for itself are decoded and coded anew."""
    held: dict[str, list[Any]] = {"id": [], "data": [], "transcript": [], "expires_at": []}
    for piece in pieces:
        for key, values in held.items():
            if piece.get(key) is not None:
                values.append(piece[key])
    data = "".join(held["data"])
    if any(text.endswith("=") for text in held["data"][:-1]):
        with contextlib.suppress(ValueError):  # else not ours to mend: the pieces stay joined as they came
            data = base64.b64encode(b"".join(base64.b64decode(text, validate=True) for text in held["data"])).decode()
    ids = [text for text in held["id"] if text]
    expires_at = held["expires_at"][-1] if held["expires_at"] else None
    return Audio(ids[0] if ids else "", data, "".join(held["transcript"]), expires_at)


def fold(values: Iterable[Any]) -> Any:
    """Values of one key in order, by the delta rule: texts appended, lists extended, objects key by key, else the last.

    Where the kind changes on the way, what came before the change is replaced. Null adds nothing.
    """
    run: list[Any] = []
    for value in values:
        if value is not None:
            if run and kind_of(run[-1]) is not kind_of(value):
                run.clear()
            run.append(value)
    return JOINERS[kind_of(run[-1])](run) if run else None


def kind_of(value: object) -> type:
    """The kind that decides how a value is joined to the one before it."""
    return next((kind for kind in (str, list, Mapping) if isinstance(value, kind)), object)


def fold_objects(values: list[Mapping[str, Any]]) -> dict[str, Any]:
    """Objects as one, key by key."""
    keys = dict.fromkeys(chain.from_iterable(values))
    return {key: fold(value[key] for value in values if key in value) for key in keys}


JOINERS: dict[type, Callable[[list[Any]], Any]] = {
    str: "".join,
    list: lambda lists: list(chain.from_iterable(lists)),
    Mapping: fold_objects,
    object: lambda values: values[-1],
}

TAKERS: dict[str, Callable[[ChoiceParts, object, str, dict[str, str]], None]] = {
    "role": ChoiceParts._take_role,
    "content": ChoiceParts._take_content,
    "refusal": ChoiceParts._take_refusal,
    "reasoning": ChoiceParts._take_reasoning,
    "reasoning_content": ChoiceParts._take_reasoning,
    "tool_calls": ChoiceParts._take_tool_calls,
    "function_call": ChoiceParts._take_function_call,
    "audio": ChoiceParts._take_audio,
}
