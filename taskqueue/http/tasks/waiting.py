"""Clients that wait for the ends of tasks and groups.

If an event is lost, a client's wait ends when its time is up, with the truth from the row.
"""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager

from taskqueue.http import problems
from taskqueue.http.server.large import Client
from taskqueue.task_ends import TaskEnds, wake

MOST = 1_000


class TaskWaits(TaskEnds):
    """The clients that wait, by what they wait for; see `TaskEnds`."""

    def __init__(self, most: int = MOST) -> None:
        """Begin with none; there may be `most`, so that other requests find a connection."""
        super().__init__()
        self._most = most

    @contextmanager
    def registered(self, key: str) -> Iterator["asyncio.Future[None]"]:
        """Yield a future that is done once it has ended: from here on no end is missed.

        Raises:
            Problem: 503, too many clients wait.
        """
        if self.count >= self._most:
            raise problems.unavailable("too many waits", f"At most {self._most} clients can wait.")
        with super().registered(key) as ended:
            yield ended

    async def wait(self, ended: "asyncio.Future[None]", wait_s: float, client: Client) -> None:
        """Wait for an end, for `wait_s` at most; a client that leaves is not waited for."""
        client.on_leave(lambda: wake(ended))
        timer = asyncio.get_running_loop().call_later(wait_s, wake, ended)
        try:
            await ended
        finally:
            timer.cancel()
