"""Places: every one of them, on streams of one and of several choices, cut exactly where it says."""

import itertools
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from mockserver.place import AFTER_HEADERS, EventRef, Place, split_at
from mockserver.sse import SLICE_BYTES, Slice

EVENT_NAMES = ("role", "delta", "finish", "usage", "done")
SIMPLE = ("before_reply", "before_headers", "after_headers", "after_finish", "after_done")
WITH_EVENT = ("before_event", "inside_event", "after_event")
PLACES = st.sampled_from(SIMPLE).map(Place) | st.builds(
    Place, st.sampled_from(WITH_EVENT), (st.sampled_from(EVENT_NAMES) | st.integers(0, 12)).map(EventRef)
)


@dataclass(frozen=True)
class Block:
    """Bytes between two borders of a stream: the head, a comment, or an event with its kind."""

    kind: str
    data: bytes
    is_event: bool = True


@st.composite
def streams(draw: st.DrawFn) -> tuple[int, list[Block]]:
    """How many choices there are, and the blocks of a stream as the server sends it, perhaps without usage or [DONE]."""
    choices = draw(st.integers(1, 3))
    kinds = ["role"] * choices + ["delta"] * draw(st.integers(0, 3)) + ["finish"] * choices
    kinds += draw(st.sampled_from([[], ["usage"], ["usage", "done"], ["done"]]))
    blocks: list[Block] = []
    for number, kind in enumerate(kinds):
        if draw(st.booleans()):
            blocks.append(Block("comment", b": %d\n\n" % number, is_event=False))
        blocks.append(Block(kind, b"%d%s" % (number, b"-" * draw(st.integers(0, 6)))))
    return choices, blocks


@st.composite
def sliced(draw: st.DrawFn, blocks: list[Block], with_head: bool) -> list[Slice]:
    """The blocks as slices with their marks, events cut anywhere, empty slices among them."""
    slices = [Slice(b"103", 0.0, None, "interim"), Slice(b"head", 0.0, None, "head")] if with_head else []
    number = 0
    for block in blocks:
        cuts = sorted(draw(st.lists(st.integers(0, len(block.data)), max_size=2)))
        edges = [0, *cuts, len(block.data)]
        for k, (start, end) in enumerate(itertools.pairwise(edges)):
            event = number if block.is_event else None
            slices.append(
                Slice(
                    block.data[start:end],
                    0.0,
                    event,
                    block.kind,
                    starts=k == 0,
                    ends=end == edges[-1] and k == len(cuts),
                )
            )
        number += block.is_event
    return slices


