"""Quirks of the pieces of tool calls."""

from typing import Any

import pytest

from mockserver.reply import Reply, ToolCall
from tests.mockserver.quirks.bent import ask_stream, body_of, make_stream, pieces_of, sample
from tests.mockserver.tolerant import read


def test_a_calls_index_may_be_absent_null_zero_one_or_less() -> None:
    for name, expected in {
        "tool-index-missing": {"absent"},
        "tool-index-null": {None},
        "tool-index-all-zero": {0},
        "tool-index-starts-at-1": {1, 2},
        "tool-index-minus-one": {-1},
    }.items():
        assert {piece.get("index", "absent") for piece in pieces_of(sample("calls", name))} == expected


def headers_of(name: str, *more: str) -> list[tuple[Any, Any, Any]]:
    """Id, type and name of the pieces of the first call."""
    pieces = [piece for piece in pieces_of(sample("calls", name, *more)) if piece["index"] == 0][:3]
    return [
        (p.get("id", "absent"), p.get("type", "absent"), p.get("function", {}).get("name", "absent")) for p in pieces
    ]


PLAIN = ("absent", "absent", "absent")


@pytest.mark.parametrize(
    ("name", "headers"),
    [
        ("tool-id-repeated", [("call_f", "function", "f")] * 3),
        ("tool-id-changes", [("call_f", "function", "f"), ("call_1", "absent", "absent"), ("call_2", "absent", "absent")]),
        ("tool-id-missing", [("absent", "function", "f"), PLAIN, PLAIN]),
        ("tool-id-empty-pieces", [("call_f", "function", "f"), ("", "absent", "absent"), ("", "absent", "absent")]),
        ("tool-name-late", [("call_f", "function", "absent"), ("absent", "absent", "f"), PLAIN]),
        ("tool-type-late", [("call_f", "absent", "f"), ("absent", "function", "absent"), PLAIN]),
        ("tool-type-missing", [("call_f", "absent", "f"), PLAIN, PLAIN]),
        ("tool-name-empty-pieces", [("call_f", "function", "f"), ("absent", "absent", ""), ("absent", "absent", "")]),
        ("tool-null-pieces", [("call_f", "function", "f"), (None, None, None), (None, None, None)]),
    ],
)  # fmt: skip
def test_the_head_of_a_call_may_come_late_often_or_never(name: str, headers: list[Any]) -> None:
    assert headers_of(name) == headers


def test_a_name_that_comes_late_is_repeated_from_there_on() -> None:
    assert headers_of("tool-name-late", "tool-id-repeated") == [
        ("call_f", "function", "absent"), ("call_f", "function", "f"), ("call_f", "function", "f"),
    ]  # fmt: skip


@pytest.mark.parametrize(("name", "member"), [("tool-name-late", "function"), ("tool-type-late", "type")])
def test_what_no_second_piece_can_carry_comes_in_one_of_its_own(name: str, member: str) -> None:
    stream = make_stream(Reply(tool_calls=(ToolCall("f", "", id="call_f"),)), ask_stream(), [name])
    late = {"index": 0, "function": {"name": "f"}} if member == "function" else {"index": 0, "type": "function"}
    assert pieces_of(stream)[-1] == late
    assert read(body_of(stream))["tool_calls"] == [{"id": "call_f", "type": "function", "name": "f", "arguments": ""}]


def test_calls_may_alternate() -> None:
    indexes = [piece["index"] for piece in pieces_of(sample("calls", "tool-interleaved"))]
    assert indexes == [0, 0, 1, 1, 0, 1, 0, 1, 0, 1, 0, 1]
    assert indexes != sorted(indexes)
