"""A stream from its meaning to its body: raw bodies, grouping, comments while waiting, long texts."""

import json
import tracemalloc
from itertools import count, pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mockserver.delivery import Delivery
from mockserver.edits import Edit, Insert, Raw
from mockserver.faults import Fault
from mockserver.place import EventRef
from mockserver.reply import Reply
from mockserver.scenario import convert
from mockserver.sse import BOM, SLICE_BYTES, Framing, Lines, Slice
from mockserver.stream import Stream, WholeAnswer, comment_while_waiting, delay, raw_slices
from mockserver.timing import Schedule, Timing
from tests.mockserver.quirks.bent import ask_stream, body_of, chunks_of, make_stream
from tests.mockserver.strategies_local import IDENTITY, answer, groups, replies
from tests.mockserver.tolerant import read
from tests.mockserver.whatwg import parse

LINES = st.sampled_from(
    [
        "data: {}",
        "data:x",
        "data",
        ": comment",
        ": data: no",
        "id: 1",
        "retry: 5",
        "event: e",
        "database: 1",
        "data: [DONE]",
        "",
    ]
)
BODIES = st.lists(st.tuples(LINES, st.sampled_from(["\n", "\r\n", "\r"])), max_size=12).map(
    lambda lines: "".join(line + end for line, end in lines).encode()
)


# A raw body


@given(BODIES | st.binary(max_size=40), st.booleans())
def test_a_raw_body_is_cut_behind_its_events_and_no_byte_is_lost(body: bytes, bom: bool) -> None:
    body = BOM + body if bom else body
    assert b"".join(piece.data for piece in raw_slices(body, count(1.0))) == body


@given(BODIES)
def test_the_events_of_a_raw_body_are_numbered_as_a_parser_counts_them(body: bytes) -> None:
    pieces = list(raw_slices(body, count(1.0)))
    events = [piece for piece in pieces if piece.event is not None]
    assert [piece.event for piece in events] == list(range(len(events)))
    assert [piece.due_s for piece in events] == [1.0 + number for number in range(len(events))]
    assert all(piece.kind == "comment" for piece in pieces if piece.event is None)
    dispatched = parse(body).events
    assert len(events) == len(dispatched) + bool(events and not parse(events[-1].data).events)


def test_a_comment_in_a_raw_body_is_due_with_the_event_behind_it() -> None:
    pieces = list(raw_slices(b": a\n\ndata: 1\n\n: b\n\ndata: [DONE]\n\n", iter([1.0, 2.0, 3.0])))
    assert pieces == [
        Slice(b": a\n\n", 1.0, None, "comment"),
        Slice(b"data: 1\n\n", 1.0, 0, "delta"),
        Slice(b": b\n\n", 2.0, None, "comment"),
        Slice(b"data: [DONE]\n\n", 2.0, 1, "done"),
    ]


def test_what_a_raw_event_is_for_is_read_from_its_data_however_it_is_framed() -> None:
    finish = b'data:{"choices":[{"index":0,\rdata: "delta":{},"finish_reason":"stop"}]}\r\r'
    text = b'data: {"choices":[{"delta":{"content":"data: [DONE]"}}]}\n\n'
    assert [piece.kind for piece in raw_slices(BOM + finish + text, count(1.0))] == ["finish", "delta"]


def test_a_long_raw_event_is_rendered_in_pieces() -> None:
    pieces = list(raw_slices(b"data: " + b"x" * 3 * SLICE_BYTES + b"\n\n", count(1.0)))
    assert max(len(piece.data) for piece in pieces) == SLICE_BYTES
    assert [piece.event for piece in pieces] == [0, 0, 0, 0]


@pytest.mark.parametrize(
    "raw",
    [
        Raw(body="data: 1\n\ndata: [DONE]\n\n"),
        Raw(base64="ZGF0YTogMQoKZGF0YTogW0RPTkVdCgo="),
        Raw(events=("1", "[DONE]")),
    ],
)
def test_a_stream_given_raw_is_sent_as_it_is_given(raw: Raw) -> None:
    stream = make_stream(Reply(content="x"), ask_stream(), raw=raw)
    assert body_of(stream) == b"data: 1\n\ndata: [DONE]\n\n"


def test_raw_events_are_bent_framed_and_added_to_as_others_are() -> None:
    delivery = {
        "raw": Raw(events=('{"a":1}', "[DONE]")),
        "inserts": (Insert(before=EventRef(0), data="x"),),
        "framing": Framing(line_end="crlf"),
    }
    stream = make_stream(Reply(content="x"), ask_stream(), ["done-missing"], **delivery)
    assert body_of(stream) == b'data: x\r\n\r\ndata: {"a":1}\r\n\r\n'


