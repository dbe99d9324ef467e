"""PgQueuer, on PostgreSQL, with durable tables and the autovacuum settings that it comes with.

Its log says which jobs were successful, so it is what is kept of them. A job whose worker has been
silent for five seconds is given to another.
"""

import sys
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import timedelta

import asyncpg
import uvloop
from pgqueuer import PgQueuer
from pgqueuer.db import AsyncpgDriver, AsyncpgPoolDriver
from pgqueuer.models import Job
from pgqueuer.queries import Queries

from benchmarks.peers import ledger
from benchmarks.peers.peer import address

BATCH = 100  # ten times its default, because jobs that do nothing end at once
POLL_S = 1  # for what its notices miss, instead of 30
POOL = 8
SILENT_S = 5


async def work() -> None:
    """Run jobs for ever, as its command does, whose options fail with the typer of this day."""
    app = PgQueuer(AsyncpgDriver(await asyncpg.connect(address())))

    @app.entrypoint("note")
    async def note(job: Job) -> None:
        ledger.note(int(job.payload or b"0"))

    await app.run(
        batch_size=BATCH,
        dequeue_timeout=timedelta(seconds=POLL_S),
        heartbeat_timeout=timedelta(seconds=SILENT_S),
    )


async def install() -> None:
    """Make its tables."""
    connection = await asyncpg.connect(address())
    queries = Queries(AsyncpgDriver(connection))
    await queries.install()
    await queries.optimize_autovacuum()
    await connection.close()


def worker(_: int) -> Sequence[str]:
    """Return the command of the worker."""
    return (sys.executable, "-m", __name__)


class PgQueuerProducer:
    """Enqueues jobs."""

    def __init__(self, pool: "asyncpg.Pool[asyncpg.Record]") -> None:
        self._pool = pool
        self._queries = Queries(AsyncpgPoolDriver(pool))

    async def enqueue(self, number: int) -> None:
        """Enqueue one job."""
        await self._queries.enqueue("note", b"%d" % number)

    async def enqueue_many(self, numbers: Sequence[int]) -> None:
        """Enqueue them in one statement."""
        payloads: list[bytes | None] = [b"%d" % number for number in numbers]
        await self._queries.enqueue(["note"] * len(payloads), payloads, [0] * len(payloads))

    async def finished(self) -> int:
        """Return how many its log says were successful."""
        count = "SELECT count(*) FROM pgqueuer_log WHERE status = 'successful'"
        jobs: int = await self._pool.fetchval(count)
        return jobs


@asynccontextmanager
async def producing() -> AsyncIterator[PgQueuerProducer]:
    """Open a pool of connections."""
    async with asyncpg.create_pool(address(), min_size=1, max_size=POOL) as pool:
        yield PgQueuerProducer(pool)


if __name__ == "__main__":
    uvloop.run(work())
