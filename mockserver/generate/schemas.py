"""One JSON Schema with its definitions: references followed, conjunctions taken apart, recursion measured.

The vocabulary is that of draft 2020-12, https://json-schema.org/draft/2020-12/json-schema-core.
"""

from collections.abc import Callable, Iterator, Sequence
from functools import cached_property
from math import inf
from typing import Any
from urllib.parse import unquote

from mockserver.generate.shapes import TESTED_KEYWORDS, Place, Schema, Shape, UnsatisfiableError

_LONGEST_CHAIN = 64
_UNSUPPORTED = frozenset(["$dynamicRef", "$recursiveRef"])
_COMBINATORS = frozenset(["$ref", "allOf", "anyOf", "oneOf", "if", "then", "else"])
_SCHEMA_KEYWORDS = frozenset(
    ["allOf", "anyOf", "oneOf", "prefixItems", "items", "additionalItems", "contains", "not", "if", "then", "else"]
) | {"additionalProperties", "propertyNames", "unevaluatedItems", "unevaluatedProperties"}
_IN_PLACE_KEYWORDS = frozenset(["allOf", "anyOf", "oneOf", "not", "if", "then", "else"])
_SCHEMA_MAPS = frozenset(["properties", "patternProperties", "$defs", "definitions", "dependentSchemas"])


class SchemaDocument:
    """One JSON Schema with its definitions: follows references and tells how deep values must at least be."""

    def __init__(self, root: Schema) -> None:
        self.root = root

    def check(self) -> None:
        """Raise `UnsatisfiableError` for what cannot be worked with: references that lead round in a circle, or too far.

        JSON Schema, section 9.4.1: "A schema MUST NOT be run into an infinite loop against an instance."
        """
        chains: dict[int, int] = {}
        for node in self._walk(follow=True):
            for keyword in _UNSUPPORTED & node.keys():
                raise UnsatisfiableError((), keyword, f"'{keyword}' is not supported")
            if "$id" in node and node is not self.root:
                raise UnsatisfiableError((), "$id", "'$id' is supported at the root only")
            if self._chain(node, chains) > _LONGEST_CHAIN:
                raise UnsatisfiableError((), "$ref", f"more than {_LONGEST_CHAIN} references follow on each other")

    def _chain(self, schema: Schema | None, chains: dict[int, int]) -> int:
        """How many schemas at most apply to one value through this one, each because of the one before."""
        if not isinstance(schema, dict):
            return 0
        if (known := chains.get(id(schema))) is not None:
            if not known:
                reason = "'$ref' leads back to where it stands, without going deeper into the value"
                raise UnsatisfiableError((), "$ref", reason)
            return known
        chains[id(schema)] = 0
        applied = list(_values_of(schema, _IN_PLACE_KEYWORDS))
        applied += schema.get("dependentSchemas", {}).values()
        if "$ref" in schema:
            applied.append(self._find(schema["$ref"]))
        chains[id(schema)] = 1 + max((self._chain(below, chains) for below in applied), default=0)
        return chains[id(schema)]

    def shape(self, schemas: Sequence[Schema], place: Place, trail: tuple[str, ...] = ()) -> Shape:
        """The shape of a value that fits all these schemas. Raises `UnsatisfiableError` where one allows nothing."""
        parts: list[dict[str, Any]] = []
        choices: list[tuple[Schema, ...]] = []
        tested, seen, pending = False, set(), list(schemas)
        while pending:
            schema = pending.pop(0)
            if schema is False:
                raise UnsatisfiableError(place, "false", "the schema is false: it allows no value")
            if schema is True or id(schema) in seen:
                continue
            seen.add(id(schema))
            if "$ref" in schema:
                trail += (schema["$ref"],)
                pending.insert(0, self.resolve(schema["$ref"], place))
            pending[:0] = schema.get("allOf", ())
            choices.extend(_choices(schema))
            tested = tested or not TESTED_KEYWORDS.isdisjoint(schema)
            parts.append({keyword: value for keyword, value in schema.items() if keyword not in _COMBINATORS})
        return Shape(tuple(parts), tuple(choices), tested, trail)

    def resolve(self, reference: str, place: Place) -> Schema:
        """The schema that a reference within the document points to (RFC 6901 pointers, or anchors).

        Raises `UnsatisfiableError` for one that points outside or nowhere.
        """
        if not reference.startswith("#"):
            raise UnsatisfiableError(place, "$ref", f"'$ref' {reference!r} points outside of the schema")
        if (found := self._find(reference)) is None:
            raise UnsatisfiableError(place, "$ref", f"'$ref' {reference!r} points to no schema")
        return found

    def _find(self, reference: str) -> Schema | None:
        node: Any = self.root if reference.startswith("#") else None
        pointer = unquote(reference[1:])
        if pointer and not pointer.startswith("/"):
            node = self._anchors.get(pointer)
        for step in pointer.split("/")[1:] if pointer.startswith("/") else ():
            key = step.replace("~1", "/").replace("~0", "~")
            if isinstance(node, list) and key.isdecimal() and int(key) < len(node):
                node = node[int(key)]
            else:
                node = node.get(key) if isinstance(node, dict) else None
        return node if isinstance(node, bool | dict) else None

    def height(self, schema: Schema) -> float:
        """How many steps down a value that fits goes at least; infinite where it can never end.

        A reference and a choice count as a step, so that whoever always takes the lower way arrives.
        """
        return self._heights[id(schema)] if id(schema) in self._heights else self._measure(schema, self._heights)

    @cached_property
    def _anchors(self) -> dict[str, Any]:
        return {node["$anchor"]: node for node in self._walk(follow=False) if isinstance(node.get("$anchor"), str)}

    @cached_property
    def _heights(self) -> dict[int, float]:
        """The heights of all schemas in the document, lowered from infinity until nothing changes any more."""
        nodes = list(self._walk(follow=True))
        heights = {id(node): inf for node in nodes}
        changed = True
        while changed:
            changed = False
            for node in nodes:
                if (height := self._measure(node, heights)) < heights[id(node)]:
                    heights[id(node)] = height
                    changed = True
        return heights

    def _measure(self, schema: Schema, heights: dict[int, float]) -> float:
        """The height of one schema, given those of the schemas below it."""
        if isinstance(schema, bool):
            return 0 if schema else inf

        def known(below: Schema) -> float:
            return heights[id(below)] if id(below) in heights else self._measure(below, heights)

        own = 0.0
        shape = Shape((schema,), (), tested=False, trail=())
        if "enum" not in schema and "const" not in schema:
            own = min((_own_height(kind, shape, known) for kind in shape.types), default=inf)
        needs = [own, *map(known, schema.get("allOf", ()))]
        needs += [1 + min(map(known, branches), default=inf) for branches in _choices(schema)]
        if "$ref" in schema:
            target = self._find(schema["$ref"])
            needs.append(inf if target is None else 1 + known(target))
        return max(needs)

    def _walk(self, *, follow: bool) -> Iterator[dict[str, Any]]:
        """Every schema in the document that is an object, each once; `follow`: and those that only references reach."""
        seen: set[int] = set()
        pending: list[Any] = [self.root]
        while pending:
            node = pending.pop()
            if not isinstance(node, dict) or id(node) in seen:
                continue
            seen.add(id(node))
            yield node
            pending.extend(_subschemas(node))
            if follow and "$ref" in node:
                pending.append(self._find(node["$ref"]))


