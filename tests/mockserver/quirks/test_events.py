"""Quirks of events and framing."""

from collections.abc import Iterator

from mockserver.quirks import bend
from mockserver.sse import Event
from tests.mockserver.quirks.bent import body_of, sample


def test_done_may_be_missing_or_come_twice() -> None:
    assert body_of(sample("text", "done-missing")).count(b"[DONE]") == 0
    assert body_of(sample("text", "done-twice")).count(b"[DONE]") == 2


def test_comments_ids_names_and_the_space_after_the_colon() -> None:
    assert body_of(sample("text", "comments-first")).startswith(b": OPENROUTER PROCESSING\n\n" * 3 + b"data: ")
    events = len(list(sample("text").events()))
    assert body_of(sample("text", "comments-between")).count(b": keep-alive\n\ndata: ") == events
    assert body_of(sample("text", "event-names")).count(b"event: message\ndata: ") == events
    assert body_of(sample("text", "event-ids")).startswith(b"id: 0\ndata: ")
    assert b"data: " not in body_of(sample("text", "data-no-space"))


def test_an_events_quirk_bends_raw_events_too() -> None:
    def events() -> Iterator[Event]:
        yield Event(b"{}", 0.0, "delta")
        yield Event(b"[DONE]", 0.0, "done")

    assert [event.kind for event in bend("events", events(), ["done-missing"])] == ["delta"]
