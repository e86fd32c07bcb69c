"""Strings that a regular expression matches: what `pattern` in a schema and a regex grammar ask for.

An expression is read with the parser of Python's own `re`, and its tree is spelled out: the least that each part needs, and
some more where it may repeat. What only looks (anchors, lookaround, back-references to come) is not worked out in advance:
a spelling is tried, and another one if `re` does not agree.
"""

import importlib
import re
import string
import warnings
from collections.abc import Callable, Iterator
from functools import lru_cache
from typing import Any

from mockserver.generate.dice import Dice

LONGEST_TEXT = 65_536
"""The longest string that is made, in characters."""

ATTEMPTS = 64
"""Spellings that are tried before an expression counts as matching nothing."""

# Not public, but there in every Python from 3.11 on, and far better tested than a parser of our own would be.
_parser: Any = importlib.import_module("re._parser")

_READABLE = string.ascii_lowercase + string.digits
_ALPHANUMERIC = _READABLE + string.ascii_uppercase
_TYPEABLE = _ALPHANUMERIC + " -_.,:;!?'\"()[]{}<>/\\|@#$%^&*+=~`"
_UNUSUAL = "\n\téßλж中🙂"
# Readable strings first; then others, because a lookahead may ask for what is not among them.
_POOLS = [_READABLE] * 8 + [_ALPHANUMERIC] * 8 + [_TYPEABLE] * (ATTEMPTS - 16)
_WORD = frozenset(_ALPHANUMERIC + "_")
_CATEGORIES: dict[str, Callable[[str], bool]] = {
    "CATEGORY_DIGIT": lambda char: char in string.digits,
    "CATEGORY_NOT_DIGIT": lambda char: char not in string.digits,
    "CATEGORY_SPACE": lambda char: char in string.whitespace,
    "CATEGORY_NOT_SPACE": lambda char: char not in string.whitespace,
    "CATEGORY_WORD": lambda char: char in _WORD,
    "CATEGORY_NOT_WORD": lambda char: char not in _WORD,
}


class PatternError(ValueError):
    """The expression cannot be read, or is read but asks for too much; the message says which."""


def spell(
    pattern: str,
    dice: Dice,
    *,
    shortest: int = 0,
    longest: int | None = None,
    whole: bool = False,
    accept: Callable[[str], bool] = lambda text: True,
) -> str | None:
    """A string of `shortest` to `longest` characters that the pattern matches and `accept` accepts, or None.

    `whole`: the match must be the whole string, otherwise it may be anywhere in it, as JSON Schema has it ("regular
    expressions are not implicitly anchored"). Raises `PatternError` for what is no expression or needs a text beyond
    `LONGEST_TEXT`.
    """
    expression, tree = read_pattern(pattern)
    matches = expression.fullmatch if whole else expression.search
    most = LONGEST_TEXT if longest is None else min(longest, LONGEST_TEXT)
    least, _ = tree.getwidth()
    if least > LONGEST_TEXT:
        raise PatternError(f"needs {least} characters, and no text longer than {LONGEST_TEXT} is made")
    for attempt in range(ATTEMPTS):
        spare = max(0, min(max(shortest - least, 0) + dice.roll(5, attempt), most - least))
        spelled = _Speller(
            dice.at(attempt), spare, _POOLS[attempt], greedy=shortest > least and attempt % 2 == 0
        ).spell(tree)
        for text in (spelled,) if whole else _paddings(spelled, shortest):
            if shortest <= len(text) <= most and matches(text) and accept(text):
                return text
    return None


@lru_cache(maxsize=256)
def read_pattern(pattern: str) -> tuple[re.Pattern[str], Any]:
    """The compiled expression and its tree. Raises `PatternError` for what Python's `re` cannot read."""
    translated = translate_pattern(pattern)
    try:
        with warnings.catch_warnings(action="ignore"):
            return re.compile(translated), _parser.parse(translated)
    except (re.error, OverflowError, RecursionError) as error:
        raise PatternError(f"is not a regular expression that Python reads: {error}") from error


def translate_pattern(pattern: str) -> str:
    r"""ECMAScript's way of writing in Python's: named groups, their references, and `\Z`-like ends.

    JSON Schema: "This string SHOULD be a valid regular expression, according to the ECMA-262 regular expression dialect."
    """
    named = re.sub(r"(?<!\\)\(\?<(?![=!])", "(?P<", pattern)
    return re.sub(r"(?<!\\)\\k<(\w+)>", r"(?P=\1)", named)


def _paddings(text: str, shortest: int) -> Iterator[str]:
    """The text, and if it is too short, with letters before or behind it, or with words."""
    yield text
    lacking = shortest - len(text)
    if 0 < lacking <= LONGEST_TEXT:
        yield text + "a" * lacking
        yield "a" * lacking + text
        yield text + " " + "a" * (lacking - 1)
        yield "a" * (lacking - 1) + " " + text


