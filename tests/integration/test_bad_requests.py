"""Wrong requests over the socket: each is answered as OpenAI answers it, never with a 500, never with a traceback."""

import json
import logging
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from urllib.parse import quote

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from mockserver.server import MockServer
from mockserver.transport import LendingProtocol
from tests.support import Answer, RawClient, chat, render_request

MESSAGES: list[Any] = [{"role": "user", "content": "Hello?"}]


@pytest.fixture(scope="module")
def shared() -> Iterator[MockServer]:
    """One server for all; it has the default scenarios and makes a reply for everything else."""
    with MockServer() as server:
        yield server


@contextmanager
def nothing_goes_wrong() -> Iterator[None]:
    """Fails if meanwhile anybody logs an error: a bug, or an exception that nobody caught."""
    records: list[str] = []

    class Handler(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            records.append(self.format(record))

    handler = Handler(logging.ERROR)
    names = ("mockserver", "uvicorn.error", "asyncio")
    for name in names:
        logging.getLogger(name).addHandler(handler)
    try:
        yield
    finally:
        for name in names:
            logging.getLogger(name).removeHandler(handler)
    assert records == []


def assert_refused(answer: Answer, status: int, param: str | None = None, code: str | None = None) -> None:
    assert answer.status == status, answer.body
    assert answer.header("content-type") == "application/json"
    error = answer.json["error"]
    assert list(answer.json) == ["error"]
    assert list(error) == ["message", "type", "param", "code"]
    assert (error["param"], error["code"]) == (param, code), error
    assert isinstance(error["message"], str)
    assert len(error["message"]) > 10
    assert b"Traceback" not in answer.body
    assert (answer.header("x-request-id") or "").startswith("req_")


def spoilt(member: dict[str, Any], old: bytes, new: bytes) -> bytes:
    """A right body in which one thing is replaced."""
    body = json.dumps(chat(**member)).encode()
    assert body.count(old) == 1
    return body.replace(old, new)


WRONG_BODIES: dict[str, bytes] = {
    "no JSON": b"{",
    "nothing": b"",
    "a list": b"[]",
    "null": b"null",
    "a text": b'"hello"',
    "a form": b"model=gpt-4o&stream=true",
    "a byte order mark": b"\xef\xbb\xbf" + json.dumps(chat()).encode(),
    "invalid UTF-8": spoilt({"content": "@"}, b"@", b"\xff"),
    "half a surrogate pair": spoilt({"content": "@"}, b"@", b"\\ud83d"),
    "absurd nesting": spoilt({"metadata": 0}, b"0", b"[" * 99_999 + b"]" * 99_999),
    "a number beyond all bounds": spoilt({"temperature": 0}, b"0", b"1e999"),
    "a number of a million digits": spoilt({"seed": 0}, b"0", b"9" * 1_000_000),
    "NaN": spoilt({"temperature": 0}, b"0", b"NaN"),
}


@pytest.mark.parametrize("what", WRONG_BODIES)
def test_a_body_that_is_no_request(shared: MockServer, what: str) -> None:
    with nothing_goes_wrong(), RawClient(shared) as client:
        answer = client.ask(WRONG_BODIES[what])
        assert_refused(answer, 400)
        assert answer.json["error"]["message"].startswith("We could not parse the JSON body of your request.")
        assert client.ask(chat("Hello?")).status == 200, "the connection goes on"


TOOL: dict[str, Any] = {"type": "function", "function": {"name": "f", "parameters": {"type": "object"}}}
WRONG_PARAMETERS: dict[str, tuple[dict[str, Any], str | None, str | None]] = {
    "no messages": ({"messages": ...}, "messages", "missing_required_parameter"),
    "empty messages": ({"messages": []}, "messages", "empty_array"),
    "messages that are none": ({"messages": "hello"}, "messages", "invalid_type"),
    "no model": ({"model": ...}, None, None),
    "stream as a text": ({"stream": "yes"}, "stream", "invalid_type"),
    "temperature above": ({"temperature": 2.1}, "temperature", "decimal_above_max_value"),
    "temperature below": ({"temperature": -1}, "temperature", "decimal_below_min_value"),
    "top_p above": ({"top_p": 1.1}, "top_p", "decimal_above_max_value"),
    "no choices": ({"n": 0}, "n", "integer_below_min_value"),
    "too many choices": ({"n": 129}, "n", "integer_above_max_value"),
    "half a choice": ({"n": 1.5}, "n", "invalid_type"),
    "presence_penalty above": ({"presence_penalty": 2.1}, "presence_penalty", "decimal_above_max_value"),
    "frequency_penalty below": ({"frequency_penalty": -2.1}, "frequency_penalty", "decimal_below_min_value"),
    "top_logprobs above": ({"logprobs": True, "top_logprobs": 21}, "top_logprobs", None),
    "top_logprobs without logprobs": ({"top_logprobs": 2}, "top_logprobs", None),
    "max_tokens below": ({"max_tokens": 0}, "max_tokens", "integer_below_min_value"),
    "max_completion_tokens below": ({"max_completion_tokens": 0}, "max_completion_tokens", "integer_below_min_value"),
    "five stops": ({"stop": list("abcde")}, "stop", "array_above_max_length"),
    "an unknown role": ({"messages": [{"role": "robot", "content": "x"}]}, "messages[0].role", "invalid_value"),
    "a tool's message without its call": (
        {"messages": [*MESSAGES, {"role": "tool", "content": "x"}]}, "messages.[1].tool_call_id", None,
    ),
    "stream_options without stream": ({"stream": False, "stream_options": {"include_usage": True}}, "stream_options", None),
    "tool_choice without tools": ({"tool_choice": "auto"}, "tool_choice", None),
    "a tool without a name": (
        {"tools": [{"type": "function", "function": {}}]}, "tools[0].function.name", "missing_required_parameter",
    ),
    "a choice of a tool that is not offered": (
        {"tools": [TOOL], "tool_choice": {"type": "function", "function": {"name": "g"}}}, "tool_choice", None,
    ),
}  # fmt: skip


@pytest.mark.parametrize("stream", [True, False])
@pytest.mark.parametrize("what", WRONG_PARAMETERS)
def test_a_parameter_that_is_wrong(shared: MockServer, what: str, stream: bool) -> None:
    changes, param, code = WRONG_PARAMETERS[what]
    body = {key: value for key, value in (chat(stream=stream) | changes).items() if value is not ...}
    with nothing_goes_wrong(), RawClient(shared) as client:
        answer = client.ask(body)
        assert_refused(answer, 400, param, code)
        assert client.ask(chat("Hello?")).status == 200, "the connection goes on"


def test_a_wrong_key_and_none() -> None:
    with MockServer(api_key="sk-the-right-one") as server, RawClient(server) as client:
        assert_refused(client.ask(chat()), 401)
        for none in ("", "Bearer", "Basic c2stdGhlLXJpZ2h0LW9uZQ=="):
            assert_refused(client.ask(chat(), authorization=none), 401)
        for wrong in ("sk-wrong", "sk-the-right-oné", "sk-the-right-one-and-more", "SK-THE-RIGHT-ONE"):
            for headers in ({"authorization": f"Bearer {wrong}"}, {"api_key": wrong}):
                answer = client.ask(chat(), **headers)
                assert_refused(answer, 401, code="invalid_api_key")
                assert b"sk-the-right" not in answer.body
        for right in ({"authorization": "Bearer sk-the-right-one"}, {"authorization": "bearer  sk-the-right-one"},
                      {"api_key": "sk-the-right-one"}):  # fmt: skip
            assert client.ask(chat(), **right).status == 200
        assert_refused(client.ask(None, "GET", "/v1/models"), 401)
        assert client.ask(None, "GET", "/healthz").status == 200


def test_a_wrong_key_is_told_before_anything_else_about_the_request() -> None:
    with MockServer(api_key="sk-the-right-one") as server, RawClient(server) as client:
        assert_refused(client.ask(b"{"), 401)


def test_an_unknown_model() -> None:
    with MockServer(models=["mine"]) as server, RawClient(server) as client:
        assert_refused(client.ask(chat()), 404, code="model_not_found")
        assert_refused(client.ask(None, "GET", "/v1/models/other"), 404, code="model_not_found")
        assert client.ask(chat(model="mine")).status == 200


def test_a_request_that_no_scenario_of_a_strict_server_matches_is_told_why() -> None:
    scenario = {"name": "tools", "match": {"has_tools": True}, "reply": "x"}
    with MockServer(scenario, strict=True) as server, RawClient(server) as client:
        answer = client.ask(chat())
        assert_refused(answer, 404, code="no_scenario_matches")
        assert "tools: expected tools, got none" in answer.json["error"]["message"]


@pytest.mark.parametrize(
    ("path", "header"),
    [("/scenarios/paeced/v1/chat/completions", {}), ("/v1/chat/completions", {"x_mock_scenario": "paeced"})],
)
def test_an_unknown_scenario_is_told_with_the_nearest(path: str, header: dict[str, str]) -> None:
    with MockServer({"name": "paced", "reply": "x"}) as server, RawClient(server) as client:
        answer = client.ask(chat(), path=path, **header)
        assert_refused(answer, 404, code="scenario_not_found")
        assert "Did you mean 'paced'?" in answer.json["error"]["message"]


@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE", "PATCH"])
def test_a_wrong_method(shared: MockServer, method: str) -> None:
    with RawClient(shared) as client:
        answer = client.ask(None, method)
        assert_refused(answer, 405, code="method_not_supported")
        assert answer.header("allow") == "POST"
        if method != "GET":
            answer = client.ask(None, method, "/v1/models")
            assert_refused(answer, 405, code="method_not_supported")
            assert answer.header("allow") == "GET, HEAD"


@pytest.mark.parametrize("method", ["GET", "POST", "HEAD", "PUT"])
@pytest.mark.parametrize(
    "path",
    ["/", "/v1", "/v1/", "/v1/completions", "/v1/chat/completions/", "/v1/chat", "/%0A", "/x%0A/v1/models", "/%ff"],
)
def test_a_wrong_path(shared: MockServer, method: str, path: str) -> None:
    with RawClient(shared) as client:
        answer = client.ask(None, method, path)
        assert answer.status == 404
        if method != "HEAD":
            assert_refused(answer, 404, code="unknown_url")
            assert answer.json["error"]["message"].startswith(f"Invalid URL ({method} /")


def test_a_model_without_a_name_is_no_path(shared: MockServer) -> None:
    with RawClient(shared) as client:
        assert_refused(client.ask(None, "GET", "/v1/models/"), 404, code="unknown_url")


def test_a_body_over_the_limit(shared: MockServer) -> None:
    with nothing_goes_wrong(), RawClient(shared) as client:
        answer = client.ask(bytes(LendingProtocol.max_body_bytes + 1))
        assert_refused(answer, 413)
        assert client.ask(chat()).status == 200


# Properties

json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=8,
)


