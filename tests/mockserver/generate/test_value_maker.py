from typing import Any

import pytest
from jsonschema import Draft202012Validator

from mockserver.generate.dice import Dice
from mockserver.generate.scalars import Spot
from mockserver.generate.shapes import Schema, UnsatisfiableError
from mockserver.generate.value_maker import ValueMaker


def make(schema: Schema, seed: int = 0, context: str = "") -> Any:
    maker = ValueMaker(schema, Draft202012Validator(schema))
    return maker.value((schema,), Spot(Dice(seed), context=context))


def values(schema: Schema, count: int = 30) -> list[Any]:
    return [make(schema, seed) for seed in range(count)]


def distinct(schema: Schema, count: int = 30) -> set[str]:
    return {repr(value) for value in values(schema, count)}


NODE: dict[str, Any] = {
    "type": "object",
    "properties": {"value": {"type": "integer"}, "left": {"$ref": "#/$defs/tree"}, "right": {"$ref": "#/$defs/tree"}},
    "required": ["value", "left", "right"],
}
TREE: dict[str, Any] = {"$defs": {"tree": {"anyOf": [{"$ref": "#/$defs/node"}, {"type": "null"}]}, "node": NODE}} | NODE


def test_every_type_is_made() -> None:
    assert distinct({"type": "boolean"}) == {"True", "False"}
    assert distinct({"type": "null"}) == {"None"}
    assert distinct({"type": ["boolean", "null"]}) == {"True", "False", "None"}
    assert {type(value) for value in values({"type": ["integer", "string", "array", "object"]})} == {
        int,
        str,
        list,
        dict,
    }
    assert values({}) == values(True)
    assert all(isinstance(value, str) for value in values({}))


def test_null_is_the_exception_where_it_is_one_of_several() -> None:
    for schema in ({"type": ["string", "null"]}, {"anyOf": [{"type": "null"}, {"type": "string"}]}):
        assert 5 < values(schema, 100).count(None) < 40


def test_values_listed_are_all_used_and_those_mentioned_first() -> None:
    schema: Schema = {"type": "string", "enum": ["celsius", "kelvin", 5]}
    assert distinct(schema) == {"'celsius'", "'kelvin'"}
    assert {make(schema, seed, context="In Kelvin, please") for seed in range(20)} == {"kelvin"}
    assert distinct({"const": {"a": [1]}}) == {"{'a': [1]}"}
    assert distinct({"enum": [1, 2, 3], "const": 2}) == {"2"}


def test_examples_and_defaults_are_taken_if_they_fit() -> None:
    assert distinct({"type": "string", "default": "x", "examples": [5, "y"]}) == {"'y'"}
    assert distinct({"type": "string", "default": "x"}) == {"'x'"}
    assert distinct({"type": "integer", "default": "x", "maximum": 1, "minimum": 1}) == {"1"}
    assert distinct({"anyOf": [{"type": "boolean"}, {"type": "null"}], "default": None}) == {"True", "False", "None"}


def test_objects_have_what_is_required_and_much_of_what_is_not() -> None:
    schema: Schema = {
        "type": "object",
        "properties": {"a": {"type": "integer"}, "b": {"type": "integer"}, "c": {"type": "integer"}},
        "required": ["c", "d"],
    }
    made = values(schema)
    assert all({"c", "d"} <= set(value) <= {"a", "b", "c", "d"} for value in made)
    assert all(list(value) == sorted(value) for value in made)
    assert 10 < sum("a" in value for value in made) < 30


def test_sizes_of_objects_are_kept() -> None:
    properties: dict[str, Any] = {name: {"type": "null"} for name in "abcdef"}
    closed: dict[str, Any] = {"type": "object", "properties": properties, "additionalProperties": False}
    assert all(len(value) == 6 for value in values(closed | {"minProperties": 6}))
    assert all(
        len(value) == 2 for value in values(closed | {"required": ["f"], "minProperties": 2, "maxProperties": 2})
    )
    assert all("f" in value for value in values(closed | {"required": ["f"], "maxProperties": 1}))
    assert all(len(value) == 9 for value in values({"type": "object", "properties": properties, "minProperties": 9}))


def test_maps_get_a_few_entries() -> None:
    assert all(
        len(value) == 2 and all(isinstance(each, int) for each in value.values())
        for value in values({"type": "object", "additionalProperties": {"type": "integer"}})
    )
    assert all(len(value) == 1 for value in values({"additionalProperties": {"type": "null"}, "maxProperties": 1}))
    patterned: dict[str, Any] = {"patternProperties": {r"^x\d{4}$": {"type": "boolean"}}, "additionalProperties": False}
    assert all(set(map(len, value)) == {5} and set(map(type, value.values())) == {bool} for value in values(patterned))
    named = {"type": "object", "propertyNames": {"enum": ["p", "q"]}, "minProperties": 2}
    assert all(set(value) == {"p", "q"} for value in values(named))
    assert values({"type": "object"}) == [{}] * 30
    assert values({"type": "object", "additionalProperties": True}) == [{}] * 30


