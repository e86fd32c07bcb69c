"""The verdict on what a consumer reported: right for the right, fair to the others."""

from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from mockserver.conformance.verdict import BAD, Verdict, judge, judge_left
from mockserver.outcome import ANY, Expected

CALL = {"id": "call_1", "type": "function", "name": "get_weather", "arguments": '{"city":"Paris"}'}
CUSTOM = {"id": "call_2", "type": "custom", "name": "sql", "input": "SELECT 1"}
USAGE = {"prompt_tokens": 9, "completion_tokens": 3, "total_tokens": 12}
HELLO: dict[str, Any] = {
    "content": "Hello", "tool_calls": [], "refusal": None, "reasoning": None, "finish_reason": "stop", "usage": USAGE,
    "error": None,
}  # fmt: skip
BOOM = {"type": "Boom", "message": "it broke"}
TOOLS: dict[str, Any] = {**HELLO, "content": None, "tool_calls": [CALL], "finish_reason": "tool_calls"}
TWO: dict[str, Any] = {
    "choices": [
        {**{k: HELLO[k] for k in ("tool_calls", "refusal", "reasoning", "finish_reason")}, "content": text}
        for text in "ab"
    ],
    "usage": USAGE,
    "error": None,
}


def same(**outcome: Any) -> Expected:
    return Expected("same", {**HELLO, **outcome})


def error(told: bool = False, **outcome: Any) -> Expected:
    return Expected("error", {**HELLO, **outcome}, ("truncate",), told=told)


def either(**outcome: Any) -> Expected:
    return Expected("either", {**HELLO, **outcome}, ("choices-null",))


def reported(**outcome: Any) -> dict[str, Any]:
    return {"case": "x", **HELLO, **outcome}


def name(expected: Expected, **outcome: Any) -> str:
    return judge(expected, reported(**outcome)).name


# --- same


def test_the_outcome_expected_passes() -> None:
    assert judge(same(), reported()) == Verdict("pass")


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("content", "Hell"),
        ("content", "HelloHello"),
        ("content", ""),
        ("content", None),
        ("refusal", "No"),
        ("reasoning", "Hm"),
        ("finish_reason", None),
        ("finish_reason", "length"),
        ("tool_calls", [CALL]),
        ("usage", {**USAGE, "completion_tokens": 4}),
        ("usage", None),
        ("usage", {}),
        ("usage", {"details": 1}),
    ],
)
def test_any_other_outcome_fails_and_is_told(field: str, value: Any) -> None:
    verdict = judge(same(), reported(**{field: value}))
    assert verdict.name == "fail"
    assert field in verdict.reasons[0]


def test_an_error_where_the_reply_was_whole_fails_and_is_told() -> None:
    verdict = judge(same(), reported(error=BOOM))
    assert verdict.name == "fail"
    assert "Boom: it broke" in verdict.reasons[0]


@pytest.mark.parametrize("empty", [None, "", []])
def test_texts_and_calls_that_are_absent_null_or_empty_are_the_same(empty: Any) -> None:
    assert name(same(content=None), content=empty, refusal=empty, reasoning=empty, tool_calls=empty or None) == "pass"
    without = {"content": "Hello", "finish_reason": "stop", "usage": USAGE}
    assert judge(same(), without).name == "pass"


def test_counts_of_usage_that_a_consumer_does_not_report_are_not_compared_but_one_it_must() -> None:
    assert name(same(), usage={"prompt_tokens": 9, "completion_tokens": 3}) == "pass"
    assert name(same(), usage={"prompt_tokens": 9, "completion_tokens": 3, "total_tokens": None, "cost": 1}) == "pass"
    assert name(same(), usage={"completion_tokens": 2}) == "fail"


def test_what_the_stream_does_not_carry_is_not_compared() -> None:
    assert name(same(usage=ANY, finish_reason=ANY), usage=None, finish_reason="eos") == "pass"


def test_what_a_consumer_lacks_is_not_compared() -> None:
    reports: dict[str, dict[str, Any]] = {
        "usage": {"usage": None},
        "finish_reason": {"finish_reason": None},
        "reasoning": {"reasoning": "Hm"},
        "tools": {"tool_calls": [CALL]},
        "content": {"content": None},
    }
    for word, outcome in reports.items():
        assert judge(same(), reported(**outcome)).name == "fail"
        assert judge(same(), reported(**outcome), lacks=frozenset({word})).name == "pass", word


