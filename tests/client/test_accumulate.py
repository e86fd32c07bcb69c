import contextlib
from collections.abc import Callable
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from client.accumulate import Accumulator, accumulate
from client.completion import Audio, Choice, Completion, Delta, FunctionCall
from client.errors import MalformedError
from client.textchunk import TextChunk, decode_text_chunk
from tests.client import chunks as make
from tests.client.chunks import HEAD, chunk, text

PLAIN = [chunk({"role": "assistant", "content": ""}), text("Hel"), text("lo"), chunk(finish="stop")]
HELLO = Completion(
    id="chatcmpl-1", created=1700000000, model="m", choices=(Choice(0, content="Hello", finish_reason="stop"),)
)
USAGE = {"prompt_tokens": 3, "completion_tokens": 2, "total_tokens": 5}


def hello(**changes: Any) -> Completion:
    """HELLO with changes."""
    return msgspec.structs.replace(HELLO, **changes)


def with_first(**changes: Any) -> Completion:
    """HELLO with a changed choice."""
    return hello(choices=(msgspec.structs.replace(HELLO.first, **changes),))


def test_the_plain_stream_comes_to_its_completion() -> None:
    assert accumulate(PLAIN) == HELLO


def each(change: Callable[[dict[str, Any]], None]) -> list[dict[str, Any]]:
    """The plain stream with `change` done to a copy of each chunk."""
    copies = [msgspec.json.decode(msgspec.json.encode(one)) for one in PLAIN]
    for copy in copies:
        change(copy)
    return copies


def each_choice(**changes: object) -> list[dict[str, Any]]:
    return each(lambda one: one["choices"][0].update(changes))


def each_delta(**changes: object) -> list[dict[str, Any]]:
    return each(lambda one: one["choices"][0]["delta"].update(changes))


