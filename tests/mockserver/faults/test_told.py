"""Errors that the server tells in the stream: every shape, at its place, with what follows."""

import json
from typing import Any

import pytest

from mockserver.faults.told import SHAPES, ToldError
from mockserver.place import EventRef, Place
from mockserver.steps import End
from tests.mockserver.faults.struck import events_with, plain_events
from tests.mockserver.plans import last_of, make_plan, read_answer


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize(("then", "rest"), [("end", []), ("done", [("", "[DONE]")]), ("go_on", None), ("close", [])])
def test_an_error_is_told_in_every_shape_with_what_follows_it(shape: Any, then: Any, rest: Any) -> None:
    plain = plain_events()
    plan = make_plan(ToldError(shape=shape, then=then, message="Out of cake", code="cake"))
    body = read_answer(plan).body
    before = b"".join(b"data: %b\n\n" % data.encode() for _, data in plain[:2])
    behind = b"".join(b"data: %b\n\n" % data.encode() for _, data in (plain[2:] if rest is None else rest))
    assert body.startswith(before)
    assert body.endswith(behind)
    told = body[len(before) : len(body) - len(behind)]
    assert b"Out of cake" in told
    assert told.endswith(b"\n\n")
    assert last_of(plan) == End(0.0, close=then == "close", cut=then == "close")
    assert read_answer(plan).is_complete is (then != "close")


@pytest.mark.parametrize(
    ("at", "number"),
    [(Place("before_event", EventRef(0)), 0), (Place("after_event", EventRef("finish")), 6), (Place("after_done"), 8),
     (Place("inside_event", EventRef(3)), 3), (Place("after_headers"), 0), (Place("before_reply"), 0)],
)  # fmt: skip
def test_an_error_is_told_at_its_place(at: Place, number: int) -> None:
    plain = plain_events()
    struck = events_with(ToldError(at=at, then="go_on"))
    assert struck[:number] + struck[number + 1 :] == plain
    assert json.loads(struck[number][1]) == {
        "error": {"message": "The server had an error while processing your request", "type": "server_error",
                  "param": None, "code": "server_error"}
    }  # fmt: skip
    ended = events_with(ToldError(at=at))
    assert ended == struck[: number + 1]


def test_the_shapes_of_errors_are_explained_each_with_who_sends_it() -> None:
    _, *lines = ToldError.explanations()
    assert len(lines) == len(SHAPES)
    for line, (name, (sent_by, _)) in zip(lines, SHAPES.items(), strict=True):
        assert line.strip().startswith(name)
        assert "text" in line
        assert sent_by in line


def test_with_several_choices_an_error_after_the_finish_is_after_all_of_them() -> None:
    struck = events_with(ToldError(at=Place("after_finish")), n=2)
    assert sum('"finish_reason":"stop"' in data for _, data in struck) == 2
