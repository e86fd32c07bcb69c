import math
from collections.abc import Iterable
from itertools import count, groupby, islice, pairwise
from string import ascii_letters, digits
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mockserver.chunks import Chunk, Identity, join_values, logprobs_of, make_chunks, obfuscate
from mockserver.completion import CompletedChoice
from mockserver.reply import Choice, FunctionCall, Reply, ToolCall
from mockserver.request import ChatRequest
from mockserver.runs import Token
from mockserver.timing import Pause, Schedule, Timing
from tests.mockserver.strategies_local import IDENTITY, answer, ask, groups, replies, requests, stream, texts

timings = st.builds(
    Timing,
    ttft=st.floats(0, 10).map(Pause.decode),
    itl=st.lists(st.floats(0, 1), min_size=1, max_size=4).map(lambda pauses: Pause.decode({"recorded": pauses})),
)

A, B = ToolCall("a", pieces=("{", "}"), id="call_a"), ToolCall("b", pieces=("[", "]"), id="call_b")


def choice_of(chunk: Chunk) -> dict[str, Any]:
    [choice] = chunk.data["choices"]
    found: dict[str, Any] = choice
    return found


def of_choice(chunks: Iterable[Chunk], index: int) -> list[Chunk]:
    return [chunk for chunk in chunks if chunk.data["choices"] and choice_of(chunk)["index"] == index]


def opens_call(chunk: Chunk) -> bool:
    delta = choice_of(chunk)["delta"]
    return "id" in delta.get("tool_calls", [{}])[0] or "name" in delta.get("function_call", {})


def token_chunks(chunks: Iterable[Chunk]) -> list[Chunk]:
    """The chunks that carry tokens."""
    return [chunk for chunk in chunks if chunk.kind == "delta" and not opens_call(chunk)]


def text_of(delta: dict[str, Any]) -> tuple[str, int, str]:
    """The part, call and text of a delta that carries tokens."""
    [(part, value)] = delta.items()
    match part:
        case "tool_calls":
            [call] = value
            [body] = (call[kind] for kind in ("function", "custom") if kind in call)
            [text] = body.values()
            return "tool_call", call["index"], text
        case "function_call":
            return "function_call", 0, value["arguments"]
        case "reasoning_content":
            return "reasoning", 0, value
        case _:
            return part, 0, value


def deltas(reply: Reply, group: tuple[int, ...] = (), **parameters: Any) -> list[dict[str, Any]]:
    return [choice_of(chunk)["delta"] for chunk in stream(reply, ask(**parameters), group)]


# The order of a stream


@given(replies(), requests(), groups)
def test_every_choice_has_a_role_delta_its_tokens_and_a_finish(
    reply: Reply, request: ChatRequest, group: tuple[int, ...]
) -> None:
    chunks = stream(reply, request, group)
    for choice in answer(reply, request).choices:
        mine = of_choice(chunks, choice.index)
        assert [chunk.kind for chunk in mine] == ["role", *["delta"] * (len(mine) - 2), "finish"]
        assert choice_of(mine[0])["delta"]["role"] == "assistant"
        assert not any("role" in choice_of(chunk)["delta"] for chunk in mine[1:])
        assert [choice_of(chunk)["finish_reason"] for chunk in mine] == [None] * (len(mine) - 1) + [
            choice.finish_reason
        ]
        assert choice_of(mine[-1])["delta"] == {}
        assert all(choice_of(chunk)["delta"] for chunk in mine[:-1])


@given(replies(), requests())
def test_one_chunk_a_token_in_the_order_of_the_tokens(reply: Reply, request: ChatRequest) -> None:
    chunks = stream(reply, request)
    for choice in answer(reply, request).choices:
        said = [text_of(choice_of(chunk)["delta"]) for chunk in token_chunks(of_choice(chunks, choice.index))]
        assert said == [(token.part, token.call, token.text) for token in choice.tokens]


@given(replies(), requests(), groups)
def test_the_stream_ends_with_the_finish_of_each_choice_in_turn_and_then_the_usage(
    reply: Reply, request: ChatRequest, group: tuple[int, ...]
) -> None:
    chunks = stream(reply, request, group)
    usage = ["usage"] if request.include_usage else []
    tail = ["finish"] * request.n + usage
    assert [chunk.kind for chunk in chunks[-len(tail) :]] == tail
    assert not {"finish", "usage"} & {chunk.kind for chunk in chunks[: -len(tail)]}
    assert [choice_of(chunk)["index"] for chunk in chunks if chunk.kind == "finish"] == list(range(request.n))


