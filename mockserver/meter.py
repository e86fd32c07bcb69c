"""What a server counts of itself: plain numbers, written by its loop alone and read from any thread.

Lateness is the time from the moment a write was due to the moment it was made. It is counted in classes that double, from a
quarter of a millisecond on, so that counting one costs no search.
"""

from collections import Counter
from itertools import accumulate

CLASSES = 18
"""How many classes of lateness there are; the last has no upper bound."""

LATENESS_BOUNDS_S = tuple(0.00025 * 2**k for k in range(CLASSES - 1))
"""The upper bounds of all classes but the last, in seconds: 0.25 ms to 16 s. A bound itself belongs to the class above."""

_PER_S = 4000  # lateness in quarters of a millisecond: its number of binary digits is its class


class Meter:
    """The counts of a server since it was made, whatever is forgotten of the requests.

    `open` are the answers being played at the moment; `ended` counts the others by how they ended, in the journal's words.
    `events` were sent, if only in part; `sent_bytes` were handed to the kernel.
    """

    __slots__ = ("_late", "ended", "events", "late_sum_s", "open", "sent_bytes", "worst_late_s")

    def __init__(self) -> None:
        self.open = 0
        self.events = 0
        self.sent_bytes = 0
        self.ended: Counter[str] = Counter()
        self.late_sum_s = 0.0
        self.worst_late_s = 0.0
        self._late = [0] * CLASSES

    def note_write(self, late_s: float) -> None:
        """Count one send call that came `late_s` after its time."""
        self.late_sum_s += late_s
        if late_s > self.worst_late_s:
            self.worst_late_s = late_s
        number = int(late_s * _PER_S).bit_length()
        self._late[number if number < CLASSES else -1] += 1

    def take_worst(self) -> float:
        """The greatest lateness since this was last asked, in seconds."""
        worst_s, self.worst_late_s = self.worst_late_s, 0.0
        return worst_s

    @property
    def lateness(self) -> list[int]:
        """How many writes were at most as late as each of `LATENESS_BOUNDS_S`, and at last how many there were in all."""
        return [*accumulate(self._late)]
