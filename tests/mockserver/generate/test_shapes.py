from typing import Any

import pytest

from mockserver.generate.shapes import Schema, Shape


def shape(*parts: dict[str, Any]) -> Shape:
    return Shape(parts, (), tested=False, trail=())


@pytest.mark.parametrize(
    ("parts", "types"),
    [
        ([{"type": "string"}], ("string",)),
        ([{"type": ["string", "null"]}], ("string", "null")),
        ([{"type": ["string", "null"]}, {"type": ["null", "integer"]}], ("null",)),
        ([{"type": "string"}, {"type": "integer"}], ()),
        ([{"type": "integer"}, {"type": "string"}], ()),
        ([{"type": "string"}, {"type": "number"}], ()),
        ([{"type": "number"}, {"type": "integer"}], ("integer",)),
        ([{"type": "integer"}, {"type": "number"}], ("integer",)),
        ([{"type": ["number", "string"]}, {"type": ["integer", "string"]}], ("string", "integer")),
        ([{}], ("string",)),
        ([], ("string",)),
        ([{"properties": {}}], ("object",)),
        ([{"items": True}], ("array",)),
        ([{"minimum": 1}], ("number",)),
        ([{"pattern": "a"}, {"minItems": 1}], ("array", "string")),
        ([{"type": "integer"}, {"pattern": "a"}], ("integer",)),
    ],
)
def test_types_are_those_that_all_parts_allow(parts: list[dict[str, Any]], types: tuple[str, ...]) -> None:
    assert shape(*parts).types == types


def test_of_all_bounds_the_strictest_count() -> None:
    both = shape({"minLength": 2, "maxLength": 9}, {"minLength": 3.0, "maxLength": 7}, {})
    assert (both.highest("minLength"), both.lowest("maxLength")) == (3, 7)
    assert (both.highest("minItems"), both.highest("minContains", 1), both.lowest("maxItems")) == (0, 1, None)
    assert both.all("minLength") == [2, 3.0]


def test_names_come_once_and_in_order() -> None:
    both = shape(
        {"required": ["b", "a"], "properties": {"a": {}, "c": {}}},
        {"required": ["a", "d"], "properties": {"d": {}, "a": {}}},
    )
    assert both.required == ["b", "a", "d"]
    assert both.property_names == ["a", "c", "d"]


def test_a_property_must_fit_what_every_part_says_of_it() -> None:
    first: dict[str, Any] = {"properties": {"a": {"minimum": 1}}, "additionalProperties": False}
    second: dict[str, Any] = {"patternProperties": {"^a": {"maximum": 5}, "b$": True}, "additionalProperties": {"x": 1}}
    both = shape(first, second)
    assert both.property_schemas("a") == ({"minimum": 1}, {"maximum": 5})
    assert both.property_schemas("ab") == (False, {"maximum": 5}, True)
    assert both.property_schemas("c") == (False, {"x": 1})
    assert shape({}).property_schemas("c") == (True,)


@pytest.mark.parametrize(
    ("part", "schemas", "prefix"),
    [
        ({}, [True, True], 0),
        ({"items": {"type": "null"}}, [{"type": "null"}] * 2, 0),
        ({"prefixItems": [{"a": 1}], "items": False}, [{"a": 1}, False], 1),
        ({"items": [{"a": 1}], "additionalItems": False}, [{"a": 1}, False], 1),
        ({"items": [{"a": 1}]}, [{"a": 1}, True], 1),
    ],
)
def test_items_have_schemas_by_their_index(part: dict[str, Any], schemas: list[Schema], prefix: int) -> None:
    assert [shape(part).item_schemas(index) for index in range(2)] == [(schema,) for schema in schemas]
    assert shape(part, {}).prefix_length == prefix


def test_an_untested_shape_has_only_what_it_stands_for() -> None:
    tested = Shape(({"not": {}, "type": "string", "maxContains": 1},), ((True,),), tested=True, trail=("#",))
    assert tested.untested() == Shape(({"type": "string"},), ((True,),), tested=False, trail=("#",))


def test_the_first_text_counts() -> None:
    assert shape({"title": 5}, {"title": "A"}, {"title": "B"}).first_text("title") == "A"
    assert shape({}).first_text("title") == ""


def test_needed_are_the_required_and_what_they_bring_along() -> None:
    both = shape(
        {"required": ["a"], "dependentRequired": {"a": ["b"], "x": ["y"]}}, {"dependentRequired": {"b": ["a", "c"]}}
    )
    assert both.needed == ["a", "b", "c"]
    assert both.required == ["a"]


@pytest.mark.parametrize(
    ("part", "is_map"),
    [
        ({}, False),
        ({"additionalProperties": True}, False),
        ({"additionalProperties": {}}, False),
        ({"additionalProperties": {"type": "string"}}, True),
        ({"patternProperties": {"^a": True}}, True),
        ({"patternProperties": {}}, False),
    ],
)
def test_a_map_describes_properties_without_naming_them(part: dict[str, Any], is_map: bool) -> None:
    assert shape(part).is_map is is_map
