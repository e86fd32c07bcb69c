import json
import string
from functools import cache
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from mockserver.errors import RequestError
from mockserver.request import (
    ChatRequest,
    OfferedTool,
    has_tools,
    last_user_text,
    message_texts,
    offered_tools,
    parse_request,
)
from tests.mockserver.request_strategies import Body, json_values, valid_requests

SCHEMA_FILE = Path(__file__).parents[2] / "schemas" / "openai-chat.openapi.json"
HELLO: Body = {"model": "gpt-4o-mini", "messages": [{"role": "user", "content": "Hello"}]}


def encode(body: Any) -> bytes:
    return json.dumps(body, ensure_ascii=False).encode()


def ask(**parameters: Any) -> ChatRequest:
    return parse_request(encode(HELLO | parameters))


def refusal(body: bytes, **options: Any) -> RequestError:
    with pytest.raises(RequestError) as caught:
        parse_request(body, **options)
    error = caught.value
    assert (error.status, error.type) == (400, "invalid_request_error")
    return error


@cache
def published_schema() -> Draft202012Validator:
    """`CreateChatCompletionRequest`, with OpenAPI 3.0's `nullable` written as JSON Schema writes it."""

    def rewrite(node: Any) -> Any:
        if isinstance(node, list):
            return [rewrite(member) for member in node]
        if not isinstance(node, dict):
            return node
        copy = {key: rewrite(member) for key, member in node.items() if key != "nullable"}
        return {"anyOf": [copy, {"type": "null"}]} if node.get("nullable") is True else copy

    document = rewrite(json.loads(SCHEMA_FILE.read_bytes()))
    schema = {"$ref": "#/components/schemas/CreateChatCompletionRequest", "components": document["components"]}
    return Draft202012Validator(schema)


def test_a_plain_request_has_the_api_s_defaults() -> None:
    request = ask()
    assert request.model == "gpt-4o-mini"
    assert request.messages == ({"role": "user", "content": "Hello"},)
    assert request.raw == HELLO
    assert (request.stream, request.include_usage, request.include_obfuscation) == (False, False, True)
    assert (request.n, request.limit, request.stop) == (1, None, ())
    assert (request.logprobs, request.top_logprobs, request.parallel_tool_calls, request.store) == (
        False,
        0,
        True,
        False,
    )
    assert (request.tools, request.functions, request.metadata) == ((), (), {})


def test_parameters_arrive_under_their_names() -> None:
    sent: Body = {
        "stream": True,
        "n": 3,
        "temperature": 0.5,
        "top_p": 1,
        "seed": 7,
        "user": "me",
        "metadata": {"a": "b"},
        "logprobs": True,
        "top_logprobs": 5,
        "reasoning_effort": "low",
        "verbosity": "high",
        "service_tier": "flex",
        "store": True,
        "response_format": {"type": "text"},
    }
    request = ask(**sent, modalities=["text"])
    assert {name: getattr(request, name) for name in sent} == sent
    assert request.modalities == ("text",)


def test_null_is_the_same_as_absent() -> None:
    nothing = dict.fromkeys(set(ChatRequest.__struct_fields__) - {"model", "messages", "raw"})
    assert msgspec.structs.replace(ask(**nothing), raw={}) == msgspec.structs.replace(ask(), raw={})


@pytest.mark.parametrize("key", ["max_tokens", "max_completion_tokens"])
def test_either_name_of_the_token_limit_counts(key: str) -> None:
    assert ask(**{key: 5}).limit == 5


@pytest.mark.parametrize(
    ("stop", "expected"), [(None, ()), ("a", ("a",)), (["a", "b"], ("a", "b")), ("", ()), (["", "x"], ("x",))]
)
def test_stop_is_always_a_tuple_of_texts(stop: Any, expected: tuple[str, ...]) -> None:
    assert ask(stop=stop).stop == expected


@pytest.mark.parametrize(
    ("options", "usage", "obfuscation"),
    [
        (None, False, True),
        ({}, False, True),
        ({"include_usage": True}, True, True),
        ({"include_usage": None, "include_obfuscation": None}, False, True),
        ({"include_usage": False, "include_obfuscation": False}, False, False),
    ],
)
def test_stream_options_are_read(options: Any, usage: bool, obfuscation: bool) -> None:
    request = ask(stream=True, stream_options=options)
    assert (request.include_usage, request.include_obfuscation) == (usage, obfuscation)


def test_a_model_from_outside_stands_in_for_a_missing_one_only() -> None:
    messages = HELLO["messages"]
    for body in ({"messages": messages}, {"model": None, "messages": messages}, {"model": "", "messages": messages}):
        assert parse_request(encode(body), model="deployment").model == "deployment"
        assert refusal(encode(body)).message == "you must provide a model parameter"
    assert parse_request(encode(HELLO), model="deployment").model == "gpt-4o-mini"


def test_a_missing_model_is_worded_without_param_and_code() -> None:
    error = refusal(b"{}")
    assert (error.message, error.param, error.code) == ("you must provide a model parameter", None, None)


