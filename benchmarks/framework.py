"""Starlette under uvicorn with ready-made bytes, and nothing else: what the libraries below us cost. `python -m … KIND PORT`."""

import sys
from collections.abc import AsyncIterator

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.routing import Route
from starlette.types import ASGIApp, Receive, Scope, Send
from uvicorn import Config

from benchmarks.streams import STALLED_EVENTS, Kind, make_chunks, make_pieces


def make_app(kind: Kind) -> ASGIApp:
    """An app that answers in the way of `kind`; stalled streams are uvicorn's alone, without Starlette's share of memory."""
    events = [f"data: {data}\n\n".encode() for data in make_chunks(make_pieces())]
    whole = b"".join(events)

    async def send_events() -> AsyncIterator[bytes]:
        for event in events:
            yield event

    async def answer(request: Request) -> Response:
        await request.body()
        if kind == "events":
            return StreamingResponse(send_events(), media_type="text/event-stream")
        # As a stream of one piece, so that it is sent in chunks like all others.
        return StreamingResponse(iter_once(whole), media_type="text/event-stream")

    async def stall(scope: Scope, receive: Receive, send: Send) -> None:
        while (await receive()).get("more_body"):
            pass
        headers = [(b"content-type", b"text/event-stream")]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": b"".join(events[:STALLED_EVENTS]), "more_body": True})
        await receive()

    if kind == "stalled":
        return stall
    return Starlette(routes=[Route("/v1/chat/completions", answer, methods=["POST"])])


async def iter_once(data: bytes) -> AsyncIterator[bytes]:
    """One piece."""
    yield data


def make_config(kind: Kind, port: int) -> Config:
    """uvicorn as it is quickest: uvloop, httptools, no log of accesses."""
    app = make_app(kind)
    return Config(
        app,
        port=port,
        loop="uvloop",
        http="httptools",
        lifespan="off",
        log_level="critical",
        access_log=False,
        backlog=4096,
    )


def main(arguments: list[str]) -> None:
    """The command line."""
    from uvicorn import Server

    kind, port = arguments
    Server(make_config(kind, int(port))).run()  # type: ignore[arg-type]


if __name__ == "__main__":
    main(sys.argv[1:])
