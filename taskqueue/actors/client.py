"""The way from user code into the running service."""

from collections.abc import Sequence

from taskqueue.actors.messages import Enqueue
from taskqueue.actors.runtime import Address, ask
from taskqueue.tasks import Accepted, NewTask


class QueueClient:
    """Enqueues through whoever is the queue now; usable on every host."""

    def __init__(self, queue: Address) -> None:
        self._queue = queue

    async def enqueue(self, tasks: Sequence[NewTask]) -> tuple[Accepted, ...]:
        """Accept `tasks` as `Storage.insert` does; durable when this returns.

        Raises:
            StorageUnavailable: the storage is away. They may or may not have been accepted.
            ActorError: there is no queue now, or it did not answer; likewise.
        """
        return await ask(self._queue, Enqueue(tasks=tuple(tasks)))