@given(replies(), requests())
def test_choices_take_turns_token_by_token_each_role_right_before_its_first_token(
    reply: Reply, request: ChatRequest
) -> None:
    chunks = stream(reply, request)
    positions = {index: count() for index in range(request.n)}
    turns = [
        (next(positions[index]), index)
        for chunk in token_chunks(chunk for chunk in chunks if chunk.data["choices"])
        for index in [choice_of(chunk)["index"]]
    ]
    assert turns == sorted(turns)
    for role, after in pairwise(chunks):
        if role.kind == "role" and len(answer(reply, request).choices[choice_of(role)["index"]].tokens):
            assert choice_of(after)["index"] == choice_of(role)["index"]


@given(replies(), requests())
def test_a_call_starts_right_before_its_first_token_and_calls_without_tokens_start_in_their_order(
    reply: Reply, request: ChatRequest
) -> None:
    chunks = stream(reply, request)
    for choice in answer(reply, request).choices:
        started: list[int] = []
        for chunk in of_choice(chunks, choice.index):
            for piece in choice_of(chunk)["delta"].get("tool_calls", []):
                if "id" in piece:
                    started.append(piece["index"])
                assert piece["index"] == started[-1]
        assert started == list(range(len(choice.calls)))


def test_a_stream_can_be_made_again() -> None:
    completion, request = answer(Reply(content="Hello there", tool_calls=(A, B)), ask(n=2, logprobs=True)), ask(n=2)
    schedule = Schedule(Timing(itl=Pause.decode([0, 1])), "7")
    first, second = (list(make_chunks(completion, request, IDENTITY, schedule, (2, 3))) for _ in range(2))
    assert first == second


# What all chunks share


@given(replies(), requests(), groups)
def test_one_identity_for_all_chunks(reply: Reply, request: ChatRequest, group: tuple[int, ...]) -> None:
    for chunk in stream(reply, request, group):
        assert {key: value for key, value in chunk.data.items() if key not in ("choices", "usage", "obfuscation")} == {
            "id": "chatcmpl-1",
            "object": "chat.completion.chunk",
            "created": 1_700_000_000,
            "model": "gpt-4o-mini",
            "service_tier": "default",
            "system_fingerprint": "fp_50cad350e4",
        }


def test_fingerprint_and_tier_may_be_null_as_with_newer_models() -> None:
    identity = Identity("chatcmpl-1", 1, "gpt-5", "7", system_fingerprint=None, service_tier=None)
    chunks = list(make_chunks(answer(Reply(), ask()), ask(), identity, [0.0]))
    assert {(chunk.data["system_fingerprint"], chunk.data["service_tier"]) for chunk in chunks} == {(None, None)}


@given(replies(), requests())
def test_usage_is_null_in_all_chunks_but_the_last_and_only_there_if_asked_for(
    reply: Reply, request: ChatRequest
) -> None:
    chunks = stream(reply, request)
    if not request.include_usage:
        assert not any("usage" in chunk.data for chunk in chunks)
        return
    *others, last = chunks
    assert all(chunk.data["usage"] is None for chunk in others)
    assert (last.kind, last.data["choices"]) == ("usage", [])
    assert last.data["usage"] == answer(reply, request).usage


@given(replies(), requests())
def test_obfuscation_is_in_every_chunk_or_none(reply: Reply, request: ChatRequest) -> None:
    chunks = stream(reply, request)
    assert {"obfuscation" in chunk.data for chunk in chunks} == {request.include_obfuscation}


# Due times


@given(replies(), requests(), timings, groups)
def test_due_times_never_decrease_and_are_the_schedules(
    reply: Reply, request: ChatRequest, timing: Timing, group: tuple[int, ...]
) -> None:
    completion, schedule = answer(reply, request), Schedule(timing)
    chunks = list(make_chunks(completion, request, IDENTITY, schedule, group))
    assert all(earlier.due_s <= later.due_s for earlier, later in pairwise(chunks))
    longest = max(len(choice.tokens) for choice in completion.choices)
    due = list(islice(schedule, max(longest, 1)))
    assert {chunk.due_s for chunk in chunks if chunk.kind == "role"} == {schedule.ttft_s}
    assert {chunk.due_s for chunk in chunks if chunk.kind in ("finish", "usage")} == {due[-1]}


@given(replies(), requests())
def test_token_k_of_every_choice_is_due_at_the_kth_time(reply: Reply, request: ChatRequest) -> None:
    completion = answer(reply, request)
    chunks = list(make_chunks(completion, request, IDENTITY, map(float, count(100))))
    for choice in completion.choices:
        mine = token_chunks(of_choice(chunks, choice.index))
        assert [chunk.due_s for chunk in mine] == [100.0 + k for k in range(len(choice.tokens))]
        for start, token in pairwise(of_choice(chunks, choice.index)):
            if start.kind == "delta" and opens_call(start) and token.kind == "delta" and not opens_call(token):
                assert start.due_s == token.due_s


