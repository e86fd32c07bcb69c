import json
import socket
import subprocess
import sys
from datetime import date, datetime, time
from ipaddress import IPv4Address, IPv6Address
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st
from jsonschema import Draft202012Validator, FormatChecker

from mockserver.errors import RequestError
from mockserver.generate.schema_values import MAX_DEPTH, generate_value
from mockserver.generate.value_maker import ValueMaker
from tests.mockserver.schema_strategies import mixed_schemas, strict_schemas, wrong_schemas

seeds = st.integers(0, 9)
# Formats are checked by other means than those they are made by.
READERS: dict[str, Any] = {
    "date-time": datetime.fromisoformat,
    "date": date.fromisoformat,
    "time": time.fromisoformat,
    "ipv4": IPv4Address,
    "ipv6": IPv6Address,
    "uuid": UUID,
}
checker = FormatChecker()
for name, reader in READERS.items():

    @checker.checks(name, raises=ValueError)
    def is_format(value: object, reader: Any = reader) -> bool:
        return not isinstance(value, str) or bool(reader(value))


def check(schema: Any, value: Any) -> None:
    Draft202012Validator(schema, format_checker=checker).validate(value)
    assert json.loads(json.dumps(value, allow_nan=False)) == value


def refusal(schema: Any, **options: Any) -> RequestError:
    with pytest.raises(RequestError) as caught:
        generate_value(schema, 0, **options)
    error = caught.value
    assert (error.status, error.type, error.code) == (400, "invalid_request_error", "invalid_json_schema")
    return error


@given(strict_schemas(), seeds)
def test_values_fit_every_schema_of_openai_s_subset(schema: dict[str, Any], seed: int) -> None:
    value = generate_value(schema, seed)
    check(schema, value)
    assert generate_value(schema, seed) == value
    assert list(value) == list(schema["properties"])


@given(mixed_schemas, seeds)
def test_values_fit_any_schema_or_it_is_refused(schema: Any, seed: int) -> None:
    try:
        value = generate_value(schema, seed)
    except RequestError:
        return
    Draft202012Validator(schema, format_checker=Draft202012Validator.FORMAT_CHECKER).validate(value)


@given(wrong_schemas)
def test_nothing_escapes_but_a_request_error(schema: Any) -> None:
    try:
        generate_value(schema, 0)
    except RequestError as error:
        json.dumps([error.message, error.param])
        assert len(error.message) < 1000  # noqa: PT017


def test_other_seeds_give_other_values() -> None:
    schema = {
        "type": "object",
        "properties": {"name": {"type": "string"}, "n": {"type": "integer"}},
        "required": ["n", "name"],
    }
    assert len({json.dumps(generate_value(schema, seed)) for seed in range(40)}) > 30
    assert generate_value(schema, "a") != generate_value(schema, "b")


def test_the_same_seed_gives_the_same_bytes_in_every_process() -> None:
    schema = {"type": "array", "items": {"type": ["string", "number"]}, "minItems": 9}
    program = f"from mockserver.generate.schema_values import generate_value; print(generate_value({schema}, 5))"
    run = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert run.stdout == f"{generate_value(schema, 5)}\n"


def test_what_was_said_decides_where_the_schema_does_not() -> None:
    schema = {
        "type": "object",
        "properties": {
            "city": {"type": "string"},
            "unit": {"type": "string", "enum": ["celsius", "fahrenheit"]},
            "query": {"type": "string"},
        },
        "required": ["city", "unit", "query"],
    }
    said = "How warm is it in Tokyo, in Fahrenheit?"
    assert generate_value(schema, 0, context=said) == {"city": "Tokyo", "unit": "fahrenheit", "query": said}


PRINTED = {
    file.stem: json.loads(file.read_bytes()) for file in (Path(__file__).parents[2] / "schemas" / "printed").iterdir()
}


@pytest.mark.parametrize("name", sorted(PRINTED))
def test_schemas_as_tools_print_them_are_filled(name: str) -> None:
    made = [generate_value(PRINTED[name], seed) for seed in range(20)]
    assert len({json.dumps(value) for value in made}) > 10
    if name != "zod-3":  # whose tuples newer drafts do not know
        for value in made:
            check(PRINTED[name], value)


def test_older_drafts_are_understood_as_they_were() -> None:
    for seed in range(20):
        value = generate_value(PRINTED["zod-3"], seed)
        assert isinstance(value["pair"][0], str)
        assert {"billing", "nick"} <= set(value)
        assert value["role"] in ("admin", "user")


