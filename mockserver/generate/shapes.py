"""What one value must fit, as a maker of values sees it: all conjunctions side by side, the choices still open.

A value must fit several schemas at once: one, what it refers to, what its `allOf` adds. They are not merged into one schema
but kept as the parts of a `Shape`, which is then asked for what matters: the highest of all minimums, the schemas that hold
for one property.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any, TypeAlias

from mockserver.generate.patterns import read_pattern

Schema: TypeAlias = bool | dict[str, Any]
Place: TypeAlias = tuple[str, ...]

_TYPE_SIGNS = {
    "object": ("properties", "required", "additionalProperties", "patternProperties", "minProperties", "propertyNames"),
    "array": ("items", "prefixItems", "minItems", "maxItems", "uniqueItems", "contains"),
    "string": ("pattern", "format", "minLength", "maxLength"),
    "number": ("minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf"),
}


TESTED_KEYWORDS = frozenset(
    [
        "oneOf",
        "if",
        "not",
        "dependentSchemas",
        "dependencies",
        "unevaluatedProperties",
        "unevaluatedItems",
        "maxContains",
    ]
)
"""What the parts and choices of a shape do not stand for: only a validator tells whether they are met."""


class UnsatisfiableError(Exception):
    """No value fits here: `place` in the schema, the `keyword` that forbids it, and the reason in words."""

    def __init__(self, place: Place, keyword: str, reason: str) -> None:
        super().__init__(place, keyword, reason)
        self.place = place
        self.keyword = keyword
        self.reason = reason


@dataclass(frozen=True, slots=True)
class Shape:
    """What one value must fit: all of `parts`, which have no combinators left, and one of each of `choices`.

    `tested` tells that there is more to it than parts and choices say. `trail` names the references followed so far.
    """

    parts: tuple[dict[str, Any], ...]
    choices: tuple[tuple[Schema, ...], ...]
    tested: bool
    trail: tuple[str, ...]

    def all(self, keyword: str) -> list[Any]:
        """The values of a keyword in all parts that have it."""
        return [part[keyword] for part in self.parts if keyword in part]

    def highest(self, keyword: str, default: int = 0) -> int:
        """The strictest lower bound on a size."""
        return max(map(int, self.all(keyword)), default=default)

    def lowest(self, keyword: str) -> int | None:
        """The strictest upper bound on a size; None: there is none."""
        return min(map(int, self.all(keyword)), default=None)

    def untested(self) -> "Shape":
        """The same shape without what only a validator can tell, for values that are going to be tested as a whole."""
        parts = tuple({key: value for key, value in part.items() if key not in TESTED_KEYWORDS} for part in self.parts)
        return replace(self, parts=parts, tested=False)

    def first_text(self, keyword: str) -> str:
        """The first text that an annotation has, or nothing."""
        return next((text for text in self.all(keyword) if isinstance(text, str)), "")

    @property
    def types(self) -> tuple[str, ...]:
        """The JSON types that all parts allow; where none names any, those that its keywords are about."""
        named = [(kinds,) if isinstance(kinds, str) else tuple(kinds) for kinds in self.all("type")]
        if not named:
            keywords = {keyword for part in self.parts for keyword in part}
            return tuple(kind for kind, signs in _TYPE_SIGNS.items() if not keywords.isdisjoint(signs)) or ("string",)
        allowed = [kind for kind in named[0] if all(_is_among(kind, others) for others in named[1:])]
        if "number" in named[0] and "number" not in allowed and all(_is_among("integer", others) for others in named):
            allowed.append("integer")
        return tuple(dict.fromkeys(allowed))

    @property
    def required(self) -> list[str]:
        """The names of the properties that must be there, each once."""
        return list(dict.fromkeys(name for names in self.all("required") for name in names))

    @property
    def needed(self) -> list[str]:
        """The properties that must be there, with those that they bring along ("dependentRequired")."""
        names = self.required
        for name in names:
            for brought in self.all("dependentRequired"):
                names += [other for other in brought.get(name, ()) if other not in names]
        return names

    @property
    def is_map(self) -> bool:
        """Whether the schema describes properties that it does not name."""
        others = any(isinstance(schema, dict) and schema for schema in self.all("additionalProperties"))
        return others or any(self.all("patternProperties"))

    @property
    def property_names(self) -> list[str]:
        """The names of the properties that the parts describe, in their order, each once."""
        return list(dict.fromkeys(name for properties in self.all("properties") for name in properties))

    def property_schemas(self, name: str) -> tuple[Schema, ...]:
        """The schemas that a property of this name must fit."""
        return tuple(schema for part in self.parts for schema in _property_schemas(part, name))

    @property
    def prefix_length(self) -> int:
        """How many items at the beginning of an array have schemas of their own."""
        return max((len(_prefix(part)[0]) for part in self.parts), default=0)

    def item_schemas(self, index: int) -> tuple[Schema, ...]:
        """The schemas that the item at this index must fit."""
        return tuple(_item_schema(part, index) for part in self.parts)


def _is_among(kind: str, others: Sequence[str]) -> bool:
    return kind in others or (kind == "integer" and "number" in others)


def _property_schemas(part: dict[str, Any], name: str) -> Iterator[Schema]:
    described = False
    if name in part.get("properties", ()):
        described = True
        yield part["properties"][name]
    for pattern, schema in part.get("patternProperties", {}).items():
        if read_pattern(pattern)[0].search(name):
            described = True
            yield schema
    if not described:
        yield part.get("additionalProperties", True)


def _item_schema(part: dict[str, Any], index: int) -> Schema:
    prefix, rest = _prefix(part)
    return prefix[index] if index < len(prefix) else rest


def _prefix(part: dict[str, Any]) -> tuple[Sequence[Schema], Schema]:
    """The schemas of the first items, and that of all others; drafts before 2020-12 wrote both in other words."""
    items = part.get("items", True)
    if isinstance(items, list):
        return items, part.get("additionalItems", True)
    return part.get("prefixItems", ()), items
