"""Mistakes: each kind of mistake has its place, its line and its words, and right files have none."""

import copy
from typing import Annotated, Any, Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import Meta, Struct

from mockserver.errors import ScenarioError
from mockserver.loading.document import read_document
from mockserver.loading.mistakes import find_mistakes
from mockserver.loading.remedies import say_as_it_is
from mockserver.loading.tree import Node
from mockserver.loading.yaml_text import write_yaml
from mockserver.quirks import DIALECT_FILES, QUIRKS
from mockserver.scenario import ScenarioFile, convert
from tests.mockserver.scenario_values import DAMAGED_FILE_VALUES, FILE_VALUES

_A_LIST = "(a list is written [a, b], or one item a line after a dash)"


def read_tree(values: Any) -> Node:
    root = read_document(write_yaml(values)).root
    assert root is not None
    return root


def explain(scenario: str) -> list[str]:
    """The mistakes in one scenario, whose name stands on line 2; places are seen from the scenario."""
    lines = ["scenarios: [{", "name: a,", scenario, "}]"]
    root = read_document("\n".join(lines)).root
    assert root is not None
    return [str(problem) for problem in find_mistakes(root, hidden=2)]


@pytest.mark.parametrize(
    ("scenario", "mistakes"),
    [
        # misspelt and misplaced keys
        ("timng: {}", ["3: timng: unknown key 'timng' (did you mean 'timing'?)"]),
        ("match: {lastUser: x}", ["3: match.lastUser: unknown key 'lastUser' (did you mean 'last_user'?)"]),
        ("TIMING: {}", ["3: TIMING: unknown key 'TIMING' (did you mean 'timing'?)"]),
        ("content: x", ["3: content: unknown key 'content' (did you mean 'content' under 'reply'?)"]),
        ("ttft: 1", ["3: ttft: unknown key 'ttft' (did you mean 'ttft' under 'timing'?)"]),
        ("match: {model:gpt}", ["3: match[\"model:gpt\"]: unknown key 'model:gpt' (put a blank after the colon)"]),
        (
            "reply: {usage: {zzz: 1}}",
            ["3: reply.usage.zzz: unknown key 'zzz' (known here: prompt_tokens, completion_tokens, cached_tokens)"],
        ),
        # missing keys
        ("reply: {tool_calls: [{}]}", ["3: reply.tool_calls[0]: missing key 'name'"]),
        ("reply: {tool_calls: [{nmae: f}]}", ["3: reply.tool_calls[0].nmae: unknown key 'nmae' (did you mean 'name'?)"]),
        # wrong types
        ("description: 1.10", ['3: description: expected a text, got the number 1.10 (quote it: "1.10")']),
        ("description: True", ['3: description: expected a text, got True (quote it: "True")']),
        ("description: ", ['3: description: expected a text, got nothing (write "" for an empty text)']),
        ("description: []", ["3: description: expected a text, got a list"]),
        ("reply: 3", ['3: reply: expected a text or a mapping, got the number 3 (quote it: "3")']),
        ("match: {stream: yes}", ["3: match.stream: expected true or false, got 'yes' (write true)"]),
        ("match: {stream: OFF}", ["3: match.stream: expected true or false, got 'OFF' (write false)"]),
        ("match: {stream: maybe}", ["3: match.stream: expected true or false, got 'maybe'"]),
        ("match: {nth: '2'}", ["3: match.nth: expected a whole number or a list, got '2' (leave out the quotes)"]),
        ("match: {nth: [1, x]}", ["3: match.nth[1]: expected a whole number, got 'x'"]),
        ("seed: 1.0", ["3: seed: expected a whole number, got the number 1.0"]),
        ("seed: true", ["3: seed: expected a whole number, got true"]),
        ("sequence: {}", [f"3: sequence: expected a list, got a mapping {_A_LIST}"]),
        ("timing: 20ms", ["3: timing: expected a mapping, got '20ms'"]),
        ("error: {headers: {A-B: 1}}", ['3: error.headers.A-B: expected a text, got the number 1 (quote it: "1")']),
        ("delivery: {group: 1.5}", ["3: delivery.group: expected a whole number or 'all' or a list, got the number 1.5"]),
        # values out of range
        ("error: {status: 42}", ["3: error.status: expected at least 100, got the number 42"]),
        ("error: {status: 1000}", ["3: error.status: expected at most 999, got the number 1000"]),
        ("timing: {speed: 0}", ["3: timing.speed: expected more than 0, got the number 0"]),
        ("sequence: [{times: 0}]", ["3: sequence[0].times: expected at least 1, got the number 0"]),
        # one of a few words
        ("delivery: {writes: {mode: evnt}}", [
            "3: delivery.writes.mode: expected one of bytes, cuts, due, event, offsets, random, size, got 'evnt'"
            " (did you mean 'event'?)"
        ]),
        ("delivery: {group: al}", ["3: delivery.group: expected one of all, got 'al' (did you mean 'all'?)"]),
        ("delivery: {writes: {of: 3}}", ["3: delivery.writes.of: expected one of body, response, wire, got the number 3"]),
        # shorthands
        ("timing: {headers: fast}", ["3: timing.headers: expected a duration such as 0.02, 20ms, 1.5s or 2m, got 'fast'"]),
        ("timing: {headers: -1}", ["3: timing.headers: expected a duration such as 0.02, 20ms, 1.5s or 2m, got -1"]),
        ("timing: {itl: [1s, soon]}", ["3: timing.itl: expected a duration such as 0.02, 20ms, 1.5s or 2m, got 'soon'"]),
        ("timing: {itl: {uniform: [2, 1]}}", ["3: timing.itl: a range goes upwards: expected [min, max], got [2, 1]"]),
        ("match: {last_user: {regex: '*'}}", [
            "3: match.last_user: not a regular expression: '*': nothing to repeat at position 0"
        ]),
        # across fields
        ("reply: x, error: {}", ["1: a scenario has one of reply, error, sequence; got reply and error"]),
        ("sequence: [{}, {reply: x, error: {}}]", ["3: sequence[1]: a turn has a reply or an error, not both"]),
        ("reply: {content: ab, pieces: [a, c]}", ["3: reply: pieces joined are not the content: expected 'ab', got 'ac'"]),
        # tagged unions
        ("delivery: {faults: [{}]}", ["3: delivery.faults[0]: missing key 'fault'"]),
        ("delivery: {faults: [reset]}", ["3: delivery.faults[0]: expected a mapping, got 'reset'"]),
    ],
)  # fmt: skip
def test_a_mistake_is_told_with_its_place_and_remedy(scenario: str, mistakes: list[str]) -> None:
    assert explain(scenario) == mistakes


