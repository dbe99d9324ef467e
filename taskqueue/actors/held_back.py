"""Which queues nothing is claimed from, and how many of their tasks are due."""

from collections.abc import Awaitable, Callable

from taskqueue.actors.storage_client import StorageClient
from taskqueue.rules.health import QueueState
from taskqueue.rules.holds import HeldBack, idle_queues
from taskqueue.storage.limits import MOST_COUNTED
from taskqueue.storage.protocol import Storage


async def held_back(
    queues: Callable[[], Awaitable[tuple[QueueState, ...]]], storage: StorageClient, *, now: float
) -> tuple[HeldBack, ...]:
    """Return the due tasks of paused queues, and of those that no consumer serves."""
    served = {state.name for state in await queues() if state.consumers}
    paused = await storage.use(Storage.paused)
    due_at = await storage.use(Storage.all_due)
    reasons = idle_queues(due_at, paused.keys(), served, now=now)
    if not reasons:
        return ()
    due = await storage.use(Storage.count_due, tuple(reasons), limit=MOST_COUNTED, now=now)
    return tuple(
        HeldBack(queue=queue, reason=reason, tasks=due[queue]) for queue, reason in reasons.items()
    )
