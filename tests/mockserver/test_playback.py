import asyncio
import itertools
import logging
import time
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from mockserver.clock import JumpClock
from mockserver.journal import Exchange
from mockserver.playback import play_back
from mockserver.player import Player
from mockserver.sse import SLICE_BYTES
from mockserver.steps import Abort, Burst, End, HalfClose, Head, Hold, Step, Write, part
from tests.mockserver.wire import Wire, new_exchange

HEAD = b"HTTP/1.1 200 OK\r\n\r\n"


def play(
    plan: Iterable[Step],
    *,
    at: dict[float, Callable[[Wire], None]] | None = None,
    room: int | None = None,
    cost_s: float = 0.0,
    scale: float = 1.0,
) -> tuple[Wire, Exchange]:
    """Play a plan from the clock's second 100 on; `at` says what happens to the wire how long after that."""

    async def run() -> tuple[Wire, Exchange]:
        clock = JumpClock()
        clock._now = 100.0
        wire, exchange = Wire(clock, room, cost_s), new_exchange()
        for after_s, act in (at or {}).items():
            clock.call_at(100.0 + after_s, lambda act=act: act(wire))  # type: ignore[misc]
        await Player(wire.connection, exchange, clock, 100.0, scale).play(plan)
        return wire, exchange

    return asyncio.run(run())


def times(wire: Wire) -> list[tuple[float, bytes]]:
    """The send calls, in seconds after the start."""
    return [(round(at - 100.0, 9), data) for at, data in wire.sends]


def leaves(how: str) -> Callable[[Wire], None]:
    return lambda wire: wire.connection.leave(how)


# What is sent, and when


def test_each_write_leaves_when_it_is_due_and_the_head_with_the_first_of_them() -> None:
    wire, exchange = play([Head(0.5, HEAD), Write(0.5, b"a"), Write(0.7, b"b"), Write(2.0, b"c"), End(2.0)])
    assert times(wire) == [(0.5, HEAD + b"a"), (0.7, b"b"), (2.0, b"c")]
    assert wire.ending == "goes on"
    assert exchange.ended == "complete"
    assert exchange.steps_played == 5
    assert exchange.bytes_sent == len(HEAD) + 3
    assert [(played.due_s, played.at_s, played.size) for played in exchange.played] == [
        (0.5, 0.5, len(HEAD) + 1),
        (0.7, pytest.approx(0.7), 1),
        (2.0, 2.0, 1),
    ]


def test_a_late_write_never_pushes_the_next_one_back() -> None:
    plan: list[Step] = [Head(0.0, HEAD), *(Write(k / 10, b"%d" % k, alone=True) for k in range(8)), End(0.7)]
    wire, exchange = play(plan, cost_s=0.25)
    # Each send call takes 0.25 s, far more than the pauses: late ones follow at once, none waits for more than its due time.
    assert [at for at, _ in times(wire)] == [0.0, 0.25, 0.5, 0.75, 1.0, 1.25, 1.5, 1.75, 2.0]
    assert exchange.late_s == pytest.approx(1.3)


def test_what_is_late_is_caught_up_in_one_write_and_then_the_plan_is_on_time_again() -> None:
    plan: list[Step] = [Head(0.0, HEAD, alone=True), *(Write(k / 10, b"%d" % k) for k in range(1, 9)), End(0.8)]
    slow_at_first = iter([0.45])

    class Sluggish(Wire):
        def take(self, data: bytes) -> int:
            taken = super().take(data)
            self.clock._now += next(slow_at_first, 0.0)
            return taken

    async def run() -> Wire:
        clock = JumpClock()
        wire = Sluggish(clock)
        await Player(wire.connection, new_exchange(), clock, 0.0).play(plan)
        return wire

    wire = asyncio.run(run())
    assert [(round(at, 9), data) for at, data in wire.sends] == [
        (0.0, HEAD), (0.45, b"1234"), (0.5, b"5"), (0.6, b"6"), (0.7, b"7"), (0.8, b"8"),
    ]  # fmt: skip


@pytest.mark.parametrize(("scale", "expected"), [(0.0, [0.0]), (0.5, [0.5, 1.0]), (2.0, [2.0, 4.0])])
def test_time_scale_stretches_all_due_times(scale: float, expected: list[float]) -> None:
    wire, exchange = play([Head(1.0, HEAD), Write(2.0, b"a"), End(2.0)], scale=scale)
    assert [at for at, _ in times(wire)] == expected
    assert [played.due_s for played in exchange.played] == expected
    assert bytes(wire.taken) == HEAD + b"a"