def test_no_more_times_are_taken_than_there_are_tokens() -> None:
    times = iter([1.0, 2.0, 3.0])
    list(make_chunks(answer(Reply(content="Hello there"), ask()), ask(), IDENTITY, times))
    assert list(times) == [3.0]


def test_with_nothing_to_say_all_is_due_with_the_first_token() -> None:
    chunks = list(make_chunks(answer(Reply(), ask()), ask(), IDENTITY, map(float, count(7))))
    assert [(chunk.kind, chunk.due_s) for chunk in chunks] == [("role", 7.0), ("finish", 7.0)]


# Several tokens in a chunk


def grouped(tokens: tuple[Token, ...], group: tuple[int, ...]) -> list[list[Token]]:
    """Runs of tokens of one part, as many as `group` says in turn."""
    found: list[list[Token]] = []
    sizes = iter(group)
    for _, run in groupby(tokens, key=lambda token: (token.part, token.call)):
        rest = list(run)
        while rest:
            size = next(sizes, 1)
            found.append(rest[:size])
            rest = rest[size:]
    return found


@given(replies(), requests(), groups)
def test_a_chunk_carries_as_many_tokens_as_told_but_of_one_part_only(
    reply: Reply, request: ChatRequest, group: tuple[int, ...]
) -> None:
    completion = answer(reply, request)
    chunks = list(make_chunks(completion, request, IDENTITY, map(float, count()), group))
    for choice in completion.choices:
        mine = token_chunks(of_choice(chunks, choice.index))
        runs = grouped(choice.tokens, group)
        assert [text_of(choice_of(chunk)["delta"]) for chunk in mine] == [
            (run[0].part, run[0].call, "".join(token.text for token in run)) for run in runs
        ]
        ends = [sum(len(run) for run in runs[: k + 1]) - 1 for k in range(len(runs))]
        assert [chunk.due_s for chunk in mine] == [float(end) for end in ends]


def test_a_group_is_the_same_for_every_choice() -> None:
    contents = [
        choice_of(chunk)["delta"]["content"] for chunk in token_chunks(stream(Reply(content="a b c d"), ask(n=2), (3,)))
    ]
    assert contents == ["a b c", "a b c", " d", " d"]


@given(texts, texts)
def test_joined_deltas_append_their_texts_and_keep_the_rest(one: str, other: str) -> None:
    def delta(text: str) -> dict[str, Any]:
        return {"tool_calls": [{"index": 0, "function": {"arguments": text}}], "content": None}

    assert join_values(delta(one), delta(other)) == delta(one + other)
    assert join_values({"a": one}, {"b": other}) == {"a": one, "b": other}
    assert join_values({"a": None}, {"a": other}) == {"a": other}


# The role delta

ROLES: list[tuple[Choice, dict[str, Any]]] = [
    (Choice(), {"content": "", "refusal": None}),
    (Choice(content="Hi"), {"content": "", "refusal": None}),
    (Choice(pieces=("",)), {"content": "", "refusal": None}),
    (Choice(reasoning="Hm"), {"content": "", "refusal": None}),
    (Choice(refusal="No"), {"content": None, "refusal": ""}),
    (Choice(content="Hi", refusal="No"), {"content": "", "refusal": None}),
    (Choice(content="Hi", tool_calls=(A,)), {"content": "", "refusal": None}),
    (Choice(refusal="No", tool_calls=(A,)), {"content": None, "refusal": ""}),
    (Choice(tool_calls=(A, B)), {"content": None}),
    (Choice(reasoning="Hm", tool_calls=(A,)), {"content": None}),
    (
        Choice(tool_calls=(A,)),
        {
            "content": None,
            "tool_calls": [
                {"index": 0, "id": "call_a", "type": "function", "function": {"name": "a", "arguments": ""}}
            ],
            "refusal": None,
        },
    ),
    (
        Choice(function_call=FunctionCall("f", arguments="{}")),
        {"content": None, "function_call": {"name": "f", "arguments": ""}, "refusal": None},
    ),
]


@pytest.mark.parametrize(("choice", "rest"), ROLES, ids=[str(rest)[:70] for _, rest in ROLES])
def test_the_role_delta_tells_what_follows(choice: Choice, rest: dict[str, Any]) -> None:
    assert deltas(Reply(choices=(choice,)))[0] == {"role": "assistant", **rest}


