"""Strings and numbers that fit a schema: the values at the leaves.

What a schema leaves open is filled with plausible samples; what it asks for is met exactly, or `UnsatisfiableError` says
which keyword could not be.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from fractions import Fraction
from math import ceil, floor, lcm
from typing import Any

from mockserver.generate.dice import Dice
from mockserver.generate.patterns import ATTEMPTS, LONGEST_TEXT, PatternError, read_pattern, spell
from mockserver.generate.samples import FORMATS, number_range, string_samples, word
from mockserver.generate.shapes import Place, Shape, UnsatisfiableError

_LOWER = ("minimum", "exclusiveMinimum")
_UPPER = ("maximum", "exclusiveMaximum")
_LARGEST = Fraction(10) ** 300
_SAFE_INTEGER = 2**53


@dataclass(frozen=True, slots=True)
class Spot:
    """Where a value goes: its dice, its place in the schema for errors, and what its name lets expect.

    `turn` counts up when a further, different value is wanted at the same spot: values go round like the wheels of an
    odometer, so that all of a small set come before one comes again. `depth` counts levels of the value, `steps` also the
    branches taken.
    """

    dice: Dice
    place: Place = ()
    names: tuple[str, ...] = ()
    trail: tuple[str, ...] = ()
    depth: int = 0
    steps: int = 0
    turn: int = 0
    context: str = ""

    @property
    def repeats(self) -> int:
        """How many of the references followed had been followed before, on the way down to here."""
        return len(self.trail) - len(set(self.trail))

    def member(self, name: str, wheel: int, *, described: bool = True) -> "Spot":
        """The spot of a property; the `wheel`-th turns half as fast as the one before. A name made up tells nothing."""
        steps = ("properties", name) if described else ("additionalProperties",)
        names = (name,) if described else self.names
        dice = self.dice.at("properties", name)
        return replace(self._deeper(self.turn >> wheel), dice=dice, place=self.place + steps, names=names)

    def item(self, *index: int) -> "Spot":
        """The spot of an item of an array, which has the array's names; without index, one spot for all of them."""
        dice = self.dice.at("items", *index)
        return replace(self._deeper(self.turn >> sum(index)), dice=dice, place=(*self.place, "items"))

    def branch(self, index: int, count: int) -> "Spot":
        """The spot of the same value, made by one of `count` branches that take turns."""
        place = (*self.place, "anyOf", str(index))
        dice = self.dice.at("anyOf", index)
        return replace(self, dice=dice, place=place, turn=self.turn // count, steps=self.steps + 1)

    def _deeper(self, turn: int) -> "Spot":
        return replace(self, depth=self.depth + 1, steps=self.steps + 1, turn=turn)

    def following(self, trail: tuple[str, ...]) -> "Spot":
        """The same spot after references were followed."""
        return replace(self, trail=trail)

    def again(self, turns: int) -> "Spot":
        """The same spot so many turns later."""
        return replace(self, turn=self.turn + turns)

    def index(self, count: int, *steps: str) -> int:
        """An index below `count`; the next turn gives the next one."""
        return (self.dice.roll(count, *steps) + self.turn) % count


def make_string(shape: Shape, spot: Spot) -> str:
    """A string of the lengths, patterns and formats that the shape asks for; a plausible one if it leaves that open."""
    shortest, longest = shape.highest("minLength"), shape.lowest("maxLength")
    if shortest > LONGEST_TEXT:
        reason = f"'minLength' asks for {shortest} characters, and no text longer than {LONGEST_TEXT} is made"
        raise UnsatisfiableError(spot.place, "minLength", reason)
    if longest is not None and longest < shortest:
        reason = f"'maxLength' {longest} is less than 'minLength' {shortest}"
        raise UnsatisfiableError(spot.place, "maxLength", reason)
    if shape.all("pattern") or not FORMATS.keys().isdisjoint(map(str, shape.all("format"))):
        return _shaped_string(shape, spot, shortest, longest)
    return _free_string(shape, spot, shortest, longest)


def _shaped_string(shape: Shape, spot: Spot, shortest: int, longest: int | None) -> str:
    formats = [name for name in shape.all("format") if name in FORMATS]
    patterns: list[str] = shape.all("pattern")

    def fits(text: str) -> bool:
        return (
            shortest <= len(text) <= (longest if longest is not None else LONGEST_TEXT)
            and all(re.fullmatch(FORMATS[name].shape, text) for name in formats)
            and all(read_pattern(pattern)[0].search(text) for pattern in patterns)
        )

    try:
        for text in _format_samples(formats, spot):
            if fits(text):
                return text
        sources = [(pattern, False) for pattern in patterns] + [(FORMATS[name].shape, True) for name in formats]
        for pattern, whole in sources:
            dice = spot.dice.at(pattern, spot.turn)
            spelled = spell(pattern, dice, shortest=shortest, longest=longest, whole=whole, accept=fits)
            if spelled is not None:
                return spelled
    except PatternError as error:
        raise UnsatisfiableError(spot.place, "pattern", f"a 'pattern' {error}") from error
    keyword, asked = ("pattern", patterns) if patterns else ("format", formats)
    reason = f"no string was found that fits '{keyword}' {', '.join(map(repr, asked))} and the rest of the schema"
    raise UnsatisfiableError(spot.place, keyword, reason)


def _format_samples(formats: list[str], spot: Spot) -> Iterator[str]:
    for name in formats:
        for attempt in range(ATTEMPTS):
            yield FORMATS[name].make(spot.dice.at(name, spot.turn, attempt))


def _free_string(shape: Shape, spot: Spot, shortest: int, longest: int | None) -> str:
    names = [*spot.names, shape.first_text("title")]
    samples = string_samples(names, shape.first_text("description"), spot.context)
    if not samples and (usual := number_range(names)) is not None:
        # A name of a number, and yet a string: then it is the number in figures.
        samples = [str(usual[0] + spot.index(usual[1] - usual[0] + 1, "figures"))]
    if samples:
        text = samples[spot.index(len(samples), "sample")]
        # Beyond the samples, a word more makes a further value.
        text += f" {word(spot.dice, spot.turn)}" if spot.turn >= len(samples) else ""
    else:
        text = f"{word(spot.dice, 'first', spot.turn)} {word(spot.dice, 'second', spot.turn)}"
    if longest is not None and longest < 4:
        # Too short for words: letters, others each turn.
        number = spot.index(26**longest, "letters")
        text = "".join(chr(ord("a") + number // 26**k % 26) for k in range(longest))
    if len(text) < shortest:
        text += "".join(f" {word(spot.dice, 'more', k)}" for k in range((shortest - len(text)) // 4 + 1))
    if longest is not None and len(text) > longest:
        text = text[:longest].rstrip().ljust(shortest, ".")
    return text


def make_number(shape: Shape, spot: Spot, *, integral: bool) -> int | float:
    """A number within the bounds that is a multiple of all that the shape asks for; `integral`: a whole one."""
    low, high = _bound(shape, _LOWER, max), _bound(shape, _UPPER, min)
    steps = [Fraction(str(multiple)) for multiple in shape.all("multipleOf")]
    step = _common_multiple(steps + [Fraction(1)] * integral) if steps or integral else None
    base = Fraction(0)
    if step is None:
        base, step = _grid(low, high)
    usual = number_range([*spot.names, shape.first_text("title")])
    first, last = _usual_window(low, high, base, step, usual) if usual else (0, -1)
    if spot.turn >= last - first:
        first, last = _window(low, high, base, step)
    for attempt in range(ATTEMPTS if first <= last else 0):
        index = first + (spot.index(last - first + 1, "number") + attempt) % (last - first + 1)
        # Binary fractions are seldom exact multiples; whole numbers among them are.
        index -= index % step.denominator if attempt >= ATTEMPTS // 2 else 0
        number = _written(base + index * step, integral=integral)
        if number is not None and _is_within(number, shape):
            return number
    asked = {name: shape.all(name) for name in (*_LOWER, *_UPPER, "multipleOf") if shape.all(name)}
    keyword = next(iter(asked), "type")
    reason = "no number fits " + ", ".join(f"'{name}' {values[0]}" for name, values in asked.items())
    raise UnsatisfiableError(spot.place, keyword, reason)


def _bound(shape: Shape, keywords: tuple[str, str], strictest: Any) -> Fraction | None:
    """The strictest bound of one side, exclusive or not; the ends themselves are sorted out later."""
    bounds = [Fraction(bound) for keyword in keywords for bound in shape.all(keyword)]
    bound: Fraction | None = strictest(bounds, default=None)
    return bound


def _common_multiple(steps: list[Fraction]) -> Fraction:
    common = steps[0]
    for step in steps[1:]:
        common = Fraction(
            lcm(common.numerator * step.denominator, step.numerator * common.denominator),
            common.denominator * step.denominator,
        )
    return common


def _grid(low: Fraction | None, high: Fraction | None) -> tuple[Fraction, Fraction]:
    """The numbers to choose from where any will do: hundredths, or sixteenths of a range too narrow for those."""
    if low is None or high is None or high - low > Fraction(1, 10):
        return Fraction(0), Fraction(1, 100)
    return low, (high - low) / 16 or Fraction(1)


def _usual_window(
    low: Fraction | None, high: Fraction | None, base: Fraction, step: Fraction, usual: tuple[int, int]
) -> tuple[int, int]:
    """The first and last index on the grid that are both usual and allowed; in the wrong order if there are none."""
    from_ = Fraction(usual[0]) if low is None else max(low, Fraction(usual[0]))
    to = Fraction(usual[1]) if high is None else min(high, Fraction(usual[1]))
    return ceil((from_ - base) / step), floor((to - base) / step)


def _window(low: Fraction | None, high: Fraction | None, base: Fraction, step: Fraction) -> tuple[int, int]:
    """The first and last index on the grid: within the bounds, and no further from zero than need be."""
    wide = max(10, floor(100 / step))
    lowest = None if low is None else ceil((low - base) / step)
    highest = None if high is None else floor((high - base) / step)
    first = 0 if highest is None else min(0, highest - wide)
    first = first if lowest is None else max(first, lowest)
    return first, first + wide if highest is None else min(first + wide, highest)


def _written(value: Fraction, *, integral: bool) -> int | float | None:
    """The number as JSON has it, or None if it is too large to be written."""
    if abs(value) > _LARGEST:
        return None
    if value.denominator == 1 and (integral or abs(value) < _SAFE_INTEGER):
        return int(value)
    return float(value)


def _is_within(number: float, shape: Shape) -> bool:
    """Whether a number fits all bounds and multiples, by the arithmetic that validators use."""
    return (
        all(number >= bound for bound in shape.all("minimum"))
        and all(number > bound for bound in shape.all("exclusiveMinimum"))
        and all(number <= bound for bound in shape.all("maximum"))
        and all(number < bound for bound in shape.all("exclusiveMaximum"))
        and all(_is_multiple(number, multiple) for multiple in shape.all("multipleOf"))
    )


def _is_multiple(number: float, multiple: float) -> bool:
    if isinstance(multiple, float):
        quotient = number / multiple
        return quotient == int(quotient)
    return not number % multiple
