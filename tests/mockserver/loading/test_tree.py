"""The tree: what plain scalars, keys and aliases mean, where they stand, and what is too much."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mockserver.loading import tree
from mockserver.loading.tree import MAX_DEPTH, MAX_DIGITS, Path, Tree, UnreadableError, read_plain, write_place

MEANINGS = {
    "": None,
    "~": None,
    "null": None,
    "true": True,
    "False": False,
    "0": 0,
    "-12": -12,
    "+3": 3,
    "007": 7,
    "1e3": 1000.0,
    "1.": 1.0,
    ".5": 0.5,
    "-1.5E-2": -0.015,
}
TEXTS = (
    "no",
    "yes",
    "on",
    "off",
    "y",
    "1:30",
    "2024-01-01",
    "0x10",
    "0o7",
    "1_000",
    ".inf",
    ".nan",
    "1e",
    "-",
    ".",
    "e3",
    "nUll",
)


@pytest.mark.parametrize(("written", "meant"), MEANINGS.items())
def test_a_plain_scalar_means_null_a_boolean_or_a_decimal_number(written: str, meant: object) -> None:
    read = read_plain(written)
    assert read == meant
    assert type(read) is type(meant)


@pytest.mark.parametrize("written", TEXTS)
def test_every_other_plain_scalar_is_a_text(written: str) -> None:
    assert read_plain(written) == written


@given(st.integers(-(10**MAX_DIGITS) + 1, 10**MAX_DIGITS - 1) | st.floats(allow_nan=False, allow_infinity=False))
def test_a_number_is_read_back_as_it_was_written(number: float) -> None:
    if len(str(number)) <= MAX_DIGITS:
        read = read_plain(str(number))
        assert read == number
        assert type(read) is type(number)
        assert math.isfinite(float(read))


@pytest.mark.parametrize("written", ["9" * (MAX_DIGITS + 1), "1e999", "-1e999"])
def test_a_number_beyond_bounds_is_refused(written: str) -> None:
    with pytest.raises(ValueError, match=r"too large|digits"):
        read_plain(written)


@pytest.mark.parametrize(
    ("path", "place"),
    [
        ((), ""),
        (("scenarios", 2, "timing", "itl"), "scenarios[2].timing.itl"),
        ((0, "name"), "[0].name"),
        (("headers", "Retry-After"), "headers.Retry-After"),
        (("headers", "a.b"), 'headers["a.b"]'),
        (("größe",), "größe"),
        (("1", ""), '["1"][""]'),
    ],
)
def test_a_place_reads_like_a_path(path: Path, place: str) -> None:
    assert write_place(path) == place


def build_sample() -> Tree:
    """The tree of `{a: 1, b: [x, {c: y}]}`, each part on a line of its own."""
    built = Tree()
    built.begin({}, 1)
    built.text("a", 1)
    built.plain("1", 2)
    built.text("b", 3)
    built.begin([], 4)
    built.text("x", 5)
    built.begin({}, 6)
    built.text("c", 7)
    built.text("y", 8)
    for _ in range(3):
        built.end()
    return built


def test_a_tree_holds_the_values_and_the_size() -> None:
    root = build_sample().root
    assert root is not None
    assert root.value == {"a": 1, "b": ["x", {"c": "y"}]}
    assert root.size == 6
    assert root.entries["a"][1].raw == "1"


@pytest.mark.parametrize(
    ("path", "line", "value"),
    [
        ((), 1, {"a": 1, "b": ["x", {"c": "y"}]}),
        (("a",), 1, 1),
        (("b", 0), 5, "x"),
        (("b", 1), 6, {"c": "y"}),
        (("b", 1, "c"), 7, "y"),
        (("b", 1, "nothing", "there"), 6, {"c": "y"}),
    ],
)
def test_a_path_leads_to_the_line_of_its_key_or_as_far_as_it_goes(path: Path, line: int, value: object) -> None:
    root = build_sample().root
    assert root is not None
    found_line, node = root.locate(path)
    assert (found_line, node.value) == (line, value)


def test_nesting_is_bounded() -> None:
    built = Tree()
    for line in range(MAX_DEPTH):
        built.begin([], line)
    with pytest.raises(UnreadableError, match=f"nested deeper than {MAX_DEPTH} levels") as caught:
        built.begin([], 77)
    assert caught.value.line == 77


def test_an_alias_counts_as_often_as_it_is_used(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tree, "MAX_NODES", 11)
    built = Tree()
    built.begin([], 1)
    built.begin([], 1, "four")
    for _ in range(3):
        built.text("x", 1)
    built.end()
    built.alias("four", 2)
    with pytest.raises(UnreadableError, match="more than 11 values, aliases expanded"):
        built.alias("four", 3)


def test_the_same_mistake_at_the_same_place_is_reported_once() -> None:
    built = Tree("f.yaml")
    built.report("wrong", 3)
    built.report("wrong", 3)
    built.report("wrong", 4)
    assert [str(problem) for problem in built.problems] == ["f.yaml:3: wrong", "f.yaml:4: wrong"]
