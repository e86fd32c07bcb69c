import itertools
import sys
import time
import tracemalloc
from collections.abc import Iterable, Iterator
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from client.errors import ChatError, MalformedError, TooLargeError
from client.sse import Comment, Event, Ignored, Notice, Parser, Retry, Unfinished
from tests.client.plain_sse import read_plainly
from tests.client.sse_table import Row, load_rows

ROWS = load_rows()
rows = pytest.mark.parametrize("row", ROWS, ids=lambda row: row.name)


class Reading:
    """Everything a parser tells about a stream fed in pieces."""

    def __init__(self, pieces: Iterable[bytes], **options: Any) -> None:
        self.notices: list[Notice] = []
        self.events: list[Event] = []
        self.unfinished: Unfinished | None = None
        self.fault: ChatError | None = None
        self.parser = Parser(on_notice=self.notices.append, **options)
        try:
            for piece in pieces:
                self.events += self.parser.feed(piece)
            self.unfinished = self.parser.end()
        except ChatError as error:
            self.fault = error

    def notices_of(self, kind: type[Notice]) -> list[Notice]:
        return [notice for notice in self.notices if isinstance(notice, kind)]

    @property
    def told(self) -> object:
        """What must not depend on the cuts."""
        fault = (type(self.fault), str(self.fault)) if self.fault else None
        return self.events, self.notices, self.unfinished, fault, self.parser.last_event_id, self.parser.retry_ms


def in_two(wire: bytes) -> Iterator[list[bytes]]:
    return ([wire[:cut], wire[cut:]] for cut in range(len(wire) + 1))


def check_row(row: Row, reading: Reading) -> None:
    assert reading.fault is None
    assert reading.events == [Event(each.data, each.event, each.id) for each in row.events]
    assert reading.notices_of(Comment) == [Comment(text) for text in row.comments]
    assert reading.notices_of(Retry) == [Retry(milliseconds) for milliseconds in row.retry]
    assert reading.notices_of(Ignored) == [Ignored(line) for line in row.ignored]
    unfinished = row.unfinished
    expected = None if unfinished is None else Unfinished(unfinished.data, unfinished.event, unfinished.line)
    assert reading.unfinished == expected
    assert reading.parser.last_event_id == row.last_id
    assert reading.parser.retry_ms == (row.retry[-1] if row.retry else None)


def test_the_names_of_the_rows_are_unique() -> None:
    assert len({row.name for row in ROWS}) == len(ROWS)


@rows
def test_a_row_fed_whole(row: Row) -> None:
    check_row(row, Reading([row.wire]))


@rows
def test_a_row_fed_byte_by_byte(row: Row) -> None:
    check_row(row, Reading(bytes([byte]) for byte in row.wire))


@rows
def test_a_row_cut_in_two_anywhere(row: Row) -> None:
    for pieces in in_two(row.wire):
        check_row(row, Reading(pieces))


@rows
def test_a_row_with_empty_pieces_between(row: Row) -> None:
    check_row(row, Reading(piece for byte in row.wire for piece in (b"", bytes([byte]), b"")))


@rows
def test_a_row_read_plainly_is_the_same(row: Row) -> None:
    assert read_plainly(row.wire) == [Event(each.data, each.event, each.id) for each in row.events]


@rows
def test_a_row_followed_by_another_event(row: Row) -> None:
    """What a row leaves behind does not reach what follows a blank line, except for the id."""
    reading = Reading([row.wire + b"\n\n", b"data: after\n\n"])
    assert reading.events[-1] == Event("after", "message", reading.parser.last_event_id)


@rows
def test_a_row_read_strictly_is_refused_where_a_field_is_not_utf8(row: Row) -> None:
    for pieces in in_two(row.wire):
        reading = Reading(pieces, strict=True)
        if row.invalid:
            assert isinstance(reading.fault, MalformedError)
            assert "UTF-8" in str(reading.fault)
            assert len(reading.events) == row.before
        else:
            check_row(row, reading)


