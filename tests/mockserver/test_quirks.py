"""Quirks: each acts, each is understood by a tolerant consumer, all together never raise, and nothing shared is changed."""

import copy
import json
from collections.abc import Iterable, Iterator
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from mockserver.chunks import Chunk
from mockserver.delivery import Delivery
from mockserver.outcome import FIELDS, compare, expect, make_outcome
from mockserver.quirks import QUIRKS, Quirk, bend
from mockserver.quirks.finish import TABLE as FINISH
from mockserver.reply import Choice, FunctionCall, Reply, ToolCall
from mockserver.request import ChatRequest
from mockserver.sse import Event
from mockserver.stream import Stream
from mockserver.timing import UNPACED, Schedule
from tests.mockserver.strategies_local import IDENTITY, answer, ask, groups, replies
from tests.mockserver.tolerant import read

ALL = tuple(QUIRKS)
SAME = [name for name, quirk in QUIRKS.items() if quirk.right == "same"]

CALLS = (ToolCall("f", {"a": 1}, id="call_f"), ToolCall("g", '{"b":"x"}', id="call_g"))
SAMPLES: dict[str, tuple[Reply, dict[str, Any]]] = {
    "text": (Reply(content="Hello there", reasoning="Let me", usage=None), {}),
    "calls": (Reply(content="Hi", tool_calls=CALLS), {}),
    "one call": (Reply(tool_calls=CALLS[:1]), {}),
    "cut": (Reply(content="Hello there, you"), {"max_tokens": 2}),
    "custom": (Reply(tool_calls=(ToolCall("c", id="call_c", type="custom", input="x y"),)), {}),
    "refusal": (Reply(refusal="No, thank you"), {}),
    "legacy": (Reply(function_call=FunctionCall("f", {"a": 1})), {}),
    "two": (Reply(choices=(Choice(content="Hello there, you"), Choice(content="Bye now"))), {"n": 2}),
    "nothing": (Reply(content=""), {}),
}

PAIRED = ("text", "calls", "custom", "legacy")
"""The samples that between them have every kind of chunk and delta."""


def make_stream(reply: Reply, request: ChatRequest, quirks: Iterable[str] = (), **delivery: Any) -> Stream:
    schedule = Schedule(UNPACED)
    return Stream(answer(reply, request), request, IDENTITY, schedule, Delivery(quirks=tuple(quirks), **delivery))


def ask_stream(usage: bool = True, **parameters: Any) -> ChatRequest:
    options = {"stream_options": {"include_usage": True}} if usage else {}
    return ask(stream=True, **options, **parameters)


def sample(name: str, *quirks: str, usage: bool = True, **delivery: Any) -> Stream:
    reply, parameters = SAMPLES[name]
    return make_stream(reply, ask_stream(usage, **parameters), quirks, **delivery)


def body_of(stream: Stream) -> bytes:
    return b"".join(piece.data for piece in stream.body())


def chunks_of(stream: Stream) -> list[dict[str, Any]]:
    """The chunks as a consumer reads them."""
    return [json.loads(event.data) for event in stream.events() if event.data != b"[DONE]"]


def deltas_of(stream: Stream) -> list[Any]:
    return [choice.get("delta", "absent") for chunk in chunks_of(stream) for choice in chunk.get("choices") or ()]


def pieces_of(stream: Stream) -> list[dict[str, Any]]:
    return [piece for delta in deltas_of(stream) for piece in (delta or {}).get("tool_calls") or ()]


REQUESTS = st.builds(
    ask_stream,
    usage=st.booleans(),
    n=st.integers(1, 3),
    logprobs=st.booleans(),
    max_tokens=st.none() | st.integers(1, 6),
)
DELIVERIES = st.fixed_dictionaries({"group": st.sampled_from([1, 3, "all"]) | groups.filter(bool)})


# Properties of all quirks


def check_understood(name: str, stream: Stream) -> None:
    hidden = {*QUIRKS[name].hides, *(() if stream.request.include_usage else ("usage",))}
    assert list(compare(make_outcome(stream, hidden), read(body_of(stream)))) == []


