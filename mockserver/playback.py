"""Plan + player: a response that plays a plan. It returns quietly when it is cancelled or the client leaves."""

import asyncio
import logging
from collections.abc import Callable, Iterable

from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from mockserver.connection import Connection
from mockserver.journal import Exchange
from mockserver.player import Player
from mockserver.steps import Step
from mockserver.transport import borrow

log = logging.getLogger("mockserver")


class Playback(Response):
    """A Starlette response that plays a plan on the connection lent with the request, with the player made for it.

    Raises `ConnectionNotLentError` where no connection is lent.
    """

    def __init__(self, plan: Iterable[Step], exchange: Exchange, make_player: Callable[[Connection], Player]) -> None:
        # No call of the parent's: status, headers and body are the plan's.
        self.plan = plan
        self.exchange = exchange
        self.make_player = make_player

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        player = self.make_player(borrow(scope))
        try:
            await player.play(self.plan)
        except asyncio.CancelledError:
            player.give_up("stopped")
        except Exception:
            log.exception("request %d: a bug in the mock server: its answer is cut", self.exchange.number)
            player.give_up("failed")
