"""Dialects: each is data that loads, is understood as the reply, and has the shapes that its recordings have."""

import json
import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from mockserver.delivery import Delivery
from mockserver.dialects import Dialect, load_dialect, load_dialects, resolve_dialect
from mockserver.edits import Insert
from mockserver.errors import ScenarioError
from mockserver.ids import Ids, make_id, shape_id
from mockserver.loading import read_scenario
from mockserver.outcome import compare, expect
from mockserver.place import EventRef
from mockserver.plan import Terms, plan_turn
from mockserver.quirks import DIALECT_FILES, QUIRKS
from mockserver.reply import Reply, ToolCall
from mockserver.scenario import Scenario, convert, scenario_file_schema
from mockserver.sse import Framing, Lines
from mockserver.steps import Head, Write
from mockserver.stream import Stream
from tests.mockserver.quirks.bent import ask_stream
from tests.mockserver.strategies_local import replies
from tests.mockserver.tolerant import read
from tests.mockserver.whatwg import parse

TERMS = Terms(wall_s=1_700_000_000)
TEXT = Reply(content="Hi <b>", reasoning="Let me")
CALLS = Reply(tool_calls=(ToolCall("f", {"a": 1}), ToolCall("g", {"b": 2})))


def plan_stream(
    dialect: str, reply: Reply, n: int = 1, usage: bool = True, **delivery: Any
) -> tuple[Stream, bytes, bytes]:
    """The stream, its head, and its body as it goes over a wire without any transfer coding."""
    values = {"name": "x", "delivery": {"dialect": dialect, "http": {"transfer": "close"}, **delivery}}
    turn = Scenario.of(values).turn(0)
    plan = plan_turn(replace(turn, reply=reply), ask_stream(usage, n=n), TERMS)
    assert plan.stream is not None
    steps = list(plan)
    head = b"".join(step.data for step in steps if isinstance(step, Head))
    return plan.stream, head, b"".join(step.data for step in steps if isinstance(step, Write))


def chunks_of(dialect: str, reply: Reply, **more: Any) -> list[Any]:
    body = plan_stream(dialect, reply, **more)[2]
    return [json.loads(event.data) for event in parse(body).events if event.data != "[DONE]"]


def lines_of(dialect: str, reply: Reply) -> list[str]:
    return [line for line in plan_stream(dialect, reply)[2].decode().split("\n") if line]


@pytest.mark.parametrize("name", DIALECT_FILES)
def test_every_dialect_says_what_it_is_and_where_that_can_be_checked(name: str) -> None:
    dialect = load_dialect(name)
    assert dialect.name == name
    assert len(dialect.says) < 130
    assert all("https://" in source for source in dialect.sources)
    assert len(set(dialect.delivery.quirks)) == len(dialect.delivery.quirks)
    assert dialect.delivery.right is None, "its verdict follows from its quirks"


def test_the_dialects_of_the_issue_are_there() -> None:
    assert set(load_dialects()) == {
        "azure", "azure-async-filter", "vllm", "ollama", "llama.cpp", "openrouter", "deepseek", "mistral", "gemini", "groq",
    }  # fmt: skip


@given(st.sampled_from(sorted(DIALECT_FILES)), replies(), st.integers(1, 3), st.booleans())
def test_a_tolerant_consumer_understands_any_reply_in_any_dialect(name: str, reply: Reply, n: int, usage: bool) -> None:
    ids = [call.id for choice in (reply.choices or (reply,)) for call in choice.tool_calls]
    unique = len(set(ids)) == len([call for call in ids if call is not None]) or ids.count(None) == len(ids)
    stream, _, body = plan_stream(name, reply, n, usage)
    expected = expect(stream)
    if expected.right != "error" and unique:
        assert list(compare(expected.outcome, read(body))) == []


