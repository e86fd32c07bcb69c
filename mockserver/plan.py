"""The arrows applied in order: what is to be answered -> all steps of one request.

A plan can be iterated again and again with the same result. Nothing is rendered before it is asked for, and nothing is
kept: what is rendered leaves in slices of at most 64 KiB.
"""

from collections.abc import Callable, Generator, Iterable, Iterator
from itertools import chain
from typing import Protocol

import msgspec
from msgspec import Struct

from mockserver.chat_completion import make_completion
from mockserver.chunks import Identity
from mockserver.completion import complete
from mockserver.delivery import Delivery
from mockserver.dialects import resolve_dialect
from mockserver.errors import RequestError, type_of_error
from mockserver.faults import AnyFault, Around, choose
from mockserver.faults.cuts import pause_at
from mockserver.generate import generate_reply
from mockserver.http import JSON_TYPE, STREAM_TYPE
from mockserver.ids import IdGenerator, make_id, shape_id
from mockserver.message import Message
from mockserver.plain import is_plain, plain_writes
from mockserver.request import ChatRequest
from mockserver.scenario import ErrorReply, Turn
from mockserver.sse import Slice
from mockserver.steps import End, Step
from mockserver.stream import Stream, WholeAnswer, comment_while_waiting, delay
from mockserver.timing import Schedule, Timing
from mockserver.tokens import Tokenizer, split_text
from mockserver.writes import MEANWHILE, cut_body, make_writes

_SLICES_AT_ONCE = 16
"""How many slices are rendered without a pause: up to 1 MiB, which takes a gzip of large blocks some 10 ms."""


class Plan:
    """All steps of one request; iterable again and again.

    `status` is the HTTP status of its head, `stream` what it streams, None where it does not. `in_short` renders the same with
    what is due together in one write, where that can be done faster.
    """

    __slots__ = ("_in_short", "_render", "status", "stream")

    def __init__(
        self,
        status: int,
        render: Callable[[], Iterator[Step]],
        stream: Stream | None = None,
        in_short: Callable[[], Iterator[Step] | None] = lambda: None,
    ) -> None:
        self.status = status
        self.stream = stream
        self._render = render
        self._in_short = in_short

    def __iter__(self) -> Iterator[Step]:
        return self._render()

    def in_short(self) -> Iterator[Step]:
        """The same bytes, due times and send calls, for who plays them: some writes may stand for several of the plan's."""
        return self._in_short() or self._render()


class Terms(Struct, frozen=True):
    """What decides an answer's bytes besides scenario and request.

    `seed` names server seed, scenario and request, the same for a repeated request; `ordinal` tells repetitions apart.
    `wall_s` is the moment of the answer in seconds since 1970. `headers` are added to the answer's own.
    """

    seed: str = "0"
    ordinal: int = 0
    wall_s: float = 0.0
    http_version: str = "1.1"
    keep_alive: bool = True
    accept_encoding: str = ""
    headers: tuple[tuple[str, str], ...] = ()
    ids: IdGenerator = make_id
    tokenizer: Tokenizer = split_text

    @property
    def key(self) -> str:
        """A text that only this request has."""
        return f"{self.seed}/{self.ordinal}"


def plan_turn(turn: Turn, request: ChatRequest, terms: Terms) -> Plan:
    """The plan of one turn of a scenario: a stream, a whole answer, or an HTTP error."""
    delivery = resolve_dialect(turn.delivery)
    key = terms.key
    faults = tuple(choose(delivery.faults, key))
    timing = turn.timing
    schedule = Schedule(timing, key if timing.seed is None else f"{timing.seed}/{terms.ordinal}")
    if turn.error is not None:
        text, content_type = render_error(turn.error)
        answer = WholeAnswer(text, schedule.ttft_s, faults)
        extra = tuple(turn.error.headers.items())
        return _Rendering(answer, turn.error.status, content_type, timing, delivery, terms, faults, extra).plan()
    reply = turn.meaning or generate_reply(request, terms.seed)
    ids, created = delivery.ids, int(terms.wall_s)
    call_ids = (shape_id(ids.call, terms.ids("call_", f"{key}/{k}"), created, k) for k in range(1_000_000))
    completion = complete(reply, request, terms.tokenizer, call_ids)
    identity = Identity(
        id=shape_id(ids.completion, terms.ids("chatcmpl-", key), created),
        created=created,
        model=request.model,
        seed=terms.seed,
    )
    if request.stream:
        stream = Stream(completion, request, identity, schedule, delivery, faults)
        return _Rendering(stream, 200, STREAM_TYPE, timing, delivery, terms, faults, chunked=True).plan()
    last = max((len(choice.tokens) for choice in completion.choices), default=0)
    due_s = next(due for k, due in enumerate(schedule, 1) if k >= last)
    whole = WholeAnswer(msgspec.json.encode(make_completion(completion, request, identity)), due_s, faults)
    return _Rendering(whole, 200, JSON_TYPE, timing, delivery, terms, faults).plan()


class _Answer(Protocol):
    """What has a body: a stream or a whole answer."""

    def body(self) -> Iterator[Slice]: ...

    @property
    def around(self) -> Around: ...


