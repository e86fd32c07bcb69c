"""The public strategies: what they draw is legal, narrow where they are told so, shrinks, and prints as a scenario file."""

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal, get_args, get_origin, get_type_hints

import pytest
from hypothesis import HealthCheck, Phase, find, given, settings
from hypothesis import strategies as st

import mockserver.strategies as public
from client import accumulate
from mockserver.delivery import Delivery
from mockserver.faults import FAULTS, Fault
from mockserver.loading import parse_scenarios
from mockserver.place import Place
from mockserver.plan import Terms, plan_turn
from mockserver.reply import Reply
from mockserver.scenario import Scenario
from mockserver.steps import Step
from mockserver.strategies import as_file, chunk_lists, deliveries, faults, partitions, replies, scenarios
from mockserver.strategies.faults import FAULT_OPTIONS
from mockserver.strategies.replies import json_tools
from mockserver.timing import UNPACED
from tests.mockserver.strategies_local import ask

PATIENT = """
from hypothesis import HealthCheck, Phase, settings
settings.register_profile("patient", deadline=None, database=None, suppress_health_check=[HealthCheck.too_slow],
                          phases=set(Phase) - {Phase.explain})
settings.load_profile("patient")
"""
"""For runs in a process of their own, on a machine that may be busy; to explain a failure, Hypothesis traces every line."""

FOUND_FIRST = settings(database=None, derandomize=True, max_examples=1_000, phases=[Phase.generate])
"""For what is only to be found."""
SHRUNK = settings(FOUND_FIRST, max_examples=500, phases=[Phase.generate, Phase.shrink])
"""For what is to be made small as well."""

ROOT = Path(__file__).parents[3]
EXAMPLE = ROOT / "fixtures" / "my_client_properties.py"

Play = Callable[[str], pytest.RunResult]