@pytest.mark.parametrize("name", DIALECT_FILES)
@pytest.mark.parametrize("reply", [TEXT, CALLS], ids=["text", "calls"])
def test_every_dialect_is_another_stream_than_openais_and_hides_nothing_it_could_not(name: str, reply: Reply) -> None:
    stream, _, body = plan_stream(name, reply)
    assert body != plan_stream("azure" if name != "azure" else "groq", reply)[2]
    either = [quirk for quirk in stream.delivery.quirks if QUIRKS[quirk].right == "either"]
    assert expect(stream).right in ("same", "either")
    assert either or expect(stream).right == "same"


def test_no_dialect_claims_to_be_openai_but_azure() -> None:
    for name in DIALECT_FILES:
        head = plan_stream(name, TEXT)[1]
        assert (b"openai-version" in head) is name.startswith("azure")


# Shapes, as recorded

SAFE = {name: {"filtered": False, "severity": "safe"} for name in ("hate", "self_harm", "sexual", "violence")}


def test_azure_tells_of_the_prompt_first_and_of_every_text() -> None:
    lines = lines_of("azure", TEXT)
    assert lines[0].startswith(
        'data: {"choices":[],"created":0,"id":"","model":"","object":"","prompt_filter_results":[{'
    )
    assert list(json.loads(lines[1].removeprefix("data: "))) == [
        "choices", "created", "id", "model", "obfuscation", "object", "system_fingerprint", "usage",
    ]  # fmt: skip
    chunks = chunks_of("azure", TEXT)
    assert chunks[1]["choices"][0]["content_filter_results"] == {}
    assert chunks[4]["choices"][0]["content_filter_results"] == SAFE
    assert chunks[-1]["choices"] == []
    assert chunks[-1]["usage"]["total_tokens"] == 13


def test_azures_asynchronous_filter_tells_in_chunks_without_delta_the_last_one_behind_the_finish() -> None:
    chunks = chunks_of("azure-async-filter", TEXT)
    told = [number for number, chunk in enumerate(chunks) if chunk["id"] == ""]
    assert told == [0, 4, 10]
    verdict = chunks[4]
    assert verdict == chunks[10]
    assert (verdict["created"], verdict["model"], verdict["object"], "usage" in verdict) == (0, "", "", False)
    (choice,) = verdict["choices"]
    assert set(choice) == {"content_filter_offsets", "content_filter_results", "finish_reason", "index"}
    assert chunks[9]["choices"][0]["finish_reason"] == "stop"
    assert not any("content_filter_results" in c for k in (1, 5, 9) for c in chunks[k]["choices"])


def test_vllm() -> None:
    chunks = chunks_of("vllm", TEXT)
    assert re.fullmatch("chatcmpl-[0-9a-f]{16}", chunks[0]["id"])
    assert chunks[0]["prompt_token_ids"] is None
    assert "token_ids" not in chunks[0]["choices"][0]
    assert chunks[1]["choices"] == [
        {"index": 0, "delta": {"reasoning": "Let"}, "logprobs": None, "finish_reason": None, "token_ids": None}
    ]
    assert chunks[-2]["choices"] == [
        {
            "index": 0,
            "delta": {"content": ""},
            "logprobs": None,
            "finish_reason": "stop",
            "stop_reason": None,
            "token_ids": None,
        }
    ]
    assert json.dumps(chunks[-1]["usage"]) == '{"prompt_tokens": 7, "total_tokens": 13, "completion_tokens": 6}'
    first, second = (chunk["choices"][0]["delta"]["tool_calls"][0] for chunk in chunks_of("vllm", CALLS)[1:3])
    assert list(first) == ["id", "type", "index", "function"]
    assert (first["id"][:14], first["function"]) == ("chatcmpl-tool-", {"name": "f"})
    assert second == {"index": 0, "function": {"arguments": '{"'}}
    last = chunks_of("vllm", CALLS)[-2]["choices"][0]
    assert (last["delta"]["tool_calls"][0]["function"]["arguments"], last["finish_reason"]) == ("}", "tool_calls")


