"""taskqueue's own client as a producer, over HTTP."""

from collections.abc import Sequence

from benchmarks.peers.ours_app import note
from taskqueue import Client
from taskqueue.rules.tasks import DEFAULT_QUEUE, Status


class ClientProducer:
    """Enqueues by name, as a program does that does not import the handlers."""

    def __init__(self, client: Client) -> None:
        self._client = client

    async def enqueue(self, number: int) -> None:
        """Enqueue one task."""
        self._client.enqueue("note", number=number)

    async def enqueue_many(self, numbers: Sequence[int]) -> None:
        """Enqueue lists of tasks, each as large as one request may be."""
        self._client.enqueue_many([note.prepare(number=number) for number in numbers])


class HTTPProducer(ClientProducer):
    """The same, of a service that has to run meanwhile."""

    async def finished(self) -> int:
        """Return how many are completed."""
        return self._client.count_tasks().tasks[Status.COMPLETED]

    async def pause(self) -> None:
        """Have the service hand out no tasks."""
        self._client.pause(DEFAULT_QUEUE)

    async def resume(self) -> None:
        """Have it hand them out."""
        self._client.resume(DEFAULT_QUEUE)
