import asyncio
from collections.abc import Coroutine
from types import SimpleNamespace
from typing import Any

import pytest

from mockserver.eager import begin


def test_what_waits_for_nothing_has_ended_and_made_no_task() -> None:
    done: list[str] = []

    async def work() -> None:
        done.append("all of it")

    async def run() -> None:
        assert begin(work(), asyncio.get_running_loop()) is None
        assert done == ["all of it"]
        assert asyncio.all_tasks() == {asyncio.current_task()}

    asyncio.run(run())


def test_what_it_raises_before_it_waits_is_raised_at_once() -> None:
    async def work() -> None:
        raise ZeroDivisionError

    async def run() -> None:
        with pytest.raises(ZeroDivisionError):
            begin(work(), asyncio.get_running_loop())

    asyncio.run(run())


def test_what_waits_goes_on_as_a_task_with_what_it_waited_for() -> None:
    heard: list[object] = []

    async def work(first: "asyncio.Future[int]", second: "asyncio.Future[int]") -> None:
        heard.append(await first)
        await asyncio.sleep(0)
        try:
            await second
        except ZeroDivisionError as error:
            heard.append(error)

    async def run() -> None:
        loop = asyncio.get_running_loop()
        first, second = loop.create_future(), loop.create_future()
        task = begin(work(first, second), loop)
        assert task is not None
        await asyncio.sleep(0)
        assert heard == []
        first.set_result(1)
        second.set_exception(error := ZeroDivisionError())
        await task
        assert heard == [1, error]

    asyncio.run(run())


def test_a_task_that_is_cancelled_tells_what_waits() -> None:
    heard: list[str] = []

    async def work() -> None:
        try:
            await asyncio.get_running_loop().create_future()
        except asyncio.CancelledError:
            heard.append("cancelled")
            await asyncio.sleep(0)
            heard.append("and cleaned up")

    async def run() -> None:
        task = begin(work(), asyncio.get_running_loop())
        assert task is not None
        await asyncio.sleep(0)
        task.cancel()
        await task
        assert heard == ["cancelled", "and cleaned up"]

    asyncio.run(run())


def test_what_it_raises_later_is_the_tasks() -> None:
    async def work() -> None:
        await asyncio.sleep(0)
        raise ZeroDivisionError

    async def run() -> None:
        task = begin(work(), asyncio.get_running_loop())
        assert task is not None
        with pytest.raises(ZeroDivisionError):
            await task

    asyncio.run(run())


def test_work_whose_task_is_thrown_away_is_closed() -> None:
    heard: list[str] = []

    class Loop:
        def create_task(self, going_on: Coroutine[Any, Any, None]) -> SimpleNamespace:
            return SimpleNamespace(going_on=going_on, add_done_callback=lambda call: None)

    async def work() -> None:
        try:
            await asyncio.sleep(0)
        finally:
            heard.append("closed")

    going_on = begin(work(), Loop()).going_on  # type: ignore[arg-type, union-attr]
    going_on.send(None)
    assert heard == []
    going_on.close()
    assert heard == ["closed"]


def test_work_whose_task_is_cancelled_before_its_first_step_is_closed() -> None:
    heard: list[str] = []

    async def work() -> None:
        try:
            await asyncio.get_running_loop().create_future()
        finally:
            heard.append("closed")

    async def run() -> None:
        task = begin(work(), asyncio.get_running_loop())
        assert task is not None
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert heard == ["closed"]

    asyncio.run(run())