def test_what_is_due_together_is_joined_to_at_most_64_kib_a_send_call() -> None:
    pieces = [bytes([65 + k]) * 20_000 for k in range(10)]
    wire, exchange = play([*(Write(0.0, piece) for piece in pieces), End(0.0)])
    assert [len(data) for _, data in wire.sends] == [SLICE_BYTES] * 3 + [200_000 - 3 * SLICE_BYTES]
    assert bytes(wire.taken) == b"".join(pieces)
    assert exchange.steps_played == 11


def test_a_write_longer_than_64_kib_is_cut_unless_it_is_to_be_alone() -> None:
    long = bytes(range(256)) * 600
    wire, _ = play([Write(0.0, long), End(0.0)])
    assert [len(data) for _, data in wire.sends] == [SLICE_BYTES, SLICE_BYTES, len(long) - 2 * SLICE_BYTES]
    wire, _ = play([Write(0.0, long, alone=True), End(0.0)])
    assert [data for _, data in wire.sends] == [long]


def test_writes_that_are_alone_are_send_calls_of_their_own_late_or_not() -> None:
    plan: list[Step] = [
        Write(0.0, b"a", alone=True), Write(0.0, b"b", alone=True), Write(0.0, b"c"), Write(0.0, b"d"),
        Write(0.0, b"e", alone=True), End(0.0),
    ]  # fmt: skip
    wire, _ = play(plan)
    assert [data for _, data in wire.sends] == [b"a", b"b", b"cd", b"e"]


def test_a_write_of_nothing_is_no_send_call() -> None:
    wire, exchange = play([Write(0.0, b"", alone=True), Write(0.0, b""), Write(1.0, b"a"), Write(2.0, b""), End(2.0)])
    assert times(wire) == [(1.0, b"a")]
    assert exchange.steps_played == 5


writes = st.builds(Write, due_s=st.integers(0, 100).map(float), data=st.binary(max_size=30), alone=st.booleans())


def in_order(steps: list[Write]) -> list[Write]:
    due = sorted(step.due_s for step in steps)
    return [Write(due_s, step.data, step.alone) for due_s, step in zip(due, steps, strict=True)]


@given(st.lists(writes, max_size=8).map(in_order), st.sampled_from([0.0, 0.5, 1.0, 2.0]), st.sampled_from([0.0, 1.5]))
def test_the_send_calls_of_any_plan_add_up_to_its_bytes_and_none_is_early(
    plan: list[Write], scale: float, cost_s: float
) -> None:
    most = 16
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("mockserver.player.SLICE_BYTES", most)
        wire, exchange = play([*plan, End(plan[-1].due_s if plan else 0.0)], scale=scale, cost_s=cost_s)
    assert b"".join(data for _, data in wire.sends) == b"".join(step.data for step in plan)
    assert exchange.bytes_sent == len(wire.taken)
    assert exchange.ended == "complete"
    owners = [number for number, step in enumerate(plan) for _ in step.data]  # of every byte: its step
    position = 0
    for at, data in wire.sends:
        steps = [plan[number] for number in sorted(set(owners[position : position + len(data)]))]
        assert all(at >= 100.0 + step.due_s * scale for step in steps), "a byte left before it was due"
        if any(step.alone for step in steps):
            assert [step.data for step in steps] == [data], "a write that is alone was joined or cut"
        else:
            assert len(data) <= most
        position += len(data)
    if not cost_s:
        assert exchange.late_s == 0.0


# A client that does not read


def test_what_the_kernel_does_not_take_goes_on_when_the_client_reads() -> None:
    plan: list[Step] = [Write(0.0, b"0123456789", alone=True), Write(1.0, b"abc"), End(1.0)]
    reads = {5.0: lambda wire: wire.read(3), 6.0: lambda wire: wire.read(100)}
    wire, exchange = play(plan, room=4, at=reads)
    assert bytes(wire.taken) == b"0123456789abc"
    assert exchange.ended == "complete"
    # The transport, which waits for room, is given one byte at a time; the rest is a send call of ours again.
    assert times(wire) == [(0.0, b"0123456789"), (5.0, b"56789"), (6.0, b"89"), (6.0, b"abc")]
    assert exchange.late_s == 5.0
    assert exchange.bytes_sent == 13


