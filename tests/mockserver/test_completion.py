import weakref
from typing import Any, cast

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mockserver.completion import Call, CompletedChoice, complete
from mockserver.reply import Choice, FunctionCall, Reply, ToolCall, Usage
from mockserver.request import ChatRequest
from mockserver.runs import Part, Token, Tokens
from mockserver.tokens import count_prompt_tokens, split_text
from tests.mockserver.strategies_local import answer, ask, choices, replies, requests, texts

WEATHER = ToolCall("get_weather", arguments={"city": "Paris"}, id="call_weather")  # {"|city|":"|Paris|"}
PATCH = ToolCall("apply_patch", type="custom", input="one two", id="call_patch")  # one| two
PIECED = ToolCall("say", pieces=("{", "}"), id="call_say")


def only(reply: Reply, **parameters: Any) -> CompletedChoice:
    """The only choice of the answer to a request with these parameters."""
    [choice] = answer(reply, ask(**parameters)).choices
    return choice


def said(choice: CompletedChoice, part: Part = "content", call: int = 0) -> list[str]:
    return [token.text for token in choice.tokens if (token.part, token.call) == (part, call)]


# The whole reply


def expected_tokens(choice: Choice) -> list[Token]:
    def cut(text: str | None, own: tuple[str, ...] | None) -> list[str]:
        return split_text(text or "") if own is None else list(own)

    found = [Token("reasoning", text) for text in cut(choice.reasoning, None)]
    found += [Token("content", text) for text in cut(choice.content, choice.pieces)]
    found += [Token("refusal", text) for text in cut(choice.refusal, None)]
    for k, call in enumerate(choice.tool_calls):
        found += [Token("tool_call", text, k) for text in cut(call.text, call.pieces)]
    if choice.function_call:
        found += [Token("function_call", t) for t in cut(choice.function_call.text, choice.function_call.pieces)]
    return found


@given(replies(), requests(cuts=False))
def test_uncut_a_request_gets_all_that_is_meant_for_every_choice(reply: Reply, request: ChatRequest) -> None:
    completed = answer(reply, request).choices
    assert [choice.index for choice in completed] == list(range(request.n))
    for choice in completed:
        meant = reply.choices[choice.index % len(reply.choices)] if reply.choices else reply
        assert list(choice.tokens) == expected_tokens(meant)
        assert [(call.name, call.type, call.text) for call in choice.calls] == [
            (call.name, call.type, call.text) for call in meant.tool_calls
        ]
        assert choice.function_name == (meant.function_call.name if meant.function_call else None)
        default = "tool_calls" if meant.tool_calls else "function_call" if meant.function_call else "stop"
        assert choice.finish_reason == (meant.finish_reason or default)


@given(replies(), requests())
def test_completion_tokens_are_the_tokens_sent_summed_over_the_choices(reply: Reply, request: ChatRequest) -> None:
    completion = answer(reply, request)
    tokens = [token for choice in completion.choices for token in choice.tokens]
    usage = completion.usage
    assert usage["completion_tokens"] == len(tokens)
    assert usage["prompt_tokens"] == count_prompt_tokens(request, split_text)
    assert usage["total_tokens"] == usage["prompt_tokens"] + usage["completion_tokens"]
    assert usage["completion_tokens_details"]["reasoning_tokens"] == [t.part for t in tokens].count("reasoning")


@given(choices(), st.integers(1, 5))
def test_usage_grows_with_n(choice: Choice, n: int) -> None:
    one, many = (answer(Reply(choices=(choice,)), ask(n=k)).usage for k in (1, n))
    assert many["completion_tokens"] == n * one["completion_tokens"]
    assert many["prompt_tokens"] == one["prompt_tokens"]


def test_counts_may_be_told_in_place_of_the_true_ones() -> None:
    reply = Reply(content="Hello world", usage=Usage(prompt_tokens=100, completion_tokens=50, cached_tokens=20))
    assert answer(reply, ask()).usage == {
        "prompt_tokens": 100,
        "completion_tokens": 50,
        "total_tokens": 150,
        "prompt_tokens_details": {"cached_tokens": 20, "audio_tokens": 0},
        "completion_tokens_details": {
            "reasoning_tokens": 0,
            "audio_tokens": 0,
            "accepted_prediction_tokens": 0,
            "rejected_prediction_tokens": 0,
        },
    }
    assert answer(Reply(content="Hello", usage=Usage(prompt_tokens=0)), ask()).usage["total_tokens"] == 1