@pytest.mark.parametrize(
    ("messages", "code", "message"),
    [
        ({}, "missing_required_parameter", "Missing required parameter: 'messages'."),
        (
            {"messages": None},
            "invalid_type",
            "Invalid type for 'messages': expected an array of objects, but got null instead.",
        ),
        (
            {"messages": []},
            "empty_array",
            "Invalid 'messages': empty array. Expected an array with minimum length 1, but got an empty array instead.",
        ),
    ],
)
def test_messages_must_be_there(messages: Body, code: str, message: str) -> None:
    error = refusal(encode({"model": "m"} | messages))
    assert (error.param, error.code, error.message) == ("messages", code, message)


UNREADABLE = {
    "empty": b"",
    "text": b"hello",
    "cut off": encode(HELLO)[:-1],
    "something behind it": encode(HELLO) + b" x",
    "an array": b"[]",
    "a string": b'"hello"',
    "null": b"null",
    "byte order mark": b"\xef\xbb\xbf" + encode(HELLO),
    "UTF-16": json.dumps(HELLO).encode("utf-16"),
    "not UTF-8": b'{"model": "\xff"}',
    "an encoded surrogate": b'{"model": "\xed\xa0\x80"}',
    "beyond Unicode": b'{"model": "\xf4\x90\x80\x80"}',
    "a lone high surrogate": b'{"model": "\\ud800"}',
    "a lone low surrogate": b'{"model": "\\udc00"}',
    "a control character": b'{"model": "\n"}',
    "NaN": b'{"model": "m", "temperature": NaN}',
    "Infinity": b'{"model": "m", "temperature": Infinity}',
    "beyond a double": b'{"model": "m", "temperature": 1e999}',
    "an integer of 10,000 digits": b'{"model": "m", "n": ' + b"1" * 10_000 + b"}",
    "a leading zero": b'{"model": "m", "n": 01}',
    "nested 100,000 deep": b"[" * 100_000,
    "nested 900 deep": b'{"model": "m", "x": ' + b"[" * 900 + b"]" * 900 + b"}",
    "a model of another type": encode(HELLO | {"model": 5}),
}


@pytest.mark.parametrize("body", UNREADABLE.values(), ids=UNREADABLE)
def test_what_is_not_json_is_refused_in_the_real_api_s_words(body: bytes) -> None:
    error = refusal(body)
    assert error.message.startswith("We could not parse the JSON body of your request. (HINT: This likely means")
    assert (error.param, error.code) == (None, None)


def test_the_reason_for_unreadable_json_is_kept_for_the_log() -> None:
    assert isinstance(refusal(b'{"model": }').__cause__, msgspec.DecodeError)


def nest(depth: int) -> Any:
    value: Any = 0
    for level in range(depth):
        value = [value] if level % 2 else {"x": value}
    return value


def test_depth_is_bounded_to_the_level() -> None:
    # The body itself is the first level.
    assert parse_request(encode(HELLO | {"x": nest(127)})).raw["x"] == nest(127)
    assert refusal(encode(HELLO | {"x": nest(128)})).code is None


def test_many_brackets_are_not_depth() -> None:
    wide: list[Any] = [[{}] for _ in range(500)]
    assert parse_request(encode(HELLO | {"wide": wide})).raw["wide"] == wide


def test_of_duplicate_keys_the_last_counts() -> None:
    body = b'{"model": "a", "messages": [{"role": "user", "content": "x"}], "model": "b", "n": 0, "n": 2}'
    request = parse_request(body)
    assert (request.model, request.n) == ("b", 2)


def test_unknown_parameters_are_kept() -> None:
    extra: Body = {"top_k": 5, "chat_template_kwargs": {"enable_thinking": False}}
    assert parse_request(encode(HELLO | extra)).raw == HELLO | extra
    bogus = HELLO | {"stream": True, "stream_options": {"include_usage": True, "bogus": 1}}
    assert parse_request(encode(bogus)).raw == bogus


def test_json_mode_must_be_announced_in_words() -> None:
    error = refusal(encode(HELLO | {"response_format": {"type": "json_object"}}))
    assert (error.param, error.code) == ("messages", None)
    assert error.message == (
        "'messages' must contain the word 'json' in some form, to use 'response_format' of type 'json_object'."
    )
    said = [{"role": "system", "content": [{"type": "text", "text": "Answer in JSON."}]}, *HELLO["messages"]]
    assert ask(messages=said, response_format={"type": "json_object"}).response_format == {"type": "json_object"}


CONVERSATION: list[Body] = [
    {"role": "system", "content": "Be brief."},
    {"role": "user", "content": "First"},
    {"role": "assistant", "content": None, "refusal": "No."},
    {
        "role": "user",
        "content": [
            {"type": "text", "text": "What is"},
            {"type": "image_url", "image_url": {"url": "https://example.com/a.png"}},
            {"type": "text", "text": "this?"},
        ],
    },
    {"role": "assistant", "content": [{"type": "refusal", "refusal": "I would rather not."}]},
]


def test_texts_are_read_from_strings_and_from_parts() -> None:
    request = ask(messages=CONVERSATION)
    assert message_texts(request) == ("Be brief.", "First", "", "What is\nthis?", "I would rather not.")
    assert last_user_text(request) == "What is\nthis?"


