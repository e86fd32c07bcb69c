"""Chunks -> completion, without I/O: what is appended, what is taken once, and what the last word decides.

The protocol wins: **a delta is appended**, also where a provider sends all text so far in every delta; guessing would break
streams whose deltas repeat by right. Beyond that:

- `id`, `created`, `model`, `service_tier`, `system_fingerprint`: the first that says something (Azure's first chunk says nothing,
  some providers change the id in every chunk).
- `usage`: the last that is not empty, for providers that send it in every chunk send running totals. Looked for in the chunk,
  then in the choice (Moonshot) and under `x_groq`.
- `finish_reason`: the last that is a text and not empty; null, absent and `""` all say "not yet".
- `reasoning_content` and `reasoning` are two spellings of one thing; a delta that has both with the same text has it once.
- `content` as a list of parts (Mistral): text parts are content, thinking parts are reasoning, others are kept as unknown.
- A choice without `delta` adds nothing, unless it has a `message`: that is read as its delta. So a whole, non-streamed reply
  is read by the same rules.
- Tool calls: see `client.toolcalls`.
- Unknown keys are kept: in a delta they follow the delta rule (texts appended, lists extended, objects key by key, anything else
  replaced); outside it the last that is not null stands. `obfuscation` is padding and is dropped.

`merge` puts two accumulators together; in any grouping, the same chunks in the same order give the same completion.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from client.completion import Completion, Delta, Timings
from client.parts import ChoiceParts
from client.shape import read_list, read_object, refuse
from client.textchunk import TextChunk

__all__ = ["Accumulator", "accumulate"]

HEAD_KEYS = ("id", "created", "model", "service_tier", "system_fingerprint")
CHUNK_KEYS = frozenset({*HEAD_KEYS, "object", "choices", "usage", "obfuscation"})


class Accumulator:
    """Adds chunks up. `chunk_count` is how many were added."""

    def __init__(self) -> None:
        self.chunk_count = 0
        self._head: dict[str, Any] = {}
        self._usage: Mapping[str, Any] | None = None
        self._usage_elsewhere: Mapping[str, Any] | None = None
        self._extra: dict[str, Any] = {}
        self._choices: dict[int, ChoiceParts] = {}
        self._missing: tuple[str, ...] = HEAD_KEYS  # of the head, what no chunk has said yet

    def add(self, chunk: Mapping[str, Any]) -> list[Delta]:
        """Take one chunk, and say what it adds to each of its choices; raises `MalformedError` if its shape is wrong."""
        self.chunk_count += 1
        if self._missing:
            self._add_head(chunk)
        if not chunk.keys() <= CHUNK_KEYS:
            self._add_extra(chunk)
        usage = chunk.get("usage")
        if usage:
            self._usage = read_object(usage, "usage")
        choices = chunk.get("choices")
        if type(choices) is not list:
            choices = read_list(choices, "choices")
        if len(choices) == 1:
            return [self._add_choice(choices[0], 0)]
        return [self._add_choice(choice, place) for place, choice in enumerate(choices)]

    def add_text(self, chunk: TextChunk) -> Delta | None:
        """Take a chunk that is text and nothing else. None, and nothing is taken, if it may tell something new beside it."""
        choice = chunk.choices[0]
        parts = self._choices.get(choice.index)
        if parts is None:
            return None
        for key in self._missing:
            if getattr(chunk, key):
                return None
        self.chunk_count += 1
        content = choice.delta.content
        parts.contents.append(content)
        return Delta(choice.index, content, raw={"content": content})

    def _add_head(self, chunk: Mapping[str, Any]) -> None:
        self._head.update((key, chunk[key]) for key in self._missing if chunk.get(key))
        self._missing = tuple(key for key in HEAD_KEYS if key not in self._head)

    def _add_extra(self, chunk: Mapping[str, Any]) -> None:
        self._extra.update((key, value) for key, value in chunk.items() if key not in CHUNK_KEYS and value is not None)
        x_groq = chunk.get("x_groq")
        if isinstance(x_groq, Mapping) and isinstance(x_groq.get("usage"), Mapping):
            self._usage_elsewhere = x_groq["usage"] or self._usage_elsewhere

    def _add_choice(self, choice: object, place: int) -> Delta:
        if not isinstance(choice, dict):
            raise refuse(f"choices[{place}]", "an object", choice)
        index = choice.get("index")
        if index is None:
            index = place
        elif not isinstance(index, int):
            raise refuse(f"choices[{place}].index", "a whole number", index)
        parts = self._choices.get(index)
        if parts is None:
            parts = self._choices[index] = ChoiceParts(index)
        if choice.get("usage"):
            self._usage_elsewhere = read_object(choice["usage"], f"choices[{place}].usage")
        return parts.add(choice, place)

    def merge(self, later: Accumulator) -> None:
        """Append what `later` took from the chunks that came after these."""
        self.chunk_count += later.chunk_count
        self._head = {**later._head, **self._head}
        self._missing = tuple(key for key in HEAD_KEYS if key not in self._head)
        self._usage = later._usage or self._usage
        self._usage_elsewhere = later._usage_elsewhere or self._usage_elsewhere
        self._extra.update(later._extra)
        for index, parts in later._choices.items():
            self._choices.setdefault(index, ChoiceParts(index)).merge(parts)

    @property
    def choice_count(self) -> int:
        """How many choices have been seen."""
        return len(self._choices)

    @property
    def unfinished(self) -> tuple[int, ...]:
        """The indexes of the choices that have been seen but have no finish reason yet."""
        return tuple(sorted(index for index, parts in self._choices.items() if not parts.finish_reason))

    def completion(self, timings: Timings | None = None) -> Completion:
        """What has come so far, as a value of its own."""
        return Completion(
            id=str(self._head.get("id", "")),
            created=self._head.get("created"),
            model=str(self._head.get("model", "")),
            choices=tuple(self._choices[index].choice() for index in sorted(self._choices)),
            usage=self._usage or self._usage_elsewhere,
            service_tier=self._head.get("service_tier"),
            system_fingerprint=self._head.get("system_fingerprint"),
            extra=dict(self._extra),
            timings=timings,
        )


def accumulate(chunks: Iterable[Mapping[str, Any]]) -> Completion:
    """The completion that `chunks` come to, whole or not."""
    accumulator = Accumulator()
    for chunk in chunks:
        accumulator.add(chunk)
    return accumulator.completion()