@pytest.mark.parametrize("name", SAME)
def test_a_tolerant_consumer_understands_each_sample_with_a_quirk_that_says_so(name: str) -> None:
    for reply in SAMPLES:
        for usage in (True, False):
            check_understood(name, sample(reply, name, usage=usage))


@given(st.sampled_from(SAME), replies(), REQUESTS, DELIVERIES)
def test_a_tolerant_consumer_understands_any_reply_with_a_quirk_that_says_so(
    name: str, reply: Reply, request: ChatRequest, delivery: dict[str, Any]
) -> None:
    check_understood(name, make_stream(reply, request, [name], **delivery))


@given(replies(), REQUESTS, DELIVERIES, st.sets(st.sampled_from(ALL)))
@example(SAMPLES["one call"][0], ask_stream(), {"group": 1}, set(ALL))
@example(SAMPLES["two"][0], ask_stream(n=2), {"group": 1}, set(ALL))
@example(SAMPLES["nothing"][0], ask_stream(usage=False), {"group": 1}, set(ALL))
def test_any_quirks_go_together_and_the_stream_can_be_rendered_again(
    reply: Reply, request: ChatRequest, delivery: dict[str, Any], quirks: set[str]
) -> None:
    stream = make_stream(reply, request, quirks, **delivery)
    once = list(stream.body())
    assert list(stream.body()) == once
    due = [piece.due_s for piece in once]
    assert due == sorted(due)


@pytest.mark.parametrize("name", ALL)
def test_every_two_quirks_go_together(name: str) -> None:
    """What one makes of a chunk, the other can read: they are applied in the table's order, whatever a file says."""
    for other in ALL[ALL.index(name) + 1 :]:
        for reply in PAIRED:
            body_of(sample(reply, name, other))


@given(
    st.lists(st.sampled_from(ALL), unique=True).flatmap(lambda names: st.tuples(st.just(names), st.permutations(names)))
)
@example((list(ALL), list(reversed(ALL))))
def test_in_which_order_quirks_are_named_makes_no_difference(orders: tuple[list[str], list[str]]) -> None:
    one, other = (body_of(sample("calls", *names)) for names in orders)
    assert one == other


@given(replies(), REQUESTS, st.sets(st.sampled_from(ALL)))
@example(SAMPLES["text"][0], ask_stream(), {"content-empty-always", "role-repeated"})
def test_what_quirks_do_to_one_stream_is_not_seen_in_another(
    reply: Reply, request: ChatRequest, quirks: set[str]
) -> None:
    plain = make_stream(reply, request)
    meaning, before = copy.deepcopy(plain.completion), body_of(plain)
    body_of(Stream(plain.completion, request, IDENTITY, plain.schedule, Delivery(quirks=tuple(quirks))))
    assert plain.completion == meaning
    assert body_of(plain) == before


@given(replies(), REQUESTS, st.sets(st.sampled_from([name for name in SAME if not QUIRKS[name].hides])))
def test_quirks_that_hide_nothing_hide_nothing_together(reply: Reply, request: ChatRequest, quirks: set[str]) -> None:
    stream = make_stream(reply, request, quirks)
    # A consumer cannot tell an id that is repeated from one that belongs to another call, nor a role that is not said.
    outcome = make_outcome(stream, () if request.include_usage else ("usage",))
    assert list(compare(outcome, read(body_of(stream)))) == []


@pytest.mark.parametrize("name", ALL)
def test_every_quirk_is_seen_to_act(name: str) -> None:
    assert any(
        body_of(sample(reply, name, usage=usage)) != body_of(sample(reply, usage=usage))
        for reply in SAMPLES
        for usage in (True, False)
    )


@pytest.mark.parametrize("name", ALL)
def test_the_oracle_expects_of_an_acting_quirk_what_its_table_says(name: str) -> None:
    quirk = QUIRKS[name]
    rights = [expect(sample(reply, name)).right for reply in SAMPLES]
    assert quirk.right in rights
    assert set(rights) <= {"same", quirk.right}


