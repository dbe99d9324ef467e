"""What PostgreSQL's dead rows cost: a claim beside many waiting tasks, and a reader that stays.

A transaction that is open keeps the server from freeing the rows that have changed since. So what a
queue has changed piles up behind one long report. It must not slow the queue down.

A report of five minutes: `python -m benchmarks bloat.beside_a_reader --seconds 300 --rounds 1`.
"""

import asyncio
import atexit
import sys
import time
from collections.abc import AsyncIterator
from contextlib import ExitStack, asynccontextmanager

from benchmarks.harness import Figure, median_us, on_loop
from benchmarks.results import Target
from taskqueue.ids import new_id
from taskqueue.rules.tasks import Complete, Delivery, NewTask, Owner, SettleBy
from taskqueue.storage.postgres.connections import Connection, connect
from taskqueue.storage.postgres.database import PostgresDatabase
from taskqueue.storage.postgres.engine import PostgresStorage
from tests.postgres_server import PostgresServer, missing, postgres_server

FEW = 1_000
MANY = 5_000_000
AT_ONCE = 50
RATE = 500  # tasks per second that flow beside the reader
WARM_UP_S = 1.0
CAPACITY_S = 3.0

OWNER = Owner(node="benchmark", incarnation="1")
DONE = Complete(result="null")

# Ids grow with the time, as those of a service do, so what is claimed together lies together.
_FILL = """
INSERT INTO taskqueue.live_tasks
    (id, payload, status, created_at, action, queue, priority, run_at, max_attempts)
SELECT 'waiting-' || lpad(n::text, 7, '0'), '{"action": "echo", "data": {}}', 'queued',
    $1::float8, 'echo', 'default', 0, $1::float8 + n / 1e6::float8, 5
FROM generate_series(1, $2::bigint) AS n
"""


class Servers:
    """The server of one run, with a database for each number of waiting tasks."""

    def __init__(self) -> None:
        self.many = MANY
        self._server: PostgresServer | None = None
        self._filled: dict[int, PostgresDatabase] = {}
        self._running = ExitStack()

    async def fresh(self) -> PostgresDatabase:
        """Return a migrated database without tasks."""
        if self._server is None:
            self._server = self._running.enter_context(postgres_server())
            atexit.register(self._running.close)
        database = PostgresDatabase(url=self._server.url_of(await self._server.create()))
        await PostgresStorage(database).migrate()
        return database

    async def with_waiting(self, tasks: int) -> PostgresDatabase:
        """Return one in which so many tasks wait."""
        if tasks not in self._filled:
            database = await self.fresh()
            async with _connection(database) as connection:
                await connection.execute(_FILL, time.time() - 3_600.0, tasks)
                await connection.execute("VACUUM ANALYZE taskqueue.live_tasks")
            self._filled[tasks] = database
        return self._filled[tasks]


SERVERS = Servers()


@on_loop
async def claim_few_us(seconds: float) -> float:
    """Return the median of a claim where few tasks wait."""
    return await _claim_us(FEW, seconds)


@on_loop
async def claim_many_us(seconds: float) -> float:
    """Return the median of a claim where many tasks wait."""
    return await _claim_us(SERVERS.many, seconds)


async def _claim_us(tasks: int, seconds: float) -> float:
    async with _storage(await SERVERS.with_waiting(tasks)) as storage:

        async def claim_s() -> float:
            """Claim, and have as many tasks wait afterwards as before."""
            began = time.perf_counter()
            claimed = await _claim(storage)
            took = time.perf_counter() - began
            await _settle(storage, claimed)
            await _insert(storage, len(claimed))
            return took

        await median_us(claim_s, WARM_UP_S)
        return await median_us(claim_s, seconds)


@on_loop
async def at_the_start(_: float) -> float:
    """Return how many tasks per second a new database does."""
    async with _storage(await SERVERS.fresh()) as storage:
        return await _capacity(storage)


@on_loop
async def beside_a_reader(seconds: float) -> float:
    """Return how many it does after so many seconds beside a transaction that has a snapshot."""
    database = await SERVERS.fresh()
    async with _storage(database) as storage, _connection(database) as reader:
        await reader.execute("BEGIN ISOLATION LEVEL REPEATABLE READ")
        await reader.fetchval("SELECT count(*) FROM taskqueue.tasks")
        flowed = await _flow(storage, seconds)
        print(f"{flowed:.0f} of {RATE} tasks/s have flowed beside the reader", file=sys.stderr)
        capacity = await _capacity(storage)
        await reader.execute("COMMIT")
        return capacity


async def _flow(storage: PostgresStorage, seconds: float) -> float:
    """Have tasks come and go at a steady rate; return at which they did."""
    loop = asyncio.get_running_loop()
    began = loop.time()
    rounds = tasks = 0
    while loop.time() < began + seconds:
        tasks += await _round(storage)
        rounds += 1
        await asyncio.sleep(max(0.0, began + rounds * AT_ONCE / RATE - loop.time()))
    return tasks / (loop.time() - began)


async def _capacity(storage: PostgresStorage) -> float:
    done, began = 0, time.perf_counter()
    while (took := time.perf_counter() - began) < CAPACITY_S:
        done += await _round(storage)
    return done / took


async def _round(storage: PostgresStorage) -> int:
    """Let tasks be accepted, claimed, begun and done: each verb is a commit."""
    await _insert(storage, AT_ONCE)
    claimed = await _claim(storage)
    await storage.start([delivery.token for delivery in claimed], now=time.time())
    await _settle(storage, claimed)
    return len(claimed)


async def _insert(storage: PostgresStorage, tasks: int) -> None:
    new = [NewTask(id=new_id(), action="echo", payload="{}") for _ in range(tasks)]
    await storage.insert(new, now=time.time())


async def _claim(storage: PostgresStorage) -> tuple[Delivery, ...]:
    return await storage.claim(
        "default", limit=AT_ONCE, owner=OWNER, lease_s=3_600.0, now=time.time()
    )


async def _settle(storage: PostgresStorage, claimed: tuple[Delivery, ...]) -> None:
    done = [SettleBy(token=delivery.token, settlement=DONE) for delivery in claimed]
    await storage.settle(done, now=time.time())


@asynccontextmanager
async def _storage(database: PostgresDatabase) -> AsyncIterator[PostgresStorage]:
    storage = PostgresStorage(database)
    await storage.open()
    try:
        yield storage
    finally:
        await storage.close()


@asynccontextmanager
async def _connection(database: PostgresDatabase) -> AsyncIterator[Connection]:
    connection = await connect(database)
    try:
        yield connection
    finally:
        await connection.close()


_MISSING = None if missing() is None else "PostgreSQL"

FIGURES = (
    Figure(
        name="bloat.claim",
        unit="µs",
        ours=claim_many_us,
        against=f"the same with {FEW:,} tasks waiting",
        floor=claim_few_us,
        target=Target("ratio", "≤", 1.5),
        missing=_MISSING,
    ),
    Figure(
        name="bloat.beside_a_reader",
        unit="/s",
        ours=beside_a_reader,
        against="a new database",
        floor=at_the_start,
        target=Target("ratio", "≥", 0.8),
        missing=_MISSING,
    ),
)
