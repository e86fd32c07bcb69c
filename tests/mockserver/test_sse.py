"""Event -> bytes: whatever the framing, the events are read back by the standard's algorithm and by another library."""

import json
import sys
from collections.abc import Iterator
from importlib import import_module
from importlib.util import find_spec, module_from_spec
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import example, given, reject
from hypothesis import strategies as st

from mockserver.scenario import convert
from mockserver.sse import BOM, SLICE_BYTES, Event, Framing, Lines, Slice, cut_slice, encode_events, split_slice
from tests.mockserver.whatwg import Event as Dispatched
from tests.mockserver.whatwg import parse

TABLE: list[dict[str, Any]] = yaml.safe_load(
    (Path(__file__).parents[2] / "fixtures" / "sse" / "events.table").read_text(encoding="utf-8")
)

NAMES = st.none() | st.text(st.characters(codec="utf-8", exclude_characters="\r\n"), min_size=1, max_size=5)
JSON_TEXTS = st.sampled_from(
    [
        "{}",
        "[]",
        '{"a":1,"b":[1,2],"c":"x, y"}',
        '{"a":"\\",","b":"\\\\"}',
        '["\u2028",",,",null]',
        "[DONE]",
        '{"a": 1,\n "b": 2}',
    ]
)
DATA = JSON_TEXTS | st.text(st.characters(codec="utf-8"), max_size=12)
LINE_ENDS = st.sampled_from(["lf", "crlf", "cr"])
HARMLESS = st.sampled_from([": note", ":", "id: {n}", "retry: 5", "foo: bar", "foo"])
LINES = st.sampled_from(
    [(st.just("") | HARMLESS, ("before", "after")), (HARMLESS, ("first", "inside", "last"))]
).flatmap(
    lambda kind: st.builds(
        Lines,
        lines=st.lists(kind[0], min_size=1, max_size=3).map(tuple),
        at=st.sampled_from(kind[1]),
        event=st.sampled_from(["each", 0, 1, "done"]),
        times=st.integers(1, 2),
    )
)
ANY_LINES = st.sampled_from(["", ": note", "data", "data:", "data: ", "data: 1", "data:{}", "database", "data :x"])


FRAMINGS = st.builds(
    Framing,
    line_end=LINE_ENDS | st.lists(LINE_ENDS, min_size=1, max_size=4).map(tuple),
    spaces=st.integers(0, 1),
    bom=st.booleans(),
    data_lines=st.integers(1, 4),
    final_blank_line=st.just(True),
    extra=st.lists(LINES, max_size=2).map(tuple),
)


def make_events(texts: list[tuple[str, str | None]]) -> list[Event]:
    return [
        Event(text.encode(), float(k), "done" if text == "[DONE]" else "delta", name)
        for k, (text, name) in enumerate(texts)
    ]


EVENTS = st.lists(st.tuples(DATA, NAMES), max_size=4).map(make_events)


def encode(events: list[Event], framing: Framing = Framing()) -> bytes:  # noqa: B008 - a frozen value
    return b"".join(piece.data for piece in encode_events(events, framing))


def as_received(data: bytes) -> str:
    """What of data can arrive: the standard knows three line ends in and one out."""
    return data.decode().replace("\r\n", "\n").replace("\r", "\n")


def compact(text: str) -> str:
    """JSON text without the line feeds that stand behind its commas."""
    return text.replace(",\n", ",")


@given(EVENTS, FRAMINGS)
@example(make_events([("a\rb", None)]), Framing())
@example(make_events([(" a", None)]), Framing(spaces=0))
@example(make_events([("a", None), ("b", None)]), Framing(line_end=("cr", "lf")))
@example(make_events([('{"a":1,\n"b":2,"c":3}', None)]), Framing(data_lines=4))
def test_any_framing_of_any_events_reads_back_as_the_same_events(events: list[Event], framing: Framing) -> None:
    read = parse(encode(events, framing))
    spread = framing.data_lines > 1
    assert read.pending == ""
    assert [(e.type, compact(e.data) if spread else e.data) for e in read.events] == [
        (e.name or "message", compact(as_received(e.data)) if spread else as_received(e.data)) for e in events
    ]


def load_httpx_sse() -> Any:
    """The decoders of httpx-sse alone: the package around them imports httpx, which is not needed to read bytes."""
    spec = find_spec("httpx_sse")
    assert spec is not None
    sys.modules["httpx_sse"] = module_from_spec(spec)
    try:
        return import_module("httpx_sse._decoders")
    finally:
        del sys.modules["httpx_sse"]


