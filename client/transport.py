"""Transports for httpx2: one whose every wait ends at a deadline, for the sync surface, and its plain async counterpart.

httpx2 limits each read for itself, so a server that sends a byte now and then is never late. Async code cancels the wait from
outside; blocking code cannot, so here the socket's own timeout is shortened to what is left before each call. The deadline is a
context variable, set around the call that may block (`Until`), and read by the network backend below httpcore2's pool:

    with Until(deadline_s):
        response = http.send(request, stream=True)

Proxies named by the environment are not used: they have no place between a test and its server on the loopback. Whoever needs
one passes an httpx2 client of his own.
"""

from __future__ import annotations

import math
import ssl
import time
from collections.abc import Iterable
from contextvars import ContextVar
from typing import Any

import httpcore2
import httpx2

__all__ = ["DeadlineTransport", "QuickAsyncTransport", "Until"]

DEADLINE_S: ContextVar[float] = ContextVar("deadline_s", default=math.inf)
MAX_CONNECTIONS = 100
KEEPALIVE_EXPIRY_S = 5.0


class Until:
    """Let no wait inside go on past `deadline_s` of `time.monotonic`; infinity for no deadline."""

    __slots__ = ("_deadline_s", "_token")

    def __init__(self, deadline_s: float) -> None:
        self._deadline_s = deadline_s

    def __enter__(self) -> None:
        self._token = DEADLINE_S.set(self._deadline_s)

    def __exit__(self, *_: object) -> None:
        DEADLINE_S.reset(self._token)


class DeadlineTransport(httpx2.HTTPTransport):
    """HTTP/1.1 over TCP and TLS with a pool of connections, as `httpx2.HTTPTransport` has it, under the deadline of `Until`."""

    def __init__(self) -> None:
        # Without the base's own __init__: it would build a pool only to have it replaced, and read certificates that a plain
        # http:// base URL never needs. The pool's place, `_pool`, is the one inner name this rests on; a test watches it.
        self._pool = httpcore2.ConnectionPool(
            max_connections=MAX_CONNECTIONS,
            max_keepalive_connections=MAX_CONNECTIONS,
            keepalive_expiry=KEEPALIVE_EXPIRY_S,
            network_backend=DeadlineBackend(),
        )


class QuickAsyncTransport(httpx2.AsyncHTTPTransport):
    """The same for async code, which needs no deadline of its own, without reading certificates before they are needed."""

    def __init__(self) -> None:
        self._pool = httpcore2.AsyncConnectionPool(
            max_connections=MAX_CONNECTIONS,
            max_keepalive_connections=MAX_CONNECTIONS,
            keepalive_expiry=KEEPALIVE_EXPIRY_S,
        )


class DeadlineBackend(httpcore2.NetworkBackend):
    """Opens connections that keep the deadline."""

    def __init__(self) -> None:
        self._sync = httpcore2.SyncBackend()

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[httpcore2.SOCKET_OPTION] | None = None,
    ) -> httpcore2.NetworkStream:
        """Connect within `timeout` seconds and the deadline."""
        left_s = time_left(timeout, httpcore2.ConnectTimeout)
        return DeadlineStream(self._sync.connect_tcp(host, port, left_s, local_address, socket_options))


class DeadlineStream(httpcore2.NetworkStream):
    """A connection that keeps the deadline."""

    def __init__(self, stream: httpcore2.NetworkStream) -> None:
        self._stream = stream

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        """Read what is there, waiting for it within `timeout` seconds and the deadline."""
        return self._stream.read(max_bytes, time_left(timeout, httpcore2.ReadTimeout))

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        """Write it all within `timeout` seconds and the deadline."""
        self._stream.write(buffer, time_left(timeout, httpcore2.WriteTimeout))

    def close(self) -> None:
        """Close the socket."""
        self._stream.close()

    def start_tls(
        self, ssl_context: ssl.SSLContext, server_hostname: str | None = None, timeout: float | None = None
    ) -> httpcore2.NetworkStream:
        """The same connection with TLS on top."""
        left_s = time_left(timeout, httpcore2.ConnectTimeout)
        return DeadlineStream(self._stream.start_tls(ssl_context, server_hostname, left_s))

    def get_extra_info(self, info: str) -> Any:
        """What the stream below tells of itself."""
        return self._stream.get_extra_info(info)


def time_left(timeout: float | None, error: type[Exception]) -> float | None:
    """Seconds until the earlier of `timeout` from now and the deadline; None for no limit; raises `error` if it has passed."""
    deadline_s = DEADLINE_S.get()
    if deadline_s == math.inf:
        return timeout
    left_s = deadline_s - time.monotonic()
    if left_s <= 0:
        raise error("the deadline has passed")
    return left_s if timeout is None else min(timeout, left_s)