@pytest.mark.parametrize("quirk", QUIRKS.values(), ids=ALL)
def test_every_quirk_tells_in_a_line_what_it_does_and_who_does_it(quirk: Quirk) -> None:
    assert quirk.says
    assert quirk.sent_by
    assert not quirk.says.endswith(".")
    assert set(quirk.hides) <= {*FIELDS, "usage", "tool_ids"}


def test_quirks_are_applied_in_the_order_of_the_table_whatever_order_they_are_named_in() -> None:
    names = ["choices-missing", "usage-null", "role-with-content", "tool-whole-in-one-chunk"]
    assert body_of(sample("calls", *names)) == body_of(sample("calls", *reversed(names)))


def test_a_name_that_is_no_quirk_bends_nothing() -> None:
    chunk = Chunk({}, 0.0, "delta")
    assert bend("chunks", [chunk], ["no-such-quirk"]) == [chunk]


# What each does: quirk, sample -> what a consumer sees


def finish_reasons(stream: Stream) -> list[Any]:
    return [
        choice.get("finish_reason", "absent") for chunk in chunks_of(stream) for choice in chunk.get("choices") or ()
    ]


def usages(stream: Stream) -> list[Any]:
    return [chunk.get("usage", "absent") for chunk in chunks_of(stream)]


def counts(prompt: int, completion: int) -> dict[str, int]:
    return {"prompt_tokens": prompt, "completion_tokens": completion, "total_tokens": prompt + completion}


def test_a_role_may_be_repeated_missing_empty_or_null() -> None:
    for name, role in {"role-repeated": "assistant", "role-empty": "", "role-null": None}.items():
        assert {delta["role"] for delta in deltas_of(sample("text", name))} == {role}
    assert all("role" not in delta for delta in deltas_of(sample("text", "role-missing")))


def test_the_first_delta_may_be_the_role_alone_or_come_with_the_text() -> None:
    alone = deltas_of(sample("one call", "role-alone", "refusal-missing"))
    assert alone[0] == {"role": "assistant", "content": ""}
    assert alone[1]["tool_calls"][0]["id"] == "call_f"
    assert deltas_of(sample("refusal", "role-alone"))[0] == {"role": "assistant", "content": None, "refusal": ""}
    together = deltas_of(sample("text", "role-with-content"))
    assert together[0] == {"role": "assistant", "reasoning_content": "Let"}
    assert deltas_of(sample("nothing", "role-with-content")) == [{"role": "assistant"}]
    two = deltas_of(sample("two", "role-with-content"))
    assert [delta for delta in two if "role" in delta] == [
        {"role": "assistant", "content": w} for w in ("Hello", "Bye")
    ]
    for kept in ("one call", "legacy"):
        assert deltas_of(sample(kept, "role-with-content")) == deltas_of(sample(kept))
    assert [list(delta) for delta in deltas_of(sample("legacy", "role-alone"))[:2]] == [
        ["role", "content", "refusal"],
        ["function_call"],
    ]


@pytest.mark.parametrize(
    ("name", "first", "last"),
    [
        ("content-null-first", {"role": "assistant", "content": None}, {}),
        ("content-missing-first", {"role": "assistant"}, {}),
        ("content-empty-finish", {"role": "assistant", "content": ""}, {"content": ""}),
        ("content-empty-always", {"role": "assistant", "content": ""}, {"content": ""}),
    ],
)
def test_the_content_of_the_first_and_the_last_delta(name: str, first: dict[str, Any], last: dict[str, Any]) -> None:
    deltas = deltas_of(sample("text", name, "refusal-missing"))
    assert (deltas[0], deltas[-1]) == (first, last)
    assert ("content" in deltas[1]) is (name == "content-empty-always")


