import re
import time
from collections.abc import Callable
from itertools import pairwise
from typing import Any

import msgspec
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from mockserver.http import code_chunked
from mockserver.shorthand import Duration, Size, decode_shorthand
from mockserver.sse import SLICE_BYTES, Slice, cut_slice
from mockserver.steps import End, Head, Hold, Step, Write
from mockserver.writes import GAP_S, Writes, cut_body, make_writes
from tests.mockserver import delivery_strategies

HEAD = b"HTTP/1.1 200 OK\r\n\r\n"
EVENTS = (b'data: {"a":"\xe9\x82\xa3\xf0\x9f\x99\x82"}\n\n', b": ping\n\n", b"data: [DONE]\n\n")


def head(due_s: float = 0.0) -> Slice:
    return Slice(HEAD, due_s, None, "head")


def body(*events: bytes, every_s: float = 0.0) -> list[Slice]:
    return [Slice(data, number * every_s, number, "delta") for number, data in enumerate(events)]


def written(wire: list[Slice | Step], writes: Writes, seed: str = "") -> list[Step]:
    return list(make_writes(wire, writes, seed))


def datas(steps: list[Step]) -> list[bytes]:
    return [step.data for step in steps if isinstance(step, Head | Write)]


@st.composite
def wires(draw: st.DrawFn) -> list[Slice]:
    """A head and the slices of a body: events, in pieces, some of no bytes, with due times that never decrease."""
    pieces, due_s = [head(0.0)], 0.0
    for number, data in enumerate(draw(st.lists(st.binary(max_size=60) | st.just(b"y" * 900), max_size=6))):
        due_s += draw(st.sampled_from([0.0, 0.0005, 0.02]))
        cut = draw(st.integers(0, len(data)))
        if draw(st.booleans()):
            pieces += [
                Slice(data[:cut], due_s, number, "delta", ends=False),
                Slice(data[cut:], due_s, number, "delta", starts=False),
            ]
        else:
            pieces.append(Slice(data, due_s, number, "delta"))
    return [*pieces, Slice(b"", due_s, None, "end")]


# Every mode


@given(wires(), delivery_strategies.writes, st.sampled_from(["", "7"]))
@example([head(), Slice(b"ab", 0.0, 0), Slice(b"", 0.0), Slice(b"cd", 0.0, 1)], Writes(mode="size", size=Size(3)), "")
def test_writes_lose_no_byte_come_in_order_and_keep_their_due_times(wire: list[Slice], how: Writes, seed: str) -> None:
    cut: list[Slice | Step] = [wire[0], *cut_body(wire[1:], how, seed), End(wire[-1].due_s)]
    steps = written(cut, how, seed)
    assert b"".join(datas(steps)) == b"".join(piece.data for piece in wire)
    assert all(data for data in datas(steps))
    assert isinstance(steps[-1], End)
    due = [step.due_s for step in steps]
    assert due == sorted(due)
    # No byte leaves before it is due, whatever it leaves together with.
    due_of_bytes = [piece.due_s for piece in wire for _ in piece.data]
    at = 0
    for step, data in zip(steps, datas(steps), strict=False):
        assert step.due_s >= max(due_of_bytes[at : at + len(data)])
        at += len(data)


@given(wires(), delivery_strategies.write_modes().filter(lambda how: how.mode != "due"))
def test_but_for_mode_due_each_write_stands_alone_and_keeps_its_gap(wire: list[Slice], how: Writes) -> None:
    steps = written([wire[0], *cut_body(wire[1:], how, "s")], how, "s")
    assert all(step.alone for step in steps if isinstance(step, Head | Write))
    for one, other in pairwise(steps):
        assert other.due_s - one.due_s >= how.gap_s - 1e-9
    assert max((len(data) for data in datas(steps)), default=0) <= SLICE_BYTES


@given(wires(), delivery_strategies.writes)
def test_the_same_seed_makes_the_same_writes(wire: list[Slice], how: Writes) -> None:
    assert written(list(wire), how, "s") == written(list(wire), how, "s")