# --- tool calls


def call(**changes: Any) -> dict[str, Any]:
    return {**CALL, **changes}


def test_tool_arguments_are_compared_as_json_unless_the_case_says_otherwise() -> None:
    spaced = {"content": "", "tool_calls": [call(arguments='{ "city" : "Paris" }')], "finish_reason": "tool_calls"}
    assert judge(Expected("same", TOOLS), reported(**spaced)).name == "pass"
    assert judge(Expected("same", TOOLS), reported(**spaced), arguments_as_json=False).name == "fail"


@pytest.mark.parametrize(
    ("sent", "told"),
    [
        ("", "{}"),
        ("{}", ""),
        ('{"a":1,"b":[2,{"c":null}]}', '{"b": [2, {"c": null}], "a": 1}'),
        ('{"n":1}', '{"n":1.0}'),
        ('{"n":1e2}', '{"n":100}'),
        ('{"t":"\\u00e9\\ud83d\\ude00"}', '{"t":"é😀"}'),
        ('{"city": "Par', '{"city": "Par'),
    ],
)
def test_arguments_that_say_the_same_are_the_same(sent: str, told: str) -> None:
    expected = Expected("same", {**TOOLS, "tool_calls": [call(arguments=sent)]})
    assert judge(expected, {**TOOLS, "tool_calls": [call(arguments=told)]}).name == "pass"


@pytest.mark.parametrize(
    ("sent", "told"),
    [
        ('{"city":"Paris"}', '{"city":"Paris","country":"FR"}'),
        ('{"city":"Paris"}', "{}"),
        ("{}", '{"city":"Paris"}'),
        ('{"a":0}', '{"a":null}'),
        ('{"a":0}', '{"a":false}'),
        ('{"a":1}', '{"a":true}'),
        ('{"a":""}', '{"a":null}'),
        ('{"a":[]}', '{"a":{}}'),
        ('{"a":[1,2]}', '{"a":[2,1]}'),
        ('{"a":1}', '{"a":1}{"a":1}'),
        ('{"city": "Par', '{"city": "Par"}'),
        ('{"id":12345678901234567890}', '{"id":12345678901234567000}'),
    ],
)
def test_arguments_that_say_something_else_are_something_else(sent: str, told: str) -> None:
    expected = Expected("same", {**TOOLS, "tool_calls": [call(arguments=sent)]})
    assert judge(expected, {**TOOLS, "tool_calls": [call(arguments=told)]}).name == "fail"


def test_arguments_that_are_an_object_where_a_text_is_promised_fail() -> None:
    assert judge(Expected("same", TOOLS), {**TOOLS, "tool_calls": [call(arguments={"city": "Paris"})]}).name == "fail"


@pytest.mark.parametrize(
    "changes", [{"id": "call_1call_1"}, {"id": None}, {"name": "get_weatherget_weather"}, {"name": ""}]
)
def test_ids_and_names_must_be_right(changes: dict[str, Any]) -> None:
    assert judge(Expected("same", TOOLS), {**TOOLS, "tool_calls": [call(**changes)]}).name == "fail"


def test_ids_that_the_stream_or_the_consumer_hides_are_not_compared() -> None:
    other = {**TOOLS, "tool_calls": [call(id="made up")]}
    assert judge(Expected("same", {**TOOLS, "tool_calls": [call(id=ANY)]}), other).name == "pass"
    assert judge(Expected("same", TOOLS), other, lacks=frozenset({"tool_ids"})).name == "pass"
    wrong = {**TOOLS, "tool_calls": [call(id="made up", name="other")]}
    assert judge(Expected("same", TOOLS), wrong, lacks=frozenset({"tool_ids"})).name == "fail"


