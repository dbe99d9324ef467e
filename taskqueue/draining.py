"""Lets running handlers finish before the tree is stopped."""

import asyncio
import contextlib
from collections.abc import Coroutine
from time import monotonic
from typing import Any, TypeVar

from taskqueue.actors.messages import Drain
from taskqueue.errors import ActorUnavailable, AskTimeout
from taskqueue.runtime import ActorRef, Address, ask

# How often the queue actor is looked for while it is being restarted.
QUEUE_RETRY_S = 0.1

# How long the queue actor may take to answer that the drain is cut short.
HURRY_S = 1.0

T = TypeVar("T")


async def drain(queue: Address, root: ActorRef, drain_s: float, hurry: asyncio.Event) -> None:
    """Hand out nothing more, and wait until nothing runs, but not longer than `drain_s`.

    HTTP stays open while handlers run, so that they can be seen and cancelled. Once `hurry` is set
    the handlers are cut.
    """
    await unless(hurry, _drained(queue, root, monotonic() + drain_s))
    if hurry.is_set():
        with contextlib.suppress(ActorUnavailable, AskTimeout):
            await ask(queue, Drain(deadline=monotonic()), timeout_s=HURRY_S)


async def _drained(queue: Address, root: ActorRef, deadline: float) -> None:
    """Have the queue drain, and the next one if it dies meanwhile, while there is a tree."""
    while monotonic() < deadline and root.is_alive():
        try:
            await ask(queue, Drain(deadline=deadline), timeout_s=None)
        except ActorUnavailable:
            await asyncio.sleep(QUEUE_RETRY_S)
        else:
            return


async def unless(stop: asyncio.Event, work: Coroutine[Any, Any, T]) -> T | None:
    """Return what `work` returns; None if `stop` is set before, which cancels it."""
    working = asyncio.create_task(work)
    stopped = asyncio.create_task(stop.wait())
    await asyncio.wait({stopped, working}, return_when=asyncio.FIRST_COMPLETED)
    stopped.cancel()
    if not working.done():
        working.cancel()
        await asyncio.wait({working})
        return None
    return await working
