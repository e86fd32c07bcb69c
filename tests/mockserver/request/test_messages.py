from typing import Any

import pytest
from hypothesis import given

from mockserver.errors import RequestError
from mockserver.request.messages import check_conversation, check_messages
from tests.mockserver.request_strategies import conversations

Message = dict[str, Any]

USER: Message = {"role": "user", "content": "a"}
ROLES = "'system', 'assistant', 'user', 'function', 'tool', and 'developer'"
PARTS = "'text', 'image_url', 'input_audio', 'refusal', 'audio', and 'file'"
IMAGE: Message = {"type": "image_url", "image_url": {"url": "https://example.com/a.png"}}


def call(call_id: Any = "c1", **members: Any) -> Message:
    return {"id": call_id, "type": "function", "function": {"name": "f", "arguments": "{}"}} | members


def asking(*calls: Message, **members: Any) -> Message:
    return {"role": "assistant", "tool_calls": list(calls)} | members


def answer(call_id: Any = "c1", **members: Any) -> Message:
    return {"role": "tool", "tool_call_id": call_id, "content": "ok"} | members


def user(*parts: Any) -> Message:
    return {"role": "user", "content": list(parts)}


def missing(param: str, *messages: Any) -> tuple[list[Any], str, str, str]:
    return list(messages), param, "missing_required_parameter", f"Missing required parameter: '{param}'."


def wrong_type(param: str, expected: str, came: str, *messages: Any) -> tuple[list[Any], str, str, str]:
    sentence = f"Invalid type for '{param}': expected {expected}, but got {came} instead."
    return list(messages), param, "invalid_type", sentence


def unlisted(param: str, value: str, values: str, *messages: Any) -> tuple[list[Any], str, str, str]:
    return list(messages), param, "invalid_value", f"Invalid value: '{value}'. Supported values are: {values}."


CONTENT = "one of a string or array of objects"

FIRST_PASS = [
    wrong_type("messages[0]", "an object", "a string", "ping"),
    missing("messages[0].role", {"content": "ping"}),
    unlisted("messages[1].role", "bogus", ROLES, USER, {"role": "bogus", "content": "a"}),
    wrong_type("messages[0].role", f"one of {ROLES.replace('and', 'or')}", "an integer", {"role": 1, "content": "a"}),
    wrong_type("messages[0].content", CONTENT, "an integer", {"role": "user", "content": 7}),
    wrong_type("messages[0].content", CONTENT, "an object", {"role": "tool", "content": {}}),
    wrong_type("messages[0].name", "a string", "an integer", USER | {"name": 5}),
    wrong_type("messages[0].content[0]", "an object", "a string", user("text")),
    missing("messages[0].content[0].type", user({"text": "a"})),
    unlisted("messages[0].content[1].type", "input_text", PARTS, user(IMAGE, {"type": "input_text", "text": "a"})),
    missing("messages[0].content[0].text", user({"type": "text"})),
    wrong_type("messages[0].content[0].text", "a string", "null", user({"type": "text", "text": None})),
    wrong_type("messages[0].content[0].image_url", "an object", "a string", user(IMAGE | {"image_url": "https://x"})),
    missing("messages[0].content[0].image_url.url", user(IMAGE | {"image_url": {}})),
    unlisted(
        "messages[0].content[0].input_audio.format",
        "ogg",
        "'wav' and 'mp3'",
        user({"type": "input_audio", "input_audio": {"data": "", "format": "ogg"}}),
    ),
    missing("messages[0].content[0].file", user({"type": "file"})),
    (
        [asking(call()), answer(content=[IMAGE])],
        "messages[1]",
        "invalid_value",
        "Invalid 'messages[1]'. Image URLs are only allowed for messages with role 'user', "
        "but this message with role 'tool' contains an image URL.",
    ),
    wrong_type("messages[0].tool_calls", "an array of objects", "a string", {"role": "assistant", "tool_calls": "x"}),
    (
        [{"role": "assistant", "content": "x", "tool_calls": []}],
        "messages[0].tool_calls",
        "empty_array",
        "Invalid 'messages[0].tool_calls': empty array. Expected an array with minimum length 1, "
        "but got an empty array instead.",
    ),
    wrong_type(
        "messages[0].content", CONTENT, "an integer", {"role": "assistant", "content": 7, "tool_calls": []}
    ),
    missing("messages[0].tool_calls[0].type", asking({"id": "c1"})),
    missing("messages[0].tool_calls[0].id", asking({"type": "function"})),
    missing("messages[0].tool_calls[0].function", asking({"id": "c1", "type": "function"})),
    missing("messages[0].tool_calls[1].function.arguments", asking(call(), call(function={"name": "f"}))),
    wrong_type(
        "messages[0].tool_calls[0].function.arguments",
        "a string",
        "an object",
        asking(call(function={"name": "f", "arguments": {}})),
    ),
    missing("messages[0].tool_calls[0].custom.input", asking(call(type="custom", custom={"name": "c"}))),
    wrong_type("messages[0].refusal", "a string", "an array", {"role": "assistant", "refusal": []}),
    missing("messages[0].function_call.arguments", {"role": "assistant", "function_call": {"name": "f"}}),
    missing("messages[0].audio.id", {"role": "assistant", "audio": {}}),
    wrong_type("messages[1].tool_call_id", "a string", "an integer", asking(call()), answer(1)),
]  # fmt: skip


