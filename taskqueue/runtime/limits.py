"""Limits on starts: one that takes too long leaves nobody behind."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeVar

from taskqueue.errors import StartTimeout
from taskqueue.runtime.cell import Cell, current_cell

R = TypeVar("R")


async def start_within(limit_s: float, start: Callable[[], Awaitable[R]]) -> R:
    """Call and await `start`, which starts actors, in the task of the current actor.

    After `limit_s` seconds it is cancelled, and whomever it started and linked is killed; one that
    does not notice is abandoned. Their names are free when this raises. A start function that
    swallows its cancellation is late all the same, whatever it comes back with.

    Raises:
        StartTimeout: it took longer.
    """
    starter = current_cell.get()
    if starter is None:
        raise RuntimeError("start_within is for actors")
    begun: list[Cell] = []
    starter.begun = begun
    limit = asyncio.timeout(limit_s)
    try:
        async with limit:
            return await start()
    finally:
        starter.begun = None
        if limit.expired() and not _is_being_cancelled():
            await _kill(starter, begun)
            raise StartTimeout(limit_s)


def _is_being_cancelled() -> bool:
    task = asyncio.current_task()
    return task is not None and task.cancelling() > 0


async def _kill(starter: Cell, begun: list[Cell]) -> None:
    alive = [cell for cell in begun if cell.exit_reason is None]
    for cell in alive:
        starter.unlink(cell)
        cell.kill()
    for cell in alive:
        await cell.ended()