def test_a_call_that_has_no_arguments_is_only_started() -> None:
    empty = ToolCall("e", id="call_e")
    assert [list(delta) for delta in deltas(Reply(tool_calls=(empty,)))] == [
        ["role", "content", "tool_calls", "refusal"],
        [],
    ]
    assert [delta.get("tool_calls", [{}])[0].get("id") for delta in deltas(Reply(tool_calls=(empty, A, empty)))] == [
        None,
        "call_e",
        "call_a",
        None,
        None,
        "call_e",
        None,
    ]


# Obfuscation


def obfuscated(chunks: list[Chunk], seed: str = "7") -> list[str]:
    return [chunk.data["obfuscation"] for chunk in obfuscate(chunks, seed)]


def size_of(chunk: Chunk) -> int:
    """The characters of a chunk on the wire."""
    return len(msgspec.json.encode(chunk.data).decode())


@given(replies(), requests(), st.text(max_size=5))
def test_obfuscation_evens_out_sizes_to_multiples_of_sixteen_and_one(
    reply: Reply, request: ChatRequest, seed: str
) -> None:
    for chunk in obfuscate(stream(reply, request), seed):
        if request.include_obfuscation:
            assert size_of(chunk) % 16 == 1
            assert len(chunk.data["obfuscation"]) < 16
            assert set(chunk.data["obfuscation"]) <= set(ascii_letters + digits)
        else:
            assert "obfuscation" not in chunk.data


def test_tokens_of_different_lengths_make_chunks_of_the_same_size() -> None:
    chunks = obfuscate(stream(Reply(pieces=tuple("x" * k for k in range(1, 9))), ask()), "7")
    assert len({size_of(chunk) for chunk in token_chunks(chunks)}) <= 2


def test_obfuscation_varies_with_the_seed_alone() -> None:
    def letters(seed: str) -> list[str]:
        return obfuscated(stream(Reply(content="one two three"), ask()), seed)

    assert letters("7") == letters("7")
    assert letters("7") != letters("8")
    assert list(map(len, letters("7"))) == list(map(len, letters("8")))
    assert len({text[:8] for text in letters("7") if len(text) >= 8}) > 1


def test_the_step_can_be_told() -> None:
    assert {size_of(chunk) % 100 for chunk in obfuscate(stream(Reply(content="one two"), ask()), "7", step=100)} == {1}


# Log probabilities


@given(replies(), requests(), groups)
def test_logprobs_stand_beside_the_tokens_they_are_of(
    reply: Reply, request: ChatRequest, group: tuple[int, ...]
) -> None:
    for chunk in stream(reply, request, group):
        for choice in chunk.data["choices"]:
            if not request.logprobs:
                assert choice["logprobs"] is None
            elif chunk.kind == "role":
                opened = [part for part in ("content", "refusal") if choice["delta"].get(part) == ""]
                assert choice["logprobs"] == ({"content": None, "refusal": None, opened[0]: []} if opened else None)
            else:
                check_logprobs(choice["delta"], choice["logprobs"], request.top_logprobs)


def check_logprobs(delta: dict[str, Any], logprobs: dict[str, Any] | None, top: int) -> None:
    parts = [part for part in ("content", "refusal") if delta.get(part) is not None]
    if not parts:
        assert logprobs is None
        return
    [part] = parts
    assert logprobs is not None
    [silent] = {"content", "refusal"} - {part}
    assert logprobs[silent] is None
    assert bytes(byte for entry in logprobs[part] for byte in entry["bytes"]).decode() == delta[part]
    for entry in logprobs[part]:
        assert len(entry["top_logprobs"]) == top
        assert all(one["logprob"] >= two["logprob"] for one, two in pairwise(entry["top_logprobs"]))
        assert sum(math.exp(one["logprob"]) for one in entry["top_logprobs"]) <= 1 + 1e-9


def test_choices_have_log_probabilities_of_their_own() -> None:
    values = [
        choice_of(chunk)["logprobs"]["content"][0]["logprob"]
        for chunk in token_chunks(stream(Reply(content="Hi"), ask(n=3, logprobs=True)))
    ]
    assert len(set(values)) == 3


def test_the_logprobs_of_many_tokens_are_made_in_one_pass() -> None:
    tokens = [Token("content", "x")] * 20_000
    found = logprobs_of(tokens, 0, 0, "7")
    assert found is not None
    assert len(found["content"]) == 20_000


def test_a_part_that_is_opened_has_a_list_even_without_tokens() -> None:
    assert logprobs_of((), 0, 0, "7") is None
    assert logprobs_of((), 0, 0, "7", "content") == {"content": [], "refusal": None}
    assert logprobs_of((), 0, 0, "7", "refusal") == {"content": None, "refusal": []}
    calls = CompletedChoice(0, (Token("tool_call", "{"),), (), None, "length")
    assert logprobs_of(calls.tokens, 0, 0, "7") is None
