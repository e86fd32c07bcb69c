"""A tolerant consumer for tests: body -> outcome, as the catalogue of stream shapes says that a right one reads.

It shares nothing with the server nor with the client. It reads what providers send in every shape that does not contradict
itself, and raises `ValueError` where it must not pass off a stream as understood.
"""

import json
from dataclasses import dataclass, field
from typing import Any

from tests.mockserver.whatwg import parse


@dataclass
class ReadCall:
    """A tool call as far as it has been told."""

    id: str = ""
    type: str = ""
    name: str = ""
    text: str = ""


@dataclass
class ReadChoice:
    """A choice as far as it has been told."""

    content: str = ""
    refusal: str = ""
    reasoning: str = ""
    finish_reason: str | None = None
    calls: dict[Any, ReadCall] = field(default_factory=dict)

    def read_delta(self, delta: dict[str, Any]) -> None:
        content = delta.get("content") or ""
        parts: list[Any] = [{"type": "text", "text": content}] if isinstance(content, str) else content
        for part in parts:
            if part["type"] == "text":
                self.content += part["text"]
            else:
                self.reasoning += "".join(inner["text"] for inner in part["thinking"])
        self.refusal += delta.get("refusal") or ""
        self.reasoning += delta.get("reasoning_content") or delta.get("reasoning") or ""
        for piece in delta.get("tool_calls") or ():
            self.read_piece(piece)
        if called := delta.get("function_call"):
            self.read_piece({"index": "function", "type": "function", "function": called})

    def read_piece(self, piece: dict[str, Any]) -> None:
        """Calls are told apart by their index; where it says nothing, by their id."""
        index, own = piece.get("index"), piece.get("id")
        if index is None or index == -1 or (index in self.calls and own and own != self.calls[index].id != ""):
            index = own or next(reversed(self.calls))
        call = self.calls.setdefault(index, ReadCall())
        said = piece.get("function") or piece.get("custom") or {}
        call.id = call.id or own or ""
        call.type = call.type or piece.get("type") or ("custom" if "custom" in piece else "")
        call.name = call.name or said.get("name") or ""
        text = said.get("arguments", said.get("input")) or ""
        call.text += text if isinstance(text, str) else json.dumps(text, ensure_ascii=False, separators=(",", ":"))

    def outcome(self) -> dict[str, Any]:
        calls = [
            {
                "id": c.id,
                "type": c.type or "function",
                "name": c.name,
                "input" if c.type == "custom" else "arguments": c.text,
            }
            for c in self.calls.values()
        ]
        return {
            "content": self.content,
            "tool_calls": calls,
            "refusal": self.refusal,
            "reasoning": self.reasoning,
            "finish_reason": self.finish_reason,
        }


def read(body: bytes) -> dict[str, Any]:
    """The outcome of a stream. Raises `ValueError` if it does not end as it should, or holds what is no chunk."""
    choices: dict[int, ReadChoice] = {}
    usage: dict[str, Any] | None = None
    done = False
    for event in parse(body).events:
        if event.data == "[DONE]":
            done = True
            break
        chunk = json.loads(event.data, parse_constant=_refuse)
        if not isinstance(chunk, dict) or chunk.get("error"):
            raise ValueError(f"no chunk: {event.data}")
        usage = chunk.get("usage") or usage
        for told in chunk.get("choices") or ():
            choice = choices.setdefault(told.get("index", 0), ReadChoice())
            choice.read_delta(told.get("delta") or told.get("message") or {})
            choice.finish_reason = told.get("finish_reason") or choice.finish_reason
    if not choices or not (done or all(choice.finish_reason for choice in choices.values())):
        raise ValueError("the stream ended before its end")
    outcomes = [choices[index].outcome() for index in sorted(choices)]
    shared = {"usage": usage, "error": None}
    return {**outcomes[0], **shared} if len(outcomes) == 1 else {"choices": outcomes, **shared}


def _refuse(name: str) -> float:
    raise ValueError(f"{name} is no JSON")
