"""Templates: a repeated request gets what it would get if it were rendered anew, byte for byte and due time for due time."""

from itertools import count as count_up
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import example, given

from mockserver import template
from mockserver.delivery import Delivery
from mockserver.http import http_date
from mockserver.plan import Plan, Terms, plan_turn
from mockserver.reply import Reply, ToolCall
from mockserver.request import ChatRequest
from mockserver.scenario import Turn
from mockserver.sse import SLICE_BYTES
from mockserver.steps import Burst, Write
from mockserver.template import MAX_BYTES, Templates, varies_with_ordinal
from mockserver.timing import Pause, Timing
from mockserver.writes import Writes
from tests.mockserver import delivery_strategies
from tests.mockserver.strategies_local import ask, replies, requests
from tests.mockserver.test_plain import as_played, count

ASKED = 4


def terms(ordinal: int, **more: Any) -> Terms:
    return Terms(seed="1/x/abc", ordinal=ordinal, wall_s=1_700_000_000.0 + ordinal * 0.7, **more)


@given(replies(), requests(), delivery_strategies.deliveries(), delivery_strategies.timings)
@example(Reply(content="Hi there"), ask(stream=True), Delivery(), Timing())
@example(Reply(content="Hi there"), ask(stream=True), Delivery(writes=Writes(mode="event")), Timing())
def test_a_repeated_request_gets_what_it_would_get_rendered_anew(
    reply: Reply, request: ChatRequest, delivery: Delivery, timing: Timing
) -> None:
    turn = Turn(reply=reply, delivery=delivery, timing=timing)

    def make(terms: Terms) -> Plan:
        return plan_turn(turn, request, terms)

    if varies_with_ordinal(turn):
        return
    templates = Templates()
    for ordinal in range(ASKED):
        asked = templates.plan("key", make, terms(ordinal))
        anew = make(terms(ordinal))
        assert asked.status == anew.status
        assert list(asked) == list(anew)
        assert as_played(asked.in_short()) == as_played(anew)
        assert count(asked.in_short()) == count(anew)
        for step, following in pairwise(asked.in_short()):
            assert getattr(step, "then_s", None) in (None, following.due_s)


def plans_made(reply: Reply, **more: Any) -> list[int]:
    """How often a plan had been made by the time that each of the askings was played."""
    made: list[int] = []

    def make(terms: Terms) -> Plan:
        made.append(terms.ordinal)
        return plan_turn(Turn(reply=reply), ask(stream=True), terms)

    templates, counts = Templates(), []
    for ordinal in range(ASKED):
        list(templates.plan("key", make, terms(ordinal, **more)).in_short())
        counts.append(len(made))
    return counts


def test_from_the_third_time_nothing_is_rendered() -> None:
    first, second, *later = plans_made(Reply(content="Hi there"))
    assert first == 1
    assert later == [second] * len(later)


