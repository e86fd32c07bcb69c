"""Time as an argument: the real clock, and one that tests can jump."""

import asyncio
import heapq
import time
from collections.abc import Callable
from typing import Protocol

from mockserver.wheel import HeldTimer, find_wheel


class Timer(Protocol):
    """What `call_at` returns."""

    def again(self, when: float) -> None:
        """Call back once more, at `when`. For timers that have called, and were not cancelled."""
        ...

    def cancel(self) -> None: ...


class Clock(Protocol):
    """What the server knows of time. `now` never goes back; `wall` is seconds since 1970."""

    def now(self) -> float: ...

    def wall(self) -> float: ...

    def call_at(self, when: float, callback: Callable[[], None]) -> Timer:
        """Call `callback` in the running loop once `now()` has reached `when`, never before. The timer may be set `again`."""
        ...


class RealClock:
    """The machine's clock."""

    now = staticmethod(time.monotonic)
    wall = staticmethod(time.time)

    def call_at(self, when: float, callback: Callable[[], None]) -> Timer:
        return find_wheel().call_at(when, callback)


class JumpClock:
    """A clock that stands still until everybody waits, and then jumps to the earliest moment that is waited for.

    Nothing sleeps: a plan of an hour is played in milliseconds, and `now()` tells the times it was played at. One for each
    event loop.
    """

    def __init__(self, wall: float = 1_700_000_000.0) -> None:
        self._now = 0.0
        self._wall = wall
        self._timers: list[tuple[float, int, HeldTimer]] = []
        self._count = 0
        self._jumps_in: asyncio.AbstractEventLoop | None = None

    def now(self) -> float:
        return self._now

    def wall(self) -> float:
        return self._wall + self._now

    def call_at(self, when: float, callback: Callable[[], None]) -> Timer:
        timer = HeldTimer(self, callback)
        self.set(timer, when)
        return timer

    def set(self, timer: HeldTimer, when: float) -> None:
        """Let a timer wait for `when`."""
        timer.waits = True
        self._count += 1
        heapq.heappush(self._timers, (when, self._count, timer))
        loop = asyncio.get_running_loop()
        if self._jumps_in is not loop:
            self._jumps_in = loop
            self._settle(loop, _SETTLING_ROUNDS)

    def forget(self) -> None:
        """Nothing: a timer that was cancelled is found when its time comes."""

    def _settle(self, loop: asyncio.AbstractEventLoop, rounds: int) -> None:
        """Jump when the loop has gone round a few times, so that whoever was woken last has acted and waits again."""
        if rounds:
            loop.call_soon(self._settle, loop, rounds - 1)
            return
        self._jump()
        if self._timers:
            self._settle(loop, _SETTLING_ROUNDS)
        else:
            self._jumps_in = None

    def _jump(self) -> None:
        while self._timers:
            when, _, timer = heapq.heappop(self._timers)
            if timer.waits:
                self._now = max(self._now, when)
                timer.waits = False
                timer.callback()
                return


_SETTLING_ROUNDS = 4
