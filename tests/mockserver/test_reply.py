from datetime import date
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mockserver.reply import Choice, FunctionCall, Reply, ToolCall, as_json_text
from mockserver.shorthand import decode_shorthand, encode_shorthand
from tests.mockserver.strategies_local import pieces, replies, texts

REFUSED = "expected whole characters, got half of one at 1"


# What a scenario may write down


def test_arguments_are_a_text_as_it_is_or_an_object_as_compact_json() -> None:
    assert ToolCall("f", arguments='{ "a" : 1 }').text == '{ "a" : 1 }'
    assert ToolCall("f", arguments={"city": "Łódź", "n": [1, 2.5, None, True]}).text == (
        '{"city":"Łódź","n":[1,2.5,null,true]}'
    )
    assert FunctionCall("f", arguments={"a": {}}).text == '{"a":{}}'
    assert ToolCall("f").text == ToolCall("f", type="custom").text == ""


@given(st.dictionaries(texts, st.none() | texts | st.integers() | st.floats(allow_nan=False, allow_infinity=False)))
def test_an_object_as_json_text_is_that_object(value: dict[str, Any]) -> None:
    text = as_json_text(value)
    assert msgspec.json.decode(text.encode()) == value
    assert as_json_text(text) == text


@given(pieces)
def test_pieces_are_the_text_cut_up(own: tuple[str, ...]) -> None:
    joined = "".join(own)
    assert Choice(pieces=own).content == Choice(content=joined, pieces=own).content == joined
    assert ToolCall("f", pieces=own).arguments == ToolCall("f", arguments=joined, pieces=own).arguments == joined
    assert ToolCall("f", type="custom", pieces=own).input == joined
    assert FunctionCall("f", pieces=own).arguments == joined


WRONG: list[tuple[dict[str, Any], str]] = [
    ({"content": "a b", "pieces": ["a", "b"]}, "pieces joined are not the content: expected 'a b', got 'ab'"),
    ({"content": "", "pieces": ["a"]}, "pieces joined are not the content: expected '', got 'a'"),
    (
        {"tool_calls": [{"name": "f", "arguments": {"a": 1}, "pieces": ["{}"]}]},
        r"""pieces joined are not the arguments: expected '{"a":1}', got '{}' - at `\$.tool_calls\[0\]`""",
    ),
    (
        {"tool_calls": [{"name": "f", "type": "custom", "input": "x", "pieces": ["y"]}]},
        "pieces joined are not the input: expected 'x', got 'y'",
    ),
    ({"function_call": {"name": "f", "arguments": "{}", "pieces": ["{"]}}, "pieces joined are not the arguments"),
    ({"tool_calls": [{"name": "f", "input": "x"}]}, "a function tool call has arguments, not input, got 'x'"),
    (
        {"tool_calls": [{"name": "f", "type": "custom", "arguments": {"a": 1}}]},
        "a custom tool call has input, not arguments, got {'a': 1}",
    ),
    (
        {"tool_calls": [{"name": "f"}], "function_call": {"name": "g"}},
        "a message has tool_calls or the deprecated function_call, not both",
    ),
    (
        {"content": "x", "finish_reason": "stop", "choices": [{"content": "y"}]},
        "a reply has choices, or the parts of the only one; got choices and content and finish_reason",
    ),
    ({"tool_calls": [{"name": "f", "arguments": {"a": float("nan")}}]}, "expected an object that JSON can write, got"),
    ({"tool_calls": [{"name": "f", "arguments": {"a": date(2025, 1, 1)}}]}, "expected an object that JSON can write"),
    ({"function_call": {"name": "f", "arguments": {"a": b"x"}}}, "expected an object that JSON can write"),
    ({"content": "x\ud83d"}, f"content: {REFUSED}"),
    ({"reasoning": "x\ud83d"}, f"reasoning: {REFUSED}"),
    ({"refusal": "x\ud83d"}, f"refusal: {REFUSED}"),
    ({"pieces": ["x\ud83d", "\ude42"]}, f"content: {REFUSED}"),
    ({"tool_calls": [{"name": "f\ud83d"}]}, f"name: {REFUSED}"),
    ({"tool_calls": [{"name": "f", "id": "x\ud83d"}]}, f"id: {REFUSED}"),
    ({"tool_calls": [{"name": "f", "arguments": "x\ud83d"}]}, f"text: {REFUSED}"),
    ({"function_call": {"name": "f", "arguments": "x\ud83d"}}, f"text: {REFUSED}"),
    ({"usage": {"prompt_tokens": -1}}, "Expected `int` >= 0"),
    ({"usage": {"cached_tokens": -1}}, "Expected `int` >= 0"),
    ({"contents": "x"}, "unknown field `contents`"),
]


@pytest.mark.parametrize(("values", "message"), WRONG, ids=[ascii(values)[:60] for values, _ in WRONG])
def test_a_reply_that_contradicts_itself_is_refused_where_it_is_written(values: dict[str, Any], message: str) -> None:
    with pytest.raises(msgspec.ValidationError, match=message):
        msgspec.convert(values, Reply, dec_hook=decode_shorthand)


@given(replies())
def test_a_reply_written_to_a_file_and_read_again_is_the_same(reply: Reply) -> None:
    written = msgspec.json.decode(msgspec.json.encode(reply, enc_hook=encode_shorthand))
    assert msgspec.convert(written, Reply, dec_hook=decode_shorthand) == reply
