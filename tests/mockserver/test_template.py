"""Templates: a repeated request gets what it would get if it were rendered anew, byte for byte and due time for due time."""

from typing import Any

from hypothesis import example, given

from mockserver.plan import Plan, Terms, plan_turn
from mockserver.reply import Reply
from mockserver.request import ChatRequest
from mockserver.scenario import Delivery, Turn
from mockserver.steps import Write
from mockserver.template import MAX_BYTES, Templates, varies_with_ordinal
from mockserver.timing import Timing
from mockserver.writes import Writes
from tests.mockserver import delivery_strategies
from tests.mockserver.strategies_local import ask, replies, requests
from tests.mockserver.test_plain import as_played, count

ASKED = 4


def terms(ordinal: int, **more: Any) -> Terms:
    return Terms(seed="1/x/abc", ordinal=ordinal, wall_s=1_700_000_000.0, **more)


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
