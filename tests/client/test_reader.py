"""What the catalogue's rows (test_catalogue.py) leave open of the reader."""

from collections.abc import Iterable
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from client.completion import Completion, Delta, Timings
from client.errors import ChatError, MalformedError, NotAStreamError, ReportedError, TruncatedError
from client.limits import Limits
from client.reader import KEPT_CHARS, ChatReader
from tests.client.bodies import DONE, HEL, HELLO, LO, ROLE, STOP, USAGE_CHUNK, event, events
from tests.client.catalogue import ERROR, PIECES, WHOLE, json
from tests.client.chunks import chunk, text


def read(body: bytes) -> tuple[ChatReader, list[Delta]]:
    reader = ChatReader()
    return reader, list(reader.feed(body))


def read_to_error(reader: ChatReader, body: bytes) -> tuple[list[str], ChatError | None]:
    """The texts given before the error, and the error."""
    given: list[str] = []
    try:
        given.extend(delta.content for delta in reader.feed(body))
    except ChatError as error:
        return given, error
    return given, None


def test_deltas_come_one_by_one_with_the_chunks_counted_up_to_each() -> None:
    reader = ChatReader()
    seen = [(delta.content, delta.finish_reason, reader.chunk_count) for delta in reader.feed(HELLO)]
    assert seen == [("", None, 1), ("Hel", None, 2), ("lo", None, 3), ("", "stop", 4)]
    assert reader.done


def test_a_completion_can_be_looked_at_on_the_way() -> None:
    reader = ChatReader()
    assert [reader.completion.content for _ in reader.feed(HELLO)] == ["", "Hel", "Hello", "Hello"]


def test_deltas_before_an_error_are_given_first() -> None:
    reader = ChatReader()
    given, error = read_to_error(reader, events(ROLE, HEL, {"error": ERROR}, LO))
    assert given == ["", "Hel"]
    assert isinstance(error, ReportedError)
    assert error.error == ERROR
    assert error.completion == reader.completion


@pytest.mark.parametrize("told", [b'{"detail":"boom"}', b'[{"error":{"message":"boom"}}]'])
def test_an_error_in_a_detail_or_a_list_is_told_though_the_rest_of_the_stream_follows(told: bytes) -> None:
    given, error = read_to_error(ChatReader(), events(HEL) + b"data: " + told + b"\n\n" + events(LO, STOP) + DONE)
    assert given == ["Hel"]
    assert isinstance(error, ReportedError)
    assert "in an event: boom" in str(error)


def test_a_list_without_an_error_is_no_chunk() -> None:
    _, error = read_to_error(ChatReader(), events(HEL) + b"data: [1]\n\n")
    assert isinstance(error, MalformedError)


@pytest.mark.parametrize("told", [b'{"error":{"message":"boom"}}', b'{"error":"boom","x":1}', b'[{"error":"boom"}]'])
def test_an_error_in_an_event_of_any_name_is_told(told: bytes) -> None:
    given, error = read_to_error(ChatReader(), events(HEL) + b"event: failure\ndata: " + told + b"\n\n" + DONE)
    assert given == ["Hel"]
    assert isinstance(error, ReportedError)
    assert "in an event named 'failure': boom" in str(error)


@pytest.mark.parametrize(
    "data", [b'{"error":null}', b'{"error":{}}', b'{"message":"half way","status":"ok"}', b'{"detail":"x"}', b"[5]"]
)
def test_a_named_event_that_tells_no_error_in_so_many_words_is_skipped(data: bytes) -> None:
    reader, _ = read(b"event: progress\ndata: " + data + b"\n\n" + HELLO)
    assert reader.completion.content == "Hello"


def test_an_unframed_error_ends_the_reply_where_it_stands() -> None:
    given, error = read_to_error(ChatReader(), events(HEL) + json({"error": ERROR}) + b"\n\n" + events(LO) + DONE)
    assert given == ["Hel"]
    assert "outside of any event: boom" in str(error)