def ask_safely(
    shared: MockServer,
    body: Any,
    method: str = "POST",
    path: str = "/v1/chat/completions",
    headers: dict[str, str] | None = None,
) -> Answer:
    """Ask, and hold that the answer is one that the real API could give, and that the connection goes on."""
    with nothing_goes_wrong(), RawClient(shared) as client:
        client.send(render_request(body, method, path, headers or {}))
        answer = client.read_answer(to=method)
        assert answer.status in (200, 400, 404, 405, 413), answer.body
        if answer.status != 200 and method != "HEAD":
            error = answer.json["error"]
            assert_refused(answer, answer.status, error["param"], error["code"])
        elif answer.header("content-type") == "text/event-stream; charset=utf-8":
            assert answer.events[-1] == "[DONE]"
        assert client.ask(chat("Hello?")).status == 200, "the connection goes on"
        return answer


json_texts = json_values.map(lambda value: json.dumps(value).encode())


@given(st.binary(max_size=300) | st.text(max_size=100).map(str.encode) | json_texts)
@example(b"\xff" * 10)
@example(b'{"model":' * 200)
def test_any_bytes_as_the_body(shared: MockServer, body: bytes) -> None:
    assert ask_safely(shared, body).status == 400


PARAMETERS = (
    "model", "messages", "stream", "stream_options", "n", "stop", "temperature", "top_p", "max_tokens", "max_completion_tokens",
    "tools", "tool_choice", "functions", "function_call", "response_format", "logprobs", "top_logprobs", "logit_bias", "user",
    "seed", "metadata", "modalities", "audio", "prediction", "reasoning_effort", "parallel_tool_calls", "store", "service_tier",
)  # fmt: skip