@pytest.fixture
def play(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> Play:
    """Runs a user's tests in a process of their own."""

    def run(source: str) -> pytest.RunResult:
        pytester.makeconftest(PATIENT)
        pytester.makepyfile(source)
        # What Hypothesis has learnt of our modules, it need not learn anew.
        monkeypatch.setenv("HYPOTHESIS_STORAGE_DIRECTORY", str(ROOT / ".hypothesis"))
        return pytester.runpytest_subprocess("-p", "no:cacheprovider", "--hypothesis-seed=1")

    return run


def test_the_public_names_are_these() -> None:
    names = ["as_file", "chunk_lists", "deliveries", "faults", "partitions", "replies", "scenarios"]
    assert sorted(public.__all__) == names
    assert all(getattr(public, name).__doc__ for name in names)


def test_starting_a_server_does_not_import_hypothesis() -> None:
    code = "import sys, mockserver.server, mockserver.cli.serving; print('hypothesis' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "False\n"


def has_call(scenario: Scenario) -> bool:
    return isinstance(scenario.reply, Reply) and scenario.reply.tool_calls != ()


# Scenarios


@given(scenarios() | scenarios(faults=faults()))
def test_any_scenario_is_a_file_that_says_the_same(scenario: Scenario) -> None:
    assert parse_scenarios(as_file(scenario)).scenarios == (scenario,)


@given(scenarios())
def test_by_default_no_fault_strikes_and_arguments_are_json(scenario: Scenario) -> None:
    assert scenario.delivery.faults == ()
    assert scenario.name == "generated"
    assert isinstance(scenario.reply, Reply)
    for choice in scenario.reply.choices or (scenario.reply,):
        assert all(isinstance(call.arguments, dict) for call in choice.tool_calls)


@given(scenarios(faults=faults(["drop"]), name="mine", paced=False))
def test_scenarios_are_narrowed_to_faults_and_a_name_and_no_pauses(scenario: Scenario) -> None:
    assert {type(fault) for fault in scenario.delivery.faults} == {FAULTS["drop"]}
    assert 1 <= len(scenario.delivery.faults) <= 3
    assert scenario.name == "mine"
    assert scenario.timing == UNPACED


@given(scenarios(st.just(Reply(content="Hi")), st.just(Delivery(group="all"))))
def test_scenarios_take_replies_and_deliveries_of_ones_own(scenario: Scenario) -> None:
    assert (scenario.reply, scenario.delivery) == (Reply(content="Hi"), Delivery(group="all"))


@given(scenarios())
def test_generated_pauses_are_a_few_milliseconds_in_all(scenario: Scenario) -> None:
    request = ask(n=3, stream=True)
    steps: list[Step] = list(plan_turn(scenario.turn(0), request, Terms()))
    assert max(step.due_s for step in steps) < 0.1


def test_a_failing_example_is_printed_as_a_file_that_can_be_served(play: Play) -> None:
    result = play(
        """
        from hypothesis import given
        from mockserver.strategies import scenarios

        @given(scenarios())
        def test_fails(scenario):
            assert not scenario.delivery.framing.bom
        """
    )
    printed = [line.removeprefix("E").strip("\n") for line in result.outlines]
    start = next(k for k, line in enumerate(printed) if "a scenario file" in line) + 1
    end = next(
        k for k, line in enumerate(printed) if k > start and ("test case" in line or "Falsifying example" in line)
    )
    block = printed[start:end]
    indent = len(block[0]) - len(block[0].lstrip())
    [scenario] = parse_scenarios("\n".join(line[indent:] for line in block)).scenarios
    assert scenario.delivery.framing.bom
    assert scenario == Scenario.of({"name": "generated", "reply": {}, "delivery": {"framing": {"bom": True}}})


TEXTS = replies(None, None, max_choices=1)
FOUND: list[tuple[st.SearchStrategy[Scenario], Callable[[Scenario], bool], str]] = [
    (scenarios(TEXTS, paced=False), lambda made: made.delivery.framing.bom, "bom: true"),
    (scenarios(TEXTS, st.just(Delivery())), lambda made: made.timing.comments is not None, "every: 0.001"),
    (scenarios(TEXTS, deliveries(faults(["reset", "close"]))), lambda made: len(made.delivery.faults) > 1, "fault: reset"),
    (scenarios(delivery=st.just(Delivery()), paced=False), has_call, "name:"),
]  # fmt: skip


@pytest.mark.parametrize(("made", "matters", "told"), FOUND, ids=[told for _, _, told in FOUND])
def test_a_scenario_shrinks_to_a_file_that_one_reads_at_a_glance(
    made: st.SearchStrategy[Scenario], matters: Callable[[Scenario], bool], told: str
) -> None:
    found = find(made, matters, settings=SHRUNK)
    text = as_file(found)
    assert told in text
    assert len(text.splitlines()) <= 11, text


# The parts


@given(deliveries(codings=(), paced=False))
def test_deliveries_are_narrowed_to_no_coding_and_no_pause(delivery: Delivery) -> None:
    assert delivery.http.coding is None
    assert delivery.dialect is None
    assert delivery.faults == ()
    assert delivery.writes.mode == "due" or delivery.writes.gap in (0.0,)


def test_deliveries_can_have_codings_dialects_and_faults() -> None:
    assert find(deliveries(codings=("gzip",)), lambda made: made.http.coding is not None, settings=FOUND_FIRST)
    assert find(deliveries(dialects=("azure",)), lambda made: made.dialect == "azure", settings=FOUND_FIRST)
    assert find(deliveries(faults(), max_faults=2), lambda made: len(made.faults) == 2, settings=FOUND_FIRST)


WORDS = [
    (name, option, word)
    for name, kind in FAULTS.items()
    for option, of_type in get_type_hints(kind).items()
    if get_origin(of_type) is Literal
    for word in get_args(of_type)
]


@pytest.mark.parametrize(("name", "option", "word"), WORDS)
def test_every_word_that_an_option_of_a_fault_may_be_is_drawn(name: str, option: str, word: str) -> None:
    assert find(faults([name]), lambda made: getattr(made, option) == word, settings=FOUND_FIRST)


def test_every_fault_is_drawn_with_every_option_but_that_it_may_not_strike() -> None:
    assert {name: set(options) for name, options in FAULT_OPTIONS.items()} == {
        name: set(kind.__struct_fields__) - {"probability"} for name, kind in FAULTS.items()
    }


@given(faults(["close", "reset"], at=st.just(Place("after_finish"))))
def test_faults_are_narrowed_to_kinds_and_places(fault: Fault) -> None:
    assert type(fault) in (FAULTS["close"], FAULTS["reset"])
    assert getattr(fault, "at", None) in (Place("after_finish"), Place("after_headers"))


@settings(suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much])
@given(replies(tools=None, functions=None, finish_reasons=("stop",), max_choices=1))
def test_replies_are_narrowed_to_text(reply: Reply) -> None:
    assert (reply.choices, reply.tool_calls, reply.function_call) == ((), (), None)
    assert reply.finish_reason in (None, "stop")


@given(replies())
def test_ids_of_calls_differ(reply: Reply) -> None:
    for choice in reply.choices or (reply,):
        ids = [call.id for call in choice.tool_calls if call.id]
        assert len(ids) == len(set(ids))


@given(st.data(), st.binary(max_size=40))
def test_partitions_lose_nothing(data: st.DataObject, wire: bytes) -> None:
    assert b"".join(data.draw(partitions(wire))) == wire


@given(st.data())
def test_chunk_lists_come_to_the_reply(data: st.DataObject) -> None:
    reply = data.draw(replies(json_tools, None, max_choices=1))
    chunks: list[dict[str, Any]] = data.draw(chunk_lists(st.just(reply)))
    assert {chunk["object"] for chunk in chunks} == {"chat.completion.chunk"}
    choice = accumulate(chunks).first
    assert choice.content == (reply.content or "")
    assert [call.name for call in choice.tool_calls] == [call.name for call in reply.tool_calls]
    assert choice.finish_reason


def test_the_example_for_users_runs_and_passes(play: Play) -> None:
    play(EXAMPLE.read_text("utf-8")).assert_outcomes(passed=1)


def test_the_example_for_users_fails_with_a_client_that_is_broken(play: Play) -> None:
    text = EXAMPLE.read_text("utf-8")
    broken = text.replace(".read().first.content", ".read().first.content.strip()")
    assert broken != text
    result = play(broken)
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["*a scenario file*"])