@pytest.mark.parametrize(("messages", "param", "code", "sentence"), FIRST_PASS, ids=lambda value: str(value)[:40])
def test_a_wrong_message_is_refused_by_itself(messages: list[Any], param: str, code: str, sentence: str) -> None:
    with pytest.raises(RequestError) as caught:
        check_messages(messages, "messages")
    error = caught.value
    assert (error.message, error.param, error.code) == (sentence, param, code)


NO_CONTENT = "Invalid value for 'content': expected a string, got null."
NO_CALL = "Invalid parameter: messages with role 'tool' must be a response to a preceeding message with 'tool_calls'."


def unanswered(*call_ids: str) -> str:
    return (
        "An assistant message with 'tool_calls' must be followed by tool messages responding to each 'tool_call_id'. "
        f"The following tool_call_ids did not have response messages: {', '.join(call_ids)}"
    )


SECOND_PASS: list[tuple[list[Message], str, str | None, str]] = [
    *(
        ([USER, message], "messages.[1].content", None, NO_CONTENT)
        for message in (
            {"role": "user"},
            {"role": "user", "content": None},
            {"role": "system"},
            {"role": "assistant"},
            {"role": "assistant", "content": None, "tool_calls": None, "refusal": None, "function_call": None},
            {"role": "user", "tool_calls": [call()]},
            {"role": "system", "audio": {"id": "a"}},
            {"role": "function", "name": "f"},
            {"role": "tool", "tool_call_id": "c1", "refusal": "no"},
        )
    ),
    (
        [USER, {"role": "developer", "refusal": "no"}],
        "messages[1].content",
        "missing_required_parameter",
        "Missing required parameter: 'messages[1].content'.",
    ),
    (
        [{"role": "developer", "content": None}],
        "messages[0].content",
        "invalid_type",
        f"Invalid type for 'messages[0].content': expected {CONTENT}, but got null instead.",
    ),
    (
        [{"role": "function", "content": "5"}],
        "messages.[0].name",
        None,
        "Missing parameter 'name': messages with role 'function' must have a 'name'.",
    ),
    (
        [USER, {"role": "tool", "content": "5"}],
        "messages.[1].tool_call_id",
        None,
        "Missing parameter 'tool_call_id': messages with role 'tool' must have a 'tool_call_id'.",
    ),
    ([USER, answer()], "messages.[1].role", None, NO_CALL),
    ([asking(call()), answer(), USER, answer()], "messages.[3].role", None, NO_CALL),
    ([{"role": "assistant", "content": "5"}, answer()], "messages.[1].role", None, NO_CALL),
    (
        [asking(call()), answer("c2")],
        "messages.[1].tool_call_id",
        None,
        "Invalid parameter: 'tool_call_id' of 'c2' not found in 'tool_calls' of previous message.",
    ),
    ([USER, asking(call())], "messages.[1].role", None, unanswered("c1")),
    ([asking(call("a"), call("b")), answer("b"), USER], "messages.[2].role", None, unanswered("a")),
    ([asking(call("a"), call("b"))], "messages.[0].role", None, unanswered("a", "b")),
    ([asking(call("a")), asking(call("b")), answer("b")], "messages.[1].role", None, unanswered("a")),
]


@pytest.mark.parametrize(("messages", "param", "code", "sentence"), SECOND_PASS, ids=lambda value: str(value)[:40])
def test_a_wrong_conversation_is_refused_as_a_whole(
    messages: list[Message], param: str, code: str | None, sentence: str
) -> None:
    check_messages(messages, "messages")
    with pytest.raises(RequestError) as caught:
        check_conversation(messages)
    error = caught.value
    assert (error.message, error.param, error.code) == (sentence, param, code)
    assert (error.status, error.type) == (400, "invalid_request_error")


RIGHT: list[list[Message]] = [
    [{"role": "user", "content": ""}],
    [{"role": "user", "content": []}],
    [{"role": "developer", "content": "x"}, USER],
    [{"role": "function", "name": "f", "content": None}],
    [{"role": "assistant", "refusal": "no"}],
    [{"role": "assistant", "audio": {"id": "a1"}}],
    [{"role": "assistant", "function_call": {"name": "f", "arguments": "{}"}}],
    [{"role": "assistant", "content": [{"type": "audio", "anything": 1}]}],
    [USER, asking(call("a"), call("b")), answer("b"), answer("a"), USER],
    [asking(call()), answer(), answer()],
    [asking(call("a")), answer("a"), asking(call("a")), answer("a")],
    [asking(call(type="custom", custom={"name": "c", "input": ""})), answer(content=[{"type": "text", "text": ""}])],
]


@pytest.mark.parametrize("messages", RIGHT, ids=lambda messages: str(messages)[:40])
def test_a_right_conversation_is_accepted(messages: list[Message]) -> None:
    check_messages(messages, "messages")
    check_conversation(messages)


@given(conversations)
def test_a_result_taken_away_is_missed(messages: list[Message]) -> None:
    check_conversation(messages)
    for index, message in enumerate(messages):
        if message["role"] == "tool":
            with pytest.raises(RequestError, match="did not have response messages"):
                check_conversation(messages[:index] + messages[index + 1 :])
