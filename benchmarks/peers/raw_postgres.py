"""The floor of PostgreSQL: a loop that claims with SKIP LOCKED, works, and keeps what it did.

One transaction for each batch, and nothing else: no retries, no leases, no order but that of ids.
"""

import asyncio
import sys
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

import asyncpg

from benchmarks.peers import ledger
from benchmarks.peers.peer import address

BATCH = 100
IDLE_S = 0.001
POOL = 8

_TABLE = """
CREATE TABLE raw_tasks (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, number bigint NOT NULL,
    result text);
CREATE INDEX raw_ready ON raw_tasks (id) WHERE result IS NULL;
"""
_INSERT = "INSERT INTO raw_tasks (number) VALUES ($1)"
_INSERT_MANY = "INSERT INTO raw_tasks (number) SELECT unnest($1::bigint[])"
_CLAIM = f"""
SELECT id, number FROM raw_tasks WHERE result IS NULL ORDER BY id LIMIT {BATCH}
FOR UPDATE SKIP LOCKED
"""
_COMPLETE = "UPDATE raw_tasks SET result = 'null' WHERE id = ANY($1)"


async def install() -> None:
    """Make the table."""
    connection = await asyncpg.connect(address())
    await connection.execute(_TABLE)
    await connection.close()


def worker(_: int) -> Sequence[str]:
    """Return the command of the loop."""
    return (sys.executable, "-m", __name__)


async def work() -> None:
    """Run the loop for ever."""
    connection = await asyncpg.connect(address())
    while True:
        async with connection.transaction():
            claimed = await connection.fetch(_CLAIM)
            for _, number in claimed:
                ledger.note(number)
            await connection.execute(_COMPLETE, [task_id for task_id, _ in claimed])
        if not claimed:
            await asyncio.sleep(IDLE_S)


class RawProducer:
    """Inserts rows."""

    def __init__(self, pool: "asyncpg.Pool[asyncpg.Record]") -> None:
        self._pool = pool

    async def enqueue(self, number: int) -> None:
        """Insert one row."""
        await self._pool.execute(_INSERT, number)

    async def enqueue_many(self, numbers: Sequence[int]) -> None:
        """Insert them in one statement."""
        await self._pool.execute(_INSERT_MANY, list(numbers))

    async def finished(self) -> int:
        """Return how many rows have a result."""
        count = "SELECT count(*) FROM raw_tasks WHERE result IS NOT NULL"
        tasks: int = await self._pool.fetchval(count)
        return tasks


@asynccontextmanager
async def producing() -> AsyncIterator[RawProducer]:
    """Open a pool of connections."""
    async with asyncpg.create_pool(address(), min_size=1, max_size=POOL) as pool:
        yield RawProducer(pool)


if __name__ == "__main__":
    asyncio.run(work())
