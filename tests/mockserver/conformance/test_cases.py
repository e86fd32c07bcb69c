"""The cases that come with the suite: each is what it says it is, by the oracle, the linter and the catalogue."""

import json
import re
from collections import Counter
from functools import cache
from itertools import islice, pairwise
from pathlib import Path
from typing import Any

import msgspec
import pytest
import yaml
from msgspec.structs import replace

from mockserver.conformance.case import Case, CaseClass, load_cases, load_untested
from mockserver.conformance.result import find_own_mistakes
from mockserver.delivery import Delivery
from mockserver.dialects import resolve_dialect
from mockserver.faults import FAULTS
from mockserver.faults.told import SHAPES, ToldError
from mockserver.journal import Exchange
from mockserver.outcome import ANY, Expected, expect
from mockserver.plan import Plan, Terms, plan_turn
from mockserver.quirks import DIALECT_FILES, QUIRKS
from mockserver.quirks.quirk import Right
from mockserver.reply import Reply
from mockserver.request import parse_request
from mockserver.scenario import Turn
from mockserver.shorthand import encode_shorthand
from mockserver.steps import Head, Hold, Write

ROOT = Path(__file__).parents[3]
CASES = load_cases()
OFFERED = "gzip, deflate, br"

# Where the verdict of a case is another than that of its row in the catalogue of stream shapes, and why.
OTHER_RIGHTS = {
    "json-nan": 'RFC 8259 9: "A JSON parser MAY accept non-JSON forms or extensions"',
    "body-json-instead": "the row itself allows to use the completion",
    "reuse-after-fault": "the row is about the next request, the verdict about the one with the fault",
}


def turns(case: Case) -> tuple[Turn, ...]:
    return case.scenario.sequence or (case.as_scenario().turn(0),)


def plan(case: Case, turn: Turn, accept_encoding: str = OFFERED) -> Plan:
    request = parse_request(json.dumps(case.body()).encode())
    return plan_turn(turn, request, Terms(accept_encoding=accept_encoding))


PLANS = {case.id: [plan(case, turn) for turn in turns(case)] for case in CASES}


def plans(case: Case) -> list[Plan]:
    return PLANS[case.id]


@cache
def expected(found: Plan) -> Expected:
    return expect(found.stream) if found.stream is not None else Expected("error", {})


def deliveries(case: Case) -> list[Delivery]:
    return [turn.delivery for turn in turns(case)]


def named(case: Case) -> str:
    return case.id


each = pytest.mark.parametrize("case", CASES, ids=named)


# --- what the cases say of themselves


def test_there_are_at_least_180_and_some_of_every_class() -> None:
    own = [case for case in CASES if not (case.id.endswith("-close") and case.title.endswith("(Connection: close)"))]
    assert len(own) >= 180
    counts = Counter(case.cls for case in own)
    assert set(counts) == set(CaseClass.__args__)  # type: ignore[attr-defined]
    assert min(counts.values()) >= 10


def test_each_has_one_sentence_of_requirement_and_a_source_with_its_place() -> None:
    for case in CASES:
        assert re.fullmatch(r"[^\n]{20,300}[.!?]\"?", case.requirement), case.id
        assert re.search(r"WHATWG HTML 9\.2\.\d|OpenAI[,']|RFC \d{4}|observed: \w|documentation", case.source), case.id
        assert all(re.fullmatch(r"https://[^\s,;]+[,;]?", url) for url in re.findall(r"https?://\S+", case.source)), (
            case.id
        )
        assert not case.title.endswith("."), case.id


def test_what_nobody_must_do_is_not_what_loses_or_invents_where_both_are_right() -> None:
    """Whoever breaks a `may` is weak at most; where the right is `either`, there is nothing else to break."""
    assert [case.id for case in CASES if case.keyword == "may" and case.right == "either"] == []


def test_no_two_cases_say_the_same_so_that_mixing_them_up_is_noticed() -> None:
    said = Counter(
        json.dumps(reply, sort_keys=True)
        for case in CASES
        if not case.title.endswith("(Connection: close)")
        for turn in turns(case)
        if turn.meaning is not None and (reply := as_builtins(turn.meaning)) not in ({}, {"content": ""})
    )
    assert [text for text, count in said.items() if count > 1] == []


def as_builtins(reply: Reply) -> Any:
    return msgspec.to_builtins(reply, enc_hook=encode_shorthand)


# --- the oracle


@each
def test_the_verdict_is_the_oracles(case: Case) -> None:
    rights: list[Right] = [expected(found).right for found in plans(case)]
    reached = rights[min(case.saw.requests or 1, len(rights)) - 1]
    # A redirect may be followed or reported: then both turns are right.
    followed = case.right == "either" and set(rights) == {"error", "same"} and case.id.startswith("redirect-")
    assert case.right == reached or followed