@pytest.mark.parametrize(
    ("scenario", "remedy"),
    [
        ("timing: {itl: {unifrom: [1, 2]}}", "did you mean 'uniform'?"),
        ("match: {last_user: {contain: x}}", "did you mean 'contains'?"),
        ("match: {last_user: 0x1F}", None),
        ("match: {last_user: 1.50}", 'quote it: "1.50"'),
        ("match: {any_message: {contains: 007}}", 'quote it: "007"'),
        ("match: {headers: {X-A: true}}", 'quote it: "true"'),
    ],
)
def test_a_shorthand_that_cannot_be_read_has_a_remedy_too(scenario: str, remedy: str | None) -> None:
    if remedy is None:
        assert explain(scenario) == []
    else:
        [mistake] = explain(scenario)
        assert mistake.endswith(f"({remedy})")


def test_a_misspelt_tag_is_asked_about_and_a_known_one_is_followed() -> None:
    [tag, key, kind] = explain("delivery: {faults: [{fault: rest}, {fault: stall, att: x}, {fault: [1]}]}")
    assert "delivery.faults[0].fault: expected one of " in tag
    assert tag.endswith("got 'rest' (did you mean 'reset'?)")
    assert key == "3: delivery.faults[1].att: unknown key 'att' (did you mean 'at'?)"
    assert "delivery.faults[2].fault: expected one of " in kind
    assert kind.endswith("got a list")


def test_every_misspelt_quirk_and_dialect_is_asked_about() -> None:
    count = len(QUIRKS)
    assert explain("delivery: {dialect: azur, quirks: [done-mising, done-missing, usage-mising, zzz]}") == [
        f"3: delivery.dialect: expected one of {', '.join(sorted(DIALECT_FILES))}, got 'azur' (did you mean 'azure'?)",
        f"3: delivery.quirks[0]: expected one of {count} names, got 'done-mising' (did you mean 'done-missing'?)",
        f"3: delivery.quirks[2]: expected one of {count} names, got 'usage-mising' (did you mean 'usage-missing'?)",
        f"3: delivery.quirks[3]: expected one of {count} names, got 'zzz' (`mockserver list` shows them all)",
    ]


@pytest.mark.parametrize("name", ["a b", "a/b", "a?", "#a", "a\n", ""])
def test_a_name_that_does_not_fit_a_path_is_told_why(name: str) -> None:
    problems = list(find_mistakes(read_tree({"scenarios": [{"name": name}]})))
    assert {problem.place for problem in problems} == {"scenarios[0].name"}
    assert {problem.remedy for problem in problems} == {"Unique; part of a path, so without / or blank."}


def test_what_a_class_demands_is_found_though_its_parts_are_wrong_themselves() -> None:
    found = explain(
        "reply: {content: ab, pieces: [a], tool_calls: [{}], usage: {x: 1}}, error: {status: x, headers: {a: 1}}"
    )
    assert "1: a scenario has one of reply, error, sequence; got reply and error" in found
    assert "3: reply: pieces joined are not the content: expected 'ab', got 'a'" in found
    assert len(found) == 6


