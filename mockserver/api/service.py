"""What all endpoints share: the scenarios, the memory, the journal, the clock, and the way of one request through them."""

import asyncio
import logging
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from hashlib import blake2b
from typing import Literal

from msgspec import Struct
from starlette.types import Receive, Scope, Send

from mockserver.clock import Clock, RealClock
from mockserver.connection import Connection
from mockserver.errors import RequestError
from mockserver.ids import IdGenerator, make_id
from mockserver.journal import Exchange, Journal
from mockserver.limits import tell_limits
from mockserver.matching import Scenarios
from mockserver.meter import Meter
from mockserver.plan import Plan, Terms, plan_refusal, plan_turn
from mockserver.playback import Playback
from mockserver.player import Player
from mockserver.request import ChatRequest
from mockserver.scenario import Scenario, Turn
from mockserver.state import State
from mockserver.steps import Write
from mockserver.template import Templates, varies_with_ordinal
from mockserver.tokens import Tokenizer, count_prompt_tokens, split_text
from mockserver.transport import borrow

log = logging.getLogger("mockserver")


Headers = tuple[tuple[str, str], ...]

MAX_LATENESS_S = 0.05
"""How late a write may leave before the log tells of it, unless the server was told otherwise."""


@dataclass(frozen=True, slots=True)
class Settings:
    """What a server was told at its start.

    `models`: the models there are (empty: all). `strict`: a request that no scenario matches gets a 404. `time_scale`
    stretches all pauses; 0 plays them at once. `get_bodies`: what a GET of a scenario's URL asks, by the scenario's name.
    `max_lateness_s`: how late a write may leave before the log tells of it.
    """

    api_key: str | None = None
    models: tuple[str, ...] = ()
    strict: bool = False
    seed: int = 0
    time_scale: float = 1.0
    tokenizer: Tokenizer = split_text
    clock: Clock = field(default_factory=RealClock)
    ids: IdGenerator = make_id
    get_bodies: Mapping[str, bytes] = field(default_factory=dict)
    max_lateness_s: float = MAX_LATENESS_S


class Asked(Struct, frozen=True):
    """One request as the endpoints see it; header names are in lower case."""

    method: str
    path: str
    headers: Mapping[str, str]
    body: bytes
    exchange: Exchange
    http_version: str
    keep_alive: bool


class Service:
    """Answers requests: holds the scenarios, what is remembered of past requests, and the journal.

    `defaults` are asked after all `scenarios`; they are the server's own.
    """

    def __init__(
        self, settings: Settings, scenarios: tuple[Scenario, ...] = (), defaults: tuple[Scenario, ...] = ()
    ) -> None:
        self.settings = settings
        self._defaults = defaults
        self.templates = Templates()
        self.scenarios = (*scenarios, *defaults)
        self.state = State()
        self.state.expect(scenarios)
        self.journal = Journal()
        self.meter = Meter(settings.clock, settings.max_lateness_s)

    @property
    def scenarios(self) -> Scenarios:
        """All scenarios, in the order in which they are asked."""
        return self._scenarios

    @scenarios.setter
    def scenarios(self, scenarios: Iterable[Scenario]) -> None:
        self._scenarios = Scenarios(scenarios)
        self.default_names = frozenset(
            one.name for one in self._scenarios if any(one is default for default in self._defaults)
        )
        """The scenarios that nobody gave: why they do not match is of interest to nobody."""
        self.templates.clear()

    def plan(self, turn: Turn, request: ChatRequest, asked: Asked, terms: Terms, repeats: bool) -> Plan:
        """The plan of a turn; kept as a template where the turn `repeats` and only ids and the time would differ."""
        if not repeats or terms.headers or varies_with_ordinal(turn):
            return plan_turn(turn, request, terms)
        key = (asked.exchange.scenario, asked.body, request.model, terms.http_version, terms.keep_alive)
        return self.templates.plan(key, lambda own: plan_turn(turn, request, own), terms)

    def meet(self) -> Literal["close", "reset", "stall"] | None:
        """What becomes of a connection that has just been made; None: it is served.

        It has no place in the journal, which tells of requests.
        """
        expected = self.state.next_connection()
        if expected is None:
            return None
        name, on_connect = expected
        log.info("%s: a connection gets %s before any request, as on_connect says", name, on_connect.fault)
        return on_connect.fault

    def charge(self, scenario: Scenario, request: ChatRequest) -> Headers:
        """Count a request against the limits of its scenario: the headers that tell them. Raises `RequestError` (429)."""
        limit = scenario.rate_limit
        if limit is None:
            return ()
        tokens = 0
        if limit.tokens_per_minute is not None:
            tokens = count_prompt_tokens(request, self.settings.tokenizer) + (request.limit or 0) * request.n
        now_s = self.settings.clock.now()
        return tell_limits(self.state.charge(scenario.name, limit, tokens, request.model, now_s), now_s)

    def terms(self, asked: Asked, scenario: Scenario | None = None, headers: Headers = ()) -> Terms:
        """What decides the bytes of this answer, to which `headers` are added; counts the request in."""
        settings, exchange = self.settings, asked.exchange
        fingerprint = _fingerprint(asked)
        name = scenario.name if scenario else "" if exchange.chat else asked.path
        seed = scenario.seed if scenario and scenario.seed is not None else settings.seed
        exchange.seed = f"{seed}/{name}/{fingerprint}"
        exchange.ordinal = self.state.next_ordinal(name, fingerprint)
        return Terms(
            seed=exchange.seed,
            ordinal=exchange.ordinal,
            wall_s=settings.clock.wall(),
            http_version=asked.http_version,
            keep_alive=asked.keep_alive,
            accept_encoding=asked.headers.get("accept-encoding", ""),
            headers=headers,
            ids=settings.ids,
            tokenizer=settings.tokenizer,
        )


