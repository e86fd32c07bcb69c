"""The timers of the real clock: all of a loop in one wheel, which wakes it once for all that are due together.

A timer of the loop's own for each stream costs more than the write that it is for, and loops count in whole milliseconds. Where
the system has timers that can be waited for like a socket (Linux's timerfd), one of them wakes the wheel, elsewhere a timer of
the loop's: so a callback is late by a tick at most, where many are due by `MANY_EVERY_S`, and there by a millisecond more. One
turn calls few of them, so that a loop that is behind reads its sockets all the same. Nothing is open while nobody waits.
"""

import asyncio
import math
import sys
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from heapq import heapify, heappop, heappush
from typing import Protocol

TICKS_PER_S = 4000
"""Timers of the same tick are called together, at its end: in a quarter of a millisecond there is time for some twenty writes."""

MANY = 8
"""From how many timers in a turn on the next is `MANY_EVERY_S` later at the earliest: each turn costs as much as a write."""

MANY_EVERY_S = 0.001

MOST = 64
"""How many timers are called in one turn, for about a millisecond. Who is behind has his turn when sockets have been read."""

_DEAD_KEPT = 1000
"""How many timers that were cancelled are kept in any case: to look for them costs time too."""

_FAR_S = 1e9
"""Later than anybody waits: loops and systems do not take any number."""

LONGEST_SLEEP_S = 3600.0
"""Longer waits by a loop's timer are made of several."""


def _do_nothing() -> None:
    """What a cancelled timer would call: what it would have called need not be kept until its time."""


class Holder(Protocol):
    """What holds timers, and calls them."""

    def set(self, timer: "HeldTimer", when: float) -> None:
        """Let a timer that waits for nothing wait for `when`."""

    def forget(self) -> None:
        """Count a timer out that was cancelled."""


class HeldTimer:
    """A callback, and whether it waits for its time."""

    __slots__ = ("_holder", "callback", "waits")

    def __init__(self, holder: Holder, callback: Callable[[], None]) -> None:
        self._holder = holder
        self.callback = callback
        self.waits = False

    def again(self, when: float) -> None:
        """Set it once more when it was called; one that was cancelled is done with."""
        self._holder.set(self, when)

    def cancel(self) -> None:
        """See to it that the callback is not called."""
        if self.waits:
            self.waits, self.callback = False, _do_nothing
            self._holder.forget()