def test_content_may_come_in_parts_or_as_all_of_it_each_time() -> None:
    assert deltas_of(sample("text", "content-array"))[3]["content"] == [{"type": "text", "text": "Hello"}]
    assert [d["content"] for d in deltas_of(sample("text", "delta-cumulative")) if d.get("content")] == [
        "Hello",
        "Hello there",
    ]
    two = [d["content"] for d in deltas_of(sample("two", "delta-cumulative")) if d.get("content")]
    assert {"Hello there, you", "Bye now"} <= set(two)


def test_null_may_be_left_out() -> None:
    for name, key in {
        "refusal-missing": "refusal",
        "logprobs-missing": "logprobs",
        "usage-null-missing": "usage",
    }.items():
        assert f'"{key}":null'.encode() in body_of(sample("text"))
        assert f'"{key}":null'.encode() not in body_of(sample("text", name))
    assert deltas_of(sample("refusal", "refusal-missing"))[0]["refusal"] == ""


def test_reasoning_has_many_names() -> None:
    keys = {name: list(deltas_of(sample("text", name))[1]) for name in QUIRKS if name.startswith("reasoning-")}
    assert keys == {
        "reasoning-null-beside": ["reasoning_content", "content"],
        "reasoning-both": ["reasoning_content", "reasoning"],
        "reasoning-field": ["reasoning"],
        "reasoning-details": ["reasoning_content", "reasoning_details"],
        "reasoning-parts": ["content"],
        "reasoning-missing": ["content"],
    }
    after = deltas_of(sample("text", "reasoning-null-beside"))
    assert [delta.get("reasoning_content", "absent") for delta in after] == ["", "Let", " me", None, None, None]
    assert after[0]["content"] is None, "from the first delta on"
    details = deltas_of(sample("text", "reasoning-details", "reasoning-field"))[1]["reasoning_details"]
    assert details == [{"type": "reasoning.text", "text": "Let", "format": "unknown", "index": 0}]
    parts = deltas_of(sample("text", "reasoning-parts"))[1]["content"]
    assert parts == [{"type": "thinking", "thinking": [{"type": "text", "text": "Let"}]}]
    assert not any("reasoning" in json.dumps(delta) for delta in deltas_of(sample("text", "reasoning-missing")))


def test_a_finish_reason_may_be_empty_absent_or_null() -> None:
    assert finish_reasons(sample("text", "finish-empty-string")) == [""] * 5 + ["stop"]
    assert finish_reasons(sample("text", "finish-missing-until-end")) == ["absent"] * 5 + ["stop"]
    assert finish_reasons(sample("text", "finish-null-at-end")) == [None] * 6
    assert finish_reasons(sample("text", "finish-chunk-missing")) == [None] * 5
    assert finish_reasons(sample("calls", "finish-stop-with-tools"))[-1] == "stop"
    native = chunks_of(sample("text", "native-finish-reason"))
    assert [choice["native_finish_reason"] for chunk in native for choice in chunk["choices"]] == [None] * 5 + ["stop"]


def test_a_finish_reason_may_come_with_the_last_text_or_the_last_of_a_call() -> None:
    text = chunks_of(sample("text", "finish-with-content"))[-2]["choices"][0]
    assert (text["delta"], text["finish_reason"]) == ({"content": " there"}, "stop")
    assert body_of(sample("calls", "finish-with-content")) == body_of(sample("calls"))
    call = chunks_of(sample("calls", "finish-with-tools"))[-2]["choices"][0]
    assert (call["delta"]["tool_calls"][0]["function"], call["finish_reason"]) == ({"arguments": '"}'}, "tool_calls")
    assert body_of(sample("text", "finish-with-tools")) == body_of(sample("text"))
    assert body_of(sample("text", "finish-length-with-content")) == body_of(sample("text"))
    cut = chunks_of(sample("cut", "finish-length-with-content"))[-2]["choices"][0]
    assert (cut["delta"], cut["finish_reason"]) == ({"content": " there"}, "length")


