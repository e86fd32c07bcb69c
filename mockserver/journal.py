"""What was asked and what was played: one `Exchange` for each request, kept in the order of arrival."""

import re
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from itertools import islice, repeat
from typing import TYPE_CHECKING, Any

from msgspec import Struct

from mockserver.request import ChatRequest, read_object

if TYPE_CHECKING:
    from mockserver.plan import Plan

_COUNT = re.compile("[0-9]{1,9}")

MAX_EXCHANGES = 10_000
"""How many exchanges are kept; the oldest go first."""

MAX_BODY_BYTES = 64 * 1024 * 1024
"""How many bytes of the requests' bodies are kept, all together; the oldest exchanges go first."""

MAX_PLAYED = 1_000
"""How many writes of one exchange are kept one by one; the totals count all."""


class Played(Struct, frozen=True, gc=False):
    """One send call: when it was due and when it was made (seconds after the request was read), and its size in bytes."""

    due_s: float
    at_s: float
    size: int


class Exchange(Struct):
    """One request and what was played for it.

    `scenario` is the name of the scenario that answered (None: a built-in answer) and `why` says why that one, or why none
    matched. `ended` is None while the answer is being played, then `complete`; `closed`, `reset` or `half-closed`, by a fault;
    `client left (FIN)` or `client left (RST)`; `stopped`, with the server; or `failed`, by a bug of ours.
    `received_at` is wall-clock time, in seconds since 1970. `raw_body` is what was sent; of a body over the limit, the beginning.
    `ended_s` is when, in seconds after the request was read: of a client that left, when it did.
    `bytes_sent` were handed to the kernel; `bytes_acknowledged` by the client's system, where ours tells.
    """

    number: int
    received_at: float
    method: str
    path: str
    headers: dict[str, str]
    raw_body: bytes = b""
    chat: ChatRequest | None = None
    scenario: str | None = None
    why: str = ""
    ordinal: int = 0
    seed: str = ""
    status: int = 0
    steps_played: int = 0
    ended: str | None = None
    ended_s: float | None = None
    bytes_sent: int = 0
    bytes_acknowledged: int | None = None
    late_s: float = 0.0
    plan: "Plan | None" = None
    played: list[Played] = []

    def __repr__(self) -> str:
        shown = (name for name in self.__struct_fields__ if name not in ("chat", "plan", "played"))
        return f"Exchange({', '.join(f'{name}={getattr(self, name)!r}' for name in shown)})"

    @property
    def body(self) -> dict[str, Any]:
        """The JSON object that the client sent, also one that was refused; empty where it sent none: see `raw_body`."""
        return self.chat.raw if self.chat else read_object(self.raw_body)

    @property
    def retry_count(self) -> int:
        """The number of the try, counted from 0, as OpenAI's SDKs tell it in `x-stainless-retry-count`."""
        count = self.headers.get("x-stainless-retry-count", "")
        return int(count) if _COUNT.fullmatch(count) else 0

    def note_write(self, due_s: float, at_s: float, size: int) -> None:
        """Enter one send call."""
        if at_s - due_s > self.late_s:
            self.late_s = at_s - due_s
        if len(self.played) < MAX_PLAYED:
            self.played.append(Played(due_s, at_s, size))

    def note_writes(self, due_s: float, at_s: Sequence[float], sizes: Iterable[int]) -> None:
        """Enter several send calls that were due together, made one after the other."""
        self.late_s = max(self.late_s, at_s[-1] - due_s)
        if (room := MAX_PLAYED - len(self.played)) > 0:
            self.played += islice(map(Played, repeat(due_s), at_s, sizes), room)


class Journal:
    """The exchanges of a server. Written by its loop alone, read from any thread."""

    def __init__(self, keep: int = MAX_EXCHANGES, keep_bytes: int = MAX_BODY_BYTES) -> None:
        self._exchanges: deque[Exchange] = deque(maxlen=keep)
        self._count = 0
        self._keep_bytes = keep_bytes
        self._bytes = 0

    def open(self, received_at: float, method: str, path: str, headers: dict[str, str]) -> Exchange:
        """Enter a request that has just arrived."""
        self._count += 1
        exchange = Exchange(self._count, received_at, method, path, headers)
        self._exchanges.append(exchange)
        return exchange

    def keep_body(self, exchange: Exchange, body: bytes) -> None:
        """Enter the body of a request, which may be of one that was forgotten meanwhile."""
        exchange.raw_body = body
        self._bytes += len(body)
        if self._bytes > self._keep_bytes:
            self._bytes = self._make_room()

    def _make_room(self) -> int:
        """Count the bodies that are still kept, and forget the oldest where they are too many: down to three quarters.

        So it is done once in a while, and what the deque dropped by itself needs no counting.
        """
        sizes = [len(exchange.raw_body) for exchange in list(self._exchanges)]
        total = sum(sizes)
        if total > self._keep_bytes:
            for size in sizes[:-1]:
                if total <= self._keep_bytes * 3 // 4:
                    break
                with suppress(IndexError):  # another thread has cleared them
                    self._exchanges.popleft()
                total -= size
        return total

    def clear(self) -> None:
        """Forget everything."""
        self._exchanges.clear()
        self._count = 0

    def __iter__(self) -> Iterator[Exchange]:
        return iter(list(self._exchanges))

    def __len__(self) -> int:
        return len(self._exchanges)
