import itertools
import logging
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mockserver.clock import JumpClock
from mockserver.meter import CLASSES, LATENESS_BOUNDS_S, WARN_EVERY_S, Meter
from mockserver.player import Player
from mockserver.steps import Burst, End, Step, Write
from tests.mockserver.wire import Wire, new_exchange

lateness = st.floats(0, 1e6)


@given(st.lists(lateness, max_size=30))
def test_every_write_is_counted_in_the_class_of_its_lateness(late: list[float]) -> None:
    meter = Meter(JumpClock())
    for late_s in late:
        meter.note_write(late_s)
    expected = [sum(late_s < bound for late_s in late) for bound in LATENESS_BOUNDS_S]
    assert meter.lateness == [*expected, len(late)]
    assert meter.late_sum_s == pytest.approx(math.fsum(late))


def test_classes_double_from_a_quarter_of_a_millisecond() -> None:
    assert len(LATENESS_BOUNDS_S) == CLASSES - 1
    assert LATENESS_BOUNDS_S[:4] == (0.00025, 0.0005, 0.001, 0.002)
    assert all(b == 2 * a for a, b in itertools.pairwise(LATENESS_BOUNDS_S))


# The warning


def note(meter: Meter, clock: JumpClock, *rows: tuple[float, float]) -> None:
    for at_s, late_s in rows:
        clock._now = at_s
        meter.note_write(late_s)


def test_a_write_later_than_the_limit_is_told_once_for_all_within_some_seconds(
    caplog: pytest.LogCaptureFixture,
) -> None:
    clock = JumpClock()
    meter = Meter(clock, 0.05)
    with caplog.at_level(logging.WARNING, "mockserver"):
        note(meter, clock, (1.0, 0.049), (2.0, 0.05))
        assert caplog.messages == []
        note(meter, clock, (3.0, 0.06), (3.1, 0.2), (3.2, 0.01), (3 + WARN_EVERY_S - 0.1, 0.07))
        [first] = caplog.messages
        assert "within 50 ms" in first
        assert "got 1 later than that, the worst by 60 ms" in first
        note(meter, clock, (3 + WARN_EVERY_S, 0.08))
    assert "got 3 later than that, the worst by 200 ms" in caplog.messages[1]
    assert len(caplog.messages) == 2


def test_without_a_limit_nothing_is_told(caplog: pytest.LogCaptureFixture) -> None:
    Meter(JumpClock()).note_write(1e9)
    assert caplog.messages == []


# What the player enters


async def play(plan: list[Step], wire: Wire) -> Meter:
    meter = Meter(wire.clock)
    await Player(wire.connection, new_exchange(), wire.clock, wire.clock.now(), meter=meter).play(plan)
    return meter


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.mark.anyio
async def test_writes_that_leave_in_time_are_not_late() -> None:
    meter = await play([Write(0.0, b"a", event=0), Write(1.0, b"b", event=1), End(1.0)], Wire(JumpClock()))
    assert meter.lateness == [2] * CLASSES
    assert (meter.events, meter.sent_bytes) == (2, 2)


@pytest.mark.anyio
async def test_a_slow_send_call_makes_the_next_write_late_by_as_much() -> None:
    plan: list[Step] = [Write(0.0, b"a", alone=True), Write(0.1, b"b", alone=True), Write(5.0, b"c"), End(5.0)]
    meter = await play(plan, Wire(JumpClock(), cost_s=0.5))
    assert meter.lateness[0] == 2, "the first and the last"
    assert meter.late_sum_s == pytest.approx(0.4)


@pytest.mark.anyio
async def test_what_waits_for_a_client_that_does_not_read_is_not_late() -> None:
    clock = JumpClock()
    wire = Wire(clock, room=4)
    clock.call_at(5.0, lambda: wire.read(100))
    meter = await play([Write(0.0, b"0123456789", alone=True), Write(1.0, b"abc"), End(1.0)], wire)
    assert meter.lateness == [2] * CLASSES
    assert meter.sent_bytes == 13


@pytest.mark.anyio
@pytest.mark.parametrize("alone", [True, False])
async def test_of_a_write_that_the_kernel_does_not_take_only_what_it_took_is_counted(alone: bool) -> None:
    clock = JumpClock()
    wire = Wire(clock, room=4)
    clock.call_at(5.0, lambda: wire.connection.leave("RST"))
    plan: list[Step] = [Write(0.5, b"ab", alone=alone), Write(1.0, b"cdefgh", alone=alone), Write(2.0, b"i"), End(2.0)]
    meter = await play(plan, wire)
    assert meter.sent_bytes == wire.connection.sent == 4


@pytest.mark.anyio
async def test_an_event_in_several_writes_is_counted_once_and_joined_ones_each() -> None:
    cut: list[Step] = [Write(0.0, b"a", True, 0), Write(0.0, b"a", True, 0), Write(0.0, b"b", True, 1), End(0.0)]
    assert (await play(cut, Wire(JumpClock()))).events == 2
    burst: list[Step] = [Write(0.0, b"a", True, 0), Burst(0.0, [b"b", b"c"], 1), End(0.0)]
    assert (await play(burst, Wire(JumpClock()))).events == 3
    slowly_read = Wire(JumpClock(), room=1)
    slowly_read.clock.call_at(1.0, lambda: slowly_read.read(100))
    assert (await play(burst, slowly_read)).events == 3
    joined: list[Step] = [Write(0.0, b"abc", event=2), Write(0.0, b"tail"), End(0.0)]
    assert (await play(joined, Wire(JumpClock()))).events == 3


@given(st.floats(0, 1), st.lists(st.sampled_from([0.0, 0.0001, 0.0003, 0.06]), min_size=1, max_size=9))
def test_writes_counted_together_count_as_one_after_the_other(free_s: float, late_s: list[float]) -> None:
    at_s = [free_s + passed for passed in itertools.accumulate(late_s)]
    one, other = Meter(JumpClock(), 0.05), Meter(JumpClock(), 0.05)
    one.note_writes(free_s, at_s)
    for before_s, moment_s in itertools.pairwise([free_s, *at_s]):
        other.note_write(moment_s - before_s)
    assert one.lateness == other.lateness
    assert one.late_sum_s == pytest.approx(other.late_sum_s)
