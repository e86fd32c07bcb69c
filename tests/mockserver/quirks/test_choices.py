"""Quirks of choices and deltas."""

from mockserver.reply import Reply
from tests.mockserver.quirks.bent import ask_stream, chunks_of, deltas_of, make_stream, sample


def test_choices_and_deltas_may_be_null_absent_or_called_otherwise() -> None:
    assert deltas_of(sample("text", "delta-null"))[-1] is None
    assert deltas_of(sample("text", "delta-missing"))[-1] == "absent"
    assert chunks_of(sample("text", "choices-null"))[-1]["choices"] is None
    assert "choices" not in chunks_of(sample("text", "choices-missing"))[-1]
    beside = chunks_of(sample("text", "message-beside-delta"))[3]["choices"][0]
    assert beside["message"] == beside["delta"] == {"content": "Hello"}
    instead = chunks_of(sample("text", "message-instead-of-delta"))[3]["choices"][0]
    assert (instead["message"], "delta" in instead) == ({"content": "Hello"}, False)
    absent = chunks_of(sample("text", "delta-missing", "message-instead-of-delta"))[5]["choices"][0]
    assert "message" not in absent
    nulls = deltas_of(sample("text", "delta-nulls"))[3]
    assert nulls == {"content": "Hello", "role": None, "tool_calls": None, "reasoning_content": None}


def test_empty_deltas_and_empty_chunks_may_stand_between_the_others() -> None:
    assert deltas_of(sample("text", "delta-empty"))[1::2] == [{}] * 5
    empties = [chunk["choices"] == [] for chunk in chunks_of(sample("text", "choices-empty-midstream"))]
    assert empties == [False, True] * 5 + [False, True]


def test_what_several_choices_say_at_once_may_come_in_one_chunk() -> None:
    joined = [
        [choice["index"] for choice in chunk["choices"]] for chunk in chunks_of(sample("two", "choices-in-one-chunk"))
    ]
    assert joined == [[0], [0], [1], [1], [0, 1], [0], [0], [0], [1], []]
    even = make_stream(Reply(content="Hello there"), ask_stream(n=2), ["choices-in-one-chunk", "role-with-content"])
    assert [[c["index"] for c in chunk["choices"]] for chunk in chunks_of(even)] == [[0, 1], [0, 1], [0], [1], []]