def find_offset(place: Place, blocks: list[Block], choices: int, with_head: bool) -> int:
    """How many bytes stand before a place, by counting."""
    head = len(b"103head") if with_head else 0
    whole = head + sum(len(block.data) for block in blocks)
    fixed = {"before_reply": 0, "before_headers": len(b"103") if with_head else 0, "after_headers": head}
    if place.kind in fixed:
        return fixed[place.kind]
    target = place.event.value if place.event else place.kind.removeprefix("after_")
    at, number, found = head, 0, []
    for block in blocks:
        if block.is_event:
            if target in (number, block.kind):
                found.append((at, len(block.data)))
            number += 1
        at += len(block.data)
    if not found or (target == "finish" and len(found) < choices):
        return whole
    start, length = found[choices - 1 if target == "finish" else 0]
    return start + {"before_event": 0, "inside_event": length // 2}.get(place.kind, length)


def halves(parts: Iterator[tuple[bool, Slice]]) -> tuple[bytes, bytes]:
    before, behind = b"", b""
    for is_behind, piece in parts:
        assert is_behind or not behind, "what is behind comes after what is before"
        before, behind = (before, behind + piece.data) if is_behind else (before + piece.data, behind)
    return before, behind


@given(st.data(), streams(), PLACES, st.booleans())
def test_every_place_cuts_a_stream_in_two_exactly_there(
    data: st.DataObject, stream: tuple[int, list[Block]], place: Place, with_head: bool
) -> None:
    choices, blocks = stream
    slices = data.draw(sliced(blocks, with_head))
    before, behind = halves(split_at(place, slices, choices, in_body=not with_head))
    whole = b"".join(piece.data for piece in slices)
    assert before + behind == whole
    assert len(before) == find_offset(place, blocks, choices, with_head)


@given(st.data(), streams(), PLACES)
def test_the_marks_survive_the_cut(data: st.DataObject, stream: tuple[int, list[Block]], place: Place) -> None:
    choices, blocks = stream
    slices = data.draw(sliced(blocks, with_head=False))
    parts = [piece for _, piece in split_at(place, slices, choices, in_body=True)]
    numbers = range(sum(block.is_event for block in blocks))
    for number in numbers:
        own = [piece for piece in parts if piece.event == number]
        assert [piece.starts for piece in own] == [True] + [False] * (len(own) - 1)
        assert [piece.ends for piece in own] == [False] * (len(own) - 1) + [True]
    assert [piece.event for piece in parts if piece.event is not None and piece.starts] == list(numbers)


@pytest.mark.parametrize("size", [SLICE_BYTES, SLICE_BYTES + 1, 3 * SLICE_BYTES])
def test_inside_a_long_event_is_in_its_first_64_kib_so_that_little_is_held(size: int) -> None:
    slices = [
        Slice(b"x" * SLICE_BYTES, 0.0, 0, "delta", starts=True, ends=size == SLICE_BYTES),
        *(Slice(b"y" * (size - SLICE_BYTES), 0.0, 0, "delta", starts=False) for _ in range(size > SLICE_BYTES)),
    ]
    before, behind = halves(split_at(Place("inside_event", EventRef(0)), iter(slices)))
    assert (len(before), len(behind)) == (SLICE_BYTES // 2, size - SLICE_BYTES // 2)


def test_a_stream_that_ends_inside_the_event_is_cut_there_all_the_same() -> None:
    half = [Slice(b"abcd", 0.0, 0, "delta", ends=False)]
    assert halves(split_at(Place("inside_event", EventRef(0)), half)) == (b"ab", b"cd")


def test_an_endless_stream_can_be_split() -> None:
    def endless() -> Iterator[Slice]:
        number = 0
        while True:
            yield Slice(b"x", float(number), number, "delta")
            number += 1

    parts = split_at(Place("before_event", EventRef(2)), endless())
    assert [next(parts)[0] for _ in range(5)] == [False, False, True, True, True]


# How places are written

WRITTEN = [*SIMPLE, {"before_event": 0}, {"inside_event": "finish"}, {"after_event": "delta"}]


@pytest.mark.parametrize("written", WRITTEN, ids=str)
def test_a_place_is_read_as_it_is_written(written: Any) -> None:
    place = Place.decode(written)
    assert place.encode() == written
    assert Draft202012Validator(Place.schema).is_valid(written)
    assert str(place) in (written, " ".join(f"{key} {value}" for key, value in getattr(written, "items", dict)()))


@pytest.mark.parametrize(
    "written",
    ["after", "inside_event", {}, {"after_event": 1, "before_event": 1}, {"after": 1}, {"after_event": "first"},
     {"after_event": True}, {"after_event": -1}, {"after_event": 1.0}, {"after_event": None}, 3, None, ["after_done"]],
    ids=str,
)  # fmt: skip
def test_what_is_no_place_is_refused(written: Any) -> None:
    with pytest.raises(
        ValueError, match=r"^expected (a place: before_reply, |the number of an event \(from 0\) or one of role, )"
    ):
        Place.decode(written)
    assert not Draft202012Validator(Place.schema).is_valid(written) or written == {"after_event": 1.0}


def test_the_refusal_names_every_place_and_every_kind_of_event() -> None:
    with pytest.raises(ValueError, match="got 'x'") as caught:
        Place.decode("x")
    assert str(caught.value) == (
        "expected a place: before_reply, before_headers, after_headers, after_finish, after_done, or one of "
        "{before_event: …}, {inside_event: …}, {after_event: …}, got 'x'"
    )
    with pytest.raises(ValueError, match="got 'x'") as caught:
        EventRef.decode("x")
    assert str(caught.value) == (
        "expected the number of an event (from 0) or one of role, delta, finish, usage, done, got 'x'"
    )


@pytest.mark.parametrize("written", [0, 3, *EVENT_NAMES])
def test_an_event_is_read_as_it_is_written(written: Any) -> None:
    assert EventRef.decode(written).encode() == written
    assert Draft202012Validator(EventRef.schema).is_valid(written)


@given(PLACES)
@example(AFTER_HEADERS)
@example(Place("after_done"))
def test_writing_and_reading_a_place_gives_it_back(place: Place) -> None:
    assert Place.decode(place.encode()) == place


@pytest.mark.parametrize(
    ("place", "target"), [("after_finish", "finish"), ("after_done", "done"), ("after_headers", None)]
)
def test_a_place_after_a_kind_of_event_is_about_that_event(place: str, target: str | None) -> None:
    assert Place(place).target == (None if target is None else EventRef(target))


def test_what_stands_between_events_is_no_event() -> None:
    assert not EventRef(0).names(None, "comment")
    assert not EventRef("finish").names(None, "finish")
