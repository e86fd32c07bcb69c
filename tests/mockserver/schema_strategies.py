"""Hypothesis strategies for JSON Schemas: those that can be met, those that perhaps can, and no schemas at all."""

from typing import Any

from hypothesis import strategies as st

from tests.mockserver.request_strategies import json_values

Schema = dict[str, Any]

PATTERNS = [
    r"^[a-z]{2,8}$",
    r"^\d{3}-\d{4}$",
    r"^[A-Z]{2}\d{6}$",
    r"^(red|green|blue)$",
    r"^#[0-9a-fA-F]{6}$",
    r"^\+?[1-9]\d{1,14}$",
    r"[aeiou]",
    r"^[^\s@]+@[^\s@]+\.[a-z]{2,}$",
    r"^(?=.*\d)(?=.*[A-Z])[A-Za-z\d]{8,}$",
    r"^\w+( \w+)*$",
]
# The formats of OpenAI's structured outputs.
FORMATS = ["date-time", "time", "date", "duration", "email", "hostname", "ipv4", "ipv6", "uuid"]
NAMES = ["city", "email", "count", "isActive", "price_eur", "tags", "firstName", "x", "größe", "id", "query"]


@st.composite
def strings(draw: st.DrawFn) -> Schema:
    shortest = draw(st.integers(0, 40))
    sized: Schema = {"minLength": shortest, "maxLength": shortest + draw(st.integers(0, 40))}
    more: Schema = draw(
        st.sampled_from(
            [{}, sized, *({"pattern": pattern} for pattern in PATTERNS), *({"format": name} for name in FORMATS)]
        )
    )
    return {"type": "string"} | more


@st.composite
def numbers(draw: st.DrawFn) -> Schema:
    """Numbers within bounds that leave room for a multiple."""
    low = draw(st.integers(-1000, 1000))
    room = draw(st.integers(20, 2000))
    bounds: list[Schema] = [
        {},
        {"minimum": low},
        {"exclusiveMinimum": low},
        {"maximum": low},
        {"exclusiveMaximum": low},
        {"minimum": low, "maximum": low + room},
        {"exclusiveMinimum": low, "exclusiveMaximum": low + room},
    ]
    multiples: list[Schema] = [{}, {"multipleOf": 5}, {"multipleOf": 0.5}, {"multipleOf": 0.01}, {"multipleOf": 7}]
    kind = draw(st.sampled_from(["integer", "number"]))
    return {"type": kind} | draw(st.sampled_from(bounds)) | draw(st.sampled_from(multiples))


flat_schemas = st.one_of(
    strings(),
    numbers(),
    st.just({"type": "boolean"}),
    st.just({"type": "null"}),
    st.lists(json_values, min_size=1, max_size=4).map(lambda values: {"enum": values}),
    json_values.map(lambda value: {"const": value}),
    st.just({"type": ["string", "null"]}),
    st.just({"type": ["integer", "string"]}),
)


@st.composite
def arrays(draw: st.DrawFn, items: st.SearchStrategy[Schema]) -> Schema:
    least = draw(st.integers(0, 3))
    sizes: list[Schema] = [{}, {"minItems": least}, {"minItems": least, "maxItems": least + draw(st.integers(0, 2))}]
    return {"type": "array", "items": draw(items)} | draw(st.sampled_from(sizes))


@st.composite
def objects(draw: st.DrawFn, members: st.SearchStrategy[Schema]) -> Schema:
    """An object as strict mode has it: all properties required, none added."""
    properties = draw(st.dictionaries(st.sampled_from(NAMES), members, max_size=4))
    return {"type": "object", "properties": properties, "required": list(properties), "additionalProperties": False}


def _nest(children: st.SearchStrategy[Schema]) -> st.SearchStrategy[Schema]:
    branches = st.lists(children, min_size=1, max_size=3).map(lambda schemas: {"anyOf": schemas})
    return arrays(children) | objects(children) | branches


nested_schemas = st.recursive(flat_schemas, _nest, max_leaves=8)
nothing: Schema = {"type": "null"}


