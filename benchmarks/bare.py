"""The bare limit: what a server could do at best here. `python -m benchmarks.bare KIND PORT`.

A uvloop protocol without any framework: it reads no more of a request than it must to find its end, and writes ready-made bytes.
Paced streams have one timer each. Nothing of ours is in it, so that nothing of ours can be slow in it.
"""

import asyncio
import math
import os
import sys
import time
from typing import get_args

import uvloop

from benchmarks.streams import STALLED_EVENTS, Kind, Ready, make_ready, make_schedule

DUE_S = make_schedule("bare")

ANSWERS: dict[Kind, str] = {
    "once": "send_whole",
    "differing": "send_whole",
    "events": "send_events",
    "paced": "start",
    "stalled": "stall",
}
"""The method that answers in the way of a kind."""


class Bare(asyncio.Protocol):
    """Answers each request in the way of `kind`."""

    def __init__(self, kind: Kind, ready: Ready, whole: bytes, loop: asyncio.AbstractEventLoop) -> None:
        self.answer = getattr(self, ANSWERS[kind])
        self.ready = ready
        self.whole = whole
        self.loop = loop

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        self.transport = transport
        self.fd = transport.get_extra_info("socket").fileno()

    def data_received(self, data: bytes) -> None:
        if data.endswith(b"}"):  # the load generator sends a request whole, and its body last
            self.answer()

    def send_whole(self) -> None:
        self.transport.write(self.whole)

    def send_events(self) -> None:
        self.send(self.ready.head + self.ready.events[0])
        for event in self.ready.events[1:]:
            self.send(event)
        self.send(self.ready.end)

    def stall(self) -> None:
        self.transport.write(self.ready.head + b"".join(self.ready.events[:STALLED_EVENTS]))

    def send(self, data: bytes) -> None:
        """One send call; what the kernel does not take at once is left to the transport."""
        if self.transport.is_closing():
            return
        taken = 0
        if not self.transport.get_write_buffer_size():
            try:
                taken = os.write(self.fd, data)
            except BlockingIOError:
                pass
            except OSError:
                self.transport.abort()
                return
        if taken < len(data):
            self.transport.write(data[taken:])

    def start(self) -> None:
        self.started = time.perf_counter()
        self.next = 0
        self.play()

    def play(self) -> None:
        """Send what is due, and set the timer for what is due next."""
        events, due_s, at = self.ready.events, DUE_S, self.next
        passed = time.perf_counter() - self.started
        end = at
        while end < len(events) and due_s[end] <= passed:
            end += 1
        if end > at:
            self.send((b"" if at else self.ready.head) + b"".join(events[at:end]))
            self.next = end
        if end == len(events):
            self.send(self.ready.end)
        elif not self.transport.is_closing():
            # uvloop's timers count whole milliseconds and round: rounded up here, none comes early.
            self.loop.call_later(math.ceil((due_s[end] - passed) * 1000) / 1000, self.play)


async def serve(kind: Kind, port: int) -> None:
    """Serve until the process is told to end."""
    loop, ready = asyncio.get_running_loop(), make_ready()
    whole = ready.whole
    server = await loop.create_server(lambda: Bare(kind, ready, whole, loop), "127.0.0.1", port, backlog=4096)
    await server.serve_forever()


def main(arguments: list[str]) -> None:
    """The command line."""
    kind, port = arguments
    if kind not in get_args(Kind):
        raise SystemExit(f"bare: expected one of {', '.join(get_args(Kind))}, got {kind}")
    uvloop.run(serve(kind, int(port)))  # type: ignore[arg-type]


if __name__ == "__main__":
    main(sys.argv[1:])
