"""What a handler writes on its own connection commits with the ack, fenced by the token."""

import asyncio
import os
import signal
import threading
from collections.abc import AsyncIterator, Iterator
from typing import Any

import asyncpg
import pytest

from taskqueue.api.context import Context
from taskqueue.clock import SystemClock
from taskqueue.errors import LeaseLost, NoConnection, StatementRefused
from taskqueue.executors.process.attempt_handle import WorkerAttemptHandle
from taskqueue.rules.options import Options
from taskqueue.rules.tasks import Cancel, Delivery, NotApplied, SettleBy, Settled, Status
from taskqueue.runtime import Reply
from taskqueue.storage.handler_sql import HandlerTransaction
from taskqueue.storage.memory.engine import MemoryStorage
from taskqueue.storage.postgres.database import PostgresDatabase
from taskqueue.storage.postgres.engine import PostgresStorage
from taskqueue.storage.postgres.handler_sql import transactions
from taskqueue.storage.protocol import Storage
from taskqueue.testing.contract.steps import ANOTHER, DONE, FAILURE, add, claim, settle
from taskqueue.testing.events import EventLog
from tests.actors.world import PATIENCE_S, Lives, World
from tests.postgres_server import run_in

TAKE = "UPDATE accounts SET balance = balance - $1 WHERE name = 'ann'"
LEFT = "SELECT balance FROM accounts WHERE name = 'ann'"


@pytest.fixture
async def database(migrated_database: PostgresDatabase) -> AsyncIterator[PostgresDatabase]:
    """Give a database in which Ann has 100."""
    await run_in(
        migrated_database,
        "CREATE TABLE accounts (name text PRIMARY KEY, balance int CHECK (balance >= 0));"
        "INSERT INTO accounts VALUES ('ann', 100)",
    )
    yield migrated_database
    await run_in(migrated_database, "DROP SCHEMA public CASCADE; CREATE SCHEMA public")


@pytest.fixture
async def world(events: EventLog, database: PostgresDatabase) -> AsyncIterator[World]:
    lives = Lives()
    async with World(events, lambda: PostgresStorage(database)) as world:
        yield world
    await lives.assert_no_more()


@pytest.fixture
async def storage(database: PostgresDatabase) -> AsyncIterator[PostgresStorage]:
    storage = PostgresStorage(database)
    await storage.open()
    yield storage
    await storage.close()


@pytest.fixture
async def outside(database: PostgresDatabase) -> AsyncIterator[asyncpg.Connection]:
    """Give the connection of another program."""
    connection = await asyncpg.connect(database.dsn)
    yield connection
    await connection.close()


class Attempts:
    """Begins transactions for one attempt at the task `a` after the other."""

    def __init__(self, storage: PostgresStorage) -> None:
        self._storage = storage
        self._begun: list[HandlerTransaction] = []

    async def begin(self, *, now: float = 0.0) -> tuple[Delivery, HandlerTransaction]:
        await add(self._storage, "a", now=now)
        [delivery] = await claim(self._storage, now=now)
        lending = await self._storage.handler_transactions()
        assert lending is not None
        transaction = await lending.begin("a", delivery.token)
        self._begun.append(transaction)
        return delivery, transaction

    def abandon(self) -> None:
        for each in self._begun:
            each.abandon()


@pytest.fixture
def attempts(storage: PostgresStorage) -> Iterator[Attempts]:
    attempts = Attempts(storage)
    yield attempts
    attempts.abandon()


async def lose_lease(world: World, task_id: str) -> None:
    """Settle the attempt at a task that runs, as another node would."""
    [held] = [
        each
        for each in await world.storage.use(Storage.held, world.owner)
        if each.task.id == task_id
    ]
    lost = SettleBy(token=held.token, settlement=Cancel(reason="another has it"))
    assert await world.storage.use(Storage.settle, [lost], now=SystemClock().now()) == (
        Settled.WRITTEN,
    )


async def test_what_is_written_commits_with_the_result_and_the_follow_ups(
    world: World, outside: asyncpg.Connection
) -> None:
    @world.app.task("pay")
    async def pay(ctx: Context, amount: int) -> int:
        async with ctx.connection() as db:
            await db.execute(TAKE, amount)
        async with ctx.connection() as db, db.transaction():
            left: int = await db.fetchval(LEFT)
        ctx.enqueue(receipt)
        await world.gate.passed()
        return left

    @world.app.task("receipt")
    async def receipt(ctx: Context) -> None: ...

    await world.start()
    task_id = await world.enqueue("pay", amount=30)
    await world.begun(task_id)
    before = await outside.fetchval(LEFT)
    world.gate.open()
    await world.completed(task_id)

    task = (await world.history(task_id)).task
    assert (before, await outside.fetchval(LEFT)) == (100, 70)
    assert (task.status, task.result, task.attempt) == (Status.COMPLETED, "70", 1)
    await world.events.wait_for("task_completed", action="receipt")


