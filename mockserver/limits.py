"""Rate limits as the real API has them: buckets of requests and of tokens that fill again evenly within a minute.

Everything here is pure: the time is an argument, and what was used up is a value (it is kept in `mockserver.state`). A request
that is refused uses up nothing, so that a client which waits as long as it was told is served.

Source: https://platform.openai.com/docs/guides/rate-limits (the headers) and answers of the real API (the words).
"""

import math
from typing import Literal, Self

from msgspec import Struct
from msgspec.structs import replace

from mockserver.errors import RequestError
from mockserver.scenario import RateLimit

PERIOD_S = 60.0
"""In how long an empty bucket is full again, in seconds."""

_EPSILON_S = 1e-6  # floats add up to a little less or more than a minute

What = Literal["requests", "tokens"]


class Bucket(Struct, frozen=True):
    """What may be used at once: `capacity` when it is full, which it is again at `full_at_s` of the clock."""

    capacity: int
    full_at_s: float = -math.inf

    def reset_s(self, now_s: float) -> float:
        """How long until it is full."""
        return max(self.full_at_s - now_s, 0.0)

    def remaining(self, now_s: float) -> int:
        """How much of it may be used now."""
        return self.capacity - math.ceil((self.reset_s(now_s) - _EPSILON_S) * self.capacity / PERIOD_S)

    def wait_s(self, amount: int, now_s: float) -> float:
        """How long until `amount` may be used; infinite if it is more than the bucket ever holds."""
        if amount > self.capacity:
            return math.inf
        wait_s = self.reset_s(now_s) - PERIOD_S * (self.capacity - amount) / self.capacity
        return wait_s if wait_s > _EPSILON_S else 0.0

    def take(self, amount: int, now_s: float) -> Self:
        """The bucket with `amount` less in it."""
        return replace(self, full_at_s=now_s + self.reset_s(now_s) + PERIOD_S * amount / self.capacity)


Buckets = dict[What, Bucket]
"""The buckets of one scenario: those that it has a limit for."""


def make_buckets(limit: RateLimit) -> Buckets:
    """Full buckets."""
    sizes: dict[What, int | None] = {"requests": limit.requests_per_minute, "tokens": limit.tokens_per_minute}
    return {what: Bucket(size) for what, size in sizes.items() if size is not None}


def charge(buckets: Buckets, tokens: int, model: str, now_s: float) -> Buckets:
    """The buckets when one request of that many tokens has been let in. Raises `RequestError` (429) if it is over a limit."""
    amounts: dict[What, int] = {"requests": 1, "tokens": tokens}
    for what, bucket in buckets.items():
        wait_s = bucket.wait_s(amounts[what], now_s)
        if wait_s:
            raise _refuse(buckets, what, amounts[what], model, wait_s, now_s)
    return {what: bucket.take(amounts[what], now_s) for what, bucket in buckets.items()}


def tell_limits(buckets: Buckets, now_s: float) -> tuple[tuple[str, str], ...]:
    """The headers that tell what may still be used: `x-ratelimit-limit-requests` and its like."""
    return tuple(
        (f"x-ratelimit-{name}-{what}", value)
        for what, bucket in buckets.items()
        for name, value in (
            ("limit", str(bucket.capacity)),
            ("remaining", str(bucket.remaining(now_s))),
            ("reset", format_duration(bucket.reset_s(now_s))),
        )
    )


def format_duration(seconds: float) -> str:
    """A length of time as the real API writes it, which is Go's way: `6ms`, `1.5s`, `1m30s`, `1h0m0s`; rounded up to 1 ms."""
    ms = math.ceil(seconds * 1000 - _EPSILON_S)
    if 0 < ms < 1000:
        return f"{ms}ms"
    minutes, ms = divmod(ms, 60_000)
    hours, minutes = divmod(minutes, 60)
    text = f"{ms / 1000:g}s"
    return f"{hours}h{minutes}m{text}" if hours else f"{minutes}m{text}" if minutes else text


_LONG_NAMES: dict[What, str] = {"requests": "requests per min (RPM)", "tokens": "tokens per min (TPM)"}
_MORE = "Visit https://platform.openai.com/account/rate-limits to learn more."


def _refuse(buckets: Buckets, what: What, amount: int, model: str, wait_s: float, now_s: float) -> RequestError:
    """The real API's 429, with a true time to wait in its headers. A request that is too large at any time is told none."""
    bucket = buckets[what]
    where = f"{model} in organization org-mockserver on {_LONG_NAMES[what]}: Limit {bucket.capacity}"
    headers = list(tell_limits(buckets, now_s))
    if math.isinf(wait_s):
        headers.append(("x-should-retry", "false"))
        message = (
            f"Request too large for {where}, Requested {amount}. The input or output tokens must be reduced in order to run "
            f"successfully. {_MORE}"
        )
    else:
        ms = math.ceil(wait_s * 1000)
        headers += [("Retry-After", str(math.ceil(ms / 1000))), ("retry-after-ms", str(ms))]
        used = bucket.capacity - bucket.remaining(now_s)
        message = (
            f"Rate limit reached for {where}, Used {used}, Requested {amount}. Please try again in "
            f"{format_duration(ms / 1000)}. {_MORE}"
        )
    return RequestError(message, status=429, type=what, code="rate_limit_exceeded", headers=tuple(headers))
