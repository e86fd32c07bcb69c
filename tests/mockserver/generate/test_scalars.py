import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mockserver.generate.dice import Dice
from mockserver.generate.patterns import LONGEST_TEXT
from mockserver.generate.scalars import Spot, make_number, make_string
from mockserver.generate.shapes import Shape, UnsatisfiableError


def shape(*parts: dict[str, Any]) -> Shape:
    return Shape(parts, (), tested=False, trail=())


def spot(seed: int = 0, *names: str, context: str = "", turn: int = 0) -> Spot:
    return Spot(Dice(seed), names=names, context=context, turn=turn)


def strings(schema: dict[str, Any], *names: str, count: int = 20) -> set[str]:
    return {make_string(shape(schema), spot(seed, *names)) for seed in range(count)}


def turns(schema: dict[str, Any], count: int, *names: str) -> list[Any]:
    make = (
        make_string if schema.get("type") == "string" else lambda s, p: make_number(s, p, integral="i" in str(schema))
    )
    return [make(shape(schema), spot(3, *names, turn=turn)) for turn in range(count)]


@given(
    st.integers(0, 200), st.none() | st.integers(0, 100), st.sampled_from(["", "city", "query", "age"]), st.integers()
)
def test_free_strings_have_the_length_asked_for(least: int, room: int | None, name: str, seed: int) -> None:
    bounds = {"minLength": least} | ({} if room is None else {"maxLength": least + room})
    text = make_string(shape(bounds), spot(seed, name, context="What is new?"))
    assert len(text) >= least
    assert room is None or len(text) <= least + room
    assert text == text.strip()


@given(st.integers(5, 40), st.integers(0, 30), st.integers())
def test_patterns_and_lengths_are_met_together(least: int, room: int, seed: int) -> None:
    pattern = "^[a-z]+(-[a-z]+)*$"
    text = make_string(
        shape({"pattern": pattern, "minLength": least}, {"pattern": "e", "maxLength": least + room}), spot(seed)
    )
    assert re.search(pattern, text)
    assert "e" in text
    assert least <= len(text) <= least + room


def test_patterns_and_formats_are_met_together() -> None:
    assert all(text.endswith(".com") for text in strings({"format": "email", "pattern": r"\.com$"}))
    assert all(text.startswith("2024") for text in strings({"format": "date", "pattern": "^2024"}))
    assert all(len(text) >= 40 and "@" in text for text in strings({"format": "email", "minLength": 40}))


def test_unknown_formats_ask_for_nothing() -> None:
    assert strings({"format": "unheard-of"}, "city") <= {
        "Paris", "London", "Tokyo", "Berlin", "New York", "San Francisco", "Nairobi", "Sydney",
    }  # fmt: skip


def test_names_of_numbers_make_figures() -> None:
    assert all(18 <= int(text) <= 80 for text in strings({}, "age"))


def test_a_title_tells_what_a_name_does_not() -> None:
    assert make_string(shape({"title": "Country"}), spot(0, "c")) in (
        "France",
        "Germany",
        "Japan",
        "Brazil",
        "Kenya",
        "Canada",
    )


@pytest.mark.parametrize(
    ("schema", "names"),
    [
        ({"type": "string"}, []),
        ({"type": "string"}, ["city"]),
        ({"type": "string", "pattern": "^[a-z]{8}$"}, []),
        ({"type": "string", "format": "uuid"}, []),
        ({"type": "string", "maxLength": 1}, []),
        ({"type": "integer"}, []),
        ({"type": "integer"}, ["page"]),
        ({"type": "integer", "minimum": -10, "maximum": 10}, []),
        ({"type": "number"}, []),
    ],
)
def test_each_turn_brings_another_value(schema: dict[str, Any], names: list[str]) -> None:
    assert len(set(turns(schema, 20, *names))) >= 15


@pytest.mark.parametrize(
    ("schema", "count"),
    [
        ({"type": "integer", "minimum": -3, "maximum": 3}, 7),
        ({"type": "string", "maxLength": 1}, 26),
        ({"type": "string", "maxLength": 2}, 200),
        ({"type": "string", "title": "city"}, 9),
    ],
)
def test_turns_go_round_all_of_a_small_set(schema: dict[str, Any], count: int) -> None:
    made = turns(schema, count)
    assert len(set(made)) == count
    assert schema.get("maxLength") is None or all(text.isascii() and text.isalpha() for text in made)


@pytest.mark.parametrize(
    ("schema", "keyword"),
    [
        ({"minLength": 5, "maxLength": 4}, "maxLength"),
        ({"minLength": LONGEST_TEXT + 1}, "minLength"),
        ({"pattern": "(?!)"}, "pattern"),
        ({"pattern": "("}, "pattern"),
        ({"pattern": "^abc$", "minLength": 4}, "pattern"),
        ({"format": "ipv4", "minLength": 40}, "format"),
        ({"format": "date", "pattern": "^x"}, "pattern"),
    ],
)
def test_a_string_that_cannot_be_is_said_by_its_keyword(schema: dict[str, Any], keyword: str) -> None:
    with pytest.raises(UnsatisfiableError) as caught:
        make_string(shape(schema), Spot(Dice(0), ("properties", "a")))
    assert (caught.value.place, caught.value.keyword) == (("properties", "a"), keyword)


def test_the_longest_text_is_made() -> None:
    assert len(make_string(shape({"minLength": LONGEST_TEXT}), spot())) >= LONGEST_TEXT


bounds = st.integers(-(10**6), 10**6) | st.floats(-1e6, 1e6)


