"""Chance without a generator: what is rolled at a place depends on the seed and the place alone.

A generator gives the next number to whoever asks next, so that one value more shifts all that follow. Here each value has a
place (`properties`, `city`) and rolls for itself, on every version of Python alike.
"""

from collections.abc import Sequence
from hashlib import blake2b
from typing import TypeVar

from msgspec import Struct

T = TypeVar("T")
Step = str | int


class Dice(Struct, frozen=True):
    """The dice of one place: `at` leads to places below it, `roll` and `pick` roll there."""

    seed: int | str
    place: tuple[Step, ...] = ()

    def at(self, *steps: Step) -> "Dice":
        """The dice of the place that these steps lead to."""
        return Dice(self.seed, self.place + steps)

    def roll(self, sides: int, *steps: Step) -> int:
        """A number from 0 up to, not including, `sides`; all are about equally likely."""
        written = repr((self.seed, self.place + steps)).encode("utf-8", "backslashreplace")
        # As many bits again as `sides` has keep the remainder fair.
        digest = blake2b(written, digest_size=min(64, 8 + sides.bit_length() // 8))
        return int.from_bytes(digest.digest()) % sides

    def pick(self, values: Sequence[T], *steps: Step) -> T:
        """One of the values, of which there must be at least one."""
        return values[self.roll(len(values), *steps)]
