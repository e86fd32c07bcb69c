"""Parses one stream again and again with one reader, and prints how fast. `… parsing_inside NAME each|large SECONDS`.

Every reader gets the same bytes in the same pieces, from memory, and must tell the whole text and the finish reason.
"""

import importlib
import json
import sys
import time
from collections.abc import Callable, Iterator
from typing import Any, Literal

import msgspec

from benchmarks.lateness import median
from benchmarks.row import OURS
from benchmarks.streams import make_chunks

Body = Literal["each", "large"]

PIECES = [f" {k % 1000:03}" for k in range(1_000)]
LARGE_BYTES = 64 * 1024
ROUNDS = 5

Read = Callable[[list[bytes]], tuple[str, str | None]]
"""Reads a stream and returns its text and its finish reason."""


class Parsed(msgspec.Struct, frozen=True):
    """The median speed of some rounds, and what a reader does for it."""

    events_per_s: float
    does: str


def make_body(cut: Body) -> tuple[list[bytes], int]:
    """The stream in pieces, and how many events it has."""
    events = [f"data: {data}\n\n".encode() for data in make_chunks(PIECES)]
    if cut == "each":
        return events, len(events)
    whole = b"".join(events)
    return [whole[at : at + LARGE_BYTES] for at in range(0, len(whole), LARGE_BYTES)], len(events)


def make_client_reader() -> Read:
    """`client.ChatReader`: parsed, judged, added up to a completion."""
    from client import ChatReader

    def read(body: list[bytes]) -> tuple[str, str | None]:
        reader = ChatReader()
        for piece in body:
            for _ in reader.feed(piece):
                pass
        reader.end()
        choice = reader.completion.choices[0]
        return choice.content or "", choice.finish_reason

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

    def read(body: list[bytes]) -> tuple[str, str | None]:
        response = http.Response(
            200, headers={"content-type": "text/event-stream"}, stream=Pieces(body), request=request
        )
        texts, finish = [], None
        for chunk in openai.Stream(cast_to=ChatCompletionChunk, response=response, client=client):
            choice = chunk.choices[0]
            texts.append(choice.delta.content or "")
            finish = choice.finish_reason or finish
        return "".join(texts), finish

    return read


def make_httpx_sse_reader() -> Read:
    """httpx-sse's `EventSource`, json.loads for each event; the texts are put together by hand."""
    import httpx
    from httpx_sse import EventSource

    class Pieces(httpx.SyncByteStream):
        def __init__(self, body: list[bytes]) -> None:
            self._body = body

        def __iter__(self) -> Iterator[bytes]:
            return iter(self._body)

    def read(body: list[bytes]) -> tuple[str, str | None]:
        response = httpx.Response(200, headers={"content-type": "text/event-stream"}, stream=Pieces(body))
        texts, finish = [], None
        for event in EventSource(response).iter_sse():
            if event.data == "[DONE]":
                break
            choice = json.loads(event.data)["choices"][0]
            texts.append(choice["delta"].get("content") or "")
            finish = choice["finish_reason"] or finish
        return "".join(texts), finish

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
    expected = "".join(PIECES), "stop"
    speeds = []
    for _ in range(ROUNDS + 1):
        streams, began = 0, time.process_time()
        while (passed := time.process_time() - began) < seconds / ROUNDS:
            if read(body) != expected:
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