@pytest.mark.parametrize("end", ["raise", "nack", "timeout", "no JSON"])
async def test_an_attempt_that_does_not_complete_writes_nothing(
    world: World, outside: asyncpg.Connection, end: str
) -> None:
    @world.app.task("pay", timeout_s=1.0 if end == "timeout" else None)
    async def pay(ctx: Context) -> Any:
        async with ctx.connection() as db:
            await db.execute(TAKE, 1)
            if end == "timeout":
                await db.execute("SELECT pg_sleep(60)")
        if end == "raise":
            raise OSError("after all")
        return False if end == "nack" else object()

    await world.start()
    task_id = await world.enqueue("pay", options=Options(max_attempts=2))
    await world.ended(task_id)

    assert await outside.fetchval(LEFT) == 100
    assert (await world.history(task_id)).task.status is Status.DEAD


async def test_a_block_that_raises_takes_back_its_own_writes_alone(
    world: World, outside: asyncpg.Connection
) -> None:
    @world.app.task("pay")
    async def pay(ctx: Context) -> str:
        async with ctx.connection() as db:
            await db.execute(TAKE, 1)
        try:
            async with ctx.connection() as db:
                await db.execute(TAKE, 10)
                await db.execute(TAKE, 1000)
        except asyncpg.CheckViolationError:
            return "not enough"
        return "paid"

    await world.start()
    task_id = await world.enqueue("pay")
    await world.completed(task_id)

    assert await outside.fetchval(LEFT) == 99
    assert (await world.history(task_id)).task.result == '"not enough"'


async def test_who_loses_the_lease_in_a_block_learns_it_and_writes_nothing(
    world: World, outside: asyncpg.Connection
) -> None:
    learnt: list[str] = []

    @world.app.task("pay")
    async def pay(ctx: Context) -> None:
        try:
            async with ctx.connection() as db:
                await db.execute(TAKE, 1)
                await world.gate.passed()
        except LeaseLost as lost:
            learnt.append(lost.task_id)
            raise

    await world.start()
    task_id = await world.enqueue("pay")
    await world.begun(task_id)
    await lose_lease(world, task_id)
    world.gate.open()
    await world.events.wait_for("task_lease_lost", task_id=task_id)

    assert learnt == [task_id]
    assert await outside.fetchval(LEFT) == 100
    assert (await world.history(task_id)).task.status is Status.CANCELLED


async def test_who_loses_the_lease_after_its_blocks_writes_nothing(
    world: World, outside: asyncpg.Connection
) -> None:
    @world.app.task("pay")
    async def pay(ctx: Context) -> None:
        async with ctx.connection() as db:
            await db.execute(TAKE, 1)
        ctx.progress("written")
        await world.gate.passed()

    await world.start()
    task_id = await world.enqueue("pay")
    async with asyncio.timeout(20):
        while (await world.history(task_id)).task.progress is None:
            pass
    await lose_lease(world, task_id)
    world.gate.open()
    await world.events.wait_for("task_lease_lost", task_id=task_id)

    assert await outside.fetchval(LEFT) == 100


async def test_what_is_committed_is_settled_for_every_settlement_that_follows(
    storage: PostgresStorage, attempts: Attempts, outside: asyncpg.Connection
) -> None:
    delivery, transaction = await attempts.begin()

    async with transaction.block() as db:
        await db.execute(TAKE, 1)
    written = await transaction.settle(SettleBy(token=delivery.token, settlement=DONE), now=1.0)
    again = await settle(storage, delivery, DONE)
    failed = await settle(storage, delivery, FAILURE)  # as after a commit of unknown end

    assert (written, again, failed) == (Settled.WRITTEN, Settled.REPEATED, Settled.LEASE_LOST)
    assert await outside.fetchval(LEFT) == 99
    assert (await storage.counts())[Status.COMPLETED] == 1