@given(st.dictionaries(st.sampled_from(PARAMETERS) | st.text(max_size=8), json_values, max_size=4))
def test_any_json_as_any_parameter(shared: MockServer, changes: dict[str, Any]) -> None:
    ask_safely(shared, chat() | changes)


roles = st.sampled_from(["system", "developer", "user", "assistant", "tool", "function"]) | json_values
messages = st.lists(
    st.dictionaries(
        st.sampled_from(["content", "name", "tool_calls", "tool_call_id", "refusal"]), json_values, max_size=3
    )
    | st.fixed_dictionaries({"role": roles, "content": json_values}),
    max_size=3,
)


@given(messages, st.booleans())
def test_any_messages(shared: MockServer, given_messages: list[Any], stream: bool) -> None:
    ask_safely(shared, chat(stream=stream, messages=given_messages))


schemas = st.recursive(
    json_values,
    lambda inner: st.dictionaries(
        st.sampled_from(
            ["type", "properties", "required", "items", "anyOf", "enum", "const", "$ref", "$defs", "additionalProperties",
             "minimum", "maximum", "minLength", "pattern", "format", "minItems", "maxItems", "allOf", "not"]
        ),
        inner | st.sampled_from(["object", "array", "string", "integer", "number", "boolean", "null", "#", "#/$defs/a"]),
        max_size=4,
    ),
    max_leaves=6,
)  # fmt: skip


