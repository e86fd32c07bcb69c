"""How long to wait and how much to hold: the settable limits of one exchange."""

from __future__ import annotations

from typing import Literal

from msgspec import Struct

__all__ = ["Limits"]

MIB = 1024 * 1024


class Limits(Struct, frozen=True, kw_only=True):
    """Time limits in seconds and bounds in bytes; None switches one off.

    `ttft_timeout_s` runs from the request to the first token, `idle_timeout_s` from one event to the next after that, and
    `total_timeout_s`, off by default because a slow stream is a healthy one, over the whole call with its retries. Time that the
    caller spends between two deltas counts for the total only.

    `progress` says what restarts the first two besides that: nothing (`event`), comments and events (`comment`: trust the
    keep-alives of a gateway), or every byte (`byte`: both limits then bound the silence on the wire).

    `max_line_bytes` and `max_event_bytes` bound a line and an event, and the latter also a body that is no stream. Both leave
    room for the largest events seen in the wild (a few MiB) and stop an endless one.

    `drain_timeout_s` is how long to wait after `[DONE]` for the end of the body, which lets the connection be used again.
    """

    connect_timeout_s: float | None = 10.0
    ttft_timeout_s: float | None = 120.0
    idle_timeout_s: float | None = 60.0
    total_timeout_s: float | None = None
    drain_timeout_s: float = 0.1
    progress: Literal["event", "comment", "byte"] = "event"
    max_line_bytes: int | None = 16 * MIB
    max_event_bytes: int | None = 16 * MIB