AZURE_FIRST = {"id": "", "object": "", "created": 0, "model": "", "choices": [], "prompt_filter_results": [1]}
SAME: dict[str, tuple[list[dict[str, Any]], Completion]] = {
    "role missing": (PLAIN[1:], HELLO),
    "role empty or null": ([chunk({"role": "", "content": None}), chunk({"role": None}), *PLAIN[1:]], HELLO),
    "role repeated": (each_delta(role="assistant"), HELLO),
    "role other": (each_delta(role="tool"), with_first(role="tool")),
    "content null first": ([chunk({"role": "assistant", "content": None}), *PLAIN[1:]], HELLO),
    "empty deltas": ([PLAIN[0], chunk(), text(""), PLAIN[1], chunk(), PLAIN[2], chunk(), PLAIN[3]], HELLO),
    "delta null": ([*PLAIN[:3], {**HEAD, "choices": [{"index": 0, "delta": None, "finish_reason": "stop"}]}], HELLO),
    "delta missing": ([*PLAIN[:3], {**HEAD, "choices": [{"index": 0, "finish_reason": "stop"}]}], HELLO),
    "message in place of delta": (
        [
            {
                **HEAD,
                "choices": [
                    {"index": 0, "message": {"role": "assistant", "content": "Hello"}, "finish_reason": "stop"}
                ],
            }
        ],
        HELLO,
    ),
    "message beside delta": (each_choice(message={"content": "no"}), HELLO),
    "finish with content": ([PLAIN[0], text("Hel"), text("lo", "stop")], HELLO),
    "finish empty until the end": (
        each(lambda one: one["choices"][0].update(finish_reason=one["choices"][0]["finish_reason"] or "")),
        HELLO,
    ),
    "finish said twice": ([*PLAIN, chunk(finish="stop"), chunk()], HELLO),
    "finish changed by a late filter": (
        [*PLAIN, chunk(finish="content_filter")],
        with_first(finish_reason="content_filter"),
    ),
    "finish unknown": ([*PLAIN[:3], chunk(finish="eos")], with_first(finish_reason="eos")),
    "choices null": ([{**HEAD, "choices": None}, *PLAIN], HELLO),
    "choices missing": ([HEAD, *PLAIN, {**HEAD, "usage": USAGE}], hello(usage=USAGE)),
    "choices empty in mid-stream": ([PLAIN[0], {**HEAD, "choices": []}, *PLAIN[1:]], HELLO),
    "choice index missing": (each(lambda one: one["choices"][0].pop("index")), HELLO),
    "id empty": (each(lambda one: one.update(id="")), hello(id="")),
    "id changes": ([*PLAIN[:2], {**PLAIN[2], "id": "other"}, PLAIN[3]], HELLO),
    "created zero": (each(lambda one: one.update(created=0)), hello(created=None)),
    "created float": (each(lambda one: one.update(created=1.5)), hello(created=1.5)),
    "Azure's first chunk": ([AZURE_FIRST, *PLAIN], hello(extra={"prompt_filter_results": [1]})),
    "Azure's asynchronous filter": (
        [
            *PLAIN,
            {
                "id": "",
                "model": "",
                "choices": [
                    {
                        "index": 0,
                        "finish_reason": None,
                        "content_filter_results": {"hate": {}},
                        "content_filter_offsets": {"end_offset": 5},
                    }
                ],
            },
        ],
        with_first(extra={"content_filter_results": {"hate": {}}, "content_filter_offsets": {"end_offset": 5}}),
    ),
    "usage null until the end": (
        [*each(lambda one: one.update(usage=None)), {**HEAD, "choices": [], "usage": USAGE}],
        hello(usage=USAGE),
    ),
    "usage in every chunk": (
        [{**one, "usage": {**USAGE, "completion_tokens": k}} for k, one in enumerate(PLAIN)],
        hello(usage={**USAGE, "completion_tokens": 3}),
    ),
    "usage with the finish": ([*PLAIN[:3], {**PLAIN[3], "usage": USAGE}], hello(usage=USAGE)),
    "usage, then an empty chunk": (
        [*PLAIN, {**HEAD, "choices": [], "usage": USAGE}, {**HEAD, "choices": [], "usage": None}],
        hello(usage=USAGE),
    ),
    "usage empty": (each(lambda one: one.update(usage={})), HELLO),
    "usage in part": (
        [*PLAIN, {**HEAD, "choices": [], "usage": {"total_tokens": 5}}],
        hello(usage={"total_tokens": 5}),
    ),
    "usage in the choice": (
        [*PLAIN[:3], {**HEAD, "choices": [{"index": 0, "delta": {}, "finish_reason": "stop", "usage": USAGE}]}],
        hello(usage=USAGE),
    ),
    "usage under x_groq": (
        [{**PLAIN[0], "x_groq": {"id": "r"}}, *PLAIN[1:3], {**PLAIN[3], "x_groq": {"id": "r", "usage": USAGE}}],
        hello(usage=USAGE, extra={"x_groq": {"id": "r", "usage": USAGE}}),
    ),
    "service tier unknown": (each(lambda one: one.update(service_tier="on_demand")), hello(service_tier="on_demand")),
    "service tier late": ([*PLAIN[:3], {**PLAIN[3], "service_tier": "flex"}], hello(service_tier="flex")),
    "service tier null at first": (
        [{**PLAIN[0], "service_tier": None}, {**PLAIN[1], "service_tier": "flex"}, *PLAIN[2:]],
        hello(service_tier="flex"),
    ),
    "fingerprint changes": (
        [{**one, "system_fingerprint": fp} for one, fp in zip(PLAIN, (None, "a", "b", None), strict=True)],
        hello(system_fingerprint="a"),
    ),
    "obfuscation": (each(lambda one: one.update(obfuscation="r4N7")), HELLO),
    "citations": ([*PLAIN[:3], {**PLAIN[3], "citations": ["u"], "provider": None}], hello(extra={"citations": ["u"]})),
    "moderation": (
        [*PLAIN, {**HEAD, "choices": [], "moderation": {"flagged": False}}],
        hello(extra={"moderation": {"flagged": False}}),
    ),
    "unknown keys of a delta": (
        [
            *PLAIN[:3],
            chunk({"annotations": [1], "note": "a"}),
            chunk({"annotations": [2], "note": "b", "score": 1}),
            chunk({"score": 2}),
            PLAIN[3],
        ],
        with_first(extra={"annotations": [1, 2], "note": "ab", "score": 2}),
    ),
    "objects in unknown keys of a delta": (
        [*PLAIN, chunk({"meta": {"a": "x", "b": {"c": [1]}}}), chunk({"meta": {"a": "y", "b": {"c": [2], "d": None}}})],
        with_first(extra={"meta": {"a": "xy", "b": {"c": [1, 2], "d": None}}}),
    ),
    "an unknown key that changes its kind": (
        [*PLAIN, chunk({"k": "a"}), chunk({"k": [1]}), chunk({"k": "b"})],
        with_first(extra={"k": "b"}),
    ),
    "reasoning_content": (
        [chunk({"reasoning_content": "th"}), chunk({"reasoning_content": "ink"}), *PLAIN],
        with_first(reasoning="think"),
    ),
    "reasoning": (
        [chunk({"reasoning": "th", "reasoning_details": [{"text": "th"}]}), chunk({"reasoning": "ink"}), *PLAIN],
        with_first(reasoning="think", extra={"reasoning_details": [{"text": "th"}]}),
    ),
    "reasoning under both names": (
        [
            chunk({"reasoning": "th", "reasoning_content": "th"}),
            chunk({"reasoning": "ink", "reasoning_content": ""}),
            *PLAIN,
        ],
        with_first(reasoning="think"),
    ),
    "reasoning that is no text": (
        [chunk({"reasoning": {"effort": "low"}}), *PLAIN],
        with_first(extra={"reasoning": {"effort": "low"}}),
    ),
    "refusal": (
        [chunk({"refusal": "I "}), chunk({"refusal": "can't"}), chunk(finish="stop")],
        with_first(content="", refusal="I can't"),
    ),
    "think tags are text": (
        [text("<thi"), text("nk>x</think>"), chunk(finish="stop")],
        with_first(content="<think>x</think>"),
    ),
    "cumulative deltas are appended": (
        [text("a"), text("ab"), text("ab"), chunk(finish="stop")],
        with_first(content="aabab"),
    ),
    "content in parts": (
        [
            chunk({"content": [{"type": "thinking", "thinking": [{"type": "text", "text": "hm"}]}]}),
            chunk(
                {
                    "content": [
                        {"type": "thinking", "thinking": "m"},
                        "Hel",
                        {"type": "text", "text": "lo"},
                        {"type": "image", "url": "u"},
                        5,
                    ]
                }
            ),
            chunk({"content": [{"type": "thinking", "thinking": [{"type": "image"}]}]}, "stop"),
        ],
        with_first(
            reasoning="hmm",
            extra={
                "content": [{"type": "image", "url": "u"}, 5, {"type": "thinking", "thinking": [{"type": "image"}]}]
            },
        ),
    ),
    "function_call": (
        [
            chunk({"function_call": {"name": "f", "arguments": ""}}),
            chunk({"function_call": {"arguments": '{"a"'}}),
            chunk({"function_call": {"name": "f", "arguments": ":1}"}}, "function_call"),
        ],
        with_first(content="", function_call=FunctionCall("f", '{"a":1}'), finish_reason="function_call"),
    ),
    "logprobs": (
        [
            {
                **HEAD,
                "choices": [
                    {
                        "index": 0,
                        "delta": {"content": "Hel"},
                        "logprobs": {"content": [{"token": "Hel", "bytes": [72]}], "refusal": None},
                    }
                ],
            },
            {
                **HEAD,
                "choices": [
                    {
                        "index": 0,
                        "delta": {"content": "lo"},
                        "logprobs": {"content": [{"token": "lo"}], "refusal": None},
                        "finish_reason": "stop",
                    }
                ],
            },
        ],
        with_first(logprobs={"content": [{"token": "Hel", "bytes": [72]}, {"token": "lo"}], "refusal": None}),
    ),
    "audio": (
        [
            chunk({"audio": {"id": "a1", "transcript": "Hel"}}),
            chunk({"audio": {"data": "QUJD"}}),
            chunk({"audio": {"id": "a1", "data": "RA==", "transcript": "lo"}}),
            chunk({"audio": {"expires_at": 9}}, "stop"),
        ],
        with_first(content="", audio=Audio("a1", "QUJDRA==", "Hello", 9)),
    ),
    "audio padded piece by piece": (
        [chunk({"audio": {"data": "QQ=="}}), chunk({"audio": {"data": "Qg=="}}, "stop")],
        with_first(content="", audio=Audio(data="QUI=")),
    ),
    "audio that is not even ASCII": (
        [chunk({"audio": {"data": "YQ=="}}), chunk({"audio": {"data": "é"}}, "stop")],
        with_first(content="", audio=Audio(data="YQ==é")),
    ),
    "audio that is not base64": (
        [chunk({"audio": {"data": "?="}}), chunk({"audio": {"data": "Qg=="}}, "stop")],
        with_first(content="", audio=Audio(data="?=Qg==")),
    ),
    "n interleaved": (
        [
            {**HEAD, "choices": [{"index": 1, "delta": {"content": "B"}}, {"index": 0, "delta": {"content": "A"}}]},
            text("b", "stop", index=1),
            text("a", "length", index=0),
        ],
        hello(choices=(Choice(0, content="Aa", finish_reason="length"), Choice(1, content="Bb", finish_reason="stop"))),
    ),
    "nothing": ([], Completion()),
}


