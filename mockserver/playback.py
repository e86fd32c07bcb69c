"""Plan + player: what answers a request. It returns quietly when it is cancelled or the client leaves."""

import asyncio
import logging
from collections.abc import Iterable

from mockserver.journal import Exchange
from mockserver.player import Player
from mockserver.steps import Step

log = logging.getLogger("mockserver")


async def play_back(plan: Iterable[Step], player: Player, exchange: Exchange) -> None:
    """Play a plan to its end, or as far as it goes: `exchange` tells how it ended."""
    try:
        await player.play(plan)
    except asyncio.CancelledError:
        player.give_up("stopped")
    except Exception:
        log.exception("request %d: a bug in the mock server: its answer is cut", exchange.number)
        player.give_up("failed")
