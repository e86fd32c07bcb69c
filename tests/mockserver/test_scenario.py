"""The model of a scenario: conditions, turns, errors, and the schema that describes it all."""

from collections.abc import Iterator
from typing import Any

import jsonschema
import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import inspect

from mockserver.delivery import Delivery
from mockserver.errors import ScenarioError
from mockserver.reply import Reply
from mockserver.scenario import (
    ErrorReply,
    Match,
    Scenario,
    ScenarioFile,
    TextMatch,
    Turn,
    convert,
    scenario_file_schema,
)
from mockserver.shorthand import Duration, encode_shorthand
from mockserver.timing import Pause, Timing
from tests.mockserver.scenario_values import FILE_VALUES, values_of


@pytest.mark.parametrize(
    ("written", "condition", "words"),
    [
        ("hi", TextMatch("exact", "hi"), "equal 'hi'"),
        ({"exact": "hi"}, TextMatch("exact", "hi"), "equal 'hi'"),
        ({"contains": "hi"}, TextMatch("contains", "hi"), "contain 'hi'"),
        ({"regex": "h.$"}, TextMatch("regex", "h.$"), "match 'h.$'"),
    ],
)
def test_a_condition_on_a_text_is_the_text_or_says_how_it_is_meant(
    written: object, condition: TextMatch, words: str
) -> None:
    assert TextMatch.decode(written) == condition
    assert TextMatch.decode(condition.encode()) == condition
    assert str(condition) == words


@pytest.mark.parametrize(
    ("condition", "text", "holds"),
    [
        (TextMatch("exact", "hi"), "hi", True),
        (TextMatch("exact", "hi"), "hi!", False),
        (TextMatch("contains", "hi"), "oh, hi!", True),
        (TextMatch("contains", "hi"), "Hi", False),
        (TextMatch("contains", "h.$"), "hi", False),
        (TextMatch("regex", "h.$"), "oh, hi", True),
        (TextMatch("regex", "h.$"), "hi!", False),
        (TextMatch("regex", ""), "", True),
    ],
)
def test_a_condition_holds_as_it_says(condition: TextMatch, text: str, holds: bool) -> None:
    assert condition.holds(text) is holds


@pytest.mark.parametrize(
    "written", [1, None, True, [], {}, {"contain": "x"}, {"exact": "x", "regex": "y"}, {"contains": 1}]
)
def test_what_is_no_condition_is_refused(written: object) -> None:
    with pytest.raises(ValueError, match="expected a text, or one of"):
        TextMatch.decode(written)


@pytest.mark.parametrize("pattern", ["(", "*", "a{99999999999999999999}", "(" * 5000 + ")" * 5000])
def test_a_pattern_that_is_none_is_refused_when_it_is_read(pattern: str) -> None:
    with pytest.raises(ValueError, match="not a regular expression"):
        TextMatch.decode({"regex": pattern})


def test_a_scenario_in_code_is_written_as_in_a_file() -> None:
    made = Scenario.of({"name": "a", "reply": "x", "timing": {"itl": [0.005, "15ms"]}, "match": {"last_user": "hi"}})
    assert made == Scenario(
        "a",
        match=Match(last_user=TextMatch("exact", "hi")),
        reply="x",
        timing=Timing(itl=Pause("uniform", (0.005, 0.015))),
    )
    assert Scenario.of(made) is made


@pytest.mark.parametrize(
    ("values", "place", "words"),
    [
        ({"name": 3}, "name", "Expected `str`, got `int`"),
        ({"name": "a", "timing": {"itl": "fast"}}, "timing.itl", "expected a duration"),
        ({"name": "a", "sequence": [{}, {"times": 0}]}, "sequence[1].times", "Expected `int` >= 1"),
        ({"name": "a", "foo": 1}, "", "unknown field `foo`"),
        (
            {"name": "a", "reply": "x", "error": {}},
            "",
            "a scenario has one of reply, error, sequence; got reply and error",
        ),
        (
            {"name": "a", "reply": "", "error": {}},
            "",
            "a scenario has one of reply, error, sequence; got reply and error",
        ),
        ({"name": "a", "reply": "x", "sequence": [{}]}, "", "got reply and sequence"),
        (
            {"name": "a", "sequence": [{"reply": "", "error": {}}]},
            "sequence[0]",
            "a turn has a reply or an error, not both",
        ),
        ({"name": "a", "match": {"nth": 0}}, "match.nth", "Expected `int` >= 1"),
        ({"name": "a", "match": {"nth": [1, 0]}}, "match.nth[1]", "Expected `int` >= 1"),
        ({"name": "a", "error": {"status": 99}}, "error.status", "Expected `int` >= 100"),
    ],
)
def test_a_wrong_scenario_in_code_is_told_with_its_place(values: dict[str, Any], place: str, words: str) -> None:
    with pytest.raises(ScenarioError) as caught:
        Scenario.of(values)
    [problem] = caught.value.problems
    assert problem.place == place
    assert words in problem.message