def test_without_a_user_there_is_no_user_text() -> None:
    assert last_user_text(ask(messages=[{"role": "system", "content": "x"}])) == ""


def test_tools_are_offered_in_three_ways() -> None:
    schema = {"type": "object", "properties": {}}
    grammar = {"syntax": "regex", "definition": "a+"}
    request = ask(
        tools=[
            {"type": "function", "function": {"name": "f", "parameters": schema}},
            {"type": "custom", "custom": {"name": "c"}},
            {"type": "custom", "custom": {"name": "g", "format": {"type": "grammar", "grammar": grammar}}},
            {"type": "custom", "custom": {"name": "t", "format": {"type": "text"}}},
        ]
    )
    assert has_tools(request)
    assert offered_tools(request) == (
        OfferedTool(kind="function", name="f", parameters=schema, param="tools[0].function.parameters"),
        OfferedTool(kind="custom", name="c", param="tools[1].custom.format.grammar"),
        OfferedTool(kind="custom", name="g", grammar=grammar, param="tools[2].custom.format.grammar"),
        OfferedTool(kind="custom", name="t", param="tools[3].custom.format.grammar"),
    )
    legacy = ask(functions=[{"name": "old"}])
    assert has_tools(legacy)
    assert offered_tools(legacy) == (
        OfferedTool(kind="function", name="old", param="functions[0].parameters", legacy=True),
    )
    assert not has_tools(ask())
    assert offered_tools(ask()) == ()


@given(valid_requests())
def test_what_fits_the_published_schema_is_accepted(body: Body) -> None:
    published_schema().validate(body)
    request = parse_request(encode(body))
    assert request.raw == body
    assert list(request.messages) == body["messages"]
    assert len(message_texts(request)) == len(body["messages"])
    assert len(offered_tools(request)) == len(body.get("tools", [])) + len(body.get("functions", []))


def check_nothing_else_escapes(body: bytes) -> None:
    read: ChatRequest | RequestError
    try:
        read = parse_request(body)
    except RequestError as error:
        read = error
    if isinstance(read, ChatRequest):
        assert len(message_texts(read)) == len(read.messages)
        assert last_user_text(read) in ("", *message_texts(read))
        assert has_tools(read) == bool(offered_tools(read))
    else:
        assert (read.status, read.type) == (400, "invalid_request_error")
        # It goes out as JSON, whatever was in the request, and stays of a reasonable size.
        assert len(msgspec.json.encode([read.message, read.param, read.code])) < 5000


@given(st.binary())
@example(b"{}")
def test_no_bytes_raise_anything_but_a_request_error(body: bytes) -> None:
    check_nothing_else_escapes(body)


@given(json_values)
def test_no_json_raises_anything_but_a_request_error(value: Any) -> None:
    check_nothing_else_escapes(encode(value))
    check_nothing_else_escapes(encode(HELLO | {"messages": value}))


def places(node: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    members = node.items() if isinstance(node, dict) else enumerate(node) if isinstance(node, list) else ()
    return [path, *(place for key, member in members for place in places(member, (*path, key)))]


def put(node: Any, path: tuple[Any, ...], value: Any) -> Any:
    """A copy with another value at the path."""
    if not path:
        return value
    copy = dict(node) if isinstance(node, dict) else list(node)
    copy[path[0]] = put(copy[path[0]], path[1:], value)
    return copy


@given(valid_requests(), st.data())
def test_no_mutated_request_raises_anything_but_a_request_error(body: Body, data: st.DataObject) -> None:
    for _ in range(data.draw(st.integers(1, 3), label="mutations")):
        body = put(body, data.draw(st.sampled_from(places(body)), label="place"), data.draw(json_values, label="value"))
        if not isinstance(body, dict):
            break
    check_nothing_else_escapes(encode(body))


@given(valid_requests(), st.data())
def test_no_damaged_bytes_raise_anything_but_a_request_error(body: Body, data: st.DataObject) -> None:
    sent = encode(body)
    at = data.draw(st.integers(0, len(sent)), label="at")
    cut = data.draw(st.integers(0, 3), label="bytes lost")
    check_nothing_else_escapes(sent[:at] + data.draw(st.binary(max_size=3), label="bytes put in") + sent[at + cut :])


def test_a_huge_value_makes_no_huge_sentence() -> None:
    huge = string.ascii_letters * 10_000
    for parameters in (
        {"service_tier": huge},
        {"reasoning_effort": huge},
        {"metadata": {huge: ""}},
        {"logit_bias": {huge: 1000}},
        {"functions": [{"name": "f"}], "function_call": {"name": huge}},
        {"messages": [{"role": "tool", "tool_call_id": huge, "content": ""}]},
        {"n": 10**4000},
    ):
        assert len(refusal(encode(HELLO | parameters)).message) < 1000


def test_a_fingerprint_tells_requests_apart_but_not_how_they_are_answered() -> None:
    assert ask().fingerprint == ask(stream=True, stream_options={"include_usage": True}).fingerprint
    assert len({ask().fingerprint, ask(seed=1).fingerprint, ask(top_k=1).fingerprint}) == 3
