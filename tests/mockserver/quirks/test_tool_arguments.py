"""Quirks of a call's arguments, and of what stands beside it."""

from mockserver.outcome import expect
from mockserver.reply import Reply, ToolCall
from tests.mockserver.quirks.bent import ask_stream, deltas_of, make_stream, pieces_of, sample


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
