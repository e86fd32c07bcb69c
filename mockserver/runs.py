"""Tokens of a reply, those of the same part together: what follows from them alone, whatever stream they are sent in."""

from array import array
from collections.abc import Sequence
from functools import cached_property
from itertools import accumulate, groupby
from operator import attrgetter
from typing import Literal

from msgspec import Struct
from msgspec.json import encode

_place = attrgetter("part", "call")

Part = Literal["reasoning", "content", "refusal", "tool_call", "function_call"]
"""What a token belongs to."""


class Token(Struct, frozen=True, gc=False):
    """One unit of a reply: a piece of text and the part of the choice it belongs to. `call` counts tool calls."""

    part: Part
    text: str
    call: int = 0


_BETWEEN = b'","'


class Run:
    """Tokens of the same part, one behind the other."""

    def __init__(self, part: Part, call: int, tokens: Sequence[Token]) -> None:
        self.part = part
        self.call = call
        self.tokens = tokens

    @cached_property
    def _json(self) -> bytes:
        """All texts as a JSON array: one piece, which is read far faster than some hundred that lie anywhere."""
        return encode([token.text for token in self.tokens])

    @cached_property
    def _starts(self) -> "array[int] | None":
        """Where in the JSON each of the texts begins, and one more; None where that cannot be seen from the JSON alone."""
        if b'\\","' in self._json:
            return None
        # A quote in a text has a backslash in front: what looks like quotes around a comma is just that.
        sizes = map(len, self._json[2:-2].split(_BETWEEN))
        return array("I", accumulate([size + len(_BETWEEN) for size in sizes], initial=2))

    def texts(self, begin: int, end: int) -> list[bytes]:
        """Some of the texts, each as JSON writes it, without its quotes."""
        starts = self._starts
        if starts is None:
            return [encode(token.text)[1:-1] for token in self.tokens[begin:end]]
        return self._json[starts[begin] : starts[end] - len(_BETWEEN)].split(_BETWEEN)

    @cached_property
    def lengths(self) -> tuple[list[tuple[int, int]], "array[int]"]:
        """The lengths that `texts` have, in bytes and in characters, and the number in that list of each text's."""
        texts = self.texts(0, len(self.tokens))
        sizes = [*map(len, texts)]
        each = [*zip(sizes, sizes if self._json.isascii() else map(len, map(bytes.decode, texts)), strict=True)]
        numbers = {length: number for number, length in enumerate(dict.fromkeys(each))}
        return [*numbers], array("I", [*map(numbers.__getitem__, each)])

    @cached_property
    def largest(self) -> int:
        """How long the longest of `texts` is, in bytes."""
        return max(self.lengths[0])[0]


class Tokens(tuple[Token, ...]):
    """All tokens of a choice. What follows from them alone is worked out once for all streams that share them."""

    @cached_property
    def runs(self) -> list[Run]:
        """The tokens, those together that are of the same part."""
        return [Run(part, call, [*run]) for (part, call), run in groupby(self, key=_place)]

    @cached_property
    def places(self) -> tuple[tuple[Part, int], ...]:
        """The part and the call of each run."""
        return tuple([(run.part, run.call) for run in self.runs])

    @cached_property
    def largest(self) -> int:
        """How long the longest text of a token is, in bytes of JSON."""
        return max([run.largest for run in self.runs], default=0)
