"""The example for PostgreSQL does what it says, with a real service."""

import asyncio
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import asyncpg
import pytest

import taskqueue
from taskqueue.storage.postgres.database import PostgresDatabase
from tests.forked.service import ForkedService
from tests.postgres_server import run_in

ROOT = Path(taskqueue.__file__).parent.parent


@pytest.fixture
async def database(migrated_database: PostgresDatabase) -> AsyncIterator[PostgresDatabase]:
    yield migrated_database
    await run_in(migrated_database, "DROP SCHEMA public CASCADE; CREATE SCHEMA public")


async def test_an_order_and_its_confirmation_are_there_together_or_not_at_all(
    database: PostgresDatabase, tmp_path: Path
) -> None:
    flags = ("--app", "examples.orders_postgres:app", "--database", database.url)
    program = [sys.executable, "-m", "examples.orders_postgres", database.dsn]

    async with ForkedService(tmp_path, *flags) as service:
        done = await asyncio.to_thread(
            subprocess.run,
            [*program, "book", "pen", "", "never reached"],
            cwd=ROOT,
            capture_output=True,
            text=True,
            check=False,
        )
        for task_id in done.stdout.split():
            await service.wait_for("task_completed", task_id=task_id)
        await service.stop()

    assert done.stderr.endswith("ValueError: an order of nothing\n")
    db = await asyncpg.connect(database.dsn)
    rows = await db.fetch("SELECT item, confirmed_at IS NOT NULL FROM orders ORDER BY id")
    results = await db.fetch("SELECT status, result FROM taskqueue.tasks ORDER BY seq")
    await db.close()
    assert [*map(tuple, rows)] == [("book", True), ("pen", True)]
    assert [*map(tuple, results)] == [
        ("completed", '{"mail":"order 1: book"}'),
        ("completed", '{"mail":"order 2: pen"}'),
    ]