def test_what_a_class_demands_is_found_though_a_list_ends_wrong() -> None:
    assert explain("reply: x, sequence: [{}, {times: 0}]") == [
        "3: sequence[1].times: expected at least 1, got the number 0",
        "1: a scenario has one of reply, error, sequence; got reply and sequence",
    ]


def test_mistakes_in_a_value_that_stands_twice_are_told_of_both_places() -> None:
    assert explain("timing: &slow {itl: soon}, sequence: [{timing: *slow}, {timing: {<<: *slow}}]") == [
        f"3: {place}.itl: expected a duration such as 0.02, 20ms, 1.5s or 2m, got 'soon'"
        for place in ("sequence[0].timing", "sequence[1].timing", "timing")
    ]


def test_the_search_for_mistakes_leaves_the_tree_as_it_is() -> None:
    values = {"scenarios": [{"name": "a", "reply": {"tool_calls": [{}]}, "error": {"status": 1}}]}
    root = read_tree(values)
    assert len(list(find_mistakes(root))) == 3
    assert root.value == values


def test_a_very_long_value_is_cut_short_in_the_message() -> None:
    [mistake] = explain(f"timing: {{headers: {'x' * 5000}}}")
    assert len(mistake) < 400
    [mistake] = explain(f"match: {{stream: {'x' * 5000}}}")
    assert mistake.endswith("x…'")


def test_a_keyword_without_words_of_its_own_keeps_those_of_jsonschema() -> None:
    class Error:
        message = "said"

    assert say_as_it_is(Error(), Node(None, 1)) == ("said", None)


class Leaf(Struct, tag="leaf", tag_field="kind", forbid_unknown_fields=True):
    size: Annotated[int, Meta(ge=0)]


class Branch(Struct, tag="branch", tag_field="kind", forbid_unknown_fields=True):
    parts: tuple["Leaf | Branch", ...] = ()


class Garden(Struct, forbid_unknown_fields=True):
    tree: Leaf | Branch | None = None
    label: Annotated[str, Meta(min_length=2)] = "--"
    share: Annotated[float, Meta(ge=0, lt=1)] = 0.0
    size: Literal["small", "large"] | int | None = None


@pytest.mark.parametrize(
    ("values", "mistakes"),
    [
        ("tree: {kind: leaf, size: 1}", []),
        ("tree: null", []),
        ("tree: {kind: leav}", ["1: tree.kind: expected one of leaf, branch, got 'leav' (did you mean 'leaf'?)"]),
        ("tree: {kind: leaf, size: -1}", ["1: tree.size: expected at least 0, got the number -1"]),
        ("tree: 3", ["1: tree: expected a mapping, got the number 3"]),
        ("tree:\n  kind: branch\n  parts:\n  - kind: leaf\n", ["4: tree.parts[0]: missing key 'size'"]),
        ("label: x", ["1: label: 'x' is too short"]),
        ("share: 1", ["1: share: expected less than 1, got the number 1"]),
        ("share: much", ["1: share: expected a number, got 'much'"]),
        ("size: lage", ["1: size: expected one of large, small, got 'lage' (did you mean 'large'?)"]),
        ("size: []", ["1: size: expected 'large' or 'small' or a whole number, got a list"]),
    ],
)
def test_any_model_is_understood_tagged_unions_within_unions_too(values: str, mistakes: list[str]) -> None:
    root = read_document(values).root
    assert root is not None
    assert [str(problem) for problem in find_mistakes(root, kind=Garden)] == mistakes


@given(FILE_VALUES)
def test_a_right_file_has_no_mistakes(values: Any) -> None:
    assert list(find_mistakes(read_tree(values))) == []


def loads(values: Any) -> bool:
    try:
        convert(copy.deepcopy(values), ScenarioFile)
    except ScenarioError:
        return False
    return True


@given(DAMAGED_FILE_VALUES)
def test_mistakes_are_found_if_and_only_if_the_file_does_not_load(values: Any) -> None:
    text = write_yaml(values)
    mistakes = list(find_mistakes(read_tree(values)))
    assert loads(values) == (mistakes == [])
    for mistake in mistakes:
        assert mistake.message
        assert mistake.line is not None
        assert 1 <= mistake.line <= text.count("\n")


@given(st.lists(st.sampled_from(["timing", "match", "reply", "error", "delivery"]), unique=True))
def test_every_mistake_is_found_not_only_the_first(keys: list[str]) -> None:
    wrong = {
        "timing": ({"ttft": "soon"}, "timing.ttft"),
        "match": ({"stream": 1}, "match.stream"),
        "reply": ({"usage": {"tokens": 1}}, "reply.usage.tokens"),
        "error": ({"status": 1}, "error.status"),
        "delivery": ({"group": 0}, "delivery.group"),
    }
    scenarios = [{"name": key, key: wrong[key][0]} for key in keys]
    places = [problem.place for problem in find_mistakes(read_tree({"scenarios": scenarios}))]
    assert sorted(places) == sorted(f"scenarios[{number}].{wrong[key][1]}" for number, key in enumerate(keys))