@st.composite
def strict_schemas(draw: st.DrawFn) -> Schema:
    """A schema of OpenAI's subset, perhaps with definitions, perhaps recursive through them or the root."""
    inner = draw(objects(nested_schemas))
    properties = dict(inner["properties"])
    definitions: Schema = {}
    if draw(st.booleans()):
        definitions["leaf"] = draw(nested_schemas)
        properties["leaf"] = {"$ref": "#/$defs/leaf"}
    if draw(st.booleans()):
        definitions["node"] = {
            "type": "object",
            "properties": {
                "value": draw(flat_schemas),
                "next": {"anyOf": [{"$ref": "#/$defs/node"}, nothing]},
                "children": {"type": "array", "items": {"$ref": "#/$defs/node"}},
            },
            "required": ["value", "next", "children"],
            "additionalProperties": False,
        }
        properties["node"] = {"$ref": "#/$defs/node"}
    if draw(st.booleans()):
        properties["self"] = draw(
            st.sampled_from([{"anyOf": [{"$ref": "#"}, nothing]}, {"type": "array", "items": {"$ref": "#"}}])
        )
    schema: Schema = inner | {"properties": properties, "required": list(properties)}
    return schema | ({"$defs": definitions} if definitions else {})


def _mix(children: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    """Any keywords with values of the right type: a schema, but perhaps one that nothing fits."""
    sizes = st.integers(0, 5)
    limits = st.integers(-10, 10) | st.floats(-10, 10)
    names = st.sampled_from(NAMES)
    schemas = st.lists(children, min_size=1, max_size=3)
    kinds = st.sampled_from(["string", "number", "integer", "boolean", "null", "array", "object"])
    return st.fixed_dictionaries(
        {},
        optional={
            "type": kinds | st.lists(kinds, min_size=1, max_size=3, unique=True),
            "enum": st.lists(json_values, min_size=1, max_size=3),
            "const": json_values,
            "default": json_values,
            "examples": st.lists(json_values, max_size=2),
            "minimum": limits,
            "exclusiveMinimum": limits,
            "maximum": limits,
            "exclusiveMaximum": limits,
            "multipleOf": st.sampled_from([1, 2, 0.1, 0.25, 1e-9, 1e300, 3]),
            "minLength": sizes,
            "maxLength": sizes,
            "pattern": st.sampled_from(PATTERNS),
            "format": st.sampled_from([*FORMATS, "uri", "regex", "unheard-of"]),
            "minItems": sizes,
            "maxItems": sizes,
            "uniqueItems": st.booleans(),
            "items": children,
            "prefixItems": schemas,
            "contains": children,
            "minContains": sizes,
            "maxContains": sizes,
            "properties": st.dictionaries(names, children, max_size=3),
            "patternProperties": st.dictionaries(st.sampled_from(["^a", "o", r"^\d+$"]), children, max_size=2),
            "additionalProperties": children,
            "propertyNames": children,
            "required": st.lists(names, max_size=3, unique=True),
            "minProperties": sizes,
            "maxProperties": sizes,
            "dependentRequired": st.dictionaries(names, st.lists(names, max_size=2, unique=True), max_size=2),
            "dependentSchemas": st.dictionaries(names, children, max_size=2),
            "unevaluatedProperties": children,
            "allOf": schemas,
            "anyOf": schemas,
            "oneOf": schemas,
            "not": children,
            "if": children,
            "then": children,
            "else": children,
            "$ref": st.sampled_from(["#", "#/$defs/a", "#/properties/x", "#/nowhere", "#anchor", "http://x.test/y"]),
            "$defs": st.dictionaries(st.sampled_from(["a", "b"]), children, max_size=2),
            "$anchor": st.just("anchor"),
            "title": names,
            "description": st.sampled_from(["The city, e.g. Lyon, France", ""]),
        },
    )


mixed_schemas: st.SearchStrategy[Any] = st.recursive(st.booleans() | flat_schemas, _mix, max_leaves=6)

KEYWORDS = """
    type enum const minimum maximum multipleOf minLength pattern format items prefixItems minItems required properties
    additionalProperties patternProperties allOf anyOf oneOf not if then else $ref $defs $schema $id $anchor $dynamicRef
    contains uniqueItems propertyNames default examples title
"""
wrong_schemas: st.SearchStrategy[Any] = st.recursive(
    json_values,
    lambda children: st.dictionaries(st.sampled_from(KEYWORDS.split()), children, min_size=1, max_size=4),
    max_leaves=6,
)
