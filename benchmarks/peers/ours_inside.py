"""taskqueue inside of the program that enqueues.

On SQLite its consumers run what is enqueued. On PostgreSQL this node has none, and other nodes run
it, each in a process of its own.
"""

import sys
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

from benchmarks.peers.ours_app import APP, NoteAction, app, note
from benchmarks.peers.peer import address
from benchmarks.running import Running
from taskqueue import Service, Settings
from taskqueue.rules.tasks import Status

SILENT_S = 5
_IS_SHARED = address().startswith("postgresql:")


async def install() -> None:
    """Make nothing: the service makes its tables."""


def worker(_: int) -> Sequence[str]:
    """Return the command that starts a node, if others are needed.

    Its settings are the defaults, but for `lease_s`: all peers here notice a death after as long.
    """
    if not _IS_SHARED:
        return ()
    node = ("--port", "0", "--database", address(), "--lease-s", str(SILENT_S))
    return (sys.executable, "-m", "taskqueue.supervisor", "--app", APP, *node)


class InsideProducer:
    """Calls an action."""

    def __init__(self, service: Running, action: NoteAction) -> None:
        self._service = service
        self._action = action

    async def enqueue(self, number: int) -> None:
        """Enqueue one task."""
        await self._action.enqueue(number=number)

    async def enqueue_many(self, numbers: Sequence[int]) -> None:
        """Enqueue a list."""
        await app.enqueue(*(self._action.prepare(number=number) for number in numbers))

    async def finished(self) -> int:
        """Return how many are completed."""
        return (await self._service.counts())[Status.COMPLETED]


class PausableProducer(InsideProducer):
    """The same, whose consumers are its own."""

    async def pause(self) -> None:
        """Have them start no tasks."""
        await self._service.pause()

    async def resume(self) -> None:
        """Have them start tasks again."""
        await self._service.resume()


@asynccontextmanager
async def producing(action: NoteAction = note) -> AsyncIterator[InsideProducer]:
    """Run the service, without HTTP."""
    settings = Settings(consumers=0) if _IS_SHARED else Settings()
    async with Service(app, settings, http=False, database=address()) as service:
        running = Running(service.system)
        await running.ready()
        kind = InsideProducer if _IS_SHARED else PausableProducer
        yield kind(running, action)