def test_mode_due_leaves_it_to_the_player_what_leaves_together() -> None:
    steps = written([head(), *body(*EVENTS, every_s=0.5), End(1.0)], Writes())
    assert [(type(step), step.due_s) for step in steps] == [
        (Head, 0.0),
        (Write, 0.0),
        (Write, 0.5),
        (Write, 1.0),
        (End, 1.0),
    ]
    assert not any(step.alone for step in steps if isinstance(step, Head | Write))
    assert [step.event for step in steps if isinstance(step, Write)] == [0, 1, 2]


def test_mode_event_is_a_write_for_each_event() -> None:
    steps = written([head(), *body(*EVENTS)], Writes(mode="event"))
    assert datas(steps) == [HEAD, *EVENTS]
    assert [step.due_s for step in steps] == [0.0] * 4, "without a gap unless one is told"
    spaced = written([head(), *body(*EVENTS)], Writes(mode="event", gap=Duration(0.5)))
    assert [step.due_s for step in spaced] == [0.0, 0.5, 1.0, 1.5]


@pytest.mark.parametrize("of", ["wire", "body", "response"])
@pytest.mark.parametrize(
    ("how", "sizes"),
    [
        ({"mode": "bytes"}, lambda total: [1] * total),
        ({"mode": "size", "size": Size(7)}, lambda total: [7] * (total // 7) + [total % 7] * (total % 7 > 0)),
        ({"mode": "offsets", "offsets": (1, 5, 40)}, lambda total: [1, 4, 35, total - 40]),
        ({"mode": "offsets", "offsets": (10_000,)}, lambda total: [total]),
    ],
)
def test_sizes_and_offsets_count_what_they_say(of: Any, how: dict[str, Any], sizes: Callable[[int], list[int]]) -> None:
    writes = Writes(**how, of=of)
    steps = written([head(), *cut_body(body(*EVENTS), writes, ""), End(0.0)], writes)
    data = b"".join(EVENTS)
    if of == "response":
        assert list(map(len, datas(steps))) == sizes(len(HEAD + data))
    else:
        assert list(map(len, datas(steps))) == [len(HEAD), *sizes(len(data))]
    assert isinstance(steps[0], Head)


def test_sizes_count_neither_head_nor_interim_responses_unless_told() -> None:
    wire: list[Slice | Step] = [Slice(b"103", 0.0, None, "interim"), head(), *body(b"abcdef")]
    assert datas(written(wire, Writes(mode="size", size=Size(4)))) == [b"103", HEAD, b"abcd", b"ef"]
    assert datas(written(wire, Writes(mode="size", size=Size(10), of="response")))[0] == b"103" + HEAD[:7]


def test_sizes_of_the_body_make_http_chunks_of_that_size() -> None:
    writes = Writes(mode="size", size=Size(4), of="body")
    wire = [head(), *code_chunked(cut_body(body(b"abcdef", b"ghi"), writes, ""))]
    assert datas(written(list(wire), writes)) == [HEAD, b"4\r\nabcd\r\n", b"4\r\nefgh\r\n", b"1\r\ni\r\n", b"0\r\n\r\n"]


def test_random_sizes_are_from_one_to_the_size_and_differ_with_the_seed() -> None:
    wire: list[Slice | Step] = [head(), *body(b"x" * 2000)]
    one, other = (datas(written(wire, Writes(mode="random", size=Size(9)), seed))[1:] for seed in ("1", "2"))
    assert {len(data) for data in one[:-1]} == set(range(1, 10))
    assert one != other


def test_what_joins_over_the_border_of_an_event_is_due_when_its_last_byte_is() -> None:
    steps = written([head(), *body(b"abc", b"def", every_s=1.0), End(1.0)], Writes(mode="size", size=Size(2)))
    assert [(step.due_s, step.data) for step in steps if isinstance(step, Write)] == [
        (0.001, b"ab"), (1.0, b"cd"), (1.001, b"ef"),
    ]  # fmt: skip
    assert steps[-1] == End(1.001)


def test_offsets_further_apart_than_64_kib_are_cut_besides() -> None:
    big = list(cut_slice(Slice(b"x" * 200_000, 0.0, 0)))
    steps = written([head(), *big], Writes(mode="offsets", offsets=(5, 150_000)))
    assert [len(data) for data in datas(steps)[1:]] == [
        5,
        SLICE_BYTES,
        SLICE_BYTES,
        150_000 - 5 - 2 * SLICE_BYTES,
        50_000,
    ]


@pytest.mark.parametrize("how", [Writes(), Writes(mode="event"), Writes(mode="bytes")])
def test_other_steps_pass_as_they_are_and_in_their_place(how: Writes) -> None:
    steps = written([head(), *body(b"a"), Hold(3.0)], how)
    assert steps[-1] == Hold(3.0)
    assert written([Hold(0.5)], how) == [Hold(0.5)]


def test_what_follows_is_never_due_before_what_precedes_and_only_writes_keep_the_gap() -> None:
    steps = written([head(2.0), Slice(b"ab", 1.0, 0), End(0.0)], Writes(mode="size", size=Size(1), gap=Duration(0.5)))
    assert [step.due_s for step in steps] == [2.0, 2.5, 3.0, 3.0]


# Named cuts

TEXT = 'data: {"a":{"b":"né那🙂\\u00e9"}}'


def cuts_of(name: str, text: str) -> list[tuple[bytes, bytes]]:
    """What stands before and behind each cut."""
    data = text.encode()
    pieces = [piece.data for piece in cut_body([Slice(data, 0.0, 0)], Writes(mode="cuts", cuts=(name,)), "")]  # type: ignore[arg-type]
    assert b"".join(pieces) == data
    at, found = 0, []
    for piece in pieces[:-1]:
        at += len(piece)
        found.append((data[:at], data[at:]))
    return found


def test_the_cut_utf8_is_inside_every_character_of_several_bytes() -> None:
    found = cuts_of("utf8", TEXT)
    assert len(found) == 3
    for before, behind in found:
        with pytest.raises(UnicodeDecodeError):
            before.decode()
        with pytest.raises(UnicodeDecodeError):
            behind.decode()


@given(st.text(max_size=30))
def test_every_character_of_several_bytes_is_cut(text: str) -> None:
    text = text.encode(errors="ignore").decode()
    assert len(cuts_of("utf8", text)) == sum(len(character.encode()) > 1 for character in text)


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_the_cut_field_is_inside_every_name_of_a_data_field_and_nowhere_else(end: str) -> None:
    text = f"data: a data: b{end}id: 1{end}data:c{end}{end}xdata: d{end}"
    assert [behind.partition(b":")[0] for _, behind in cuts_of("field", text)] == [b"ta", b"ta"]
    assert all(re.search(rb"(^|[\r\n])da$", before) for before, _ in cuts_of("field", text))


def test_the_cut_crlf_is_between_every_cr_and_its_lf() -> None:
    found = cuts_of("crlf", "data: a\r\n\r\ndata: b\n\n\rx\r\n")
    assert len(found) == 3
    assert all(before.endswith(b"\r") and behind.startswith(b"\n") for before, behind in found)


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_the_cut_blank_line_is_between_the_two_line_ends_that_end_an_event(end: str) -> None:
    found = cuts_of("blank_line", f"data: a{end}{end}: b{end}data: c{end}{end}")
    assert [before for before, _ in found] == [
        f"data: a{end}".encode(),
        f"data: a{end}{end}: b{end}data: c{end}".encode(),
    ]
    assert all(behind.startswith(end.encode()) for _, behind in found)


def test_a_single_crlf_is_no_blank_line() -> None:
    assert cuts_of("blank_line", "data: a\r\ndata: b\r\n") == []


def test_the_cut_json_is_inside_every_object_that_has_members() -> None:
    assert [before for before, _ in cuts_of("json", TEXT)] == [b'data: {"', b'data: {"a":{"']


def test_the_cut_escape_is_inside_every_escape_of_json() -> None:
    [(before, behind)] = cuts_of("escape", TEXT)
    assert before.endswith(b"\\u0")
    assert behind.startswith(b"0e9")


def test_several_cuts_are_made_together_and_each_piece_is_a_write_of_its_own() -> None:
    writes = Writes(mode="cuts", cuts=("field", "blank_line"))
    steps = written([head(), *cut_body(body(*EVENTS), writes, ""), End(0.0)], writes)
    assert datas(steps)[1:4] == [b"da", EVENTS[0][2:-1], b"\n"]
    assert steps[2].due_s - steps[1].due_s == pytest.approx(GAP_S)


# The body's cuts, before any coding


@given(wires(), delivery_strategies.write_modes())
def test_cutting_the_body_keeps_every_mark(wire: list[Slice], how: Writes) -> None:
    pieces = list(cut_body(wire[1:], how, "s"))
    assert b"".join(piece.data for piece in pieces) == b"".join(piece.data for piece in wire[1:])
    for number in {piece.event for piece in wire if piece.event is not None}:
        own = [piece for piece in pieces if piece.event == number]
        filled = [piece for piece in own if piece.data]
        assert [piece.starts for piece in filled[1:]] == [False] * len(filled[1:])
        assert [piece.ends for piece in filled[:-1]] == [False] * len(filled[:-1])
        assert own[0].starts
        assert own[-1].ends


# What a scenario file may say


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"mode": "size"}, "need `size`"),
        ({"mode": "random"}, "need `size`"),
        ({"mode": "offsets"}, "need `offsets`"),
        ({"mode": "cuts"}, "need `cuts`"),
        ({"mode": "bytes", "size": 3}, "writes of mode bytes have no `size`"),
        ({"size": 3}, "writes of mode due have no `size`"),
        ({"mode": "size", "size": 3, "offsets": [1]}, "have no `offsets`"),
        ({"mode": "size", "size": 0}, "expected 1 byte to 64 KiB"),
        ({"mode": "size", "size": "65KiB"}, "expected 1 byte to 64 KiB"),
        ({"mode": "offsets", "offsets": [3, 2]}, "expected growing numbers from 1"),
        ({"mode": "offsets", "offsets": [3, 3]}, "expected growing numbers from 1"),
        ({"mode": "offsets", "offsets": [0]}, "expected growing numbers from 1"),
        ({"gap": "1ms"}, "have no `gap`"),
        ({"mode": "all"}, "Invalid enum value"),
    ],
)
def test_what_makes_no_sense_is_refused(values: dict[str, Any], message: str) -> None:
    with pytest.raises(msgspec.ValidationError, match=message):
        msgspec.convert(values, Writes, dec_hook=decode_shorthand)