def test_with_n_above_the_choices_written_they_begin_again() -> None:
    reply = Reply(choices=(Choice(content="a"), Choice(refusal="b")))
    assert [(c.text("content"), c.text("refusal")) for c in answer(reply, ask(n=5)).choices] == [
        ("a", None),
        (None, "b"),
        ("a", None),
        (None, "b"),
        ("a", None),
    ]


@given(replies(), requests())
def test_calls_without_an_id_get_one_each_and_others_keep_theirs(reply: Reply, request: ChatRequest) -> None:
    calls = [call for choice in answer(reply, request).choices for call in choice.calls]
    meant = [
        reply.choice(choice.index).tool_calls[k]
        for choice in answer(reply, request).choices
        for k in range(len(choice.calls))
    ]
    made = [call.id for call, told in zip(calls, meant, strict=True) if told.id is None]
    assert made == [f"call_{k}" for k in range(len(made))]
    assert all(told.id in (None, call.id) for call, told in zip(calls, meant, strict=True))


@given(replies(), requests())
def test_the_text_of_a_call_is_its_tokens_joined(reply: Reply, request: ChatRequest) -> None:
    for choice in answer(reply, request).choices:
        assert [call.text for call in choice.calls] == [
            choice.text("tool_call", k) or "" for k in range(len(choice.calls))
        ]
        assert {token.call for token in choice.tokens if token.part == "tool_call"} <= set(range(len(choice.calls)))


def test_a_part_that_is_not_there_has_no_text() -> None:
    choice = only(Reply(content="Hello", tool_calls=(WEATHER, ToolCall("empty"))))
    assert choice.text("content") == "Hello"
    assert choice.text("tool_call", 0) == '{"city":"Paris"}'
    assert choice.text("tool_call", 1) is choice.text("refusal") is choice.text("reasoning") is None


def test_parts_are_said_in_the_order_of_a_model() -> None:
    parts = [t.part for t in only(Reply(refusal="r", content="c", reasoning="t", tool_calls=(WEATHER, PATCH))).tokens]
    assert parts == ["reasoning", "content", "refusal", *["tool_call"] * 7]


# Stop sequences

CUTS: list[tuple[str, str | list[str], str]] = [
    ("one two three", "two", "one "),
    ("one two three", "one", ""),
    ("one two three", "three", "one two "),
    ("one two three", " t", "one"),
    ("one two three", "e  t", "one two three"),
    ("one two three", "wo th", "one t"),
    ("one two three", "four", "one two three"),
    ("one two three", ["three", "two"], "one "),
    ("one two three", ["four", "five", "e"], "on"),
    ("one two three", ["one two three"], ""),
    ("one two three", ["o t", "wo"], "one t"),
    ("你好，世界", "，", "你好"),
    ("🙂🙃", "🙃", "🙂"),
    ("line\n\nnext", "\n\n", "line"),
    ("", "x", ""),
]


@pytest.mark.parametrize(("content", "stop", "kept"), CUTS, ids=[f"{c!r} at {s!r}" for c, s, _ in CUTS])
def test_the_first_stop_sequence_ends_the_content_and_is_not_part_of_it(
    content: str, stop: str | list[str], kept: str
) -> None:
    choice = only(Reply(content=content, finish_reason="content_filter"), stop=stop)
    assert "".join(said(choice)) == kept
    assert choice.finish_reason == ("stop" if kept != content else "content_filter")


stops = st.lists(st.text(" ,1abHeo", min_size=1, max_size=3), min_size=1, max_size=4)


@given(texts | st.text(" ,1abHeo", max_size=30), stops)
def test_content_is_cut_at_the_earliest_stop_wherever_tokens_end(content: str, stop: list[str]) -> None:
    kept = min((content[:at] for s in stop if (at := content.find(s)) >= 0), key=len, default=content)
    choice = only(Reply(content=content), stop=stop)
    assert "".join(said(choice)) == kept
    assert all(said(choice))
    # Up to the last one the tokens are the same as without a stop.
    assert said(choice)[:-1] == split_text(content)[: max(len(said(choice)) - 1, 0)]


