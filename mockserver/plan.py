"""The arrows applied in order: what is to be answered -> all steps of one request.

A plan can be iterated again and again with the same result. Nothing is rendered before it is asked for, and nothing is
kept: what is rendered leaves in slices of at most 64 KiB.
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any

import msgspec

from mockserver.chunks import Identity, make_chunks, obfuscate
from mockserver.completion import make_completion
from mockserver.errors import RequestError
from mockserver.generate import generate_reply
from mockserver.http import (
    CORS_HEADERS,
    JSON_TYPE,
    RATE_LIMIT_HEADERS,
    STREAM_TYPE,
    code_chunked,
    http_date,
    merge_headers,
    render_head,
)
from mockserver.ids import IdGenerator, make_id
from mockserver.reply import Completion, complete
from mockserver.request import ChatRequest
from mockserver.scenario import ErrorReply, Turn
from mockserver.sse import Event, Slice, cut_slice, encode_events
from mockserver.steps import End, Head, Step
from mockserver.timing import Schedule
from mockserver.tokens import Tokenizer, split_text
from mockserver.writes import make_writes

DONE = "[DONE]"


class Plan:
    """All steps of one request; iterable again and again. `status` is the HTTP status of its head."""

    __slots__ = ("_render", "status")

    def __init__(self, status: int, render: Callable[[], Iterator[Step]]) -> None:
        self.status = status
        self._render = render

    def __iter__(self) -> Iterator[Step]:
        return self._render()


@dataclass(frozen=True, slots=True)
class Terms:
    """What decides an answer's bytes besides scenario and request.

    `seed` names server seed, scenario and request, the same for a repeated request; `ordinal` tells repetitions apart.
    `wall_s` is the moment of the answer in seconds since 1970.
    """

    seed: str = "0"
    ordinal: int = 0
    wall_s: float = 0.0
    http_version: str = "1.1"
    keep_alive: bool = True
    ids: IdGenerator = make_id
    tokenizer: Tokenizer = split_text

    @property
    def key(self) -> str:
        """A text that only this request has."""
        return f"{self.seed}/{self.ordinal}"


def plan_turn(turn: Turn, request: ChatRequest, terms: Terms) -> Plan:
    """The plan of one turn of a scenario: a stream, a whole answer, or an HTTP error."""
    schedule = Schedule(turn.timing, _timing_seed(turn, terms))
    if turn.error is not None:
        return _plan_error(turn.error, turn, schedule, terms)
    reply = turn.meaning or generate_reply(request, terms.seed)
    call_ids = (terms.ids("call_", f"{terms.key}/{k}") for k in range(1_000_000))
    completion = complete(reply, request, terms.tokenizer, call_ids)
    identity = Identity(
        id=terms.ids("chatcmpl-", terms.key), created=int(terms.wall_s), model=request.model, seed=terms.seed
    )
    plan = _plan_stream if request.stream else _plan_whole
    return plan(completion, request, identity, schedule, turn, terms)


def _timing_seed(turn: Turn, terms: Terms) -> str:
    return terms.key if turn.timing.seed is None else f"{turn.timing.seed}/{terms.ordinal}"


def _plan_stream(
    completion: Completion, request: ChatRequest, identity: Identity, schedule: Schedule, turn: Turn, terms: Terms
) -> Plan:
    chunked = terms.http_version != "1.0"
    framing = [("Transfer-Encoding", "chunked")] if chunked else []
    first_due_s = schedule.ttft_s
    head = _head(200, STREAM_TYPE, framing, first_due_s, turn, terms, close=not chunked)

    def render() -> Iterator[Step]:
        chunks = obfuscate(make_chunks(completion, request, identity, schedule), terms.seed)
        body = encode_events(_events(chunks))
        wire = code_chunked(body) if chunked else body
        yield from _steps(head, _head_due_s(schedule, first_due_s), wire, terms, close=not chunked)

    return Plan(200, render)


def _events(chunks: Iterable[Any]) -> Iterator[Event]:
    due_s = 0.0
    encode = msgspec.json.encode
    for chunk in chunks:
        due_s = chunk.due_s
        yield Event(encode(chunk.data).decode(), due_s, chunk.kind)
    yield Event(DONE, due_s, "done")


def _plan_whole(
    completion: Completion, request: ChatRequest, identity: Identity, schedule: Schedule, turn: Turn, terms: Terms
) -> Plan:
    last = max((len(choice.tokens) for choice in completion.choices), default=0)
    due_s = next(due for k, due in enumerate(schedule, 1) if k >= last)
    body = msgspec.json.encode(make_completion(completion, request, identity))
    return _plan_body(200, JSON_TYPE, body, due_s, schedule, turn, terms)


def _plan_error(error: ErrorReply, turn: Turn, schedule: Schedule, terms: Terms) -> Plan:
    body, content_type = render_error(error)
    extra = tuple(error.headers.items())
    return _plan_body(error.status, content_type, body, schedule.ttft_s, schedule, turn, terms, extra)


def _plan_body(
    status: int,
    content_type: str,
    body: bytes,
    due_s: float,
    schedule: Schedule,
    turn: Turn,
    terms: Terms,
    extra: tuple[tuple[str, str], ...] = (),
) -> Plan:
    """The plan of an answer that is one body, sent whole at one moment."""
    framing = [("Content-Length", str(len(body)))]
    head = _head(status, content_type, framing, due_s, turn, terms, extra)
    wire = partial(cut_slice, Slice(body, due_s, 0, "whole"))
    return Plan(status, lambda: _steps(head, _head_due_s(schedule, due_s), wire(), terms))


def _steps(head: bytes, head_due_s: float, wire: Iterable[Slice], terms: Terms, close: bool = False) -> Iterator[Step]:
    due_s = head_due_s
    yield Head(head_due_s, head)
    for write in make_writes(wire):
        due_s = write.due_s
        yield write
    yield End(due_s, close=close or not terms.keep_alive)


def _head_due_s(schedule: Schedule, first_due_s: float) -> float:
    return first_due_s if schedule.headers_s is None else min(schedule.headers_s, first_due_s)


def _head(
    status: int,
    content_type: str,
    framing: list[tuple[str, str]],
    processing_s: float,
    turn: Turn,
    terms: Terms,
    extra: tuple[tuple[str, str], ...] = (),
    close: bool = False,
) -> bytes:
    ours = [
        ("Date", http_date(terms.wall_s)),
        ("Content-Type", content_type),
        *framing,
        ("Connection", "close" if close or not terms.keep_alive else "keep-alive"),
        ("openai-processing-ms", str(round(processing_s * 1000))),
        ("openai-version", "2020-10-01"),
        ("x-request-id", terms.ids("req_", terms.key)),
        *RATE_LIMIT_HEADERS.items(),
        *CORS_HEADERS.items(),
    ]
    headers = merge_headers(merge_headers(ours, turn.delivery.http.headers), dict(extra))
    return render_head(status, headers, terms.http_version)


ERROR_TYPES = {
    400: "invalid_request_error",
    401: "authentication_error",
    403: "permission_error",
    404: "invalid_request_error",
    429: "requests",
    500: "server_error",
    503: "service_unavailable",
}


def render_error(error: ErrorReply) -> tuple[bytes, str]:
    """The body of an HTTP error and its content type: OpenAI's error object, or the scenario's own body."""
    if isinstance(error.body, str):
        return error.body.encode(), "text/html" if error.body.lstrip().startswith("<") else "text/plain; charset=utf-8"
    body = (
        error.body
        if error.body is not None
        else {
            "error": {
                "message": error.message
                or f"The mock server answers with status {error.status}, as its scenario says.",
                "type": error.type
                or ERROR_TYPES.get(error.status, "server_error" if error.status >= 500 else "invalid_request_error"),
                "param": error.param,
                "code": error.code,
            }
        }
    )
    return msgspec.json.encode(body), JSON_TYPE


def plan_refusal(error: RequestError, terms: Terms) -> Plan:
    """The plan of an answer to a wrong request."""
    turn = Turn(error=ErrorReply(error.status, error.message, error.type, error.param, error.code, dict(error.headers)))
    return _plan_error(turn.error, turn, Schedule(turn.timing), terms) if turn.error else Plan(500, lambda: iter(()))


def plan_body(
    status: int, content_type: str, body: bytes, terms: Terms, extra: tuple[tuple[str, str], ...] = ()
) -> Plan:
    """The plan of any other answer: a body sent at once."""
    turn = Turn()
    return _plan_body(status, content_type, body, 0.0, Schedule(turn.timing), turn, terms, extra)
