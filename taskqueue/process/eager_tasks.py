"""Eager tasks: the first step of a task runs at once, not in the next turn of the loop.

Python 3.12 has them; 3.11 does not, and a turn of the loop costs as much as a short handler.
"""

import asyncio

# For task implementations; see "Extending asyncio" in Python's documentation.
from asyncio import _enter_task, _leave_task
from collections.abc import Callable, Coroutine
from contextvars import Context
from typing import Any, NoReturn, TypeVar

T = TypeVar("T")


def new_task(
    coroutine: Coroutine[Any, Any, T], loop: asyncio.AbstractEventLoop, context: Context
) -> "tuple[asyncio.Task[T], Steps[T]]":
    """Return a task of the running loop that has not begun, and the object that begins it."""
    steps = Steps(coroutine, loop)
    # Not with `loop.create_task`: user code may have set a task factory.
    return asyncio.Task(steps, loop=loop, context=context), steps


def begin(task: "asyncio.Task[T]", steps: "Steps[T]", context: Context) -> None:
    """Run the first step of a new task, possibly inside a step of another task."""
    loop = steps.loop
    caller = asyncio.current_task(loop)
    if caller is not None:
        _leave_task(loop, caller)
    _enter_task(loop, task)
    try:
        context.run(steps.take_first)
    finally:
        _leave_task(loop, task)
        if caller is not None:
            _enter_task(loop, caller)


class Steps(Coroutine[Any, Any, T]):
    """A coroutine whose first step runs before its task does."""

    __slots__ = ("_coroutine", "_first", "loop", "returned", "value")

    def __init__(self, coroutine: Coroutine[Any, Any, T], loop: asyncio.AbstractEventLoop) -> None:
        self.returned = False
        self.value: T
        self._coroutine = coroutine
        self.loop = loop
        self._first: Callable[[], Any] | None = (
            None  # the result of the first step, until the task takes it
        )

    def take_first(self) -> None:
        """Run the first step."""
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
        """Run the next step, for the task."""
        if self.returned:
            raise StopIteration(self.value)
        first, self._first = self._first, None
        return self._step(self._coroutine.send, value) if first is None else first()

    def throw(self, error: Any, *_: Any) -> Any:
        """Run the next step with an exception, for the task."""
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
        """Refuse to be awaited: only its task runs it."""
        raise RuntimeError("this coroutine is run by its task")

    def __getattr__(self, name: str) -> Any:
        """Show the coroutine's own name, code and frame to debuggers."""
        return getattr(self._coroutine, name)

    def _step(self, resume: Callable[[Any], Any], value: Any) -> Any:
        self._show_loop()  # another callback of this turn may have unset it
        try:
            return resume(value)
        except StopIteration as ended:
            self.returned, self.value = True, ended.value
            raise
        finally:
            self._show_loop()

    def _show_loop(self) -> None:
        """Set the running loop again, in case the step has changed or unset it."""
        asyncio._set_running_loop(self.loop)  # noqa: SLF001 - there is no public way


def _raising(error: BaseException) -> Callable[[], NoReturn]:
    def first() -> NoReturn:
        raise error

    return first