@given(choices(), texts, texts)
def test_whatever_comes_after_the_stop_is_dropped_calls_and_refusal_too(
    choice: Choice, before: str, after: str
) -> None:
    stopped = msgspec.structs.replace(choice, content=f"{before}STOP{after}", pieces=None)
    cut = only(Reply(choices=(stopped,)), stop="STOP")
    assert (cut.calls, cut.function_name, cut.finish_reason) == ((), None, "stop")
    assert {token.part for token in cut.tokens} <= {"reasoning", "content"}
    assert said(cut, "reasoning") == split_text(choice.reasoning or "")
    assert "".join(said(cut)) == f"{before}STOP".partition("STOP")[0]


@given(texts, texts, stops)
def test_reasoning_refusal_and_arguments_are_not_searched(reasoning: str, other: str, stop: list[str]) -> None:
    reply = Reply(reasoning=reasoning, refusal=other, tool_calls=(ToolCall("f", arguments=other),))
    choice = only(reply, stop=stop)
    assert (choice.text("reasoning") or "", choice.text("refusal") or "") == (reasoning, other)
    assert choice.calls[0].text == other
    assert choice.finish_reason == "tool_calls"


def test_a_piece_without_text_before_the_stop_stays() -> None:
    choice = only(Reply(pieces=("a", "", "b", "", "c")), stop="c")
    assert said(choice) == ["a", "", "b"]


# The token limit


@given(replies(), requests(cuts=False), st.integers(1, 20), st.sampled_from(["max_tokens", "max_completion_tokens"]))
def test_a_limit_cuts_every_choice_after_as_many_tokens(
    reply: Reply, request: ChatRequest, limit: int, name: str
) -> None:
    uncut = answer(reply, request).choices
    limited = answer(reply, ask(n=request.n, **{name: limit})).choices
    for whole, cut in zip(uncut, limited, strict=True):
        assert cut.tokens == whole.tokens[:limit]
        if len(whole.tokens) <= limit:
            assert (cut.finish_reason, len(cut.calls)) == (whole.finish_reason, len(whole.calls))
        else:
            assert cut.finish_reason == "length"
        for call, told in zip(cut.calls, whole.calls, strict=False):
            assert (call.type, call.name) == (told.type, told.name)
            assert told.text.startswith(call.text)


LIMITED: list[tuple[int, str | None, list[str], str]] = [
    # What is left of "Hello world" and two parallel calls after so many tokens.
    (1, "Hello", [], "length"),
    (2, "Hello world", [], "length"),
    (3, "Hello world", ['{"'], "length"),
    (6, "Hello world", ['{"city":"Paris'], "length"),
    (7, "Hello world", ['{"city":"Paris"}'], "length"),
    (8, "Hello world", ['{"city":"Paris"}', "one"], "length"),
    (9, "Hello world", ['{"city":"Paris"}', "one two"], "length"),
    (10, "Hello world", ['{"city":"Paris"}', "one two", "{"], "length"),
    (11, "Hello world", ['{"city":"Paris"}', "one two", "{}"], "tool_calls"),
]


@pytest.mark.parametrize(("limit", "content", "calls", "reason"), LIMITED)
def test_a_limit_may_fall_anywhere_in_text_and_calls(
    limit: int, content: str | None, calls: list[str], reason: str
) -> None:
    choice = only(Reply(content="Hello world", tool_calls=(WEATHER, PATCH, PIECED)), max_tokens=limit)
    assert choice.text("content") == content
    assert [call.text for call in choice.calls] == calls
    assert choice.finish_reason == reason
    names = (Call("call_weather", "function", "get_weather", ""), Call("call_patch", "custom", "apply_patch", ""))
    assert [(c.id, c.type, c.name) for c in choice.calls[:2]] == [(c.id, c.type, c.name) for c in names][: len(calls)]


def test_a_call_without_arguments_stands_if_one_after_it_was_begun() -> None:
    reply = Reply(content="Hi", tool_calls=(ToolCall("empty"), WEATHER, ToolCall("never")))
    assert [call.name for call in only(reply, max_tokens=2).calls] == ["empty", "get_weather"]
    assert only(reply, max_tokens=1).calls == ()


