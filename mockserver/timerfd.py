"""Linux's timers that are waited for like a socket, see timerfd_create(2): they wake within microseconds, loops within milliseconds.

Python has them from 3.13 on; the C library has them everywhere.
"""

import asyncio
import ctypes
import math
import os
import time
from collections.abc import Callable
from functools import cache
from typing import Any


class KernelAlarm:
    """Wakes a loop by a descriptor that can be read from a moment on. It is never read: to set it anew silences it."""

    def __init__(self, loop: asyncio.AbstractEventLoop, wake: Callable[[], None]) -> None:
        self._fd = -1
        self._loop = loop
        self._set = _system_calls().timerfd_settime
        self._spec = _TimerSpec()
        self._at = ctypes.byref(self._spec)
        self._fd = _system_calls().timerfd_create(time.CLOCK_MONOTONIC, os.O_NONBLOCK | os.O_CLOEXEC)
        loop.add_reader(self._fd, wake)

    def set(self, when: float) -> None:
        # Zero would mean: never.
        self._spec.value_s, self._spec.value_ns = divmod(max(math.ceil(when * 1e9), 1), 1_000_000_000)
        self._set(self._fd, _ABSOLUTE, self._at, None)

    def close(self) -> None:
        self._loop.remove_reader(self._fd)
        self._close_file()

    def __del__(self) -> None:  # a loop may have been closed with timers that wait
        self._close_file()

    def _close_file(self) -> None:
        fd, self._fd = self._fd, -1
        if fd >= 0:
            os.close(fd)


class _TimerSpec(ctypes.Structure):
    """`struct itimerspec` of timerfd_settime(2)."""

    _fields_ = [(name, ctypes.c_long) for name in ("interval_s", "interval_ns", "value_s", "value_ns")]


_ABSOLUTE = 1  # TFD_TIMER_ABSTIME


@cache
def _system_calls() -> Any:
    # Python has these two itself from 3.13 on.
    calls = ctypes.CDLL(None, use_errno=True)
    for name in ("timerfd_create", "timerfd_settime"):
        getattr(calls, name).errcheck = _check
    return calls


def _check(result: int, *_: Any) -> int:
    if result < 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))
    return result
