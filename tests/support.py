"""What tests over real sockets share: a raw HTTP/1.1 client that records what comes, and waiting for what must happen.

The client knows nothing of the server's code: it sends the bytes it is given, keeps every byte that arrives with the moment
and the boundaries of each read, and says how the connection ended.
"""

import importlib.metadata
import json
import os
import socket
import struct
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Literal, NoReturn, Self, TypeVar
from urllib.parse import urlsplit

import pytest

from mockserver.connection import Connection
from mockserver.server import MockServer

End = Literal["FIN", "RST", "timeout"]
"""How a connection ended: orderly, by reset, or not at all within the client's patience."""

PATIENCE_S = 10.0
"""How long anything that must happen may take; reached only where a test fails."""

_T = TypeVar("_T")


@dataclass(frozen=True, slots=True)
class Read:
    """What one read returned, and when (seconds of `time.monotonic`)."""

    at_s: float
    data: bytes


@dataclass(frozen=True, slots=True)
class Answer:
    """One HTTP answer. `raw` is every byte of it, `body` what its transfer coding carries, `framing` what ended it."""

    version: str
    status: int
    headers: tuple[tuple[str, str], ...]
    body: bytes
    framing: Literal["chunked", "length", "close", "none"]
    raw: bytes
    interim: tuple[int, ...] = ()

    def header(self, name: str) -> str | None:
        """The value of a header, the last one if it is there several times."""
        return {key.lower(): value for key, value in self.headers}.get(name.lower())

    @property
    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def events(self) -> list[Any]:
        """The data of the events in the body, as JSON where it is JSON."""
        blocks = self.body.decode().removesuffix("\n\n").split("\n\n")
        return [data if data == "[DONE]" else json.loads(data) for data in (b.removeprefix("data: ") for b in blocks)]

    @property
    def content(self) -> str:
        """The text of the first choice, whether the answer was streamed or not."""
        assert self.status == 200, f"{self.status}: {self.body!r}"
        if (self.header("content-type") or "").startswith("text/event-stream"):
            deltas = [event["choices"][0]["delta"] for event in self.events if event != "[DONE]" and event["choices"]]
            return "".join(delta.get("content") or "" for delta in deltas)
        return str(self.json["choices"][0]["message"]["content"])


class AnswerCutError(Exception):
    """The connection ended, or nothing came for too long, before an answer was complete."""


class RawClient:
    """A client on a bare socket, as a context manager.

    `receive_buffer` makes the kernel's buffer small, so that the server soon cannot send on. `end` is None until the end of
    the connection was read.
    """

    def __init__(
        self, server: MockServer | str, *, receive_buffer: int | None = None, patience_s: float = PATIENCE_S
    ) -> None:
        url = urlsplit(server if isinstance(server, str) else server.url)
        family, _, _, _, address = socket.getaddrinfo(url.hostname, url.port, type=socket.SOCK_STREAM)[0]
        self.socket = socket.socket(family, socket.SOCK_STREAM)
        if receive_buffer is not None:
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        self.socket.settimeout(patience_s)
        try:
            self.socket.connect(address)
        except OSError:
            self.socket.close()
            raise
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.reads: list[Read] = []
        self.end: End | None = None
        self._unparsed = bytearray()
        self._answer = bytearray()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    # Sending

    def send(self, data: bytes) -> None:
        """Send all of `data`."""
        self.socket.sendall(data)

    def send_pieces(self, data: bytes, size: int = 1) -> None:
        """Send `data` in segments of `size` bytes."""
        for at in range(0, len(data), size):
            self.socket.sendall(data[at : at + size])

    def ask(self, body: Any = None, method: str = "POST", path: str = "/v1/chat/completions", **headers: str) -> Answer:
        """Send one request and read its answer."""
        self.send(render_request(body, method, path, headers))
        return self.read_answer(to=method)

    def end_writing(self) -> None:
        """Send FIN, and go on reading."""
        self.socket.shutdown(socket.SHUT_WR)

    def close(self) -> None:
        """Leave: by FIN or, where something is unread, by whatever the system does then."""
        self.socket.close()

    def reset(self) -> None:
        """Leave by RST."""
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.socket.close()

    # Receiving

    @property
    def received(self) -> bytes:
        """Every byte that was read so far."""
        return b"".join(read.data for read in self.reads)

    def read(self, most: int = 65536) -> bytes:
        """One read; nothing if the connection ended, and `end` then says how."""
        if self.end is not None:
            return b""
        try:
            data = self.socket.recv(most)
        except TimeoutError:
            self.end = "timeout"
            return b""
        except ConnectionError:
            self.end = "RST"
            return b""
        if not data:
            self.end = "FIN"
            return b""
        self.reads.append(Read(time.monotonic(), data))
        self._unparsed += data
        return data

    def read_to_end(self) -> End:
        """Read until the connection ends; returns how."""
        while self.end is None:
            self.read()
        return self.end

    def read_until(self, text: bytes) -> bytes:
        """Read until `text` has come; returns every byte read so far. Raises `AnswerCutError`."""
        while text not in self.received:
            if not self.read():
                raise AnswerCutError(f"{self.end} before {text!r}, after {self.received!r}")
        return self.received

    def read_answer(self, to: str = "POST") -> Answer:
        """Read one answer to a request of the method `to`; bytes after it are kept for the next. Raises `AnswerCutError`."""
        self._answer.clear()
        interim: list[int] = []
        while True:
            version, status, headers = self._read_head()
            if not 100 <= status < 200 or status == 101:
                break
            interim.append(status)
        fields = {name.lower(): value for name, value in headers}
        # RFC 9112 6.3 "Message Body Length", in its order.
        framing: Literal["chunked", "length", "close", "none"]
        if to == "HEAD" or status in (204, 304):
            framing, body = "none", b""
        elif "transfer-encoding" in fields:
            assert fields["transfer-encoding"] == "chunked"
            assert "content-length" not in fields
            framing, body = "chunked", self._read_chunked()
        elif "content-length" in fields:
            framing, body = "length", self._take(int(fields["content-length"]))
        else:
            framing, body = "close", self._take_rest()
        return Answer(version, status, tuple(headers), body, framing, bytes(self._answer), tuple(interim))

    def _read_head(self) -> tuple[str, int, list[tuple[str, str]]]:
        version, status, _ = self._take_line().decode("latin-1").split(" ", 2)
        headers = []
        while line := self._take_line():
            name, colon, value = line.decode("latin-1").partition(": ")
            assert colon, f"not a header: {line!r}"
            headers.append((name, value))
        return version, int(status), headers

    def _read_chunked(self) -> bytes:
        body = bytearray()
        while size := int(self._take_line().partition(b";")[0], 16):
            body += self._take(size)
            assert self._take(2) == b"\r\n"
        while self._take_line():
            pass  # trailers
        return bytes(body)

    def _take_line(self) -> bytes:
        while (end := self._unparsed.find(b"\r\n")) < 0:
            self._need_more()
        return self._take(end + 2)[:-2]

    def _take(self, size: int) -> bytes:
        while len(self._unparsed) < size:
            self._need_more()
        taken = bytes(self._unparsed[:size])
        del self._unparsed[:size]
        self._answer += taken
        return taken

    def _take_rest(self) -> bytes:
        self.read_to_end()
        if self.end != "FIN":
            raise AnswerCutError(f"{self.end} in a body that is ended by the connection's close")
        return self._take(len(self._unparsed))

    def _need_more(self) -> None:
        if not self.read():
            raise AnswerCutError(f"{self.end} after {bytes(self._answer + self._unparsed)!r}")