def test_a_function_call_that_was_not_begun_is_not_there() -> None:
    reply = Reply(content="Hi there", function_call=FunctionCall("f", arguments="{}"))
    for limit in (1, 2):
        assert (only(reply, max_tokens=limit).function_name, only(reply, max_tokens=limit).finish_reason) == (
            None,
            "length",
        )
    begun = only(Reply(function_call=FunctionCall("f", pieces=("{", "}"))), max_tokens=1)
    assert (begun.function_name, begun.text("function_call"), begun.finish_reason) == ("f", "{", "length")


def test_reasoning_counts_against_the_limit() -> None:
    choice = only(Reply(reasoning="one two three", content="four"), max_completion_tokens=2)
    assert (choice.text("reasoning"), choice.text("content"), choice.finish_reason) == ("one two", None, "length")


def test_a_limit_that_is_just_enough_changes_nothing() -> None:
    assert only(Reply(content="one two"), max_tokens=2).finish_reason == "stop"


def test_the_limit_counts_what_the_stop_has_left() -> None:
    reply = Reply(content="one two three four")
    assert only(reply, stop="three", max_tokens=3).finish_reason == "stop"
    assert only(reply, stop="four", max_tokens=2).finish_reason == "length"
    assert only(reply, stop="four", max_tokens=2).text("content") == "one two"


# Finish reasons

REASONS = [
    (Reply(content="x"), "stop"),
    (Reply(), "stop"),
    (Reply(refusal="no"), "stop"),
    (Reply(reasoning="hm"), "stop"),
    (Reply(tool_calls=(WEATHER,)), "tool_calls"),
    (Reply(content="x", tool_calls=(PATCH,)), "tool_calls"),
    (Reply(function_call=FunctionCall("f")), "function_call"),
    (Reply(content="x", finish_reason="content_filter"), "content_filter"),
    (Reply(tool_calls=(WEATHER,), finish_reason="stop"), "stop"),
    (Reply(content="x", finish_reason="eos"), "eos"),
]


@pytest.mark.parametrize(("reply", "reason"), REASONS, ids=lambda value: str(value)[:50])
def test_the_finish_reason_follows_from_what_is_said_unless_it_is_told(reply: Reply, reason: str) -> None:
    assert only(reply).finish_reason == reason


def test_an_empty_reply_says_nothing() -> None:
    completion = answer(Reply(), ask())
    assert completion.choices == (CompletedChoice(0, (), (), None, "stop"),)
    assert completion.usage["completion_tokens"] == 0


def test_what_follows_from_the_tokens_alone_is_worked_out_once_for_all_that_say_the_same() -> None:
    reply = Reply(reasoning="well", content='one "two" drei\u00df')
    one, other = only(reply), only(reply)
    assert isinstance(one.tokens, Tokens)
    assert one.tokens is other.tokens
    assert [run.part for run in one.tokens.runs] == ["reasoning", "content"]
    assert one.tokens.runs is one.tokens.runs
    cut = only(reply, max_tokens=2)
    assert cut.tokens == one.tokens[:2]
    assert [len(run.tokens) for run in cut.tokens.runs] == [1, 1]  # type: ignore[attr-defined]


def test_tokens_of_another_tokenizer_are_others_and_many_are_not_kept() -> None:
    reply = Reply(content="one two")
    complete(reply, ask(), split_text, iter(()))
    [other] = complete(reply, ask(), list, iter(())).choices
    assert said(other) == list("one two")
    long = Reply(content="word " * 1000)
    assert only(long).tokens is not only(long).tokens
    assert only(long) == only(long)


def test_what_is_kept_ends_with_the_reply_that_says_it() -> None:
    reply = Reply(content="one two")
    gone = weakref.ref(cast(Any, only(reply).tokens).runs[0])
    assert gone() is not None
    del reply
    assert gone() is None


def test_the_prompt_is_counted_only_for_those_who_are_told_the_usage() -> None:
    asked: list[str] = []

    def note(text: str) -> list[str]:
        asked.append(text)
        return split_text(text)

    request = ask(messages=[{"role": "user", "content": "What?"}])
    completion = complete(Reply(content="This."), request, note, iter(()))
    assert "What?" not in asked
    assert completion.usage["prompt_tokens"] == count_prompt_tokens(request, split_text)
    assert completion.usage is completion.usage
    assert asked.count("What?") == 1