@rows
def test_a_row_within_its_bounds_is_read_all_the_same(row: Row) -> None:
    longest = max(len(row.wire), 1)
    check_row(row, Reading([row.wire], max_line_bytes=longest, max_event_bytes=longest))
    for pieces in in_two(row.wire):
        check_row(row, Reading(pieces, max_line_bytes=longest, max_event_bytes=longest))


# Any partition of any bytes

FRAGMENTS = [
    b"data", b"data:", b"data: ", b"event: x", b"id: 1", b"id", b"retry: 5", b"retry: x", b":", b": c", b"foo: bar",
    b"\n", b"\r", b"\r\n", b"\n\n", b"\r\n\r\n", b"\r\r", b"\0", b" ", b"a", b"\xef\xbb\xbf", b"\xef", b"\xbb", b"\xbf",
    b"\xff", b"\xe9\x82\xa3", b"\xe9\x82", b"\xf0\x9f\x98\x80", b"\xed\xa0\x80", "\u2028".encode(), b"\xc2\x85", b"\x0b",
]  # fmt: skip
streams = st.lists(st.sampled_from(FRAGMENTS) | st.binary(max_size=4), max_size=24).map(b"".join)


@st.composite
def cut_streams(draw: st.DrawFn) -> tuple[bytes, list[bytes]]:
    """A stream and a partition of it."""
    stream = draw(streams)
    cuts = sorted(draw(st.lists(st.integers(0, len(stream)), max_size=12)))
    edges = [0, *cuts, len(stream)]
    return stream, [stream[a:b] for a, b in itertools.pairwise(edges)]


OPTIONS: list[dict[str, Any]] = [
    {},
    {"strict": True},
    {"max_line_bytes": 9, "max_event_bytes": 14, "strict": True},
    {"max_line_bytes": 9, "max_event_bytes": 14},
    {"max_event_bytes": 5},
    {"max_line_bytes": 5},
]


@given(cut_streams())
@example((b"data: a\r\n\r\n", [b"data: a\r", b"\n\r", b"\n"]))
@example((b"\xef\xbb\xbfdata: a\n\n", [b"\xef", b"\xbb", b"\xbfdata: a\n\n"]))
@example((b"data: \xe9\x82\xa3\n\n", [b"data: \xe9", b"\x82", b"\xa3\n\n"]))
def test_any_partition_of_any_bytes_gives_the_same(cut: tuple[bytes, list[bytes]]) -> None:
    stream, pieces = cut
    for options in OPTIONS:
        assert Reading(pieces, **options).told == Reading([stream], **options).told


@given(streams)
def test_any_bytes_are_read_as_the_standard_reads_them(stream: bytes) -> None:
    assert Reading([stream]).events == read_plainly(stream)


@given(streams)
def test_strictness_and_wide_bounds_change_nothing_in_good_streams(stream: bytes) -> None:
    reading = Reading([stream], strict=True, max_line_bytes=1000, max_event_bytes=1000)
    if reading.fault is None:
        assert reading.told == Reading([stream]).told
    else:
        assert reading.events == Reading([stream]).events[: len(reading.events)]


texts = st.text(st.characters(exclude_characters="\r\n", exclude_categories=["Cs"]))


@given(st.lists(st.lists(texts, min_size=1, max_size=3), max_size=5), st.sampled_from([b"\n", b"\r", b"\r\n"]))
def test_data_framed_with_any_line_end_comes_back(events: list[list[str]], end: bytes) -> None:
    wire = b"".join(b"".join(b"data: " + line.encode() + end for line in lines) + end for lines in events)
    assert [event.data for event in Reading([wire]).events] == ["\n".join(lines) for lines in events]


# Bounds


@pytest.mark.parametrize("pieces", [[b"data: " + b"x" * 5], [b"data: ", b"xxxx", b"x"], [b"data: xxxxx\n\n"]])
def test_a_line_over_its_bound_is_refused_whole_or_in_pieces(pieces: list[bytes]) -> None:
    reading = Reading(pieces, max_line_bytes=10)
    assert isinstance(reading.fault, TooLargeError)
    assert reading.fault.bound_bytes == 10
    assert "max_line_bytes" in str(reading.fault)


