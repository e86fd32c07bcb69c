from itertools import pairwise
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from starlette.types import Scope

from mockserver import reader as reader_module
from mockserver.connection import Connection
from mockserver.errors import RequestError
from mockserver.incoming import Incoming
from mockserver.reader import RequestReader


class Lender:
    """What a connection is of: nothing is ever sent on it."""

    transport: Any = None
    fd = -1
    max_body_bytes = 8

    def answered(self, connection: Connection, close: bool) -> None: ...

    def give_up(self, connection: Connection, reset: bool) -> None: ...


def read(pieces: list[bytes], lender: Lender | None = None) -> list[dict[str, Any]]:
    """What a reader makes of some bytes that come in these pieces."""
    lent: list[Incoming] = []

    def lend(scope: Scope, declared: int, keep_alive: bool, expects_continue: bool) -> Incoming:
        connection = Connection(lender or Lender(), declared, keep_alive)
        lent.append(Incoming({**scope, "expects": expects_continue}, connection, expects_continue))
        return lent[-1]

    reader, wrong = RequestReader(lend, {"client": ("here", 1)}), None
    try:
        for piece in pieces:
            reader.feed(piece)
    except RequestError as error:
        wrong = (error.status, error.message.partition(":")[0])
    told = [
        {
            **one.scope,
            "headers": one.scope["headers"].texts,
            "body": one.unread,
            "complete": one.is_complete,
            "declared": one.connection.declared,
            "received": one.connection.received,
            "keep_alive": one.connection.keep_alive,
        }
        for one in lent
    ]
    return [*told, {"wrong": wrong}]


@pytest.fixture(autouse=True)
def _nothing_known(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reader_module, "_known", {})


REQUESTS = {
    "plain": b"POST /a HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\nhi",
    "another": b"POST /a?b=c HTTP/1.1\r\nHost: x\r\nX-Name: \xe9\r\nContent-Length: 3\r\n\r\nyou",
    "no body": b"GET /%20 HTTP/1.1\r\nHost: x\r\n\r\n",
    "in chunks": b"POST /a HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n0\r\n\r\n",
    "too large": b"POST /a HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\n123456789",
    "to be closed": b"POST /a HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: 2\r\n\r\nhi",
    "of the old version": b"POST /a HTTP/1.0\r\nHost: x\r\nContent-Length: 2\r\n\r\nhi",
    "waiting for 100": b"POST /a HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\nhi",
    "waiting for two things": b"POST /a HTTP/1.1\r\nExpect: 100-continue\r\nExpect: x\r\nContent-Length: 2\r\n\r\nhi",
    "with an upgrade": b"POST /a HTTP/1.1\r\nHost: x\r\nUpgrade: h2c\r\nConnection: upgrade\r\nContent-Length: 2\r\n\r\nhi",
    "with a request for its body": b"POST /a HTTP/1.1\r\nContent-Length: 30\r\n\r\nGET /%20 HTTP/1.1\r\nHost: x\r\n\r\n",
    "an empty line": b"\r\n",
    "nonsense": b"!?\r\n\r\n",
}


@given(
    st.lists(st.sampled_from([*REQUESTS.values()]), max_size=5)
    .map(b"".join)
    .flatmap(lambda data: st.tuples(st.just(data), st.sets(st.integers(0, len(data))))),
    st.lists(st.sampled_from([*REQUESTS.values()]), max_size=3),
)
@example((REQUESTS["plain"] * 2, {len(REQUESTS["plain"])}), [])
@example((REQUESTS["plain"] + REQUESTS["to be closed"], set()), [])
@example((REQUESTS["too large"], set()), [])
@example((REQUESTS["plain"] + REQUESTS["another"], {len(REQUESTS["plain"]) + 9}), [])
@example(
    (REQUESTS["with a request for its body"], {REQUESTS["with a request for its body"].index(b"GET")}),
    [REQUESTS["no body"]],
)
def test_what_was_read_before_is_read_as_if_it_had_not_been(cut: tuple[bytes, set[int]], before: list[bytes]) -> None:
    data, at = cut
    pieces = [data[begin:end] for begin, end in pairwise(sorted({0, len(data), *at}))]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(reader_module, "_MOST_KNOWN_BYTES", -1)
        expected = read(pieces)
    read(before)
    assert read(pieces) == expected
    assert read(pieces) == expected


def test_a_request_that_comes_again_in_the_same_bytes_is_not_parsed_again(monkeypatch: pytest.MonkeyPatch) -> None:
    _, *first = read([REQUESTS["another"], REQUESTS["plain"]])
    monkeypatch.setattr(RequestReader, "_feed", lambda self, data: pytest.fail("it is parsed"))
    assert read([REQUESTS["plain"]] * 2) == [first[0], first[0], first[1]]


def test_what_is_over_the_limit_of_one_server_is_read_anew_by_another() -> None:
    class Roomy(Lender):
        max_body_bytes = 9

    assert read([REQUESTS["too large"]])[0]["body"] == b""
    assert read([REQUESTS["too large"]], Roomy())[0]["body"] == b"123456789"


def test_only_so_many_are_kept_and_none_that_is_long(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reader_module, "_MOST_KNOWN", 3)
    for number in range(10):
        read([b"GET /%d HTTP/1.1\r\n\r\n" % number])
        assert 1 <= len(reader_module._known) <= 3
    before = dict(reader_module._known)
    read([b"GET /%b HTTP/1.1\r\n\r\n" % (b"a" * reader_module._MOST_KNOWN_BYTES)])
    assert reader_module._known == before


def test_what_follows_a_request_to_be_closed_is_thrown_away_and_does_not_spoil_its_answer() -> None:
    first, told = read([REQUESTS["to be closed"] + REQUESTS["plain"]])
    assert first["body"] == b"hi"
    assert told == {"wrong": None}


def test_whoever_waits_for_100_continue_and_more_waits_for_it() -> None:
    assert read([REQUESTS["waiting for two things"]])[0]["expects"]


def test_empty_lines_between_requests_that_are_known_never_add_up_to_a_long_head(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(reader_module, "MAX_HEAD_BYTES", 100)
    assert read([b"\r\n" * 20, REQUESTS["plain"]] * 5)[-1] == {"wrong": None}