def test_ollama() -> None:
    lines = lines_of("ollama", TEXT)
    assert re.fullmatch(
        r'data: {"id":"chatcmpl-\d{3}","object":"chat.completion.chunk","created":1700000000,"model":"gpt-4o-mini",'
        r'"system_fingerprint":"fp_ollama","choices":\[{"index":0,"delta":{"role":"assistant","content":"","reasoning":"Let"},'
        r'"finish_reason":null}\]}',
        lines[0],
    )
    assert r'"delta":{"role":"assistant","content":"\u003e"}' in lines[5]
    assert '"delta":{"role":"assistant","content":""},"finish_reason":"stop"' in lines[6]
    call = chunks_of("ollama", CALLS)[1]["choices"][0]["delta"]["tool_calls"][0]
    assert (list(call), call["index"]) == (["id", "index", "type", "function"], 1)
    assert re.fullmatch("call_[A-Za-z0-9]{8}", call["id"])


def test_llama_cpp() -> None:
    lines = lines_of("llama.cpp", TEXT)
    assert lines[0].startswith(
        'data: {"choices":[{"finish_reason":null,"index":0,"delta":{"role":"assistant","content":null}}],"created":'
    )
    assert lines[0].endswith('"system_fingerprint":"b6881-8b11deea4","object":"chat.completion.chunk"}')
    last = chunks_of("llama.cpp", TEXT)[-1]
    assert list(last)[-2:] == ["usage", "timings"]
    assert list(last["usage"]) == ["completion_tokens", "prompt_tokens", "total_tokens"]
    assert "timings" in chunks_of("llama.cpp", TEXT, usage=False)[-1]
    call = chunks_of("llama.cpp", CALLS)[1]["choices"][0]["delta"]["tool_calls"][0]
    assert list(call) == ["index", "id", "type", "function"]


def test_openrouter() -> None:
    lines = lines_of("openrouter", TEXT)
    assert lines[:3] == [": OPENROUTER PROCESSING"] * 3
    chunks = chunks_of("openrouter", TEXT)
    assert re.fullmatch("gen-1700000000-[A-Za-z0-9]{20}", chunks[0]["id"])
    assert list(chunks[0]) == ["id", "object", "created", "model", "provider", "system_fingerprint", "choices"]
    assert list(chunks[0]["choices"][0]["delta"]) == ["content", "role", "reasoning", "reasoning_details"]
    finish, usage = chunks[-2:]
    assert finish["choices"] == usage["choices"]
    assert finish["choices"][0] == {
        "index": 0, "delta": {"content": "", "role": "assistant"}, "finish_reason": "stop", "native_finish_reason": "stop",
    }  # fmt: skip
    assert usage["usage"]["cost"] > 0
    assert usage["usage"]["prompt_tokens"] == 7
    assert "usage" in chunks_of("openrouter", TEXT, usage=False)[-1]
    assert chunks_of("openrouter", CALLS)[2]["choices"][0]["delta"]["content"] is None


def test_deepseek() -> None:
    assert lines_of("deepseek", TEXT)[:2] == [": keep-alive"] * 2
    chunks = chunks_of("deepseek", TEXT)
    assert chunks[0]["choices"][0]["delta"] == {"role": "assistant", "content": None, "reasoning_content": ""}
    assert chunks[1]["choices"][0]["delta"] == {"content": None, "reasoning_content": "Let"}
    assert list(chunks[1]["choices"][0]["delta"]) == ["content", "reasoning_content"]
    assert chunks[3]["choices"][0]["delta"] == {"content": "Hi", "reasoning_content": None}
    assert [chunk["usage"] for chunk in chunks[:-1]] == [None] * (len(chunks) - 1)
    assert chunks[-1]["choices"][0]["delta"] == {"content": "", "reasoning_content": None}
    assert chunks[-1]["choices"][0]["finish_reason"] == "stop"
    assert chunks[-1]["usage"]["prompt_cache_miss_tokens"] == 7
    assert chunks_of("deepseek", Reply(content="Hi"))[0]["choices"][0]["delta"] == {"role": "assistant", "content": ""}
    calls = chunks_of("deepseek", Reply(reasoning="Hm", tool_calls=CALLS.tool_calls))
    assert [set(chunk["choices"][0]["delta"]) for chunk in calls[2:-1]] == [{"tool_calls"}] * (len(calls) - 3)
    ids = [
        p["id"]
        for c in chunks_of("deepseek", CALLS)
        for p in c["choices"][0]["delta"].get("tool_calls", ())
        if "id" in p
    ]
    assert [own[:8] for own in ids] == ["call_00_", "call_01_"]