def test_a_fault_of_the_bytes_is_raised_at_once_and_not_with_the_next_read() -> None:
    given, error = read_to_error(ChatReader(), events(HEL) + b"data: \xff\n\n")
    assert given == ["Hel"]
    assert isinstance(error, MalformedError)


def test_of_an_unframed_error_and_bad_bytes_behind_it_the_error_is_told() -> None:
    given, error = read_to_error(ChatReader(), json({"error": ERROR}) + b"\ndata: \xff\n\n")
    assert given == []
    assert isinstance(error, ReportedError)


def test_a_heartbeat_leaves_no_trace() -> None:
    reader, _ = read(events(ROLE, {"type": "ping", "n": 1}, HEL, LO, STOP) + DONE)
    assert reader.completion.extra == {}
    assert reader.chunk_count == 4


def test_only_the_first_unframed_error_is_told() -> None:
    reader = ChatReader()
    body = b'{"error":"first"}\n{"error":"second"}\n{"x":1}\n[]\n'
    with pytest.raises(ReportedError, match="first"):
        list(reader.feed(body))


def test_text_outside_of_events_does_not_matter_where_the_reply_is_whole() -> None:
    reader, _ = read(b"Hello there\n" + HELLO)
    reader.end()
    assert reader.completion.content == "Hello"


def test_only_so_much_text_outside_of_events_is_kept() -> None:
    reader = ChatReader()
    list(reader.feed(b"not a field\n" * 10_000))
    with pytest.raises(NotAStreamError) as caught:
        reader.end()
    assert KEPT_CHARS <= len(caught.value.body) <= KEPT_CHARS + 2000


def test_a_completion_with_a_wrong_shape_outside_of_events_is_no_stream_either() -> None:
    reader = ChatReader()
    list(reader.feed(b'{"choices": 5}\n'))
    with pytest.raises(NotAStreamError):
        reader.end()


def test_what_the_end_cut_off_is_shown() -> None:
    reader, _ = read(events(ROLE, HEL) + b'data: {"a"\ndata: "b')
    with pytest.raises(TruncatedError) as caught:
        reader.end()
    assert caught.value.unfinished == '{"a"\n"b'
    reader, _ = read(events(ROLE, HEL) + b"dat")
    with pytest.raises(TruncatedError) as caught:
        reader.end()
    assert caught.value.unfinished == "dat"


def test_a_comment_cut_by_the_end_is_nothing() -> None:
    reader, _ = read(events(ROLE, HEL, LO, STOP) + b": pin")
    reader.end()
    reader, _ = read(events(ROLE, HEL) + b": pin")
    with pytest.raises(TruncatedError, match="finish reason"):
        reader.end()


def test_the_end_after_done_is_no_question() -> None:
    reader, _ = read(HELLO)
    reader.end()


@pytest.mark.parametrize("rest", [b"Bad Gateway\n", b'{"error":"boom"}\n', b"data: \xff\n\n", b"data: {\n\n"])
def test_what_stands_behind_done_does_not_matter(rest: bytes) -> None:
    for start in (events(ROLE, HEL, STOP), events(ROLE, HEL)):
        reader, _ = read(start + DONE + rest)
        assert reader.done


@pytest.mark.parametrize("done", [b"data: [DONE]\n\n", b"data:  [DONE] \n\n", b"event: done\ndata: [DONE]\n\n"])
def test_done_ends_the_reply_with_white_space_and_under_any_name(done: bytes) -> None:
    reader, deltas = read(events(ROLE, HEL, STOP) + done + events(LO))
    assert reader.done
    assert len(deltas) == 3


def test_a_named_event_with_choices_that_are_no_list_is_not_ours() -> None:
    reader, deltas = read(b'event: x\ndata: {"choices":5}\n\nevent: y\ndata: [1]\n\n' + HELLO)
    assert reader.done
    assert len(deltas) == 4


def test_a_number_with_too_many_digits_is_malformed_like_any_bad_json() -> None:
    with pytest.raises(MalformedError):
        read(b'data: {"choices":[{"delta":{"content":"x"},"index":1e999}]}\n\n')