def test_a_line_at_its_bound_is_read() -> None:
    assert Reading([b"data: xxxx\n\n"], max_line_bytes=10).events == [Event("xxxx")]


def test_a_read_of_one_event_keeps_the_bounds() -> None:
    parser = Parser(max_line_bytes=10)
    assert parser.feed(b"data: abcd\n\n") == [Event("abcd")]
    assert parser.feed(b"data: abcd\n\n") == [Event("abcd")]
    with pytest.raises(TooLargeError):
        parser.feed(b"data: abcde\n\n")


@pytest.mark.parametrize(
    "odd", [b"data: a\rid: 1\n\n", b"data: a\r\n\r\n", b"data: a\n:", b"data: a\n ", b"data: \n\n"]
)
def test_a_read_that_looks_like_one_event_is_read_for_what_it_is(odd: bytes) -> None:
    event = b"data: 1\n\n"
    parser, whole = Parser(), Parser()
    pieces = [parser.feed(piece) for piece in (event, odd, event)]
    assert [event for piece in pieces for event in piece] == whole.feed(event + odd + event)
    assert parser.last_event_id == whole.last_event_id


@pytest.mark.parametrize("size", [1, 3, 1000])
def test_an_event_over_its_bound_is_refused_even_in_short_lines(size: int) -> None:
    wire = b"data: x\n" * 100
    reading = Reading([wire[at : at + size] for at in range(0, len(wire), size)], max_line_bytes=10, max_event_bytes=80)
    assert isinstance(reading.fault, TooLargeError)
    assert reading.fault.bound_bytes == 80
    assert "max_event_bytes" in str(reading.fault)


def test_comments_count_for_the_event_they_stand_in_but_not_between_events() -> None:
    assert isinstance(Reading([b": ping\n" * 100], max_event_bytes=80).fault, TooLargeError)
    assert Reading([b": ping\n\n" * 100], max_event_bytes=80).fault is None


def test_an_event_is_measured_over_pieces_and_forgotten_after_its_blank_line() -> None:
    assert Reading([b"data: a\n", b"data: b\n", b"\n"] * 50, max_event_bytes=16).fault is None
    assert isinstance(Reading([b"data: a\n", b"data: b\n", b"data"], max_event_bytes=16).fault, TooLargeError)
    assert isinstance(Reading([b"data: a\n\ndata: b\n", b"data: cc\n"], max_event_bytes=16).fault, TooLargeError)


def test_events_before_a_fault_are_returned_first_and_the_fault_is_raised_next() -> None:
    parser = Parser(strict=True)
    assert parser.feed(b"data: a\n\ndata: \xff\n\ndata: b\n\n") == [Event("a")]
    assert isinstance(parser.fault, MalformedError)
    with pytest.raises(MalformedError):
        parser.feed(b"data: c\n\n")
    with pytest.raises(MalformedError):
        parser.end()


def test_after_a_fault_no_event_is_read_however_plain() -> None:
    parser = Parser(max_line_bytes=10)
    with pytest.raises(TooLargeError):
        parser.feed(b"x" * 11 + b"\n")
    with pytest.raises(TooLargeError):
        parser.feed(b"data: a\n\n")


def test_after_a_fault_nothing_is_held() -> None:
    parser = Parser(max_line_bytes=10)
    with pytest.raises(TooLargeError):
        parser.feed(b"x" * 1000)
    assert not parser._tail


@pytest.mark.parametrize("piece", [b"x" * 16, b"x" * 65536, b"data: " + b"x" * 200 + b"\n"])
def test_memory_stays_within_the_bounds(piece: bytes) -> None:
    bound = 1 << 20
    parser = Parser(strict=True, max_line_bytes=bound, max_event_bytes=bound)
    tracemalloc.start()
    try:
        with pytest.raises(TooLargeError):
            feed_for_ever(parser, b"data: ", piece)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 4 * bound


