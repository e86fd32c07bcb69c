import importlib.util
import zlib
from collections.abc import Callable, Iterable
from email.utils import formatdate
from http import HTTPStatus
from typing import Any, Literal

import brotli
import h11
import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mockserver.errors import ScenarioError
from mockserver.http import (
    CORS_HEADERS,
    Coding,
    Http,
    Interim,
    check_headers,
    code_chunked,
    code_content,
    http_date,
    merge_headers,
    offers,
    render_head,
)
from mockserver.scenario import convert
from mockserver.shorthand import Size, decode_shorthand
from mockserver.sse import SLICE_BYTES, Slice
from mockserver.status import PHRASES

CODINGS: list[Coding] = ["gzip", "deflate", "br"]


def decoder(coding: str) -> Callable[[bytes], bytes]:
    """What unpacks a coding, piece by piece."""
    if coding == "br":
        unpack: Callable[[bytes], bytes] = brotli.Decompressor().process
        return unpack
    return zlib.decompressobj(31 if coding == "gzip" else 15).decompress


def is_complete(coding: str, data: bytes) -> bool:
    """Whether the coding ends with `data`, checksum and all."""
    if coding == "br":
        unpacker = brotli.Decompressor()
        unpacker.process(data)
        return bool(unpacker.is_finished())
    unpack = zlib.decompressobj(31 if coding == "gzip" else 15)
    unpack.decompress(data)
    return unpack.eof and not unpack.unused_data


def read_with_h11(
    head: bytes, body: Iterable[bytes], method: str = "POST", eof: bool = False
) -> tuple[h11.Response, bytes, list[tuple[bytes, bytes]]]:
    """Response, body and trailers of an answer, as h11 reads them; it shares no code with what made them."""
    client = h11.Connection(h11.CLIENT)
    client.send(h11.Request(method=method, target="/", headers=[("Host", "mock")]))
    client.send(h11.EndOfMessage())
    response: h11.Response | None = None
    received = bytearray()
    for data in (head, *filter(None, body), *([b""] if eof else [])):
        client.receive_data(data)
        while True:
            event = client.next_event()
            if isinstance(event, h11.Response):
                response = event
            elif isinstance(event, h11.Data):
                received += event.data
            elif isinstance(event, h11.EndOfMessage):
                assert response is not None
                assert not client.trailing_data[0], "nothing stands behind the end"
                return response, bytes(received), list(event.headers)
            elif event is h11.NEED_DATA or event is h11.PAUSED:
                break
    raise AssertionError(f"the answer does not end, after {bytes(received)!r}")


CHUNKED = render_head(200, [("Transfer-Encoding", "chunked")])

# Slices: events of any bytes, some of them in pieces, with comments and slices of no bytes between them.
events = st.lists(st.tuples(st.binary(max_size=100) | st.sampled_from([b"", b"x" * 700]), st.booleans()), max_size=8)


def slices(parts: list[tuple[bytes, bool]]) -> list[Slice]:
    """Each part as an event of its own, or as two halves of one."""
    found = []
    for number, (data, is_cut) in enumerate(parts):
        whole = Slice(data, number / 10, number, "delta")
        if is_cut:
            at = len(data) // 2
            found += [
                Slice(data[:at], whole.due_s, number, "delta", ends=False),
                Slice(data[at:], whole.due_s, number, "delta", starts=False),
            ]
        else:
            found.append(whole)
    return found


def joined(pieces: Iterable[Slice]) -> bytes:
    return b"".join(piece.data for piece in pieces)


# Chunked transfer coding


@given(events, st.none() | st.integers(1, 300), st.sampled_from(["", ";a=1", '; sig="x;y" ']))
def test_a_chunked_body_is_read_back_by_h11(parts: list[tuple[bytes, bool]], size: int | None, extension: str) -> None:
    pieces = slices(parts)
    trailers = {"X-Checksum": "abc", "X-Empty": ""}
    coded = list(code_chunked(pieces, size, extension.rstrip(), trailers))
    _, body, read = read_with_h11(CHUNKED, [piece.data for piece in coded])
    assert body == joined(pieces)
    assert read == [(b"x-checksum", b"abc"), (b"x-empty", b"")]


@given(events, st.none() | st.integers(1, 300))
def test_chunks_lose_no_mark_and_no_due_time(parts: list[tuple[bytes, bool]], size: int | None) -> None:
    pieces = slices(parts)
    coded = list(code_chunked(pieces, size))
    assert [piece.due_s for piece in coded] == sorted(piece.due_s for piece in coded)
    for number, _ in enumerate(parts):
        own = [piece for piece in coded if piece.event == number]
        assert [piece.starts for piece in own] == [True] + [False] * (len(own) - 1)
        assert [piece.ends for piece in own] == [False] * (len(own) - 1) + [True]
        assert {piece.due_s for piece in own} == {number / 10}