def test_a_finish_reason_that_came_with_text_is_taken_away_without_the_text() -> None:
    deltas = deltas_of(sample("text", "finish-with-content", "finish-chunk-missing"))
    assert deltas[-1] == {"content": " there"}


def test_each_of_several_choices_finishes_with_its_own_last_text() -> None:
    finished = [
        (choice["index"], choice["delta"], choice["finish_reason"])
        for chunk in chunks_of(sample("two", "finish-with-content"))
        for choice in chunk["choices"]
        if choice["finish_reason"]
    ]
    assert finished == [(0, {"content": " you"}, "stop"), (1, {"content": " now"}, "stop")]


def test_usage_may_be_missing_null_everywhere_or_empty() -> None:
    assert usages(sample("text", "usage-missing")) == ["absent"] * 6
    assert usages(sample("text", "usage-null", usage=False)) == [None] * 6
    assert usages(sample("text", "usage-null-missing"))[:-1] == ["absent"] * 6
    assert usages(sample("text", "usage-empty-object"))[-1] == {}
    assert usages(sample("text", "usage-unasked", usage=False))[-1]["completion_tokens"] == 4
    assert usages(sample("text", "usage-details-missing"))[-1] == counts(7, 4)
    cached = make_stream(Reply(content="a", usage=None), ask_stream(), ["usage-cache-tokens"])
    assert (usages(cached)[-1]["prompt_cache_hit_tokens"], usages(cached)[-1]["prompt_cache_miss_tokens"]) == (0, 7)


def test_usage_may_grow_with_every_chunk() -> None:
    grown = usages(sample("text", "usage-every-chunk", "usage-details-missing"))
    assert grown == [counts(7, said) for said in (0, 1, 2, 3, 4, 4, 4)]
    assert usages(sample("nothing", "usage-every-chunk", "usage-details-missing"))[0] == counts(7, 0)
    assert usages(sample("text", "usage-every-chunk", usage=False)) == ["absent"] * 6


def test_usage_may_come_with_the_finish_beside_a_choice_or_before_an_empty_chunk() -> None:
    with_finish = chunks_of(sample("text", "usage-with-finish"))
    assert (with_finish[-1]["choices"][0]["finish_reason"], with_finish[-1]["usage"]["completion_tokens"]) == (
        "stop",
        4,
    )
    with_choice = chunks_of(sample("text", "usage-with-choice", "content-empty-always", "finish-with-content"))
    assert with_choice[-1]["choices"][0]["delta"] == {"content": ""}
    assert [chunk["choices"][0]["finish_reason"] for chunk in with_choice[-2:]] == ["stop", "stop"]
    then_empty = chunks_of(sample("text", "usage-then-empty-chunk"))
    assert [(chunk["choices"], bool(chunk["usage"])) for chunk in then_empty[-2:]] == [([], True), ([], False)]
    for name in ("usage-with-finish", "usage-with-choice", "usage-then-empty-chunk"):
        assert body_of(sample("text", name, usage=False)) == body_of(sample("text", usage=False))


@pytest.mark.parametrize(
    ("name", "key", "values"),
    [
        ("id-empty", "id", [""] * 3),
        ("id-changes", "id", ["chatcmpl-1-0", "chatcmpl-1-1", "chatcmpl-1-2"]),
        ("id-missing", "id", ["absent"] * 3),
        ("created-zero", "created", [0] * 3),
        ("created-float", "created", [1_700_000_000.25] * 3),
        ("created-missing", "created", ["absent"] * 3),
        ("model-empty", "model", [""] * 3),
        ("object-missing", "object", ["absent"] * 3),
        ("fingerprint-changes", "system_fingerprint", ["fp_0000000000", None, "absent"]),
        ("fingerprint-missing", "system_fingerprint", ["absent"] * 3),
        ("tier-unknown", "service_tier", ["on_demand"] * 3),
        ("tier-missing", "service_tier", ["absent"] * 3),
        ("obfuscation-missing", "obfuscation", ["absent"] * 3),
    ],
)
def test_what_all_chunks_share_may_be_otherwise(name: str, key: str, values: list[Any]) -> None:
    assert [chunk.get(key, "absent") for chunk in chunks_of(sample("text", name))[:3]] == values