@pytest.mark.parametrize(
    ("schema", "place", "reason"),
    [
        ({"type": "strin"}, "('type',)", "this is no JSON Schema: 'strin' is not valid under any of the given schemas"),
        ({"properties": []}, "('properties',)", "this is no JSON Schema: [] is not of type 'object'"),
        ({"properties": {"a": {"minLength": -1}}}, "('properties', 'a', 'minLength')", "this is no JSON Schema: -1 is less"),
        ({"items": {"type": "string", "pattern": "("}}, "('items', 'pattern')", "this is no JSON Schema"),
        ("object", "()", "this is no JSON Schema: 'object' is not of type"),
        (None, "()", "this is no JSON Schema: None is not of type"),
        ({"properties": {"a": {"type": "string", "pattern": "(?!)"}}, "required": ["a"]}, "('properties', 'a')",
         "no string was found that fits 'pattern' '(?!)' and the rest of the schema"),
        ({"type": "integer", "minimum": 3, "maximum": 2}, "()", "no number fits 'minimum' 3, 'maximum' 2"),
        ({"properties": {"a": {"$ref": "#/$defs/b"}}, "required": ["a"]}, "('properties', 'a')",
         "'$ref' '#/$defs/b' points to no schema"),
        ({"$ref": "#"}, "()", "'$ref' leads back to where it stands, without going deeper into the value"),
        ({"type": "object", "required": ["a"], "properties": {"a": {"$ref": "#"}}}, "('properties', 'a'",
         "it refers to itself without an end"),
        ({"type": "array", "items": {"type": "string"}, "minItems": 10**6}, "()",
         "it cannot be worked with (filling it takes too long"),
        ({"enum": [1], "not": {"$ref": "#/nowhere"}}, "()", "it cannot be worked with (PointerToNowhere"),
        ({"type": "integer", "multipleOf": 10**400 + 1, "minimum": 1}, "()", "no number fits 'minimum' 1"),
        ({"type": "number", "multipleOf": 0.5, "minimum": 10**310}, "()", "no number fits"),
    ],
)  # fmt: skip
def test_a_refusal_says_the_place_and_the_reason(schema: Any, place: str, reason: str) -> None:
    error = refusal(schema, param="tools[2].function.parameters", subject="function 'f'")
    assert error.param == "tools[2].function.parameters"
    assert error.message.startswith(f"Invalid schema for function 'f': In context={place}")
    assert reason in error.message
    assert error.message.endswith(".")


def nest(levels: int) -> Any:
    schema: Any = {"type": "string"}
    for _ in range(levels):
        schema = {"items": schema, "minItems": 1, "type": "array"}
    return schema


def test_depth_is_bounded() -> None:
    check(nest(MAX_DEPTH - 1), generate_value(nest(MAX_DEPTH - 1), 0))
    assert f"nested deeper than {MAX_DEPTH} levels" in refusal(nest(MAX_DEPTH)).message
    assert "too deeply" in refusal(nest(5000)).message


def test_a_huge_schema_makes_no_huge_refusal() -> None:
    assert len(refusal({"type": "x" * 100_000}).message) < 500


def test_nothing_is_fetched(monkeypatch: pytest.MonkeyPatch) -> None:
    def connect(*arguments: Any, **options: Any) -> None:
        raise AssertionError("the network was reached for")

    monkeypatch.setattr(socket, "create_connection", connect)
    monkeypatch.setattr(socket.socket, "connect", connect)
    for reference in ("http://127.0.0.1:9/schema", "https://example.com/schema#/a", "file:///etc/hostname"):
        assert "points outside of the schema" in refusal({"$ref": reference}).message
        assert "cannot be worked with" in refusal({"enum": [1], "not": {"$ref": reference}}).message
        assert (
            "cannot be worked with"
            in refusal({"enum": [1], "contentSchema": {}, "contains": {}, "if": {"$ref": reference}}).message
        )


def test_the_validator_has_the_last_word(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ValueMaker, "value", lambda *arguments: {"a": "x"})
    error = refusal({"properties": {"a": {"type": "integer"}}})
    assert "In context=('properties', 'a'), no value was found that fits 'type'." in error.message


def test_jsonschema_is_not_imported_before_it_is_needed() -> None:
    program = "import sys, mockserver.generate; print(sorted({'jsonschema', 'referencing', 'attr'} & set(sys.modules)))"
    run = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert run.stdout == "[]\n"
