"""Runs a coroutine in an asyncio task of its own, from its first step on.

    caller ─▶ first step, as the new task ─▶ returned: its value, without a turn of the loop
                                        └──▶ waits: the loop runs the task, the caller awaits it

User code reaches its own task with `asyncio.current_task()`, keeps it, and cancels it from a timer
at any later time. So that task must be neither the caller's nor used again. Python 3.12 has eager
tasks for this; 3.11 does not, and a turn of the loop costs as much as a short handler.
"""

import asyncio

# For task implementations; see "Extending asyncio" in Python's documentation.
from asyncio import _enter_task, _leave_task
from collections.abc import Callable, Coroutine
from contextvars import copy_context
from typing import Any, NoReturn, TypeVar

from taskqueue.process.hidden_tasks import hide

T = TypeVar("T")


async def eagerly(coroutine: Coroutine[Any, Any, T]) -> T:
    """Run `coroutine` in a task and a copied context of its own; return what it returns.

    A cancellation of the caller is passed on to it. One that arrives after it has returned does not
    cost its value.
    """
    loop, caller = asyncio.get_running_loop(), asyncio.current_task()
    assert caller is not None  # noqa: S101 - a coroutine is always run by a task
    context = copy_context()
    steps = _Steps(coroutine, loop)
    # Not with `loop.create_task`: user code may have set a task factory.
    task: asyncio.Task[T] = asyncio.Task(steps, loop=loop, context=context)
    _leave_task(loop, caller)
    _enter_task(loop, task)
    try:
        context.run(steps.take_first)
    finally:
        _leave_task(loop, task)
        _enter_task(loop, caller)
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
    loop, caller = asyncio.get_running_loop(), asyncio.current_task()
    assert caller is not None  # noqa: S101 - a coroutine is always run by a task
    _leave_task(loop, caller)
    try:
        return call()
    finally:
        asyncio._set_running_loop(loop)  # noqa: SLF001 - as in `_Steps`
        _enter_task(loop, caller)


class _Steps(Coroutine[Any, Any, T]):
    """A coroutine whose first step is taken before its task begins to run it."""

    __slots__ = ("_coroutine", "_first", "_loop", "returned", "value")

    def __init__(self, coroutine: Coroutine[Any, Any, T], loop: asyncio.AbstractEventLoop) -> None:
        self.returned = False
        self.value: T
        self._coroutine = coroutine
        self._loop = loop
        self._first: Callable[[], Any] | None = None  # what came of it, until the task asks

    def take_first(self) -> None:
        """Take the first step."""
        try:
            waits_for = self._coroutine.send(None)
        except StopIteration as ended:
            self.returned, self.value = True, ended.value
        except BaseException as error:  # noqa: BLE001 - it is the task's to raise
            self._first = _raising(error)
        else:
            self._first = lambda: waits_for
        finally:
            self._show_loop()

    def send(self, value: Any) -> Any:
        """Take the next step, for the task."""
        if self.returned:
            raise StopIteration(self.value)
        first, self._first = self._first, None
        return self._step(self._coroutine.send, value) if first is None else first()

    def throw(self, error: Any, *_: Any) -> Any:
        """Take the next step with an exception, for the task."""
        if self.returned:
            raise StopIteration(self.value)
        first, self._first = self._first, None
        if first is not None:
            # The task was cancelled before it could wait. As in `Task.cancel`, what it waits for is
            # cancelled, and the coroutine only if that cannot be.
            waits_for = first()
            if asyncio.isfuture(waits_for) and waits_for.cancel(*error.args):
                return waits_for
        return self._step(self._coroutine.throw, error)

    def close(self) -> None:
        """Close the coroutine."""
        self._coroutine.close()

    def __await__(self) -> NoReturn:
        """Refuse: only its task runs it."""
        raise RuntimeError("this coroutine is run by its task")

    def __getattr__(self, name: str) -> Any:
        """Show the coroutine's own name, code and frame to debuggers."""
        return getattr(self._coroutine, name)

    def _step(self, resume: Callable[[Any], Any], value: Any) -> Any:
        try:
            return resume(value)
        except StopIteration as ended:
            self.returned, self.value = True, ended.value
            raise
        finally:
            self._show_loop()

    def _show_loop(self) -> None:
        """Take back that the step has hidden the loop from what runs next, or shown another."""
        asyncio._set_running_loop(self._loop)  # noqa: SLF001 - there is no public way


def _raising(error: BaseException) -> Callable[[], NoReturn]:
    def first() -> NoReturn:
        raise error

    return first