# The arrows together


@given(replies(), groups.filter(bool) | st.sampled_from([2, "all"]))
def test_grouping_changes_neither_meaning_nor_usage(reply: Reply, group: Any) -> None:
    plain, grouped = (make_stream(reply, ask_stream(), group=own) for own in (1, group))
    assert read(body_of(grouped)) == read(body_of(plain))
    assert len(list(grouped.events())) <= len(list(plain.events()))


@pytest.mark.parametrize(
    ("group", "sizes"), [(1, [1] * 5), (2, [2, 2, 1]), ("all", [5]), ((3, 1), [3, 1, 1]), ((2,), [2, 1, 1, 1])]
)
def test_a_chunk_carries_as_many_tokens_as_told(group: Any, sizes: list[int]) -> None:
    stream = make_stream(Reply(pieces=("a",) * 5), ask_stream(), group=group)
    texts = [c["choices"][0]["delta"].get("content", "") for c in chunks_of(stream) if c["choices"]]
    assert [len(text) for text in texts if text] == sizes


def test_every_arrow_of_a_delivery_acts() -> None:
    delivery = {
        "group": "all",
        "json": {"spaces": True},
        "edits": [{"at": "delta", "set": {"/x": 1}}],
        "inserts": [{"after": "role", "data": "beat"}],
        "framing": {"line_end": "cr"},
        "quirks": ["tier-missing"],
        "faults": [{"fault": "drop", "event": "done"}],
    }
    stream = make_stream(Reply(content="a b"), ask_stream(usage=False, stream_options={"include_obfuscation": False}))
    own = convert(delivery, Delivery)
    body = body_of(Stream(stream.completion, stream.request, IDENTITY, stream.schedule, own, own.faults)).decode()
    head = '"id": "chatcmpl-1", "object": "chat.completion.chunk", "created": 1700000000, "model": "gpt-4o-mini"'
    blocks = body.split("\r\r")
    assert (blocks[1], blocks[-1], len(blocks)) == ("data: beat", "", 5)
    assert blocks[2] == (
        f'data: {{{head}, "system_fingerprint": "fp_50cad350e4", "choices": [{{"index": 0, "delta": {{"content": "a b"}}, '
        '"logprobs": null, "finish_reason": null}], "x": 1}'
    )
    assert '"x"' not in blocks[0] + blocks[3]


def test_chunks_are_edited_after_the_quirks_have_bent_them() -> None:
    stream = make_stream(Reply(content="a"), ask_stream(), ["id-missing"], edits=(Edit(merge={"id": "mine"}),))
    assert {chunk["id"] for chunk in chunks_of(stream)} == {"mine"}


def test_a_body_ends_in_a_slice_of_no_bytes_that_is_due_with_the_last_event() -> None:
    schedule = Schedule(convert({"ttft": 1, "itl": 2}, Timing))
    stream = Stream(answer(Reply(content="a b"), ask_stream()), ask_stream(), IDENTITY, schedule, Delivery())
    *_, last, end = stream.body()
    assert end == Slice(b"", last.due_s, None, "end")
    assert (stream.due_s, last.due_s) == (1.0, 3.0)


def test_a_fault_may_know_the_answer_as_it_would_be_without_streaming() -> None:
    stream = make_stream(Reply(content="Hi"), ask_stream())
    whole = json.loads(stream.around.completion())
    assert (whole["object"], whole["choices"][0]["message"]["content"]) == ("chat.completion", "Hi")
    assert json.loads(stream.around.chunk) == {"id": "chatcmpl-1", "object": "chat.completion.chunk",
        "created": 1_700_000_000, "model": "gpt-4o-mini", "choices": []}  # fmt: skip


def test_an_answer_that_is_not_streamed_is_one_event() -> None:
    whole = WholeAnswer(b"{}", 2.5)
    assert list(whole.body()) == [Slice(b"{}", 2.5, 0, "whole"), Slice(b"", 2.5, None, "end")]
    assert (whole.around.choices, whole.around.completion()) == (1, b"{}")
    struck = WholeAnswer(b"{}", 2.5, (Fault(),))
    assert [piece.data for piece in struck.body() if piece.data] == [b"{}"]


# Comments while waiting


def wait(
    pieces: list[Slice], every_s: float = 1.0, text: str = " x", since_s: float = 0.0
) -> list[tuple[float, bytes]]:
    return [(piece.due_s, piece.data) for piece in comment_while_waiting(pieces, text, every_s, since_s)]