def test_mistral() -> None:
    chunks = chunks_of("mistral", TEXT)
    assert list(chunks[0]) == ["id", "object", "created", "model", "choices"]
    assert list(chunks[0]["choices"][0]) == ["index", "delta", "finish_reason", "logprobs"]
    assert chunks[1]["choices"][0]["delta"]["content"][0]["type"] == "thinking"
    assert chunks[3]["choices"][0]["delta"] == {"content": "Hi"}
    assert (chunks[-1]["choices"][0]["delta"], chunks[-1]["choices"][0]["finish_reason"]) == ({"content": ""}, "stop")
    assert list(chunks[-1]["usage"]) == ["prompt_tokens", "total_tokens", "completion_tokens"]
    role, calls = chunks_of("mistral", CALLS)
    assert role["choices"][0]["delta"] == {"role": "assistant", "content": ""}
    assert calls["choices"][0]["finish_reason"] == "tool_calls"
    assert list(calls["choices"][0]["delta"]) == ["content", "tool_calls"]
    assert calls["choices"][0]["delta"]["content"] is None
    assert [list(call) for call in calls["choices"][0]["delta"]["tool_calls"]] == [["id", "function", "index"]] * 2
    assert all(re.fullmatch("[A-Za-z0-9]{9}", call["id"]) for call in calls["choices"][0]["delta"]["tool_calls"])


def test_gemini() -> None:
    (chunk,) = chunks_of("gemini", TEXT)
    assert list(chunk) == ["choices", "created", "id", "model", "object", "usage"]
    assert chunk["choices"] == [
        {"delta": {"content": "Hi <b>", "role": "assistant"}, "finish_reason": "stop", "index": 0}
    ]
    long = chunks_of("gemini", Reply(content=" word" * 30))
    assert ["finish_reason" in chunk["choices"][0] for chunk in long] == [False, False, True]
    assert [chunk["usage"]["completion_tokens"] for chunk in long] == [10, 20, 30]
    first, second, finish = chunks_of("gemini", CALLS)
    (call,) = first["choices"][0]["delta"]["tool_calls"]
    assert list(call) == ["extra_content", "function", "id", "type"]
    assert json.loads(call["function"]["arguments"]) == {"a": 1}
    assert finish["choices"] == [{"delta": {"role": "assistant"}, "finish_reason": "stop", "index": 0}]
    assert second["choices"][0]["delta"]["tool_calls"][0]["id"] != call["id"]


def test_groq() -> None:
    chunks = chunks_of("groq", TEXT)
    assert list(chunks[0]) == ["id", "object", "created", "model", "system_fingerprint", "choices", "x_groq"]
    assert list(chunks[-2]) == ["id", "object", "created", "model", "system_fingerprint", "choices", "x_groq", "usage"]
    assert (chunks[-1]["choices"], chunks[-1]["service_tier"]) == ([], "on_demand")
    assert chunks[-1]["usage"] == chunks[-2]["x_groq"]["usage"]
    call = chunks_of("groq", CALLS)[1]["choices"][0]["delta"]["tool_calls"][0]
    assert list(call) == ["id", "type", "function", "index"]
    assert chunks[0]["choices"][0]["delta"] == {"role": "assistant", "content": ""}
    assert chunks_of("groq", CALLS)[0]["choices"][0]["delta"] == {"role": "assistant", "content": None}


@pytest.mark.parametrize("name", ["groq", "openrouter"])
def test_some_say_no_charset(name: str) -> None:
    assert load_dialects()[name].delivery.http.headers["Content-Type"] == "text/event-stream"


# A delivery that names one


