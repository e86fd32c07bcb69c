import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mockserver.generate import patterns
from mockserver.generate.dice import Dice
from mockserver.generate.patterns import LONGEST_TEXT, PatternError, read_pattern, spell, translate_pattern

USUAL = [
    r"^[a-z]{3,10}$",
    r"^\d{3}-\d{4}$",
    r"abc",
    r"^[^a-z]+$",
    r"^[^a]$",
    r"^(\w)\1$",
    r"^a$|^b+c$",
    r"^#[0-9a-fA-F]{6}$",
    r"^\+?[1-9]\d{1,14}$",
    r"^(foo|bar){2,3}$",
    r"^(?i:abc)+$",
    r"^[\s\S]*$",
    r"^.{10,20}$",
    r"^\W+$",
    r"^\S+\s\D$",
    r"^a++b*?$",
    r"^(a)?(?(1)b|c)$",
    r"^(?>ab)c$",
    r"^(?!test)[a-z]{4}$",
    r"^(?=.*\d)(?=.*[A-Z])(?=.*[^\w\s])\S{8,}$",
    r"[^\x00-\x7f]",
    r"^[一-鿿]{2}$",
    r"^[\ud7f0-\ue005]+$",
    r"^[^\W\d_]+$",
    r"^(?<year>\d{4})-(?<month>0[1-9]|1[0-2])$",
    r"^(?:(?:\d\d[2468][048]|\d\d[13579][26])-02-29|\d{4}-(?:0[13578]|1[02])-(?:0[1-9]|[12]\d|3[01]))$",
    r"^(a?){1000000}$",
    r"",
]
seeds = st.integers(0, 50)


@pytest.mark.parametrize("pattern", USUAL)
def test_a_spelling_matches_its_pattern(pattern: str) -> None:
    spelled = {spell(pattern, Dice(seed)) for seed in range(10)}
    for text in spelled:
        assert text is not None
        assert re.search(translate_pattern(pattern), text)
        assert text.encode().decode() == text


@given(
    st.sampled_from(
        [r"^[a-z]*$", r"^\w+@\w+\.[a-z]{2,}$", r"^([A-Z][a-z]+ ?)+$", r"foo", r"(?<= )foo$", r"\bfoo\b", r"^x*y*z*$"]
    ),
    st.data(),
)
def test_lengths_are_kept_where_they_can_be(pattern: str, data: st.DataObject) -> None:
    shortest = data.draw(st.integers(6, 40))
    longest = data.draw(st.none() | st.integers(shortest, 45))
    text = spell(pattern, Dice(data.draw(seeds)), shortest=shortest, longest=longest)
    assert text is not None
    assert shortest <= len(text) <= (longest or LONGEST_TEXT)
    assert re.search(pattern, text)


made_up = st.lists(
    st.sampled_from(
        ["a", "b{2}", "[c-f]+", "[^a-y]", r"\d{1,3}", r"\w*", "(x|yz)", "(?:q|)", ".", r"\s?", "(?P<n>k)(?P=n)"]
    ),
    min_size=1,
    max_size=6,
    unique=True,
).map("".join)


@given(made_up, seeds)
def test_a_pattern_made_up_is_spelled_as_a_whole(pattern: str, seed: int) -> None:
    text = spell(pattern, Dice(seed), whole=True)
    assert text is not None
    assert re.fullmatch(pattern, text)


def test_a_whole_match_is_not_padded() -> None:
    assert spell("abc", Dice(0), shortest=10) is not None
    assert spell("abc", Dice(0), shortest=10, whole=True) is None


def test_other_seeds_spell_otherwise() -> None:
    assert len({spell("^[a-z]{8}$", Dice(seed)) for seed in range(20)}) == 20
    assert spell("^[a-z]{8}$", Dice(3)) == spell("^[a-z]{8}$", Dice(3))


@pytest.mark.parametrize("pattern", [r"(?!)", r"^a\bb$", r"^[^\s\S]$", r"$a"])
def test_what_matches_nothing_has_no_spelling(pattern: str) -> None:
    assert spell(pattern, Dice(0)) is None


def test_what_is_not_accepted_is_not_given() -> None:
    assert spell("^[ab]$", Dice(0), accept=lambda text: text == "b") == "b"
    assert spell("^[ab]$", Dice(0), accept=lambda text: False) is None


@pytest.mark.parametrize(
    ("pattern", "reason"),
    [
        (r"(", "is not a regular expression that Python reads"),
        (r"\p{L}+", "is not a regular expression that Python reads"),
        (r"a{99999999999999999999}", "is not a regular expression that Python reads"),
        ("(" * 5000 + ")" * 5000, "is not a regular expression that Python reads"),
        (r"^a{70000}$", "needs 70000 characters"),
        (r"^(a|b{60000}){60000}$", "makes texts longer than"),
    ],
)
def test_what_cannot_be_read_or_is_too_long_is_said(pattern: str, reason: str) -> None:
    with pytest.raises(PatternError, match=reason):
        spell(pattern, Dice(0))


def test_reading_is_quiet_about_questionable_sets() -> None:
    # Python warns of a "possible nested set" here, and warnings are errors in these tests.
    assert read_pattern("[[a]")[0].search("[")


@pytest.mark.parametrize(
    ("pattern", "shortest", "longest"),
    [
        (r"^[a-z]{3,10}$", 0, None),
        (r"^[a-z]{3,10}$", 10, 10),
        (r"^a{2,3}b{2,3}$", 6, 6),
        (r"^a{5}b*$", 7, 7),
        (r"^\w+$", 50, 60),
        (r"^(ab){2,}$", 8, 9),
        (r"^x{2}$", 0, 2),
        (r"^(a?){9}$", 0, 9),
    ],
)
def test_an_ordinary_pattern_needs_one_attempt(
    pattern: str, shortest: int, longest: int | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(patterns, "ATTEMPTS", 1)
    for seed in range(20):
        assert spell(pattern, Dice(seed), shortest=shortest, longest=longest) is not None


def test_spellings_differ_in_length_and_are_not_longer_than_need_be() -> None:
    lengths = {len(spell("^[a-z]{3,99}$", Dice(seed)) or "") for seed in range(60)}
    assert lengths == {3, 4, 5, 6, 7}
    shared = {spell("^a+b+c+$", Dice(seed)) for seed in range(60)}
    assert {"abc", "aabc", "abbc", "abcc"} <= shared


def test_spellings_are_readable_where_they_may_be() -> None:
    assert all(re.fullmatch("[a-z0-9]+", spell(r"^\S{8}$", Dice(seed)) or "") for seed in range(20))


@pytest.mark.parametrize(
    ("pattern", "count"), [("^[éß]$", 2), ("^[α-ω]$", 20), ("^[一-鿿]$", 40), ("^[Aé]$", 1), (r"^[^\x20-\x7e]$", 5)]
)
def test_sets_beyond_ascii_are_used_up(pattern: str, count: int) -> None:
    assert len({spell(pattern, Dice(seed)) for seed in range(400)}) >= count


def test_the_longest_text_is_spelled() -> None:
    assert spell(f"^a{{{LONGEST_TEXT}}}$", Dice(0)) == "a" * LONGEST_TEXT
    with pytest.raises(PatternError, match=f"needs {LONGEST_TEXT + 1} characters"):
        spell(f"^a{{{LONGEST_TEXT + 1}}}$", Dice(0))