class _Rendering(Struct, frozen=True):
    """From the body of an answer to the steps: time, codings, head, faults of the wire, writes."""

    answer: _Answer
    status: int
    content_type: str
    timing: Timing
    delivery: Delivery
    terms: Terms
    faults: tuple[AnyFault, ...] = ()
    extra: tuple[tuple[str, str], ...] = ()
    chunked: bool = False

    def plan(self) -> Plan:
        stream = self.answer if isinstance(self.answer, Stream) else None
        message = self._message()
        return Plan(message.status, lambda: self.steps(message), stream, lambda: self.plain_steps(message))

    def steps(self, message: Message) -> Iterator[Step]:
        """All steps, rendered as they are asked for."""
        around = self.answer.around if self.faults or self.timing.pauses else Around()
        wire: Iterable[Slice | Step] = self._wire(message, around)
        for fault in self.faults:
            wire = fault.on_wire(wire, around)
        return make_writes(wire, self.delivery.writes, self.terms.key)

    def plain_steps(self, message: Message) -> Iterator[Step] | None:
        """The steps of a plain stream, made the short way; None where it is not one."""
        if not (isinstance(self.answer, Stream) and is_plain(self.answer, message, self.timing)):
            return None
        made = plain_writes(self.answer)
        if made is None:
            return None
        due, writes = made
        head_due_s = self._head_due_s(due[0])
        head = Slice(message.head(head_due_s, None), head_due_s, None, "head")
        in_front = make_writes((*message.interims(), head), self.delivery.writes)
        return chain(in_front, writes, (End(due[-1], close=message.closes),))

    def _wire(self, message: Message, around: Around) -> Iterator[Slice | Step]:
        pieces = iter(self._timed(around))
        first = next(pieces)
        last_s = head_due_s = self._head_due_s(first.due_s)
        yield from message.interims()
        length = yield from self._measure(message, around)
        yield Slice(message.head(head_due_s, length), head_due_s, None, "head")
        if message.has_body:
            for piece in message.frame(message.code(chain((first,), pieces), self.faults, around)):
                last_s = piece.due_s
                yield piece
        else:
            yield Slice(b"", head_due_s, None, "end")
        yield End(last_s, close=message.closes)

    def _timed(self, around: Around) -> Iterable[Slice]:
        """The body with the pauses at named places, the comments that fill them, and cut where the writes say so."""
        timing = self.timing
        body: Iterable[Slice] = self.answer.body()
        for pause in timing.pauses:
            if pause.at.target is None:
                body = delay(body, pause.lasts)
            else:
                body = pause_at(pause.at, pause.lasts, body, around.choices)
        if timing.comments is not None and self.chunked:
            body = comment_while_waiting(body, timing.comments.text, timing.comments.every, self._since_s)
        return cut_body(body, self.delivery.writes, self.terms.key)

    @property
    def _since_s(self) -> float:
        """When the wait for the first event begins: the headers told, or the pauses before them."""
        pauses = (pause for pause in self.timing.pauses if pause.at.kind in ("before_reply", "before_headers"))
        return (self.timing.headers or 0.0) + sum(pause.lasts for pause in pauses)

    def _head_due_s(self, first_due_s: float) -> float:
        after_s = sum(pause.lasts for pause in self.timing.pauses if pause.at.kind == "after_headers")
        latest_s = max(first_due_s - after_s, 0.0)
        return latest_s if self.timing.headers is None else min(self._since_s, latest_s)

    def _measure(self, message: Message, around: Around) -> Generator[Slice, None, int | None]:
        """What Content-Length says, where the message has one.

        For that the whole body is rendered; so that a long one stops no other stream, there are slices of no bytes meanwhile.
        """
        if message.transfer != "length" or not message.has_body:
            return None
        length = 0
        for number, piece in enumerate(message.code(self._timed(around), self.faults, around), 1):
            length += len(piece.data)
            if number % _SLICES_AT_ONCE == 0:
                yield MEANWHILE
        for fault in self.faults:
            length = fault.on_length(length)
        return length

    def _message(self) -> Message:
        http = self.delivery.http
        for fault in self.faults:
            http = fault.on_http(http)
        terms = self.terms
        return Message(
            http=http,
            status=http.status or self.status,
            content_type=self.content_type,
            prefers_chunked=self.chunked,
            request_version=terms.http_version,
            keep_alive=terms.keep_alive,
            accept_encoding=terms.accept_encoding,
            wall_s=terms.wall_s,
            request_id=terms.ids("req_", terms.key),
            extra=(*terms.headers, *self.extra),
        )


def render_error(error: ErrorReply) -> tuple[bytes, str]:
    """The body of an HTTP error and its content type: OpenAI's error object, or the scenario's own body."""
    if isinstance(error.body, str):
        return error.body.encode(), "text/html" if error.body.lstrip().startswith("<") else "text/plain; charset=utf-8"
    told = {
        "message": error.message or f"The mock server answers with status {error.status}, as its scenario says.",
        "type": error.type or type_of_error(error.status),
        "param": error.param,
        "code": error.code,
    }
    return msgspec.json.encode({"error": told} if error.body is None else error.body), JSON_TYPE


def plan_refusal(error: RequestError, terms: Terms) -> Plan:
    """The plan of an answer to a wrong request."""
    told = ErrorReply(error.status, error.message, error.type, error.param, error.code)
    return plan_body(error.status, JSON_TYPE, render_error(told)[0], terms, error.headers)


def plan_body(
    status: int, content_type: str, body: bytes, terms: Terms, extra: tuple[tuple[str, str], ...] = ()
) -> Plan:
    """The plan of any other answer: a body sent at once."""
    return _Rendering(WholeAnswer(body, 0.0), status, content_type, Timing(), Delivery(), terms, (), extra).plan()
