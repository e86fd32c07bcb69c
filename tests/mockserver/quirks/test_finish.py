"""Quirks of the finish reason."""

from typing import Any

from mockserver.chunks import Chunk
from mockserver.quirks.finish import TABLE as FINISH
from mockserver.stream import Stream
from tests.mockserver.quirks.bent import body_of, chunks_of, deltas_of, sample


def finish_reasons(stream: Stream) -> list[Any]:
    return [
        choice.get("finish_reason", "absent") for chunk in chunks_of(stream) for choice in chunk.get("choices") or ()
    ]


def test_a_finish_reason_may_be_empty_absent_or_null() -> None:
    assert finish_reasons(sample("text", "finish-empty-string")) == [""] * 5 + ["stop"]
    assert finish_reasons(sample("text", "finish-missing-until-end")) == ["absent"] * 5 + ["stop"]
    assert finish_reasons(sample("text", "finish-null-at-end")) == [None] * 6
    assert finish_reasons(sample("text", "finish-chunk-missing")) == [None] * 5
    assert finish_reasons(sample("calls", "finish-stop-with-tools"))[-1] == "stop"
    native = chunks_of(sample("text", "native-finish-reason"))
    assert [choice["native_finish_reason"] for chunk in native for choice in chunk["choices"]] == [None] * 5 + ["stop"]


def test_a_finish_reason_may_come_with_the_last_text_or_the_last_of_a_call() -> None:
    text = chunks_of(sample("text", "finish-with-content"))[-2]["choices"][0]
    assert (text["delta"], text["finish_reason"]) == ({"content": " there"}, "stop")
    assert body_of(sample("calls", "finish-with-content")) == body_of(sample("calls"))
    call = chunks_of(sample("calls", "finish-with-tools"))[-2]["choices"][0]
    assert (call["delta"]["tool_calls"][0]["function"], call["finish_reason"]) == ({"arguments": '"}'}, "tool_calls")
    assert body_of(sample("text", "finish-with-tools")) == body_of(sample("text"))
    assert body_of(sample("text", "finish-length-with-content")) == body_of(sample("text"))
    cut = chunks_of(sample("cut", "finish-length-with-content"))[-2]["choices"][0]
    assert (cut["delta"], cut["finish_reason"]) == ({"content": " there"}, "length")


def test_a_finish_reason_that_came_with_text_is_taken_away_without_the_text() -> None:
    deltas = deltas_of(sample("text", "finish-with-content", "finish-chunk-missing"))
    assert deltas[-1] == {"content": " there"}


def test_each_of_several_choices_finishes_with_its_own_last_text() -> None:
    finished = [
        (choice["index"], choice["delta"], choice["finish_reason"])
        for chunk in chunks_of(sample("two", "finish-with-content"))
        for choice in chunk["choices"]
        if choice["finish_reason"]
    ]
    assert finished == [(0, {"content": " you"}, "stop"), (1, {"content": " now"}, "stop")]


def test_chunks_that_waited_are_never_due_before_what_precedes_them() -> None:
    def chunk(index: int, due_s: float, kind: Any = "delta") -> Chunk:
        choice = {"index": index, "delta": {"content": "x"} if kind == "delta" else {}, "finish_reason": None}
        return Chunk({"choices": [choice]}, due_s, kind)

    (quirk,) = (quirk for quirk in FINISH if quirk.name == "finish-with-content")
    chunks = [
        chunk(0, 0.0),
        chunk(1, 1.0),
        chunk(1, 2.0),
        chunk(0, 5.0),
        chunk(0, 6.0, "finish"),
        chunk(1, 6.0, "finish"),
    ]
    due = [bent.due_s for bent in quirk.apply(iter(chunks))]
    assert due == sorted(due)