def test_properties_bring_others_along() -> None:
    schema: Schema = {
        "type": "object",
        "required": ["a"],
        "dependentRequired": {"a": ["b"], "b": ["c", "a"], "x": ["y"]},
    }
    assert all(set(value) == {"a", "b", "c"} for value in values(schema))


def test_an_optional_property_that_cannot_be_is_left_out() -> None:
    assert (
        values({"type": "object", "properties": {"a": False, "b": {"type": "string", "pattern": "(?!)"}}}) == [{}] * 30
    )


def test_arrays_have_the_size_asked_for() -> None:
    items: dict[str, Any] = {"type": "array", "items": {"type": "integer"}}
    assert {len(value) for value in values(items)} == {1, 2, 3}
    assert {len(value) for value in values(items | {"minItems": 5})} == {5}
    assert {len(value) for value in values(items | {"maxItems": 0})} == {0}
    assert all(len(set(value)) > 1 for value in values(items | {"minItems": 20}))


def test_tuples_are_made_item_by_item() -> None:
    pair: dict[str, Any] = {"type": "array", "prefixItems": [{"type": "integer"}, {"type": "null"}]}
    assert all(isinstance(value[0], int) and value[1:] == [None] for value in values(pair))
    assert all(len(value) == 2 for value in values(pair | {"items": False}))
    assert all(value[2:] == ["a", "a"] for value in values(pair | {"items": {"const": "a"}, "minItems": 4}))
    assert values({"type": "array", "items": False}) == [[]] * 30


def test_arrays_contain_what_they_must() -> None:
    schema: dict[str, Any] = {"type": "array", "items": {"type": "integer"}, "contains": {"minimum": 5000}}
    assert all(any(item >= 5000 for item in value) for value in values(schema))
    assert all(sum(item >= 5000 for item in value) >= 3 for value in values(schema | {"minContains": 3}))


@pytest.mark.parametrize(
    ("items", "size"),
    [
        ({"enum": list(range(50))}, 50),
        ({"type": "boolean"}, 2),
        ({"type": "integer", "minimum": 1, "maximum": 30}, 30),
        ({"type": "string"}, 40),
        ({"anyOf": [{"enum": ["a", "b", "c"]}, {"enum": [1, 2]}]}, 5),
        (
            {
                "type": "object",
                "properties": {name: {"type": "boolean"} for name in "abc"},
                "required": ["a", "b", "c"],
            },
            8,
        ),
        ({"type": "array", "items": {"type": "boolean"}, "minItems": 2, "maxItems": 2}, 4),
        ({"type": ["boolean", "null"]}, 3),
    ],
)
def test_items_that_must_differ_use_up_even_a_small_set(items: Schema, size: int) -> None:
    for value in values({"type": "array", "items": items, "uniqueItems": True, "minItems": size}, 5):
        assert len({repr(item) for item in value}) == len(value) >= size


def test_items_that_must_differ_are_not_all_what_was_mentioned() -> None:
    schema: Schema = {"type": "array", "items": {"enum": ["a", "b", "c"]}, "uniqueItems": True, "minItems": 3}
    assert make(schema, context="b, please")[0] == "b"
    assert sorted(make(schema, context="b, please")) == ["a", "b", "c"]


def test_items_that_must_differ_stop_when_there_are_no_more() -> None:
    assert {len(value) for value in values({"type": "array", "items": {"const": 1}, "uniqueItems": True})} == {1}


def test_branches_are_all_taken_and_those_that_lead_nowhere_left() -> None:
    assert distinct({"anyOf": [{"const": 1}, {"const": 2}, False, {"type": "string", "pattern": "("}]}) == {"1", "2"}
    assert distinct(
        {"anyOf": [{"type": "integer"}, {"type": "string"}], "maximum": 1, "minimum": 1, "type": "integer"}
    ) == {"1"}
    both: Schema = {
        "anyOf": [{"minimum": 3}, {"minimum": 4}],
        "allOf": [{"anyOf": [{"maximum": 4}]}],
        "type": "integer",
    }
    assert distinct(both) == {"3", "4"}


