"""A good small client: `ask(line)` makes the request of one line of the consumer protocol and says what came of it.

Written for one purpose: each row of `variations.py` breaks a few of its lines, and the suite has to notice. So it is plain where
it could be quick, and everything a reader of streams can get wrong stands in a line of its own. It needs the standard library
and, for one coding, brotli.
"""

import json
import re
import select
import socket
import time
import zlib
from collections.abc import Iterator, Mapping
from email.utils import parsedate_to_datetime
from typing import Any
from urllib.parse import urlsplit

import brotli

BOUND_BYTES = 16 << 20
SAID = ("content", "refusal", "reasoning")
KEPT: "dict[tuple[str, int], Wire]" = {}
"""Connections whose last answer was read to its end."""


class BrokenError(Exception):
    """The answer is not good."""


class Again(BrokenError):  # noqa: N818
    """The answer is not good, and another try may be; after `wait_s`, if the server said so."""

    def __init__(self, message: str, wait_s: float | None = None) -> None:
        super().__init__(message)
        self.wait_s = wait_s


# HTTP


class Wire:
    """One connection: lines and bytes, each wait bounded."""

    def __init__(self, address: tuple[str, int], timeout_s: float) -> None:
        self.socket = socket.create_connection(address, timeout_s)
        self.unread = b""
        self.ended = False

    def read(self) -> bytes:
        data = self.unread or self.socket.recv(65536)
        self.unread = b""
        self.ended = not data
        return data

    def need(self) -> bytes:
        data = self.read()
        if not data:
            raise Again("the connection ended before its answer")
        return data

    def line(self) -> bytes:
        data = b""
        while b"\r\n" not in data:
            if len(data) > 65536:
                raise BrokenError("a line of HTTP that does not end")
            data += self.need()
        found, self.unread = data.split(b"\r\n", 1)
        return found

    def take(self, size: int) -> Iterator[bytes]:
        while size:
            data = self.need()
            self.unread = data[size:]
            data = data[:size]
            size -= len(data)
            yield data


def send(line: Mapping[str, Any]) -> Wire:
    url = urlsplit(line["base_url"])
    body = json.dumps(line["request"]).encode()
    head = (
        f"POST {url.path}/chat/completions HTTP/1.1\r\nhost: {url.netloc}\r\nauthorization: Bearer {line['api_key']}\r\n"
        f"content-type: application/json\r\naccept: text/event-stream\r\naccept-encoding: gzip, deflate, br\r\n"
        f"content-length: {len(body)}\r\n\r\n"
    )
    address = (str(url.hostname), url.port or 80)
    kept = KEPT.pop(address, None)
    if kept and select.select([kept.socket], [], [], 0)[0]:
        kept.socket.close()  # what has come unasked, an end or more bytes, is no answer to this request
        kept = None
    wire = kept or Wire(address, line["timeout_s"])
    wire.socket.settimeout(line["timeout_s"])
    try:
        wire.socket.sendall(head.encode() + body)
        wire.unread = wire.need()
    except TimeoutError:
        wire.socket.close()
        raise
    except (Again, ConnectionError) as error:
        wire.socket.close()
        if kept is None:
            raise Again(f"no answer: {error}") from error
        return send(line)  # the server had closed the kept connection
    return wire


def read_head(wire: Wire) -> tuple[int, str, dict[str, str]]:
    while True:
        version, status, *_ = wire.line().decode("latin-1").split(" ")
        headers: dict[str, str] = {}
        while field := wire.line():
            name, _, value = field.decode("latin-1").partition(":")
            headers[name.strip().lower()] = value.strip()
        if not 100 <= int(status) < 200:
            return int(status), version, headers


def read_pieces(wire: Wire, headers: Mapping[str, str], status: int) -> Iterator[bytes]:
    if status in (204, 304):
        return
    if headers.get("transfer-encoding", "").lower() == "chunked":
        while size := read_size(wire.line()):
            yield from wire.take(size)
            if wire.line():
                raise BrokenError("a chunk that is longer than it says")
        while wire.line():
            pass  # trailers
    elif "content-length" in headers:
        yield from wire.take(int(headers["content-length"]))
    else:
        while data := wire.read():
            yield data