def _fingerprint(asked: Asked) -> str:
    """What tells requests apart: all they ask for, but not whether the answer is to be streamed, for it is the same one."""
    chat = asked.exchange.chat
    return blake2b(asked.body, digest_size=8).hexdigest() if chat is None else chat.fingerprint


MakePlan = Callable[[Service, Asked, Scope], Plan]
"""What an endpoint is: it makes the plan of an answer, or raises `RequestError`."""


class Endpoint:
    """An ASGI app that answers every request with a plan, and enters both into the journal."""

    def __init__(self, service: Service, make_plan: MakePlan, in_journal: bool = True) -> None:
        self._service = service
        self._make_plan = make_plan
        self._in_journal = in_journal
        self._journal = service.journal if in_journal else Journal(keep=1)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        service = self._service
        connection = borrow(scope)
        headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]}
        clock = service.settings.clock
        exchange = self._journal.open(clock.wall(), scope["method"], scope["path"], headers)
        try:
            body = await _read_body(receive, connection)
        except asyncio.CancelledError:
            body = None
        if body is None:
            connection.drop()
            exchange.ended = connection.ending
            service.meter.ended[exchange.ended] += 1
            return
        # Other clocks may have jumped since, or tell another time.
        read_at = connection.read_at if clock.now is time.monotonic else None
        started = clock.now() if read_at is None else read_at
        self._journal.keep_body(exchange, body)
        asked = Asked(
            scope["method"], scope["path"], headers, body, exchange, scope["http_version"], connection.keep_alive
        )
        plan = self._plan(asked, scope, connection)
        exchange.status = plan.status
        exchange.plan = plan
        meter = service.meter if self._in_journal else None
        scale = service.settings.time_scale
        playback = Playback(
            plan.in_short(), exchange, lambda connection: Player(connection, exchange, clock, started, scale, meter)
        )
        is_stream = meter is not None and plan.stream is not None
        service.meter.streams_open += is_stream
        try:
            await playback(scope, receive, send)
        finally:
            service.meter.streams_open -= is_stream
            if meter is not None:
                meter.ended[exchange.ended or "failed"] += 1

    def _plan(self, asked: Asked, scope: Scope, connection: Connection) -> Plan:
        service = self._service
        try:
            _check_body(connection)
            plan = self._make_plan(service, asked, scope)
        except RequestError as error:
            asked.exchange.why = asked.exchange.why or _reason(error)
            log.info("%s %s -> %d: %s", asked.method, asked.path, error.status, error.message)
            plan = plan_refusal(error, service.terms(asked))
        except Exception:
            log.exception("%s %s: a bug in the mock server", asked.method, asked.path)
            bug = RequestError("The mock server has a bug: its log has the traceback.", status=500)
            plan = plan_refusal(bug, service.terms(asked))
        if asked.method == "HEAD":
            # RFC 9110 9.3.2: "The HEAD method is identical to GET except that the server MUST NOT send content".
            return Plan(plan.status, lambda: (step for step in plan if not isinstance(step, Write)))
        return plan


def _reason(error: RequestError) -> str:
    """Why a request is refused, for the journal: what the client is told, without its hint, and what is behind it."""
    said, cause = error.message.partition(" (HINT: ")[0], error.__cause__
    return f"{said} {type(cause).__name__}: {cause}" if cause else said


def _check_body(connection: Connection) -> None:
    """Raise what the real API answers to a body that is not HTTP or that is too large."""
    if connection.malformed is not None:
        raise RequestError(connection.malformed)
    if connection.body_over_limit:
        raise RequestError(
            f"Maximum content size limit ({connection.max_body_bytes}) exceeded ({connection.body_size} bytes read)",
            status=413,
            type="server_error",
        )


async def _read_body(receive: Receive, connection: Connection) -> bytes | None:
    """The whole body of a request, or None if the client left before it was sent.

    Of a body that is refused only the beginning, as soon as that is clear: the answer must not wait for the rest.
    """
    parts = []
    more = not connection.body_over_limit  # else not even `100 Continue` is due
    while more:
        message = await receive()
        if message["type"] == "http.disconnect":
            return None
        parts.append(message["body"])
        more = message["more_body"] and not connection.body_over_limit
    return b"".join(parts) if len(parts) != 1 else parts[0]
