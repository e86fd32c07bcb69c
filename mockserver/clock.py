"""Time as an argument: the real clock, and one that tests can jump."""

import asyncio
import heapq
import math
import time
from collections.abc import Callable
from typing import Protocol


class Timer(Protocol):
    """What `call_at` returns."""

    def cancel(self) -> None: ...


class Clock(Protocol):
    """What the server knows of time. `now` never goes back; `wall` is seconds since 1970."""

    def now(self) -> float: ...

    def wall(self) -> float: ...

    def call_at(self, when: float, callback: Callable[[], None]) -> Timer:
        """Call `callback` in the running loop once `now()` has reached `when`, never before."""
        ...


class RealClock:
    """The machine's clock."""

    now = staticmethod(time.monotonic)
    wall = staticmethod(time.time)

    def call_at(self, when: float, callback: Callable[[], None]) -> Timer:
        # Loops count in whole milliseconds: rounded up, so that nothing leaves early.
        delay_ms = math.ceil((when - time.monotonic()) * 1000)
        return asyncio.get_running_loop().call_later(max(delay_ms, 0) / 1000, callback)


class JumpClock:
    """A clock that stands still until somebody waits, and then jumps to the earliest moment that is waited for.

    Nothing sleeps: a plan of an hour is played in milliseconds, and `now()` tells the times it was played at.
    """

    def __init__(self, wall: float = 1_700_000_000.0) -> None:
        self._now = 0.0
        self._wall = wall
        self._timers: list[tuple[float, int, _JumpTimer]] = []
        self._count = 0

    def now(self) -> float:
        return self._now

    def wall(self) -> float:
        return self._wall + self._now

    def call_at(self, when: float, callback: Callable[[], None]) -> Timer:
        timer = _JumpTimer(callback)
        self._count += 1
        heapq.heappush(self._timers, (when, self._count, timer))
        asyncio.get_running_loop().call_soon(self._jump)
        return timer

    def _jump(self) -> None:
        while self._timers:
            when, _, timer = heapq.heappop(self._timers)
            if timer.callback is not None:
                self._now = max(self._now, when)
                timer.callback()
                return


class _JumpTimer:
    __slots__ = ("callback",)

    def __init__(self, callback: Callable[[], None]) -> None:
        self.callback: Callable[[], None] | None = callback

    def cancel(self) -> None:
        self.callback = None
