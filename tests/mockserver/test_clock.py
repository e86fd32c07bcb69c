import asyncio
import time
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mockserver import clock as clock_module
from mockserver.clock import Clock, JumpClock, RealClock


class HastyLoop(asyncio.SelectorEventLoop):
    """A loop that counts too fast: it calls after a part of the delay."""

    haste = 2.0

    def call_later(  # type: ignore[override]
        self, delay: float, callback: Callable[..., object], *args: Any, context: Any = None
    ) -> asyncio.TimerHandle:
        return super().call_later(delay / self.haste, callback, *args, context=context)


def new_uvloop() -> asyncio.AbstractEventLoop:
    loop: asyncio.AbstractEventLoop = pytest.importorskip("uvloop").new_event_loop()
    return loop


LOOPS = {"asyncio": asyncio.new_event_loop, "uvloop": new_uvloop, "hasty": HastyLoop}


@pytest.fixture(params=LOOPS)
def run(request: pytest.FixtureRequest) -> Any:
    """Runs a coroutine in one of the loops."""
    with asyncio.Runner(loop_factory=LOOPS[request.param]) as runner:
        yield runner.run


async def wait(clock: Clock, delay_s: float) -> tuple[float, float]:
    """Wait on the clock: when it was to be, and when it was."""
    called = asyncio.Event()
    when = clock.now() + delay_s
    clock.call_at(when, called.set)
    await called.wait()
    return when, clock.now()


# The real clock


def test_the_real_clock_is_the_machines() -> None:
    clock = RealClock()
    assert clock.now() <= time.monotonic() <= clock.now()
    assert clock.wall() <= time.time() <= clock.wall()


@pytest.mark.parametrize("delay_s", [0.0, 0.0001, 0.0015, 0.004, 0.0099])
def test_the_real_clock_is_never_early(run: Any, delay_s: float) -> None:
    async def wait_often() -> None:
        for when, now in await asyncio.gather(*(wait(RealClock(), delay_s + k / 7000) for k in range(20))):
            assert now >= when

    run(wait_often())


def test_a_moment_that_is_past_comes_at_once_but_not_within_the_call(run: Any) -> None:
    async def look_back() -> None:
        calls: list[str] = []
        clock = RealClock()
        clock.call_at(clock.now() - 5, lambda: calls.append("called"))
        assert calls == []
        _, now = await wait(clock, 0.0)
        assert calls == ["called"]
        assert now < clock.now() + 1

    run(look_back())


def test_a_cancelled_timer_of_the_real_clock_is_not_called(run: Any) -> None:
    async def cancel() -> None:
        calls: list[str] = []
        clock = RealClock()
        timer = clock.call_at(clock.now() + 0.001, lambda: calls.append("called"))
        timer.cancel()
        await wait(clock, 0.005)
        assert calls == []

    run(cancel())


def test_a_timer_may_be_cancelled_between_its_sleeps() -> None:
    async def cancel() -> None:
        calls: list[str] = []
        clock = RealClock()
        timer = clock.call_at(clock.now() + 0.3, lambda: calls.append("called"))
        await wait(clock, 0.01)  # by now the first sleep, far shorter than it should be, is over
        timer.cancel()
        await wait(clock, 0.3)
        assert calls == []

    class VeryHastyLoop(HastyLoop):
        haste = 100.0

    with asyncio.Runner(loop_factory=VeryHastyLoop) as runner:
        runner.run(cancel())


@pytest.mark.parametrize("when", [float("inf"), 1e300])
def test_a_moment_beyond_all_loops_is_waited_for_all_the_same(run: Any, when: float) -> None:
    async def wait_for_ever() -> None:
        timer = RealClock().call_at(when, pytest.fail)
        await wait(RealClock(), 0.001)
        timer.cancel()

    run(wait_for_ever())


