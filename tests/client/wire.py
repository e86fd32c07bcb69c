"""A server that sends exactly the bytes it is told to, for the tests of this package; it understands nothing of what it sends.

    with ScriptedServer([Reply(head(), chunked(b"data: …")), Reply(RESET)]) as server:
        …  # the first request is answered by the first reply, the second by the second

A reply is a row of steps: bytes to send, or an act. A connection stays open after a reply unless an act ends it. Nothing here
sleeps: whatever waits, waits for the client to send or to leave, and ends when the server is stopped.
"""

from __future__ import annotations

import contextlib
import select
import socket
import struct
import threading
from collections.abc import Callable, Iterable, Sequence
from enum import Enum
from types import TracebackType
from typing import NamedTuple, Self

from msgspec import Struct

READ_BYTES = 65536


class Act(Enum):
    """What can be done to a connection besides sending."""

    CLOSE = "orderly end"
    RESET = "TCP reset"
    HOLD = "send nothing more until the client leaves"


CLOSE, RESET, HOLD = Act.CLOSE, Act.RESET, Act.HOLD


class Drip(NamedTuple):
    """Send `data` again and again, every so many seconds, until the client leaves or `times` is reached."""

    data: bytes
    every_s: float
    times: int = 1_000_000


class Call(NamedTuple):
    """Call `function`: to see or do something at this point of the reply."""

    function: Callable[[], object]


Step = bytes | Act | Drip | Call


class Reply:
    """The steps of one answer."""

    def __init__(self, *steps: Step) -> None:
        self.steps = steps


class Request(Struct):
    """A request as it came. `connection` counts the connections from 0."""

    method: str
    path: str
    headers: dict[str, str]
    body: bytes
    connection: int


def head(status: str = "200 OK", content_type: str | None = "text/event-stream", /, **headers: str) -> bytes:
    """The head of an answer; `headers` have underscores for hyphens. The framing is the caller's to add."""
    lines = [f"HTTP/1.1 {status}"]
    lines += [f"content-type: {content_type}"] if content_type is not None else []
    lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
    return ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1")


def chunk_of(data: bytes) -> bytes:
    """One HTTP chunk."""
    return b"%x\r\n%b\r\n" % (len(data), data) if data else b""


LAST_CHUNK = b"0\r\n\r\n"


def streamed(
    *pieces: bytes, end: Step | None = None, content_type: str | None = "text/event-stream", **headers: str
) -> Reply:
    """An event stream in HTTP chunks, one per piece; ended in order, or by `end` in place of the last chunk."""
    return Reply(
        head("200 OK", content_type, transfer_encoding="chunked", **headers),
        *(chunk_of(piece) for piece in pieces),
        LAST_CHUNK if end is None else end,
    )


def whole(body: bytes, status: str = "200 OK", content_type: str | None = "application/json", **headers: str) -> Reply:
    """A body with its length."""
    return Reply(head(status, content_type, content_length=str(len(body)), **headers) + body)


class ScriptedServer:
    """Listens on a free port of the loopback and answers request after request from `replies`, in the order they come in."""

    def __init__(self, replies: Iterable[Reply]) -> None:
        self.requests: list[Request] = []
        self.left = threading.Event()
        """Set when a client has left in the middle of a reply."""
        self.gone = threading.Event()
        """Set when a client has left after a reply, in order."""
        self._replies = iter(list(replies))
        self._lock = threading.Lock()
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._connections: list[socket.socket] = []
        self._threads: list[threading.Thread] = []
        self._stopping = False

    @property
    def base_url(self) -> str:
        """What a client is pointed to."""
        return f"http://127.0.0.1:{self._listener.getsockname()[1]}/v1"

    @property
    def connection_count(self) -> int:
        """How many connections have been accepted."""
        return len(self._connections)

    def __enter__(self) -> Self:
        self._start(self._accept)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stopping = True
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        for connection in self._connections:
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)
        for thread in self._threads:
            thread.join()

    def _start(self, target: Callable[..., None], *arguments: object) -> None:
        thread = threading.Thread(target=target, args=arguments)
        self._threads.append(thread)
        thread.start()

    def _accept(self) -> None:
        while not self._stopping:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self._connections.append(connection)
            self._start(self._serve, connection, len(self._connections) - 1)

    def _serve(self, connection: socket.socket, number: int) -> None:
        with connection, contextlib.suppress(OSError):
            while True:
                request = read_request(connection, number)
                if request is None:
                    self.gone.set()
                    return
                with self._lock:
                    self.requests.append(request)
                    reply = next(self._replies, None)
                if reply is None or not self._play(connection, reply.steps):
                    return

    def _play(self, connection: socket.socket, steps: Sequence[Step]) -> bool:
        """Whether the connection is still good for another request."""
        for step in steps:
            match step:
                case bytes():
                    try:
                        connection.sendall(step)
                    except OSError:
                        self.left.set()
                        return False
                case Drip():
                    if self._drip(connection, step):
                        return False
                case Call():
                    step.function()
                case Act.HOLD:
                    self._wait_for_leaving(connection, None)
                    return False
                case Act.RESET:
                    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                    return False
                case Act.CLOSE:
                    return False
        return True

    def _drip(self, connection: socket.socket, drip: Drip) -> bool:
        """Whether the client left on the way."""
        for _ in range(drip.times):
            try:
                connection.sendall(drip.data)
            except OSError:
                self.left.set()
                return True
            if self._wait_for_leaving(connection, drip.every_s):
                return True
        return False

    def _wait_for_leaving(self, connection: socket.socket, wait_s: float | None) -> bool:
        """Whether the client left within that time."""
        readable, _, _ = select.select([connection], [], [], wait_s)
        if not readable:
            return False
        with contextlib.suppress(OSError):
            if connection.recv(READ_BYTES, socket.MSG_PEEK):
                return False
        self.left.set()
        return True


def read_request(connection: socket.socket, number: int) -> Request | None:
    """The next request; None if the client has left."""
    data = b""
    while b"\r\n\r\n" not in data:
        piece = connection.recv(READ_BYTES)
        if not piece:
            return None
        data += piece
    top, _, body = data.partition(b"\r\n\r\n")
    first, *lines = top.decode("latin-1").split("\r\n")
    method, path, _ = first.split(" ")
    headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
    while len(body) < int(headers.get("content-length", "0")):
        body += connection.recv(READ_BYTES)
    return Request(method, path, headers, body, number)