def test_a_client_that_leaves_while_it_does_not_read_is_noticed_and_the_journal_tells_what_the_kernel_took() -> None:
    wire, exchange = play([Write(0.0, b"x" * 1000), End(0.0)], room=300, at={2.0: leaves("RST")})
    assert exchange.ended == "client left (RST)"
    assert exchange.bytes_sent == 300 == len(wire.taken)
    assert wire.ending == "dropped"


def test_while_a_client_does_not_read_the_journal_tells_what_the_kernel_took() -> None:
    async def run() -> None:
        clock = JumpClock()
        wire, exchange = Wire(clock, room=300), new_exchange()
        task = asyncio.create_task(Player(wire.connection, exchange, clock, 0.0).play([Write(0.0, b"x" * 1000)]))
        while not wire.connection.waits_for_client:
            await asyncio.sleep(0)
        assert exchange.bytes_sent == 300
        wire.connection.leave("RST")
        await task

    asyncio.run(run())


@given(
    st.lists(st.builds(Write, due_s=st.just(0.0), data=st.binary(max_size=9), alone=st.just(True)), max_size=12),
    st.integers(0, 40),
    st.lists(st.integers(1, 30), max_size=4),
)
def test_writes_that_are_alone_wait_for_the_client_and_none_is_lost_doubled_or_joined(
    plan: list[Write], room: int, reads: list[int]
) -> None:
    reading = {1.0 + k: (lambda wire, count=count: wire.read(count)) for k, count in enumerate(reads)}
    wire, exchange = play([*plan, End(0.0)], room=room, at={**reading, 50.0: leaves("RST")})
    sent = b"".join(step.data for step in plan)
    taken = min(room + sum(reads), len(sent))
    assert bytes(wire.taken) == sent[:taken]
    assert exchange.bytes_sent == taken
    assert sum(played.size for played in exchange.played) >= taken
    assert [played.size for played in exchange.played] == [len(step.data) for step in plan if step.data][
        : len(exchange.played)
    ]


bursts = st.builds(
    Burst,
    due_s=st.just(0.0),
    pieces=st.lists(st.binary(min_size=1, max_size=9), min_size=1, max_size=9),
    event=st.just(0),
)


