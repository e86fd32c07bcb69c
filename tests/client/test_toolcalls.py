from typing import Any

import pytest

from client.accumulate import accumulate
from client.completion import ToolCall
from client.errors import MalformedError
from tests.client.chunks import call, chunk

F = {"name": "f", "arguments": '{"a":1}'}
G = {"name": "g", "arguments": '{"b":2}'}
ONE = (ToolCall("t1", "f", '{"a":1}'),)
TWO = (ToolCall("t1", "f", '{"a":1}'), ToolCall("t2", "g", '{"b":2}'))
SAME_TWICE = (ToolCall("", "f", '{"a":1}'), ToolCall("", "f", '{"b":2}'))


def both(**keys: Any) -> dict[str, Any]:
    """Two whole calls as two entries of one delta; a key that is a pair is dealt out."""
    entries: list[dict[str, Any]] = []
    for number, function in enumerate((F, G)):
        dealt = {key: value[number] if isinstance(value, tuple) else value for key, value in keys.items()}
        entries.append({**dealt, "function": function})
    return chunk({"tool_calls": entries})


ROWS: dict[str, tuple[list[dict[str, Any]], tuple[ToolCall, ...]]] = {
    "fragments, as OpenAI sends them": (
        [
            call(index=0, id="t1", type="function", name="f", arguments=""),
            call(index=0, arguments='{"a"'),
            call(index=0, arguments=":1}"),
        ],
        ONE,
    ),
    "whole in one chunk": ([call(index=0, id="t1", type="function", **F)], ONE),
    "parallel, one after the other": (
        [
            call(index=0, id="t1", name="f", arguments=""),
            call(index=0, arguments='{"a":1}'),
            call(index=1, id="t2", name="g", arguments=""),
            call(index=1, arguments='{"b":2}'),
        ],
        TWO,
    ),
    "parallel, interleaved": (
        [
            call(index=0, id="t1", name="f", arguments='{"a"'),
            call(index=1, id="t2", name="g", arguments='{"b"'),
            call(index=0, arguments=":1}"),
            call(index=1, arguments=":2}"),
        ],
        TWO,
    ),
    "parallel, out of order": (
        [
            call(index=1, id="t2", name="g", arguments='{"b"'),
            call(index=0, id="t1", name="f", arguments='{"a":1}'),
            call(index=1, arguments=":2}"),
        ],
        TWO,
    ),
    "several in one delta": ([both(index=(0, 1), id=("t1", "t2"))], TWO),
    "index from 1": ([call(index=1, id="t1", **F), call(index=2, id="t2", **G)], TWO),
    "index from 1, one call": (
        [call(index=1, id="t1", name="f", arguments='{"a"'), call(index=1, arguments=":1}")],
        ONE,
    ),
    "index with gaps": ([call(index=0, id="t1", **F), call(index=7, id="t2", **G)], TWO),
    "index -1": ([call(index=-1, id="t1", name="f", arguments='{"a"'), call(index=-1, arguments=":1}")], ONE),
    "index missing": ([call(id="t1", name="f", arguments='{"a"'), call(arguments=":1}")], ONE),
    "index missing, parallel": (
        [
            call(id="t1", name="f", arguments='{"a"'),
            call(arguments=":1}"),
            call(id="t2", name="g", arguments='{"b"'),
            call(arguments=":2}"),
        ],
        TWO,
    ),
    "index missing, ids on every piece, interleaved": (
        [
            call(id="t1", name="f", arguments='{"a"'),
            call(id="t2", name="g", arguments='{"b"'),
            call(id="t1", arguments=":1}"),
            call(id="t2", arguments=":2}"),
        ],
        TWO,
    ),
    "index missing, several in one delta": ([both(id=("t1", "t2"))], TWO),
    "index null": ([both(index=None, id=("t1", "t2"))], TWO),
    "index a text": ([both(index="0", id=("t1", "t2"))], TWO),
    "index and ids missing, several in one delta, one name": (
        [chunk({"tool_calls": [{"function": F}, {"function": {**G, "name": "f"}}]})],
        SAME_TWICE,
    ),
    "index and ids missing, names differ": (
        [call(name="f", arguments='{"a"'), call(arguments=":1}"), call(**G)],
        (ToolCall("", "f", '{"a":1}'), ToolCall("", "g", '{"b":2}')),
    ),
    "index all zero": (
        [
            call(index=0, id="t1", name="f", arguments='{"a"'),
            call(index=0, arguments=":1}"),
            call(index=0, id="t2", name="g", arguments='{"b"'),
            call(index=0, arguments=":2}"),
        ],
        TWO,
    ),
    "index all zero, several in one delta": ([both(index=0, id=("t1", "t2"))], TWO),
    "index all zero, ids on every piece": (
        [
            call(index=0, id="t1", name="f", arguments='{"a"'),
            call(index=0, id="t2", name="g", arguments='{"b"'),
            call(index=0, id="t1", name="f", arguments=":1}"),
            call(index=0, id="t2", name="g", arguments=":2}"),
        ],
        TWO,
    ),
    "id and name repeated": (
        [
            call(index=0, id="t1", type="function", name="f", arguments='{"a"'),
            call(index=0, id="t1", type="function", name="f", arguments=":1}"),
        ],
        ONE,
    ),
    "id changes": (
        [
            call(index=0, id="t1", name="f", arguments='{"a"'),
            call(index=0, id="x", arguments=":1"),
            call(index=0, id="y", arguments="}"),
        ],
        ONE,
    ),
    "id changes, parallel": (
        [
            call(index=0, id="t1", name="f", arguments='{"a"'),
            call(index=0, id="x", name="f", arguments=":1}"),
            call(index=1, id="t2", name="g", arguments='{"b"'),
            call(index=1, id="y", name="g", arguments=":2}"),
        ],
        TWO,
    ),
    "id changed, and then the changed id again": (
        [
            call(index=0, id="t1", name="f", arguments='{"a"'),
            call(index=0, id="x", arguments=":"),
            call(index=0, id="x", arguments="1}"),
        ],
        ONE,
    ),
    "id missing": (
        [call(index=0, name="f", arguments='{"a"'), call(index=0, arguments=":1}")],
        (ToolCall("", "f", '{"a":1}'),),
    ),
    "id empty": (
        [call(index=0, id="", name="f", arguments='{"a"'), call(index=0, id="", arguments=":1}")],
        (ToolCall("", "f", '{"a":1}'),),
    ),
    "id late": ([call(index=0, name="f", arguments='{"a"'), call(index=0, id="t1", arguments=":1}")], ONE),
    "name late": ([call(index=0, id="t1", arguments='{"a"'), call(index=0, name="f", arguments=":1}")], ONE),
    "id and name late": ([call(index=0, arguments='{"a"'), call(index=0, id="t1", name="f", arguments=":1}")], ONE),
    "name late, parallel": (
        [
            call(index=0, id="t1", arguments='{"a"'),
            call(index=1, id="t2", arguments='{"b"'),
            call(index=1, name="g", arguments=":2}"),
            call(index=0, name="f", arguments=":1}"),
        ],
        TWO,
    ),
    "name empty in later pieces": (
        [call(index=0, id="t1", name="f", arguments='{"a"'), call(index=0, name="", arguments=":1}")],
        ONE,
    ),
    "name in two parts": (
        [
            call(index=0, id="t1", name="get_"),
            call(index=0, name="weather", arguments="{}"),
            call(index=1, id="t2", **G),
        ],
        (ToolCall("t1", "get_weather", "{}"), TWO[1]),
    ),
    "name in two parts, one call": (
        [
            call(index=0, id="t1", name="get_"),
            call(index=0, name="weather"),
            call(index=0, arguments="{}"),
        ],
        (ToolCall("t1", "get_weather", "{}"),),
    ),
    "name in two parts, index all zero": (
        [
            call(index=0, id="t1", name="get_"),
            call(index=0, name="weather", arguments="{}"),
            call(index=0, id="t2", name="g", arguments='{"b"'),
            call(index=0, arguments=":2}"),
        ],
        (ToolCall("t1", "get_weather", "{}"), TWO[1]),
    ),
    "type late or missing": (
        [call(index=0, id="t1", name="f", arguments='{"a"'), call(index=0, type="function", arguments=":1}")],
        ONE,
    ),
    "arguments null first": (
        [call(index=0, id="t1", name="f", arguments=None), call(index=0, arguments='{"a":1}')],
        ONE,
    ),
    "arguments an object": ([call(index=0, id="t1", name="f", arguments={"a": 1})], ONE),
    "arguments empty": ([call(index=0, id="t1", name="f", arguments="")], (ToolCall("t1", "f", ""),)),
    "arguments absent": ([call(index=0, id="t1", name="f")], (ToolCall("t1", "f", ""),)),
    "custom": (
        [
            chunk(
                {"tool_calls": [{"index": 0, "id": "t1", "type": "custom", "custom": {"name": "c", "input": "SEL"}}]}
            ),
            chunk({"tool_calls": [{"index": 0, "custom": {"input": "ECT"}}]}),
        ],
        (ToolCall("t1", "c", "SELECT", "custom"),),
    ),
    "custom without a type": (
        [chunk({"tool_calls": [{"index": 0, "id": "t1", "custom": {"name": "c", "input": "x"}}]})],
        (ToolCall("t1", "c", "x", "custom"),),
    ),
    "unknown keys": (
        [
            call(index=0, id="t1", name="f", arguments='{"a"', extra_content={"google": {"thought_signature": "s"}}),
            chunk({"tool_calls": [{"index": 0, "function": {"arguments": ":1}", "strict": True}, "note": None}]}),
        ],
        (
            ToolCall(
                "t1",
                "f",
                '{"a":1}',
                "function",
                {"extra_content": {"google": {"thought_signature": "s"}}, "function": {"strict": True}},
            ),
        ),
    ),
    "a piece without index among indexed ones goes to its id": (
        [
            call(index=0, id="t1", name="f", arguments='{"a"'),
            call(index=1, id="t2", **G),
            call(id="t1", arguments=":1}"),
        ],
        TWO,
    ),
    "a piece without index and id among indexed ones continues the call in hand": (
        [call(index=0, id="t1", **F), call(index=1, id="t2", name="g", arguments='{"b"'), call(arguments=":2}")],
        TWO,
    ),
    "a new call without index among indexed ones stands last": (
        [call(index=5, id="t1", **F), call(index=3, id="t0", name="e"), call(id="t2", **G)],
        (ToolCall("t0", "e", ""), *TWO),
    ),
    "a whole call twice is what came": (
        [call(index=0, id="t1", **F), call(index=0, id="t1", **F)],
        (ToolCall("t1", "f", '{"a":1}{"a":1}'),),
    ),
    "function null": ([chunk({"tool_calls": [{"index": 0, "id": "t1", "function": None}]}), call(index=0, **F)], ONE),
}


