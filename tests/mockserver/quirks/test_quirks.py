"""Quirks: each acts, each is understood by a tolerant consumer, all together never raise, and nothing shared is changed."""

import copy
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from mockserver.chunks import Chunk
from mockserver.delivery import Delivery
from mockserver.outcome import FIELDS, compare, expect, make_outcome
from mockserver.quirks import QUIRKS, Quirk, bend
from mockserver.reply import Reply
from mockserver.request import ChatRequest
from mockserver.stream import Stream
from tests.mockserver.quirks.bent import PAIRED, SAMPLES, ask_stream, body_of, make_stream, sample
from tests.mockserver.strategies_local import IDENTITY, groups, replies
from tests.mockserver.tolerant import read

ALL = tuple(QUIRKS)
SAME = [name for name, quirk in QUIRKS.items() if quirk.right == "same"]

REQUESTS = st.builds(
    ask_stream,
    usage=st.booleans(),
    n=st.integers(1, 3),
    logprobs=st.booleans(),
    max_tokens=st.none() | st.integers(1, 6),
)
DELIVERIES = st.fixed_dictionaries({"group": st.sampled_from([1, 3, "all"]) | groups.filter(bool)})


def check_understood(name: str, stream: Stream) -> None:
    hidden = {*QUIRKS[name].hides, *(() if stream.request.include_usage else ("usage",))}
    assert list(compare(make_outcome(stream, hidden), read(body_of(stream)))) == []


@pytest.mark.parametrize("name", SAME)
def test_a_tolerant_consumer_understands_each_sample_with_a_quirk_that_says_so(name: str) -> None:
    for reply in SAMPLES:
        for usage in (True, False):
            check_understood(name, sample(reply, name, usage=usage))


@given(st.sampled_from(SAME), replies(), REQUESTS, DELIVERIES)
def test_a_tolerant_consumer_understands_any_reply_with_a_quirk_that_says_so(
    name: str, reply: Reply, request: ChatRequest, delivery: dict[str, Any]
) -> None:
    check_understood(name, make_stream(reply, request, [name], **delivery))


@given(replies(), REQUESTS, DELIVERIES, st.sets(st.sampled_from(ALL)))
@example(SAMPLES["one call"][0], ask_stream(), {"group": 1}, set(ALL))
@example(SAMPLES["two"][0], ask_stream(n=2), {"group": 1}, set(ALL))
@example(SAMPLES["nothing"][0], ask_stream(usage=False), {"group": 1}, set(ALL))
def test_any_quirks_go_together_and_the_stream_can_be_rendered_again(
    reply: Reply, request: ChatRequest, delivery: dict[str, Any], quirks: set[str]
) -> None:
    stream = make_stream(reply, request, quirks, **delivery)
    once = list(stream.body())
    assert list(stream.body()) == once
    due = [piece.due_s for piece in once]
    assert due == sorted(due)


@pytest.mark.parametrize("name", ALL)
def test_every_two_quirks_go_together(name: str) -> None:
    """What one makes of a chunk, the other can read: they are applied in the table's order, whatever a file says."""
    for other in ALL[ALL.index(name) + 1 :]:
        for reply in PAIRED:
            body_of(sample(reply, name, other))


@given(
    st.lists(st.sampled_from(ALL), unique=True).flatmap(lambda names: st.tuples(st.just(names), st.permutations(names)))
)
@example((list(ALL), list(reversed(ALL))))
def test_in_which_order_quirks_are_named_makes_no_difference(orders: tuple[list[str], list[str]]) -> None:
    one, other = (body_of(sample("calls", *names)) for names in orders)
    assert one == other


@given(replies(), REQUESTS, st.sets(st.sampled_from(ALL)))
@example(SAMPLES["text"][0], ask_stream(), {"content-empty-always", "role-repeated"})
def test_what_quirks_do_to_one_stream_is_not_seen_in_another(
    reply: Reply, request: ChatRequest, quirks: set[str]
) -> None:
    plain = make_stream(reply, request)
    meaning, usage, before = copy.deepcopy(plain.completion), copy.deepcopy(plain.completion.usage), body_of(plain)
    body_of(Stream(plain.completion, request, IDENTITY, plain.schedule, Delivery(quirks=tuple(quirks))))
    assert plain.completion == meaning
    assert plain.completion.usage == usage
    assert body_of(plain) == before


@given(replies(), REQUESTS, st.sets(st.sampled_from([name for name in SAME if not QUIRKS[name].hides])))
def test_quirks_that_hide_nothing_hide_nothing_together(reply: Reply, request: ChatRequest, quirks: set[str]) -> None:
    stream = make_stream(reply, request, quirks)
    # A consumer cannot tell an id that is repeated from one that belongs to another call, nor a role that is not said.
    outcome = make_outcome(stream, () if request.include_usage else ("usage",))
    assert list(compare(outcome, read(body_of(stream)))) == []


@pytest.mark.parametrize("name", ALL)
def test_every_quirk_is_seen_to_act(name: str) -> None:
    assert any(
        body_of(sample(reply, name, usage=usage)) != body_of(sample(reply, usage=usage))
        for reply in SAMPLES
        for usage in (True, False)
    )


@pytest.mark.parametrize("name", ALL)
def test_the_oracle_expects_of_an_acting_quirk_what_its_table_says(name: str) -> None:
    quirk = QUIRKS[name]
    rights = [expect(sample(reply, name)).right for reply in SAMPLES]
    assert quirk.right in rights
    assert set(rights) <= {"same", quirk.right}


@pytest.mark.parametrize("quirk", QUIRKS.values(), ids=ALL)
def test_every_quirk_tells_in_a_line_what_it_does_and_who_does_it(quirk: Quirk) -> None:
    assert quirk.says
    assert quirk.sent_by
    assert not quirk.says.endswith(".")
    assert set(quirk.hides) <= {*FIELDS, "usage", "tool_ids"}


def test_quirks_are_applied_in_the_order_of_the_table_whatever_order_they_are_named_in() -> None:
    names = ["choices-missing", "usage-null", "role-with-content", "tool-whole-in-one-chunk"]
    assert body_of(sample("calls", *names)) == body_of(sample("calls", *reversed(names)))


def test_a_name_that_is_no_quirk_bends_nothing() -> None:
    chunk = Chunk({}, 0.0, "delta")
    assert bend("chunks", [chunk], ["no-such-quirk"]) == [chunk]