@each
def test_what_is_meant_to_be_legal_is_found_legal(case: Case) -> None:
    for found in plans(case):
        if found.stream is not None and expected(found).right == "same":
            assert find_own_mistakes(Exchange(1, 0.0, "POST", "/", {}, plan=found), expected(found)) == ()


def test_what_is_held_open_on_purpose_is_linted_to_its_end() -> None:
    [found] = PLANS["done-connection-open"]
    assert found.stream is not None
    told = replace(found.stream, faults=(*found.stream.faults, ToldError()))
    broken = Exchange(1, 0.0, "POST", "/", {}, plan=Plan(200, lambda: iter(found), told))
    assert any("an error is told" in mistake for mistake in find_own_mistakes(broken, expected(found)))


def test_every_row_of_the_catalogue_is_a_case_or_says_why_not() -> None:
    rows = yaml.safe_load((ROOT / "tests" / "catalogue.yaml").read_text(encoding="utf-8"))
    rights = {case.id: case.right for case in CASES}
    untested = {row.id for row in load_untested()}
    assert len(rows) > 150
    assert [row["id"] for row in rows if row["id"] not in rights and row["id"] not in untested] == []
    others = {row["id"] for row in rows if row["id"] in rights and rights[row["id"]] != row["right"]}
    assert others == set(OTHER_RIGHTS)


def test_what_is_not_tested_is_no_case() -> None:
    assert not {row.id for row in load_untested()} & {case.id for case in CASES}
    assert all(len(row.reason) > 20 and row.requirement.endswith(".") for row in load_untested())


# --- the rules for cases


@pytest.mark.parametrize("case", [c for c in CASES if c.cls == "framing" and c.id != "plain"], ids=named)
def test_the_first_event_of_a_framing_case_carries_real_text(case: Case) -> None:
    """An empty role chunk in front would hide a first event that is lost."""
    [found] = plans(case)
    assert found.stream is not None
    first = next(iter(found.stream.events()))
    assert json.loads(first.data)["choices"][0]["delta"]["content"]


def test_each_needs_what_it_takes() -> None:
    for case in CASES:
        body, needs = case.body(), set(case.needs)
        kinds = {tool["type"] for tool in body.get("tools", ())}
        choices = [choice for found in plans(case) if found.stream for choice in found.stream.completion.choices]
        wanted = {
            "n": body.get("n", 1) > 1,
            "tools": bool(kinds),
            "custom_tools": "custom" in kinds,
            "parallel_tools": max((len(choice.calls) for choice in choices), default=0) > 1,
            "function_call": "functions" in body,
            "logprobs": body.get("logprobs", False),
            "audio": "audio" in body,
            "leave_early": case.leave_after_chunks is not None,
            "read_pause": case.read_pause_ms > 0,
            "retries": case.saw.requests is not None,
        }
        assert {word for word, is_wanted in wanted.items() if is_wanted} == needs & wanted.keys(), case.id


def test_whoever_is_to_give_up_can_be_told_when_and_healthy_streams_never_pause_as_long() -> None:
    for case in CASES:
        for found in plans(case):
            steps = list(islice(found, 2_000))
            due = [0.0, *(step.due_s for step in steps)]
            assert due[-1] < 4, f"{case.id}: the whole suite is to take seconds"
            if any(isinstance(step, Hold) for step in steps):
                assert {"timeout", "leave_early"} & set(case.needs), case.id
            if case.right == "same":
                assert max(b - a for a, b in pairwise(due)) < 0.7 * (case.timeout_s or 5.0), case.id


@pytest.mark.parametrize("case", [c for c in CASES if c.scenario.delivery.http.coding], ids=named)
def test_a_coding_is_used_only_if_it_was_offered_or_is_to_come_unasked(case: Case) -> None:
    coding = case.scenario.delivery.http.coding
    for accept_encoding in (OFFERED, "", "identity"):
        head = next(step.data for step in plan(case, turns(case)[0], accept_encoding) if isinstance(step, Head))
        is_coded = f"Content-Encoding: {coding}\r\n".encode() in head
        assert is_coded == (accept_encoding == OFFERED or case.scenario.delivery.http.coding_unasked)


def test_a_case_says_which_extra_its_coding_needs() -> None:
    assert [case.id for case in CASES if case.extra == "brotli"] == [
        case.id for case in CASES if case.scenario.delivery.http.coding == "br"
    ]


def test_the_variants_played_with_connection_close_say_so_and_the_others_do_not() -> None:
    variants = [case for case in CASES if case.title.endswith("(Connection: close)")]
    assert len(variants) >= 15
    by_id = {case.id: case for case in CASES}
    for case in variants:
        for one, says in ((case, b"close"), (by_id[case.id.removesuffix("-close")], b"keep-alive")):
            head = b"".join(step.data for step in islice(plans(one)[0], 3) if isinstance(step, Head))
            assert not head or b"Connection: " + says in head


