"""What a conversation may look like: each message by its role, then all of them in their order.

The real API checks in two passes, and so does this file. The first looks at each message alone (`check_messages`). The
second comes after every other parameter (`check_conversation`), in older words and with older names of places, such as
`messages.[0].content`.
"""

from collections.abc import Iterable
from typing import Any

from mockserver.errors import RequestError
from mockserver.request import wording
from mockserver.request.rules import Rule, anything, array, obj, one_of, string, string_or, tagged

Message = dict[str, Any]

_CONTENT_PHRASE = "one of a string or array of objects"

_PART = tagged(
    "type",
    {
        "text": obj({"text": string}),
        "image_url": obj({"image_url": obj({"url": string}, {"detail": string})}),
        "input_audio": obj({"input_audio": obj({"data": string, "format": one_of(("wav", "mp3"))})}),
        "refusal": obj({"refusal": string}),
        "audio": anything,
        "file": obj({"file": obj(optional={"filename": string, "file_data": string, "file_id": string})}),
    },
)
_CONTENT = string_or(list, array(_PART, expected="an array of objects"), expected=_CONTENT_PHRASE)

_FUNCTION_CALL = obj({"name": string, "arguments": string})
_TOOL_CALL = tagged(
    "type",
    {
        "function": obj({"id": string, "function": _FUNCTION_CALL}),
        "custom": obj({"id": string, "custom": obj({"name": string, "input": string})}),
    },
)
_SUBSTITUTES: dict[str, Rule] = {
    "tool_calls": array(_TOOL_CALL, expected="an array of objects", shortest=1),
    "function_call": _FUNCTION_CALL,
    "refusal": string,
    "audio": obj({"id": string}),
}
"""What an assistant message may carry instead of content."""


def _spoken_by(role: str, **members: Rule) -> Rule:
    """The rule for a message of this role; only users may show pictures."""
    shape = obj(optional={"content": _CONTENT, "name": string} | members)

    def check(message: Message, param: str) -> None:
        shape(message, param)
        content = message.get("content")
        if role != "user" and type(content) is list and any(part["type"] == "image_url" for part in content):
            raise RequestError(
                f"Invalid '{param}'. Image URLs are only allowed for messages with role 'user', "
                f"but this message with role '{role}' contains an image URL.",
                param=param,
                code="invalid_value",
            )

    return check


check_messages = array(
    tagged(
        "role",
        {
            "system": _spoken_by("system"),
            "assistant": _spoken_by("assistant", **_SUBSTITUTES),
            "user": _spoken_by("user"),
            "function": _spoken_by("function"),
            "tool": _spoken_by("tool", tool_call_id=string),
            "developer": _spoken_by("developer"),
        },
    ),
    expected="an array of objects",
    shortest=1,
)
"""The first pass: every message has a role, and what it carries is of the right types."""


def check_conversation(messages: list[Message]) -> None:
    """The second pass, over messages that passed the first: nothing is missing, and results answer calls.

    Raises `RequestError` for the first message without content or name, then for the first result without a call, or
    call without a result.
    """
    for index, message in enumerate(messages):
        if message.get("content") is None:
            _check_absent_content(message, index)
        if message["role"] == "function" and message.get("name") is None:
            raise _missing_member(index, "name", "function")
    _check_tool_results(messages)


def _check_absent_content(message: Message, index: int) -> None:
    role = message["role"]
    if role == "assistant" and any(message.get(key) is not None for key in _SUBSTITUTES):
        return
    # The published schema lets a function's result be null: "content: nullable", ChatCompletionRequestFunctionMessage.
    if role == "function" and "content" in message:
        return
    if role != "developer":
        raise RequestError(
            "Invalid value for 'content': expected a string, got null.", param=f"messages.[{index}].content"
        )
    if "content" not in message:
        raise wording.missing(f"messages[{index}].content")
    raise wording.invalid_type(f"messages[{index}].content", _CONTENT_PHRASE, None)


def _check_tool_results(messages: list[Message]) -> None:
    """Hold that results of tools stand right behind the calls they answer, and that every call has one."""
    called: frozenset[str] = frozenset()
    awaited: dict[str, None] = {}
    for index, message in enumerate(messages):
        if message["role"] == "tool":
            awaited.pop(_check_answer(message, index, called), None)
            continue
        if awaited:
            raise _unanswered(awaited, index)
        calls = message.get("tool_calls") if message["role"] == "assistant" else None
        awaited = dict.fromkeys(call["id"] for call in calls or ())
        called = frozenset(awaited)
    if awaited:
        raise _unanswered(awaited, len(messages) - 1)


def _check_answer(message: Message, index: int, called: frozenset[str]) -> str:
    """The id of the call that this message answers."""
    answered: str | None = message.get("tool_call_id")
    if answered is None:
        raise _missing_member(index, "tool_call_id", "tool")
    if not called:
        raise RequestError(
            "Invalid parameter: messages with role 'tool' must be a response to "
            "a preceeding message with 'tool_calls'.",  # the misspelling is theirs
            param=f"messages.[{index}].role",
        )
    if answered not in called:
        raise RequestError(
            f"Invalid parameter: 'tool_call_id' of '{wording.show(answered)}' not found in 'tool_calls' "
            "of previous message.",
            param=f"messages.[{index}].tool_call_id",
        )
    return answered


def _missing_member(index: int, member: str, role: str) -> RequestError:
    return RequestError(
        f"Missing parameter '{member}': messages with role '{role}' must have a '{member}'.",
        param=f"messages.[{index}].{member}",
    )


def _unanswered(call_ids: Iterable[str], index: int) -> RequestError:
    return RequestError(
        "An assistant message with 'tool_calls' must be followed by tool messages responding to each 'tool_call_id'. "
        f"The following tool_call_ids did not have response messages: {wording.show(', '.join(call_ids))}",
        param=f"messages.[{index}].role",
    )