DECODERS = load_httpx_sse()


def read_with_httpx_sse(body: bytes) -> Iterator[tuple[str, str]]:
    decoder, lines = DECODERS.SSEDecoder(), DECODERS.SSELineDecoder()
    for line in [*lines.decode(body.decode()), *lines.flush()]:
        if (event := decoder.decode(line)) is not None:
            yield event.event, event.data


@given(EVENTS, FRAMINGS)
def test_httpx_sse_reads_the_same_events_but_for_its_known_departures(events: list[Event], framing: Framing) -> None:
    body = encode(events, framing)
    read = [(event.type, event.data) for event in parse(body).events]
    # It keeps a byte order mark, and dispatches blocks without data that have an id, a name or a time.
    body = body.removeprefix(BOM)
    dispatched = [(name, data) for name, data in read_with_httpx_sse(body) if data]
    assert dispatched == [(name, data) for name, data in read if data]


@pytest.mark.parametrize(
    ("body", "departure"),
    [(BOM + b"data: a\n\n", []), (b"retry: 5\n\ndata: a\n\n", [("message", ""), ("message", "a")])],
    ids=["a byte order mark spoils the first line", "a block without data is an event"],
)
def test_httpx_sse_departs_from_the_standard_in_two_ways(body: bytes, departure: list[tuple[str, str]]) -> None:
    assert [event.data for event in parse(body).events] == ["a"]
    assert list(read_with_httpx_sse(body)) == departure


def test_the_plain_framing_is_openais() -> None:
    assert encode(make_events([('{"a":1}', None), ("[DONE]", None)])) == b'data: {"a":1}\n\ndata: [DONE]\n\n'


@pytest.mark.parametrize("row", [row for row in TABLE if row.get("canonical")], ids=lambda row: str(row["name"]))
def test_the_canonical_rows_of_the_shared_table_are_written_byte_for_byte(row: dict[str, Any]) -> None:
    events = [Event(event["data"].encode(), 0.0, "delta", event.get("event")) for event in row["events"]]
    assert encode(events) == row["bytes"].encode("latin-1")


@pytest.mark.parametrize("row", TABLE, ids=lambda row: str(row["name"]))
def test_the_parser_of_these_tests_reads_the_shared_table(row: dict[str, Any]) -> None:
    read = parse(row["bytes"].encode("latin-1"))
    assert read.events == [
        Dispatched(event["data"], event.get("event", "message"), event.get("id", "")) for event in row["events"]
    ]
    assert (read.comments, read.retry) == (row.get("comments", []), row.get("retry", []))


# line ends

FRAMES = {
    "lf": b"data: a\n\ndata: b\n\n",
    "crlf": b"data: a\r\n\r\ndata: b\r\n\r\n",
    "cr": b"data: a\r\rdata: b\r\r",
    ("lf", "crlf"): b"data: a\n\r\ndata: b\n\r\n",
    ("cr", "lf"): b"data: a\r\rdata: b\n\r",  # a blank line after CR may not end in LF
}


@pytest.mark.parametrize("line_end", FRAMES)
def test_line_ends_are_taken_in_turn_and_never_make_a_false_blank_line(line_end: Any) -> None:
    assert encode(make_events([("a", None), ("b", None)]), Framing(line_end=line_end)) == FRAMES[line_end]


@given(st.lists(LINE_ENDS, min_size=1, max_size=5).map(tuple), st.integers(0, 4), st.integers(1, 4))
def test_as_many_blank_lines_are_read_as_were_written(line_end: Any, blanks: int, count: int) -> None:
    extra = (Lines(("",) * blanks),) if blanks else ()
    body = encode(make_events([("a", None)] * count), Framing(line_end=line_end, extra=extra))
    assert len(body.decode().splitlines()) == count * (2 + blanks)  # only the three line ends occur here
    assert len(parse(body).events) == count


# data


@pytest.mark.parametrize("spaces", [0, 1, 2, 64])
def test_the_spaces_after_the_colon_are_those_asked_for_and_done_never_has_two(spaces: int) -> None:
    body = encode(make_events([("{}", None), ("[DONE]", None)]), Framing(spaces=spaces))
    assert body == b"data:%b{}\n\ndata:%b[DONE]\n\n" % (b" " * spaces, b" " * min(spaces, 1))


