from math import inf
from typing import Any

import pytest

from mockserver.generate.schemas import SchemaDocument
from mockserver.generate.shapes import Schema, UnsatisfiableError

LEAF: Schema = {"type": "integer"}


def test_references_and_conjunctions_are_laid_side_by_side() -> None:
    root: dict[str, Any] = {
        "$defs": {"a": {"minimum": 1, "allOf": [{"maximum": 9}]}},
        "$ref": "#/$defs/a",
        "type": "integer",
        "allOf": [{"multipleOf": 2}, True, {"$ref": "#/$defs/a"}],
    }
    shape = SchemaDocument(root).shape((root,), ())
    said = [part for part in shape.parts if part and "$defs" not in part]
    assert said == [{"multipleOf": 2}, {"minimum": 1}, {"maximum": 9}]
    assert (shape.all("type"), shape.choices, shape.tested) == (["integer"], (), False)
    assert shape.trail == ("#/$defs/a", "#/$defs/a")


def test_choices_stay_open() -> None:
    a, b, c = {"const": 1}, {"const": 2}, {"const": 3}
    shape = SchemaDocument({}).shape(({"anyOf": [a, b]}, {"allOf": [{"anyOf": [c]}]}), ())
    assert (shape.choices, shape.tested) == (((a, b), (c,)), False)
    exclusive = SchemaDocument({}).shape(({"oneOf": [a, b]},), ())
    assert (exclusive.choices, exclusive.tested) == (((a, b),), True)
    conditional = SchemaDocument({}).shape(({"if": a, "then": b, "else": c},), ())
    assert (conditional.choices, conditional.tested) == ((({"allOf": [a, b]}, c),), True)
    assert SchemaDocument({}).shape(({"if": a},), ()).choices == (({"allOf": [a, True]}, True),)
    assert SchemaDocument({}).shape(({"not": a},), ()).tested


def test_false_allows_nothing() -> None:
    with pytest.raises(UnsatisfiableError) as caught:
        SchemaDocument({}).shape(({}, False), ("properties", "a"))
    assert (caught.value.place, caught.value.keyword) == (("properties", "a"), "false")


DOCUMENT: dict[str, Any] = {
    "$defs": {
        "a/b": {"title": "slash"},
        "c~d": {"title": "tilde"},
        "e f": {"title": "blank"},
        "list": {"allOf": [LEAF]},
    },
    "properties": {"x": {"$anchor": "here", "title": "anchored"}, "y": True, "z": 5},
}


@pytest.mark.parametrize(
    ("reference", "found"),
    [
        ("#", DOCUMENT),
        ("#/$defs/a~1b", {"title": "slash"}),
        ("#/$defs/c~0d", {"title": "tilde"}),
        ("#/$defs/e%20f", {"title": "blank"}),
        ("#/$defs/list/allOf/0", LEAF),
        ("#/properties/y", True),
        ("#here", {"$anchor": "here", "title": "anchored"}),
    ],
)
def test_a_reference_leads_to_its_schema(reference: str, found: Schema) -> None:
    assert SchemaDocument(DOCUMENT).resolve(reference, ()) == found


@pytest.mark.parametrize(
    ("reference", "reason"),
    [
        ("#/$defs/none", "points to no schema"),
        ("#/$defs/list/allOf/1", "points to no schema"),
        ("#/$defs/list/allOf/-1", "points to no schema"),
        ("#/properties/z", "points to no schema"),
        ("#/properties/z/0", "points to no schema"),
        ("#nowhere", "points to no schema"),
        ("other.json", "points outside of the schema"),
        ("https://example.com/schema", "points outside of the schema"),
    ],
)
def test_a_reference_to_nowhere_is_said(reference: str, reason: str) -> None:
    with pytest.raises(UnsatisfiableError) as caught:
        SchemaDocument(DOCUMENT).resolve(reference, ("items",))
    assert caught.value.reason == f"'$ref' {reference!r} {reason}"
    assert caught.value.place == ("items",)


def node(**members: Schema) -> dict[str, Any]:
    return {"type": "object", "properties": members, "required": list(members)}


