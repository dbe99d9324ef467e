"""Where the tasks of an app go: to the service that runs in this process, else to a client's.

attached   a service of this process               await action.enqueue()
connected  app.connect(url), or TASKQUEUE_URL      action.enqueue_sync(), too
"""

import asyncio
import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from typing import Protocol

from taskqueue.client.address import URL_VARIABLE
from taskqueue.client.sync import Client
from taskqueue.errors import NotRunning, WouldBlock
from taskqueue.rules import keys
from taskqueue.rules.tasks import Accepted, NewTask

MAX_THREADS = 16
"""How many requests of one app are on their way at most, when it enqueues through a client."""


class Enqueuer(Protocol):
    """The running service, as an app needs it."""

    async def enqueue(self, tasks: Sequence[NewTask]) -> tuple[Accepted, ...]:
        """Accept `tasks` as `Storage.insert` does; durable when this returns."""
        ...


class Destination:
    """Where an app's tasks go, whatever process it is used in."""

    def __init__(self) -> None:
        self._enqueuer: Enqueuer | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._client: Client | None = None
        self._threads: ThreadPoolExecutor | None = None

    @property
    def is_attached(self) -> bool:
        """Whether a service of this process takes the tasks."""
        return self._enqueuer is not None

    def attach(self, enqueuer: Enqueuer) -> None:
        """Send tasks to a service whose loop is running here."""
        self._enqueuer, self._loop = enqueuer, asyncio.get_running_loop()

    def detach(self) -> None:
        """Forget the service."""
        self._enqueuer = self._loop = None

    def connect(self, client: Client) -> None:
        """Send tasks through this client while no service is attached."""
        self._client = client

    def disconnect(self) -> None:
        """Forget the client, and close its connections."""
        if self._client is not None:
            self._client.close()
        self._client = None

    async def enqueue(self, tasks: Sequence[NewTask]) -> tuple[str, ...]:
        """Accept prepared tasks; return their ids. See `App.enqueue`."""
        if self._enqueuer is not None:
            return _ids_of(tasks, await self._enqueuer.enqueue(tasks))
        client = self._required_client(tasks)
        if self._threads is None:
            self._threads = ThreadPoolExecutor(MAX_THREADS, thread_name_prefix="taskqueue-client")
        loop = asyncio.get_running_loop()
        context = copy_context()  # of which trace the tasks are part
        return await loop.run_in_executor(
            self._threads, context.run, _enqueue_through, client, tasks
        )

    def enqueue_sync(self, tasks: Sequence[NewTask]) -> tuple[str, ...]:
        """Accept prepared tasks from a thread without a running loop; return their ids."""
        if self._enqueuer is None or self._loop is None:
            return _enqueue_through(self._required_client(tasks), tasks)
        if _is_running_here(self._loop):
            raise WouldBlock("enqueue_sync", "await enqueue(…)")
        asked = asyncio.run_coroutine_threadsafe(self.enqueue(tasks), self._loop)
        return asked.result()

    def _required_client(self, tasks: Sequence[NewTask]) -> Client:
        if self._client is None:
            if not os.environ.get(URL_VARIABLE):
                raise NotRunning(tuple(task.action for task in tasks))
            self._client = Client()
        return self._client


def _is_running_here(loop: asyncio.AbstractEventLoop) -> bool:
    try:
        return asyncio.get_running_loop() is loop
    except RuntimeError:
        return False


def _enqueue_through(client: Client, tasks: Sequence[NewTask]) -> tuple[str, ...]:
    return tuple(task.id for task in client.enqueue_many(tasks))


def _ids_of(tasks: Sequence[NewTask], answers: Sequence[Accepted]) -> tuple[str, ...]:
    keys.refuse_unaccepted(tasks, answers)
    return tuple(answer.id for answer in answers)
