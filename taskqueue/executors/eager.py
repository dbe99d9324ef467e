"""Runs a coroutine in an asyncio task of its own, from its first step on.

    caller ─▶ first step, as the new task ─▶ returned: its value, without a turn of the loop
                                        └──▶ waits: the loop runs the task, the caller awaits it

User code reaches its own task with `asyncio.current_task()`, keeps it, and cancels it from a timer
at any later time. So that task must be neither the caller's nor used again.
"""

import asyncio

# For task implementations; see "Extending asyncio" in Python's documentation.
from asyncio import _enter_task, _leave_task
from collections.abc import Callable, Coroutine
from contextvars import copy_context
from typing import Any, TypeVar

from taskqueue.process.eager_tasks import begin, new_task
from taskqueue.process.hidden_tasks import hide

T = TypeVar("T")


async def eagerly(coroutine: Coroutine[Any, Any, T], loop: asyncio.AbstractEventLoop) -> T:
    """Run `coroutine` in a task and a copied context of its own; return what it returns.

    `loop` is the one that runs: most callers know it, and asking takes as long as a call or two.

    A cancellation of the caller is passed on to it. One that arrives after it has returned does not
    cost its value.
    """
    context = copy_context()
    task, steps = new_task(coroutine, loop, context)
    begin(task, steps, context)
    if not steps.returned:
        hide(task)  # user code that cancels all tasks must not cancel its neighbours
        try:
            return await task
        except asyncio.CancelledError:
            if task.cancelled() and not steps.returned:
                raise
    # It has ended in its first step, or before the cancellation that has just arrived.
    return steps.value if steps.returned else task.result()


def outside_of_tasks(call: Callable[[], T]) -> T:
    """Call what runs code of values and errors, and return what it returns.

    There is no current task meanwhile: that would be the one of a slot, and not of a handler, and
    code that cancels it would end the slot.
    """
    loop = asyncio.get_running_loop()
    caller = asyncio.current_task(loop)
    assert caller is not None  # noqa: S101 - a coroutine is always run by a task
    _leave_task(loop, caller)
    try:
        return call()
    finally:
        asyncio._set_running_loop(loop)  # noqa: SLF001 - as in `Steps`
        _enter_task(loop, caller)