def read_size(line: bytes) -> int:
    size = line.split(b";")[0].strip()
    if not re.fullmatch(rb"[0-9a-fA-F]+", size):
        raise BrokenError(f"no chunk size: {line!r}")
    return int(size, 16)


def decode(pieces: Iterator[bytes], coding: str) -> Iterator[bytes]:
    if coding in ("", "identity"):
        yield from pieces
        return
    unpack: Any = None
    is_done = True
    for piece in pieces:
        if coding == "br":
            unpack = unpack or brotli.Decompressor()
            yield unpack.process(piece)
            is_done = unpack.is_finished()
            continue
        while piece:
            if unpack is None or unpack.eof:
                raw = coding == "deflate" and piece[0] & 15 != 8
                unpack = zlib.decompressobj(-15 if raw else 47)
            yield unpack.decompress(piece, 1 << 20)
            while unpack.unconsumed_tail:
                yield unpack.decompress(unpack.unconsumed_tail, 1 << 20)
            piece = unpack.unused_data
            is_done = unpack.eof
    if not is_done:
        raise Again("the coded body is cut")


# Server-sent events


class Events:
    """Bytes in, events out: (name, data)."""

    def __init__(self) -> None:
        self.open = b""
        self.begun = False
        self.after_cr = False
        self.size = 0
        self.name = ""
        self.data: list[str] = []

    def feed(self, piece: bytes) -> Iterator[tuple[str, str]]:
        if not self.begun:
            piece = self.open + piece
            if len(piece) < 3 and b"\xef\xbb\xbf".startswith(piece):
                self.open = piece
                return
            self.open = b""
            self.begun = True
            piece = piece.removeprefix(b"\xef\xbb\xbf")
        if self.after_cr and piece.startswith(b"\n"):
            piece = piece[1:]
            self.after_cr = False
        if piece:
            self.after_cr = piece.endswith(b"\r")
        *lines, rest = re.split(rb"\r\n|\n|\r", piece)
        for line in lines:
            whole = self.open + line
            self.open = b""
            self.count(len(line) + 1)
            yield from self.take(whole)
        self.open += rest
        self.count(len(rest))

    def count(self, size: int) -> None:
        self.size += size
        if self.size > BOUND_BYTES:
            raise BrokenError("an event without end")

    def take(self, line: bytes) -> Iterator[tuple[str, str]]:
        if not line:
            name, data = self.name, self.data
            self.name, self.data, self.size = "", [], 0
            if data:
                yield name or "message", "\n".join(data)
            return
        if line.startswith(b":"):
            return
        text = line.decode("utf-8")
        field, _, value = text.partition(":")
        value = value.removeprefix(" ")
        if field == "data":
            self.data.append(value)
        elif field == "event":
            self.name = value
        elif text.startswith('{"') and '"error"' in text:
            raise BrokenError(f"an error outside of any event: {text[:200]}")


# Chunks


