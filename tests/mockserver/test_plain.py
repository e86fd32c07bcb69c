from collections.abc import Iterable
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from msgspec.structs import replace

from mockserver import molds
from mockserver.delivery import Delivery
from mockserver.http import Http, Interim
from mockserver.plain import MAX_PIECE
from mockserver.plan import Plan, Terms, plan_turn
from mockserver.reply import Choice, FunctionCall, Reply, ToolCall
from mockserver.request import ChatRequest
from mockserver.scenario import Turn
from mockserver.shorthand import Duration
from mockserver.sse import SLICE_BYTES
from mockserver.steps import Burst, Head, Step, Write, part
from mockserver.timing import Pause, Timing
from mockserver.writes import Writes
from tests.mockserver import delivery_strategies
from tests.mockserver.strategies_local import ask, replies, requests

PLAIN = Delivery()
EVENT = Delivery(writes=Writes(mode="event"))
HEADERS = Delivery(http=Http(headers={"x-mine": "1"}, interim=(Interim(),)))
TERMS = Terms(seed="1/x/abc", ordinal=2, wall_s=1_700_000_000.0)

deliveries = st.sampled_from([PLAIN, EVENT, HEADERS]) | delivery_strategies.deliveries()
single = st.fixed_dictionaries(
    {"stream": st.just(True)},
    optional={
        "stream_options": st.fixed_dictionaries({"include_usage": st.booleans(), "include_obfuscation": st.booleans()}),
        "model": st.sampled_from(["gpt-4o", "modèle", "\ue000\ue001", "\ue000\ue003", "\ue000\ue004"]),
        "max_tokens": st.integers(1, 5),
    },
).map(lambda parameters: ask(**parameters))


def as_played(steps: Iterable[Step]) -> list[tuple[Any, ...]]:
    """The steps with those writes put together that the player joins, whatever it is given them in."""
    played: list[tuple[Any, ...]] = []
    for step in part(steps):
        if isinstance(step, Head | Write) and not step.alone:
            if played and played[-1][:2] == ("joined", step.due_s):
                step = Write(step.due_s, played.pop()[2] + step.data)
            played.append(("joined", step.due_s, step.data))
        else:
            step = replace(step, then_s=None) if isinstance(step, Write) else step
            played.append((type(step).__name__, step.due_s, step))
    return played


def count(steps: Iterable[Step]) -> int:
    return sum(step.count if isinstance(step, Write) else 1 for step in part(steps))


def plan(reply: Reply | None, request: ChatRequest, delivery: Delivery = PLAIN, timing: Timing | None = None) -> Plan:
    return plan_turn(Turn(reply=reply, delivery=delivery, timing=timing or Timing()), request, TERMS)


@given(replies(), single | requests(), deliveries, delivery_strategies.timings)
@example(Reply(content="", tool_calls=(ToolCall("f", "{}"), ToolCall("g"))), ask(stream=True), PLAIN, Timing())
@example(Reply(function_call=FunctionCall("f")), ask(stream=True), EVENT, Timing())
@example(Reply(content="\ue000\ue001 \ue000\ue002 \ue000\ue003 \ue000\ue004"), ask(stream=True), PLAIN, Timing())
@example(Reply(tool_calls=(ToolCall("\ue000\ue001", id="\ue000\ue004"),)), ask(stream=True), PLAIN, Timing())
@example(Reply(tool_calls=(ToolCall("\ue000\ue001", "{}", id="own"),)), ask(stream=True), PLAIN, Timing())
@example(Reply(reasoning="Why", content="né 🙂"), ask(stream=True), EVENT, Timing(headers=Duration(0.0)))
def test_a_plain_stream_made_the_short_way_is_the_same_as_the_long_way(
    reply: Reply, request: ChatRequest, delivery: Delivery, timing: Timing
) -> None:
    made = plan(reply, request, delivery, timing)
    assert as_played(made.in_short()) == as_played(made)
    assert count(made.in_short()) == count(made), "what the journal says was played"


LONG = Reply(content="word and another " * 2000)