@pytest.mark.parametrize(
    ("text", "lines"),
    [
        ('{"a":1,"b":2,"c":3}', ['{"a":1,', '"b":2,', '"c":3}']),
        ('{"a":1,"b":2,"c":3,"d":4,"e":5}', ['{"a":1,"b":2,', '"c":3,', '"d":4,"e":5}']),
        ('{"a":"1,2,3"}', ['{"a":"1,2,3"}']),
        (r'{"a":"\\","b":"\","}', [r'{"a":"\\",', r'"b":"\","}']),
        ("one, two, three", ["one, two, three"]),
        ("[DONE]", ["[DONE]"]),
        ("{\n}", ["{", "}"]),
    ],
)
def test_json_is_spread_over_lines_only_where_a_line_feed_means_nothing(text: str, lines: list[str]) -> None:
    body = encode([Event(text.encode(), 0.0, "delta")], Framing(data_lines=3))
    assert body.decode().splitlines() == [*(f"data: {line}" for line in lines), ""]


def test_a_long_text_is_spread_in_linear_time() -> None:
    text = '{"a":"' + '\\"' * 500_000 + '","b":1}'
    body = encode([Event(text.encode(), 0.0, "delta")], Framing(data_lines=2))
    assert len(parse(body[:9] + body[-12:]).events) == 1  # both of its lines begin as they must
    assert body.count(b"data: ") == 2


# lines, marks, the end


def test_lines_stand_before_in_and_after_the_events_they_are_for() -> None:
    extra = tuple(Lines((f": {at} {{n}}",), at=at, event=1) for at in ("before", "first", "inside", "last", "after"))
    body = encode(make_events([("a", None), ("b\nc", "x"), ("d", None)]), Framing(extra=extra))
    assert body.decode().splitlines() == [
        "data: a", "",
        ": before 1", ": first 1", "event: x", "data: b", ": inside 1", "data: c", ": last 1", "", ": after 1",
        "data: d", "",
    ]  # fmt: skip


def test_lines_for_a_kind_of_event_are_repeated_as_often_as_told() -> None:
    events = [Event(b"a", 0.0, "delta"), Event(b"[DONE]", 0.0, "done")]
    body = encode(events, Framing(extra=(Lines((": x", ""), event="done", times=2),)))
    assert body == b"data: a\n\n: x\n\n: x\n\ndata: [DONE]\n\n"


@pytest.mark.parametrize("text", ["a\nb", "a\rb", "\r\n"])
def test_a_line_with_a_line_end_in_it_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"^lines: expected one line, without its end; got "):
        Lines((text,))


@pytest.mark.parametrize("text", ["data: more", "data:x", "data:  "])
@pytest.mark.parametrize("at", ["before", "first", "inside", "last", "after"])
def test_a_line_with_data_of_its_own_is_refused(text: str, at: Any) -> None:
    with pytest.raises(ValueError, match=f"^lines: data of its own needs an event of its own, .*; got '{text}'"):
        Lines((": a", text), at=at)


@pytest.mark.parametrize("at", ["before", "after"])
def test_an_empty_data_line_stands_in_an_event_alone(at: Any) -> None:
    with pytest.raises(
        ValueError, match=r"^lines: expected an empty data line in an event: first, inside or last; got"
    ):
        Lines(("data",), at=at)


@pytest.mark.parametrize("at", ["first", "inside", "last"])
def test_a_blank_line_in_an_event_is_refused(at: Any) -> None:
    with pytest.raises(ValueError, match=f"^lines: a blank line ends the event: it stands before or after, not {at}"):
        Lines((": a", ""), at=at)


@given(st.data(), st.sampled_from(["before", "first", "inside", "last", "after"]), st.integers(1, 3))
def test_no_lines_that_are_accepted_change_what_an_event_says(data: st.DataObject, at: Any, data_lines: int) -> None:
    texts = data.draw(st.lists(ANY_LINES, min_size=1, max_size=3).map(tuple))
    try:
        framing = Framing(data_lines=data_lines, extra=(Lines(texts, at=at),))
    except ValueError:
        reject()
    read = [
        event.data for event in parse(encode(make_events([('{"a":1,"b":2}', None), ("[DONE]", None)]), framing)).events
    ]
    assert [text if text == "[DONE]" else json.loads(text) for text in read] == [{"a": 1, "b": 2}, "[DONE]"]


