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
    limit: str = ""
    limit_s: float = math.inf

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
        self._limits = limits
        self._began_s = now_s
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
        counts = {"event": event, "comment": event or comment, "byte": True}[self._limits.progress]
        first_token = token and not self._has_token
        waits_for_token = not token and self._limits.progress == "event"
        self._has_token = token
        if first_token or (counts and not waits_for_token):
            self._since_s = back_s
            return True
        self._since_s += back_s - arrived_s
        return False

    @property
    def deadline(self) -> Deadline:
        """The limit that runs out first."""
        limits = self._limits
        limit, limit_s = ("idle", limits.idle_timeout_s) if self._has_token else ("ttft", limits.ttft_timeout_s)
        deadlines = [Deadline(math.inf)]
        if limit_s is not None:
            deadlines.append(Deadline(self._since_s + limit_s, limit, limit_s))
        if limits.total_timeout_s is not None:
            deadlines.append(Deadline(self._began_s + limits.total_timeout_s, "total", limits.total_timeout_s))
        return min(deadlines)

    def allows(self, wait_s: float, now_s: float) -> bool:
        """Whether `wait_s` seconds from now there is still time for another request."""
        total_s = self._limits.total_timeout_s
        return total_s is None or now_s + wait_s < self._began_s + total_s