async def test_a_constraint_that_fails_at_the_commit_fails_the_attempt(
    world: World, outside: asyncpg.Connection
) -> None:
    await outside.execute(
        "CREATE TABLE cards (name text REFERENCES accounts DEFERRABLE INITIALLY DEFERRED)"
    )

    @world.app.task("give")
    async def give(ctx: Context) -> None:
        async with ctx.connection() as db:
            await db.execute("INSERT INTO cards VALUES ('nobody')")

    await world.start()
    task_id = await world.enqueue("give", options=Options(max_attempts=1))
    await world.ended(task_id)

    task = (await world.history(task_id)).task
    assert task.status is Status.DEAD
    assert "ForeignKeyViolationError" in str(task.reason)
    assert await outside.fetchval("SELECT count(*) FROM cards") == 0


async def test_a_handler_that_ends_the_transaction_itself_does_not_complete(
    world: World,
) -> None:
    @world.app.task("escape")
    async def escape(ctx: Context) -> None:
        async with ctx.connection() as db:
            kept = db
        await kept.execute("COMMIT; BEGIN")

    await world.start()
    task_id = await world.enqueue("escape", options=Options(max_attempts=1))
    await world.ended(task_id)

    assert "ended the transaction" in str((await world.history(task_id)).task.reason)


async def test_a_connection_that_is_lost_costs_an_attempt_and_no_write(
    world: World, outside: asyncpg.Connection
) -> None:
    @world.app.task("pay")
    async def pay(ctx: Context) -> None:
        async with ctx.connection() as db:
            await db.execute(TAKE, 1)
            pid = await db.fetchval("SELECT pg_backend_pid()")
        if ctx.attempt == 1:
            await outside_loop(outside.fetchval("SELECT pg_terminate_backend($1, 5000)", pid))

    home = asyncio.get_running_loop()

    async def outside_loop(call: Any) -> None:
        await asyncio.wrap_future(asyncio.run_coroutine_threadsafe(call, home))

    await world.start()
    task_id = await world.enqueue("pay", options=Options(max_attempts=2))
    await world.completed(task_id)

    assert await world.outcomes(task_id) == ["failed", "completed"]
    assert await outside.fetchval(LEFT) == 99


async def test_a_block_that_cannot_be_rolled_back_costs_the_attempt(
    world: World, outside: asyncpg.Connection
) -> None:
    @world.app.task("pay")
    async def pay(ctx: Context) -> str:
        try:
            async with ctx.connection() as db:
                taking = asyncio.ensure_future(
                    db.execute(f"{TAKE} AND pg_sleep(0.1) IS NOT NULL", 1)
                )
                await asyncio.sleep(0)
                await db.execute("SELECT 1")  # while the other statement runs
        except asyncpg.InterfaceError:
            await asyncio.wait({taking})
            return "paid in another way"
        return "paid"

    await world.start()
    task_id = await world.enqueue("pay", options=Options(max_attempts=1))
    await world.ended(task_id)

    task = (await world.history(task_id)).task
    assert await outside.fetchval(LEFT) == 100
    assert task.status is Status.DEAD
    assert "a block of it could not be rolled back" in str(task.reason)


