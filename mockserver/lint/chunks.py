"""The events of a stream, read as OpenAI's chunks."""

import json
from dataclasses import dataclass, field
from typing import Any

from mockserver.lint.finding import Finding, Level

FINISH_REASONS = ("stop", "length", "tool_calls", "content_filter", "function_call")


@dataclass(slots=True)
class ChunkReader:
    """Reads events as OpenAI's chunks and finds what is wrong with them."""

    findings: list[Finding] = field(default_factory=list)
    first: dict[str, Any] = field(default_factory=dict)
    finished: dict[int, str] = field(default_factory=dict)
    begun: set[int] = field(default_factory=set)
    done: bool = False
    unnamed_errors: tuple[str, ...] = ("error", "error_message", "detail")

    def note(self, level: Level, rule: str, message: str, event: int | None = None) -> None:
        self.findings.append(Finding(level, rule, message, event))

    def read(self, number: int, name: str, data: str) -> None:
        """Read one event."""
        if self.done:
            self.note("departure", "OpenAI", "something comes after [DONE]", number)
            return
        if data == "[DONE]":
            self.done = True
            return
        if name != "message":
            self.note("broken" if name == "error" else "departure", "OpenAI", f"an event of the name {name!r}", number)
        try:
            chunk = json.loads(data, parse_constant=_refuse_constant)
        except (ValueError, RecursionError) as error:
            self.note("broken" if data.strip() else "departure", "RFC 8259", f"the data is no JSON: {error}", number)
            return
        if not isinstance(chunk, dict):
            self.note("broken", "OpenAI", "the data is no object", number)
            return
        told = [key for key in self.unnamed_errors if chunk.get(key)]
        if told or chunk.get("object") == "error":
            self.note(
                "broken",
                "observed",
                f"an error is told: {chunk.get(told[0]) if told else chunk.get('message')!r}",
                number,
            )
            return
        self._read_chunk(number, chunk)

    def _read_chunk(self, number: int, chunk: dict[str, Any]) -> None:
        for key in ("id", "object", "created", "model"):
            if key not in chunk:
                self.note("departure", "OpenAI", f"no {key}", number)
            elif chunk[key] != self.first.setdefault(key, chunk[key]):
                self.note("departure", "OpenAI", f"{key} is {chunk[key]!r}, was {self.first[key]!r}", number)
        choices = chunk.get("choices")
        if not isinstance(choices, list):
            self.note("departure", "OpenAI", "choices is no list", number)
            return
        if not choices and not chunk.get("usage"):
            self.note("departure", "OpenAI", "neither choices nor usage", number)
        for choice in choices:
            if not isinstance(choice, dict):
                self.note("departure", "OpenAI", "a choice is no object", number)
            elif not isinstance(choice.get("index", 0), int):
                self.note("departure", "OpenAI", "a choice has no index", number)
            else:
                self._read_choice(number, choice)

    def _read_choice(self, number: int, choice: dict[str, Any]) -> None:
        index = choice.get("index", 0)
        delta = choice.get("delta")
        if not isinstance(delta, dict):
            self.note("departure", "OpenAI", "a choice has no delta", number)
            delta = {}
        if index not in self.begun and delta.get("role") != "assistant":
            self.note("departure", "OpenAI", "the first delta has no role", number)
        self.begun.add(index)
        if index in self.finished:
            self.note("departure", "OpenAI", f"choice {index} goes on after its finish reason", number)
        pieces = delta.get("tool_calls") or []
        if not isinstance(pieces, list):
            self.note("departure", "OpenAI", "tool_calls is no list", number)
        elif not all(isinstance(piece, dict) and isinstance(piece.get("index"), int) for piece in pieces):
            self.note("departure", "OpenAI", "a tool call has no index", number)
        content = delta.get("content")
        if content is not None and not isinstance(content, str):
            self.note("departure", "OpenAI", "content is no text", number)
        if reason := choice.get("finish_reason"):
            self.finished[index] = reason
            if reason not in FINISH_REASONS:
                self.note("departure", "OpenAI", f"finish_reason {reason!r} is not known", number)

    def end(self, unfinished: bool) -> None:
        """The stream is over."""
        if unfinished:
            seen_all = self.begun and self.begun <= self.finished.keys()
            level: Level = "departure" if seen_all else "broken"
            self.note(level, "WHATWG HTML 9.2.6", "the stream ends within an event, which is discarded")
        if not self.begun:
            self.note("broken", "OpenAI", "no chunk with a choice came")
        for index in sorted(self.begun - self.finished.keys()):
            self.note("broken" if not self.done else "departure", "OpenAI", f"choice {index} has no finish reason")
        if not self.done:
            self.note("departure", "OpenAI", "no [DONE] at the end")


def _refuse_constant(name: str) -> float:
    raise ValueError(f"{name} is no JSON number")
