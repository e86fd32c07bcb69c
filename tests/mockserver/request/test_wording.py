import pytest

from mockserver.request import wording


@pytest.mark.parametrize(
    ("values", "listed"),
    [(["a"], "'a'"), (["a", "b"], "'a' and 'b'"), (["a", "b", "c"], "'a', 'b', and 'c'")],
)
def test_values_are_listed_with_the_real_api_s_commas(values: list[str], listed: str) -> None:
    assert wording.list_values(values, "and") == listed
    assert wording.list_values(values, "or") == listed.replace("and", "or")


@pytest.mark.parametrize(
    ("value", "came"),
    [
        (None, "null"),
        (True, "a boolean"),
        (1, "an integer"),
        (1.5, "a decimal number"),
        ("", "a string"),
        ([], "an array"),
        ({}, "an object"),
    ],
)
def test_every_json_type_has_a_name(value: object, came: str) -> None:
    error = wording.invalid_type("p", "something else", value)
    assert error.message == f"Invalid type for 'p': expected something else, but got {came} instead."


def test_long_text_is_shown_by_its_beginning() -> None:
    assert wording.show("x" * 200) == "x" * 200
    assert wording.show("x" * 201) == "x" * 200 + "..."