def feed_for_ever(parser: Parser, first: bytes, piece: bytes) -> None:
    parser.feed(first)
    while True:
        parser.feed(piece)


@pytest.mark.parametrize("first", [b"", b"\xef", b"\xef\xbb", b"\xef\xbb\xbf", b"\n", b"data: 0\n\n"])
def test_a_bom_after_a_read_of_one_event_is_text(first: bytes) -> None:
    event, late = b"data: 1\n\n", b"\xef\xbb\xbfdata: 2\n\n"
    parser, whole = Parser(), Parser()
    pieces = [parser.feed(piece) for piece in (first, event, late, event)]
    assert [event for piece in pieces for event in piece] == whole.feed(first + event + late + event)
    assert parser.event_count == whole.event_count


@pytest.mark.parametrize(
    "begun", [b"data: 0\n", b"event: named\n", b"id: 7\n", b": comment\n", b"data: 0", b"\r", b"data: 0\r"]
)
def test_a_read_of_one_event_belongs_to_what_was_begun_before_it(begun: bytes) -> None:
    event = b"data: 1\n\n"
    parser, whole = Parser(), Parser()
    pieces = [parser.feed(piece) for piece in (event, begun, event, event)]
    assert [event for piece in pieces for event in piece] == whole.feed(event + begun + event + event)
    assert (parser.event_count, parser.last_event_id) == (whole.event_count, whole.last_event_id)


def test_a_parser_that_was_told_the_end_is_not_fed_again() -> None:
    parser = Parser()
    parser.feed(b"data: a\n\n")
    parser.end()
    with pytest.raises(RuntimeError, match="new Parser"):
        parser.feed(b"data: a\n\n")
    with pytest.raises(RuntimeError, match="new Parser"):
        parser.end()


def test_a_retry_of_thousands_of_digits_is_no_time() -> None:
    line = b"retry: " + b"9" * 5000
    assert Reading([line + b"\n"]).parser.retry_ms is None


def test_nobody_has_to_listen_to_notices() -> None:
    assert Parser().feed(b": c\nretry: 5\nfoo\ndata: a\n\n") == [Event("a")]


# Time


def spend_s(mib: float) -> float:
    """CPU seconds for one line of `mib` MiB fed in pieces of 16 bytes."""
    parser = Parser(strict=True, max_line_bytes=1 << 30, max_event_bytes=1 << 30)
    piece = b"x" * 16
    begun_s = time.process_time()
    parser.feed(b"data: ")
    for _ in range(int(mib * 65536)):
        parser.feed(piece)
    events = parser.feed(b"\n\n")
    spent_s = time.process_time() - begun_s
    assert [len(event.data) for event in events] == [int(mib * 2**20)]
    return spent_s


def test_a_line_of_64_mib_in_pieces_of_16_bytes_takes_linear_time() -> None:
    # A tracer (coverage) makes four million calls take a minute; it shows the same with fewer.
    mib = 64 if sys.gettrace() is None else 8
    # Sixteen times the bytes: 16 times the time if linear, 256 times if each piece copied what came before. The limit stands
    # far from both, so that a busy machine does not matter.
    assert spend_s(mib) / spend_s(mib / 16) < 64


@settings(max_examples=20)
@given(st.integers(1, 7))
def test_many_lines_of_one_event_are_each_read_once(size: int) -> None:
    """Work is counted: the lines taken are as many as there are, however the event is cut."""
    wire = b"data: abc\n" * 200 + b"\n"
    parser = Parser()
    taken = 0
    take_line = parser._take_line

    def count(line: str, events: list[Event]) -> None:
        nonlocal taken
        taken += 1
        take_line(line, events)

    parser._take_line = count  # type: ignore[method-assign]
    events = [event for at in range(0, len(wire), size) for event in parser.feed(wire[at : at + size])]
    assert [event.data for event in events] == ["\n".join(["abc"] * 200)]
    assert taken == 201
