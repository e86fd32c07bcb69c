"""Values made to fit a JSON Schema, from its root down, with another try where the first does not fit.

Recursion: after a few rounds through the same definition the shortest way out is taken (`SchemaDocument.height`). Choices:
branches are tried in an order of their own for each seed. What neither covers (`not`, `if`, `oneOf` that overlaps) is met by
trying, with a validator as the judge.
"""

import json
from collections.abc import Callable, Iterator, Sequence
from math import inf
from typing import TYPE_CHECKING, Any, TypeVar

from mockserver.generate.patterns import spell
from mockserver.generate.samples import mentioned, word
from mockserver.generate.scalars import Spot, make_number, make_string
from mockserver.generate.schemas import SchemaDocument
from mockserver.generate.shapes import Schema, Shape, UnsatisfiableError

if TYPE_CHECKING:
    from jsonschema.protocols import Validator

MAX_EFFORT = 10_000
"""What one schema may take to fill, counted in values, those included that were tried and given up."""

MAX_STEPS = 80
"""Members, items and branches on the way down to one value, at most."""

TRIES = 32
"""Values tried at one spot where only a validator can tell whether they fit, or whether they are new in an array."""

_ROUNDS = 2
_VALIDATION_EFFORT, _FAILED_STRING_EFFORT = 4, 200
_LARGE_DEPTH = 3

T = TypeVar("T")


class ValueMaker:
    """Makes values for one schema; counts them, so that no schema keeps it busy forever."""

    def __init__(self, root: Schema, validator: "Validator") -> None:
        self._validator = validator
        self._document = SchemaDocument(root)
        self._left = MAX_EFFORT

    def value(self, schemas: Sequence[Schema], spot: Spot) -> Any:
        """A value that fits all of these schemas.

        Raises `UnsatisfiableError` if none is found, `ValueError` if it takes too many.
        """
        self._spend(1)
        if spot.steps > MAX_STEPS:
            raise ValueError(f"filling it goes deeper than {MAX_STEPS} steps")
        shape = self._document.shape(schemas, spot.place, spot.trail)
        spot = spot.following(shape.trail)
        if _is_ending(spot) and any(self._document.height(schema) == inf for schema in schemas):
            raise UnsatisfiableError(spot.place, "$ref", "it refers to itself without an end")
        for value in _given_values(shape, spot):
            if self._fits(value, schemas):
                return value
        if shape.all("enum") or shape.all("const"):
            raise UnsatisfiableError(spot.place, "enum", "none of the values listed fits the rest of the schema")
        if not shape.tested:
            return self._choose(shape, spot)
        return self._try(shape, schemas, spot)

    def _spend(self, effort: int) -> None:
        self._left -= effort
        if self._left < 0:
            raise ValueError("filling it takes too long: its parts are too many, or at odds with each other")

    def _afford(self, effort: int) -> None:
        """Give up at once on what cannot be spent anyway."""
        if effort > self._left:
            self._spend(effort)

    def _try(self, shape: Shape, schemas: Sequence[Schema], spot: Spot) -> Any:
        """The first of several values that a validator agrees with."""
        for turn in range(TRIES):
            value = self._choose(shape.untested(), spot.again(turn))
            if self._fits(value, schemas):
                return value
        raise UnsatisfiableError(spot.place, "not", "no value was found that fits all that is asked for")

    def _fits(self, value: Any, schemas: Sequence[Schema]) -> bool:
        self._spend(_VALIDATION_EFFORT)
        return bool(self._validator.evolve(schema={"allOf": list(schemas)}).is_valid(value))

    def _choose(self, shape: Shape, spot: Spot) -> Any:
        """A value by one of the branches of the first choice; where none is open, of one of the types."""
        failure: UnsatisfiableError | None = None
        for way in self._branches(shape, spot) if shape.choices else self._types(shape, spot):
            try:
                if isinstance(way, str):
                    return self._make(way, shape, spot)
                index, branch = way
                others = [{"anyOf": list(choice)} for choice in shape.choices[1:]]
                return self.value((*shape.parts, *others, branch), spot.branch(index, len(shape.choices[0])))
            except UnsatisfiableError as error:
                failure = failure or error
        raise failure or UnsatisfiableError(spot.place, "type", "no type is left that all of the schema allows")

    def _branches(self, shape: Shape, spot: Spot) -> list[tuple[int, Schema]]:
        branches = list(enumerate(shape.choices[0]))
        if _is_ending(spot):
            return sorted(branches, key=lambda branch: self._document.height(branch[1]))
        return _rotate(branches, lambda branch: isinstance(branch[1], dict) and branch[1].get("type") == "null", spot)

    def _types(self, shape: Shape, spot: Spot) -> list[str]:
        if _is_ending(spot):
            return sorted(shape.types, key=_BY_SIZE.index)
        # Where no type is named, keywords only hint at one: after some tries it may as well be any.
        any_will_do = spot.turn >= TRIES // 4 and not shape.all("type")
        return _rotate(list(_BY_SIZE if any_will_do else shape.types), lambda kind: kind == "null", spot)

    def _make(self, kind: str, shape: Shape, spot: Spot) -> Any:
        if kind == "object":
            return self._object(shape, spot)
        if kind == "array":
            return self._array(shape, spot)
        if kind == "string":
            try:
                return make_string(shape, spot)
            except UnsatisfiableError:
                self._spend(_FAILED_STRING_EFFORT)
                raise
        if kind == "boolean":
            return spot.index(2, "boolean") == 1
        return None if kind == "null" else make_number(shape, spot, integral=kind == "integer")

    def _object(self, shape: Shape, spot: Spot) -> dict[str, Any]:
        """An object with all that is required, in the schema's order, and most of what is not."""
        needed = shape.needed
        least, most = shape.highest("minProperties"), shape.lowest("maxProperties")
        if most is not None and max(len(needed), least) > most:
            raise UnsatisfiableError(
                spot.place, "maxProperties", f"it allows at most {most} properties and asks for more"
            )
        described = shape.property_names
        self._afford(least)
        optional = [name for name in described if name not in needed]
        chosen = [name for name in optional if not _is_ending(spot) and spot.index(4, "optional", name)]
        room = len(optional) if most is None else most - len(needed)
        wanted = {*needed, *chosen[:room]}
        made: dict[str, Any] = {}
        for wheel, name in enumerate(dict.fromkeys((*described, *needed))):
            if name in wanted:
                self._put(made, name, shape, spot.member(name, wheel), needed=name in needed)
        further = [name for name in optional if name not in made]
        if not described and not needed and shape.is_map and not _is_ending(spot):
            least = max(least, 2 if most is None else min(most, 2))
        for name in (*further, *self._new_names(shape, spot, least)):
            if len(made) >= least:
                break
            if name not in made:
                self._put(made, name, shape, spot.member(name, 0, described=name in optional), needed=False)
        if len(made) < shape.highest("minProperties"):
            raise UnsatisfiableError(spot.place, "minProperties", f"no {least} properties were found that it allows")
        return made

    def _put(self, made: dict[str, Any], name: str, shape: Shape, spot: Spot, *, needed: bool) -> None:
        try:
            made[name] = self.value(shape.property_schemas(name), spot)
        except UnsatisfiableError:
            if needed:
                raise

    def _new_names(self, shape: Shape, spot: Spot, count: int) -> Iterator[str]:
        """Names for properties that the schema does not name, as far as it says what they are like."""
        rules, patterns = (
            shape.all("propertyNames"),
            [p for described in shape.all("patternProperties") for p in described],
        )
        for turn in range(2 * count):
            if rules:
                yield self.value((*rules, {"type": "string"}), spot.member("", 0, described=False).again(turn))
            elif patterns:
                yield spell(spot.dice.pick(patterns, turn), spot.dice.at(turn)) or ""
            else:
                yield word(spot.dice, "name", turn) if turn < count else f"{word(spot.dice, 'name', turn)}_{turn}"

    def _array(self, shape: Shape, spot: Spot) -> list[Any]:
        """An array of a few items; of no more than it must have, where recursion is to end."""
        contained = tuple(shape.all("contains"))
        hits = shape.highest("minContains", 1) if contained else 0
        least, most = max(shape.highest("minItems"), hits), shape.lowest("maxItems")
        if most is not None and most < least:
            raise UnsatisfiableError(spot.place, "maxItems", f"it allows at most {most} items and asks for {least}")
        small = spot.depth >= _LARGE_DEPTH or spot.repeats > 0
        usual = shape.prefix_length or 1 + spot.dice.roll(1 if small else 3, "length")
        length = max(least, 0 if _is_ending(spot) else usual)
        unique = any(shape.all("uniqueItems"))
        self._afford(least)
        items: list[Any] = []
        shared, turn = spot.item(), 0
        for index in range(length if most is None else min(length, most)):
            schemas = shape.item_schemas(index) + (contained if index < hits else ())
            try:
                if unique:
                    item, turn = self._new_item(items, schemas, shared, turn)
                else:
                    item = self.value(schemas, spot.item(index))
            except UnsatisfiableError:
                if index < least:
                    raise
                break
            items.append(item)
        return items

    def _new_item(self, items: list[Any], schemas: Sequence[Schema], spot: Spot, turn: int) -> tuple[Any, int]:
        """An item that the array does not have yet, and the turn to go on with."""
        written = {json.dumps(item, sort_keys=True) for item in items}
        for later in range(turn, turn + TRIES):
            item = self.value(schemas, spot.again(later))
            if json.dumps(item, sort_keys=True) not in written:
                return item, later + 1
        reason = f"no {len(items) + 1} different items were found"
        raise UnsatisfiableError(spot.place, "uniqueItems", reason)


