"""The way of one request: its body is read, its answer is planned and played, and both are entered into the journal."""

import asyncio
import logging
import time
from collections.abc import Callable

from starlette.types import Receive, Scope, Send

from mockserver.api.service import Asked, Service
from mockserver.connection import Connection
from mockserver.errors import RequestError
from mockserver.journal import Exchange, Journal
from mockserver.plan import Plan, plan_refusal
from mockserver.playback import play_back
from mockserver.player import Player
from mockserver.steps import Write
from mockserver.transport import borrow

log = logging.getLogger("mockserver")

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
        headers = dict(scope["headers"].texts)
        exchange = self._journal.open(service.settings.clock.wall(), scope["method"], scope["path"], headers)
        try:
            body = await _read_body(receive, connection)
        except asyncio.CancelledError:
            body = None
        try:
            if body is None:
                connection.drop()
                exchange.ended = connection.ending
            else:
                self._journal.keep_body(exchange, body)
                await self._answer(exchange, scope, connection)
        finally:
            if self._in_journal:
                service.meter.ended[exchange.ended or "failed"] += 1
                if service.note is not None:
                    service.note(exchange)

    async def _answer(self, exchange: Exchange, scope: Scope, connection: Connection) -> None:
        service, settings = self._service, self._service.settings
        clock = settings.clock
        # Other clocks may have jumped since, or tell another time.
        read_at = connection.read_at if clock.now is time.monotonic else None
        started = clock.now() if read_at is None else read_at
        asked = Asked(
            exchange.method,
            exchange.path,
            exchange.headers,
            exchange.raw_body,
            exchange,
            scope["http_version"],
            connection.keep_alive,
        )
        plan = self._plan(asked, scope, connection)
        exchange.status = plan.status
        exchange.plan = plan
        meter = service.meter if self._in_journal else None
        player = Player(connection, exchange, clock, started, settings.time_scale, meter)
        is_stream = meter is not None and plan.stream is not None
        service.meter.streams_open += is_stream
        try:
            await play_back(plan.in_short(), player, exchange)
        finally:
            service.meter.streams_open -= is_stream

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
    return b"".join(parts)
