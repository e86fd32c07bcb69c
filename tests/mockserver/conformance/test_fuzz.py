"""The fuzzer: what it makes up, what it finds in broken programs, and how small that becomes."""

from pathlib import Path

import pytest
from hypothesis import given

from mockserver.conformance.fuzz import FuzzOptions, fuzz, make_scenarios
from mockserver.conformance.result import Result
from mockserver.errors import UsageError
from mockserver.reply import Reply
from mockserver.scenario import Scenario
from tests.mockserver.conformance.programs import write_program

LEGAL = FuzzOptions(examples=60, seed=3, with_faults=False)


def test_a_program_that_reports_an_error_each_time_is_caught_by_the_smallest_scenario_there_is(tmp_path: Path) -> None:
    seen: list[Result] = []
    source = "main(lambda line: (ask(line), {'error': {'type': 'E', 'message': 'm'}})[1])"
    done = fuzz(write_program(tmp_path, source), LEGAL, seen.append)
    assert done.found is not None
    assert done.found.smallest
    assert done.found.repeatable
    assert done.found.scenario == Scenario(name="fuzz", reply=Reply())
    assert done.found.result.verdict.name == "fail"
    assert done.played == len(seen)
    assert done.consumer.name == "tiny"


def test_a_program_that_does_not_answer_the_same_way_twice_is_told_as_such(tmp_path: Path) -> None:
    source = """
        count = iter(range(10_000))
        def answer(line):
            ask(line)
            return {"error": {"type": "E", "message": "m"}} if next(count) == 0 else run(line)
        main(answer)
    """
    done = fuzz(write_program(tmp_path, source), FuzzOptions(examples=5, seed=3, with_faults=False))
    assert done.found is not None
    assert not done.found.repeatable


@pytest.mark.parametrize("fails", [False, True])
def test_the_search_ends_when_the_time_is_up(tmp_path: Path, fails: bool) -> None:
    # A small pause each, so that the time is up in the middle: of the search, or of the shrinking.
    told = "{'error': {'type': 'E', 'message': 'm'}}" if fails else "run(line)"
    source = f"main(lambda line: (time.sleep(0.3), ask(line), {told})[2])"
    options = FuzzOptions(examples=100_000, seed=3, time_s=0.5, with_faults=False)
    done = fuzz(write_program(tmp_path, source), options)
    if fails:
        assert done.found is not None
        assert not done.found.smallest
    assert 1 <= done.played <= 3


def test_a_program_that_cannot_be_driven_is_explained() -> None:
    with pytest.raises(UsageError, match="cannot start"):
        fuzz(["/no/such/program"])


@given(make_scenarios(frozenset({"n", "tools"}), with_faults=False))
def test_nothing_is_made_up_that_the_consumer_lacks(scenario: Scenario) -> None:
    assert isinstance(scenario.reply, Reply)
    assert len(scenario.reply.choices) < 2
    assert all(not choice.tool_calls for choice in (scenario.reply.choices or (scenario.reply,)))
    assert scenario.delivery.faults == ()


@given(make_scenarios(frozenset({"parallel_tools"})))
def test_no_calls_side_by_side_for_who_cannot_tell_them(scenario: Scenario) -> None:
    assert isinstance(scenario.reply, Reply)
    assert all(len(choice.tool_calls) < 2 for choice in (scenario.reply.choices or (scenario.reply,)))
    assert len(scenario.delivery.faults) <= 1
