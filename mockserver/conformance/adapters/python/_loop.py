"""What all Python adapters share: the loop that reads cases and writes answers, and the tolerant loop over OpenAI's chunks.

Run as `python -P _loop.py ADAPTER PACKAGE` by the user's own Python, so it imports the standard library alone. An adapter is a
file that imports its consumer and defines

    LACKS                what the consumer cannot tell, in the words of docs/writing-a-consumer.md
    ask(case, outcome)   makes the request of the case and puts what the consumer gives into the outcome; may be async

An adapter repairs nothing. What it raises is reported as the error; what the outcome had by then, as what was kept.
"""

import asyncio
import importlib.metadata
import json
import os
import runpy
import sys
import threading
import time
from collections.abc import AsyncIterable, AsyncIterator, Callable, Iterable, Iterator, Mapping
from types import SimpleNamespace
from typing import Any, TextIO

TELL_PAUSE_S = 0.05
"""Text is told as it arrives, at most so often."""


class Left(Exception):  # noqa: N818
    """The case asks to leave here. It runs through the adapter, whose `with` blocks close what they opened."""


class Choice:
    """What is known of one choice: texts, finish reason, and tool calls in the order in which they began."""

    def __init__(self) -> None:
        self.content: list[str] = []
        self.refusal: list[str] = []
        self.reasoning: list[str] = []
        self.finish_reason: str | None = None
        self.calls: list[dict[str, Any]] = []
        self._by_index: dict[Any, dict[str, Any]] = {}

    def add_delta(self, delta: Any) -> None:
        """Append one delta, as anybody's loop would that has met more than one provider."""
        for texts, said in (
            (self.content, get(delta, "content")),
            (self.refusal, get(delta, "refusal")),
            (self.reasoning, get(delta, "reasoning_content") or get(delta, "reasoning")),
        ):
            if said:
                texts.append("" + said)  # which raises, as any loop does, if it is no text
        for piece in get(delta, "tool_calls") or ():
            self._add_piece(piece)
        legacy = get(delta, "function_call")
        if legacy:
            self._append(self._by_index.get("legacy") or self._begin("legacy", None, "function"), legacy)

    def _add_piece(self, piece: Any) -> None:
        """A piece belongs to the call of its index, unless it has another id and a name: then it begins a call."""
        index, id, custom = get(piece, "index"), get(piece, "id"), get(piece, "custom")
        said = custom or get(piece, "function")
        call = self._by_index.get(index)
        if call is None or (id and call["id"] and id != call["id"] and get(said, "name")):
            call = self._begin(index, id, get(piece, "type") or ("custom" if custom else "function"))
        call["id"] = call["id"] or id
        self._append(call, said)

    def _begin(self, index: Any, id: str | None, kind: str) -> dict[str, Any]:
        text = "input" if kind == "custom" else "arguments"
        call = self._by_index[index] = {"id": id, "type": kind, "name": None, text: ""}
        self.calls.append(call)
        return call

    @staticmethod
    def _append(call: dict[str, Any], said: Any) -> None:
        text = "input" if "input" in call else "arguments"
        call["name"] = call["name"] or get(said, "name")
        call[text] += get(said, text) or ""

    def report(self) -> dict[str, Any]:
        """As the protocol writes it."""
        return {
            "content": "".join(self.content),
            "tool_calls": self.calls,
            "refusal": "".join(self.refusal) or None,
            "reasoning": "".join(self.reasoning) or None,
            "finish_reason": self.finish_reason,
        }