def test_comments_fill_the_time_in_which_nothing_is_due() -> None:
    a, b, c, x = b"data: a\n\n", b"data: b\n\n", b"data: c\n\n", b": x\n\n"
    pieces = [Slice(a, 2.5, 0), Slice(b, 3.5, 1), Slice(c, 6.0, 2)]
    assert wait(pieces) == [(1.0, x), (2.0, x), (2.5, a), (3.5, b), (4.5, x), (5.5, x), (6.0, c)]
    assert wait(pieces[:1], since_s=2.0) == [(2.5, a)]


def test_no_comment_comes_inside_an_event_nor_before_the_byte_order_mark() -> None:
    cut = [Slice(b"da", 0.0, 0, ends=False), Slice(b"ta", 5.0, 0, starts=False)]
    assert wait(cut) == [(0.0, b"da"), (5.0, b"ta")]
    (first, bom), *rest = wait([Slice(BOM, 2.5, None, "bom"), Slice(b"a", 2.5, 0)])
    assert (bom, [data for _, data in rest]) == (BOM, [b": x\n\n", b": x\n\n", b"a"])
    assert first == rest[0][0] == 1.0


@given(st.lists(st.floats(0, 30), max_size=5).map(sorted), st.floats(0.5, 5), st.floats(0, 5))
def test_comments_leave_no_longer_silence_than_told_and_move_nothing(
    due: list[float], every_s: float, since_s: float
) -> None:
    pieces = [Slice(b"data: x\n\n", due_s, number) for number, due_s in enumerate(due)]
    filled = list(comment_while_waiting(pieces, "", every_s, since_s))
    assert [piece for piece in filled if piece.event is not None] == pieces
    times = [since_s, *(piece.due_s for piece in filled)]
    assert all(later - earlier <= every_s + 1e-9 for earlier, later in pairwise(times))


def test_a_comment_of_several_lines_is_several_comments() -> None:
    assert wait([Slice(b"a", 1.5, 0)], text="x\ny")[0][1] == b":x\n:y\n\n"
    assert wait([Slice(b"a", 1.5, 0)], text="")[0][1] == b":\n\n"


def test_a_delay_moves_everything_and_none_nothing() -> None:
    pieces = [Slice(b"a", 1.0, 0), Slice(b"b", 2.0, 1)]
    assert [piece.due_s for piece in delay(pieces, 0.5)] == [1.5, 2.5]
    assert delay(pieces, 0.0) is pieces


# Long texts


def test_a_text_may_be_written_short_and_is_sent_in_full() -> None:
    reply = convert({"content": {"repeat": "text ", "times": 1000}}, Reply)
    stream = make_stream(reply, ask_stream())
    assert read(body_of(stream))["content"] == "text " * 1000
    assert len(list(stream.events())) > 1000


def test_a_repeated_text_may_be_one_token_of_any_part() -> None:
    long = {"repeat": "é", "times": 100_000}
    written = {"pieces": [long], "reasoning": long, "tool_calls": [{"name": "f", "pieces": ['"', long, '"']}]}
    outcome = read(body_of(make_stream(convert(written, Reply), ask_stream(), group="all")))
    assert outcome["content"] == outcome["reasoning"] == "é" * 100_000
    assert outcome["tool_calls"][0]["arguments"] == '"' + "é" * 100_000 + '"'


def test_a_large_event_is_never_held_more_than_a_few_times() -> None:
    size = 4 * 1024 * 1024
    reply = convert({"pieces": [{"repeat": "0123456789abcdef", "times": size // 16}]}, Reply)
    stream = make_stream(reply, ask_stream())
    tracemalloc.start()
    try:
        sent = sum(len(piece.data) for piece in stream.body())
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert sent > size
    assert peak < 3.5 * size


def test_many_chunks_cost_no_memory() -> None:
    stream = make_stream(convert({"content": {"repeat": " x", "times": 5000}}, Reply), ask_stream())
    tracemalloc.start()
    try:
        sent = sum(len(piece.data) for piece in stream.body())
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert sent > 1_000_000
    assert peak < 400_000


def test_lines_may_be_put_into_a_stream_without_touching_what_it_means() -> None:
    framing = Framing(extra=(Lines((": a", ""), times=300), Lines(("id: {n}", "retry: 10", "foo: bar"), at="first")))
    plain, framed = (make_stream(Reply(content="Hi"), ask_stream(), framing=own) for own in (Framing(), framing))
    assert read(body_of(framed)) == read(body_of(plain))