def test_a_delivery_adds_to_its_dialect_and_says_the_rest_in_its_place() -> None:
    own = Delivery(
        dialect="deepseek",
        quirks=("done-missing",),
        inserts=(Insert(before=EventRef(0), data="x"),),
        framing=Framing(line_end="crlf", extra=(Lines((": mine",)),)),
        group=(2, 3),
    )
    base, both = load_dialect("deepseek").delivery, resolve_dialect(own)
    assert both.dialect is None
    assert both.quirks == (*base.quirks, "done-missing")
    assert (both.edits, both.inserts) == (base.edits, own.inserts)
    assert both.framing == Framing(line_end="crlf", extra=(*base.framing.extra, *own.framing.extra))
    assert (both.ids, both.http, both.group) == (base.ids, base.http, (2, 3))


def test_over_a_dialect_that_groups_tokens_a_list_says_that_each_has_a_chunk() -> None:
    assert resolve_dialect(Delivery(dialect="gemini", group=1)).group == load_dialect("gemini").delivery.group == 12
    assert resolve_dialect(Delivery(dialect="gemini", group=(1,))).group == (1,)
    described = scenario_file_schema()["$defs"]["Delivery"]["properties"]["dialect"]["description"]
    assert "a value that is the default says nothing" in described


def test_a_list_that_is_one_value_is_replaced_and_headers_are_merged() -> None:
    own = {"dialect": "vllm", "json": {"key_order": ["a"]}, "http": {"headers": {"x": "y", "openai-version": "1"}}}
    both = resolve_dialect(convert(own, Delivery))
    assert both.json.key_order == ("a",)
    assert both.http.headers == {"openai-version": "1", "openai-processing-ms": None, "x": "y"}


def test_a_delivery_without_dialect_is_itself() -> None:
    delivery = Delivery(quirks=("id-empty",))
    assert resolve_dialect(delivery) is delivery


def test_a_dialect_names_no_other_dialect() -> None:
    written = {"name": "x", "says": "y", "sources": ["z"], "delivery": {"dialect": "vllm"}}
    with pytest.raises(ScenarioError, match="dialect x: expected quirks and the like, not another dialect"):
        convert(written, Dialect)


def test_a_dialect_that_is_not_there_is_refused_with_the_nearest_name() -> None:
    with pytest.raises(ScenarioError, match=r"dialect: expected one of .*, got 'azur' \(did you mean 'azure'\?\)"):
        read_scenario({"name": "a", "delivery": {"dialect": "azur"}})


# Ids


@pytest.mark.parametrize(
    ("shape", "pattern"),
    [
        ("gen-{created}-{alnum:20}", "gen-17-[A-Za-z0-9]{20}"),
        ("{uuid}", "[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}"),
        ("{hex:64}", "[0-9a-f]{64}"),
        ("call_0{number}_{digits}", "call_03_[0-9]"),
        ("same", "same"),
        ("", ""),
    ],
)
def test_an_id_has_the_shape_that_it_is_given(shape: str, pattern: str) -> None:
    assert re.fullmatch(pattern, shape_id(shape, "own", created=17, number=3))


@given(st.text(max_size=5), st.text(max_size=5))
def test_ids_of_a_shape_differ_where_the_own_ids_do_and_their_parts_differ_too(one: str, other: str) -> None:
    shape = "{hex:16}/{hex:16}"
    ids = [shape_id(shape, make_id("chatcmpl-", key)) for key in (one, other)]
    assert (ids[0] == ids[1]) is (one == other)
    assert len(set(ids[0].split("/"))) == 2
    assert shape_id(None, one) == one


@pytest.mark.parametrize("shape", ["{", "}", "{hex:0}", "{hex:65}", "{base64:3}", "{uuid:3}", "{{hex}}"])
def test_a_shape_that_cannot_be_filled_is_refused(shape: str) -> None:
    with pytest.raises(ValueError, match=r"ids: expected a text in which \{hex:16\}"):
        Ids(completion=shape)
    with pytest.raises(ValueError, match="ids: expected a text in which"):
        Ids(call=shape)


def test_a_call_keeps_the_id_that_the_reply_gives_it() -> None:
    chunks = chunks_of("vllm", Reply(tool_calls=(ToolCall("f", "{}", id="mine"),)))
    assert chunks[1]["choices"][0]["delta"]["tool_calls"][0]["id"] == "mine"
