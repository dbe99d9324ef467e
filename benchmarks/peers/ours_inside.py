"""taskqueue inside of the program that enqueues.

On SQLite its consumers run what is enqueued. On PostgreSQL this node has none, and other nodes run
it, each in a process of its own.
"""

import sys
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager

from benchmarks.peers.ours_app import APP, app, note
from benchmarks.peers.peer import address
from benchmarks.running import Running
from taskqueue import Service
from taskqueue.rules.tasks import NewTask, Status

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
    """Calls the action."""

    def __init__(self, service: Running, prepare: Callable[..., NewTask] = note.prepare) -> None:
        self._service = service
        self._prepare = prepare

    async def enqueue(self, number: int) -> None:
        """Enqueue one task."""
        await note.enqueue(number=number)

    async def enqueue_many(self, numbers: Sequence[int]) -> None:
        """Enqueue a list."""
        await app.enqueue(*(note.prepare(number=number) for number in numbers))

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
async def producing() -> AsyncIterator[InsideProducer]:
    """Run the service, without HTTP."""
    consumers = {"consumers": 0} if _IS_SHARED else {}
    async with Service(app, http=False, database=address(), **consumers) as service:
        running = Running(service.system)
        await running.ready()
        yield InsideProducer(running) if _IS_SHARED else PausableProducer(running)