def test_what_is_too_large_is_rendered_each_time() -> None:
    counts = plans_made(Reply(content="word " * (MAX_BYTES // 100)))
    assert counts == sorted(set(counts))


def test_ids_of_another_length_are_rendered_anew() -> None:
    seen: list[bytes] = []

    def ids(prefix: str, key: str) -> str:
        return f"{prefix}{key.count('/')}-{'x' * (len(seen) % 3)}"

    def make(terms: Terms) -> Plan:
        return plan_turn(Turn(reply=Reply(content="Hi")), ask(stream=True), terms)

    templates = Templates()
    for ordinal in range(ASKED):
        steps = templates.plan("key", make, terms(ordinal, ids=ids)).in_short()
        body = b"".join(step.data for step in steps if isinstance(step, Write))
        assert body.endswith(b"0\r\n\r\n")
        seen.append(body)


def test_what_is_cleared_while_a_template_is_made_is_not_kept() -> None:
    templates = Templates()
    old, new = Turn(reply=Reply(content="old")), Turn(reply=Reply(content="new"))
    made: list[int] = []

    def make_old(terms: Terms) -> Plan:
        made.append(terms.ordinal)
        if made == [0, 1]:
            templates.clear()  # as another thread does that puts another scenario in this one's place
        return plan_turn(old, ask(stream=True), terms)

    def make_new(terms: Terms) -> Plan:
        return plan_turn(new, ask(stream=True), terms)

    for ordinal in (0, 1):
        templates.plan("key", make_old, terms(ordinal))
    assert len(made) > 2, "a template was under way"
    for ordinal in (2, 3, 4):
        asked = templates.plan("key", make_new, terms(ordinal))
        assert as_played(asked.in_short()) == as_played(make_new(terms(ordinal)))


@pytest.mark.parametrize("cleared_at", range(1, 8))
def test_who_asks_is_not_disturbed_by_who_clears(cleared_at: int) -> None:
    templates, hashed = Templates(), count_up(1)

    class Key:
        def __hash__(self) -> int:
            if next(hashed) == cleared_at:
                templates.clear()
            return 1

        def __eq__(self, other: object) -> bool:
            return isinstance(other, Key)

    def make(terms: Terms) -> Plan:
        return plan_turn(Turn(reply=Reply(content="Hi there")), ask(stream=True), terms)

    for ordinal in range(ASKED):
        asked = templates.plan(Key(), make, terms(ordinal))
        assert as_played(asked.in_short()) == as_played(make(terms(ordinal)))
    assert next(hashed) > cleared_at


MARK = b"%d" % template._MARK_S


@pytest.mark.parametrize("text", [MARK.decode(), http_date(template._MARK_S), f'created":{MARK.decode()},"id":"'])
def test_a_text_that_looks_like_the_time_in_a_template_is_sent_as_it_is(text: str) -> None:
    def make(terms: Terms) -> Plan:
        return plan_turn(Turn(reply=Reply(pieces=(text, " and more"))), ask(stream=True), terms)

    templates = Templates()
    for ordinal in range(ASKED):
        asked = templates.plan("key", make, terms(ordinal))
        assert as_played(asked.in_short()) == as_played(make(terms(ordinal)))


def test_of_a_paced_stream_each_write_tells_when_the_next_is_due_so_that_none_is_rendered_before() -> None:
    def make(terms: Terms) -> Plan:
        timing = Timing(itl=Pause("fixed", (0.02,)))
        return plan_turn(Turn(reply=Reply(content="one two three four five"), timing=timing), ask(stream=True), terms)

    templates = Templates()
    plans = [templates.plan("key", make, terms(ordinal)) for ordinal in range(ASKED)]
    writes = [step for step in plans[-1].in_short() if isinstance(step, Write)]
    assert len(writes) == 5
    assert [write.then_s for write in writes] == [*(write.due_s for write in writes[1:]), None]


@pytest.mark.parametrize("calls", [(), (ToolCall("f", '{"a": 1}'),)])
def test_of_a_template_events_that_are_due_together_with_the_same_gap_are_a_burst(calls: tuple[ToolCall, ...]) -> None:
    def make(terms: Terms) -> Plan:
        reply = Reply(content="one two three", tool_calls=calls)
        delivery = Delivery(writes=Writes(mode="event"))
        return plan_turn(Turn(reply=reply, delivery=delivery), ask(stream=True), terms)

    templates = Templates()
    steps = [list(templates.plan("key", make, terms(ordinal)).in_short()) for ordinal in range(ASKED)][-1]
    events = [(len(step.pieces), step.event) for step in steps if isinstance(step, Burst)]
    # Role, tokens, finish; the event that begins a call has the call's id besides.
    assert events == ([(4, 0), (7, 5)] if calls else [(5, 0)])


def test_a_burst_of_a_template_has_64_kib_at_most() -> None:
    def make(terms: Terms) -> Plan:
        delivery = Delivery(writes=Writes(mode="event"))
        return plan_turn(Turn(reply=Reply(content="word " * 400), delivery=delivery), ask(stream=True), terms)

    templates = Templates()
    steps = [list(templates.plan("key", make, terms(ordinal)).in_short()) for ordinal in range(ASKED)][-1]
    bursts = [step for step in steps if isinstance(step, Burst)]
    assert len(bursts) > 1
    assert all(sum(map(len, burst.pieces)) <= SLICE_BYTES for burst in bursts)
    assert [burst.event for burst in bursts[1:]] == [burst.event + len(burst.pieces) for burst in bursts[:-1]]
