"""The wheel, on every loop and with every alarm that there is."""

import asyncio
import gc
import os
import sys
import time
import weakref
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from mockserver import wheel as wheel_module
from mockserver.wheel import MANY, MANY_EVERY_S, MOST, TICKS_PER_S, LoopAlarm, Wheel, make_alarm


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
ALARMS = {"best": make_alarm, "loop": LoopAlarm}


@pytest.fixture(params=ALARMS)
def alarm(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Lets wheels be woken by one kind of alarm."""
    monkeypatch.setattr(wheel_module, "make_alarm", ALARMS[request.param])


@pytest.fixture(params=LOOPS)
def run(alarm: None, request: pytest.FixtureRequest) -> Any:
    """Runs a coroutine in one of the loops, with one of the alarms."""
    with asyncio.Runner(loop_factory=LOOPS[request.param]) as runner:
        yield runner.run


def make_wheel() -> Wheel:
    return Wheel(asyncio.get_running_loop())


async def wait(wheel: Wheel, delay_s: float) -> tuple[float, float]:
    """Wait for a timer: when it was to come, and when it came."""
    called = asyncio.Event()
    when = time.monotonic() + delay_s
    wheel.call_at(when, called.set)
    await called.wait()
    return when, time.monotonic()


@pytest.mark.parametrize("delay_s", [0.0, 0.0001, 0.0015, 0.004, 0.0099])
def test_no_timer_is_early(run: Any, delay_s: float) -> None:
    async def wait_often() -> None:
        wheel = make_wheel()
        for when, now in await asyncio.gather(*(wait(wheel, delay_s + k / 7000) for k in range(20))):
            assert now >= when

    run(wait_often())


def test_a_moment_that_is_past_comes_at_once_but_not_within_the_call(run: Any) -> None:
    async def look_back() -> None:
        calls: list[str] = []
        wheel = make_wheel()
        for when in (time.monotonic() - 5, 0.0, -1.0):
            wheel.call_at(when, lambda: calls.append("called"))
        assert calls == []
        _, now = await wait(wheel, 0.0)
        assert calls == ["called"] * 3
        assert now < time.monotonic() + 1

    run(look_back())


def test_timers_are_called_in_the_order_of_their_ticks_and_within_one_as_they_were_set(run: Any) -> None:
    async def set_three() -> list[str]:
        order: list[str] = []
        wheel, done = make_wheel(), asyncio.Event()
        now = time.monotonic()
        tick = (int(now * TICKS_PER_S) + 40) / TICKS_PER_S
        for name, when in (("last", tick + 0.001), ("second", tick), ("third", tick), ("first", tick - 0.001)):
            wheel.call_at(when, lambda name=name: order.append(name))  # type: ignore[misc]
        wheel.call_at(tick + 0.002, done.set)
        await done.wait()
        return order

    assert run(set_three()) == ["first", "second", "third", "last"]


def test_an_earlier_timer_that_is_set_later_does_not_wait_for_the_other(run: Any) -> None:
    async def overtake() -> None:
        wheel = make_wheel()
        far = wheel.call_at(time.monotonic() + 3600, pytest.fail)
        when, now = await wait(wheel, 0.001)
        assert now >= when
        far.cancel()

    run(overtake())


def test_a_cancelled_timer_is_not_called(run: Any) -> None:
    async def cancel() -> None:
        calls: list[str] = []
        wheel = make_wheel()
        timer = wheel.call_at(time.monotonic() + 0.001, lambda: calls.append("called"))
        timer.cancel()
        timer.cancel()  # a second time is as good as once
        await wait(wheel, 0.01)
        assert calls == []

    run(cancel())


def test_one_callback_may_cancel_another_of_the_same_tick(run: Any) -> None:
    async def cancel() -> list[str]:
        calls: list[str] = []
        wheel = make_wheel()
        when = time.monotonic() + 0.002
        wheel.call_at(when, lambda: other.cancel())
        other = wheel.call_at(when, lambda: calls.append("called"))
        await wait(wheel, 0.01)
        return calls

    assert run(cancel()) == []


def test_a_timer_may_be_cancelled_after_the_alarm_has_woken_too_early(monkeypatch: pytest.MonkeyPatch) -> None:
    class VeryHastyLoop(HastyLoop):
        haste = 100.0

    async def cancel() -> list[str]:
        calls: list[str] = []
        wheel = make_wheel()
        timer = wheel.call_at(time.monotonic() + 0.1, lambda: calls.append("called"))
        await wait(wheel, 0.01)
        timer.cancel()
        await wait(wheel, 0.1)
        return calls

    monkeypatch.setattr(wheel_module, "make_alarm", LoopAlarm)
    with asyncio.Runner(loop_factory=VeryHastyLoop) as runner:
        assert runner.run(cancel()) == []


def test_who_waits_for_nothing_but_the_others_turn_waits_for_no_tick(
    alarm: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    moments: list[bool] = []

    async def yield_often() -> None:
        wheel, done = make_wheel(), asyncio.Event()

        def again() -> None:
            if len(moments) < 5:
                wheel.call_at(0.0, again)
            else:
                done.set()

        class NotedAlarm:
            """Notes whether it is set for a moment that has come."""

            def __init__(self, loop: asyncio.AbstractEventLoop, wake: Callable[[], None]) -> None:
                self._alarm = make(loop, wake)

            def set(self, when: float) -> None:
                moments.append(when <= time.monotonic())
                self._alarm.set(when)

            def close(self) -> None:
                self._alarm.close()

        make = wheel_module.make_alarm
        monkeypatch.setattr(wheel_module, "make_alarm", NotedAlarm)
        wheel.call_at(0.0, again)
        await done.wait()

    asyncio.run(yield_often())
    assert moments == [True] * 5


def test_timers_that_were_cancelled_take_no_memory_while_others_wait_for_long(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(wheel_module, "_DEAD_KEPT", 10)

    async def give_up_often() -> None:
        calls: list[str] = []
        wheel = make_wheel()
        now = time.monotonic()
        living = wheel.call_at(now + 3600, lambda: calls.append("called"))
        for k in range(1000):
            wheel.call_at(now + 3600 + k, lambda: calls.append("called")).cancel()
        assert sum(map(len, wheel._slots.values())) < 20
        assert sorted(wheel._ticks) == sorted(wheel._slots)
        await wait(wheel, 0.001)
        living.cancel()
        assert not calls

    asyncio.run(give_up_often())


def test_a_callback_that_ends_the_program_loses_no_other_timer(alarm: None) -> None:
    calls: list[str] = []

    def interrupt() -> None:
        raise KeyboardInterrupt

    with asyncio.Runner() as runner:
        loop = runner.get_loop()
        wheel = Wheel(loop)
        when = time.monotonic()
        wheel.call_at(when, interrupt)
        wheel.call_at(when, lambda: calls.append("the same tick"))
        wheel.call_at(when + 0.003, lambda: calls.append("another"))
        with pytest.raises(KeyboardInterrupt):
            loop.run_forever()
        assert calls == []
        assert not wheel.turning
        wheel.call_at(when + 0.005, loop.stop)
        loop.run_forever()
    assert calls == ["the same tick", "another"]


@pytest.mark.parametrize("missing", ["mockserver.timerfd", "_ctypes"])
def test_where_python_cannot_reach_the_systems_timers_the_loops_own_are_taken(
    missing: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def make() -> None:
        assert isinstance(make_alarm(asyncio.get_running_loop(), pytest.fail), LoopAlarm)

    monkeypatch.delitem(sys.modules, "mockserver.timerfd", raising=False)
    monkeypatch.delitem(sys.modules, "ctypes", raising=False)
    monkeypatch.setitem(sys.modules, missing, None)
    asyncio.run(make())


def test_what_a_callback_sets_has_its_turn_when_the_loop_has_looked_at_its_sockets(run: Any) -> None:
    async def set_again() -> list[str]:
        order: list[str] = []
        loop, wheel, done = asyncio.get_running_loop(), make_wheel(), asyncio.Event()

        def first() -> None:
            loop.call_soon(lambda: order.append("the loop"))
            wheel.call_at(time.monotonic() - 1, second)
            order.append("the first turn")

        def second() -> None:
            order.append("the next turn")
            done.set()

        wheel.call_at(time.monotonic(), first)
        await done.wait()
        return order

    assert run(set_again()) == ["the first turn", "the loop", "the next turn"]


def test_a_callback_that_fails_keeps_no_other_from_its_turn(run: Any) -> None:
    async def fail() -> list[str]:
        told: list[str] = []
        asyncio.get_running_loop().set_exception_handler(lambda _, context: told.append(str(context["exception"])))
        wheel, when = make_wheel(), time.monotonic() + 0.002
        wheel.call_at(when, lambda: 1 // 0)  # type: ignore[arg-type]
        await wait(wheel, 0.002)
        return told

    assert run(fail()) == ["integer division or modulo by zero"]


@pytest.mark.parametrize("when", [float("inf"), 1e300])
def test_a_moment_beyond_all_loops_is_waited_for_all_the_same(run: Any, when: float) -> None:
    async def wait_for_ever() -> None:
        wheel = make_wheel()
        timer = wheel.call_at(when, pytest.fail)
        await wait(wheel, 0.001)
        timer.cancel()

    run(wait_for_ever())


def test_a_long_wait_is_made_of_several(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(wheel_module, "LONGEST_SLEEP_S", 0.002)
    monkeypatch.setattr(wheel_module, "make_alarm", LoopAlarm)

    async def wait_long() -> None:
        when, now = await wait(make_wheel(), 0.009)
        assert now >= when

    asyncio.run(wait_long())


@pytest.mark.skipif(sys.platform != "linux", reason="tells open files by /proc, and uses timerfd on Linux alone")
def test_nothing_is_open_while_nobody_waits(run: Any) -> None:
    async def look() -> None:
        wheel = make_wheel()
        assert not list_timer_files()
        first, second = (wheel.call_at(time.monotonic() + 60, pytest.fail) for _ in range(2))
        assert len(list_timer_files()) == (wheel_module.make_alarm is make_alarm)
        first.cancel()
        second.cancel()
        assert not list_timer_files()
        await wait(wheel, 0.001)
        await asyncio.sleep(0)
        assert not list_timer_files()

    run(look())


@pytest.mark.skipif(sys.platform != "linux", reason="tells open files by /proc")
def test_a_loop_that_is_closed_with_timers_leaves_no_file_open() -> None:
    async def leave() -> None:
        make_wheel().call_at(time.monotonic() + 60, pytest.fail)
        assert len(list_timer_files()) == 1

    asyncio.run(leave())
    gc.collect()
    assert not list_timer_files()


def list_timer_files() -> list[str]:
    """The timers of the system that this process has open."""
    links = []
    for file in Path("/proc/self/fd").iterdir():
        try:
            links.append(os.readlink(file))
        except FileNotFoundError:  # the one that lists
            continue
    return [link for link in links if "timerfd" in link]


def test_where_the_system_has_no_such_timers_the_loops_own_are_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    async def make() -> None:
        assert isinstance(make_alarm(asyncio.get_running_loop(), pytest.fail), LoopAlarm)

    monkeypatch.setattr(sys, "platform", "elsewhere")
    asyncio.run(make())


@given(st.lists(st.tuples(st.floats(0, 0.004), st.booleans()), max_size=30))
def test_every_timer_that_is_not_cancelled_is_called_once_and_none_early(told: list[tuple[float, bool]]) -> None:
    async def play() -> list[tuple[int, float]]:
        wheel, calls = make_wheel(), list[tuple[int, float]]()
        now = time.monotonic()
        timers = [
            wheel.call_at(now + delay_s, lambda k=k: calls.append((k, time.monotonic() - now)))  # type: ignore[misc]
            for k, (delay_s, _) in enumerate(told)
        ]
        for timer, (_, is_cancelled) in zip(timers, told, strict=True):
            if is_cancelled:
                timer.cancel()
        await wait(wheel, 0.005)
        return calls

    calls = asyncio.run(play())
    assert sorted(k for k, _ in calls) == [k for k, (_, is_cancelled) in enumerate(told) if not is_cancelled]
    assert all(after_s >= told[k][0] for k, after_s in calls)


# Many timers: the time is given, and turns are made by hand


class Hands:
    """A wheel whose turns are made by hand, at the moments that are told; `set_for` is what its alarm was set for last."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now = 100.0
        self.set_for = 0.0
        self.calls: list[object] = []
        monkeypatch.setattr(wheel_module, "time", SimpleNamespace(monotonic=lambda: self.now))
        monkeypatch.setattr(wheel_module, "make_alarm", lambda loop, wake: self)
        self.wheel = Wheel(cast(asyncio.AbstractEventLoop, None))

    def set(self, when: float) -> None:
        self.set_for = when

    def close(self) -> None:
        self.set_for = 0.0

    def call_at(self, when: float, name: object) -> None:
        self.wheel.call_at(when, lambda: self.calls.append(name))

    def turn(self) -> list[object]:
        """What one turn calls."""
        before = len(self.calls)
        self.wheel._turn()
        return self.calls[before:]


@pytest.fixture
def hands(monkeypatch: pytest.MonkeyPatch) -> Hands:
    return Hands(monkeypatch)


@given(st.lists(st.integers(0, 300), min_size=1, max_size=400))
@example([*range(5 * MOST)])
@example([7] * (5 * MOST))
@example([3, *[7] * (5 * MOST), 8])
def test_a_turn_calls_a_part_of_what_is_due_and_the_next_goes_on_at_once(ticks: list[int]) -> None:
    with pytest.MonkeyPatch.context() as monkeypatch:
        hands = Hands(monkeypatch)
        for number, tick in enumerate(ticks):
            hands.call_at(100 + tick / TICKS_PER_S, (tick, number))
        hands.now += 1.0
        turns = []
        while hands.set_for:
            assert hands.set_for <= hands.now
            turns.append(hands.turn())
        assert [call for turn in turns for call in turn] == sorted((tick, number) for number, tick in enumerate(ticks))
        assert [len(turn) for turn in turns[:-1]] == [MOST] * (len(turns) - 1)


def test_who_yields_stands_behind_those_who_are_due_however_many_yield(hands: Hands) -> None:
    def go_on() -> None:
        hands.wheel.call_at(0.0, go_on)

    for _ in range(3 * MOST):
        go_on()
    hands.turn()
    hands.call_at(hands.now + 0.001, "due")
    hands.now += 0.01
    assert any(hands.turn() for _ in range(4))


def test_where_many_are_due_the_next_turn_is_a_millisecond_later_and_with_few_at_the_next_tick(hands: Hands) -> None:
    for count, next_s in ((MANY - 1, 1 / TICKS_PER_S), (MANY, MANY_EVERY_S)):
        began = hands.now
        for number in range(count):
            hands.call_at(began, number)
        hands.call_at(began + 1 / TICKS_PER_S, "the next tick")
        assert len(hands.turn()) == count
        assert hands.set_for == pytest.approx(began + next_s)
        hands.now = began + 1
        assert hands.turn() == ["the next tick"]


def test_after_many_who_yields_waits_for_nothing_all_the_same(hands: Hands) -> None:
    for number in range(MANY):
        hands.call_at(hands.now, number)
    hands.call_at(hands.now + 60, "later")
    hands.turn()
    hands.call_at(0.0, "yields")
    assert hands.set_for <= hands.now
    assert hands.turn() == ["yields"]


def test_who_yields_to_one_who_is_due_already_waits_for_nothing_either(hands: Hands) -> None:
    for number in range(MANY):
        hands.call_at(hands.now, number)
    hands.wheel.call_at(hands.now, lambda: hands.call_at(hands.now, "set in the turn"))
    hands.turn()
    assert hands.set_for > hands.now
    hands.call_at(0.0, "yields")
    assert hands.set_for <= hands.now
    assert hands.turn() == ["set in the turn", "yields"]


def test_what_a_cancelled_timer_would_have_called_is_not_kept(hands: Hands) -> None:
    class Callback:
        def __call__(self) -> None:
            pytest.fail("cancelled")

    callback = Callback()
    gone = weakref.ref(callback)
    timer = hands.wheel.call_at(hands.now + 3600, callback)
    hands.call_at(hands.now + 3600, "another")
    timer.cancel()
    del callback
    assert gone() is None


def test_a_timer_that_has_called_may_be_set_again_and_then_cancelled(hands: Hands) -> None:
    timer = hands.wheel.call_at(hands.now, lambda: hands.calls.append("called"))
    assert hands.turn() == ["called"]
    timer.again(hands.now + 1)
    assert hands.set_for == pytest.approx(hands.now + 1)
    hands.now += 1
    assert hands.turn() == ["called"]
    timer.again(hands.now + 1)
    timer.cancel()
    hands.now += 1
    assert hands.turn() == []
    assert not hands.set_for
