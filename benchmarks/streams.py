"""What every server is asked and what it answers: 200 tokens of four characters, so 203 events, in each of five ways.

The events are a role, 200 tokens, a finish reason and `[DONE]`. A server answers in its own words otherwise: what its chunks
hold beyond that is its own affair, and so is their size.
"""

import json
from dataclasses import dataclass
from typing import Any, Literal

TOKENS = 200
EVENTS = TOKENS + 3
TTFT_S = 0.1
ITL_S = 0.02
REPLIES = 1_000
"""How many replies there are where each request gets another one: more than a server would keep rendered."""

Kind = Literal["once", "differing", "events", "paced", "stalled"]
"""How a stream is sent: unpaced in one write; the same, every request another reply; unpaced, one send call for each event;
20 ms between tokens; stopped for good behind the fifth event."""

STALLED_EVENTS = 5
MODEL = "repeated"


def make_pieces(number: int = 0) -> list[str]:
    """The tokens of reply `number`, each of four characters."""
    return [f" {(number * 7 + k) % 1000:03}" for k in range(TOKENS)]


def model_name(number: int) -> str:
    """The model that reply `number` is asked by, in the kind `differing`."""
    return f"reply-{number:04}"


def make_requests(kind: Kind) -> list[bytes]:
    """The requests, to be sent in turn."""
    models = [model_name(number) for number in range(REPLIES)] if kind == "differing" else [MODEL]
    return [render_request(model) for model in models]


def render_request(model: str) -> bytes:
    """One HTTP request for a stream, with the headers that an SDK cannot do without."""
    messages = [{"role": "user", "content": "bench"}]
    body = json.dumps({"model": model, "messages": messages, "stream": True}).encode()
    head = (
        "POST /v1/chat/completions HTTP/1.1\r\nHost: bench\r\nAccept: application/json\r\nAuthorization: Bearer test\r\n"
        f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    return head.encode() + body


def make_scenarios(kind: Kind) -> dict[str, Any]:
    """The scenario file of our own server."""
    numbers = range(REPLIES) if kind == "differing" else [0]
    more: dict[Kind, dict[str, Any]] = {
        "events": {"delivery": {"writes": {"mode": "event"}}},
        "paced": {"timing": {"ttft": f"{TTFT_S * 1000:.0f}ms", "itl": f"{ITL_S * 1000:.0f}ms"}},
        "stalled": {"delivery": {"faults": [{"fault": "stall", "at": {"before_event": STALLED_EVENTS}}]}},
    }
    return {
        "scenarios": [
            {
                "name": model_name(number) if kind == "differing" else MODEL,
                "reply": {"pieces": make_pieces(number)},
                **more.get(kind, {}),
            }
            for number in numbers
        ]
    }


def make_aimock_fixtures(kind: Kind) -> dict[str, Any]:
    """The fixture file of @copilotkit/aimock, for a chunk size of four characters."""
    numbers = range(REPLIES) if kind == "differing" else [0]
    profiles = {
        "paced": {"ttft": TTFT_S * 1000, "tps": 1 / ITL_S},
        "stalled": {"ttft": 0, "tps": 0.0001},
    }
    return {
        "fixtures": [
            {
                "match": {"model": model_name(number)} if kind == "differing" else {"userMessage": "bench"},
                "response": {"content": "".join(make_pieces(number))},
                **({"streamingProfile": profiles[kind]} if kind in profiles else {}),
            }
            for number in numbers
        ]
    }


def make_chunks(pieces: list[str]) -> list[str]:
    """The data of the events of a stream that sends `pieces`, written by hand as OpenAI's chunks look."""

    def chunk(delta: dict[str, Any], finish: str | None = None) -> str:
        choice = {"index": 0, "delta": delta, "logprobs": None, "finish_reason": finish}
        head = {
            "id": "chatcmpl-123456789012345678901234567",
            "object": "chat.completion.chunk",
            "created": 1_700_000_000,
        }
        told = {**head, "model": MODEL, "service_tier": "default", "system_fingerprint": None, "choices": [choice]}
        return json.dumps(told, separators=(",", ":"))

    role = chunk({"role": "assistant", "content": "", "refusal": None})
    return [role, *(chunk({"content": piece}) for piece in pieces), chunk({}, "stop"), "[DONE]"]


@dataclass(frozen=True, slots=True)
class Ready:
    """Ready-made bytes: the head, each event in a transfer chunk of its own, and the end."""

    head: bytes
    events: tuple[bytes, ...]
    end: bytes = b"0\r\n\r\n"

    @property
    def whole(self) -> bytes:
        """The whole answer."""
        return self.head + b"".join(self.events) + self.end


def make_ready(obfuscation: int = 16) -> Ready:
    """The bytes that the bare limit writes; padded by `obfuscation` characters a chunk, about as our server's are."""
    head = (
        b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream; charset=utf-8\r\n"
        b"date: Thu, 01 Jan 2026 00:00:00 GMT\r\ntransfer-encoding: chunked\r\n\r\n"
    )
    padding = ',"obfuscation":"' + "x" * obfuscation + '"}'
    datas = [data if data == "[DONE]" else data.removesuffix("}") + padding for data in make_chunks(make_pieces())]
    events = (f"data: {data}\n\n".encode() for data in datas)
    return Ready(head, tuple(b"%x\r\n%b\r\n" % (len(event), event) for event in events))


def make_schedule(name: str) -> list[float]:
    """When a server means each of its 203 events to leave, in seconds from the request.

    Ours: role and first token at TTFT, the finish reason and `[DONE]` with the last token. aimock waits before every chunk,
    the role's and the finish reason's too.
    """
    if name == "aimock":
        return [TTFT_S + k * ITL_S for k in range(EVENTS - 1)] + [TTFT_S + (EVENTS - 2) * ITL_S]
    tokens = [TTFT_S + k * ITL_S for k in range(TOKENS)]
    return [TTFT_S, *tokens, tokens[-1], tokens[-1]]