def test_json_nested_too_deep_is_malformed() -> None:
    with pytest.raises(MalformedError):
        read(b"data: " + b"[" * 100_000 + b"\n\n")


def test_half_a_surrogate_pair_is_malformed() -> None:
    with pytest.raises(MalformedError):
        read(b'data: {"choices":[{"index":0,"delta":{"content":"\\ud83d"}}]}\n\n')


def test_events_and_comments_are_counted() -> None:
    reader, _ = read(b": a\n\n: b\n" + events(ROLE, HEL))
    assert (reader.events, reader.comments) == (2, 2)


def test_a_token_is_more_than_a_role() -> None:
    reader, _ = read(events(ROLE))
    assert not reader.has_token
    list(reader.feed(events(HEL)))
    assert reader.has_token


def test_the_time_of_a_token_is_that_of_the_read_that_brought_it() -> None:
    reader = ChatReader(start_s=10.0)
    for now_s, body in ((10.5, events(ROLE)), (11.0, events(HEL, LO)), (11.25, events(LO)), (12.0, b": ping\n\n")):
        list(reader.feed(body, now_s))
    assert reader.completion.timings == Timings(ttft_s=1.0, itl_s=(0.0, 0.25), total_s=2.0)
    assert ChatReader(start_s=5.0).completion.timings == Timings(None, (), 0.0)


def test_bounds_are_those_of_the_limits() -> None:
    reader = ChatReader(limits=Limits(max_line_bytes=300, max_event_bytes=None))
    assert len(list(reader.feed(events(ROLE)))) == 1
    with pytest.raises(ChatError, match="max_line_bytes"):
        list(reader.feed(event(text("x" * 300))))
    assert reader.completion.choices


def test_a_stream_with_ways_of_its_own_is_read_all_the_same() -> None:
    """After enough chunks that are not plain text, the short way is not even tried."""
    body = events(ROLE, *(chunk({"content": str(k), "x": 1}) for k in range(20)), HEL, LO, STOP) + DONE
    reader, _ = read(body)
    assert reader.completion.content == "".join(map(str, range(20))) + "Hello"


# Replies that are not streamed


def test_a_whole_reply_is_read_as_one_delta_for_each_choice() -> None:
    reader = ChatReader(start_s=1.0)
    deltas = reader.read_whole(json(WHOLE), 3.0)
    assert [(delta.content, delta.finish_reason) for delta in deltas] == [("Hello", "stop")]
    assert reader.completion.content == "Hello"
    assert reader.completion.timings == Timings(2.0, (), 2.0)


def test_a_whole_reply_without_a_token_has_no_first_one() -> None:
    reader = ChatReader()
    reader.read_whole(json({"choices": [{"index": 0, "message": {"content": ""}, "finish_reason": "stop"}]}))
    assert reader.completion.timings == Timings(None, (), 0.0)


@pytest.mark.parametrize(
    ("body", "kind", "says"),
    [
        (b"", MalformedError, "a chat.completion object"),
        (b"[]", MalformedError, "a chat.completion object"),
        (HELLO, MalformedError, "a chat.completion object"),
        (json({"error": ERROR}), ReportedError, "in place of a completion: boom"),
        (json([{"error": ERROR}]), ReportedError, "in place of a completion: boom"),
        (json({"choices": []}), TruncatedError, "a chunk with a choice"),
        (
            json(
                {"choices": [{"message": {"tool_calls": [{"id": "t", "function": {"name": "f", "arguments": "{"}}]}}]}
            ),
            MalformedError,
            "'f'",
        ),
    ],
)
def test_a_whole_reply_that_is_none_is_refused(body: bytes, kind: type[ChatError], says: str) -> None:
    with pytest.raises(ChatError, match="expected") as caught:
        ChatReader().read_whole(body)
    assert type(caught.value) is kind
    assert says in str(caught.value)
    assert isinstance(caught.value.completion, Completion)


