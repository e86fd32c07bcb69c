from hypothesis import given
from hypothesis import strategies as st

from mockserver.state import State

names = st.sampled_from(["one", "two", "three"])


@given(st.lists(names))
def test_candidates_are_counted_from_one_and_by_scenario(asked: list[str]) -> None:
    state = State()
    for k, name in enumerate(asked):
        assert state.count_candidate(name) == asked[: k + 1].count(name)


@given(st.lists(names))
def test_turns_are_counted_from_zero_and_by_scenario(asked: list[str]) -> None:
    state = State()
    for k, name in enumerate(asked):
        assert state.next_turn(name) == asked[:k].count(name)


@given(st.lists(st.tuples(names, names)))
def test_ordinals_are_counted_by_scenario_and_request(asked: list[tuple[str, str]]) -> None:
    state = State()
    for k, (name, fingerprint) in enumerate(asked):
        assert state.next_ordinal(name, fingerprint) == asked[:k].count((name, fingerprint))


def test_the_counters_know_nothing_of_each_other() -> None:
    state = State()
    assert [state.next_turn("one"), state.next_turn("one")] == [0, 1]
    assert state.count_candidate("one") == 1
    assert state.next_ordinal("one", "x") == 0


def test_cleared_everything_begins_again() -> None:
    state = State()
    for _ in range(3):
        state.count_candidate("one")
        state.next_turn("one")
        state.next_ordinal("one", "x")
    state.clear()
    assert (state.count_candidate("one"), state.next_turn("one"), state.next_ordinal("one", "x")) == (1, 0, 0)