_BY_SIZE = ("null", "boolean", "integer", "number", "string", "array", "object")


def _is_ending(spot: Spot) -> bool:
    """Whether a recursion has gone far enough, so that from here on the shortest way out is to be taken."""
    return spot.repeats >= _ROUNDS


def _given_values(shape: Shape, spot: Spot) -> Iterator[Any]:
    """The values that the schema itself lists: all that it allows, or examples of it."""
    listed = [value for values in (*shape.all("enum"), *([value] for value in shape.all("const"))) for value in values]
    if listed:
        if spot.context and not spot.turn:
            yield from mentioned([value for value in listed if isinstance(value, str)], spot.context)
        start = spot.index(len(listed), "listed")
        yield from listed[start:] + listed[:start]
    elif not spot.turn:
        yield from (value for values in shape.all("examples") for value in values)
        # A default of null is how generators of schemas say that a property is optional; it tells nothing.
        yield from (value for value in shape.all("default") if value is not None)


def _rotate(ways: list[T], is_null: Callable[[T], bool], spot: Spot) -> list[T]:
    """The ways in the order of this turn; null, where it is one of several, comes first one time in five, else last."""
    nulls, others = [way for way in ways if is_null(way)], [way for way in ways if not is_null(way)]
    if others:
        start = spot.index(len(others), "way")
        others = others[start:] + others[:start]
    return nulls + others if spot.index(5, "null") == 0 else others + nulls