async def test_a_block_ends_though_the_server_does_not_answer(
    attempts: Attempts, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(transactions, "CLOSE_S", 0.1)
    _, transaction = await attempts.begin()
    asking, server = asyncio.Event(), list[int]()

    async def ask() -> None:
        async with transaction.block() as db:
            server.append(db.get_server_pid())
            os.kill(server[0], signal.SIGSTOP)
            asking.set()
            await db.execute("SELECT 1")

    block = asyncio.ensure_future(ask())
    await asking.wait()
    block.cancel()
    await asyncio.wait({block}, timeout=PATIENCE_S)
    has_ended = block.done()
    os.kill(server[0], signal.SIGCONT)
    await asyncio.wait({block})

    assert has_ended
    assert block.cancelled()


async def test_the_next_attempt_ends_the_session_that_a_frozen_node_has_left(
    storage: PostgresStorage, attempts: Attempts, outside: asyncpg.Connection
) -> None:
    _, frozen = await attempts.begin()
    async with frozen.block() as db:
        await db.execute(TAKE, 10)
    [rescued] = await storage.rescue(ANOTHER, now=100.0)
    await settle(storage, rescued, FAILURE, now=100.0)
    delivery, again = await attempts.begin(now=200.0)

    async with asyncio.timeout(PATIENCE_S), again.block() as db:
        await db.execute(TAKE, 1)
    answers = [
        await each.settle(SettleBy(token=token, settlement=DONE), now=200.0)
        for each, token in ((frozen, rescued.token), (again, delivery.token))
    ]

    assert isinstance(answers[0], NotApplied)
    assert answers[1] is Settled.WRITTEN
    assert await outside.fetchval(LEFT) == 99


async def test_a_role_that_a_block_takes_ends_with_it(
    world: World, outside: asyncpg.Connection
) -> None:
    await outside.execute(
        "CREATE ROLE tenant;GRANT USAGE ON SCHEMA public TO tenant; GRANT ALL ON accounts TO tenant"
    )

    @world.app.task("pay")
    async def pay(ctx: Context) -> None:
        async with ctx.connection() as db:
            await db.execute("SET LOCAL ROLE tenant")
            await db.execute(TAKE, 1)

    await world.start()
    task_id = await world.enqueue("pay", options=Options(max_attempts=1))
    await world.ended(task_id)
    left = await outside.fetchval(LEFT)
    await outside.execute("DROP OWNED BY tenant; DROP ROLE tenant")

    assert left == 99


async def test_an_attempt_has_either_a_connection_or_a_transaction(world: World) -> None:
    @world.app.task("both")
    async def both(ctx: Context) -> list[str]:
        async with ctx.connection() as db:
            await db.execute("SELECT 1")
            try:
                async with ctx.connection():
                    pass
            except NoConnection as error:
                nested = str(error)
        try:
            ctx.transaction()
        except StatementRefused as error:
            return [nested, str(error)]
        return []

    @world.app.task("other")
    async def other(ctx: Context) -> str:
        ctx.transaction()
        try:
            async with ctx.connection():
                return ""
        except NoConnection as error:
            return str(error)

    await world.start()
    both_id, other_id = await world.enqueue("both"), await world.enqueue("other")
    await world.completed(both_id, other_id)

    result = str((await world.history(both_id)).task.result)
    assert "another block of this attempt is using it" in result
    assert "this attempt has a ctx.connection()" in result
    assert "has used ctx.transaction()" in str((await world.history(other_id)).task.result)


async def test_a_transaction_is_refused_while_a_connection_is_being_made(world: World) -> None:
    @world.app.task("at once")
    async def at_once(ctx: Context) -> str:
        async def use() -> None:
            async with ctx.connection() as db:
                await db.execute(TAKE, 1)

        using = asyncio.ensure_future(use())
        await asyncio.sleep(0)  # it has asked, and waits for the server
        try:
            ctx.transaction()
        except StatementRefused as error:
            return str(error)
        finally:
            await using
        return ""

    await world.start()
    task_id = await world.enqueue("at once")
    await world.completed(task_id)

    assert "has a ctx.connection()" in str((await world.history(task_id)).task.result)


async def test_without_postgresql_the_error_names_what_to_use(events: EventLog) -> None:
    storage = MemoryStorage()
    async with World(events, lambda: storage) as world:

        @world.app.task("pay")
        async def pay(ctx: Context) -> None:
            async with ctx.connection():
                pass

        @world.app.task("fall back")
        async def fall_back(ctx: Context) -> str:
            try:
                async with ctx.connection():
                    return "lent"
            except NoConnection:
                ctx.transaction()
                return "has another"

        await world.start()
        await world.completed(await world.enqueue("fall back"))
        task_id = await world.enqueue("pay", options=Options(max_attempts=1))
        await world.ended(task_id)
        reason = str((await world.history(task_id)).task.reason)

    assert "lends none" in reason
    assert "PostgreSQL, and ctx.transaction() for all others" in reason


async def test_a_handler_off_the_loop_has_no_connection(world: World) -> None:
    @world.app.task("pay")
    def pay(ctx: Context) -> str:
        async def lent() -> None:
            async with ctx.connection():
                pass

        try:
            asyncio.run(lent())
        except NoConnection as error:
            return str(error)
        return ""

    await world.start()
    task_id = await world.enqueue("pay")
    await world.completed(task_id)

    assert "on another thread" in str((await world.history(task_id)).task.result)
    with pytest.raises(NoConnection, match="in a process"):
        WorkerAttemptHandle(None).connection()  # type: ignore[arg-type]


async def test_a_connection_that_is_asked_for_after_the_attempt_is_refused(world: World) -> None:
    refused = Reply[str]()

    @world.app.task("late")
    async def late(ctx: Context) -> None:
        background.add(asyncio.ensure_future(ask_later(ctx)))

    background = set[asyncio.Future[None]]()

    async def ask_later(ctx: Context) -> None:
        await asyncio.to_thread(gate.wait)
        try:
            async with ctx.connection():
                refused.set("lent")
        except NoConnection as error:
            refused.set(str(error))

    gate = threading.Event()
    await world.start()
    await world.completed(await world.enqueue("late"))
    gate.set()

    assert "the attempt has ended" in await refused.within(PATIENCE_S, TimeoutError)
