"""Other programs hold locks, or the server stands still: commits wait for a while, not for ever."""

import asyncio
import os
import signal
from collections.abc import AsyncIterator

import asyncpg
import pytest

from taskqueue import postgres
from taskqueue.errors import StorageBusy, StorageUnavailable
from taskqueue.rules.tasks import SettleBy
from taskqueue.storage.copying.session import session as copy_session
from taskqueue.storage.postgres import commit, patience
from taskqueue.storage.postgres.connections import Kept
from taskqueue.storage.postgres.database import PostgresDatabase
from taskqueue.storage.postgres.engine import PostgresStorage
from taskqueue.testing.contract.steps import DONE, ME, add, claim, ids, new_task, task_of

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


async def test_who_holds_locks_is_asked_once_however_many_wait(
    storage: PostgresStorage, program: asyncpg.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str] = []

    async def holder_of_locks(kept: Kept) -> str:
        asked.append(await patience.holder_of_locks(kept))
        return asked[-1]

    monkeypatch.setattr(commit, "holder_of_locks", holder_of_locks)
    await add(storage, "a", group="import")
    async with program.transaction():
        await postgres.enqueue_async(program, new_task("b", group="import"), now=0.0)

        async with asyncio.timeout(SOON_S):
            held = await asyncio.gather(
                *(add(storage, f"held-{n}", group="import") for n in range(20)),
                return_exceptions=True,
            )

    [who] = asked
    assert f"process {program.get_server_pid()} " in who
    assert {type(error) for error in held} == {StorageBusy}
    assert all(who in str(error) for error in held)


def test_writes_that_are_tried_one_by_one_wait_for_a_second_in_all() -> None:
    waiting = patience.Patience()

    waits = []
    for _ in range(6):
        waits.append(waiting.lock_s)
        waiting.has_waited(waiting.lock_s)

    assert waits == [0.25, 0.25, 0.25, 0.25, 0.0, 0.0]
    assert "'1ms'" in patience.limit_of_locks(waiting.lock_s)  # 0 were no limit


async def test_that_nobody_says_who_holds_a_lock_hides_no_error(
    storage: PostgresStorage, program: asyncpg.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(patience, "_HOLDER_LIMIT", "SET LOCAL statement_timeout = '1ms'")
    monkeypatch.setattr(patience, "_HOLDER", "SELECT pg_sleep(60)")
    await add(storage, "a", group="import")
    async with program.transaction():
        await postgres.enqueue_async(program, new_task("b", group="import"), now=0.0)

        async with asyncio.timeout(SOON_S):
            with pytest.raises(StorageBusy, match=r"granted in time .*who held it is unknown"):
                await add(storage, "c", group="import")
            await add(storage, "d")


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


async def test_a_held_task_that_a_program_has_locked_costs_no_other_its_lease(
    storage: PostgresStorage, program: asyncpg.Connection
) -> None:
    await add(storage, "a")
    await add(storage, "b")
    a, b = await claim(storage)
    await add(storage, "c")
    [c] = await claim(storage)
    await storage.settle([SettleBy(token=c.token, settlement=DONE)], now=1.0)

    async with asyncio.timeout(SOON_S), program.transaction():
        await program.execute("SELECT FROM taskqueue.tasks WHERE id = 'a' FOR UPDATE")
        lost = await storage.extend([a.token, b.token, c.token], lease_s=90.0, now=10.0)

    assert lost == (c.token,)
    ends = {each.task.id: each.expires_at for each in await storage.held(ME)}
    assert ends == {"a": a.expires_at, "b": 100.0}
