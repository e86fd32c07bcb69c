"""The mark: where in the bytes a stream departs from OpenAI's own."""

import json

from hypothesis import given

from mockserver.conformance.adhoc import make_case
from mockserver.conformance.fuzz import make_scenarios
from mockserver.conformance.mark import Mark, find_mark
from mockserver.plan import Plan, Terms, plan_turn
from mockserver.request import parse_request
from mockserver.scenario import Scenario
from tests.support import chat


def plan(**scenario: object) -> Plan:
    turn = Scenario.of({"name": "one", **scenario}).turn(0)
    return plan_turn(turn, parse_request(json.dumps(chat()).encode()), Terms())


def mark(**scenario: object) -> Mark:
    found = find_mark(plan(**scenario))
    assert found is not None
    return found


def test_bytes_in_another_framing_are_marked_where_they_depart() -> None:
    found = mark(reply="Hello there", delivery={"framing": {"line_end": "crlf"}})
    assert found.after.startswith(b"\r\n\r\n")
    assert found.before.endswith(b"}")
    assert found.note.endswith("where it departs from OpenAI's stream")
    assert "▶\\r\\n" in str(found)


def test_a_cut_is_marked_where_the_bytes_end() -> None:
    found = mark(reply="Hello there", delivery={"faults": [{"fault": "truncate", "at": {"after_event": 2}}]})
    assert found.after == b""
    assert str(found).count("▶  (") == 1


def test_a_plain_stream_in_pieces_says_in_how_many_writes() -> None:
    found = mark(reply="Hello there", delivery={"writes": {"mode": "bytes", "gap": "1ms"}})
    assert found.note.startswith("the bytes are OpenAI's, in ")
    assert "writes; the last step: end" in found.note


def test_what_cannot_be_printed_is_escaped() -> None:
    shown = str(Mark(b"a\x00\\\xff", "é\n".encode(), "here"))
    assert shown == "a\\x00\\\\\\\\xff ▶é\\n  (here)"


def test_an_answer_that_is_no_stream_has_no_mark() -> None:
    assert find_mark(plan(error={"status": 500})) is None


def test_a_stream_without_end_is_marked_all_the_same() -> None:
    found = mark(reply="Hello", delivery={"faults": [{"fault": "endless", "what": "comments"}]})
    assert found.after
    assert len(found.before) <= 60


@given(make_scenarios())
def test_the_marked_place_is_in_the_body_and_the_note_is_one_line(scenario: Scenario) -> None:
    case = make_case(scenario)
    made = plan_turn(scenario.turn(0), parse_request(json.dumps(case.body()).encode()), Terms())
    found = find_mark(made)
    assert isinstance(found, Mark) or made.stream is None
    if found is not None and "departs" in found.note:
        assert made.stream is not None
        body = b"".join(piece.data for piece in made.stream.body())
        at = int(found.note.split()[1])
        assert body[:at].endswith(found.before)
        assert body[at:].startswith(found.after)
    assert "\n" not in str(found)
