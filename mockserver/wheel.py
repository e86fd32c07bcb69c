"""The timers of the real clock: all of a loop in one wheel, which wakes it once for all that are due together.

A timer of the loop's own for each stream costs more than the write that it is for, and loops count in whole milliseconds.
Where the system has timers that can be waited for like a socket (Linux's timerfd), the wheel wakes by one of them, within
some microseconds; elsewhere by the loop's timer. It has nothing open while nobody waits.
"""

import asyncio
import math
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from heapq import heappop, heappush
from threading import get_ident
from typing import Protocol

TICKS_PER_S = 4000
"""Timers of the same tick are called together: in a quarter of a millisecond there is time for some twenty writes."""

_FAR_S = 1e9
"""Later than anybody waits: loops and systems do not take any number."""

LONGEST_SLEEP_S = 3600.0
"""Longer waits by a loop's timer are made of several."""


class WheelTimer:
    """A callback that waits for its tick; None when it was called or cancelled."""

    __slots__ = ("_wheel", "callback")

    def __init__(self, wheel: "Wheel", callback: Callable[[], None]) -> None:
        self._wheel = wheel
        self.callback: Callable[[], None] | None = callback

    def cancel(self) -> None:
        """See to it that the callback is not called."""
        if self.callback is not None:
            self.callback = None
            self._wheel.forget()


class Wheel:
    """The timers of one loop, to be used in its thread alone."""

    __slots__ = ("_alarm", "_slots", "_ticks", "_turning", "_waiting", "loop")

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self.loop = loop
        self._slots: dict[int, list[WheelTimer]] = {}
        self._ticks: list[int] = []  # a heap of the keys of `_slots`
        self._waiting = 0
        self._turning: int | None = None  # the thread, while it turns
        self._alarm: _Alarm | None = None

    @property
    def turns_here(self) -> bool:
        """Whether the calling thread is in a callback of this wheel, and so in its loop."""
        return self._turning == get_ident()

    def call_at(self, when: float, callback: Callable[[], None]) -> WheelTimer:
        """Call `callback` at the end of the tick in which `time.monotonic()` reaches `when`: never within this call."""
        timer = WheelTimer(self, callback)
        tick = math.ceil((when if when < _FAR_S else _FAR_S) * TICKS_PER_S)
        self._waiting += 1
        slot = self._slots.get(tick)
        if slot is not None:
            slot.append(timer)
            return timer
        self._slots[tick] = [timer]
        heappush(self._ticks, tick)
        if self._turning is None and self._ticks[0] == tick:
            self._set_alarm()
        return timer

    def forget(self) -> None:
        """Count a timer out that was cancelled."""
        self._waiting -= 1
        if self._turning is None and not self._waiting:
            self._rest()

    def _turn(self) -> None:
        """Call what is due. What is set meanwhile has its turn when the loop has looked at its sockets, even if it is due."""
        ticks, slots, due = self._ticks, self._slots, list[WheelTimer]()
        passed = math.floor(time.monotonic() * TICKS_PER_S)
        while ticks and ticks[0] <= passed:
            due += slots.pop(heappop(ticks))
        self._turning = get_ident()
        for timer in due:
            callback = timer.callback
            if callback is None:
                continue
            timer.callback = None
            self._waiting -= 1
            try:
                callback()
            except Exception as error:
                self.loop.call_exception_handler({"message": "a timer's callback failed", "exception": error})
        self._turning = None
        if self._waiting:
            self._set_alarm()
        else:
            self._rest()

    def _set_alarm(self) -> None:
        if self._alarm is None:
            self._alarm = make_alarm(self.loop, self._turn)
        self._alarm.set(self._ticks[0] / TICKS_PER_S)

    def _rest(self) -> None:
        """Give back what was taken of the system: nobody waits."""
        self._slots.clear()
        self._ticks.clear()
        if self._alarm is not None:
            self._alarm.close()
            self._alarm = None


class _Alarm(Protocol):
    """Wakes a loop at one moment; it may come early."""

    def set(self, when: float) -> None:
        """Wake at `when`, a time of `time.monotonic()`, at once if it is past; what was set before is forgotten."""

    def close(self) -> None: ...


def make_alarm(loop: asyncio.AbstractEventLoop, wake: Callable[[], None]) -> _Alarm:
    """What calls `wake` in the loop, as exactly as the system can."""
    if sys.platform == "linux":
        from mockserver.timerfd import KernelAlarm  # here: most runs never wait, and ctypes takes milliseconds to load

        with suppress(OSError, AttributeError):  # AttributeError: a C library without it
            return KernelAlarm(loop, wake)
    return LoopAlarm(loop, wake)


class LoopAlarm:
    """The loop's own timer, which counts in whole milliseconds and from a time that it read earlier."""

    def __init__(self, loop: asyncio.AbstractEventLoop, wake: Callable[[], None]) -> None:
        self._loop = loop
        self._wake = wake
        self._handle: asyncio.TimerHandle | None = None

    def set(self, when: float) -> None:
        self.close()
        # Rounded up to the loop's milliseconds, so that one sleep mostly does.
        delay_ms = math.ceil(min(max(when - time.monotonic(), 0.0), LONGEST_SLEEP_S) * 1000)
        self._handle = self._loop.call_later(delay_ms / 1000, self._wake)

    def close(self) -> None:
        if self._handle is not None:
            self._handle.cancel()
