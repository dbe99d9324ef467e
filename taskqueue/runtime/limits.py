"""Time limits of starts: a start that takes too long leaves no actor behind."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeVar

from taskqueue.errors import StartTimeout
from taskqueue.runtime.cancellation import is_being_cancelled
from taskqueue.runtime.cell import Cell, current_cell

R = TypeVar("R")


async def start_within(limit_s: float, start: Callable[[], Awaitable[R]]) -> R:
    """Call and await `start`, which starts actors, in the task of the current actor.

    After `limit_s` seconds it is cancelled, and the actors that it started and linked are killed;
    one that does not react is abandoned. Their names are free when this raises. A start function
    that swallows its cancellation has failed, whatever it returns.

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
        if limit.expired() and not is_being_cancelled():
            await _kill(starter, begun)
            raise StartTimeout(limit_s)


async def _kill(starter: Cell, begun: list[Cell]) -> None:
    alive = [cell for cell in begun if cell.exit_reason is None]
    for cell in alive:
        starter.unlink(cell)
        cell.kill()
    for cell in alive:
        await cell.ended()
