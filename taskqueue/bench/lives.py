"""The service under measurement: its whole tree in this process, on a file of its own."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from msgspec.structs import replace

from taskqueue import supervisor
from taskqueue.actors.client import QueueClient
from taskqueue.actors.messages import DATABASE, QUEUE
from taskqueue.actors.storage_client import StorageClient
from taskqueue.bench.place import file_of
from taskqueue.bench.work import Work
from taskqueue.commands import GetReadiness
from taskqueue.rules.tasks import ENDED
from taskqueue.runtime import SHUTDOWN, System, ask
from taskqueue.service import bind
from taskqueue.settings import Settings
from taskqueue.storage.databases import backend_of
from taskqueue.storage.protocol import Storage
from taskqueue.supervisor import Configuration

_LOOK_S = 0.005


class Life:
    """A service that runs, with the work that it does. `url` is its listener."""

    def __init__(self, system: System, work: Work, url: str) -> None:
        self.work = work
        self.url = url
        self._queue = system.address(QUEUE)
        self._storage = StorageClient(system.address(DATABASE))

    async def ready(self) -> None:
        """Wait until tasks are accepted and worked on."""
        while not (await ask(self._queue, GetReadiness())).ready:  # noqa: ASYNC110 - nobody tells
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
        while await self._ended() < tasks:  # noqa: ASYNC110 - nobody tells
            await asyncio.sleep(_LOOK_S)

    async def _ended(self) -> int:
        counts = await self._storage.use(Storage.counts)
        return sum(counts[status] for status in ENDED)


@asynccontextmanager
async def living(settings: Settings, folder: Path) -> AsyncIterator[Life]:
    """Run the service on `folder`/tasks.db, with what else `settings` say, on a free port.

    Its tasks are there when it is run there again.

    Raises:
        StartFailed: it does not start.
    """
    work = Work()
    database = replace(file_of(settings), path=folder / "tasks.db")
    settings = replace(settings, database=database, queues={})
    with backend_of(database) as backend, bind("127.0.0.1", 0) as listener:
        configuration = Configuration(
            settings=settings,
            app=work.app,
            owner=backend.owner,
            listener=listener,
            make_storage=backend.storage,
        )
        url = f"http://127.0.0.1:{listener.getsockname()[1]}"
        async with System() as system:
            root = await supervisor.start(system, configuration)
            work.app.attach(QueueClient(system.address(QUEUE)))
            life = Life(system, work, url)
            try:
                await life.ready()
                yield life
            finally:
                work.app.detach()
                root.exit(SHUTDOWN)
                await root.ended()