def render_request(
    body: Any = None,
    method: str = "POST",
    path: str = "/v1/chat/completions",
    headers: Mapping[str, str] | Iterable[tuple[str, str]] = (),
    version: str = "1.1",
) -> bytes:
    """The bytes of a request. `body`: bytes as they are, None for none at all, anything else as JSON."""
    data = body if isinstance(body, bytes) else b"" if body is None else json.dumps(body).encode()
    fields = {"host": "mock", **({} if body is None else {"content-length": str(len(data))})}
    fields |= {name.replace("_", "-").lower(): value for name, value in dict(headers).items()}
    lines = [f"{method} {path} HTTP/{version}", *(f"{name}: {value}" for name, value in fields.items())]
    return "\r\n".join(lines).encode("latin-1") + b"\r\n\r\n" + data


def chat(content: str = "hello", stream: bool = True, **more: Any) -> dict[str, Any]:
    """The body of a chat request."""
    return {"model": "gpt-4o-mini", "messages": [{"role": "user", "content": content}], "stream": stream, **more}


def wait_until(condition: Callable[[], _T], what: str = "", patience_s: float = PATIENCE_S) -> _T:
    """Return what `condition` returns as soon as that is true. Fails if it does not become true."""
    bound = time.monotonic() + patience_s
    while True:
        if result := condition():
            return result
        assert time.monotonic() < bound, f"did not happen within {patience_s} s: {what or condition}"
        time.sleep(0.0005)


def held(server: MockServer) -> tuple[int, int]:
    """How many connections and tasks a running server holds at the moment."""
    assert server._thread is not None
    state = server._thread._server.server_state
    return len(state.connections), len(state.tasks)


def open_descriptors() -> int:
    """How many descriptors this process has open, the one that counts them left out."""
    return len(os.listdir("/dev/fd")) - 1


def lent_connections(server: MockServer) -> list[Connection]:
    """The connections that are lent at the moment: one for each request that waits for its answer or is getting it."""
    assert server._thread is not None
    protocols = list(server._thread._server.server_state.connections)
    return [connection for protocol in protocols for connection in list(getattr(protocol, "lent", ()))]


CI_FOLDER = Path(__file__).parents[1] / ".ci"


def read_pins(name: str = "constraints.txt") -> dict[str, str]:
    """The versions that a file of constraints pins, by distribution."""
    lines = (line.partition("#")[0].split("==") for line in (CI_FOLDER / name).read_text(encoding="utf-8").splitlines())
    return {pin[0].strip(): pin[1].strip() for pin in lines if len(pin) == 2}


def skip_unless_pinned(reason: str) -> NoReturn:
    """Skip a test that needs what CI pins. In CI itself that is a hole in the suite: it fails, but with the oldest versions."""
    oldest = read_pins("constraints-oldest.txt")["openai"] == importlib.metadata.version("openai")
    if os.environ.get("CI") and not oldest:
        pytest.fail(f"{reason}; CI is to have what .ci/constraints*.txt pins, and to judge it")
    pytest.skip(f"{reason} (the oldest versions)" if oldest else reason)