@pytest.mark.parametrize("row", SAME.values(), ids=SAME.keys())
def test_a_shape_comes_to_its_completion(row: tuple[list[dict[str, Any]], Completion]) -> None:
    chunks, completion = row
    assert accumulate(chunks) == completion


WRONG: dict[str, tuple[dict[str, Any], str]] = {
    "choices": ({"choices": "x"}, "a list at choices"),
    "choice": ({"choices": [None]}, "an object at choices[0]"),
    "index": ({"choices": [{"index": "0"}]}, "a whole number at choices[0].index"),
    "delta": (chunk("x"), "an object at choices[0].delta"),
    "content": ({"choices": [{"delta": {}}, {"delta": {"content": 5}}]}, "a text at choices[1].delta.content"),
    "refusal": (chunk({"refusal": []}), "a text at choices[0].delta.refusal"),
    "role": (chunk({"role": 1}), "a text at choices[0].delta.role"),
    "finish_reason": ({"choices": [{"finish_reason": 1}]}, "a text at choices[0].finish_reason"),
    "logprobs": ({"choices": [{"logprobs": 1}]}, "an object at choices[0].logprobs"),
    "function_call": (chunk({"function_call": "f"}), "an object at choices[0].delta.function_call"),
    "audio": (chunk({"audio": "a"}), "an object at choices[0].delta.audio"),
    "audio's id": (chunk({"audio": {"id": 5}}), "a text at choices[0].delta.audio.id"),
    "audio's data": (chunk({"audio": {"data": 5}}), "a text at choices[0].delta.audio.data"),
    "audio's transcript": (chunk({"audio": {"transcript": {}}}), "a text at choices[0].delta.audio.transcript"),
    "usage": ({"usage": 5}, "an object at usage"),
    "usage of the choice": ({"choices": [{"usage": 5}]}, "an object at choices[0].usage"),
}