@pytest.mark.parametrize("case", [c for c in CASES if c.leave_after_chunks is not None], ids=named)
def test_who_is_to_leave_early_leaves_long_before_the_end(case: Case) -> None:
    [found] = plans(case)
    steps = list(found)
    assert case.saw.left_within_s is not None
    assert isinstance(steps[-1], Hold) or steps[-1].due_s > case.saw.left_within_s
    events = sum(isinstance(step, Write) and step.event is not None for step in steps)
    assert events > (case.leave_after_chunks or 0)


# --- nothing that the server can do is left out


def test_every_quirk_dialect_fault_and_shape_is_in_a_case() -> None:
    found = [delivery for case in CASES for delivery in deliveries(case)]
    assert set(DIALECT_FILES) - {delivery.dialect for delivery in found} == set()
    quirks = {quirk for delivery in found for quirk in resolve_dialect(delivery).quirks}
    assert set(QUIRKS) - quirks == set()
    faults = [fault for delivery in found for fault in delivery.faults]
    assert set(FAULTS) - {fault.__struct_config__.tag for fault in faults} == set()
    assert set(SHAPES) - {getattr(fault, "shape", "") for fault in faults} == set()


def test_every_way_to_cut_to_code_and_to_end_a_body_is_in_a_case() -> None:
    found = [delivery for case in CASES for delivery in deliveries(case)]
    assert {d.writes.mode for d in found} == {"due", "event", "bytes", "size", "random", "offsets", "cuts"}
    assert {cut for d in found for cut in d.writes.cuts} == {"utf8", "field", "crlf", "blank_line", "json", "escape"}
    assert {(d.http.coding, d.http.flush) for d in found if d.http.coding} >= {
        ("gzip", "event"), ("gzip", "end"), ("br", "event"), ("br", "end"), ("deflate", "event"),
    }  # fmt: skip
    assert {d.http.transfer for d in found} == {None, "length", "close"}


# --- what of the oracle only shows in cases


def outcome(case_id: str) -> Expected:
    [case] = [case for case in CASES if case.id == case_id]
    return expected(plans(case)[0])


def test_where_no_consumer_can_know_both_readings_are_right() -> None:
    doubtful = (
        "chunk-duplicated",
        "chunk-missing",
        "chunk-out-of-order",
        "utf8-invalid",
        "think-tags-in-content",
        "audio-delta",
    )
    said = {name: [reading["content"] for reading in outcome(name).readings] for name in (*doubtful, "plain")}
    assert said == {
        "chunk-duplicated": ["Once, twice, thrice.", "Once,, twice, thrice."],
        "chunk-missing": ["Something is missing here.", "Something is here."],
        "chunk-out-of-order": [
            "First things first, second things second.",
            "First first things, second things second.",
        ],
        "utf8-invalid": ["Bytes that no character has.", "Bytes that\ufffd\ufffd no character has."],
        "think-tags-in-content": ["It is 4.", "<think>2 + 2 is</think>It is 4."],
        "audio-delta": ["Hello, 音声.", ""],
        "plain": [],
    }
    assert outcome("chunk-duplicated").outcome["content"] is ANY


def test_an_error_that_the_server_told_is_known_as_told_and_a_cut_is_not() -> None:
    told = {"error-object", "error-event-name", "error-flat", "body-html", "body-json-instead", "status-500-stream"}
    untold = {
        "cut-rst",
        "error-unframed",
        "error-bare-line",
        "type-sse-body-json",
        "empty-body",
        "status-204",
        "json-malformed",
    }
    assert {name for name in told | untold if outcome(name).told} == told


def test_an_end_without_a_blank_line_is_open_unless_only_done_is_lost() -> None:
    rights = {name: outcome(name).right for name in ("eof-without-blank-line", "sse-no-final-lf-done")}
    assert rights == {"eof-without-blank-line": "either", "sse-no-final-lf-done": "same"}
    usage = outcome("sse-no-final-blank-line-usage")
    assert (usage.right, usage.outcome["usage"]) == ("either", ANY)
    assert usage.because == ("the missing blank line",)


def test_readings_of_several_choices_are_told_choice_by_choice() -> None:
    [case] = [case for case in CASES if case.id == "n-interleaved"]
    turn = Turn(case.scenario.reply, delivery=Delivery(quirks=("delta-cumulative",)))
    readings = expected(plan(case, turn)).readings
    texts = [[choice["content"] for choice in reading["choices"]] for reading in readings]
    assert texts[0] == ["Heads, 表, I say.", "Tails, 裏, says the other one, at length."]
    assert texts[1][0].startswith("HeadsHeads,Heads, Heads, 表")
    assert texts[1][1].startswith("TailsTails,Tails, Tails, 裏")