def test_choices_and_deltas_may_be_null_absent_or_called_otherwise() -> None:
    assert deltas_of(sample("text", "delta-null"))[-1] is None
    assert deltas_of(sample("text", "delta-missing"))[-1] == "absent"
    assert chunks_of(sample("text", "choices-null"))[-1]["choices"] is None
    assert "choices" not in chunks_of(sample("text", "choices-missing"))[-1]
    beside = chunks_of(sample("text", "message-beside-delta"))[3]["choices"][0]
    assert beside["message"] == beside["delta"] == {"content": "Hello"}
    instead = chunks_of(sample("text", "message-instead-of-delta"))[3]["choices"][0]
    assert (instead["message"], "delta" in instead) == ({"content": "Hello"}, False)
    absent = chunks_of(sample("text", "delta-missing", "message-instead-of-delta"))[5]["choices"][0]
    assert "message" not in absent
    nulls = deltas_of(sample("text", "delta-nulls"))[3]
    assert nulls == {"content": "Hello", "role": None, "tool_calls": None, "reasoning_content": None}


def test_empty_deltas_and_empty_chunks_may_stand_between_the_others() -> None:
    assert deltas_of(sample("text", "delta-empty"))[1::2] == [{}] * 5
    empties = [chunk["choices"] == [] for chunk in chunks_of(sample("text", "choices-empty-midstream"))]
    assert empties == [False, True] * 5 + [False, True]


def test_what_several_choices_say_at_once_may_come_in_one_chunk() -> None:
    joined = [
        [choice["index"] for choice in chunk["choices"]] for chunk in chunks_of(sample("two", "choices-in-one-chunk"))
    ]
    assert joined == [[0], [0], [1], [1], [0, 1], [0], [0], [0], [1], []]
    even = make_stream(Reply(content="Hello there"), ask_stream(n=2), ["choices-in-one-chunk", "role-with-content"])
    assert [[c["index"] for c in chunk["choices"]] for chunk in chunks_of(even)] == [[0, 1], [0, 1], [0], [1], []]


# Tool calls


def test_a_calls_index_may_be_absent_null_zero_one_or_less() -> None:
    for name, expected in {
        "tool-index-missing": {"absent"},
        "tool-index-null": {None},
        "tool-index-all-zero": {0},
        "tool-index-starts-at-1": {1, 2},
        "tool-index-minus-one": {-1},
    }.items():
        assert {piece.get("index", "absent") for piece in pieces_of(sample("calls", name))} == expected


def headers_of(name: str, *more: str) -> list[tuple[Any, Any, Any]]:
    """Id, type and name of the pieces of the first call."""
    pieces = [piece for piece in pieces_of(sample("calls", name, *more)) if piece["index"] == 0][:3]
    return [
        (p.get("id", "absent"), p.get("type", "absent"), p.get("function", {}).get("name", "absent")) for p in pieces
    ]


PLAIN = ("absent", "absent", "absent")


@pytest.mark.parametrize(
    ("name", "headers"),
    [
        ("tool-id-repeated", [("call_f", "function", "f")] * 3),
        ("tool-id-changes", [("call_f", "function", "f"), ("call_1", "absent", "absent"), ("call_2", "absent", "absent")]),
        ("tool-id-missing", [("absent", "function", "f"), PLAIN, PLAIN]),
        ("tool-id-empty-pieces", [("call_f", "function", "f"), ("", "absent", "absent"), ("", "absent", "absent")]),
        ("tool-name-late", [("call_f", "function", "absent"), ("absent", "absent", "f"), PLAIN]),
        ("tool-type-late", [("call_f", "absent", "f"), ("absent", "function", "absent"), PLAIN]),
        ("tool-type-missing", [("call_f", "absent", "f"), PLAIN, PLAIN]),
        ("tool-name-empty-pieces", [("call_f", "function", "f"), ("absent", "absent", ""), ("absent", "absent", "")]),
        ("tool-null-pieces", [("call_f", "function", "f"), (None, None, None), (None, None, None)]),
    ],
)  # fmt: skip
def test_the_head_of_a_call_may_come_late_often_or_never(name: str, headers: list[Any]) -> None:
    assert headers_of(name) == headers