@pytest.mark.parametrize("row", ROWS.values(), ids=ROWS.keys())
def test_pieces_become_calls(row: tuple[list[dict[str, Any]], tuple[ToolCall, ...]]) -> None:
    chunks, calls = row
    assert accumulate(chunks).tool_calls == calls


WRONG: dict[str, tuple[object, str]] = {
    "tool_calls": ("x", "a list at choices[0].delta.tool_calls"),
    "entry": ([None], "an object at choices[0].delta.tool_calls[0]"),
    "id": ([{"id": 5}], "a text at choices[0].delta.tool_calls[0].id"),
    "type": ([{"type": 5}], "a text at choices[0].delta.tool_calls[0].type"),
    "function": ([{}, {"function": "f"}], "an object at choices[0].delta.tool_calls[1].function"),
    "name": ([{"function": {"name": 5}}], "a text at choices[0].delta.tool_calls[0].function.name"),
    "arguments": ([{"function": {"arguments": 5}}], "a text at choices[0].delta.tool_calls[0].function.arguments"),
    "input": ([{"custom": {"input": True}}], "a text at choices[0].delta.tool_calls[0].custom.input"),
}


@pytest.mark.parametrize("row", WRONG.values(), ids=WRONG.keys())
def test_a_wrong_shape_is_refused_by_its_place(row: tuple[object, str]) -> None:
    value, expected = row
    with pytest.raises(MalformedError) as caught:
        accumulate([chunk({"tool_calls": value})])
    assert caught.value.expected == expected
