import threading
from collections.abc import Callable
from itertools import count as count_up

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mockserver.scenario import OnConnect, RateLimit, Scenario
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


def test_a_renewed_scenario_starts_anew_but_for_its_ordinals_and_no_other_does() -> None:
    state, limit = State(), RateLimit(requests_per_minute=5)
    for _ in range(2):
        for name in ("one", "two"):
            state.count_candidate(name)
            state.next_turn(name)
            state.next_ordinal(name, "x")
            left = state.charge(name, limit, 0, "m", 0.0)
    state.renew(["one", "unknown"])
    assert [state.count_candidate(name) for name in ("one", "two")] == [1, 3]
    assert [state.next_turn(name) for name in ("one", "two")] == [0, 2]
    assert [state.next_ordinal(name, "x") for name in ("one", "two")] == [2, 2]
    fresh = State().charge("one", limit, 0, "m", 0.0)
    assert [state.charge(name, limit, 0, "m", 0.0) == fresh for name in ("one", "two")] == [True, False]
    assert left != fresh


def test_cleared_everything_begins_again() -> None:
    state = State()
    for _ in range(3):
        state.count_candidate("one")
        state.next_turn("one")
        state.next_ordinal("one", "x")
    state.clear()
    assert (state.count_candidate("one"), state.next_turn("one"), state.next_ordinal("one", "x")) == (1, 0, 0)


LIMIT = RateLimit(requests_per_minute=5)
COUNTED: list[Callable[[State, str], object]] = [
    State.count_candidate,
    State.next_turn,
    lambda state, name: state.next_ordinal(name, "x"),
    lambda state, name: state.charge(name, LIMIT, 0, "m", 0.0),
]


@pytest.mark.parametrize("step", [1, 2, 3])
@pytest.mark.parametrize("count", COUNTED, ids=["candidate", "turn", "ordinal", "charge"])
def test_what_another_thread_forgets_while_a_request_is_counted_stays_forgotten(
    count: Callable[[State, str], object], step: int
) -> None:
    state, steps = State(), count_up(1)
    forget = threading.Thread(target=state.clear)

    class Name(str):
        """A name that is looked up: at one of the times, another thread forgets everything, if it may."""

        __slots__ = ()

        def __hash__(self) -> int:
            if next(steps) == step:
                forget.start()
                forget.join(0.05)  # as long as this request is being counted, it must not
            return super().__hash__()

    for _ in range(3):
        count(state, "one")
    count(state, Name("one"))
    if forget.ident is None:
        forget.start()
    forget.join()
    assert count(state, "one") == count(State(), "one")


# What becomes of connections


def scenario(name: str, fault: str | None = None, connections: int = 1) -> Scenario:
    on_connect = {"on_connect": {"fault": fault, "connections": connections}} if fault else {}
    return Scenario.of({"name": name, **on_connect})


def next_fates(state: State, count: int) -> list[str | None]:
    found = [state.next_connection() for _ in range(count)]
    return [None if fate is None else f"{fate[0]} {fate[1].fault}" for fate in found]


def test_a_scenario_meets_the_next_connections_and_no_more() -> None:
    state = State()
    assert state.next_connection() is None
    state.expect([scenario("plain"), scenario("one", "reset", 2)])
    assert next_fates(state, 4) == ["one reset", "one reset", None, None]


def test_scenarios_meet_connections_one_after_the_other_those_told_last_first() -> None:
    state = State()
    state.expect([scenario("one", "close"), scenario("two", "reset")])
    state.expect([scenario("three", "stall")])
    assert next_fates(state, 4) == ["three stall", "one close", "two reset", None]


def test_a_scenario_loaded_again_takes_its_own_place() -> None:
    state = State()
    state.expect([scenario("one", "close", 5), scenario("two", "reset")])
    state.next_connection()
    state.expect([scenario("one", "stall")])
    assert next_fates(state, 3) == ["one stall", "two reset", None]
    state.expect([scenario("one", "close", 3), scenario("two", "reset")])
    state.expect([scenario("one")])
    assert next_fates(state, 2) == ["two reset", None]


def test_cleared_no_connection_is_met() -> None:
    state = State()
    state.expect([scenario("one", "close", 5)])
    state.clear()
    assert state.next_connection() is None


def test_what_connections_meet_may_be_said_from_any_thread() -> None:
    state, met = State(), list[OnConnect]()

    def load(prefix: str) -> None:
        for number in range(200):
            state.expect([scenario(f"{prefix}-{number}", "close")])

    threads = [threading.Thread(target=load, args=(prefix,)) for prefix in "abcd"]
    for thread in threads:
        thread.start()
    while any(thread.is_alive() for thread in threads):
        met += [fate[1] for fate in [state.next_connection()] if fate]
    for thread in threads:
        thread.join()
    while fate := state.next_connection():
        met.append(fate[1])
    assert len(met) == 800