def test_a_name_that_comes_late_is_repeated_from_there_on() -> None:
    assert headers_of("tool-name-late", "tool-id-repeated") == [
        ("call_f", "function", "absent"), ("call_f", "function", "f"), ("call_f", "function", "f"),
    ]  # fmt: skip


@pytest.mark.parametrize(("name", "member"), [("tool-name-late", "function"), ("tool-type-late", "type")])
def test_what_no_second_piece_can_carry_comes_in_one_of_its_own(name: str, member: str) -> None:
    stream = make_stream(Reply(tool_calls=(ToolCall("f", "", id="call_f"),)), ask_stream(), [name])
    late = {"index": 0, "function": {"name": "f"}} if member == "function" else {"index": 0, "type": "function"}
    assert pieces_of(stream)[-1] == late
    assert read(body_of(stream))["tool_calls"] == [{"id": "call_f", "type": "function", "name": "f", "arguments": ""}]


def test_a_call_may_come_whole_and_all_of_them_together() -> None:
    whole = [
        {"index": 0, "id": "call_f", "type": "function", "function": {"name": "f", "arguments": '{"a":1}'}},
        {"index": 1, "id": "call_g", "type": "function", "function": {"name": "g", "arguments": '{"b":"x"}'}},
    ]
    assert [d["tool_calls"] for d in deltas_of(sample("calls", "tool-whole-in-one-chunk")) if "tool_calls" in d] == [
        whole[:1], whole[1:],
    ]  # fmt: skip
    assert [d["tool_calls"] for d in deltas_of(sample("calls", "tool-several-in-one-delta")) if "tool_calls" in d] == [
        whole
    ]
    custom = {"index": 0, "id": "call_c", "type": "custom", "custom": {"name": "c", "input": "x y"}}
    assert pieces_of(sample("custom", "tool-whole-in-one-chunk")) == [custom]


def test_calls_may_alternate() -> None:
    indexes = [piece["index"] for piece in pieces_of(sample("calls", "tool-interleaved"))]
    assert indexes == [0, 0, 1, 1, 0, 1, 0, 1, 0, 1, 0, 1]
    assert indexes != sorted(indexes)


def test_arguments_may_be_an_object_null_absent_or_come_twice() -> None:
    assert [p["function"]["arguments"] for p in pieces_of(sample("calls", "tool-args-object"))] == [
        {"a": 1},
        {"b": "x"},
    ]
    assert "arguments" not in pieces_of(sample("custom", "tool-args-object"))[0]["custom"]
    text = make_stream(
        Reply(tool_calls=(ToolCall("f", "{oops"), ToolCall("g", ""))), ask_stream(), ["tool-args-object"]
    )
    assert [piece["function"]["arguments"] for piece in pieces_of(text)] == ["{oops", {}]
    for name, first in {
        "tool-args-null-first": {"name": "f", "arguments": None},
        "tool-args-missing-first": {"name": "f"},
    }.items():
        assert pieces_of(sample("calls", name))[0]["function"] == first
    assert pieces_of(sample("custom", "tool-args-missing-first"))[0]["custom"] == {"name": "c"}
    assert [p["function"]["arguments"] for p in pieces_of(sample("calls", "tool-args-resent"))][-2:] == [
        '{"a":1}',
        '{"b":"x"}',
    ]
    assert expect(sample("calls", "tool-args-resent")).right == "error"
    empty = make_stream(Reply(tool_calls=(ToolCall("f", ""),)), ask_stream(), ["tool-args-resent"])
    assert expect(empty).right == "same"