def test_the_number_and_order_of_calls_must_be_right() -> None:
    other = call(id="call_9", arguments='{"city":"Rome"}')
    expected = Expected("same", {**TOOLS, "tool_calls": [CALL, other]})
    assert judge(expected, {**TOOLS, "tool_calls": [CALL, other]}).name == "pass"
    for calls in ([CALL], [other, CALL], [CALL, other, other], []):
        assert judge(expected, {**TOOLS, "tool_calls": calls}).name == "fail"


def test_a_call_without_a_type_is_a_function_call_but_no_custom_one() -> None:
    bare = {key: value for key, value in CALL.items() if key != "type"}
    assert judge(Expected("same", TOOLS), {**TOOLS, "tool_calls": [bare]}).name == "pass"
    custom = Expected("same", {**TOOLS, "tool_calls": [CUSTOM]})
    assert judge(custom, {**TOOLS, "tool_calls": [CUSTOM]}).name == "pass"
    assert judge(custom, {**TOOLS, "tool_calls": [{**CUSTOM, "type": None}]}).name == "fail"
    assert judge(custom, {**TOOLS, "tool_calls": [{**CUSTOM, "input": "SELECT 2"}]}).name == "fail"


def test_the_deprecated_function_call_is_a_call() -> None:
    expected = Expected("same", {**TOOLS, "tool_calls": [call(id=ANY)], "finish_reason": "function_call"})
    said = {"name": "get_weather", "arguments": '{"city": "Paris"}'}
    got = {"function_call": said, "tool_calls": [], "finish_reason": "function_call", "usage": USAGE}
    assert judge(expected, got).name == "pass"
    assert judge(expected, {**got, "function_call": {**said, "name": "other"}}).name == "fail"


# --- several choices


def test_choices_are_compared_one_by_one_in_the_order_of_their_indexes() -> None:
    one, two = ({"index": k, **choice} for k, choice in enumerate(TWO["choices"]))
    for choices in ([one, two], [two, one]):
        assert judge(Expected("same", TWO), {"choices": choices, "usage": USAGE}).name == "pass"
    swapped = [{**one, "content": "b"}, {**two, "content": "a"}]
    assert judge(Expected("same", TWO), {"choices": swapped, "usage": USAGE}).name == "fail"
    assert judge(Expected("same", TWO), {"choices": [one], "usage": USAGE}).name == "fail"
    assert judge(Expected("same", TWO), reported()).name == "fail"


def test_one_choice_may_be_told_as_a_list_of_one_and_beside_it() -> None:
    alone = {"choices": [{"content": "Hello", "finish_reason": "stop"}], "usage": USAGE, "error": None}
    assert judge(same(), alone).name == "pass"
    assert judge(same(), {**alone, "content": "Hello", "finish_reason": "stop", "tool_calls": []}).name == "pass"


def test_a_choice_too_many_is_invented() -> None:
    three = {"choices": [*TWO["choices"], {"content": ""}], "error": BOOM}
    assert judge(Expected("error", TWO), three).name == "fail"


# --- error


def test_a_broken_stream_that_is_reported_passes() -> None:
    assert judge(error(), reported(error=BOOM, content="Hel", finish_reason=None, usage=None)) == Verdict("pass")


@pytest.mark.parametrize("kept", ["", "H", "Hello"])
def test_what_was_kept_beside_an_error_is_a_beginning_of_the_reply(kept: str) -> None:
    assert name(error(), error=BOOM, content=kept) == "pass"


@pytest.mark.parametrize("kept", ["ello", "Hello!", "Hel\ufffd", "HelHello"])
def test_what_was_kept_and_is_no_beginning_of_the_reply_fails(kept: str) -> None:
    verdict = judge(error(), reported(error=BOOM, content=kept))
    assert verdict.name == "fail"
    assert "no beginning" in verdict.reasons[0]


def test_a_broken_stream_passed_off_as_whole_fails() -> None:
    verdict = judge(error(), reported(content="Hel"))
    assert verdict.name == "fail"
    assert verdict.reasons == ("expected an error because of truncate, got a finished reply: finish_reason 'stop'",)


def test_a_broken_stream_without_error_and_without_finish_reason_is_weak() -> None:
    verdict = judge(error(), reported(content="Hel", finish_reason=None, usage=None))
    assert verdict.name == "weak"
    assert "no finish reason" in verdict.reasons[0]