@given(
    st.lists(writes.map(lambda step: replace(step, due_s=0.0)) | bursts, max_size=5),
    st.none() | st.integers(0, 60),
    st.lists(st.integers(1, 30), max_size=4),
    st.sampled_from([256, 5, 1]),
)
def test_a_burst_is_played_as_the_writes_that_it_stands_for(
    plan: list[Step], room: int | None, reads: list[int], most: int
) -> None:
    def play_to_reader(plan: Iterable[Step]) -> tuple[Wire, Exchange]:
        reading = {1.0 + k: (lambda wire, count=count: wire.read(count)) for k, count in enumerate(reads)}
        return play(plan, room=room, at={**(reading if room is not None else {}), 50.0: leaves("RST")})

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("mockserver.player._LEAST_COST_BYTES", SLICE_BYTES // most)
        wire, exchange = play_to_reader([*plan, End(0.0)])
        other_wire, other_exchange = play_to_reader([*part(plan), End(0.0)])
    assert wire.sends == other_wire.sends
    assert exchange == other_exchange


@pytest.mark.parametrize("how", ["FIN", "RST"])
def test_a_client_that_leaves_in_the_middle_of_a_burst_gets_no_more_of_it(how: str) -> None:
    class Hasty(Wire):
        def take(self, data: bytes) -> int:
            if data == b"b":
                self.connection.leave(how)
                return 0
            return super().take(data)

    async def run() -> tuple[Wire, Exchange]:
        clock = JumpClock()
        wire, exchange = Hasty(clock), new_exchange()
        await Player(wire.connection, exchange, clock, 0.0).play([Burst(0.0, [b"a", b"b", b"c"], 0), End(0.0)])
        return wire, exchange

    wire, exchange = asyncio.run(run())
    assert bytes(wire.taken) == b"a"
    assert (exchange.ended, exchange.bytes_sent, exchange.steps_played) == (f"client left ({how})", 1, 1)
    assert [played.size for played in exchange.played] == [1, 1]


def test_a_long_burst_lets_the_loop_go_round() -> None:
    rounds = 0

    async def run() -> Exchange:
        nonlocal rounds
        clock = JumpClock()
        wire, exchange = Wire(clock), new_exchange()
        plan: list[Step] = [Burst(0.0, [b"x"] * 1000, 0), End(0.0)]
        task = asyncio.create_task(Player(wire.connection, exchange, clock, 0.0).play(plan))
        while not task.done():
            await asyncio.sleep(0)
            rounds += 1
        return exchange

    exchange = asyncio.run(run())
    assert (exchange.bytes_sent, exchange.steps_played) == (1000, 1001)
    assert rounds > 3


def test_steps_of_which_nothing_was_sent_were_not_played() -> None:
    plan: list[Step] = [Write(0.0, b"ab"), Write(0.0, b"cd"), Write(5.0, b"e"), End(5.0)]
    _, exchange = play(plan, room=1, at={2.0: leaves("RST")})
    assert (exchange.steps_played, exchange.bytes_sent) == (0, 1)
    _, exchange = play(plan, room=4, at={2.0: leaves("RST")})
    assert (exchange.steps_played, exchange.bytes_sent) == (2, 4)


# Hold, and the ends


def test_an_endless_plan_lets_the_loop_go_round_and_ends_when_the_client_leaves() -> None:
    rounds = 0

    async def run() -> Exchange:
        nonlocal rounds
        clock = JumpClock()
        wire, exchange = Wire(clock), new_exchange()
        endless = (Write(0.0, b"x", alone=True) for _ in itertools.count())
        task = asyncio.create_task(Player(wire.connection, exchange, clock, 0.0).play(endless))
        for _ in range(50):
            await asyncio.sleep(0)
            rounds += 1
            assert not task.done()
        wire.connection.leave("RST")
        await task
        return exchange

    exchange = asyncio.run(run())
    assert exchange.ended == "client left (RST)"
    assert exchange.bytes_sent <= rounds * 257


def test_a_plan_that_is_much_work_and_few_bytes_lets_the_loop_go_round() -> None:
    rounds = 0

    def slow_plan() -> Iterator[Step]:
        for _ in range(20):
            time.sleep(0.0015)
            yield Write(0.0, b"x")
        yield End(0.0)

    async def run() -> Exchange:
        nonlocal rounds
        clock = JumpClock()
        wire, exchange = Wire(clock), new_exchange()
        task = asyncio.create_task(Player(wire.connection, exchange, clock, 0.0).play(slow_plan()))
        while not task.done():
            await asyncio.sleep(0)
            rounds += 1
        return exchange

    exchange = asyncio.run(run())
    assert exchange.ended == "complete"
    assert [played.size for played in exchange.played] == [20], "what is due together still leaves together"
    assert rounds >= 8


def test_hold_sends_what_is_waiting_and_then_nothing_until_the_client_leaves() -> None:
    wire, exchange = play([Head(0.0, HEAD), Write(0.0, b"a"), Hold(0.0), End(0.0)], at={60.0: leaves("FIN")})
    assert times(wire) == [(0.0, HEAD + b"a")]
    assert exchange.ended == "client left (FIN)"
    assert wire.ending == "dropped"
    assert wire.clock.now() == 160.0


@pytest.mark.parametrize("close", [True, False])
def test_end_closes_the_connection_or_leaves_it_for_the_next_request(close: bool) -> None:
    wire, exchange = play([Write(0.0, b"a"), End(3.0, close=close)])
    assert wire.ending == ("closed" if close else "goes on")
    assert wire.clock.now() == 103.0
    assert exchange.ended == "complete"


def test_half_close_sends_fin_and_waits_for_the_client() -> None:
    wire, exchange = play([Write(0.0, b"a"), HalfClose(1.0)], at={9.0: leaves("FIN")})
    assert times(wire) == [(0.0, b"a"), (1.0, b"FIN")]
    assert exchange.ended == "half-closed"
    assert wire.ending == "dropped"
    assert wire.clock.now() == 109.0
    assert exchange.steps_played == 2


@pytest.mark.parametrize("drain", [True, False])
def test_abort_resets_the_connection(drain: bool) -> None:
    wire, exchange = play([Write(0.0, b"a"), Abort(1.0, drain=drain)])
    assert times(wire) == [(0.0, b"a")]
    assert wire.ending == "reset"
    assert exchange.ended == "reset"
    assert wire.clock.now() == 101.0


def aborted(
    unacknowledged: list[int], at: dict[float, Callable[[Wire], None]] | None = None, drain: bool = True
) -> tuple[Wire, Exchange]:
    plan: list[Step] = [Write(0.0, b"abc"), Abort(1.0, drain)]
    return play(plan, at={0.5: lambda wire: wire.unacknowledged.extend(unacknowledged), **(at or {})})


def test_an_abort_that_drains_waits_until_the_client_has_everything() -> None:
    wire, exchange = aborted([3, 2, 1, 0])
    assert wire.ending == "reset"
    assert wire.unacknowledged == [0]
    assert exchange.bytes_acknowledged == 3


def test_an_abort_that_does_not_drain_waits_for_nothing() -> None:
    wire, exchange = aborted([3, 2, 1, 0], drain=False)
    assert wire.ending == "reset"
    assert wire.unacknowledged == [2, 1, 0]
    assert exchange.bytes_acknowledged == 0


def test_an_abort_that_drains_does_not_wait_for_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("mockserver.connection.DRAIN_BOUND_S", 0.02)
    wire, exchange = aborted([1])
    assert wire.ending == "reset"
    assert exchange.ended == "reset"
    assert exchange.bytes_acknowledged == 2


def test_a_client_that_leaves_during_an_abort_ends_it() -> None:
    wire, exchange = aborted([1], at={2.0: leaves("FIN")})
    assert wire.ending == "reset"
    assert exchange.ended == "reset"


def test_a_plan_that_stops_without_an_end_is_sent_whole_and_closed() -> None:
    wire, exchange = play([Head(0.0, HEAD), Write(0.0, b"a")])
    assert times(wire) == [(0.0, HEAD + b"a")]
    assert wire.ending == "closed"
    assert exchange.ended == "complete"


# Leaving at any moment

PLAN: list[Step] = [
    Head(0.0, HEAD), Write(1.0, b"a"), Write(2.0, b"b", alone=True), Write(3.0, b"r"), Write(4.0, b"r"), Write(5.0, b"r"),
    Write(6.0, b"c"),
]  # fmt: skip


@pytest.mark.parametrize(
    "end", [End(7.0), End(7.0, close=True), Hold(7.0), HalfClose(7.0), Abort(7.0), Abort(7.0, drain=False)]
)
@pytest.mark.parametrize("how", ["FIN", "RST", "stopped"])
@pytest.mark.parametrize("after_s", [0.5, 1.5, 2.5, 3.5, 4.5, 5.5, 6.5])
def test_a_client_may_leave_at_any_moment(end: Step, how: str, after_s: float) -> None:
    wire, exchange = play([*PLAN, end], at={after_s: leaves(how)})
    sends = [(0.0, HEAD), (1.0, b"a"), (2.0, b"b"), (3.0, b"r"), (4.0, b"r"), (5.0, b"r"), (6.0, b"c")]
    assert times(wire) == [(at, data) for at, data in sends if at < after_s]
    assert exchange.ended == ("stopped" if how == "stopped" else f"client left ({how})")
    assert exchange.steps_played == sum(at < after_s for at, _ in sends)
    assert wire.ending == "dropped"
    assert wire.clock.now() == 100.0 + after_s, "it was noticed at once"
    assert exchange.ended_s == after_s


@pytest.mark.parametrize(
    ("how", "room", "end_due_s", "ended"),
    [
        ("FIN", None, 1.0, "complete"),
        ("FIN", None, 1.5, "client left (FIN)"),  # the answer was to go on
        ("FIN", 3, 1.0, "client left (FIN)"),  # it did not get everything
        ("RST", None, 1.0, "client left (RST)"),  # nobody knows what it got
    ],
)
def test_a_client_that_has_the_whole_answer_may_leave_before_its_end_is_noted(
    how: str, room: int | None, end_due_s: float, ended: str
) -> None:
    class Hasty(Wire):
        def take(self, data: bytes) -> int:
            taken = super().take(data)
            self.connection.leave(how)
            return taken

    async def run() -> Exchange:
        clock = JumpClock()
        wire, exchange = Hasty(clock, room), new_exchange()
        await Player(wire.connection, exchange, clock, 0.0).play([Write(1.0, b"abcd"), End(end_due_s)])
        assert wire.ending == ("goes on" if ended == "complete" else "dropped")
        return exchange

    assert asyncio.run(run()).ended == ended


def test_a_client_that_left_before_the_plan_begins_gets_nothing() -> None:
    rendered = []

    def plan() -> Iterator[Step]:
        for step in PLAN:
            rendered.append(step)
            yield step

    async def run() -> tuple[Wire, Exchange]:
        clock = JumpClock()
        wire, exchange = Wire(clock), new_exchange()
        wire.connection.leave("FIN")
        await Player(wire.connection, exchange, clock, 0.0).play(plan())
        return wire, exchange

    wire, exchange = asyncio.run(run())
    assert wire.sends == []
    assert exchange.ended == "client left (FIN)"
    assert len(rendered) == 1, "what nobody gets is not rendered"


def test_what_is_left_of_a_cut_write_is_due_when_its_own_step_was() -> None:
    large = b"b" * (SLICE_BYTES + 10)
    plan: list[Step] = [Write(0.0, b"x"), Write(0.5, b"a"), Write(0.6, large), End(0.6)]
    wire, exchange = play(plan, cost_s=1.0)
    assert bytes(wire.taken) == b"xa" + large
    assert [(one.due_s, one.size) for one in exchange.played] == [(0.0, 1), (0.5, SLICE_BYTES), (0.6, 11)]


def test_the_journal_tells_when_a_write_was_made_not_when_its_rendering_began() -> None:
    clock = JumpClock()
    wire, exchange = Wire(clock), new_exchange()

    def plan() -> Iterator[Step]:
        yield Write(0.0, b"a")
        clock._now += 0.25
        yield Write(0.0, b"b")
        clock._now += 0.25
        yield End(0.0)

    asyncio.run(Player(wire.connection, exchange, clock, 0.0).play(plan()))
    assert [(one.at_s, one.size) for one in exchange.played] == [(0.5, 2)]
    assert wire.sends == [(0.5, b"ab")]


# The task that plays


def respond(
    plan: Iterable[Step], act: Callable[["asyncio.Task[None]", Wire], None] | None = None
) -> tuple[Wire, Exchange]:
    """Play a plan as the answer to a request; `act` gets its task when it waits."""

    async def run() -> tuple[Wire, Exchange]:
        clock = JumpClock()
        wire, exchange = Wire(clock), new_exchange()
        player = Player(wire.connection, exchange, clock, clock.now())
        task = asyncio.create_task(play_back(plan, player, exchange))
        if act is not None:
            for _ in range(20):
                await asyncio.sleep(0)
            act(task, wire)
        await task
        assert not task.cancelled()
        return wire, exchange

    return asyncio.run(run())


def test_the_answer_is_played_on_the_lent_connection() -> None:
    wire, exchange = respond([Head(0.0, HEAD), Write(0.5, b"a"), End(0.5)])
    assert bytes(wire.taken) == HEAD + b"a"
    assert exchange.ended == "complete"


def cancel(task: "asyncio.Task[None]") -> None:
    assert task.cancel(), "it is still playing"


@pytest.mark.parametrize("last", [Hold(1.0), HalfClose(1.0)])
def test_the_answer_ends_quietly_when_it_is_cancelled(last: Step) -> None:
    wire, exchange = respond([Head(0.0, HEAD), last], lambda task, _: cancel(task))
    assert exchange.ended == "stopped"
    assert wire.ending == "dropped"


def test_the_answer_ends_quietly_when_it_is_cancelled_while_the_client_does_not_read() -> None:
    async def run() -> Exchange:
        clock = JumpClock()
        wire, exchange = Wire(clock, room=1), new_exchange()
        player = Player(wire.connection, exchange, clock, 0.0)
        task = asyncio.create_task(play_back([Write(0.0, b"abc"), End(0.0)], player, exchange))
        await asyncio.sleep(0)
        assert wire.connection.waits_for_client
        task.cancel()
        await task
        return exchange

    exchange = asyncio.run(run())
    assert exchange.ended == "stopped"
    assert exchange.bytes_sent == 1


def test_a_plan_that_cannot_be_rendered_to_its_end_is_cut_and_told_in_the_log(caplog: pytest.LogCaptureFixture) -> None:
    def plan() -> Iterator[Step]:
        yield Head(0.0, HEAD)
        yield Write(1.0, b"a")
        raise ZeroDivisionError("in the middle")

    with caplog.at_level(logging.ERROR, "mockserver"):
        wire, exchange = respond(plan())
    assert exchange.ended == "failed"
    assert wire.ending == "dropped"
    assert bytes(wire.taken) == HEAD
    assert "in the middle" in caplog.text


def test_a_clock_whose_timers_cannot_be_set_again_ends_the_stream_and_says_so() -> None:
    class OnceTimer:
        def cancel(self) -> None: ...

    class OnceClock(JumpClock):
        def call_at(self, when: float, callback: Callable[[], None]) -> Any:
            super().call_at(when, callback)
            return OnceTimer()

    async def run() -> None:
        clock = OnceClock()
        plan: list[Step] = [Write(0.5, b"a"), Write(1.0, b"b"), End(1.0)]
        await Player(Wire(clock).connection, new_exchange(), clock, 0.0).play(plan)

    with pytest.raises(AttributeError, match="again"):
        asyncio.run(run())
