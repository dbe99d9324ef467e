"""The service under measurement: its whole tree in this process, on a file of its own."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from msgspec.structs import replace

from taskqueue.actors.messages import DATABASE, QUEUE
from taskqueue.actors.storage_client import StorageClient
from taskqueue.bench.place import file_of
from taskqueue.bench.work import Work
from taskqueue.commands import GetReadiness
from taskqueue.rules.tasks import ENDED
from taskqueue.runtime import System, ask
from taskqueue.service import Service
from taskqueue.settings import Settings
from taskqueue.storage.protocol import Storage

_LOOK_S = 0.005


class MeasuredService:
    """A service that runs, with the work that it does. `url` is its listener."""

    def __init__(self, system: System, work: Work, url: str) -> None:
        self.work = work
        self.url = url
        self._queue = system.address(QUEUE)
        self._storage = StorageClient(system.address(DATABASE))

    async def ready(self) -> None:
        """Wait until tasks are accepted and worked on."""
        while not (await ask(self._queue, GetReadiness())).ready:  # noqa: ASYNC110 - there is no event for it
            await asyncio.sleep(_LOOK_S)

    async def ran(self, tasks: int, *, within_s: float) -> int:
        """Wait until so many handlers have run, not longer than that; return how many have."""
        loop = asyncio.get_running_loop()
        ends_at = loop.time() + within_s
        while self.work.done < tasks and loop.time() < ends_at:  # noqa: ASYNC110 - other threads count
            await asyncio.sleep(_LOOK_S)
        return self.work.done

    async def ended(self, tasks: int) -> None:
        """Wait until so many tasks have ended on disk."""
        while await self._ended() < tasks:  # noqa: ASYNC110 - there is no event for it
            await asyncio.sleep(_LOOK_S)

    async def _ended(self) -> int:
        counts = await self._storage.use(Storage.counts)
        return sum(counts[status] for status in ENDED)


@asynccontextmanager
async def measured_service(settings: Settings, folder: Path) -> AsyncIterator[MeasuredService]:
    """Run the service on `folder`/tasks.db, with what else `settings` say, on a free port.

    Its tasks are there when it is run there again.

    Raises:
        ServiceNotStarted: it does not start.
    """
    work = Work()
    database = replace(file_of(settings), path=folder / "tasks.db")
    service = Service(work.app, settings, database=database, queues={}, host="127.0.0.1", port=0)
    async with service:
        measured = MeasuredService(service.system, work, service.url)
        await measured.ready()
        yield measured
