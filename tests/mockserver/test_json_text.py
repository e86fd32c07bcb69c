"""Value -> JSON text: every style means the same value, and looks as told."""

import json
import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mockserver.json_text import JsonStyle, keep_bare, write_json

TEXTS = st.text(st.characters(codec="utf-8"), max_size=8)
KEYS = st.sampled_from(["id", "object", "choices", "index", "delta"]) | TEXTS
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.floats(allow_nan=False, allow_infinity=False) | TEXTS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=4),
    max_leaves=8,
)
OBJECTS = st.dictionaries(KEYS, VALUES, max_size=4)
STYLES = st.builds(
    JsonStyle,
    ascii=st.booleans(),
    html=st.booleans(),
    spaces=st.booleans(),
    indent=st.none() | st.integers(0, 3),
    key_order=st.sampled_from(["openai", "sorted", "reversed"]) | st.lists(KEYS, max_size=3, unique=True).map(tuple),
)


@given(OBJECTS, STYLES)
def test_every_style_means_the_same_value(value: dict[str, Any], style: JsonStyle) -> None:
    assert json.loads(write_json(value, style)) == value


@given(OBJECTS, STYLES)
def test_ascii_and_html_escape_what_they_say_and_nothing_else_is_lost(value: dict[str, Any], style: JsonStyle) -> None:
    text = write_json(value, style).decode()
    assert not style.ascii or text.isascii()
    assert not style.html or not set(text) & set("<>&\u2028\u2029")


def test_html_escapes_five_characters() -> None:
    text = "".join(map(chr, range(32, 127))) + "\u2027\u2028\u2029\u202a"
    plain, escaped = (write_json([text], JsonStyle(html=html)).decode() for html in (False, True))
    for mark in "<>&\u2028\u2029":
        plain = plain.replace(mark, f"\\u{ord(mark):04x}")
    assert escaped == plain


SAMPLE = {"b": [1, {"z": None, "a": "é😀\u2028</b>"}], "a": True}

WRITTEN = {
    JsonStyle(): '{"b":[1,{"z":null,"a":"é😀\u2028</b>"}],"a":true}',
    JsonStyle(ascii=True): '{"b":[1,{"z":null,"a":"\\u00e9\\ud83d\\ude00\\u2028</b>"}],"a":true}',
    JsonStyle(html=True): '{"b":[1,{"z":null,"a":"é😀\\u2028\\u003c/b\\u003e"}],"a":true}',
    JsonStyle(ascii=True, html=True): (
        '{"b":[1,{"z":null,"a":"\\u00e9\\ud83d\\ude00\\u2028\\u003c/b\\u003e"}],"a":true}'
    ),
    JsonStyle(spaces=True): '{"b": [1, {"z": null, "a": "é😀\u2028</b>"}], "a": true}',
    JsonStyle(key_order="sorted"): '{"a":true,"b":[1,{"a":"é😀\u2028</b>","z":null}]}',
    JsonStyle(key_order="reversed"): '{"a":true,"b":[1,{"a":"é😀\u2028</b>","z":null}]}',
    JsonStyle(indent=1): '{\n "b": [\n  1,\n  {\n   "z": null,\n   "a": "é😀\u2028</b>"\n  }\n ],\n "a": true\n}',
}


@pytest.mark.parametrize(("style", "text"), WRITTEN.items(), ids=lambda part: repr(part)[:60])
def test_a_value_is_written_as_the_style_says(style: JsonStyle, text: str) -> None:
    assert write_json(SAMPLE, style) == text.encode()


@pytest.mark.parametrize(
    ("order", "keys"),
    [
        ("openai", "a b c d"),
        ("sorted", "a b c d"),
        ("reversed", "d c b a"),
        (("c", "a"), "c b a d"),
        (("d", "a", "x"), "d b c a"),
        (("x",), "a b c d"),
        ((), "a b c d"),
        (("d", "c", "b", "a"), "d c b a"),
    ],
)
def test_listed_keys_stand_in_their_order_in_the_places_that_they_have(order: Any, keys: str) -> None:
    written = json.loads(write_json(dict.fromkeys("abcd"), JsonStyle(key_order=order)))
    assert " ".join(written) == keys


def test_keys_may_be_sorted_or_turned_round_at_every_level() -> None:
    value = {"b": {"z": 1, "y": 2, "x": 3}, "c": 0, "a": [{"n": 1, "m": 2, "o": 3}]}
    assert (
        write_json(value, JsonStyle(key_order="sorted")) == b'{"a":[{"m":2,"n":1,"o":3}],"b":{"x":3,"y":2,"z":1},"c":0}'
    )
    assert (
        write_json(value, JsonStyle(key_order="reversed"))
        == b'{"a":[{"o":3,"m":2,"n":1}],"c":0,"b":{"x":3,"y":2,"z":1}}'
    )


@pytest.mark.parametrize(
    "style", [JsonStyle(), JsonStyle(spaces=True), JsonStyle(key_order="sorted"), JsonStyle(indent=0)]
)
def test_numbers_that_json_does_not_know_are_written_bare_where_they_are_kept(style: JsonStyle) -> None:
    value = {"a": math.nan, "b": [math.inf, {"c": (-math.inf, 1.5, None)}]}
    text = write_json(keep_bare(value), style).decode()
    for bare in ("NaN", "Infinity", "-Infinity", "1.5", "null"):
        assert bare in text
    read = json.loads(text)
    assert math.isnan(read["a"])
    assert read["b"] == [math.inf, {"c": [-math.inf, 1.5, None]}]


def test_keeping_bare_numbers_leaves_the_value_as_it_is() -> None:
    value = {"a": [math.nan, {"b": 1}]}
    assert keep_bare(value) is not value
    assert math.isnan(value["a"][0])  # type: ignore[arg-type]


@given(VALUES)
def test_without_such_numbers_nothing_changes(value: Any) -> None:
    assert write_json(keep_bare(value)) == write_json(value)