@pytest.mark.parametrize("delivery", [PLAIN, EVENT])
@pytest.mark.parametrize("reply", [LONG, Reply(pieces=("a",) * 1000)])
@pytest.mark.parametrize("is_filled", [True, False])
def test_a_long_stream_is_the_same_too_and_leaves_in_slices(delivery: Delivery, reply: Reply, is_filled: bool) -> None:
    made = plan(reply, ask(stream=True, model="m", stream_options={"include_obfuscation": is_filled}), delivery)
    assert as_played(made.in_short()) == as_played(made)
    assert max(len(step.data) for step in made if isinstance(step, Write)) <= SLICE_BYTES


def test_the_short_way_is_taken_and_makes_few_writes() -> None:
    made = plan(Reply(content="one two three four"), ask(stream=True))
    assert len(list(made.in_short())) == 4, "head, events, last chunk, end"
    assert len(list(made)) > 8


def test_a_write_tells_the_number_of_its_last_event() -> None:
    together = [
        step.event for step in plan(Reply(content="one two"), ask(stream=True)).in_short() if isinstance(step, Write)
    ]
    assert together == [4, None], "role, two tokens, finish and done"
    alone = [
        step.event
        for step in part(plan(Reply(content="one two"), ask(stream=True), EVENT).in_short())
        if isinstance(step, Write)
    ]
    assert alone == [0, 1, 2, 3, 4, None]


def test_events_that_are_due_together_are_a_burst_and_others_are_not() -> None:
    def bursts(timing: Timing) -> list[int]:
        steps = plan(Reply(content="one two"), ask(stream=True), EVENT, timing).in_short()
        return [len(step.pieces) for step in steps if isinstance(step, Burst)]

    assert bursts(Timing()) == [2], "the tokens"
    assert bursts(Timing(itl=Pause("fixed", (0.01,)))) == []


@pytest.mark.parametrize(
    ("delivery", "more"),
    [
        (Delivery(quirks=("obfuscation-missing",)), {}),
        (Delivery(group=2), {}),
        (Delivery(http=Http(transfer="close")), {}),
        (Delivery(http=Http(chunk_extension=";a=b")), {}),
        (Delivery(writes=Writes(mode="event", gap=Duration(0.01))), {}),
        (PLAIN, {"n": 2}),
        (PLAIN, {"logprobs": True}),
    ],
)
def test_what_is_not_plain_goes_the_long_way(delivery: Delivery, more: dict[str, Any]) -> None:
    reply = Reply(choices=(Choice(content="one two three four"),))
    made = plan(reply, ask(stream=True, **more), delivery)
    assert list(made.in_short()) == list(made)


def test_a_token_that_may_be_cut_in_slices_goes_the_long_way() -> None:
    made = plan(Reply(pieces=("x" * (MAX_PIECE + 1),)), ask(stream=True))
    assert list(made.in_short()) == list(made)


def test_streams_of_one_shape_differ_in_their_own_values_only() -> None:
    for model in ("one", "ötwo", 'th"ree'):
        made = plan(Reply(content='say "this" \\ and\tthat'), ask(stream=True, model=model))
        assert as_played(made.in_short()) == as_played(made)
        assert model.replace('"', '\\"').encode() in b"".join(
            step.data for step in made.in_short() if isinstance(step, Write)
        )


@pytest.mark.parametrize(
    "pieces", [("",), ("", ""), (",", '","', "a", ""), ('"', ","), ('",', "x"), ("\\", '",'), ("é", "🙂"), ("\n", "a")]
)
def test_texts_are_written_as_json_writes_each_alone(pieces: tuple[str, ...]) -> None:
    made = plan(Reply(pieces=pieces), ask(stream=True))
    assert as_played(made.in_short()) == as_played(made)
    assert list(made.in_short()) != list(made), "the short way is taken"


def test_who_makes_a_stream_is_not_disturbed_by_another_server_s_thread_that_clears_the_patterns(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    class Cleared(dict[Any, Any]):
        """What is kept, cleared right after each time that somebody looks whether something is there."""

        def __contains__(self, key: object) -> bool:
            found = super().__contains__(key)
            self.clear()
            return found

    monkeypatch.setattr(molds, "_kept", Cleared())
    for content in ("one two", "three four", "five six"):
        made = plan(Reply(content=content), ask(stream=True))
        assert as_played(made.in_short()) == as_played(made)
