"""A queue of a service, for programs with threads."""

from collections.abc import Iterator

from msgspec import UNSET

from taskqueue.client import queue_calls as calls
from taskqueue.client.routes import Route
from taskqueue.client.views import FlowInfo
from taskqueue.rules.sizes import PoolSize, SizeChange, Wanted


class ClientQueue:
    """A queue in the service, known by its `name`. Safe to share among threads."""

    def __init__(self, route: Route, name: str) -> None:
        self._route = route
        self.name = name

    def __repr__(self) -> str:
        """Return the name, marked as a queue."""
        return f"<ClientQueue {self.name}>"

    def consumers(self) -> PoolSize:
        """Return how many consumers serve the queue, and how many handlers each runs at once.

        Raises:
            CallRefused: there is no such queue.
        """
        return self._route.do(calls.consumers(self.name))

    def resize(self, *, count: Wanted = UNSET, slots: Wanted = UNSET) -> PoolSize:
        """Change the consumers that serve the queue, also for after restarts; needs `admin`.

        No handler is interrupted by fewer slots, and consumers that are removed finish their
        running tasks. What is not given stays as it is; with None the configured number holds. A
        queue without consumers of its own shares them: `queues` of the answer names all that do.

        Args:
            count: how many there are, 0 to 1024.
            slots: how many handlers each of them runs at once, 1 to 1024.

        Raises:
            CallRefused: there is no such queue, or the process may not open files for so many.
        """
        return self._route.do(calls.resize(self.name, SizeChange(count=count, slots=slots)))

    def flows(self) -> Iterator[FlowInfo]:
        """Yield the flows that have tasks waiting for their turns, one page after the other.

        By priority and name. A queue whose tasks take no turns has none.

        Raises:
            CallRefused: there is no such queue.
        """
        cursor: str | None = None
        while True:
            page = self._route.do(calls.flows(self.name, cursor))
            yield from page.flows
            cursor = page.next
            if cursor is None:
                return
