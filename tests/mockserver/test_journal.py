from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mockserver.journal import MAX_PLAYED, Exchange, Journal, Played
from tests.mockserver.strategies_local import ask


def exchange(**headers: str) -> Exchange:
    return Exchange(1, 0.0, "POST", "/v1/chat/completions", {name.replace("_", "-"): v for name, v in headers.items()})


def open_some(journal: Journal, count: int) -> list[Exchange]:
    return [journal.open(float(k), "POST", f"/{k}", {}) for k in range(count)]


def test_exchanges_are_kept_in_the_order_of_arrival_and_numbered_from_one() -> None:
    journal = Journal()
    opened = open_some(journal, 3)
    assert list(journal) == opened
    assert [(e.number, e.received_at, e.method, e.path) for e in journal] == [
        (1, 0.0, "POST", "/0"),
        (2, 1.0, "POST", "/1"),
        (3, 2.0, "POST", "/2"),
    ]
    assert len(journal) == 3


@given(st.integers(1, 5), st.integers(0, 12))
def test_the_oldest_go_first_and_numbers_go_on(keep: int, count: int) -> None:
    journal = Journal(keep)
    open_some(journal, count)
    assert [e.number for e in journal] == list(range(max(count - keep, 0) + 1, count + 1))
    assert len(journal) == min(keep, count)


@given(st.integers(1, 100), st.integers(1, 8), st.lists(st.integers(0, 60), max_size=40))
def test_the_bodies_that_are_kept_are_bounded_and_the_newest_exchange_stays(
    keep_bytes: int, keep: int, sizes: list[int]
) -> None:
    journal = Journal(keep, keep_bytes)
    for number, size in enumerate(sizes, 1):
        exchange = journal.open(0.0, "POST", "/", {})
        journal.keep_body(exchange, bytes(size))
        kept = list(journal)
        assert [e.number for e in kept] == list(range(number - len(kept) + 1, number + 1))
        assert exchange.raw_body == bytes(size)
        assert len(kept) == 1 or sum(len(e.raw_body) for e in kept) <= keep_bytes
        if sum(sizes[:number]) <= keep_bytes:
            assert len(kept) == min(number, keep), "nothing goes that there is room for"


def test_a_body_that_comes_when_its_exchange_was_forgotten_takes_no_room_for_long() -> None:
    journal = Journal(keep_bytes=100)
    late = journal.open(0.0, "POST", "/", {})
    journal.clear()
    for _ in range(10):
        journal.keep_body(late, bytes(90))
    for _ in range(4):
        journal.keep_body(journal.open(0.0, "POST", "/", {}), bytes(20))
    assert len(journal) == 4


def test_who_reads_is_not_disturbed_by_what_arrives() -> None:
    journal = Journal()
    open_some(journal, 2)
    seen = []
    for one in journal:
        journal.open(9.0, "GET", "/later", {})
        seen.append(one.number)
    assert seen == [1, 2]


def test_cleared_the_journal_is_as_new() -> None:
    journal = Journal()
    open_some(journal, 3)
    journal.clear()
    assert (list(journal), len(journal)) == ([], 0)
    assert journal.open(0.0, "GET", "/", {}).number == 1


def test_the_body_is_what_the_client_sent_or_empty() -> None:
    one = exchange()
    assert one.body == {}
    one.chat = ask(temperature=0.5, seed=7, mine="x")
    assert one.body == {
        "model": "gpt-4o-mini",
        "messages": [{"role": "user", "content": "Hello"}],
        "temperature": 0.5,
        "seed": 7,
        "mine": "x",
    }


@pytest.mark.parametrize(
    ("sent", "body"),
    [
        (b'{"model": "m", "n": 0}', {"model": "m", "n": 0}),
        (b"{}", {}),
        (b"[1]", {}),
        (b'{"model":', {}),
        (b"\xff", {}),
        (b"[" * 100_000, {}),
    ],
)
def test_the_body_of_what_was_refused_is_what_was_sent_as_far_as_it_can_be_read(
    sent: bytes, body: dict[str, object]
) -> None:
    one = exchange()
    one.raw_body = sent
    assert one.body == body


def test_an_exchange_is_printed_without_what_is_long() -> None:
    one = exchange()
    one.chat = ask()
    one.note_write(0.0, 0.5, 12345)
    assert "late_s=0.5" in repr(one)
    assert "ChatRequest" not in repr(one)
    assert "Played" not in repr(one)


RETRIES = [
    ("0", 0),
    ("1", 1),
    ("12", 12),
    ("", 0),
    ("-1", 0),
    ("1.5", 0),
    ("x", 0),
    ("²", 0),
    ("٣", 0),
    ("9" * 5_000, 0),
]


@pytest.mark.parametrize(("header", "count"), RETRIES, ids=lambda value: str(value)[:8])
def test_the_retry_count_is_the_sdks_and_nonsense_is_no_retry(header: str, count: int) -> None:
    assert exchange(x_stainless_retry_count=header).retry_count == count


def test_without_the_header_it_is_the_first_try() -> None:
    assert exchange().retry_count == 0


writes = st.lists(st.tuples(st.floats(0, 100), st.floats(0, 100), st.integers(0, 65536)), max_size=20)


@given(writes)
def test_every_write_is_entered(sent: list[tuple[float, float, int]]) -> None:
    one = exchange()
    for due_s, at_s, size in sent:
        one.note_write(due_s, at_s, size)
    assert one.played == [Played(*write) for write in sent]
    assert one.late_s == max([0.0, *(at_s - due_s for due_s, at_s, _ in sent)])


def test_after_many_writes_only_the_totals_go_on() -> None:
    one = exchange()
    for k in range(MAX_PLAYED + 5):
        one.note_write(float(k), k + 0.5, 10)
    assert len(one.played) == MAX_PLAYED
    assert one.played[-1] == Played(MAX_PLAYED - 1, MAX_PLAYED - 0.5, 10)
    assert one.late_s == 0.5
    assert all(a.at_s < b.at_s for a, b in pairwise(one.played))


def test_what_was_sent_early_is_not_late() -> None:
    one = exchange()
    one.note_write(5.0, 1.0, 1)
    assert one.late_s == 0.0


def test_several_send_calls_are_entered_as_one_after_the_other(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("mockserver.journal.MAX_PLAYED", 4)
    one, other = exchange(), exchange()
    for due_s, at_s, sizes in ((0.1, [0.5, 0.6], [1, 2]), (0.2, [0.7, 0.7, 1.2], [3, 4, 5])):
        one.note_writes(due_s, at_s, sizes)
        for moment_s, size in zip(at_s, sizes, strict=True):
            other.note_write(due_s, moment_s, size)
    assert one == other
    assert len(one.played) == 4


def test_an_exchange_shows_what_was_asked_and_how_it_ended_but_not_all_that_was_played() -> None:
    one = exchange()
    one.ended = "complete"
    one.note_write(0.0, 0.0, 1)
    shown = repr(one)
    assert shown.startswith(
        "Exchange(number=1, received_at=0.0, method='POST', path='/v1/chat/completions', headers={}, "
    )
    assert "ended='complete'" in shown
    assert not any(name in shown for name in (", chat=", ", plan=", ", played="))
