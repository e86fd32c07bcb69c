"""What a server counts of itself: plain numbers, written by its loop alone and read from any thread.

Lateness is the time from the moment a write could leave (it was due, and what stands before it had left) to the moment it
was made; what waits for a client that does not read is not late. It is counted in classes that double, from a quarter of a
millisecond on, so that counting one costs no search.
"""

import logging
import math
from collections import Counter
from itertools import accumulate
from operator import sub

from mockserver.clock import Clock, RealClock

log = logging.getLogger("mockserver")

CLASSES = 18
"""How many classes of lateness there are; the last has no upper bound."""

LATENESS_BOUNDS_S = tuple(0.00025 * 2**k for k in range(CLASSES - 1))
"""The upper bounds of all classes but the last, in seconds: 0.25 ms to 16 s. A bound itself belongs to the class above."""

WARN_EVERY_S = 5.0
"""The least time between two warnings of lateness."""

_PER_S = 4000  # lateness in quarters of a millisecond: its number of binary digits is its class


class Meter:
    """The counts of a server since it was made, whatever is forgotten of the requests.

    `streams_open` are being played at the moment; `ended` counts all answers by how they ended, in the journal's words.
    `events` were sent, if only in part; `sent_bytes` were handed to the kernel. A write that is more than `max_late_s` late is
    told in the log, once for all within `WARN_EVERY_S`: a test of somebody's timeouts is not to be trusted then.
    """

    __slots__ = (
        "_clock", "_late", "_late_writes", "_warn_from", "_worst_late_s", "ended", "events", "late_sum_s", "max_late_s",
        "sent_bytes", "streams_open",
    )  # fmt: skip

    def __init__(self, clock: Clock | None = None, max_late_s: float = math.inf) -> None:
        self._clock = clock or RealClock()
        self.max_late_s = max_late_s
        self.streams_open = 0
        self.events = 0
        self.sent_bytes = 0
        self.ended: Counter[str] = Counter()
        self.late_sum_s = 0.0
        self._late = [0] * CLASSES
        self._late_writes = 0
        self._worst_late_s = 0.0
        self._warn_from = -math.inf

    def note_write(self, late_s: float) -> None:
        """Count one send call that came `late_s` after it could have left."""
        self.late_sum_s += late_s
        number = int(late_s * _PER_S).bit_length()
        self._late[number if number < CLASSES else -1] += 1
        if late_s > self.max_late_s:
            self._note_late(late_s)

    def note_writes(self, free_s: float, at_s: list[float]) -> None:
        """Count several send calls at these moments, each of which could leave when the one before had, the first at `free_s`."""
        most_s = min(LATENESS_BOUNDS_S[0], self.max_late_s)  # nearly all are of the first class
        late_s = [one_s for one_s in map(sub, at_s, [free_s, *at_s]) if one_s >= most_s]
        self.late_sum_s += at_s[-1] - free_s - sum(late_s)
        self._late[0] += len(at_s) - len(late_s)
        for one_s in late_s:
            self.note_write(one_s)

    def _note_late(self, late_s: float) -> None:
        self._late_writes += 1
        self._worst_late_s = max(self._worst_late_s, late_s)
        now = self._clock.now()
        if now < self._warn_from:
            return
        log.warning(
            "this server is late: expected every write within %.0f ms of its time, got %d later than that, the worst by %.0f ms. "
            "What was tested of anybody's timeouts meanwhile is not to be trusted; give it less to do, or a processor of its own",
            self.max_late_s * 1000,
            self._late_writes,
            self._worst_late_s * 1000,
        )
        self._late_writes, self._worst_late_s, self._warn_from = 0, 0.0, now + WARN_EVERY_S

    @property
    def lateness(self) -> list[int]:
        """How many writes were less late than each of `LATENESS_BOUNDS_S`, and at last how many there were in all."""
        return [*accumulate(self._late)]