class _Speller:
    """Spells out one tree once.

    `spare` is how many characters repetitions may add to the least that they need; they take all they can if `greedy`, else
    they leave some to those that come after.
    """

    def __init__(self, dice: Dice, spare: int, pool: str, *, greedy: bool) -> None:
        self._dice = dice
        self._greedy = greedy
        self._spare = spare
        self._pool = pool
        self._rolls = 0
        self._parts = 0
        self._groups: dict[int, str] = {}

    def spell(self, tree: Any) -> str:
        self._parts += len(tree)
        if self._parts > 2 * LONGEST_TEXT:
            # A branch may need far more than the least that the whole was measured by.
            raise PatternError(f"makes texts longer than {LONGEST_TEXT} characters")
        return "".join(_SPELLINGS.get(str(op), _Speller.nothing)(self, argument) for op, argument in tree)

    def roll(self, sides: int) -> int:
        self._rolls += 1
        return self._dice.roll(sides, self._rolls)

    def nothing(self, argument: Any) -> str:
        return ""

    def literal(self, code: int) -> str:
        return chr(code)

    def other(self, code: int) -> str:
        return self.member([("NEGATE", None), ("LITERAL", code)])

    def any(self, argument: Any) -> str:
        return self._pool[self.roll(len(self._pool))]

    def member(self, items: Any) -> str:
        choices = _members(tuple((str(op), argument) for op, argument in items), self._pool)
        return choices[self.roll(len(choices))] if choices else ""

    def branch(self, argument: Any) -> str:
        branches = argument[1]
        return self.spell(branches[self.roll(len(branches))])

    def group(self, argument: Any) -> str:
        number, _, _, tree = argument
        text = self.spell(tree)
        if number is not None:
            self._groups[number] = text
        return text

    def repeat(self, argument: Any) -> str:
        least, most, tree = argument
        width = tree.getwidth()[0]
        if not width:
            # What may be empty need not be said as often as it is asked for: the rest are empty.
            least, width = min(least, 8), 1
        more = min(most - least, self._spare // width)
        if more and not self._greedy:
            more = self.roll(more + 1)
        self._spare -= more * width
        return "".join(self.spell(tree) for _ in range(least + more))

    def atomic(self, tree: Any) -> str:
        return self.spell(tree)

    def reference(self, number: int) -> str:
        return self._groups.get(number, "")

    def conditional(self, argument: Any) -> str:
        number, there, absent = argument
        tree = there if number in self._groups else absent
        return self.spell(tree) if tree is not None else ""


_SPELLINGS: dict[str, Callable[[_Speller, Any], str]] = {
    "LITERAL": _Speller.literal,
    "NOT_LITERAL": _Speller.other,
    "ANY": _Speller.any,
    "IN": _Speller.member,
    "BRANCH": _Speller.branch,
    "SUBPATTERN": _Speller.group,
    "MAX_REPEAT": _Speller.repeat,
    "MIN_REPEAT": _Speller.repeat,
    "POSSESSIVE_REPEAT": _Speller.repeat,
    "ATOMIC_GROUP": _Speller.atomic,
    "GROUPREF": _Speller.reference,
    "GROUPREF_EXISTS": _Speller.conditional,
}


@lru_cache(maxsize=1024)
def _members(items: tuple[tuple[str, Any], ...], pool: str) -> str:
    """The characters of a set that are in the pool; if there are none, some that are not."""
    negated = items[0][0] == "NEGATE"
    within = "".join(char for char in pool if _contains(items, char) != negated)
    within = within or "".join(char for char in _TYPEABLE if _contains(items, char) != negated)
    if within or negated:
        return within or "".join(char for char in _TYPEABLE + _UNUSUAL if not _contains(items, char))
    first = (arg if op == "LITERAL" else arg[0] if op == "RANGE" else 0x20 for op, arg in items)
    ranges = [range(arg[0], min(arg[1], arg[0] + 64) + 1) for op, arg in items if op == "RANGE"]
    codes = [*first, *(code for span in ranges for code in span)]
    # Surrogates are no characters: they could not be sent.
    return "".join(chr(code) for code in codes if not 0xD800 <= code < 0xE000 and _contains(items, chr(code)))


def _contains(items: tuple[tuple[str, Any], ...], char: str) -> bool:
    return any(
        (op == "LITERAL" and ord(char) == argument)
        or (op == "RANGE" and argument[0] <= ord(char) <= argument[1])
        or (op == "CATEGORY" and _CATEGORIES[str(argument)](char))
        for op, argument in items
    )