@given(bounds, st.floats(0.001, 1e7), st.sampled_from(["minimum", "exclusiveMinimum", ""]), st.integers())
def test_numbers_are_within_their_bounds(low: float, room: float, lower: str, seed: int) -> None:
    schema = ({lower: low} if lower else {}) | {"exclusiveMaximum": low + room}
    number = make_number(shape(schema), spot(seed), integral=False)
    assert number < low + room
    assert not lower or (number >= low if lower == "minimum" else number > low)


@given(
    st.sampled_from([0.01, 0.1, 0.25, 0.3, 1, 3, 2.5, 1e-6, 100]),
    st.integers(-1000, 1000),
    st.booleans(),
    st.integers(),
)
def test_numbers_are_multiples_by_the_validator_s_arithmetic(multiple: float, low: int, whole: bool, seed: int) -> None:
    number = make_number(shape({"multipleOf": multiple, "minimum": low}), spot(seed), integral=whole)
    assert number >= low
    quotient = number / multiple
    assert quotient == int(quotient)
    assert not whole or isinstance(number, int)


@pytest.mark.parametrize(
    ("parts", "integral", "number"),
    [
        ([{"minimum": 3, "maximum": 3}], True, 3),
        ([{"minimum": 2.5, "maximum": 3.5}], True, 3),
        ([{"minimum": 2.5, "maximum": 2.5}], False, 2.5),
        ([{"exclusiveMinimum": 2, "exclusiveMaximum": 4}], True, 3),
        ([{"multipleOf": 4, "minimum": 1}, {"multipleOf": 6, "maximum": 13}], True, 12),
        ([{"multipleOf": 0.5, "minimum": 0.1, "maximum": 0.9}], False, 0.5),
        ([{"multipleOf": 1.5, "minimum": 1, "maximum": 4}], True, 3),
        ([{"multipleOf": 0.5}, {"multipleOf": 0.75, "minimum": 1, "maximum": 2}], False, 1.5),
        ([{"minimum": 10**299, "maximum": 10**299}], True, 10**299),
    ],
)
def test_where_one_number_is_left_it_is_that(parts: list[dict[str, Any]], integral: bool, number: float) -> None:
    made = make_number(shape(*parts), spot(), integral=integral)
    assert (made, type(made)) == (number, type(number))


def test_large_numbers_are_written_as_floats_unless_whole_ones_are_wanted() -> None:
    assert isinstance(make_number(shape({"minimum": 1e20}), spot(), integral=False), float)
    assert isinstance(make_number(shape({"minimum": 1e20}), spot(), integral=True), int)


def test_numbers_are_of_a_usual_size() -> None:
    wide = {"minimum": -(2**53), "maximum": 2**53}
    for seed in range(30):
        assert 0 <= make_number(shape(wide), spot(seed), integral=True) <= 100
        assert 18 <= make_number(shape({}), spot(seed, "age"), integral=True) <= 80
        assert 81 <= make_number(shape({"minimum": 81}), spot(seed, "age"), integral=True) <= 181
        assert -100 <= make_number(shape({"maximum": 0}), spot(seed), integral=True) <= 0
        assert 50 <= make_number(shape({"minimum": 50}), spot(seed, "age"), integral=False) <= 80


@pytest.mark.parametrize(
    ("schema", "keyword"),
    [
        ({"minimum": 5, "maximum": 4}, "minimum"),
        ({"exclusiveMinimum": 5, "exclusiveMaximum": 6}, "exclusiveMinimum"),
        ({"maximum": 5, "minimum": 1, "multipleOf": 7}, "minimum"),
        ({"minimum": 10**310}, "minimum"),
        ({"multipleOf": 1e-320, "exclusiveMinimum": 0, "maximum": 0}, "exclusiveMinimum"),
    ],
)
def test_a_number_that_cannot_be_is_said_by_its_keywords(schema: dict[str, Any], keyword: str) -> None:
    with pytest.raises(UnsatisfiableError) as caught:
        make_number(shape(schema), spot(), integral=True)
    assert caught.value.keyword == keyword
    assert str(schema[keyword]) in caught.value.reason


def test_spots_know_their_place_and_their_names() -> None:
    member = spot(0, "list").member("city", 0)
    assert (member.place, member.names, member.depth, member.steps) == (("properties", "city"), ("city",), 1, 1)
    item = member.item(2)
    assert (item.place, item.names, item.depth) == (("properties", "city", "items"), ("city",), 2)
    branch = item.branch(1, 3)
    assert (branch.place[-2:], branch.names, branch.depth, branch.steps) == (("anyOf", "1"), ("city",), 2, 3)
    invented = member.member("amber", 0, described=False)
    assert (invented.place[-1], invented.names) == ("additionalProperties", ("city",))
    assert (member.following(("#",)).trail, member.following(("#",)).repeats) == (("#",), 0)
    assert member.following(("#", "#/a", "#", "#/a", "#")).repeats == 3
    assert len({each.dice for each in (member, item, branch, invented, member.item(), member.item(0))}) == 6


def test_spots_turn_like_the_wheels_of_an_odometer() -> None:
    turned = spot(turn=12)
    assert [turned.member("a", wheel).turn for wheel in range(5)] == [12, 6, 3, 1, 0]
    assert [turned.item(index).turn for index in range(3)] == [12, 6, 3]
    assert (turned.item().turn, turned.branch(0, 5).turn, turned.again(3).turn) == (12, 2, 15)
    seen = [(turned.again(t).member("a", 0).index(2), turned.again(t).member("b", 1).index(2)) for t in range(4)]
    assert len(set(seen)) == 4