@pytest.mark.parametrize("row", WRONG.values(), ids=WRONG.keys())
def test_a_wrong_shape_is_refused_by_its_place(row: tuple[dict[str, Any], str]) -> None:
    value, expected = row
    with pytest.raises(MalformedError) as caught:
        accumulate([value])
    assert caught.value.expected == expected


def test_each_chunk_says_what_it_adds_to_each_choice() -> None:
    accumulator = Accumulator()
    raw = {"role": "assistant", "content": "a", "reasoning": "b", "refusal": "c", "tool_calls": [{"index": 0}], "x": 1}
    assert accumulator.add({"choices": [{"index": 2, "delta": raw, "finish_reason": "stop"}, {"index": 0}]}) == [
        Delta(2, "a", "b", "c", ({"index": 0},), "stop", raw),
        Delta(0),
    ]
    assert (accumulator.choice_count, accumulator.unfinished, accumulator.chunk_count) == (2, (0,), 1)


@pytest.mark.parametrize(
    ("delta", "has_token"),
    [
        ({"role": "assistant", "content": ""}, False),
        ({"content": "a"}, True),
        ({"reasoning": "a"}, True),
        ({"refusal": "a"}, True),
        ({"tool_calls": [{"index": 0}]}, True),
        ({"function_call": {"name": "f"}}, True),
        ({"audio": {"data": "QQ=="}}, True),
        ({}, False),
    ],
)
def test_a_delta_knows_whether_it_carries_a_token(delta: dict[str, Any], has_token: bool) -> None:
    assert Accumulator().add(chunk(delta))[0].has_token is has_token