def test_a_weak_one_that_invents_fails() -> None:
    assert name(error(), content="Help", finish_reason=None) == "fail"


def test_a_consumer_that_never_tells_a_finish_reason_cannot_be_weak() -> None:
    got = reported(content="Hel", finish_reason=None)
    verdict = judge(error(), got, lacks=frozenset({"finish_reason"}))
    assert verdict == Verdict("fail", ("expected an error because of truncate, got a finished reply",))


def test_one_choice_without_finish_reason_makes_it_weak() -> None:
    cut = {"choices": [TWO["choices"][0], {**TWO["choices"][1], "finish_reason": None}], "usage": None}
    assert judge(Expected("error", TWO), cut).name == "weak"
    assert judge(Expected("error", TWO), TWO).name == "fail"


def test_whoever_swallows_an_error_that_was_told_is_not_weak_but_fails() -> None:
    verdict = judge(error(told=True), reported(content="Hel", finish_reason=None))
    assert verdict.name == "fail"
    assert "swallowed" in verdict.reasons[0]


def test_where_the_body_is_no_stream_nobody_is_said_to_have_swallowed_an_error_that_was_told() -> None:
    verdict = judge(Expected("error", HELLO, ("other_body",), told=True, no_stream=True), {"content": ""})
    assert verdict == Verdict("fail", ("expected an error: this body is no stream, and no answer; got none",))


def test_a_finish_reason_of_error_marks_an_answer_as_failed_where_the_server_told_it() -> None:
    assert name(error(told=True), content="Hel", finish_reason="error") == "pass"
    assert name(error(told=True), content="HelHel", finish_reason="error") == "fail"
    assert name(error(), content="Hel", finish_reason="error") == "fail"
    assert "finish_reason 'error'" in judge(
        Expected("same", HELLO, told=True), reported(finish_reason="error")
    ).reasons[0]  # fmt: skip


def test_of_a_request_that_was_refused_nothing_may_be_kept() -> None:
    refused = Expected("error", {}, ("status 429",), told=True)
    assert judge(refused, {"error": BOOM}).name == "pass"
    assert judge(refused, {"error": BOOM, "content": "<html>"}).name == "fail"
    assert judge(refused, {"content": None, "finish_reason": None}).name == "fail"
    assert judge(Expected("error", {}), {"content": None}).reasons == (
        "expected an error since the stream is broken, got none, but no finish reason either",
    )


def test_calls_kept_beside_an_error_are_a_beginning_of_the_replys() -> None:
    def kept(*calls: dict[str, Any]) -> str:
        return judge(Expected("error", TOOLS), {"tool_calls": list(calls), "error": BOOM}).name

    assert kept() == kept(CALL) == kept(call(arguments='{"ci')) == kept(call(name=None, arguments="")) == "pass"
    assert kept(call(arguments='{"city":"Pa"}')) == "pass", "some close what is open, and report the error"
    assert kept(call(arguments='{"city":"Paris"}{"city":"Paris"}')) == "pass", "as it came, beside the error"
    assert kept(CALL, CALL) == kept(call(name="get_weatherget_")) == kept(call(arguments="Paris")) == "fail"
    assert kept(call(arguments='{"city":"Paris","recursive":true}')) == kept(call(arguments="42")) == "fail"
    assert judge(Expected("error", HELLO), {"tool_calls": [CALL], "error": BOOM}).name == "fail"
    hidden = Expected("error", {**TOOLS, "tool_calls": ANY})
    assert judge(hidden, {"tool_calls": [CALL, CALL], "error": BOOM}).name == "pass"


def test_arguments_joined_of_two_attempts_fail_though_they_are_no_json() -> None:
    joined = call(arguments='{"city":"Pa{"city":"Paris"}')
    assert (
        judge(Expected("error", TOOLS), {"tool_calls": [joined], "error": None, "finish_reason": None}).name == "fail"
    )


# --- either


def test_both_are_right_where_no_rule_decides() -> None:
    assert name(either()) == "pass"
    assert name(either(), error=BOOM, content="Hel", finish_reason=None, usage=None) == "pass"


