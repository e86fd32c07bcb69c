"""Coroutines that run at once: most answers wait for nothing, and cost no task.

Python has such tasks of its own from 3.12 on (`asyncio.eager_task_factory`); this is the same for every version and loop.
"""

import asyncio
from collections.abc import Coroutine, Generator
from types import coroutine
from typing import Any


def begin(work: Coroutine[Any, Any, None], loop: asyncio.AbstractEventLoop) -> "asyncio.Task[None] | None":
    """Run `work` up to where it first waits; returns the task that goes on with it, None where it has ended.

    Before it waits it is no task, so it must not ask for the current one. What it raises by then is raised here.
    """
    try:
        awaited = work.send(None)
    except StopIteration:
        return None
    task = loop.create_task(_go_on(work, awaited))
    task.add_done_callback(lambda _: work.close())  # a task that is cancelled before its first step tells nobody
    return task


async def _go_on(work: Coroutine[Any, Any, None], awaited: Any) -> None:
    await _pass_on(work, awaited)


@coroutine
def _pass_on(work: Coroutine[Any, Any, None], awaited: Any) -> Generator[Any, Any, None]:
    """Yield what `work` waits for to the task, and to `work` what the task has to say, as `await` does."""
    while True:
        try:
            try:
                sent = yield awaited
            except BaseException as error:
                awaited = work.throw(error)
            else:
                awaited = work.send(sent)
        except StopIteration:
            return