@given(events)
def test_by_default_each_slice_is_an_http_chunk(parts: list[tuple[bytes, bool]]) -> None:
    pieces = slices(parts)
    coded = list(code_chunked(pieces))
    assert [piece.data for piece in coded[:-1]] == [
        b"%x\r\n%b\r\n" % (len(piece.data), piece.data) if piece.data else b"" for piece in pieces
    ]
    assert coded[-1].data == b"0\r\n\r\n"


@given(events, st.integers(1, 300))
def test_told_a_size_all_chunks_but_the_last_have_it(parts: list[tuple[bytes, bool]], size: int) -> None:
    data = joined(slices(parts))
    wire = joined(code_chunked(slices(parts), size))
    found = []
    at = 0
    while length := int(wire[at : (end := wire.index(b"\r\n", at))], 16):
        found.append(length)
        at = end + 2 + length + 2
    assert found == [size] * (len(data) // size) + ([len(data) % size] if len(data) % size else [])


def test_slices_that_join_are_one_chunk_and_a_slice_of_no_bytes_between_them_does_not_part_them() -> None:
    pieces = [
        Slice(b"ab", 0.0, 0),
        Slice(b"", 0.5, 0),
        Slice(b"cd", 1.0, 1, joins=True),
        Slice(b"ef", 2.0, 2),
    ]
    assert joined(code_chunked(pieces)) == b"4\r\nabcd\r\n2\r\nef\r\n0\r\n\r\n"


def test_the_end_of_a_chunked_body_is_due_when_the_last_slice_is() -> None:
    assert [piece.due_s for piece in code_chunked([Slice(b"a", 1.0), Slice(b"", 3.0)])] == [1.0, 3.0, 3.0]


# Content codings


@given(events, st.sampled_from(CODINGS), st.sampled_from(["event", "end"]))
def test_a_coded_body_is_unpacked_to_the_same_bytes(
    parts: list[tuple[bytes, bool]], coding: Coding, flush: Literal["event", "end"]
) -> None:
    pieces = slices(parts)
    coded = joined(code_content(pieces, coding, flush))
    assert decoder(coding)(coded) == joined(pieces)
    assert is_complete(coding, coded)


@given(events, st.sampled_from(CODINGS))
def test_flushed_by_event_every_slice_can_be_unpacked_as_soon_as_it_has_come(
    parts: list[tuple[bytes, bool]], coding: Coding
) -> None:
    unpack = decoder(coding)
    pieces = slices(parts)
    *coded, tail = code_content(pieces, coding)
    assert [unpack(piece.data) if piece.data else b"" for piece in coded] == [piece.data for piece in pieces]
    assert [(c.due_s, c.event, c.starts, c.ends) for c in coded] == [
        (p.due_s, p.event, p.starts, p.ends) for p in pieces
    ]
    assert not unpack(tail.data)
    assert tail.event is None


@pytest.mark.parametrize("coding", CODINGS)
def test_flushed_at_the_end_nothing_can_be_unpacked_before(coding: Coding) -> None:
    unpack = decoder(coding)
    pieces = [Slice(b"data: %d\n\n" % number, 0.0, number) for number in range(20)]
    *coded, tail = code_content(pieces, coding, "end")
    assert all(not unpack(piece.data) for piece in coded if piece.data)
    assert unpack(tail.data) == joined(pieces)


@pytest.mark.parametrize("coding", CODINGS)
def test_what_is_coded_leaves_in_slices_of_at_most_64_kib(coding: Coding) -> None:
    import random

    noise = [Slice(random.Random(k).randbytes(SLICE_BYTES), 0.0, k) for k in range(4)]  # cannot be made smaller
    for flush in ("event", "end"):
        coded = list(code_content(noise, coding, flush))
        assert max(len(piece.data) for piece in coded) <= SLICE_BYTES
        assert decoder(coding)(joined(coded)) == joined(noise)


@pytest.mark.parametrize("coding", CODINGS)
def test_the_end_of_a_coding_is_due_when_the_last_slice_is(coding: Coding) -> None:
    assert [piece.due_s for piece in code_content([Slice(b"a", 1.0), Slice(b"", 3.0)], coding)] == [1.0, 3.0, 3.0]
    assert decoder(coding)(joined(code_content([], coding))) == b""


# Accept-Encoding


@pytest.mark.parametrize(
    ("accept", "coding", "offered"),
    [
        ("gzip", "gzip", True),
        ("GZip , deflate", "gzip", True),
        ("deflate, gzip;q=1.0, *;q=0.5", "br", True),
        ("gzip;q=0", "gzip", False),
        ("gzip; Q = 0.000", "gzip", False),
        ("gzip;q=0.001", "gzip", True),
        ("gzip;level=9;q=0", "gzip", False),
        ("*", "br", True),
        ("*;q=0", "br", False),
        ("*;q=0, br", "br", True),
        ("br;q=0, *", "br", False),
        ("x-gzip", "gzip", True),
        ("gzippo", "gzip", False),
        ("", "gzip", False),
        ("identity", "gzip", False),
    ],
)
def test_a_coding_is_offered_as_rfc_9110_says(accept: str, coding: str, offered: bool) -> None:
    assert offers(accept, coding) is offered


# The head


@given(
    st.integers(100, 999).filter(lambda status: status != 101),
    st.dictionaries(
        st.text("abcXYZ-019!#$%&'*+.^_`|~", min_size=1, max_size=8).map(lambda name: f"X-{name}"),
        st.text(st.characters(min_codepoint=0x21, max_codepoint=0xFF, exclude_characters="\x7f"), max_size=20),
        max_size=5,
    ),
)
def test_a_head_is_read_back_by_h11(status: int, headers: dict[str, str]) -> None:
    head = render_head(status, [*headers.items(), ("Content-Length", "0")])
    client = h11.Connection(h11.CLIENT)
    client.send(h11.Request(method="GET", target="/", headers=[("Host", "mock")]))
    client.receive_data(head)
    event = client.next_event()
    assert isinstance(event, h11.Response | h11.InformationalResponse)
    assert event.status_code == status
    read = dict(event.headers.raw_items())
    for name, value in headers.items():
        assert read[name.encode()] == value.encode("latin-1")


@pytest.mark.parametrize(
    ("status", "line"),
    [
        (200, b"HTTP/1.1 200 OK"),
        (429, b"HTTP/1.1 429 Too Many Requests"),
        (299, b"HTTP/1.1 299 "),
        (999, b"HTTP/1.1 999 "),
    ],
)
def test_the_status_line_has_a_phrase_where_there_is_one_and_always_its_blank(status: int, line: bytes) -> None:
    assert render_head(status, []) == line + b"\r\n\r\n"


def test_a_date_is_an_imf_fixdate() -> None:
    assert http_date(784111777.0) == "Sun, 06 Nov 1994 08:49:37 GMT"  # RFC 9110 5.6.7 has this very example


@given(st.integers(0, 253_402_300_799))  # to the end of the year 9999
def test_a_date_is_what_pythons_mail_library_writes(second: int) -> None:
    assert http_date(second + 0.25) == formatdate(second, usegmt=True)


@pytest.mark.parametrize("status", HTTPStatus)
def test_each_status_that_python_knows_has_a_phrase_and_those_that_were_renamed_have_the_new_one(
    status: HTTPStatus,
) -> None:
    renamed = {
        413: "Content Too Large",
        414: "URI Too Long",
        416: "Range Not Satisfiable",
        422: "Unprocessable Content",
    }
    assert PHRASES[status] == renamed.get(status, status.phrase)


def test_headers_of_a_scenario_take_the_place_of_ours_whatever_the_case_and_null_leaves_one_out() -> None:
    ours = [("Date", "now"), ("Content-Type", "a"), ("x-request-id", "1")]
    theirs = {"content-type": "b", "DATE": None, "X-New": "2", "x-none": None}
    assert list(merge_headers(ours, theirs)) == [("content-type", "b"), ("x-request-id", "1"), ("X-New", "2")]


def test_a_header_with_several_values_is_sent_once_for_each_where_it_stands() -> None:
    ours = [("Server", "a"), ("Date", "b")]
    theirs = {"server": ("c", "d"), "Set-Cookie": ("e=1", "f=2"), "Date": ()}
    assert list(merge_headers(ours, theirs)) == [
        ("server", "c"),
        ("server", "d"),
        ("Set-Cookie", "e=1"),
        ("Set-Cookie", "f=2"),
    ]
    with pytest.raises(ValueError, match="Set-Cookie: expected a value"):
        check_headers({"Set-Cookie": ("fine", "not\nfine")})


# What a scenario file may say


@pytest.mark.parametrize(
    "values",
    [
        {"headers": {"Retry-After": "1", "X-Empty": "", "X-Latin": "naïve", "X-Tab": "a\tb", "X-Not": None}},
        {"trailers": {"X-Sum": "1"}, "chunk_extension": '; a ; b=c;d="e\\"f"'},
        {"chunk_size": "1MiB"},
        {"interim": [{}, {"status": 199, "headers": {"Link": "</a>; rel=preload"}}]},
    ],
)
def test_what_can_go_over_the_wire_is_accepted(values: dict[str, Any]) -> None:
    msgspec.convert(values, Http, dec_hook=decode_shorthand)


A_NAME = "expected a header's name of letters, digits and !#$%&'*+-.^_`|~"
BAD_NAMES = ["", "a b", "a:b", "ä", "a\r\nb", "a\n", "(a)", "日", '"a"', "\x00"]
BAD_VALUES = ["a\r\nX-Evil: 1", "a\nb", "a\r", "\x00", "日本", "\x7f", "a\x1b[0m", "\u2028"]


@pytest.mark.parametrize("name", BAD_NAMES)
def test_a_name_that_is_no_token_is_refused(name: str) -> None:
    for kind, values in (
        (Http, {"headers": {name: "x"}}),
        (Http, {"trailers": {name: "x"}}),
        (Interim, {"headers": {name: "x"}}),
    ):
        with pytest.raises(msgspec.ValidationError, match="expected a header's name"):
            msgspec.convert(values, kind)


def test_every_mistake_of_a_message_is_told_at_once() -> None:
    wrong = {"chunk_size": 0, "chunk_extension": "a", "headers": {"X y": "a\nb", "X Y": "c"}, "trailers": {"": "x"}}
    with pytest.raises(ScenarioError, match=r"^chunk_size: ") as raised:
        convert(wrong, Http)
    assert str(raised.value).split("; ") == [
        "chunk_size: expected 1 byte to 1 MiB, got 0",
        "chunk_extension: expected ;name or ;name=value, got 'a'",
        f"headers: {A_NAME}, got 'X y'",
        r"headers: X y: expected a value of printable Latin-1 characters, got 'a\nb'",
        f"headers: {A_NAME}, got 'X Y'",
        "headers: X y and X Y are one header",
        "give it once, with a list of its values",
        f"trailers: {A_NAME}, got ''",
    ]


@pytest.mark.parametrize("value", BAD_VALUES)
def test_a_value_that_would_be_more_or_other_than_a_header_is_refused(value: str) -> None:
    for kind, values in (
        (Http, {"headers": {"X": value}}),
        (Http, {"trailers": {"X": value}}),
        (Interim, {"headers": {"X": value}}),
    ):
        with pytest.raises(msgspec.ValidationError, match="expected a value of printable Latin-1 characters"):
            msgspec.convert(values, kind)


@given(st.dictionaries(st.text(max_size=5), st.none() | st.text(max_size=8), max_size=3))
def test_whatever_is_accepted_is_read_by_h11_as_it_was_written(headers: dict[str, str | None]) -> None:
    try:
        check_headers(headers)
    except ValueError:
        return
    given = {
        name: value for name, value in headers.items() if value is not None and name.lower() != "transfer-encoding"
    }
    head = render_head(200, [*given.items(), ("Connection", "close")])
    assert head.count(b"\r\n") == len(given) + 3
    assert head.count(b"\n") == head.count(b"\r") == len(given) + 3


def test_one_header_in_two_spellings_is_refused() -> None:
    with pytest.raises(ValueError, match="X-A and x-a are one header"):
        Http(headers={"X-A": "1", "x-a": "2"})


@pytest.mark.parametrize("extension", ["a", ";", ";a=", ";a\r\n", ";a=é", ';a="x', "; a b", "\n;a", ';a="\n"'])
def test_an_extension_that_would_break_the_chunk_is_refused(extension: str) -> None:
    with pytest.raises(ValueError, match="chunk_extension: expected"):
        Http(chunk_extension=extension)


@pytest.mark.parametrize("size", [0, 1024 * 1024 + 1])
def test_a_chunk_has_a_byte_and_not_so_many_that_they_cost_memory(size: int) -> None:
    with pytest.raises(ValueError, match="chunk_size: expected 1 byte to 1 MiB"):
        Http(chunk_size=Size(size))


def test_brotli_is_refused_where_it_is_not_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    Http(coding="br")
    monkeypatch.setattr("mockserver.http.find_spec", lambda name: None)
    with pytest.raises(ValueError, match=r"pip install 'openai-mockserver\[brotli\]'"):
        Http(coding="br")
    assert importlib.util.find_spec("brotli"), "the real one is untouched"


def test_cors_headers_are_legal_headers() -> None:
    check_headers(CORS_HEADERS)
