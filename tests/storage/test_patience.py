"""Other programs hold locks, or the server stands still: commits wait for a while, not for ever."""

import asyncio
import os
import signal
from collections.abc import AsyncIterator

import asyncpg
import pytest

from taskqueue import postgres
from taskqueue.errors import StorageUnavailable
from taskqueue.storage.copying.session import session as copy_session
from taskqueue.storage.postgres import commit
from taskqueue.storage.postgres.database import PostgresDatabase
from taskqueue.storage.postgres.engine import PostgresStorage
from taskqueue.testing.contract.steps import add, claim, ids, new_task, task_of

SOON_S = 20.0


@pytest.fixture
async def storage(
    migrated_database: PostgresDatabase, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[PostgresStorage]:
    """A storage that is less patient than usual."""
    hurried = commit.BEGIN.replace("lock_timeout = '5s'", "lock_timeout = '300ms'")
    assert hurried != commit.BEGIN
    monkeypatch.setattr(commit, "BEGIN", hurried)
    storage = PostgresStorage(migrated_database)
    await storage.open()
    yield storage
    await storage.close()


@pytest.fixture
async def program(migrated_database: PostgresDatabase) -> AsyncIterator[asyncpg.Connection]:
    """A connection of a program that enqueues in transactions of its own."""
    connection = await asyncpg.connect(
        migrated_database.dsn, server_settings={"application_name": "shop"}
    )
    yield connection
    await connection.close()


async def test_a_long_transaction_of_a_program_holds_up_its_group_and_nothing_else(
    storage: PostgresStorage, program: asyncpg.Connection
) -> None:
    await add(storage, "a", group="import")
    transaction = program.transaction()
    await transaction.start()
    await postgres.enqueue_async(program, new_task("b", group="import"), now=0.0)

    async with asyncio.timeout(SOON_S):
        held, other = await asyncio.gather(
            add(storage, "c", group="import"), add(storage, "d"), return_exceptions=True
        )
        await add(storage, "e")
    await transaction.commit()
    await add(storage, "c", group="import")  # again

    assert other is None
    assert isinstance(held, StorageUnavailable)
    assert "a lock was not granted in time" in held.reason
    assert f"process {program.get_server_pid()} of the server (shop) has had" in held.reason
    assert sorted(ids(await claim(storage))) == ["a", "b", "c", "d", "e"]


async def test_a_server_that_stands_still_is_given_up_and_asked_again(
    storage: PostgresStorage,
    migrated_database: PostgresDatabase,
    program: asyncpg.Connection,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(commit, "COMMIT_S", 0.3)
    pid = await storage._write(_pid_of)
    os.kill(pid, signal.SIGSTOP)  # as a virtual machine that is paused

    try:
        async with asyncio.timeout(SOON_S):
            with pytest.raises(StorageUnavailable, match="does not answer"):
                await add(storage, "a")
            monkeypatch.undo()
            await add(storage, "b")
    finally:
        os.kill(pid, signal.SIGCONT)

    assert (await task_of(storage, "b")).id == "b"


async def test_a_commit_that_does_not_even_begin_leaves_the_connection_in_order(
    migrated_database: PostgresDatabase, storage: PostgresStorage
) -> None:
    behind_pooler = PostgresStorage(migrated_database.behind_pooler)
    await storage.close()
    await behind_pooler.open()
    pid = await behind_pooler._write(_pid_of)

    async with copy_session(migrated_database):
        with pytest.raises(StorageUnavailable, match="not granted in time"):
            await add(behind_pooler, "a")  # its BEGIN waits for the end of the copy
    await add(behind_pooler, "b")
    is_same = await behind_pooler._write(_pid_of) == pid
    await behind_pooler.close()
    await storage.open()

    assert is_same
    assert ids(await claim(storage)) == ["b"]


async def _pid_of(tx: commit.Transaction) -> int:
    return int(await tx.db.fetchval("SELECT pg_backend_pid()"))
