"""Faults of events: each changes its event and no other."""

import json
from typing import Any

import pytest

from mockserver.faults.events import AfterDone, BadJson, BadUtf8, DoneSuffix, Drop, Duplicate, HalfEvent, Only, Swap
from mockserver.place import EventRef
from mockserver.steps import Write
from tests.mockserver.faults.struck import PACED, events_with, plain_events
from tests.mockserver.plans import KINDS, make_plan, read_answer


@pytest.mark.parametrize("number", range(8))
def test_faults_of_one_event_change_that_event_alone(number: int) -> None:
    plain, ref = plain_events(), EventRef(number)
    before, here, behind = plain[:number], plain[number], plain[number + 1 :]
    assert events_with(Duplicate(event=ref)) == [*before, here, here, *behind]
    assert events_with(Drop(event=ref)) == [*before, *behind]
    half = here[1].encode()[: len(here[1].encode()) // 2].decode("utf-8", "replace")
    assert events_with(HalfEvent(event=ref)) == [*before, ("", half), *behind]
    assert events_with(DoneSuffix(event=ref)) == [*before, ("", "[DONE]xyz"), here, *behind]
    assert events_with(Swap(event=ref)) == [*before, *behind[:1], here, *behind[1:]]
    assert events_with(BadJson(event=ref, data="{")) == [*before, ("", "{"), *behind]
    assert events_with(*[BadJson(event=ref, data="{")] * 2) == [*before, ("", "{"), *behind]
    damaged = events_with(BadJson(event=ref))
    assert damaged[:number] + damaged[number + 1 :] == before + behind
    with pytest.raises(ValueError, match=r"Expecting|Extra"):
        json.loads(damaged[number][1])


@pytest.mark.parametrize("data", ["{", "", '{"a" :"b', '"', "[1"])
def test_data_that_is_none_already_is_not_made_json_by_damage(data: str) -> None:
    [*_, (_, damaged), _] = events_with(BadJson(event=EventRef(6), data=data), BadJson(event=EventRef(6)))
    with pytest.raises(ValueError, match=r"Expecting|Extra|Unterminated"):
        json.loads(damaged)


def test_kinds_stand_for_numbers() -> None:
    for kind in ("role", "finish", "usage", "done"):
        assert events_with(Drop(event=EventRef(kind))) == events_with(Drop(event=EventRef(KINDS.index(kind))))


def test_of_two_choices_the_first_role_and_the_last_finish_are_meant() -> None:
    plain = events_with(n=2)
    roles = [k for k, (_, data) in enumerate(plain) if '"role"' in data]
    finishes = [k for k, (_, data) in enumerate(plain) if '"finish_reason":"stop"' in data]
    assert len(roles) == len(finishes) == 2
    without_role, without_finish = (events_with(Drop(event=EventRef(kind)), n=2) for kind in ("role", "finish"))
    assert without_role == [event for k, event in enumerate(plain) if k != roles[0]]
    assert without_finish == [event for k, event in enumerate(plain) if k != finishes[1]]


def test_swapped_events_are_both_due_when_the_later_one_was() -> None:
    struck = [s for s in make_plan(Swap(event=EventRef(2)), timing=PACED) if isinstance(s, Write) and s.event in (2, 3)]
    assert [step.due_s for step in struck] == pytest.approx([0.14, 0.14])


@pytest.mark.parametrize(
    "more", [{}, {"tools": [{"type": "function", "function": {"name": "f"}}]}], ids=["content", "tools offered"]
)
@pytest.mark.parametrize("number", range(8))
def test_bytes_that_are_no_utf8_stand_in_a_text_of_the_event_and_only_there(number: int, more: dict[str, Any]) -> None:
    plain = read_answer(make_plan(**more)).body
    struck = read_answer(make_plan(BadUtf8(event=EventRef(number), bytes="FFc3"), **more)).body
    assert struck.count(b"\xff\xc3") == 1
    assert struck.replace(b"\xff\xc3", b"") == plain
    for k, event in enumerate(struck.split(b"\n\n")[:-1]):
        if k == number:
            with pytest.raises(UnicodeDecodeError):
                event.decode()
        else:
            event.decode()


def test_done_may_be_the_first_of_two_data_lines() -> None:
    assert b"data: [DONE]\ndata: xyz\n\n" in read_answer(make_plan(DoneSuffix(text="\nxyz"))).body


def test_after_done_comes_more_text_and_a_second_done_or_what_was_told() -> None:
    *plain, (_, more), second = events_with(AfterDone())
    assert plain == plain_events()
    assert json.loads(more)["choices"][0]["delta"] == {"content": "XX"}
    assert json.loads(more)["id"] == json.loads(plain[0][1])["id"]
    assert second == ("", "[DONE]")
    assert events_with(AfterDone(events=("a", "b")))[-2:] == [("", "a"), ("", "b")]
    without_done = {"quirks": ["done-missing"]}
    assert events_with(AfterDone(), delivery=without_done) == events_with(delivery=without_done)


def test_only_done_only_comments_or_nothing_comes() -> None:
    assert read_answer(make_plan(Only())).body == b""
    assert read_answer(make_plan(Only(what="done"))).body == b"data: [DONE]\n\n"
    assert read_answer(make_plan(Only(what="comments"))).body == b": keep-alive\n\n" * 8
    paced = list(make_plan(Only(what="comments"), timing=PACED))
    assert [step.due_s for step in paced if isinstance(step, Write)][:3] == pytest.approx([0.1, 0.1, 0.12])