def test_but_nothing_else_is() -> None:
    assert name(either(), content="HelloHello") == "fail"
    assert name(either(), error=BOOM, content="HelloHello") == "fail"
    assert name(either(), content="") == "fail"
    assert name(either(usage=ANY), content="Hell", usage=None) == "fail"


def test_a_finish_reason_lost_in_silence_is_weak() -> None:
    verdict = judge(either(usage=ANY), reported(finish_reason=None, usage=None))
    assert verdict.name == "weak"
    assert verdict.reasons[0] == "no error, but no finish reason either"
    assert judge(Expected("either", HELLO, told=True), reported(content="", finish_reason=None)).name == "fail"
    assert judge(either(finish_reason=ANY), reported(content="Hel", finish_reason=None)).name == "fail"


def test_where_no_consumer_could_know_the_reply_and_what_came_are_both_right() -> None:
    doubled = {**HELLO, "content": "HelHello"}
    expected = Expected("either", {**HELLO, "content": ANY}, readings=(HELLO, doubled))
    for content in ("Hello", "HelHello"):
        assert name(expected, content=content) == "pass"
        assert name(expected, content=content[:-1], error=BOOM) == "pass"
    for content in ("HelHelHello", "Help", ""):
        assert name(expected, content=content) == "fail"
    assert name(expected, content="Help", error=BOOM) == "fail"


# --- leaving early, and reports that are no reports


def test_whoever_leaves_early_has_a_beginning_of_the_reply() -> None:
    expected = same()
    assert judge_left(expected, {"content": "Hel", "error": None}).name == "pass"
    assert judge_left(expected, {"content": "", "error": {"type": "AbortError", "message": ""}}).name == "pass"
    assert judge_left(expected, {"content": "HelHel"}).name == "fail"
    assert judge_left(expected, {"content": "Hel", "tool_calls": "none"}).name == "fail"


@pytest.mark.parametrize(
    ("outcome", "word"),
    [
        ({"error": "it broke"}, "`error`"),
        ({"error": False}, "`error`"),
        ({"tool_calls": {}}, "`tool_calls`"),
        ({"tool_calls": ["get_weather"]}, "`tool_calls`"),
        ({"choices": {"0": {}}}, "`choices`"),
        ({"choices": [None]}, "`choices`"),
        ({"choices": [{"tool_calls": [1]}]}, "`tool_calls`"),
        ({"choices": [], "tool_calls": True}, "`tool_calls`"),
    ],
)
def test_a_report_in_another_form_fails_and_says_what_was_expected(outcome: dict[str, Any], word: str) -> None:
    verdict = judge(same(), reported(**outcome))
    assert verdict.name == "fail"
    assert word in verdict.reasons[0]


def test_reasons_stay_short_however_long_the_texts() -> None:
    long = "Hello" * 10_000
    verdict = judge(same(content=long), reported(content=f"{long[:30_000]}!{long[30_000:]}"))
    assert len("".join(verdict.reasons)) < 1000
    assert "from character 30000 on" in verdict.reasons[0]
    verdict = judge(error(content="Hello" * 10_000), reported(error=BOOM, content="x" * 50_000))
    assert verdict.name == "fail"
    assert len("".join(verdict.reasons)) < 1000


def test_weak_is_no_failure_and_skip_neither() -> None:
    assert set(BAD) == {"fail", "crash", "hang", "harness error"}


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=5), inner, max_size=2),
    max_leaves=4,
)
KEYS = st.sampled_from([*HELLO, "choices", "function_call", "index", "id", "name", "arguments"])
REPORTS = st.dictionaries(
    KEYS, VALUES | st.dictionaries(KEYS, VALUES) | st.lists(st.dictionaries(KEYS, VALUES), max_size=2)
)


@given(
    st.sampled_from([same(), error(), error(told=True), either(), Expected("same", TOOLS), Expected("error", TWO)]),
    REPORTS,
)
@example(same(), {"choices": [{"choices": [None]}]})
@example(same(), {"choices": [], "tool_calls": True})
def test_no_report_whatever_it_says_breaks_the_judge(expected: Expected, report: dict[str, Any]) -> None:
    assert judge(expected, report).name in ("pass", "weak", "fail")
    assert judge_left(expected, report).name in ("pass", "fail")
