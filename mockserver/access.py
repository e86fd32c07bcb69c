"""One line for each request: what was asked, which scenario answered and why, the status, how it ended."""

from collections.abc import Callable

from starlette.types import ASGIApp

from mockserver.api import Service, make_app
from mockserver.journal import MAX_EXCHANGES, Exchange, Journal

WHY_CHARACTERS = 100
"""How much of the reason is shown where a scenario answered; where none did, the reasons are shown whole."""


def describe_exchange(exchange: Exchange) -> str:
    """An exchange in one line.

    >>> describe_exchange(server.requests[0])
    'POST /v1/chat/completions (gpt-4o, stream) -> 200 by paced (first match): complete, 1,203 bytes in 0.140 s'
    """
    chat, why = exchange.chat, " ".join(exchange.why.split())
    asked = f" ({chat.model}{', stream' if chat.stream else ''})" if chat else ""
    by = ""
    if (chat and exchange.status < 400) or exchange.scenario:
        by = f" by {exchange.scenario or 'no scenario'}"
    if exchange.scenario and len(why) > WHY_CHARACTERS:
        why = f"{why[: WHY_CHARACTERS - 1]}…"
    return (
        f"{exchange.method} {exchange.path}{asked} -> {exchange.status or 'no answer'}{by}{f' ({why})' if why else ''}: "
        f"{exchange.ended or 'being played'}, {exchange.bytes_sent:,} bytes in {exchange.ended_s or 0:.3f} s"
    )


def make_noted_app(service: Service, note: Callable[[Exchange], None], keep: int = MAX_EXCHANGES) -> ASGIApp:
    """The application that answers for `service`, and calls `note` with every exchange of its journal that has ended.

    The journal keeps the newest `keep` of them.
    """
    service.journal = Journal(keep)
    service.note = note
    return make_app(service)