class Choice:
    """What is known of one choice."""

    def __init__(self) -> None:
        self.said = dict.fromkeys(SAID, "")
        self.finish_reason: str | None = None
        self.pieces: list[dict[str, Any]] = []
        self.function: dict[str, str] | None = None

    def add(self, choice: Mapping[str, Any]) -> None:
        delta = choice.get("delta") or choice.get("message") or {}
        self.add_content(delta.get("content"))
        self.say("refusal", delta.get("refusal"))
        reasoning = delta.get("reasoning_content") or delta.get("reasoning")
        self.say("reasoning", reasoning if isinstance(reasoning, str) else None)
        for behind, piece in enumerate(delta.get("tool_calls") or ()):
            self.pieces.append({**piece, "behind": behind})
        function = delta.get("function_call")
        if function:
            self.function = self.function or {"name": "", "arguments": ""}
            self.function["name"] = self.function["name"] or function.get("name") or ""
            self.function["arguments"] += as_text(function.get("arguments"))
        self.finish_reason = choice.get("finish_reason") or self.finish_reason

    def say(self, what: str, text: object) -> None:
        if text is not None and not isinstance(text, str):
            raise BrokenError(f"{what}: expected a text, got {text!r}")
        self.said[what] += text or ""

    def add_content(self, content: object) -> None:
        for part in content if isinstance(content, list) else [content]:
            if not isinstance(part, dict):
                self.say("content", part)
            elif part.get("type") == "thinking":
                thinking = part["thinking"]
                self.say("reasoning", thinking if isinstance(thinking, str) else "".join(p["text"] for p in thinking))
            elif part.get("type") == "text":
                self.say("content", part["text"])

    def calls(self) -> list[dict[str, Any]]:
        """Each piece belongs to the call of its index; where all have the same index or none, the id decides."""
        indexes = {piece.get("index") for piece in self.pieces} - {None}
        by_index = len(indexes) > 1
        calls: dict[Any, dict[str, Any]] = {}
        current: Any = None
        for number, piece in enumerate(self.pieces):
            function = piece.get("custom") or piece.get("function") or {}
            id, name = piece.get("id"), function.get("name")
            if by_index and piece.get("index") is not None:
                current = piece["index"]
            elif id and any(call["id"] == id for call in calls.values()):
                current = next(key for key, call in calls.items() if call["id"] == id)
            elif self.begins(piece, id, name, calls.get(current)):
                current = f"new {number}"
            kind = piece.get("type") or ("custom" if "custom" in piece else "function")
            text = "input" if kind == "custom" else "arguments"
            call = calls.setdefault(current, {"id": None, "type": kind, "name": None, text: ""})
            call["id"] = call["id"] or id
            call["name"] = call["name"] or name
            text = "input" if call["type"] == "custom" else "arguments"
            call[text] += as_text(function.get(text))
        keys = sorted(calls) if by_index and all(isinstance(key, int) for key in calls) else list(calls)
        return [calls[key] for key in keys]

    @staticmethod
    def begins(piece: Mapping[str, Any], id: Any, name: Any, call: Mapping[str, Any] | None) -> bool:
        """Whether a piece whose index says nothing, with an id not seen before or none, begins a call."""
        if call is None or id:
            return call is None or bool(name)
        return (name and call["name"] not in (None, name)) or (piece["behind"] and piece.get("index") is None)

    def report(self) -> dict[str, Any]:
        calls = [{"type": "function", "id": None, **self.function}] if self.function else self.calls()
        return {**self.said, "tool_calls": calls, "finish_reason": self.finish_reason}

    def check(self) -> None:
        for call in self.report()["tool_calls"]:
            text = call.get("arguments") or "{}"
            if self.finish_reason not in ("length", "content_filter") and text.strip():
                json.loads(text)


def as_text(arguments: object) -> str:
    return json.dumps(arguments) if isinstance(arguments, dict) else str(arguments or "")


class Reply:
    """What one answer comes to."""

    def __init__(self) -> None:
        self.choices: dict[int, Choice] = {}
        self.usage: Any = None
        self.is_done = False
        self.count = 0

    def take(self, name: str, data: str) -> None:
        if name == "error":
            raise BrokenError(f"the server tells an error: {data[:200]}")
        if data.strip() == "[DONE]":
            self.is_done = True
            return
        if not data.strip() or data.startswith(":"):
            return  # a heartbeat
        try:
            chunk = read_json(data)
        except ValueError:
            if name == "message":
                raise
            return
        self.add(chunk, name)

    def add(self, chunk: Any, name: str = "message") -> None:
        if not isinstance(chunk, dict):
            raise BrokenError(f"no chunk: {chunk!r}")
        choices = chunk.get("choices")
        is_error = chunk.get("error") or chunk.get("type") == "error" or chunk.get("object") == "error"
        if is_error or (not choices and "message" in chunk and ("code" in chunk or "status" in chunk)):
            raise BrokenError(f"the server tells an error: {chunk}")
        if name != "message" and choices is None:
            return
        self.count += 1
        own = (chunk.get("x_groq") or {}).get("usage")
        for place, choice in enumerate(choices or ()):
            own = choice.get("usage") or own
            index = choice.get("index")
            self.choices.setdefault(place if index is None else index, Choice()).add(choice)
        self.usage = chunk.get("usage") or own or self.usage

    def check(self, wanted: int) -> None:
        if not self.choices:
            raise Again("the end came before any choice")
        if not self.is_done and (
            len(self.choices) < wanted or not all(choice.finish_reason for choice in self.choices.values())
        ):
            raise Again("the end came before the finish reason")
        for choice in self.choices.values():
            choice.check()

    def report(self) -> dict[str, Any]:
        choices = [{"index": k, **choice.report()} for k, choice in sorted(self.choices.items())]
        if len(choices) > 1:
            return {"choices": choices, "usage": self.usage}
        return {**(choices or [Choice().report()])[0], "usage": self.usage}