class Outcome:
    """What a consumer made of one case; the adapter fills it."""

    def __init__(self, case: SimpleNamespace, write: Callable[[Mapping[str, Any]], None]) -> None:
        self.choices: dict[int, Choice] = {0: Choice()}
        self.usage: Any = None
        self._case = case
        self._write = write
        self._told_s = time.monotonic()
        self._told = 0
        self._steps = 0

    def each(self, stream: Iterable[Any]) -> Iterator[Any]:
        """Iterate as the case asks."""
        for item in stream:
            yield item
            if pause_s := self.step():
                time.sleep(pause_s)

    async def each_async(self, stream: AsyncIterable[Any]) -> AsyncIterator[Any]:
        """The same for what is iterated with `async for`."""
        async for item in stream:
            yield item
            if pause_s := self.step():
                await asyncio.sleep(pause_s)

    def step(self) -> float:
        """Called after each item: says how many seconds the case asks to pause now, or raises `Left` if it asks to leave."""
        self._steps += 1
        if self._case.leave_after_chunks is not None and self._steps >= self._case.leave_after_chunks:
            raise Left
        return float(self._case.read_pause_ms) / 1000

    def add_chunk(self, chunk: Any) -> None:
        """Append a chunk of OpenAI's shape, an object or a dict."""
        self.usage = get(chunk, "usage") or self.usage
        for choice in get(chunk, "choices") or ():
            own = self.choices.setdefault(get(choice, "index") or 0, Choice())
            delta = get(choice, "delta") or get(choice, "message")
            if delta:
                own.add_delta(delta)
            own.finish_reason = get(choice, "finish_reason") or own.finish_reason
        self._tell()

    def add_message(self, message: Any, finish_reason: str | None = None, index: int = 0) -> None:
        """Take a whole message of OpenAI's shape, in place of what was taken for its choice so far."""
        own = self.choices[index] = Choice()
        own.add_delta(message)
        own.finish_reason = finish_reason

    def add_text(self, text: str | None) -> None:
        """Append content."""
        if text:
            self.choices[0].content.append("" + text)
            self._tell()

    def add_reasoning(self, text: str | None) -> None:
        """Append reasoning."""
        if text:
            self.choices[0].reasoning.append("" + text)

    def add_call(self, id: str | None, name: str | None, arguments: Any) -> None:
        """Add a whole tool call; arguments that are no text are written as JSON."""
        text = arguments if isinstance(arguments, str) else json.dumps(arguments)
        self.choices[0].calls.append({"id": id, "type": "function", "name": name, "arguments": text})

    def finish(self, reason: str | None, usage: Any = None) -> None:
        """Note the finish reason, and the usage if there is one."""
        self.choices[0].finish_reason = reason or self.choices[0].finish_reason
        self.usage = usage or self.usage

    def _tell(self) -> None:
        now_s = time.monotonic()
        if now_s - self._told_s < TELL_PAUSE_S:
            return
        said = self.choices[0].content
        if len(said) > self._told:
            self._write({"case": self._case.case, "delta": "".join(said[self._told :])})
            self._told, self._told_s = len(said), now_s

    def report(self) -> dict[str, Any]:
        """The outcome as the protocol writes it, but for the error."""
        choices = [{"index": k, **choice.report()} for k, choice in sorted(self.choices.items())]
        several = {"choices": choices} if len(choices) > 1 else choices[0]
        return {"case": self._case.case, **several, "usage": _plain(self.usage)}


def get(value: Any, name: str) -> Any:
    """A member of an object or a dict; None if there is none. Objects that are dicts as well are read as objects."""
    return value.get(name) if type(value) is dict else getattr(value, name, None)


def _plain(value: Any) -> Any:
    """A library's object as JSON values."""
    if hasattr(value, "model_dump"):
        return value.model_dump(mode="json")
    return vars(value) if hasattr(value, "__dict__") else value


def run(adapter: Mapping[str, Any], hello: Mapping[str, Any], lines: Iterable[str], out: TextIO) -> None:
    """Speak the consumer protocol until the lines end."""

    def write(value: Mapping[str, Any]) -> None:
        out.write(json.dumps(value, default=repr) + "\n")
        out.flush()

    write({**hello, "lacks": list(adapter["LACKS"])})
    # One event loop goes on for all cases and between them, as an application's does, so that what is left behind is cleaned up.
    loop = asyncio.new_event_loop()
    threading.Thread(target=loop.run_forever, daemon=True).start()
    for line in lines:
        case = SimpleNamespace(**json.loads(line))
        outcome = Outcome(case, write)
        error = None
        try:
            asked = adapter["ask"](case, outcome)
            if asyncio.iscoroutine(asked):
                asyncio.run_coroutine_threadsafe(asked, loop).result()
        except Left:
            pass
        except Exception as raised:
            error = {"type": type(raised).__name__, "message": str(raised)[:2000]}
        write({**outcome.report(), "error": error})


def main() -> None:
    """Take standard output for the protocol alone, so that nothing a library prints gets into it, and run the adapter."""
    path, package = sys.argv[1:3]
    out = os.fdopen(os.dup(sys.stdout.fileno()), "w", encoding="utf-8")
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
    name = os.path.splitext(os.path.basename(path))[0]
    hello = {"consumer": name, "version": importlib.metadata.version(package)}
    run(runpy.run_path(path), hello, sys.stdin, out)


if __name__ == "__main__":
    main()
