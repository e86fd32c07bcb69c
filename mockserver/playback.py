"""Plan + clock + connection: a response that plays a plan. It returns quietly when it is cancelled or the client leaves."""

import asyncio
import logging
from collections.abc import Iterable

from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from mockserver.clock import Clock
from mockserver.journal import Exchange
from mockserver.meter import Meter
from mockserver.player import Player
from mockserver.steps import Step
from mockserver.transport import borrow

log = logging.getLogger("mockserver")


class Playback(Response):
    """A Starlette response that plays a plan on the connection lent with the request.

    `started` is the clock's time when the request had been read; `time_scale` stretches all due times (0: all at once).
    Raises `ConnectionNotLentError` where no connection is lent.
    """

    def __init__(
        self,
        plan: Iterable[Step],
        exchange: Exchange,
        clock: Clock,
        started: float,
        time_scale: float = 1.0,
        meter: Meter | None = None,
    ) -> None:
        # No call of the parent's: status, headers and body are the plan's.
        self.plan = plan
        self.exchange = exchange
        self.clock = clock
        self.started = started
        self.time_scale = time_scale
        self.meter = meter

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        connection = borrow(scope)
        player = Player(connection, self.exchange, self.clock, self.started, self.time_scale, self.meter)
        try:
            await player.play(self.plan)
        except asyncio.CancelledError:
            player.give_up("stopped")
        except Exception:
            log.exception("request %d: a bug in the mock server: its answer is cut", self.exchange.number)
            player.give_up("failed")