@pytest.mark.parametrize(
    ("values", "gap_s"),
    [({}, 0.0), ({"mode": "event"}, 0.0), ({"mode": "bytes"}, GAP_S), ({"mode": "bytes", "gap": 0}, 0.0),
     ({"mode": "event", "gap": "5ms"}, 0.005), ({"mode": "cuts", "cuts": ["crlf"]}, GAP_S)],
)  # fmt: skip
def test_cutting_has_a_gap_unless_told_otherwise(values: dict[str, Any], gap_s: float) -> None:
    assert msgspec.convert(values, Writes, dec_hook=decode_shorthand).gap_s == gap_s


def test_a_mebibyte_in_pieces_of_16_bytes_takes_no_more_than_linear_time() -> None:
    def seconds(size: int) -> float:
        wire = [head(), *cut_slice(Slice(b"x" * size, 0.0, 0))]
        begun = time.process_time()
        assert sum(1 for _ in make_writes(wire, Writes(mode="size", size=Size(16)))) == size // 16 + 1
        return time.process_time() - begun

    small, large = min(seconds(128 * 1024) for _ in range(3)), seconds(1024 * 1024)
    assert large < 8 * small * 4 + 0.1, "eight times the bytes, and much more than eight times the work"
    assert large < 3.0


def test_many_small_slices_joined_into_large_writes_take_no_more_than_linear_time() -> None:
    wire = [Slice(b"0123456789", 0.0, number) for number in range(50_000)]
    begun = time.process_time()
    assert len(list(make_writes(wire, Writes(mode="size", size=Size(SLICE_BYTES))))) == 8
    assert time.process_time() - begun < 2.0
