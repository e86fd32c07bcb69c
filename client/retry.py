"""Which failures are worth another request, and after how long. Knows no clock and waits for nobody.

- Only what struck before the first delta: a second attempt is never joined to a first.
- Not reached, stalled, truncated: yes. Refused: as `x-should-retry` says, else for 408, 409, 429 and 5xx (as the OpenAI SDKs do).
- Not a stream, malformed, too large: no, the next answer would be the same. An error told inside a 2xx: no, the server has
  answered and the caller decides.
- The wait is what the server asks for: `retry-after-ms` (milliseconds), else `Retry-After` (RFC 9110 10.2.3: seconds or an HTTP
  date). If it asks for longer than `max_wait_s`, waiting is the caller's decision too, and the error is raised at once. Else the
  wait doubles from `first_wait_s` up to `last_wait_s`, less up to a quarter so that clients do not march in step.
"""

from __future__ import annotations

import email.utils
import math
from collections.abc import Mapping
from datetime import UTC

from msgspec import Struct

from client.errors import ChatError, NotReachedError, RefusedError, StalledError, TruncatedError

__all__ = ["Retries", "read_retry_after"]

RETRIED_STATUSES = frozenset({408, 409, 429})


class Retries(Struct, frozen=True, kw_only=True):
    """How many further requests may follow a failed one, and how long to wait before each, in seconds."""

    count: int = 2
    first_wait_s: float = 0.5
    last_wait_s: float = 8.0
    max_wait_s: float = 120.0

    def wait_s(self, error: ChatError, attempt: int, spread: float) -> float | None:
        """Seconds to wait before the request after `attempt` (from 1) that failed with `error`; None not to try again.

        `spread` is a random number from 0 to 1.
        """
        if attempt > self.count or not is_worth_retrying(error):
            return None
        if isinstance(error, RefusedError) and error.retry_after_s is not None:
            return error.retry_after_s if error.retry_after_s <= self.max_wait_s else None
        wait_s = min(self.first_wait_s * 2.0 ** min(attempt - 1, 64), self.last_wait_s)
        return wait_s * (1 - 0.25 * spread)


def is_worth_retrying(error: ChatError) -> bool:
    """Whether the same request may well succeed after `error`."""
    if isinstance(error, RefusedError):
        told = error.headers.get("x-should-retry", "").strip().lower()
        if told in ("true", "false"):
            return told == "true"
        return error.status in RETRIED_STATUSES or error.status >= 500
    return isinstance(error, NotReachedError | StalledError | TruncatedError)


def read_retry_after(headers: Mapping[str, str], unix_s: float) -> float | None:
    """The wait in seconds that an answer's headers (names in lower case) ask for, at Unix time `unix_s`; None if they do not."""
    for name, unit_s in (("retry-after-ms", 0.001), ("retry-after", 1.0)):
        number = read_number(headers.get(name, ""))
        if number is not None:
            return max(number * unit_s, 0.0)
    try:
        date = email.utils.parsedate_to_datetime(headers.get("retry-after", ""))
    except ValueError:
        return None
    # RFC 9110 5.6.7: "An HTTP-date value represents time as an instance of Coordinated Universal Time (UTC)."
    return max(date.replace(tzinfo=date.tzinfo or UTC).timestamp() - unix_s, 0.0)


def read_number(text: str) -> float | None:
    """A finite number, or None."""
    try:
        number = float(text)
    except ValueError:
        return None
    return number if math.isfinite(number) else None
