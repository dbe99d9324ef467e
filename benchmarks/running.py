"""The whole service in this process, on a disk of its own: the tree as it is run, without its log.

async with running(app) as service:
    await no_op.enqueue(n=1)
    await service.ended(1)
"""

import asyncio
import tempfile
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path

from taskqueue.actors.client import QueueClient
from taskqueue.actors.messages import DATABASE, QUEUE
from taskqueue.actors.storage_client import StorageClient
from taskqueue.api.app import App
from taskqueue.assembly import Parts
from taskqueue.clock import SystemClock
from taskqueue.commands import GetReadiness, Pause, Resume
from taskqueue.process.interpreter import adapt_switch_interval, tune_gc
from taskqueue.rules.tasks import DEFAULT_QUEUE, ENDED, NewTask, Status
from taskqueue.runtime import System, ask
from taskqueue.service import Service
from taskqueue.settings import Settings
from taskqueue.storage.protocol import Storage
from taskqueue.storage.sqlite.connections.opener import WritesIn
from taskqueue.storage.sqlite.engine import SQLiteStorage
from taskqueue.testing.backend import Given

LOOK_S = 0.01


class Running:
    """A service that runs, and a look at its tasks."""

    def __init__(self, system: System) -> None:
        self.system = system
        self.queue = QueueClient(system.address(QUEUE))
        self.storage = StorageClient(system.address(DATABASE))

    async def insert(self, tasks: list[NewTask], at_once: int = 1_000) -> None:
        """Put tasks into the storage, past the queue actor."""
        for start in range(0, len(tasks), at_once):
            some = tasks[start : start + at_once]
            await self.storage.use(Storage.insert, some, now=SystemClock().now())

    async def ended(self, tasks: int) -> int:
        """Wait until so many tasks have ended; return how many have."""
        while (ended := await self._ended()) < tasks:  # noqa: ASYNC110 - each look costs, so seldom
            await asyncio.sleep(LOOK_S)
        return ended

    async def _ended(self) -> int:
        counts = await self.counts()
        return sum(counts[status] for status in ENDED)

    async def counts(self) -> Mapping[Status, int]:
        """Return how many tasks there are, by status."""
        return await self.storage.use(Storage.counts)

    async def pause(self) -> None:
        """Have the default queue hand out no tasks."""
        await ask(self.system.address(QUEUE), Pause(queue=DEFAULT_QUEUE))

    async def resume(self) -> None:
        """Have it hand them out."""
        await ask(self.system.address(QUEUE), Resume(queue=DEFAULT_QUEUE))

    async def ready(self) -> None:
        """Wait until tasks are accepted and worked on."""
        while not (await ask(self.system.address(QUEUE), GetReadiness())).ready:  # noqa: ASYNC110 - nobody tells
            await asyncio.sleep(LOOK_S)


@asynccontextmanager
async def running(
    app: App,
    settings: Settings | None = None,
    *,
    folder: Path | None = None,
    writes_in: WritesIn = "process",
) -> AsyncIterator[Running]:
    """Run the tree as `python -m taskqueue.supervisor` does, with `app` attached; no HTTP listener.

    `settings` are those of the command line, its defaults if None, but for the database: that is
    `tasks.db` in `folder`, or in a temporary folder that is gone afterwards.
    """
    with tempfile.TemporaryDirectory() as temporary:
        database = (folder or Path(temporary)) / "tasks.db"
        backend = Given(partial(SQLiteStorage, database, writes_in=writes_in))
        parts = Parts(backend=backend)
        async with Service(app, settings, http=False, parts=parts) as service:
            running = Running(service.system)
            await running.ready()
            tune_gc()
            adapting = asyncio.create_task(adapt_switch_interval())
            try:
                yield running
            finally:
                adapting.cancel()
