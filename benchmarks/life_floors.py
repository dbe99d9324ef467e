"""The floors of a task's life: the same SQL, the same sync, and nobody who could be restarted."""

import asyncio
import sqlite3
import statistics
import tempfile
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from time import perf_counter, time

from benchmarks.harness import on_loop
from taskqueue.ids import new_id
from taskqueue.rules.tasks import DEFAULT_QUEUE, Complete, Delivery, NewTask, Owner, SettleBy
from taskqueue.storage.sqlite.commit.transaction import Transaction
from taskqueue.storage.sqlite.connections.thread import ThreadConnection
from taskqueue.storage.sqlite.engine import SQLiteStorage
from taskqueue.storage.sqlite.operations import claiming, inserting, settling

PAYLOAD = '{"action":"no-op","data":{"number":1}}'
LEASE_S = 30.0
OWNER = Owner(node="benchmark", incarnation="1")

# --- drain ----------------------------------------------------------------------------------------

MOST_TO_DRAIN = 50_000
CLAIM_SIZE = 256


def tasks_to_drain(seconds: float) -> int:
    """Return how many tasks a drain begins with, when it may take about so long."""
    return int(MOST_TO_DRAIN * min(1.0, seconds))


def bare_drain(seconds: float) -> float:
    """Return tasks per second of a loop that claims and completes, a batch in each commit."""
    tasks = tasks_to_drain(seconds)
    with tempfile.TemporaryDirectory() as folder, database(Path(folder) / "tasks.db") as db:
        with commit(db) as tx:
            inserting.insert(tx, [new_task() for _ in range(tasks)], now=time())
        began = perf_counter()
        _drain(db)
        return tasks / (perf_counter() - began)


def _drain(db: sqlite3.Connection) -> None:
    claimed: Sequence[Delivery] = ()
    while True:
        done = [SettleBy(token=each.token, settlement=Complete(result="1")) for each in claimed]
        with commit(db) as tx:
            settling.settle(tx, done, refused={}, now=time())
            claimed = _claim(tx)
        if not claimed:
            return


def _claim(tx: Transaction) -> Sequence[Delivery]:
    now = time()
    expires_at = now + LEASE_S
    return claiming.claim(
        tx, DEFAULT_QUEUE, limit=CLAIM_SIZE, owner=OWNER, expires_at=expires_at, now=now
    )


# --- latency --------------------------------------------------------------------------------------

PAUSE_S = 0.005
LEAST_SAMPLES = 20


async def with_pauses(sample: Callable[[], Awaitable[float]], seconds: float) -> list[float]:
    """Return samples for so many seconds, some in any case, each after a pause."""
    await sample()  # what only the first one costs is not counted
    samples: list[float] = []
    ends_at = perf_counter() + seconds
    while perf_counter() < ends_at or len(samples) < LEAST_SAMPLES:
        await asyncio.sleep(PAUSE_S)
        samples.append(await sample())
    return samples


@on_loop
async def commit_then_call_p50(seconds: float) -> float:
    """Return the median ms of one insert with its commit, on another thread, and a call."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "tasks.db"
        await SQLiteStorage(path).migrate()
        connection = await ThreadConnection.open(path, "rw", busy_timeout_s=1.0, set_up=_set_up)

        async def sample_ms() -> float:
            enqueued_at = perf_counter()
            await connection.run(_insert_one)
            return (_begun_at() - enqueued_at) * 1e3

        samples = await with_pauses(sample_ms, seconds)
        await connection.close()
    return statistics.median(samples)


def _begun_at() -> float:
    """Be the handler."""
    return perf_counter()


def _insert_one(db: sqlite3.Connection) -> None:
    with commit(db) as tx:
        inserting.insert(tx, [new_task()], now=time())


# --- many at once ---------------------------------------------------------------------------------

SLEEPERS = 1_000
SLEEP_S = 1.0


@on_loop
async def sleeps(_: float) -> float:
    """Return the seconds in which 1,000 tasks of one loop sleep for one, all at once."""
    began = perf_counter()
    await asyncio.gather(*(asyncio.sleep(SLEEP_S) for _ in range(SLEEPERS)))
    return perf_counter() - began


# --- a database -----------------------------------------------------------------------------------


@contextmanager
def database(path: Path) -> Iterator[sqlite3.Connection]:
    """Make one with our schema and open it on this thread, as durable as ours."""
    asyncio.run(SQLiteStorage(path).migrate())
    db = sqlite3.connect(path, isolation_level=None)
    _set_up(db)
    try:
        yield db
    finally:
        db.close()


def _set_up(db: sqlite3.Connection) -> None:
    db.execute("PRAGMA journal_mode = WAL")
    db.execute("PRAGMA synchronous = FULL")
    db.execute("PRAGMA wal_autocheckpoint = 4000")
    db.execute(f"PRAGMA cache_size = -{32 * 1024}")  # KiB


@contextmanager
def commit(db: sqlite3.Connection) -> Iterator[Transaction]:
    """Commit what is done in the block. An error ends the benchmark, and so needs no rollback."""
    db.execute("BEGIN IMMEDIATE")
    tx = Transaction(db)
    yield tx
    tx.write_counts()
    db.execute("COMMIT")


def new_task(*, unique_key: str | None = None) -> NewTask:
    """Return a task of an action that does nothing."""
    return NewTask(id=new_id(), action="no-op", payload=PAYLOAD, unique_key=unique_key)