@given(schemas, st.booleans())
def test_any_schema(shared: MockServer, schema: Any, as_tool: bool) -> None:
    if as_tool:
        tool = {"type": "function", "function": {"name": "f", "parameters": schema}}
        ask_safely(shared, chat(tools=[tool], tool_choice="required"))
    else:
        form = {"type": "json_schema", "json_schema": {"name": "f", "schema": schema}}
        ask_safely(shared, chat(response_format=form))


SEGMENTS = ("v1", "chat", "completions", "models", "scenarios", "healthz", "..", ".", "", "%00", "%ff", "%2F", "gpt-4o")
paths = st.text(max_size=30).map(lambda text: quote(text, safe="/?&=:@%")) | st.lists(
    st.sampled_from(SEGMENTS), max_size=5
).map("/".join)
methods = st.sampled_from(["GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS", "PATCH", "TRACE", "PROPFIND", "PURGE"])


@given(methods, paths, st.booleans())
def test_any_method_and_path(shared: MockServer, method: str, path: str, with_body: bool) -> None:
    ask_safely(shared, chat() if with_body else None, method, "/" + path)


tokens = st.text("abcdefghijklmnopqrstuvwxyz0123456789-_.!#$%&'*+^`|~", min_size=1, max_size=20)
values = st.text(st.characters(min_codepoint=32, max_codepoint=255, exclude_characters="\x7f"), max_size=40).map(
    str.strip
)
HEADERS = ("authorization", "api-key", "content-type", "accept", "accept-encoding", "x-stainless-retry-count", "origin", "cookie",
           "access-control-request-headers", "x-mock-scenario", "te", "via", "x-request-id", "content-encoding")  # fmt: skip
RESERVED = ("host", "content-length", "transfer-encoding", "connection", "upgrade", "expect")


names = (st.sampled_from(HEADERS) | tokens).filter(lambda name: name not in RESERVED)


@given(st.dictionaries(names, values, max_size=4), methods)
def test_any_headers(shared: MockServer, headers: dict[str, str], method: str) -> None:
    ask_safely(shared, chat(), method, headers=headers)
    assert all(exchange.retry_count >= 0 for exchange in shared.requests)
    shared.reset()
