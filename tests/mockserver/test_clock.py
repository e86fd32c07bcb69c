import asyncio
import itertools
import time
import weakref
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mockserver.clock import Clock, JumpClock, RealClock
from mockserver.wheel import HeldTimer


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


def test_the_real_clock_may_be_used_in_one_loop_after_the_other_and_in_two_at_once() -> None:
    clock = RealClock()

    async def wait_often() -> bool:
        waits = await asyncio.gather(*(wait(clock, 0.002 + k / 3000) for k in range(20)))
        return all(now >= when for when, now in waits)

    def run() -> bool:
        return all(asyncio.run(wait_often()) for _ in range(3))

    with ThreadPoolExecutor(2) as executor:
        assert all(future.result(timeout=20) for future in [executor.submit(run) for _ in range(4)])


def test_all_timers_of_a_loop_wait_on_one_wheel_whatever_other_loops_set_meanwhile() -> None:
    clock, wheels = RealClock(), list[object]()

    async def look() -> None:
        timers = [clock.call_at(clock.now() + 60, pytest.fail)]
        await asyncio.to_thread(asyncio.run, set_one())
        timers.append(clock.call_at(clock.now() + 60, pytest.fail))
        for timer in timers:
            assert isinstance(timer, HeldTimer)
            wheels.append(timer._holder)
            timer.cancel()

    async def set_one() -> None:
        clock.call_at(clock.now() + 60, pytest.fail).cancel()

    asyncio.run(look())
    assert wheels[0] is wheels[1]


def test_a_callback_may_set_another_timer_of_the_real_clock() -> None:
    async def count() -> list[float]:
        clock, moments, done = RealClock(), list[float](), asyncio.Event()

        def again() -> None:
            moments.append(clock.now())
            if len(moments) == 5:
                done.set()
            else:
                clock.call_at(moments[-1] + 0.001, again)

        clock.call_at(clock.now(), again)
        await done.wait()
        return moments

    moments = asyncio.run(count())
    assert all(later - earlier >= 0.001 for earlier, later in itertools.pairwise(moments))


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


def test_a_timer_of_the_jump_clock_may_be_set_again_when_it_has_called() -> None:
    async def set_again() -> list[float]:
        clock, done, moments = JumpClock(), asyncio.Event(), list[float]()

        def call() -> None:
            moments.append(clock.now())
            if len(moments) < 3:
                timer.again(clock.now() + 10)
            else:
                done.set()

        timer = clock.call_at(1.0, call)
        await done.wait()
        return moments

    assert asyncio.run(set_again()) == [1.0, 11.0, 21.0]


def test_what_a_cancelled_timer_of_the_jump_clock_would_have_called_is_not_kept() -> None:
    class Callback:
        def __call__(self) -> None:
            pytest.fail("cancelled")

    async def cancel() -> None:
        clock, callback = JumpClock(), Callback()
        gone = weakref.ref(callback)
        clock.call_at(5.0, lambda: None)
        clock.call_at(5.0, callback).cancel()
        del callback
        assert gone() is None

    asyncio.run(cancel())
