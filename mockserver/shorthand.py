"""Values that a scenario file may write short: what every such type has in common, and durations, the commonest.

A shorthand type knows how to read what stands in a file (`decode`), how to write it again (`encode`) and the JSON Schema of
both, so that the loader, `mockserver schema` and a saved scenario all follow from one place. Decoding raises `ValueError`
with what was expected and what came.
"""

import re
from dataclasses import dataclass
from functools import cached_property
from sys import float_info
from typing import TYPE_CHECKING, Any, ClassVar, Protocol, Self, TypeVar, dataclass_transform, runtime_checkable

import msgspec

JsonSchema = dict[str, Any]
_T = TypeVar("_T")


@runtime_checkable
class Shorthand(Protocol):
    """A type that a scenario file may write in more than one way."""

    schema: ClassVar[JsonSchema]

    @classmethod
    def decode(cls, value: object) -> Self: ...

    def encode(self) -> object: ...


@dataclass_transform(frozen_default=True)
def shorthand(kind: type[_T]) -> type[_T]:
    """Make `kind`, a shorthand with fields, a frozen dataclass that msgspec leaves to the hooks below.

    msgspec reads structs and dataclasses field by field and asks no hook about them. It knows a dataclass by its
    `__dataclass_fields__`, which nothing here needs once the class is made.
    """
    made = dataclass(frozen=True)(kind)
    del made.__dataclass_fields__  # type: ignore[attr-defined]
    return made


def decode_shorthand(kind: type[Any], value: object) -> Any:
    """Read a shorthand: the hook for `msgspec.convert`."""
    return value if isinstance(value, kind) else kind.decode(value)


def encode_shorthand(value: Any) -> object:
    """Write a shorthand as it would stand in a file: the hook for `msgspec.to_builtins`."""
    return value.write() if isinstance(value, RepeatedText) else value.encode()


def shorthand_schema(kind: type[Any]) -> JsonSchema:
    """The JSON Schema of a shorthand: the hook for `msgspec.json.schema`."""
    schema: JsonSchema = kind.schema
    return schema


def default(value: _T) -> _T:
    """The default of a field that is a shorthand: msgspec cannot write one into a JSON Schema, so it is told of none."""
    return msgspec.field(default_factory=lambda: value)


_DURATION = re.compile(r"(\d+(?:\.\d*)?|\.\d+)\s*(us|µs|ms|s|m|min|h)?")
_UNIT_S = {None: 1.0, "us": 1e-6, "µs": 1e-6, "ms": 1e-3, "s": 1.0, "m": 60.0, "min": 60.0, "h": 3600.0}


class Duration(float):
    """A length of time in seconds; a file writes `0.02`, `20ms`, `1.5s` or `2m`."""

    __slots__ = ()
    schema: ClassVar[JsonSchema] = {
        "description": "A length of time: a number of seconds, or a number with its unit such as 20ms, 1.5s, 2m.",
        "anyOf": [{"type": "number", "minimum": 0}, {"type": "string", "pattern": rf"^{_DURATION.pattern}$"}],
        "examples": ["20ms", 1.5],
    }

    @classmethod
    def decode(cls, value: object) -> Self:
        seconds = value
        if isinstance(value, str) and (match := _DURATION.fullmatch(value.strip())):
            seconds = float(match[1]) * _UNIT_S[match[2]]
        if isinstance(seconds, int | float) and not isinstance(seconds, bool) and 0 <= seconds <= float_info.max:
            return cls(seconds)
        raise ValueError(f"expected a duration such as 0.02, 20ms, 1.5s or 2m, got {value!r}")

    def encode(self) -> float:
        return float(self)


_SIZE = re.compile(r"(\d+(?:\.\d*)?)\s*(B|KB|KiB|MB|MiB|GiB)?")
_UNIT_B = {None: 1, "B": 1, "KB": 1000, "KiB": 1024, "MB": 1000**2, "MiB": 1024**2, "GiB": 1024**3}


class Size(int):
    """A number of bytes; a file writes `65536`, `64KiB` or `1MiB`."""

    __slots__ = ()
    schema: ClassVar[JsonSchema] = {
        "description": "A number of bytes: a number, or a number with its unit such as 64KiB, 1MiB.",
        "anyOf": [{"type": "integer", "minimum": 0}, {"type": "string", "pattern": rf"^{_SIZE.pattern}$"}],
        "examples": ["64KiB", 100],
    }

    @classmethod
    def decode(cls, value: object) -> Self:
        if isinstance(value, str) and (match := _SIZE.fullmatch(value.strip())):
            if (size := float(match[1]) * _UNIT_B[match[2]]) <= float_info.max:
                return cls(round(size))
        elif isinstance(value, int) and not isinstance(value, bool) and value >= 0:
            return cls(value)
        raise ValueError(f"expected a number of bytes such as 65536, 64KiB or 1MiB, got {value!r}")

    def encode(self) -> int:
        return int(self)


MAX_TEXT_BYTES = 64 * 1024 * 1024
"""The longest text that may be made by repeating, in bytes."""


class RepeatedText(str):
    """A text, which a file may write as `{repeat: "text ", times: 100000}` if it is long.

    It is the text in every respect but one: what writes JSON takes only `plain`.
    """

    schema: ClassVar[JsonSchema] = {
        "description": "A text, or {repeat: a text, times: how often}; 64 MiB at most.",
        "anyOf": [
            {"type": "string"},
            {
                "type": "object",
                "properties": {"repeat": {"type": "string"}, "times": {"type": "integer", "minimum": 1}},
                "required": ["repeat", "times"],
                "additionalProperties": False,
            },
        ],
        "examples": ["Hello!", {"repeat": "text ", "times": 3}],
    }
    _written: object = None

    @classmethod
    def decode(cls, value: object) -> Self:
        unit, times = value, 1
        if isinstance(value, dict) and value.keys() == {"repeat", "times"}:
            unit, times = value["repeat"], value["times"]
        if not isinstance(unit, str) or isinstance(times, bool) or not isinstance(times, int) or times < 1:
            raise ValueError(f"expected a text, or {{repeat: a text, times: a number from 1}}, got {value!r}")
        if (size := len(unit.encode(errors="surrogatepass")) * times) > MAX_TEXT_BYTES:
            raise ValueError(f"expected a text of at most {MAX_TEXT_BYTES} bytes (64 MiB), got one of {size}")
        text = cls(unit * times)
        text._written = value
        return text

    def write(self) -> object:
        """The text as it stood in the file."""
        return self.plain if self._written is None else self._written

    @property
    def is_repeated(self) -> bool:
        """Whether it stood in the file as a text to be repeated."""
        return isinstance(self._written, dict)

    @cached_property
    def plain(self) -> str:
        """The text as a `str` and nothing more."""
        return str(self)


if TYPE_CHECKING:
    Text = str
else:
    Text = RepeatedText
"""The type of a field that holds a text which may be repeated; to a type checker it is a `str`, and in code it may be one."""


def plain(text: str) -> str:
    """A text as a `str` and nothing more."""
    return text.plain if isinstance(text, RepeatedText) else text


def plain_pieces(texts: tuple[str, ...]) -> tuple[str, ...]:
    """Texts as `str` and nothing more, but for those that stand in a file as repeated: they are to be written so again."""
    return tuple([text if isinstance(text, RepeatedText) and text.is_repeated else str(text) for text in texts])