@pytest.mark.parametrize("name", ["", "a b", "a/b", "a?b", "a#b", "a\n", "a\tb", "\u2028"])
def test_a_name_is_a_part_of_a_path(name: str) -> None:
    with pytest.raises(ScenarioError):
        Scenario.of({"name": name})


@pytest.mark.parametrize("name", ["a", "größe", "a.b-c_1", "😀", "v1:x"])
def test_a_name_may_be_any_such_part(name: str) -> None:
    assert Scenario.of({"name": name}).name == name


SEQUENCE = (Turn(reply="one", times=2), Turn(error=ErrorReply(429)), Turn(reply="last", times=3))


@pytest.mark.parametrize(("count", "number"), [(0, 0), (1, 0), (2, 1), (3, 2), (5, 2), (6, 2), (99, 2)])
def test_turns_follow_each_other_and_the_last_repeats(count: int, number: int) -> None:
    assert Scenario("a", sequence=SEQUENCE).turn(count) == SEQUENCE[number]


@given(st.lists(st.integers(1, 4), min_size=1, max_size=5))
def test_each_turn_comes_as_often_as_it_says(times: list[int]) -> None:
    scenario = Scenario("a", sequence=tuple(Turn(reply=str(k), times=n) for k, n in enumerate(times)))
    answers = [scenario.turn(count).reply for count in range(sum(times))]
    assert answers == [str(k) for k, n in enumerate(times) for _ in range(n)]
    assert scenario.turn(sum(times)).reply == str(len(times) - 1)


def test_without_a_sequence_every_turn_is_the_scenario() -> None:
    timing, delivery = Timing(headers=Duration(1)), Delivery()
    scenario = Scenario("a", reply="x", timing=timing, delivery=delivery)
    assert scenario.turn(0) == scenario.turn(7) == Turn("x", None, timing, delivery)


def test_a_turn_has_the_timing_of_the_scenario_unless_it_has_its_own() -> None:
    own, common = Timing(headers=Duration(1)), Timing(headers=Duration(2))
    scenario = Scenario("a", sequence=(Turn(reply="x", timing=own), Turn(reply="y")), timing=common)
    assert scenario.turn(0).timing == own
    assert scenario.turn(1).timing == common


def test_what_a_turn_says_itself_stands_as_a_whole_in_place_of_the_scenarios() -> None:
    own = {"timing": {"itl": "5ms"}, "delivery": {"quirks": ["done-missing"]}}
    common = {"timing": {"ttft": "1s"}, "delivery": {"dialect": "ollama", "group": 2}}
    turn = Scenario.of({"name": "a", "sequence": [{"reply": "x", **own}], **common}).turn(0)
    assert turn.timing == convert(own["timing"], Timing)
    assert turn.delivery == Delivery(quirks=("done-missing",))
    fields = SCHEMA["$defs"]["Turn"]["properties"]
    assert all("as a whole in place of the scenario's" in fields[key]["description"] for key in own)


def test_the_meaning_of_a_turn_is_a_whole_reply() -> None:
    assert Turn(reply="x").meaning == Reply(content="x")
    assert Turn(reply=Reply(refusal="no")).meaning == Reply(refusal="no")
    assert Turn().meaning is None


@given(values_of(Scenario))
def test_a_scenario_is_written_as_it_would_stand_in_a_file(values: Any) -> None:
    scenario = Scenario.of(values)
    assert Scenario.of(msgspec.to_builtins(scenario, enc_hook=encode_shorthand)) == scenario


def test_a_file_is_converted_as_a_whole() -> None:
    assert convert({"scenarios": [{"name": "a"}], "models": ["m"]}, ScenarioFile) == ScenarioFile(
        (Scenario("a"),), ("m",)
    )
    with pytest.raises(ScenarioError, match=r"^scenarios\[0\]\.timing\.itl: expected a duration such as"):
        convert({"scenarios": [{"name": "a", "timing": {"itl": "fast"}}]}, ScenarioFile)


SCHEMA = scenario_file_schema()


