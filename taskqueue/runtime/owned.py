"""The tasks and resources of an actor, which end with it."""

import asyncio
from collections.abc import Coroutine
from typing import Any

from taskqueue.errors import ActorUnavailable
from taskqueue.events import events
from taskqueue.process.eager_tasks import begin
from taskqueue.runtime.cancellation import is_torn_down, undisturbed
from taskqueue.runtime.cell import Cell, Closer, current_cell
from taskqueue.runtime.exits import Crash, Exit, reason_of


def start_task(cell: Cell, work: Coroutine[Any, Any, None]) -> "asyncio.Task[None]":
    """Run a coroutine that is part of an actor.

    Raises:
        ActorUnavailable: the actor has ended; the coroutine was not started.
    """
    if cell.sealed:
        work.close()
        raise ActorUnavailable(cell.label, cell.exit_reason)
    task = cell.host.create_task(_guard(cell, work))
    if cell.tasks is None:
        cell.tasks = set()
    cell.tasks.add(task)
    task.add_done_callback(cell.tasks.discard)
    task.add_done_callback(lambda _: work.close())  # if it was cancelled before its first step
    return task


def begin_task(cell: Cell, work: Coroutine[Any, Any, None]) -> "asyncio.Task[None]":
    """Run a coroutine that is part of an actor, in the actor's context.

    Its first step runs before this returns.

    Raises:
        ActorUnavailable: as `start_task`.
    """
    if cell.sealed:
        work.close()
        raise ActorUnavailable(cell.label, cell.exit_reason)
    if cell.tasks is None:
        cell.tasks = set()
    context = cell.context.copy()
    task, steps = cell.host.new_task(_guard_begun(cell, work, cell.tasks), context)
    cell.tasks.add(task)
    interrupted = cell.host.interrupted
    interrupted.append(current_cell.get())
    try:
        begin(task, steps, context)
    finally:
        interrupted.pop()
    return task


async def _guard_begun(
    cell: Cell, work: Coroutine[Any, Any, None], tasks: "set[asyncio.Task[None]]"
) -> None:
    task = asyncio.current_task(cell.host.loop)
    try:
        await _guard(cell, work)
    finally:
        if task is not None:
            tasks.discard(task)


async def _guard(cell: Cell, work: Coroutine[Any, Any, None]) -> None:
    """Run `work`; make its crash the actor's. Nothing leaves the task: asyncio would let a
    SystemExit out of the loop and take the whole host down.
    """
    task = asyncio.current_task(cell.host.loop)  # user code may hide that this loop runs
    try:
        await work
    except asyncio.CancelledError as cancelled:
        if task is not None and task.cancelling() > 0:
            raise
        cell.fail(Crash(cancelled))  # what it waited for was cancelled
    except Exit as exit_:
        cell.fail(reason_of(exit_))
    except BaseException as crash:  # the top of the runtime: a crash is an exit
        if is_torn_down(crash, task):
            raise
        cell.fail(Crash(crash))


async def release(cell: Cell) -> None:
    """Cancel an actor's tasks and close its resources, last first. A kill does not interrupt it."""
    tasks = tuple(cell.tasks or ())
    for task in tasks:
        task.cancel()
    cell.host.show_loop()
    if tasks:
        await undisturbed(asyncio.wait(tasks, timeout=cell.system.kill_grace_s))
    while cell.owned:
        await undisturbed(_close(cell, cell.owned.pop()))


def release_without_loop(cell: Cell) -> None:
    """Close those of an actor's resources, last first, that need no loop for that."""
    while cell.owned:
        try:
            closing = cell.owned.pop()()
        except BaseException as error:  # noqa: BLE001 - as in `_close`
            events.error("actor_close_failed", actor=cell.label, exc_info=error)
        else:
            if asyncio.iscoroutine(closing):
                closing.close()


async def _close(cell: Cell, closer: Closer) -> None:
    """Close one resource. A failure is only reported."""
    task = asyncio.current_task(cell.host.loop)
    try:
        closing = closer()
        cell.host.show_loop()
        if closing is not None:
            await closing
    except BaseException as error:  # as in `_guard`, nothing may leave the task
        if is_torn_down(error, task):
            raise
        events.error("actor_close_failed", actor=cell.label, exc_info=error)
