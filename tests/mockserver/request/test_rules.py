from typing import Any

import pytest

from mockserver.errors import RequestError
from mockserver.request import rules


def code_of(rule: rules.Rule, value: Any) -> str | None:
    """The code of the refusal, or None if the value is accepted."""
    try:
        rule(value, "p")
    except RequestError as error:
        return f"{error.param} {error.code}"
    return None


SMALL = rules.obj({"a": rules.string}, {"b": rules.boolean})


@pytest.mark.parametrize(
    ("rule", "value", "expected"),
    [
        (rules.anything, None, None),
        (rules.boolean, False, None),
        (rules.boolean, 0, "p invalid_type"),
        (rules.string, "", None),
        (rules.text(longest=2), "", "p empty_string"),
        (rules.text(longest=2), "ab", None),
        (rules.text(longest=2), "abc", "p string_above_max_length"),
        (rules.text(longest=2), 1, "p invalid_type"),
        (rules.text(longest=2, pattern="^a+$"), "aa", None),
        (rules.text(longest=2, pattern="^a+$"), "a\n", "p invalid_value"),
        (rules.integer(0), 10**30, None),
        (rules.integer(0, 5), 5, None),
        (rules.integer(0, 5), 6, "p integer_above_max_value"),
        (rules.integer(0, 5), -1, "p integer_below_min_value"),
        (rules.integer(0, 5), False, "p invalid_type"),
        (rules.integer(0, 5), 1.0, "p invalid_type"),
        (rules.integer(0, 5), 0, None),
        (rules.decimal(0, 2), 0, None),
        (rules.decimal(0, 2), 2, None),
        (rules.decimal(0, 2), 2.5, "p decimal_above_max_value"),
        (rules.decimal(0, 2), -0.5, "p decimal_below_min_value"),
        (rules.decimal(0, 2), True, "p invalid_type"),
        (rules.one_of(("x", "y")), "y", None),
        (rules.one_of(("x", "y")), "z", "p invalid_value"),
        (rules.one_of(("x", "y")), ["x"], "p invalid_type"),
        (SMALL, {"a": "", "b": None, "c": 1}, None),
        (SMALL, {}, "p.a missing_required_parameter"),
        (SMALL, {"a": None}, "p.a invalid_type"),
        (SMALL, {"a": "", "b": 1}, "p.b invalid_type"),
        (SMALL, [], "p invalid_type"),
        (rules.array(rules.string, expected="strings"), [], None),
        (rules.array(rules.string, expected="strings"), ["a", 1], "p[1] invalid_type"),
        (rules.array(rules.string, expected="strings"), {}, "p invalid_type"),
        (rules.array(rules.string, expected="strings", shortest=1), [], "p empty_array"),
        (rules.array(rules.string, expected="strings", shortest=1, longest=1), ["a"], None),
        (rules.array(rules.string, expected="strings", longest=1), ["a", 1], "p array_above_max_length"),
        (rules.tagged("t", {"a": SMALL}), {"t": "a", "a": ""}, None),
        (rules.tagged("t", {"a": SMALL}), {"t": "a"}, "p.a missing_required_parameter"),
        (rules.tagged("t", {"a": SMALL}), {"t": "b"}, "p.t invalid_value"),
        (rules.tagged("t", {"a": SMALL}), {"t": None}, "p.t invalid_type"),
        (rules.tagged("t", {"a": SMALL}), {}, "p.t missing_required_parameter"),
        (rules.tagged("t", {"a": SMALL}), "t", "p invalid_type"),
        (rules.string_or(dict, SMALL, expected="either"), "", None),
        (rules.string_or(dict, SMALL, expected="either"), {"a": ""}, None),
        (rules.string_or(dict, SMALL, expected="either"), {}, "p.a missing_required_parameter"),
        (rules.string_or(dict, SMALL, expected="either"), [], "p invalid_type"),
    ],
)
def test_a_rule_names_the_place_and_the_code(rule: rules.Rule, value: Any, expected: str | None) -> None:
    assert code_of(rule, value) == expected


@pytest.mark.parametrize(
    ("rule", "expected"),
    [
        (rules.string_or(dict, SMALL, expected="a string or more"), "a string or more"),
        (rules.obj(expected="a special object"), "a special object"),
        (rules.array(rules.string, expected="an array of strings"), "an array of strings"),
        (rules.one_of(("x", "y", "z")), "one of 'x', 'y', or 'z'"),
    ],
)
def test_a_rule_says_what_it_expects(rule: rules.Rule, expected: str) -> None:
    with pytest.raises(RequestError, match=f"expected {expected}, but got an integer instead"):
        rule(5, "p")