def test_the_properties_of_a_completion_read_its_first_choice() -> None:
    completion = accumulate(
        [chunk({"content": "a", "refusal": "b", "reasoning": "c", "tool_calls": [{"id": "t"}]}, "stop")]
    )
    first = completion.choices[0]
    assert (completion.content, completion.refusal, completion.reasoning) == ("a", "b", "c")
    assert (completion.tool_calls, completion.finish_reason) == (first.tool_calls, "stop")
    assert Completion().first == Choice(0)


def test_a_completion_does_not_change_when_more_is_added() -> None:
    accumulator = Accumulator()
    accumulator.add(
        {**chunk({"tool_calls": [{"id": "t", "function": {"name": "f", "arguments": "a"}}], "x": ["a"]}), "k": 1}
    )
    before = accumulator.completion()
    copy = msgspec.json.encode(before)
    accumulator.add({**chunk({"tool_calls": [{"function": {"arguments": "b"}}], "x": ["b"]}), "k": 2, "j": 3})
    assert msgspec.json.encode(before) == copy


# Merging is associative


def merge_in_groups(accumulators: list[Accumulator], choose: Callable[[int], int]) -> Accumulator:
    """Merge neighbours two by two, in the order that `choose` picks, until one is left."""
    while len(accumulators) > 1:
        at = choose(len(accumulators) - 1)
        accumulators[at].merge(accumulators.pop(at + 1))
    return accumulators[0]


def single(one: dict[str, Any]) -> Accumulator:
    accumulator = Accumulator()
    accumulator.add(one)
    return accumulator


@given(st.lists(make.chunks, min_size=1, max_size=8), st.data())
def test_merging_in_any_grouping_comes_to_the_same(chunks: list[dict[str, Any]], data: st.DataObject) -> None:
    merged = merge_in_groups([single(one) for one in chunks], lambda size: data.draw(st.integers(0, size - 1)))
    assert merged.completion() == accumulate(chunks)
    assert merged.chunk_count == len(chunks)
    assert merged.unfinished == tuple(
        choice.index for choice in merged.completion().choices if not choice.finish_reason
    )


calls_alone = st.lists(make.pieces, min_size=1, max_size=2).map(lambda entries: chunk({"tool_calls": entries}))


