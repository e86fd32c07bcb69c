"""What the tests of faults, plans and deliveries share: plans of one small reply, and a reader of their bytes.

The reader is written for these tests alone and shares no code with what made the bytes: h11 for HTTP, zlib and brotli for the
codings, the rules of the WHATWG standard for events. It says what it saw, and everything that was not as it should be.
"""

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from itertools import islice
from typing import Any

import h11
from msgspec.structs import replace

from mockserver.delivery import Delivery
from mockserver.faults import Fault
from mockserver.plan import Plan, Terms, plan_turn
from mockserver.reply import Reply
from mockserver.request import ChatRequest
from mockserver.scenario import ErrorReply, Turn, convert
from mockserver.steps import End, Head, Step, Write
from mockserver.timing import Timing
from tests.mockserver.strategies_local import ask
from tests.mockserver.test_http import decoder

PIECES = ("Hel", "lo ", "né", "🙂")
CONTENT = "".join(PIECES)
KINDS = ("role", "delta", "delta", "delta", "delta", "finish", "usage", "done")
"""The events of the plain stream: what each is for."""

STREAM = {"stream": True, "stream_options": {"include_usage": True, "include_obfuscation": False}}


def request(stream: bool = True, **more: Any) -> ChatRequest:
    return ask(**{**(STREAM if stream else {}), **more})


def make_plan(
    *faults: Fault,
    delivery: Delivery | dict[str, Any] | None = None,
    timing: Timing | dict[str, Any] | None = None,
    error: ErrorReply | None = None,
    stream: bool = True,
    terms: Terms | None = None,
    **more: Any,
) -> Plan:
    """The plan of the small reply with these faults and whatever else is told; mappings are written as in a file."""
    made = convert(delivery, Delivery) if isinstance(delivery, dict) else delivery or Delivery()
    made = replace(made, faults=(*made.faults, *faults))
    timed = convert(timing, Timing) if isinstance(timing, dict) else timing or Timing()
    reply = None if error else Reply(content=CONTENT, pieces=PIECES)
    turn = Turn(reply=reply, error=error, timing=timed, delivery=made)
    return plan_turn(turn, request(stream, **more), terms or Terms(accept_encoding="gzip, deflate, br"))


def data_of(steps: Iterable[Step]) -> bytes:
    """Every byte that the steps hand over."""
    return b"".join(step.data for step in steps if isinstance(step, Head | Write))


def last_of(steps: Iterable[Step]) -> Step:
    *_, last = steps
    return last


@dataclass
class Reading:
    """What came of an answer. `problems` tells of everything that a right consumer would stumble over."""

    headers: dict[str, str] = field(default_factory=dict)
    status: int = 0
    body: bytes = b""
    contents: list[str] = field(default_factory=list)
    finishes: list[str] = field(default_factory=list)
    finished: set[int] = field(default_factory=set)
    usage: Any = None
    is_done: bool = False
    is_complete: bool = False
    problems: list[str] = field(default_factory=list)


def read_answer(steps: Iterable[Step], most: int = 4_000) -> Reading:
    """Read what the steps hand over, as far as `most` steps go."""
    reading = Reading()
    client = h11.Connection(h11.CLIENT, max_incomplete_event_size=1 << 20)
    client.send(h11.Request(method="POST", target="/", headers=[("Host", "mock")]))
    client.send(h11.EndOfMessage())
    raw = bytearray()
    played = list(islice(steps, most))
    closes = not isinstance(played[-1], End) or played[-1].close
    try:
        for data in [data_of(played), *([b""] if closes else [])]:
            client.receive_data(data)
            while not reading.is_complete and (event := client.next_event()) not in (h11.NEED_DATA, h11.PAUSED):
                if isinstance(event, h11.Response):
                    reading.status = event.status_code
                    reading.headers = {name.decode(): value.decode("latin-1") for name, value in event.headers}
                elif isinstance(event, h11.Data):
                    raw += event.data
                elif isinstance(event, h11.EndOfMessage):
                    reading.is_complete = True
                elif isinstance(event, h11.ConnectionClosed):
                    break
    except h11.RemoteProtocolError as error:
        reading.problems.append(f"HTTP: {error}")
    if not reading.is_complete:
        reading.problems.append("HTTP: not complete")
    _decode(reading, bytes(raw))
    _read_body(reading)
    return reading


def _decode(reading: Reading, raw: bytes) -> None:
    coding = reading.headers.get("content-encoding")
    if coding is None:
        reading.body = raw
        return
    unpack, body = decoder(coding), bytearray()
    try:
        for at in range(0, len(raw), 16):  # in pieces, to have what stands before a mistake
            body += unpack(raw[at : at + 16])
    except Exception as error:  # zlib's and brotli's have no common parent
        reading.problems.append(f"coding: {error}")
    reading.body = bytes(body)


def _read_body(reading: Reading) -> None:
    content_type = reading.headers.get("content-type", "")
    if content_type.lower().startswith("text/event-stream"):
        for name, data in parse_events(reading.body):
            if reading.is_done:
                break
            _read_event(reading, name, data)
        if not reading.finishes or reading.finished != set(range(len(reading.contents))):
            reading.problems.append("events: no finish")
        return
    try:
        answer = json.loads(reading.body)
        for choice in answer["choices"]:
            reading.contents.append(choice["message"]["content"])
            reading.finishes.append(choice["finish_reason"])
        reading.usage, reading.is_done = answer["usage"], True
    except (ValueError, LookupError, TypeError) as error:
        reading.problems.append(f"body: {error!r}")
    if "json" not in content_type:
        reading.problems.append(f"body: {content_type}")


def _read_event(reading: Reading, name: str, data: str) -> None:
    if data == "[DONE]":
        reading.is_done = True
        return
    try:
        chunk = json.loads(data)
        if name not in ("", "message"):
            reading.problems.append(f"events: an event {name}")
        if not isinstance(chunk, dict) or "error" in chunk or "choices" not in chunk:
            reading.problems.append(f"events: no chunk: {data[:80]}")
            return
    except ValueError:
        reading.problems.append(f"events: no JSON: {data[:80]}")
        return
    if chunk.get("usage"):
        reading.usage = chunk["usage"]
    for choice in chunk["choices"]:
        while len(reading.contents) <= choice["index"]:
            reading.contents.append("")
        reading.contents[choice["index"]] += choice["delta"].get("content") or ""
        if choice["finish_reason"]:
            reading.finishes.append(choice["finish_reason"])
            reading.finished.add(choice["index"])


def parse_events(body: bytes) -> Iterator[tuple[str, str]]:
    """Name and data of each event, by WHATWG HTML 9.2.5 and 9.2.6."""
    text = body.decode("utf-8", "replace").removeprefix("\ufeff")
    name, data = "", list[str]()
    for line in text.replace("\r\n", "\n").replace("\r", "\n").split("\n")[:-1]:
        if not line:
            if data:
                yield name, "\n".join(data)
            name, data = "", []
            continue
        key, _, value = line.partition(":")
        value = value.removeprefix(" ")
        if key == "data":
            data.append(value)
        elif key == "event":
            name = value
