"""The floor of a list of tasks: SQLite alone, with the service's own schema."""

import asyncio
import sqlite3
import time
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from tempfile import TemporaryDirectory
from time import perf_counter

from benchmarks.apps import app
from taskqueue.storage.sqlite.engine import SQLiteStorage
from taskqueue.storage.sqlite.sql.rows import NEW_TASK, Row, row_of

BATCH = 1_000

# What the service stores of a new task, in its own order, row by row.
COLUMNS = f"created_at, status, run_at, {NEW_TASK}, group_name"
INSERT = f"INSERT INTO tasks ({COLUMNS}) VALUES ({', '.join('?' * len(COLUMNS.split(',')))})"


def rows_per_second(data: bytes, seconds: float) -> float:
    """Return how many tasks with this data a second can be inserted, 1,000 in each transaction.

    Only SQLite counts: the rows of a transaction are made before it begins.
    """
    with TemporaryDirectory() as folder:
        path = Path(folder) / "tasks.db"
        asyncio.run(_make(path))
        with closing(sqlite3.connect(path, isolation_level=None)) as db:
            db.execute("PRAGMA synchronous = FULL")
            db.execute("PRAGMA wal_autocheckpoint = 4000")
            _insert_s(db, _rows(data))  # what only the first one costs is not counted
            inserted, took_s = 0, 0.0
            while took_s < seconds:
                took_s += _insert_s(db, _rows(data))
                inserted += BATCH
            return inserted / took_s


async def _make(path: Path) -> None:
    storage = SQLiteStorage(path)
    await storage.migrate()
    await storage.close()


def _rows(data: bytes) -> Sequence[Row]:
    now = time.time()
    tasks = [app.prepare("no_op", data) for _ in range(BATCH)]
    return [(now, "queued", now, *row_of(task)[1:]) for task in tasks]


def _insert_s(db: sqlite3.Connection, batch: Sequence[Row]) -> float:
    began = perf_counter()
    db.execute("BEGIN IMMEDIATE")
    db.executemany(INSERT, batch)
    db.execute("COMMIT")
    return perf_counter() - began