def read_json(text: str) -> Any:
    def refuse(name: str) -> None:
        raise BrokenError(f"{name} is no JSON")

    return json.loads(text, parse_constant=refuse)


# A request


def follow(line: Mapping[str, Any], reply: Reply) -> None:
    """Make the request once and read the answer to its end."""
    wire = send(line)
    is_clean = False
    try:
        status, version, headers = read_head(wire)
        pieces = decode(read_pieces(wire, headers, status), headers.get("content-encoding", "").lower())
        if not 200 <= status < 300:
            refuse_status(status, headers, b"".join(pieces))
        content_type = headers.get("content-type", "").split(",")[-1].split(";")[0].strip().lower()
        if content_type != "text/event-stream":
            raise BrokenError(f"no event stream: {content_type}")
        is_clean = read_events(line, pieces, reply)
        if headers.get("connection", "").lower() == "close" or version == "HTTP/1.0" or wire.ended or wire.unread:
            is_clean = False
        reply.check(line["request"].get("n") or 1)
    except TimeoutError as error:
        raise Again("nothing came for too long") from error
    except ConnectionError as error:
        raise Again(f"the connection broke: {error}") from error
    finally:
        if is_clean:
            KEPT[wire.socket.getpeername()] = wire
        else:
            wire.socket.close()


def refuse_status(status: int, headers: Mapping[str, str], body: bytes) -> None:
    told = f"status {status}: {body[:200]!r}"
    if headers.get("x-should-retry") == "false" or not (status in (408, 409, 429) or status >= 500):
        raise BrokenError(told)
    after_ms, after = headers.get("retry-after-ms"), headers.get("retry-after")
    if after_ms:
        raise Again(told, float(after_ms) / 1000)
    if after and not after.replace(".", "").isdigit():
        raise Again(told, max(parsedate_to_datetime(after).timestamp() - time.time(), 0))
    raise Again(told, float(after) if after else None)


def read_events(line: Mapping[str, Any], pieces: Iterator[bytes], reply: Reply) -> bool:
    """Whether the body was read to its end, so that the connection can be used again."""
    events = Events()
    for piece in pieces:
        for name, data in events.feed(piece):
            reply.take(name, data)
            time.sleep(line["read_pause_ms"] / 1000)
            if line["leave_after_chunks"] and reply.count >= line["leave_after_chunks"]:
                reply.is_done = True
                return False
            if reply.is_done:
                return is_at_end(pieces)
    if events.data and events.data != ["[DONE]"]:
        raise Again("the end came inside an event")
    return True


def is_at_end(pieces: Iterator[bytes]) -> bool:
    try:
        return next(pieces, None) is None
    except (OSError, BrokenError, zlib.error):
        return False


def ask(line: Mapping[str, Any]) -> dict[str, Any]:
    """What came of one line of the protocol."""
    tries = line["retries"] + 1
    while True:
        reply = Reply()
        error: Exception | None = None
        try:
            follow(line, reply)
        except Exception as raised:
            error = raised
        tries -= 1
        if error is None or not isinstance(error, Again) or not tries or reply.count:
            break
        time.sleep(0.5 if error.wait_s is None else error.wait_s)
    told = {"type": type(error).__name__, "message": str(error)} if error is not None else None
    return {"case": line["case"], **reply.report(), "error": told}
