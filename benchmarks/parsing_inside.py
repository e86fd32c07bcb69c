"""Parses one stream again and again with one reader, and prints how fast. `… parsing_inside NAME each|large SECONDS`.

Every reader gets the same bytes in the same pieces, from memory, and must tell the whole text, the finish reason and the
usage. What an HTTP library does on the way is no parsing: `client` is fed the pieces, and httpx-sse, which asks for a response,
gets one that only decodes them to text (httpx's own costs it about 0.7 µs more for each read). Only the SDK, whose `Stream`
goes deeper into it, reads from a response of its HTTP library; that is a few hundredths of its time. httpx-sse gives texts, not
chunks, so its half reads their JSON with the standard library, as its own example does, and adds them up by hand.
"""

import codecs
import importlib
import json
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from typing import Any, ClassVar, Literal

import msgspec

from benchmarks.lateness import median
from benchmarks.row import OURS
from benchmarks.streams import make_chunks

Body = Literal["each", "large"]

PIECES = [f" {k % 1000:03}" for k in range(1_000)]
LARGE_BYTES = 64 * 1024
ROUNDS = 3

USAGE: Mapping[str, object] = {"prompt_tokens": 9, "completion_tokens": len(PIECES), "total_tokens": 9 + len(PIECES)}

Told = tuple[str, str | None, Mapping[str, object] | None]
"""What a reader makes of a stream: its text, its finish reason, its usage."""

EXPECTED: Told = "".join(PIECES), "stop", USAGE

Read = Callable[[list[bytes]], Told]
"""Reads a stream, given in pieces."""


class Parsed(msgspec.Struct, frozen=True):
    """The median speed of some rounds, and what a reader does for it."""

    events_per_s: float
    does: str


def make_body(cut: Body) -> tuple[list[bytes], int]:
    """The stream in pieces, and how many events it has."""
    *chunks, done = make_chunks(PIECES)
    usage = json.dumps({**json.loads(chunks[0]), "choices": [], "usage": USAGE}, separators=(",", ":"))
    events = [f"data: {data}\n\n".encode() for data in (*chunks, usage, done)]
    if cut == "each":
        return events, len(events)
    whole = b"".join(events)
    return [whole[at : at + LARGE_BYTES] for at in range(0, len(whole), LARGE_BYTES)], len(events)


def make_client_reader() -> Read:
    """`client.ChatReader`: parsed, judged, added up to a completion."""
    from client import ChatReader

    def read(body: list[bytes]) -> Told:
        reader = ChatReader()
        for piece in body:
            for _ in reader.feed(piece):
                pass
        reader.end()
        completion = reader.completion
        return completion.content, completion.finish_reason, dict(completion.usage or {})

    return read


def make_sdk_reader() -> Read:
    """The SDK's `Stream` as its own `create(stream=True)` makes it; the texts are put together by hand."""
    import openai
    from openai.types.chat import ChatCompletionChunk

    # The HTTP library that this version of the SDK is built on.
    http: Any = importlib.import_module(openai.DefaultHttpxClient.__mro__[-2].__module__.partition(".")[0])
    client = openai.OpenAI(api_key="test", base_url="http://127.0.0.1:9/v1")
    request = http.Request("POST", "http://127.0.0.1:9/v1/chat/completions")

    class Pieces(http.SyncByteStream):  # type: ignore[misc]
        def __init__(self, body: list[bytes]) -> None:
            self._body = body

        def __iter__(self) -> Iterator[bytes]:
            return iter(self._body)

    def read(body: list[bytes]) -> Told:
        response = http.Response(
            200, headers={"content-type": "text/event-stream"}, stream=Pieces(body), request=request
        )
        texts, finish, usage = [], None, None
        for chunk in openai.Stream(cast_to=ChatCompletionChunk, response=response, client=client):
            usage = chunk.usage or usage
            for choice in chunk.choices:
                texts.append(choice.delta.content or "")
                finish = choice.finish_reason or finish
        return "".join(texts), finish, usage.to_dict() if usage else None

    return read


def make_httpx_sse_reader() -> Read:
    """httpx-sse's `EventSource`, json.loads for each event; the texts are put together by hand."""
    from httpx_sse import EventSource

    class Response:
        """What `EventSource` needs of a response, and nothing that only costs time."""

        headers: ClassVar = {"content-type": "text/event-stream"}

        def __init__(self, body: list[bytes]) -> None:
            self._body = body

        def iter_text(self) -> Iterator[str]:
            return codecs.iterdecode(self._body, "utf-8")

    def read(body: list[bytes]) -> Told:
        texts, finish, usage = [], None, None
        response: Any = Response(body)
        for event in EventSource(response).iter_sse():
            if event.data == "[DONE]":
                break
            chunk = json.loads(event.data)
            usage = chunk.get("usage") or usage
            for choice in chunk["choices"]:
                texts.append(choice["delta"].get("content") or "")
                finish = choice["finish_reason"] or finish
        return "".join(texts), finish, usage

    return read


READERS: dict[str, Callable[[], Read]] = {
    OURS: make_client_reader,
    "openai": make_sdk_reader,
    "httpx-sse": make_httpx_sse_reader,
}


def measure_speed(read: Read, body: list[bytes], events: int, seconds: float) -> float:
    """The median of some rounds, in events a second of processor time, after one that warms up.

    Fails where the reader reads wrongly.
    """
    speeds = []
    for _ in range(ROUNDS + 1):
        streams, began = 0, time.process_time()
        while (passed := time.process_time() - began) < seconds / ROUNDS:
            if read(body) != EXPECTED:
                raise SystemExit("the reader did not read what was sent")
            streams += 1
        speeds.append(streams * events / passed)
    return median(speeds[1:])


def main(arguments: list[str]) -> None:
    """The command line."""
    name, cut, seconds = arguments
    make = READERS[name]
    body, events = make_body("each" if cut == "each" else "large")
    speed = measure_speed(make(), body, events, float(seconds))
    print(msgspec.json.encode(Parsed(speed, " ".join((make.__doc__ or "").split()).rstrip("."))).decode())


if __name__ == "__main__":
    main(sys.argv[1:])
