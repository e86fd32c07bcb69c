"""One line for each request: what was asked, which scenario answered and why, the status, how it ended."""

from collections.abc import Callable
from contextvars import ContextVar

from starlette.types import ASGIApp, Receive, Scope, Send

from mockserver.api import Service, make_app
from mockserver.journal import MAX_EXCHANGES, Exchange, Journal

WHY_CHARACTERS = 100
"""How much of the reason is shown where a scenario answered; where none did, the reasons are shown whole."""

_current: ContextVar[Exchange | None] = ContextVar("_current", default=None)


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
    service.journal = _TellingJournal(keep)
    app = make_app(service)

    async def answer(scope: Scope, receive: Receive, send: Send) -> None:
        _current.set(None)  # the task of a pipelined request begins with the context of the one before
        try:
            await app(scope, receive, send)
        finally:
            exchange = _current.get()
            if exchange is not None:
                note(exchange)

    return answer


class _TellingJournal(Journal):
    """A journal that tells the task of a request which exchange is its own: each request runs in a context of its own."""

    def open(self, received_at: float, method: str, path: str, headers: dict[str, str]) -> Exchange:
        exchange = super().open(received_at, method, path, headers)
        _current.set(exchange)
        return exchange