def list_properties() -> Iterator[tuple[str, dict[str, Any]]]:
    """Every property of every definition, but the tags of tagged unions, which their union describes."""
    for name, definition in SCHEMA["$defs"].items():
        for key, part in definition["properties"].items():
            if not (key in definition["required"] and len(part.get("enum", ())) == 1):
                yield f"{name}.{key}", part


def is_described(part: dict[str, Any]) -> bool:
    """Whether a property, or what it is made of, has a description or a reference."""
    inner = [*part.get("anyOf", ()), part.get("items"), part.get("additionalProperties")]
    return "description" in part or "$ref" in part or any(is_described(x) for x in inner if isinstance(x, dict))


def list_shorthands() -> list[type[Any]]:
    """Every shorthand that the model uses, found in its types."""
    found: dict[type[Any], None] = {}
    waiting: list[Any] = [inspect.type_info(ScenarioFile)]
    seen: set[int] = set()
    while waiting:
        info = waiting.pop()
        if id(info) not in seen:
            seen.add(id(info))
            if isinstance(info, inspect.CustomType):
                found[info.cls] = None
            for name in info.__struct_fields__:
                value = getattr(info, name)
                parts = value if isinstance(value, tuple) else (value,)
                waiting += [part for part in parts if isinstance(part, inspect.Type | inspect.Field)]
    return list(found)


def test_the_schema_is_one_of_draft_2020_12() -> None:
    assert SCHEMA["$schema"] == "https://json-schema.org/draft/2020-12/schema"
    jsonschema.Draft202012Validator.check_schema(SCHEMA)
    msgspec.json.encode(SCHEMA)


def test_every_property_is_described_for_the_editor() -> None:
    assert [name for name, part in list_properties() if not is_described(part)] == []


def test_every_shorthand_shows_examples_that_it_can_read() -> None:
    kinds = list_shorthands()
    assert {Duration, Pause, TextMatch} <= set(kinds)
    for kind in kinds:
        assert kind.schema.get("examples"), f"{kind.__name__} shows no examples"
        for example in kind.schema["examples"]:
            kind.decode(example)
            assert jsonschema.Draft202012Validator(kind.schema).is_valid(example)


@given(FILE_VALUES)
def test_the_schema_accepts_every_file_that_loads(values: Any) -> None:
    jsonschema.Draft202012Validator(SCHEMA).validate(values)


@pytest.mark.parametrize(
    "values",
    [
        {},
        {"scenarios": [{}]},
        {"scenarios": [{"name": "a", "foo": 1}]},
        {"scenarios": [{"name": "a", "timing": {"itl": "fast"}}]},
        {"scenarios": [{"name": "a", "match": {"last_user": {"contain": "x"}}}]},
        {"scenarios": [{"name": "a", "error": {"status": 42}}]},
    ],
)
def test_the_schema_refuses_what_does_not_load(values: Any) -> None:
    assert not jsonschema.Draft202012Validator(SCHEMA).is_valid(values)


RAW = {"events": ["{}"]}
MEANINGLESS: list[dict[str, Any]] = [
    {"delivery": {"raw": RAW}},
    {"delivery": {"raw": {**RAW, "right": "either"}}},
    {"sequence": [{"delivery": {"raw": RAW}}]},
    {"sequence": [{"reply": "Hi"}, {}], "delivery": {"raw": RAW}},
]
MEANINGFUL: list[dict[str, Any]] = [
    {"delivery": {"raw": RAW}, "reply": "Hi"},
    {"delivery": {"raw": RAW}, "error": {"status": 500}},
    {"delivery": {"raw": {**RAW, "right": "error"}}},
    {"delivery": {"raw": RAW, "right": "error"}},
    {"sequence": [{"reply": "Hi"}], "delivery": {"raw": RAW}},
    {"sequence": [{"delivery": {"raw": {**RAW, "right": "error"}}}]},
]


@pytest.mark.parametrize("scenario", MEANINGLESS)
def test_a_stream_given_raw_must_name_the_reply_that_it_means(scenario: dict[str, Any]) -> None:
    with pytest.raises(ScenarioError, match="a raw stream needs the `reply` that it means, or `right: error`"):
        Scenario.of({"name": "raw", **scenario})


@pytest.mark.parametrize("scenario", MEANINGFUL)
def test_a_stream_given_raw_that_names_its_reply_or_means_none_is_right(scenario: dict[str, Any]) -> None:
    assert Scenario.of({"name": "raw", **scenario}).name == "raw"