def test_a_long_wait_is_made_of_several(run: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(clock_module, "LONGEST_SLEEP_S", 0.002)

    async def wait_long() -> None:
        when, now = await wait(RealClock(), 0.009)
        assert now >= when

    run(wait_long())


# The jumping clock


def play(moments: list[float], start: Callable[[JumpClock, Callable[[], None]], None]) -> JumpClock:
    """Let a clock jump until nothing is called any more; `start` gets it, and what enters the moment it is called at."""

    async def until_idle() -> JumpClock:
        clock = JumpClock()
        start(clock, lambda: moments.append(clock.now()))
        before = -1
        while before != len(moments):
            before = len(moments)
            for _ in range(20):  # rounds of the loop: the clock lets a few go by before it jumps
                await asyncio.sleep(0)
        return clock

    with asyncio.Runner() as runner:
        return runner.run(until_idle())


@given(st.lists(st.floats(0, 1e6), max_size=20))
def test_the_jumping_clock_calls_in_the_order_of_the_moments_and_tells_them(whens: list[float]) -> None:
    moments: list[float] = []

    def start(clock: JumpClock, call: Callable[[], None]) -> None:
        for when in whens:
            clock.call_at(when, call)

    clock = play(moments, start)
    assert moments == sorted(whens)
    assert clock.now() == max(whens, default=0.0)


def test_of_two_at_the_same_moment_the_first_to_wait_is_called_first() -> None:
    order: list[int] = []

    def start(clock: JumpClock, call: Callable[[], None]) -> None:
        for k in range(5):
            clock.call_at(1.0, lambda k=k: order.append(k))  # type: ignore[misc]

    play([], start)
    assert order == [0, 1, 2, 3, 4]


@given(st.lists(st.floats(0, 100), min_size=1, max_size=20))
def test_whoever_waits_again_and_again_gets_every_moment_and_time_never_goes_back(pauses: list[float]) -> None:
    moments: list[float] = []

    def start(clock: JumpClock, call: Callable[[], None]) -> None:
        left = iter(pauses)

        def again() -> None:
            call()
            pause = next(left, None)
            if pause is not None:
                clock.call_at(clock.now() + pause, again)

        clock.call_at(0.0, again)

    play(moments, start)
    expected = [0.0]
    for pause in pauses:
        expected.append(expected[-1] + pause)
    assert moments == expected


def test_a_moment_that_is_past_is_called_without_going_back() -> None:
    moments: list[float] = []

    def start(clock: JumpClock, call: Callable[[], None]) -> None:
        def later() -> None:
            call()
            clock.call_at(1.0, call)

        clock.call_at(5.0, later)

    play(moments, start)
    assert moments == [5.0, 5.0]


@given(st.lists(st.tuples(st.floats(0, 100), st.booleans()), max_size=20))
def test_a_cancelled_timer_is_neither_called_nor_jumped_to(timers: list[tuple[float, bool]]) -> None:
    moments: list[float] = []

    def start(clock: JumpClock, call: Callable[[], None]) -> None:
        for when, cancelled in timers:
            timer = clock.call_at(when, call)
            if cancelled:
                timer.cancel()

    clock = play(moments, start)
    assert moments == sorted(when for when, cancelled in timers if not cancelled)
    assert clock.now() == max(moments, default=0.0)


def test_whoever_acts_in_between_and_then_waits_for_less_is_called_first() -> None:
    """A task that is woken may take a round or two until it waits again: the clock does not jump over it."""

    async def act_and_wait() -> None:
        clock = JumpClock()
        moments: list[tuple[str, float]] = []

        async def short() -> None:
            await asyncio.sleep(0)
            await asyncio.sleep(0)
            moments.append(("short", (await wait(clock, 1.0))[1]))

        async def long() -> None:
            moments.append(("long", (await wait(clock, 10.0))[1]))

        await asyncio.gather(long(), short())
        assert moments == [("short", 1.0), ("long", 10.0)]

    with asyncio.Runner() as runner:
        runner.run(act_and_wait())


def test_the_jumping_clock_stands_still_until_somebody_waits() -> None:
    async def stand_still() -> None:
        clock = JumpClock(wall=1_000.0)
        await asyncio.sleep(0)
        assert (clock.now(), clock.wall()) == (0.0, 1_000.0)
        when, now = await wait(clock, 3_600.0)
        assert when == now == 3_600.0
        assert clock.wall() == 4_600.0

    with asyncio.Runner() as runner:
        runner.run(stand_still())


def test_whoever_is_woken_has_acted_and_waits_again_before_the_clock_jumps_on() -> None:
    moments: list[tuple[str, float]] = []

    async def step(clock: JumpClock, name: str, pause: float, count: int) -> None:
        for _ in range(count):
            await wait(clock, pause)
            await asyncio.sleep(0)
            moments.append((name, clock.now()))

    async def walk() -> None:
        clock = JumpClock()
        await asyncio.gather(step(clock, "slow", 10.0, 2), step(clock, "fast", 4.0, 4))

    with asyncio.Runner() as runner:
        runner.run(walk())
    assert moments == [("fast", 4.0), ("fast", 8.0), ("slow", 10.0), ("fast", 12.0), ("fast", 16.0), ("slow", 20.0)]


def test_the_jumping_clock_goes_on_in_another_loop_if_its_loop_was_closed_before_it_jumped() -> None:
    clock = JumpClock()

    async def give_up() -> None:
        clock.call_at(5.0, pytest.fail).cancel()

    with asyncio.Runner() as runner:
        runner.run(give_up())
    with asyncio.Runner() as runner:
        assert runner.run(wait(clock, 7.0)) == (7.0, 7.0)


def test_an_hour_on_the_jumping_clock_takes_no_time() -> None:
    moments: list[float] = []
    started = time.monotonic()

    def start(clock: JumpClock, call: Callable[[], None]) -> None:
        for k in range(3_600):
            clock.call_at(float(k), call)

    assert play(moments, start).now() == 3_599.0
    assert time.monotonic() - started < 5
