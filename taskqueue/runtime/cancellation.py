"""Cancellation: who cancelled a task, and how to finish work in spite of it."""

import asyncio
from collections.abc import Awaitable
from typing import Any

from taskqueue.foreign.inspection import is_a


def is_being_cancelled() -> bool:
    """Return whether the current task was told to end.

    A `CancelledError` without that comes from what the task awaited.
    """
    task = asyncio.current_task()
    return task is not None and task.cancelling() > 0


def is_torn_down(error: BaseException, task: "asyncio.Task[Any] | None") -> bool:
    """Return whether the coroutine of `task` is being closed because its loop was closed.

    Nothing can be awaited any more then. A `GeneratorExit` that a handler raises while the task
    runs is a crash like any other.
    """
    if task is None or not is_a(error, GeneratorExit):
        return False
    return asyncio.current_task(task.get_loop()) is not task


async def undisturbed(work: Awaitable[object]) -> None:
    """Await `work` to its end, even if the current task is cancelled meanwhile."""
    task = asyncio.ensure_future(work)
    while not task.done():
        try:
            await asyncio.shield(task)
        except asyncio.CancelledError:
            continue
    task.result()
