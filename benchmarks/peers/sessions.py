"""A peer that runs: its server, its workers, a producer and the ledger.

    async with session(BY_NAME["huey-redis"]) as peer:
        await peer.enqueue(1)
        await peer.finish()

The environment of this process names the server and the ledger, so one session is all that it has:
each is measured in a process of its own (`apart`).
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from importlib import import_module
from pathlib import Path
from tempfile import TemporaryDirectory
from time import monotonic
from typing import Protocol, cast, runtime_checkable

from benchmarks.peers.field import Entrant
from benchmarks.peers.ledger import STALLED_S, Ledger, Stalled
from benchmarks.peers.peer import Peer, Producer, set_address
from benchmarks.peers.workers import Workers

LOOK_S = 0.01
FIRST_LOOK_S = 0.1


@runtime_checkable
class Pausable(Protocol):
    """A producer whose workers cannot be frozen, because they accept its tasks too."""

    async def pause(self) -> None:
        """Have them start no tasks."""

    async def resume(self) -> None:
        """Have them start tasks again."""


class Session:
    """What a measurement is made with; counts what it enqueues.

    Attributes:
        enqueued: how many tasks so far.
    """

    def __init__(self, producer: Producer, workers: Workers, ledger: Ledger) -> None:
        self._producer = producer
        self.workers = workers
        self.ledger = ledger
        self.enqueued = 0

    async def enqueue(self) -> None:
        """Enqueue one task, with the next number. Calls may overlap."""
        number, self.enqueued = self.enqueued, self.enqueued + 1
        await self._producer.enqueue(number)

    async def enqueue_many(self, count: int) -> None:
        """Enqueue so many at once."""
        numbers = range(self.enqueued, self.enqueued + count)
        self.enqueued += count
        await self._producer.enqueue_many(numbers)

    async def finish(self) -> None:
        """Wait until all tasks have run, and the peer knows it.

        Raises:
            Stalled: that does not come.
            WorkersEnded: it cannot.
        """
        await self.ledger.reaches(self.enqueued)
        known, known_at = -1, monotonic()
        while (now := await self.finished()) is not None and now < self.enqueued:
            if now != known:
                known, known_at = now, monotonic()
            elif monotonic() - known_at > STALLED_S:
                self.workers.require()
                raise Stalled(now, self.enqueued)
            await asyncio.sleep(LOOK_S)

    async def finished(self) -> int | None:
        """Return how many tasks the peer knows to have finished."""
        return await self._producer.finished()

    async def begin(self) -> None:
        """Wait until each worker has run a task, and nothing is left to do.

        Raises:
            WorkersEnded: they never will.
            Stalled: one has not for a minute.
        """
        began, wanted = monotonic(), max(1, len(self.workers))
        while (worked := len({record.process for record in self.ledger.records()})) < wanted:
            self.workers.require()
            if monotonic() - began > STALLED_S:
                raise Stalled(worked, wanted)
            await self.enqueue_many(wanted)
            await asyncio.sleep(FIRST_LOOK_S)
        await self.finish()

    async def hold(self) -> None:
        """Have no tasks started until `release`."""
        if isinstance(self._producer, Pausable):
            await self._producer.pause()
        else:
            self.workers.freeze()

    async def release(self) -> None:
        """Have them started."""
        if isinstance(self._producer, Pausable):
            await self._producer.resume()
        else:
            self.workers.thaw()


@asynccontextmanager
async def session(entrant: Entrant, *, workers: int = 1) -> AsyncIterator[Session]:
    """Run a peer in a folder of its own, until the block ends; its workers have run a task."""
    with TemporaryDirectory(prefix="peer-") as temporary:
        folder = Path(temporary)
        with entrant.server(folder) as url:
            set_address(url + entrant.options)
            ledger = Ledger(folder / "ledger")
            peer = cast(Peer, import_module(entrant.module))
            await peer.install()
            fleet = Workers(peer.worker, folder, count=workers)
            fleet.start()
            try:
                async with peer.producing() as producer:
                    running = Session(producer, fleet, ledger)
                    await running.begin()
                    yield running
            finally:
                fleet.kill()