def _own_height(kind: str, shape: Shape, known: Callable[[Schema], float]) -> float:
    if kind == "object":
        return 1 + max((known(schema) for name in shape.required for schema in shape.property_schemas(name)), default=0)
    if kind == "array" and (least := shape.highest("minItems")):
        return 1 + max(known(schema) for index in range(min(least, 64)) for schema in shape.item_schemas(index))
    return 0


def _choices(schema: dict[str, Any]) -> Iterator[tuple[Schema, ...]]:
    """The open choices of a schema: branches, the two ways through an `if`, and whether a property is there at all."""
    for keyword in ("anyOf", "oneOf"):
        if keyword in schema:
            yield tuple(schema[keyword])
    if "if" in schema:
        yield {"allOf": [schema["if"], schema.get("then", True)]}, schema.get("else", True)
    for keyword in ("dependentSchemas", "dependencies"):
        for name, brought in schema.get(keyword, {}).items():
            # The older keyword also takes a list of names.
            along = {"required": brought} if isinstance(brought, list) else brought
            yield {"allOf": [{"required": [name]}, along]}, {"properties": {name: False}}


def _subschemas(schema: dict[str, Any]) -> Iterator[Any]:
    """What stands in a schema where schemas stand; data, such as the values of an `enum`, is left alone."""
    yield from _values_of(schema, _SCHEMA_KEYWORDS)
    for keyword in _SCHEMA_MAPS & schema.keys():
        yield from schema[keyword].values()


def _values_of(schema: dict[str, Any], keywords: frozenset[str]) -> Iterator[Any]:
    """The schemas that stand under these keywords, alone or in lists."""
    for keyword in keywords & schema.keys():
        value = schema[keyword]
        yield from value if isinstance(value, list) else (value,)