def test_a_body_of_the_wrong_type_keeps_the_completion_in_it() -> None:
    error = ChatReader().explain_body(json(WHOLE), "application/json")
    assert isinstance(error, NotAStreamError)
    assert error.completion is not None
    assert error.completion.content == "Hello"
    assert error.body == json(WHOLE).decode()


def test_a_body_of_the_wrong_type_with_a_wrong_shape_is_only_shown() -> None:
    error = ChatReader().explain_body(b'{"choices":5}', "application/json")
    assert isinstance(error, NotAStreamError)
    assert error.completion == ChatReader().completion


def test_an_error_in_a_list_as_a_body_of_the_wrong_type_is_told() -> None:
    error = ChatReader().explain_body(json([{"error": ERROR}]), "application/json")
    assert isinstance(error, ReportedError)
    assert error.error == ERROR


# Any stream, in any pieces

FRAGMENTS = [
    *(
        event(each)
        for each in (ROLE, HEL, LO, STOP, PIECES[0], PIECES[1], text("B", index=1), {"type": "ping"}, {"error": ERROR})
    ),
    *(
        DONE,
        b"data: [DONE]x\n\n",
        b"data:\n\n",
        b"data: {\n\n",
        b"data: \xff\n\n",
        b"data: oops\n\n",
        b"data: : ping\n\n",
    ),
    *(
        b"event: ping\ndata: x\n\n",
        b"event: error\ndata: x\n\n",
        b"event: x\n",
        json({"error": ERROR}) + b"\n",
        json(WHOLE) + b"\n",
    ),
    *(
        b": ping\n\n",
        b"Bad Gateway\n",
        b"foo: bar\n",
        b"\n",
        b"\r\n",
        b"id: 1\n",
        b"dat",
        b"data: ",
        b"{",
        b"\xef\xbb\xbf",
    ),
]
streams = st.lists(st.sampled_from(FRAGMENTS) | st.binary(max_size=3), max_size=10).map(b"".join)


def outcome(pieces: Iterable[bytes]) -> tuple[object, Completion, list[Delta]]:
    """All that is told of a stream: the error, the completion, the deltas."""
    reader = ChatReader()
    deltas: list[Delta] = []
    told = None
    try:
        for piece in pieces:
            deltas.extend(reader.feed(piece))
            if reader.done:
                break
        reader.end()
    except ChatError as error:
        told = (type(error), str(error), error.completion == reader.completion)
    return told, reader.completion, deltas


@given(streams, st.lists(st.integers(0, 2000), max_size=8))
def test_any_partition_of_any_stream_comes_to_the_same(stream: bytes, cuts: list[int]) -> None:
    edges = [0, *sorted(min(cut, len(stream)) for cut in cuts), len(stream)]
    whole = outcome([stream])
    assert outcome(stream[a:b] for a, b in pairwise(edges)) == whole
    assert outcome(bytes([byte]) for byte in stream) == whole


@given(st.lists(st.text(max_size=5), max_size=5), st.data())
def test_a_stream_cut_anywhere_is_whole_or_refused_with_a_beginning_of_its_text(
    texts: list[str], data: st.DataObject
) -> None:
    stream = events(ROLE, *map(text, texts), STOP, USAGE_CHUNK) + DONE
    error, completion, _ = outcome([stream[: data.draw(st.integers(0, len(stream)))]])
    assert "".join(texts).startswith(completion.content)
    if error is None:
        assert (completion.content, completion.finish_reason) == ("".join(texts), "stop")


@given(st.lists(st.text(max_size=5), min_size=1, max_size=5), st.data())
def test_a_stream_with_an_event_made_malformed_is_refused(texts: list[str], data: st.DataObject) -> None:
    pieces = [event(each) for each in (ROLE, *map(text, texts), STOP)]
    at = data.draw(st.integers(0, len(pieces) - 1))
    pieces[at] = pieces[at][: data.draw(st.integers(7, len(pieces[at]) - 3))] + b"\n\n"
    error, completion, _ = outcome([b"".join(pieces) + DONE])
    assert error is not None
    assert "".join(texts).startswith(completion.content)