def test_a_byte_order_mark_stands_in_front_of_everything_once() -> None:
    framing = Framing(bom=True, extra=(Lines((": x",)),))
    pieces = list(encode_events(make_events([("a", None), ("b", None)]), framing))
    assert pieces[0] == Slice(BOM, 0.0, None, "bom")
    assert sum(piece.data.count(BOM) for piece in pieces) == 1
    assert encode([], framing) == b""


@pytest.mark.parametrize(("line_end", "end"), [("lf", b"\n"), ("crlf", b"\r\n"), ("cr", b"\r")])
def test_the_last_event_may_lack_its_blank_line_and_is_pending_then(line_end: Any, end: bytes) -> None:
    body = encode(make_events([("a", None), ("b", None)]), Framing(line_end=line_end, final_blank_line=False))
    assert body.endswith(b"data: b" + end)
    read = parse(body)
    assert ([event.data for event in read.events], read.pending) == (["a"], "b\n")


def test_a_raw_event_at_the_end_that_has_no_line_end_is_left_as_it_is() -> None:
    events = [Event(b"a", 0.0, "delta"), Event(b"", 0.0, "error", raw=b"oops")]
    assert encode(events, Framing(final_blank_line=False)) == b"data: a\n\noops"


def test_without_the_last_blank_line_no_extra_one_ends_the_last_event_either() -> None:
    after = (Lines(("", ": {n}", ""), at="after"),)
    body = encode(make_events([("a", None), ("b", None)]), Framing(final_blank_line=False, extra=after))
    assert body == b"data: a\n\n\n: 0\n\ndata: b\n: 1\n"


def test_a_raw_event_stands_as_it_is_in_place_of_the_whole_event() -> None:
    events = [Event(b"", 0.0, "error", raw=b"oops\n\n"), Event(b"a", 0.0, "delta")]
    assert encode(events) == b"oops\n\ndata: a\n\n"
    assert encode(events, Framing(line_end="crlf", bom=True)) == BOM + b"oops\n\ndata: a\r\n\r\n"


@given(EVENTS, FRAMINGS)
def test_the_marks_number_the_events_and_say_what_each_is_for(events: list[Event], framing: Framing) -> None:
    numbered = [piece for piece in encode_events(events, framing) if piece.event is not None]
    assert [(piece.event, piece.kind, piece.due_s) for piece in numbered] == [
        (number, event.kind, event.due_s) for number, event in enumerate(events)
    ]
    assert all(piece.starts and piece.ends for piece in numbered)


@given(st.integers(1, 300), st.integers(1, 70))
def test_a_slice_cut_in_pieces_loses_no_byte_and_begins_and_ends_once(length: int, size: int) -> None:
    whole = Slice(bytes(k % 251 for k in range(length)), 1.5, 3, "delta", joins=True)
    pieces = list(cut_slice(whole, size))
    assert b"".join(piece.data for piece in pieces) == whole.data
    assert all(0 < len(piece.data) <= size for piece in pieces)
    assert (
        [piece.starts for piece in pieces] == [piece.joins for piece in pieces] == [True] + [False] * (len(pieces) - 1)
    )
    assert [piece.ends for piece in pieces] == [False] * (len(pieces) - 1) + [True]


@given(st.integers(0, 5), st.booleans(), st.booleans(), st.booleans())
def test_a_slice_split_in_two_is_the_slice(at: int, starts: bool, ends: bool, joins: bool) -> None:
    whole = Slice(b"abcde", 1.0, 2, "delta", starts, ends, joins)
    one, other = split_slice(whole, at)
    assert (one.data + other.data, len(one.data)) == (whole.data, at)
    assert (one.starts, one.ends, one.joins) == (starts, False, joins)
    assert (other.starts, other.ends, other.joins) == (False, ends, False)


@pytest.mark.parametrize("framing", [Framing(), Framing(line_end="crlf"), Framing(final_blank_line=False)])
def test_nothing_is_rendered_in_pieces_of_more_than_64_kib(framing: Framing) -> None:
    pieces = list(encode_events([Event(b"x" * 1_000_000, 0.0, "delta")], framing))
    assert max(len(piece.data) for piece in pieces) == SLICE_BYTES
    assert sum(len(piece.data) for piece in pieces) >= 1_000_006


def test_a_scenario_writes_framing_as_a_file_does() -> None:
    written = {"line_end": ["cr", "lf"], "spaces": 0, "extra": [{"lines": [": x", ""], "event": 0, "times": 3}]}
    assert convert(written, Framing) == Framing(
        line_end=("cr", "lf"), spaces=0, extra=(Lines((": x", ""), event=0, times=3),)
    )
