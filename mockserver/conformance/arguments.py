"""The arguments of tool calls, as JSON: when two texts say the same, and when one says no more than a beginning of the other.

What is sent is text, and what a consumer hands on is often what it read of it: with other spaces, escapes and ends of numbers.
Of arguments that broke off some consumers make JSON, by closing what is open.
"""

import json
import re
from collections.abc import Iterator
from typing import Any

_CLOSED_BY = {"{": "}", "[": "]", '"': '"'}
_HALF_ESCAPE = re.compile(r"(?<!\\)(?:\\\\)*(\\(?:u[0-9a-fA-F]{0,3})?)$")
_NONE = object()


class _Number(str):
    """A number as it is written: of one that broke off, the digits that came are a beginning."""

    __slots__ = ()


def make_canonical(text: str) -> str:
    """The arguments in one form, if they are JSON, else as they are."""
    try:
        # A tool without parameters is called with "" by some and {} by others: both say the same.
        value = json.loads(text or "{}", parse_float=_read_number)
        return json.dumps(value, sort_keys=True, ensure_ascii=False)
    except (ValueError, RecursionError):
        return text


def is_beginning(text: str, said: str) -> bool:
    """Whether arguments that were kept are a beginning of those that were said, or no more than these, over again.

    As text; or as JSON, by closing what is open: then every key and value is one that was said, up to where it broke off. Some
    servers send all of the arguments once more at the end: kept beside an error they do no harm.
    """
    if said.startswith(text) or (said and (said * (len(text) // len(said) + 1)).startswith(text)):
        return True
    value, whole = _read(text), _read_broken(said)
    return value is not _NONE and whole is not _NONE and _begins(value, whole)


def _begins(value: Any, whole: Any) -> bool:
    """Whether a value is another one, or that as far as it came: all but the last member of a list or object are the same."""
    if isinstance(value, dict) and isinstance(whole, dict):
        said = list(whole)[: len(value)]
        if value.keys() != set(said):  # in any order: some sort the keys
            return False
        return all(_equals(value[key], whole[key]) for key in said[:-1]) and all(
            _begins(value[key], whole[key]) for key in said[-1:]
        )
    if isinstance(value, list) and isinstance(whole, list):
        if len(value) > len(whole):
            return False
        return all(map(_equals, value[:-1], whole)) and (not value or _begins(value[-1], whole[len(value) - 1]))
    if isinstance(value, str) and isinstance(whole, str) and isinstance(value, _Number) == isinstance(whole, _Number):
        return _equals(value, whole) or _as_utf16(whole).startswith(_as_utf16(value))
    return value is whole


def _equals(one: Any, other: Any) -> bool:
    """Whether two values say the same; numbers may be written otherwise."""
    return make_canonical(_write(one)) == make_canonical(_write(other))


def _write(value: Any) -> str:
    if isinstance(value, _Number):
        return str(value)
    if isinstance(value, dict):
        return "{" + ",".join(f"{json.dumps(key)}:{_write(item)}" for key, item in value.items()) + "}"
    return "[" + ",".join(map(_write, value)) + "]" if isinstance(value, list) else json.dumps(value)


def _as_utf16(text: str) -> bytes:
    """A text that broke off within an escape may end with half of a surrogate pair."""
    return text.encode("utf-16-le", "surrogatepass")


def _read(text: str) -> Any:
    try:
        return json.loads(text or "{}", parse_float=_Number, parse_int=_Number)
    except (ValueError, RecursionError):
        return _NONE


def _read_broken(text: str) -> Any:
    """The value of JSON that may have broken off: as far as it is certain."""
    return next((value for closed in _close(text) if (value := _read(closed)) is not _NONE), _NONE)


def _close(text: str) -> Iterator[str]:
    """The text itself; with what is open closed; and so without its last member, which may be half a key or half a word."""
    yield text
    open_: list[str] = []
    cut, closing = 0, ""
    for found in re.finditer(r'\\.|["{}\[\],]', text, re.DOTALL):
        sign, in_text = found[0], bool(open_) and open_[-1] == '"'
        if sign == '"' and in_text:
            open_.pop()
        elif in_text or sign.startswith("\\"):
            continue
        elif sign in _CLOSED_BY:
            open_.append(sign)
        elif sign in "}]" and open_:
            open_.pop()
        if sign in "{[,":
            cut = found.start() + (sign != ",")
            closing = _ends(open_)
    whole = _HALF_ESCAPE.sub(lambda half: half[0][: -len(half[1])], text) if open_[-1:] == ['"'] else text
    yield whole + _ends(open_)
    yield text[:cut] + closing


def _ends(open_: list[str]) -> str:
    return "".join(_CLOSED_BY[sign] for sign in reversed(open_))


def _read_number(text: str) -> float | int:
    """A number with a fraction or exponent; one without a true fraction is the integer that it is to many parsers."""
    number = float(text)
    return int(number) if number.is_integer() else number
