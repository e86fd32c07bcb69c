"""Which time limit runs out first, and when. Knows no clock: every time is an argument, in seconds of any one clock."""

from __future__ import annotations

import math
from typing import NamedTuple

from client.errors import StalledError
from client.limits import Limits

__all__ = ["Deadline", "Waiting"]

EXPECTED = {"ttft": "a first token", "idle": "another event", "total": "the end of the reply"}


class Deadline(NamedTuple):
    """A point in time, `at_s`, and the limit that puts it there; never, if `at_s` is infinite."""

    at_s: float
    limit: str
    limit_s: float

    @property
    def error(self) -> StalledError:
        """The error for having waited until then."""
        error = StalledError(f"{EXPECTED[self.limit]} within {self.limit_s:g} s", "none")
        error.remedy = f"raise {self.limit}_timeout_s if waiting longer is meant"
        error.limit, error.limit_s = self.limit, self.limit_s
        return error


class Waiting:
    """Keeps the clocks of one call: `limits.Limits` says what each means."""

    def __init__(self, limits: Limits, now_s: float) -> None:
        self._progress = limits.progress
        self._ttft_s = math.inf if limits.ttft_timeout_s is None else limits.ttft_timeout_s
        self._idle_s = math.inf if limits.idle_timeout_s is None else limits.idle_timeout_s
        self._total_s = math.inf if limits.total_timeout_s is None else limits.total_timeout_s
        self._end_s = now_s + self._total_s
        self._since_s = now_s
        self._has_token = False

    def begin_attempt(self, now_s: float) -> None:
        """A request is about to be sent."""
        self._since_s = now_s
        self._has_token = False

    def receive(self, arrived_s: float, back_s: float, *, event: bool, comment: bool, token: bool) -> bool:
        """Bytes came at `arrived_s`, and the caller was done with them at `back_s`; whether that restarted the limit.

        `event`, `comment`: whether they completed one. `token`: whether a token has come by now.
        """
        if self._progress == "event":
            # Before the first token nothing restarts the limit: it runs from the request.
            counts = token and event
        else:
            counts = self._progress == "byte" or event or comment
        self._has_token = token
        if counts:
            self._since_s = back_s
        else:
            self._since_s += back_s - arrived_s
        return counts

    @property
    def deadline(self) -> Deadline:
        """The limit that runs out first."""
        limit, limit_s = ("idle", self._idle_s) if self._has_token else ("ttft", self._ttft_s)
        at_s = self._since_s + limit_s
        return Deadline(at_s, limit, limit_s) if at_s <= self._end_s else Deadline(self._end_s, "total", self._total_s)

    def allows(self, wait_s: float, now_s: float) -> bool:
        """Whether `wait_s` seconds from now there is still time for another request."""
        return now_s + wait_s < self._end_s
