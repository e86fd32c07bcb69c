"""Faults of size: as large as they say, and never held."""

import json
import tracemalloc
from collections.abc import Iterator
from itertools import islice
from typing import Any

import pytest

from mockserver.faults import Fault
from mockserver.faults.cuts import Truncate
from mockserver.faults.large import Endless, GzipBomb, LargeEvent, ManyChunks
from mockserver.place import EventRef, Place
from mockserver.shorthand import Duration, Size
from mockserver.steps import Head, Write
from tests.mockserver.faults.struck import PACED, PLACES, events_with, fault_of, plain_events
from tests.mockserver.plans import CONTENT, data_of, make_plan, parse_events, read_answer

ENDLESS = {
    "line": (b"data: ", b"x"), "event": (b"", b"data: x\n"), "comments": (b"", b": keep-alive\n\n"), "blank": (b"", b"\n"),
}  # fmt: skip


@pytest.mark.parametrize("what", ENDLESS)
@pytest.mark.parametrize("size", [1, 5, 6, 7, 65_536, 200_000])
def test_what_is_endless_has_exactly_its_size_and_ends_the_body(what: Any, size: int) -> None:
    opening, unit = ENDLESS[what]
    body = read_answer(make_plan(Endless(what=what, size=Size(size)))).body
    assert body == (opening + unit * size)[:size]


@pytest.mark.parametrize("place", PLACES, ids=str)
def test_what_is_endless_comes_behind_its_place(place: Place) -> None:
    before = read_answer(make_plan(Truncate(at=place))).body
    assert read_answer(make_plan(Endless(at=place, size=Size(10)))).body == before + b"data: xxxx"


@pytest.mark.parametrize(
    ("at", "due_s"),
    [(Place("after_headers"), 0.1), (Place("before_event", EventRef(2)), 0.12), (Place("after_event", EventRef(2)), 0.12),
     (Place("inside_event", EventRef(3)), 0.14), (Place("after_done"), 0.16)],
)  # fmt: skip
def test_a_unit_each_so_often_drips_from_the_place_on(at: Place, due_s: float) -> None:
    fault = Endless(what="comments", at=at, size=Size(14 * 3), every=Duration(0.5))
    struck = list(make_plan(fault, timing=PACED))
    drops = [step for step in struck if isinstance(step, Write) and b"keep-alive" in step.data]
    assert [step.due_s for step in drops] == pytest.approx([due_s, due_s + 0.5, due_s + 1.0])
    assert struck[0].due_s == pytest.approx(0.1)


def test_until_the_client_leaves_there_is_no_end_and_no_length() -> None:
    for delivery in ({}, {"http": {"transfer": "length"}}, {"http": {"transfer": "close"}}):
        plan = make_plan(fault_of("endless", size=None), delivery=delivery)
        pieces = islice((step for step in plan if isinstance(step, Head | Write)), 50)
        assert len(data_of(pieces)) > 3_000_000
        assert b"Content-Length" not in data_of(islice(plan, 1))
    assert b"Transfer-Encoding" not in data_of(islice(plan, 1)), "closed by the connection, as told"


@pytest.mark.parametrize(
    "fault",
    [
        Endless(),
        GzipBomb(size=Size(64 * 1024 * 1024)),
        LargeEvent(size=Size(64 * 1024 * 1024)),
        ManyChunks(count=30_000),
    ],
)
def test_64_mebibytes_or_many_chunks_are_never_held(fault: Fault) -> None:
    def sizes() -> Iterator[int]:
        for step in make_plan(fault):
            if isinstance(step, Head | Write):
                yield len(step.data)

    tracemalloc.start()
    try:
        total = sum(sizes())
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 3_000_000
    if not isinstance(fault, GzipBomb):
        assert total > 64 * 1024 * 1024 or isinstance(fault, ManyChunks)


def test_a_gzip_bomb_is_small_on_the_wire_and_has_its_size_when_unpacked() -> None:
    plan = make_plan(GzipBomb(at=Place("after_event", EventRef(1)), size=Size(10_000_000)))
    assert len(data_of(plan)) < 40_000
    reading = read_answer(plan)
    assert reading.headers["content-encoding"] == "gzip"
    before = read_answer(make_plan(Truncate(at=Place("after_event", EventRef(1))))).body
    assert reading.body == before + b"data: " + b"x" * (10_000_000 - 6)


@pytest.mark.parametrize("size", [1, 5_000, 65_536, 300_000])
def test_a_large_event_is_one_chunk_of_that_size_that_says_nothing(size: int) -> None:
    plain = read_answer(make_plan())
    struck = read_answer(make_plan(LargeEvent(at=Place("before_event", EventRef(2)), size=Size(size))))
    assert (struck.contents, struck.problems) == ([CONTENT], [])
    blocks = struck.body.split(b"\n\n")
    assert blocks[:2] + blocks[3:] == plain.body.split(b"\n\n")
    if size > 1:
        assert len(blocks[2]) + 2 == size
    large = json.loads(blocks[2].removeprefix(b"data: "))
    assert (large["choices"], set(large["padding"]) <= {"x"}) == ([], True)


@pytest.mark.parametrize("where", ["after_headers", "after_done"])
def test_a_large_event_may_stand_first_or_last(where: str) -> None:
    events = list(parse_events(read_answer(make_plan(LargeEvent(at=Place(where), size=Size(500)))).body))
    assert '"padding"' in events[0 if where == "after_headers" else -1][1]
    assert len(events) == 9


def test_many_chunks_say_nothing_and_stand_before_their_event() -> None:
    struck = events_with(ManyChunks(event=EventRef("finish"), count=1000))
    plain = plain_events()
    assert struck[:5] == plain[:5]
    assert struck[1005:] == plain[5:]
    assert {data for _, data in struck[5:1005]} == {struck[5][1]}
    assert json.loads(struck[5][1])["choices"][0]["delta"] == {"content": ""}
