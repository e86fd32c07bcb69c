"""Checks of one JSON value, and how they combine: what the tables in `messages` and `parameters` are written in.

A rule takes a value and the name of its place, and returns, or raises the `RequestError` for the first thing wrong.
Values come from a JSON decoder, so that `type(value)` is exact: a boolean is no integer here, as in JSON.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeAlias

from mockserver.request import wording

Rule: TypeAlias = Callable[[Any, str], None]


def anything(value: Any, param: str) -> None:
    """Accept whatever came."""


def boolean(value: Any, param: str) -> None:
    """Accept true and false."""
    if type(value) is not bool:
        raise wording.invalid_type(param, "a boolean", value)


def string(value: Any, param: str) -> None:
    """Accept any string."""
    if type(value) is not str:
        raise wording.invalid_type(param, "a string", value)


def text(*, longest: int, pattern: str | None = None) -> Rule:
    """Accept a string of one to `longest` characters, all of it matching `pattern` if there is one."""
    matches = re.compile(pattern).fullmatch if pattern else None

    def check(value: Any, param: str) -> None:
        string(value, param)
        if not value:
            raise wording.empty_string(param)
        if len(value) > longest:
            raise wording.long_string(param, len(value), longest)
        if pattern and matches and not matches(value):
            raise wording.pattern_mismatch(param, pattern)

    return check


def integer(minimum: int, maximum: int | None = None) -> Rule:
    """Accept a whole number within both bounds; `1.0` is a decimal number to the real API, not an integer."""

    def check(value: Any, param: str) -> None:
        if type(value) is not int:
            raise wording.invalid_type(param, "an integer", value)
        if value < minimum:
            raise wording.below(param, "integer", value, minimum)
        if maximum is not None and value > maximum:
            raise wording.above(param, "integer", value, maximum)

    return check


def decimal(minimum: int, maximum: int) -> Rule:
    """Accept a number, whole or not, within both bounds."""

    def check(value: Any, param: str) -> None:
        if type(value) is not float and type(value) is not int:
            raise wording.invalid_type(param, "a decimal", value)
        if value < minimum:
            raise wording.below(param, "decimal", value, minimum)
        if value > maximum:
            raise wording.above(param, "decimal", value, maximum)

    return check


def one_of(values: Sequence[str]) -> Rule:
    """Accept one of a few strings."""
    members = frozenset(values)

    def check(value: Any, param: str) -> None:
        if type(value) is not str:
            raise wording.invalid_type(param, f"one of {wording.list_values(values, 'or')}", value)
        if value not in members:
            raise wording.invalid_value(param, value, values)

    return check


def obj(
    required: Mapping[str, Rule] | None = None,
    optional: Mapping[str, Rule] | None = None,
    *,
    expected: str = "an object",
) -> Rule:
    """Accept an object with these members, and others. Null counts as absent where a member is optional."""
    must, may = tuple((required or {}).items()), tuple((optional or {}).items())

    def check(value: Any, param: str) -> None:
        if type(value) is not dict:
            raise wording.invalid_type(param, expected, value)
        for key, rule in must:
            if key not in value:
                raise wording.missing(f"{param}.{key}")
            rule(value[key], f"{param}.{key}")
        for key, rule in may:
            member = value.get(key)
            if member is not None:
                rule(member, f"{param}.{key}")

    return check


def array(item: Rule, *, expected: str, shortest: int = 0, longest: int | None = None) -> Rule:
    """Accept an array of `shortest` (0 or 1) to `longest` items that fit; `expected` is the phrase for all of it."""

    def check(value: Any, param: str) -> None:
        if type(value) is not list:
            raise wording.invalid_type(param, expected, value)
        if len(value) < shortest:
            raise wording.empty_array(param)
        if longest is not None and len(value) > longest:
            raise wording.long_array(param, len(value), longest)
        for index, member in enumerate(value):
            item(member, f"{param}[{index}]")

    return check


def tagged(tag: str, cases: Mapping[str, Rule]) -> Rule:
    """Accept an object whose member `tag` names the rule for the rest of it."""
    name_rule = one_of(tuple(cases))

    def check(value: Any, param: str) -> None:
        if type(value) is not dict:
            raise wording.invalid_type(param, "an object", value)
        if tag not in value:
            raise wording.missing(f"{param}.{tag}")
        name = value[tag]
        name_rule(name, f"{param}.{tag}")
        cases[name](value, param)

    return check


def string_or(other: type, rule: Rule, *, expected: str) -> Rule:
    """Accept any string, or what `rule` accepts of the type `other`; `expected` is the phrase for both."""

    def check(value: Any, param: str) -> None:
        if type(value) is str:
            return
        if type(value) is not other:
            raise wording.invalid_type(param, expected, value)
        rule(value, param)

    return check