@given(st.lists(calls_alone, min_size=2, max_size=7), st.data())
def test_merging_tool_calls_in_any_grouping_comes_to_the_same(
    chunks: list[dict[str, Any]], data: st.DataObject
) -> None:
    merged = merge_in_groups([single(one) for one in chunks], lambda size: data.draw(st.integers(0, size - 1)))
    assert merged.completion() == accumulate(chunks)


def test_merging_leaves_the_later_one_as_it_was() -> None:
    first, later = (
        single(chunk({"tool_calls": [{"id": "t", "function": {"arguments": "a"}}]})),
        single(chunk({"tool_calls": [{"id": "t", "function": {"arguments": "b"}}]})),
    )
    before = later.completion()
    first.merge(later)
    first.add(chunk({"tool_calls": [{"function": {"arguments": "c"}}]}))
    assert first.completion().tool_calls[0].arguments == "abc"
    assert later.completion() == before


def test_adding_after_a_merge_goes_on() -> None:
    accumulator = single(text("a"))
    accumulator.merge(single({**text("b"), "service_tier": "flex"}))
    accumulator.add(text("c", "stop"))
    assert accumulator.completion() == hello(
        choices=(Choice(0, content="abc", finish_reason="stop"),), service_tier="flex"
    )


@given(st.lists(make.odd_chunks, max_size=2))
def test_of_any_json_whatever_comes_a_completion_or_the_refusal_of_its_shape(chunks: list[dict[str, Any]]) -> None:
    accumulator = Accumulator()
    with contextlib.suppress(MalformedError):
        for one in chunks:
            accumulator.add(one)
    assert msgspec.json.encode(accumulator.completion())


# The short way for text chunks


def read_short(data: str) -> TextChunk | None:
    try:
        return decode_text_chunk(data)
    except (msgspec.DecodeError, RecursionError):
        return None


@given(st.lists(make.chunks | make.words.map(text), max_size=8))
def test_the_short_way_comes_to_the_same_as_the_general_one(chunks: list[dict[str, Any]]) -> None:
    accumulator = Accumulator()
    for one in chunks:
        short = read_short(msgspec.json.encode(one).decode())
        delta = accumulator.add_text(short) if short is not None else None
        if delta is None:
            accumulator.add(one)
        else:
            assert [delta] == Accumulator().add(one)
    assert accumulator.completion() == accumulate(chunks)
    assert accumulator.chunk_count == len(chunks)


def test_the_short_way_is_taken_by_plain_text_once_the_stream_is_known() -> None:
    accumulator = Accumulator()
    short = read_short(msgspec.json.encode(text("a")).decode())
    assert short is not None
    assert accumulator.add_text(short) is None
    accumulator.add(PLAIN[0])
    assert accumulator.add_text(short) == Delta(0, "a", raw={"content": "a"})


def test_the_short_way_is_taken_though_the_head_says_null_where_others_say_something() -> None:
    first = {**PLAIN[0], "service_tier": "default", "system_fingerprint": None}
    accumulator = single(first)
    short = read_short(msgspec.json.encode({**text("a"), "system_fingerprint": None}).decode())
    assert short is not None
    assert accumulator.add_text(short) == Delta(0, "a", raw={"content": "a"})


@pytest.mark.parametrize("news", [{"service_tier": "flex"}, {"system_fingerprint": "fp"}])
def test_the_short_way_is_not_taken_where_something_new_is_told(news: dict[str, str]) -> None:
    accumulator = single(PLAIN[0])
    short = read_short(msgspec.json.encode({**text("a"), **news}).decode())
    assert short is not None
    assert accumulator.add_text(short) is None
    assert accumulator.chunk_count == 1


@pytest.mark.parametrize(
    "data", ["", "{}", "[DONE]", "[" * 100_000, '{"id":"c"', msgspec.json.encode(chunk(finish="stop")).decode()]
)
def test_anything_else_is_no_text_chunk(data: str) -> None:
    assert read_short(data) is None
