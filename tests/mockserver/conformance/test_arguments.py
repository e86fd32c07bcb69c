"""The arguments of tool calls: nothing that was never said may be kept, and whatever was said may."""

import json
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from mockserver.conformance.arguments import is_beginning, make_canonical

SAID = '{"path":"/tmp/build/cache","depth":12,"tags":["a","b"],"recursive":true}'


@pytest.mark.parametrize(
    "kept",
    [
        "",
        "{}",
        SAID,
        SAID[:30],
        SAID + SAID,
        SAID + SAID[:9],
        '{"path": "/tmp/bu"}',
        '{"path": "/tmp/build/cache"}',
        '{"path": "/tmp/build/cache", "depth": 1}',
        '{"path": "/tmp/build/cache", "depth": 12.0, "tags": ["a"]}',
        '{"path": "/tmp/build/cache", "depth": 12, "tags": []}',
        '{"depth": 12, "path": "/tmp/build/cache", "recursive": true, "tags": ["a", "b"]}',
    ],
)
def test_a_beginning_of_the_arguments_may_be_kept_closed_or_not(kept: str) -> None:
    assert is_beginning(kept, SAID)


@pytest.mark.parametrize(
    "kept",
    [
        "42",
        "null",
        "[]",
        '"/tmp"',
        '{"path":"/","recursive":true}',
        '{"path": "/tmp/build/cache/objects"}',
        '{"path": "/tmp/build/cache", "depth": 2}',
        '{"path": "/tmp/build/cache", "depth": "12"}',
        '{"path": "/tmp/build/cache", "force": true}',
        '{"path": "/tmp/build/cache", "recursive": false}',
        '{"path": "/tmp/build/cache", "tags": ["b"]}',
        '{"path": "/tmp/build/cache", "tags": ["a", "b", "c"]}',
        '{"path": "", "depth": 12}',
        '{"recursive": true}',
        '{"path": null}',
        SAID + "!",
        SAID[:20] + SAID,
    ],
)
def test_what_was_never_said_may_not(kept: str) -> None:
    assert not is_beginning(kept, SAID)


@pytest.mark.parametrize(
    ("kept", "said"),
    [
        ("{}", ""),
        ("", ""),
        ('{"city": "Par"}', '{"city": "Par'),
        ('{"city": "Par"}', '{"city": "Paris", "cou'),
        ('{"city": "Paris"}', '{"city": "Paris", "country": '),
        ('{"city": "Par"}', '{"city": "Par\\u00'),
        ('{"city": "\\ud83d"}', '{"city": "\\ud83d\\ude00"}'),
        ('{"a": {"b": ["x"]}}', '{"a": {"b": ["x", tr'),
    ],
)
def test_arguments_that_were_meant_to_break_off_have_a_beginning_too(kept: str, said: str) -> None:
    assert is_beginning(kept, said)


@pytest.mark.parametrize(
    ("kept", "said"), [('{"a":1}', ""), ('{"a":1}', "no JSON"), ('{"city":"Rome"}', '{"city": "Par')]
)
def test_and_allow_nothing_else(kept: str, said: str) -> None:
    assert not is_beginning(kept, said)


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=6),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
    max_leaves=6,
)
OBJECTS = st.dictionaries(st.text(max_size=4), VALUES, max_size=4)


@given(OBJECTS, st.booleans(), st.data())
def test_every_cut_of_json_is_a_beginning_and_so_is_all_of_it_in_another_order(
    value: dict[str, Any], ascii_only: bool, data: st.DataObject
) -> None:
    said = json.dumps(value, ensure_ascii=ascii_only)
    assert is_beginning(said[: data.draw(st.integers(0, len(said)))], said)
    assert is_beginning(json.dumps(dict(reversed(value.items())), indent=1), said)
    assert is_beginning(make_canonical(said), said)


@given(st.dictionaries(st.text(max_size=4), VALUES, min_size=1, max_size=4), st.text(min_size=1, max_size=4), VALUES)
@example({"a": "x"}, "b", None)
def test_a_key_that_was_not_said_is_never_a_beginning(value: dict[str, Any], key: str, other: Any) -> None:
    if key not in value:
        assert not is_beginning(json.dumps({**value, key: other}), json.dumps(value))


@given(st.text(max_size=30), st.text(alphabet='{}[]",:\\u0a1 ', max_size=30))
@example("[" * 5000, "{" * 5000)
def test_no_text_breaks_it(kept: str, said: str) -> None:
    assert is_beginning(said, said)
    assert is_beginning(kept, said) in (True, False)
