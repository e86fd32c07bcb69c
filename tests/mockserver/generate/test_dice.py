from hypothesis import given
from hypothesis import strategies as st

from mockserver.generate.dice import Dice

seeds = st.integers() | st.text(max_size=5)
steps = st.lists(st.text(max_size=5) | st.integers(0, 9), max_size=3)


@given(seeds, steps, st.integers(1, 2**600))
def test_the_same_place_rolls_the_same_within_range(seed: int | str, place: list[str | int], sides: int) -> None:
    rolled = Dice(seed).at(*place).roll(sides)
    assert 0 <= rolled < sides
    assert Dice(seed).roll(sides, *place) == rolled


def test_rolls_are_those_of_every_version_and_machine() -> None:
    assert [Dice(seed).at("a", 1).roll(10**6) for seed in (0, 1, "0")] == [472265, 318594, 936940]


def test_all_sides_come_about_equally_often() -> None:
    counts = [0] * 6
    for roll in range(6000):
        counts[Dice(1).roll(6, roll)] += 1
    assert all(850 < count < 1150 for count in counts)


def test_seed_and_place_both_matter() -> None:
    rolls = {Dice(seed).roll(2**64, *place) for seed in (0, 1, "0") for place in ((), ("a",), ("a", 1), ("a", "1"))}
    assert len(rolls) == 12


@given(seeds, st.lists(st.integers(), min_size=1), steps)
def test_a_pick_is_one_of_the_values(seed: int | str, values: list[int], place: list[str | int]) -> None:
    assert Dice(seed).pick(values, *place) in values