def test_what_stands_beside_a_call() -> None:
    beside = {
        name: [delta["content"] for delta in deltas_of(sample("one call", name)) if delta.get("tool_calls")]
        for name in ("tool-content-empty", "tool-content-null")
    }
    assert set(map(str, beside["tool-content-empty"])) == {""}
    assert set(beside["tool-content-null"]) == {None}
    assert all("tool_calls" in delta for delta in deltas_of(sample("text", "tool-calls-empty-array")))
    signed = pieces_of(sample("calls", "tool-extra-content"))
    assert ["extra_content" in piece for piece in signed] == ["id" in piece for piece in signed]


# What is added


def test_providers_add_members_of_their_own() -> None:
    filtered = [
        c["choices"][0]["content_filter_results"] for c in chunks_of(sample("text", "content-filter-results"))[:-1]
    ]
    assert [bool(results) for results in filtered] == [False, False, False, True, True, False]
    timed = chunks_of(sample("text", "timings"))
    assert ["timings" in chunk for chunk in timed] == [False] * 6 + [True]
    assert "timings" in chunks_of(sample("text", "timings", usage=False))[-1]
    groq = chunks_of(sample("text", "x-groq"))
    assert ["x_groq" in chunk for chunk in groq] == [True, False, False, False, False, True, False]
    assert groq[5]["x_groq"]["usage"] == groq[5]["usage"] == groq[6]["usage"]
    assert ["x_groq" in chunk for chunk in chunks_of(sample("text", "x-groq", usage=False))] == [True] + [False] * 5
    unknown = chunks_of(sample("calls", "unknown-keys"))[3]
    assert unknown["x_unknown"] == {"nested": [1, None, "two"]}
    assert unknown["choices"][0]["delta"]["tool_calls"][0]["x_unknown"] == 0


def test_nan_stands_bare_in_the_json() -> None:
    stream = sample("text", "json-nan")
    assert b'"logprob":NaN' in body_of(stream)
    with pytest.raises(ValueError, match="NaN is no JSON"):
        read(body_of(stream))


# Events and framing


def test_done_may_be_missing_or_come_twice() -> None:
    assert body_of(sample("text", "done-missing")).count(b"[DONE]") == 0
    assert body_of(sample("text", "done-twice")).count(b"[DONE]") == 2


def test_comments_ids_names_and_the_space_after_the_colon() -> None:
    assert body_of(sample("text", "comments-first")).startswith(b": OPENROUTER PROCESSING\n\n" * 3 + b"data: ")
    events = len(list(sample("text").events()))
    assert body_of(sample("text", "comments-between")).count(b": keep-alive\n\ndata: ") == events
    assert body_of(sample("text", "event-names")).count(b"event: message\ndata: ") == events
    assert body_of(sample("text", "event-ids")).startswith(b"id: 0\ndata: ")
    assert b"data: " not in body_of(sample("text", "data-no-space"))


def test_an_events_quirk_bends_raw_events_too() -> None:
    def events() -> Iterator[Event]:
        yield Event(b"{}", 0.0, "delta")
        yield Event(b"[DONE]", 0.0, "done")

    assert [event.kind for event in bend("events", events(), ["done-missing"])] == ["delta"]


def test_chunks_that_waited_are_never_due_before_what_precedes_them() -> None:
    def chunk(index: int, due_s: float, kind: Any = "delta") -> Chunk:
        choice = {"index": index, "delta": {"content": "x"} if kind == "delta" else {}, "finish_reason": None}
        return Chunk({"choices": [choice]}, due_s, kind)

    (quirk,) = (quirk for quirk in FINISH if quirk.name == "finish-with-content")
    chunks = [
        chunk(0, 0.0),
        chunk(1, 1.0),
        chunk(1, 2.0),
        chunk(0, 5.0),
        chunk(0, 6.0, "finish"),
        chunk(1, 6.0, "finish"),
    ]
    due = [bent.due_s for bent in quirk.apply(iter(chunks))]
    assert due == sorted(due)
