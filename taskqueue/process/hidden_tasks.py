"""Tasks that `asyncio.all_tasks` does not return.

User code cancels and awaits `asyncio.all_tasks` to end what it has started. On a loop where
handlers run, that would cancel our own tasks as well.
"""

import asyncio
from asyncio import _unregister_task  # for task implementations; see "Extending asyncio"
from collections.abc import Coroutine
from typing import Any, TypeVar
from weakref import WeakKeyDictionary, WeakSet

T = TypeVar("T")

_hidden: "WeakKeyDictionary[asyncio.AbstractEventLoop, WeakSet[asyncio.Task[Any]]]"
_hidden = WeakKeyDictionary()


def hidden_task(
    work: Coroutine[Any, Any, T],
    *,
    loop: asyncio.AbstractEventLoop | None = None,
    name: str | None = None,
) -> "asyncio.Task[T]":
    """Run a coroutine in a task that `asyncio.all_tasks` does not return.

    Args:
        work: the coroutine.
        loop: this thread's loop; None: the running one.
        name: of the task.
    """
    # Not with `loop.create_task`: user code may have set a task factory.
    task = asyncio.Task(work, loop=loop or asyncio.get_running_loop(), name=name)
    hide(task)
    return task


def hide(task: "asyncio.Task[Any]") -> None:
    """Take a task of this thread's loop out of `asyncio.all_tasks`."""
    _unregister_task(task)
    loop = task.get_loop()
    tasks = _hidden.get(loop)
    if tasks is None:
        tasks = _hidden[loop] = WeakSet()
    tasks.add(task)


def hidden_tasks(loop: asyncio.AbstractEventLoop) -> "set[asyncio.Task[Any]]":
    """Return the unfinished hidden tasks of this thread's loop."""
    return {task for task in _hidden.get(loop, ()) if not task.done()}