class Wheel:
    """The timers of one loop, to be used in its thread alone: a queue of ticks, each with all that wait for it."""

    __slots__ = ("_alarm", "_dead", "_not_before", "_passed", "_slots", "_ticks", "_waiting", "loop", "turning")

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self.loop = loop
        self.turning = False
        self._slots: dict[int, list[HeldTimer]] = {}
        self._ticks: list[int] = []  # a heap of the keys of `_slots`
        self._waiting = 0
        self._dead = 0  # how many in `_slots` were cancelled
        self._alarm: _Alarm | None = None
        self._not_before = 0.0
        self._passed = 0

    def call_at(self, when: float, callback: Callable[[], None]) -> HeldTimer:
        """Call `callback` at the end of the tick in which `time.monotonic()` reaches `when`, 0 for at once: never within this call."""
        timer = HeldTimer(self, callback)
        self.set(timer, when)
        return timer

    def set(self, timer: HeldTimer, when: float) -> None:
        """Let a timer that waits for nothing wait for `when`."""
        timer.waits = True
        if when:
            tick = math.ceil((when if when < _FAR_S else _FAR_S) * TICKS_PER_S)
        else:  # behind those that are due already, and without a rest
            tick, self._not_before = self._passed, 0.0
        self._waiting += 1
        slot = self._slots.get(tick)
        if slot is None:
            self._slots[tick] = [timer]
            heappush(self._ticks, tick)
        else:
            slot.append(timer)
        if not self.turning and (not when or (slot is None and self._ticks[0] == tick)):
            self._set_alarm()

    def forget(self) -> None:
        """Count a timer out that was cancelled."""
        self._waiting -= 1
        self._dead += 1
        if self.turning:
            return
        if not self._waiting:
            self._rest()
        elif self._dead > max(self._waiting, _DEAD_KEPT):
            self._bury()

    def _turn(self) -> None:
        """Call what is due, `MOST` at most. What is set meanwhile has its turn when the loop has looked at its sockets."""
        due = self._take_due(time.monotonic())
        due.reverse()
        self.turning = True
        try:
            while due:
                self._call(due.pop())
        finally:
            self.turning = False
            if due:  # the loop is told to end: whoever runs it again finds the others
                self._slots[0] = due[::-1] + self._slots.get(0, [])
                self._ticks[:] = self._slots
                heapify(self._ticks)
            if self._waiting:
                self._set_alarm()
            else:
                self._rest()

    def _take_due(self, now: float) -> list[HeldTimer]:
        """Take out what is due, the earliest first."""
        ticks, slots, due = self._ticks, self._slots, list[HeldTimer]()
        passed = self._passed = math.floor(now * TICKS_PER_S)
        while ticks and ticks[0] <= passed and (room := MOST - len(due)):
            slot = slots[ticks[0]]
            due += slot[:room]
            if len(slot) > room:
                slots[ticks[0]] = slot[room:]
            else:
                del slots[heappop(ticks)]
        is_all = not ticks or ticks[0] > passed
        self._not_before = now + MANY_EVERY_S if is_all and len(due) >= MANY else 0.0
        return due

    def _call(self, timer: HeldTimer) -> None:
        if not timer.waits:
            self._dead -= 1
            return
        timer.waits = False
        self._waiting -= 1
        try:
            timer.callback()
        except (SystemExit, KeyboardInterrupt):
            raise
        except BaseException as error:  # as a loop does with its own
            self.loop.call_exception_handler({"message": "a timer's callback failed", "exception": error})

    def _set_alarm(self) -> None:
        if self._alarm is None:
            self._alarm = make_alarm(self.loop, self._turn)
        self._alarm.set(max(self._ticks[0] / TICKS_PER_S, self._not_before))

    def _bury(self) -> None:
        """Forget those that were cancelled: of many long waits that are given up, memory would be full."""
        living = {tick: [timer for timer in slot if timer.waits] for tick, slot in self._slots.items()}
        self._slots = {tick: slot for tick, slot in living.items() if slot}
        self._ticks = list(self._slots)
        heapify(self._ticks)
        self._dead = 0

    def _rest(self) -> None:
        """Give back what was taken of the system: nobody waits."""
        self._slots.clear()
        self._ticks.clear()
        self._dead = 0
        if self._alarm is not None:
            self._alarm.close()
            self._alarm = None


_here = threading.local()


def find_wheel() -> Wheel:
    """The wheel of the running loop."""
    wheel: Wheel | None = getattr(_here, "wheel", None)
    # While it turns, its loop is the running one; to ask for that costs a system call.
    if wheel is None or not wheel.turning:
        loop = asyncio.get_running_loop()
        if wheel is None or wheel.loop is not loop:
            wheel = _here.wheel = Wheel(loop)
    return wheel


class _Alarm(Protocol):
    """Wakes a loop at one moment; it may come early."""

    def set(self, when: float) -> None:
        """Wake at `when`, a time of `time.monotonic()`, at once if it is past; what was set before is forgotten."""

    def close(self) -> None: ...


def make_alarm(loop: asyncio.AbstractEventLoop, wake: Callable[[], None]) -> _Alarm:
    """What calls `wake` in the loop, as exactly as the system can."""
    if sys.platform == "linux":
        # Where C libraries, Pythons or loops lack what it takes, there is the other one.
        with suppress(ImportError, AttributeError, OSError, NotImplementedError):
            from mockserver.timerfd import (
                KernelAlarm,  # here: most runs never wait, and ctypes takes milliseconds to load
            )

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
