"""One request that comes in, as ASGI has it: its head, and its body as far as it is read."""

import time
from collections.abc import Mapping
from functools import cached_property

from starlette.types import Message, Scope

from mockserver.connection import Connection

_CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"


class Headers(list[tuple[bytes, bytes]]):
    """The headers of a request as ASGI has them."""

    @cached_property
    def texts(self) -> Mapping[str, str]:
        """The same as text, the bytes as Latin-1; of several with one name the last."""
        return {name.decode("latin-1"): value.decode("latin-1") for name, value in self}


class Incoming:
    """One request: its head is ASGI's `scope`, its body is told by `receive`. Whatever comes wakes the connection's waiter."""

    __slots__ = ("_expects_continue", "_is_told", "_parts", "connection", "is_complete", "scope")

    def __init__(self, scope: Scope, connection: Connection, expects_continue: bool) -> None:
        self.scope = scope
        self.connection = connection
        self.is_complete = False
        self._expects_continue = expects_continue
        self._is_told = False
        self._parts: list[bytes] = []

    def add(self, part: bytes) -> None:
        """Some more of the body was read. What is over the limit is thrown away: unread, it would destroy the answer."""
        connection = self.connection
        connection.received += len(part)
        if not connection.body_over_limit:
            self._parts.append(part)
        connection.wake()

    def end(self, malformed: str | None = None) -> None:
        """No more is read of it: it is complete, or `malformed`."""
        connection = self.connection
        connection.malformed = malformed
        connection.read_at = time.monotonic()
        self.is_complete = True
        connection.wake()

    async def receive(self) -> Message:
        """ASGI's `receive`: what was read of the body since the last call, waiting for it if that is nothing."""
        connection = self.connection
        if self._expects_continue:
            self._expects_continue = False
            connection.say(_CONTINUE)
        while not self._has_news and not connection.left:
            await connection.woken()
        if connection.left:
            return {"type": "http.disconnect"}
        body, self._parts, self._is_told = self.unread, [], self.is_complete
        return {"type": "http.request", "body": body, "more_body": not self.is_complete}

    @property
    def unread(self) -> bytes:
        """What was read of the body and not told yet."""
        return b"".join(self._parts)

    @property
    def _has_news(self) -> bool:
        return not self._is_told and (self.is_complete or bool(self._parts) or self.connection.body_over_limit)
