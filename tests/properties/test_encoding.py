"""Encoder and parser, which share no code, agree in both directions; and where the bytes are cut does not matter."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from client.sse import Event as ParsedEvent
from client.sse import Parser
from mockserver.sse import Event, Framing, encode_events
from mockserver.strategies import partitions
from mockserver.strategies.deliveries import framings
from tests.client.sse_table import Row, load_rows

texts = st.text(st.characters(exclude_characters="\r", exclude_categories=["Cs"]), max_size=12)
names = st.none() | st.text("abc-", min_size=1, max_size=4)
event_lists = st.lists(st.tuples(names, texts), max_size=5)
JSON = st.recursive(
    st.none() | st.integers() | st.text(max_size=6),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=6,
)


def encode(events: list[tuple[str | None, str]], framing: Framing = Framing()) -> bytes:  # noqa: B008 - frozen
    made = [Event(data.encode(), 0.0, "delta", name) for name, data in events]
    return b"".join(piece.data for piece in encode_events(made, framing))


def parse(pieces: list[bytes]) -> list[tuple[str, str]]:
    parser = Parser(strict=True)
    return [(event.event, event.data) for piece in pieces for event in parser.feed(piece)]


@given(events=event_lists, data=st.data())
def test_what_is_encoded_is_parsed_as_it_was_wherever_it_is_cut(
    events: list[tuple[str | None, str]], data: st.DataObject
) -> None:
    wire = encode(events)
    pieces = data.draw(partitions(wire))
    assert b"".join(pieces) == wire
    assert parse(pieces) == [(name or "message", text) for name, text in events]


@given(events=st.lists(st.tuples(st.none(), JSON), max_size=4), framing=framings, data=st.data())
def test_any_legal_framing_of_json_says_the_same(
    events: list[tuple[None, object]], framing: Framing, data: st.DataObject
) -> None:
    import msgspec

    wanted = [msgspec.json.encode(value).decode() for _, value in events]
    wire = encode([(None, text) for text in wanted], framing)
    got = parse(data.draw(partitions(wire)))
    expected = wanted if framing.final_blank_line else wanted[:-1]
    assert [msgspec.json.decode(text) for _, text in got] == [msgspec.json.decode(text) for text in expected]


@pytest.mark.parametrize("row", [row for row in load_rows() if row.canonical], ids=lambda row: row.name)
def test_a_canonical_row_is_encoded_and_parsed_to_the_letter(row: Row) -> None:
    events = [(None if event.event == "message" else event.event, event.data) for event in row.events]
    assert encode(events) == row.wire
    parser = Parser()
    assert parser.feed(row.wire) == [ParsedEvent(event.data, event.event, event.id) for event in row.events]
    assert parser.end() is None