SELF: Schema = {"$ref": "#"}


@pytest.mark.parametrize(
    ("schema", "height"),
    [
        (True, 0),
        (False, inf),
        ({"type": "string"}, 0),
        (node(), 1),
        (node(a=node()), 2),
        ({"type": "object", "properties": {"a": node()}}, 1),
        ({"type": ["object", "null"], "properties": {"a": False}, "required": ["a"]}, 0),
        ({"type": "array", "items": node()}, 0),
        ({"type": "array", "items": node(), "minItems": 2}, 2),
        ({"type": "array", "prefixItems": [True, node(a=LEAF)], "minItems": 2}, 2),
        ({"anyOf": [node(), LEAF]}, 1),
        ({"anyOf": [node(a=LEAF)]}, 2),
        ({"allOf": [LEAF, {"anyOf": [node()]}]}, 2),
        ({"enum": [{"deep": {}}]}, 0),
        (node(a=False) | {"enum": [1]}, 0),
        (node(a=False) | {"const": 1}, 0),
        (node(next=SELF), inf),
        (node(next={"anyOf": [SELF, {"type": "null"}]}), 2),
        (node(children={"type": "array", "items": SELF}), 1),
        (node(children={"type": "array", "items": SELF, "minItems": 1}), inf),
        ({"$ref": "#/$defs/a", "$defs": {"a": LEAF}}, 1),
        ({"$ref": "#/nowhere"}, inf),
        ({"if": LEAF, "then": node()}, 1),
        ({"properties": {"properties": True, "required": {"type": "null"}, "$ref": True}, "required": ["required"]}, 1),
    ],
)
def test_the_height_of_a_schema_is_the_shortest_way_down(schema: Schema, height: float) -> None:
    assert SchemaDocument(schema).height(schema) == height


def test_the_height_of_a_schema_from_outside_is_measured_too() -> None:
    document = SchemaDocument(node(next={"anyOf": [SELF, {"type": "null"}]}))
    assert document.height({"allOf": [SELF, LEAF]}) == 3


def chain(length: int) -> dict[str, Any]:
    """Definitions each of which is the next."""
    return {"d0": LEAF} | {f"d{n}": {"$ref": f"#/$defs/d{n - 1}"} for n in range(1, length)}


@pytest.mark.parametrize(
    ("schema", "keyword"),
    [
        ({"$ref": "#"}, "$ref"),
        ({"anyOf": [{"type": "string"}, {"$ref": "#"}]}, "$ref"),
        ({"allOf": [{"$ref": "#/$defs/a"}], "$defs": {"a": {"not": {"$ref": "#"}}}}, "$ref"),
        ({"properties": {"x": {"dependentSchemas": {"y": {"$ref": "#/properties/x"}}}}}, "$ref"),
        ({"$ref": "#/x-own/a", "x-own": {"a": {"$ref": "#/x-own/a"}}}, "$ref"),
        ({"$defs": chain(70)}, "$ref"),
        ({"$dynamicRef": "#meta"}, "$dynamicRef"),
        ({"items": {"$recursiveRef": "#"}}, "$recursiveRef"),
        ({"properties": {"a": {"$id": "https://example.com/inner"}}}, "$id"),
    ],
)
def test_what_leads_a_validator_astray_is_refused(schema: Schema, keyword: str) -> None:
    with pytest.raises(UnsatisfiableError) as caught:
        SchemaDocument(schema).check()
    assert caught.value.keyword == keyword


@pytest.mark.parametrize(
    "schema",
    [
        True,
        {"$id": "https://example.com/outer"},
        node(next=SELF),
        {"items": {"anyOf": [SELF, {"type": "null"}]}},
        {"$ref": "#/nowhere"},
        {"enum": [{"$dynamicRef": "#", "$id": "data"}]},
        {"allOf": [{"$ref": "#/$defs/a"}, {"$ref": "#/$defs/a"}], "$defs": {"a": {"anyOf": [LEAF, LEAF]}}},
        {"$defs": chain(60)},
    ],
)
def test_other_recursion_is_fine(schema: Schema) -> None:
    SchemaDocument(schema).check()
