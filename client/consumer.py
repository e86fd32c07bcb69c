"""The consumer protocol: this client as a program that a conformance suite drives, one JSON line per case each way.

First a line about itself. Then, for each line read, the case is run and one line written, flushed; deltas in between are told as
they come, at most every `DELTA_PAUSE_S`. One HTTP client is kept for all lines, so that what one case leaves behind shows in the
next. `timeout_s` is the longest wait for the next byte, so here every byte counts as progress.
"""

from __future__ import annotations

import importlib.metadata
import time
from collections.abc import Callable, Iterable, Mapping
from typing import Any, TextIO

import httpx2
import msgspec
from msgspec import Struct

from client.completion import Choice, Completion, ToolCall
from client.errors import ChatError
from client.limits import Limits
from client.stream import ChatStream, open_http, stream_chat

__all__ = ["run_consumer"]

DELTA_PAUSE_S = 0.05


class Case(Struct):
    """One line read; fields this program does not know are none of its business."""

    base_url: str
    request: dict[str, Any]
    case: Any = None
    api_key: str | None = None
    timeout_s: float | None = 5.0
    retries: int = 0
    leave_after_chunks: int | None = None
    read_pause_ms: float = 0.0


def run_consumer(lines: Iterable[str], out: TextIO) -> None:
    """Speak the protocol until `lines` end."""

    def write(value: Mapping[str, Any]) -> None:
        out.write(msgspec.json.encode(value).decode() + "\n")
        out.flush()

    write({"consumer": "openai-mockserver-client", "version": find_version(), "lacks": []})
    with open_http() as http:
        for line in lines:
            if line.strip():
                case = msgspec.json.decode(line, type=Case)
                write({"case": case.case, **run_case(case, http, write)})


def run_case(case: Case, http: httpx2.Client, write: Callable[[Mapping[str, Any]], None]) -> dict[str, Any]:
    """What came of one case."""
    limits = Limits(
        connect_timeout_s=case.timeout_s,
        ttft_timeout_s=case.timeout_s,
        idle_timeout_s=case.timeout_s,
        progress="byte",
    )
    stream = stream_chat(
        case.request, base_url=case.base_url, api_key=case.api_key, limits=limits, retries=case.retries, http=http
    )
    try:
        with stream:
            follow(stream, case, lambda text: write({"case": case.case, "delta": text}))
    except ChatError as error:
        completion = error.completion or stream.completion
        return describe_completion(completion, {"type": type(error).__name__, "message": str(error)})
    return describe_completion(stream.completion, None)


def follow(stream: ChatStream, case: Case, tell: Callable[[str], None]) -> None:
    """Iterate as the case asks, telling text on the way."""
    untold: list[str] = []
    told_s = time.monotonic()
    for delta in stream:
        if delta.content:
            untold.append(delta.content)
        now_s = time.monotonic()
        if now_s - told_s >= DELTA_PAUSE_S and untold:
            tell("".join(untold))
            untold.clear()
            told_s = now_s
        if case.leave_after_chunks is not None and stream.chunk_count >= case.leave_after_chunks:
            return
        if case.read_pause_ms:
            time.sleep(case.read_pause_ms / 1000)


def describe_completion(completion: Completion, error: Mapping[str, Any] | None) -> dict[str, Any]:
    """The outcome as the protocol writes it."""
    outcome = describe_choice(completion.first)
    if len(completion.choices) > 1:
        outcome["choices"] = [{"index": choice.index, **describe_choice(choice)} for choice in completion.choices]
    return {**outcome, "usage": completion.usage, "error": error}


def describe_choice(choice: Choice) -> dict[str, Any]:
    """One choice as the protocol writes it."""
    return {
        "content": choice.content,
        "tool_calls": [describe_call(call) for call in choice.tool_calls],
        "refusal": choice.refusal,
        "reasoning": choice.reasoning,
        "finish_reason": choice.finish_reason,
        **({"function_call": msgspec.to_builtins(choice.function_call)} if choice.function_call else {}),
        **({"audio": msgspec.to_builtins(choice.audio)} if choice.audio else {}),
        **({"logprobs": choice.logprobs} if choice.logprobs else {}),
    }


def describe_call(call: ToolCall) -> dict[str, Any]:
    """One tool call as the protocol writes it: a custom one has `input` for `arguments`."""
    text = "input" if call.type == "custom" else "arguments"
    return {"id": call.id or None, "type": call.type, "name": call.name or None, text: call.arguments}


def find_version() -> str:
    """The version of the installed distribution."""
    try:
        return importlib.metadata.version("openai-mockserver")
    except importlib.metadata.PackageNotFoundError:
        return "unknown"