def test_what_only_a_validator_can_tell_is_found_by_trying() -> None:
    assert distinct({"enum": [1, 2, 3], "not": {"const": 2}}) == {"1", "3"}
    assert distinct({"type": "boolean", "not": {"const": True}}) == {"False"}
    assert all(not isinstance(value, str) for value in values({"not": {"type": "string"}}))
    overlapping: Schema = {"oneOf": [{"type": "integer", "maximum": 10}, {"type": "integer", "minimum": 5}]}
    assert all(value < 5 or value > 10 for value in values(overlapping))
    conditional: Schema = {
        "type": "object",
        "properties": {"kind": {"enum": ["a", "b"]}, "x": {"const": 1}, "y": {"const": 2}},
        "required": ["kind"],
        "if": {"properties": {"kind": {"const": "a"}}},
        "then": {"required": ["x"]},
        "else": {"required": ["y"]},
    }
    made = values(conditional, 60)
    assert all(("x" if value["kind"] == "a" else "y") in value for value in made)
    assert {value["kind"] for value in made} == {"a", "b"}
    dependent: dict[str, Any] = {"type": "object", "dependentSchemas": {"a": {"required": ["b"]}}, "maxProperties": 2}
    assert {tuple(sorted(value)) for value in values(dependent)} == {(), ("a", "b")}
    assert all("b" in value for value in values(dependent | {"required": ["a"]}))


def depth(value: Any) -> int:
    members = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return 1 + max(map(depth, members), default=0)


@pytest.mark.parametrize(
    "schema",
    [
        TREE,
        {"type": "object", "properties": {"next": {"anyOf": [{"$ref": "#"}, {"type": "null"}]}}, "required": ["next"]},
        {"type": "object", "properties": {"next": {"$ref": "#"}, "more": {"type": "array", "items": {"$ref": "#"}}}},
        {"type": "array", "items": {"$ref": "#"}},
        {"anyOf": [{"type": "array", "items": {"$ref": "#"}, "minItems": 2}, {"type": "integer"}]},
        {"type": ["object", "string"], "additionalProperties": {"$ref": "#"}, "minProperties": 1},
    ],
)
def test_recursion_is_followed_and_comes_to_an_end(schema: Schema) -> None:
    made = values(schema)
    for value in made:
        Draft202012Validator(schema).validate(value)
        assert depth(value) <= 10
        assert len(repr(value)) < 5000
    assert max(map(depth, made)) >= 3


@pytest.mark.parametrize(
    ("schema", "place", "keyword"),
    [
        (False, (), "false"),
        ({"type": "object", "properties": {"a": False}, "required": ["a"]}, ("properties", "a"), "false"),
        ({"type": "array", "items": {"enum": []}, "minItems": 1}, ("items",), "enum"),
        ({"type": "string", "enum": [1]}, (), "enum"),
        ({"type": "string", "const": 1}, (), "enum"),
        ({"allOf": [{"type": "string"}, {"type": "integer"}]}, (), "type"),
        ({"anyOf": [{"const": 1}], "type": "string"}, ("anyOf", "0"), "enum"),
        ({"not": {}}, (), "not"),
        ({"type": "array", "minItems": 3, "maxItems": 2}, (), "maxItems"),
        ({"type": "array", "contains": {}, "minContains": 3, "maxItems": 2}, (), "maxItems"),
        ({"type": "array", "items": {"const": 1}, "minItems": 2, "uniqueItems": True}, ("items",), "uniqueItems"),
        ({"type": "object", "required": ["a", "b"], "maxProperties": 1}, (), "maxProperties"),
        ({"type": "object", "additionalProperties": False, "minProperties": 1}, (), "minProperties"),
        ({"type": "object", "properties": {"a": {"$ref": "#"}}, "required": ["a"]}, ("properties", "a") * 2, "$ref"),
    ],
)
def test_what_cannot_be_is_said_with_its_place(schema: Schema, place: tuple[str, ...], keyword: str) -> None:
    with pytest.raises(UnsatisfiableError) as caught:
        make(schema)
    assert (caught.value.place[: len(place)], caught.value.keyword) == (place, keyword)


def test_effort_is_bounded() -> None:
    with pytest.raises(ValueError, match="takes too long"):
        make({"type": "array", "items": {"type": "integer"}, "minItems": 10**9})
    with pytest.raises(ValueError, match="takes too long"):
        make({"type": "object", "minProperties": 10**9})
    with pytest.raises(ValueError, match="takes too long"):
        make({"type": "array", "items": {"type": "array", "items": {"type": "null"}, "minItems": 200}, "minItems": 200})
    with pytest.raises(ValueError, match="takes too long"):
        make({"type": "array", "items": {"anyOf": [{"type": "string", "pattern": "(?!)"}, True]}, "minItems": 500})
    deep: Schema = {"type": "integer"}
    for _ in range(100):
        deep = {"anyOf": [deep]}
    with pytest.raises(ValueError, match="deeper than 80 steps"):
        make(deep)
