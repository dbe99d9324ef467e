"""A handler's transaction and the ack are one commit, and the token fences both."""

import asyncio
from collections.abc import AsyncIterator
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

import aiosqlite
import pytest

from taskqueue import Limit
from taskqueue.actors.messages import QUEUE
from taskqueue.api.context import Context
from taskqueue.commands import Pause, Resume
from taskqueue.errors import StatementRefused
from taskqueue.rules.leases import chains
from taskqueue.rules.options import Options
from taskqueue.rules.tasks import DEFAULT_QUEUE
from taskqueue.runtime import ask
from taskqueue.storage.sqlite.connections import spawn
from taskqueue.storage.sqlite.engine import SQLiteStorage
from taskqueue.testing.events import EventLog
from tests.actors import fatal_sql
from tests.actors.world import Lives, World


class Bank:
    """Accounts in the service's own database, looked at from outside."""

    def __init__(self, path: Path) -> None:
        self._path = path

    async def open(self, **balances: int) -> None:
        async with aiosqlite.connect(self._path) as db:
            await db.execute("CREATE TABLE accounts (name TEXT PRIMARY KEY, balance INTEGER)")
            await db.executemany("INSERT INTO accounts VALUES (?, ?)", balances.items())
            await db.commit()

    async def balances(self) -> dict[str, int]:
        async with aiosqlite.connect(self._path) as db:
            rows = await db.execute_fetchall("SELECT name, balance FROM accounts")
            return {str(name): int(balance) for name, balance in rows}


@pytest.fixture
async def world(events: EventLog, tmp_path: Path) -> AsyncIterator[World]:
    lives = Lives()
    async with World(events, lambda: SQLiteStorage(tmp_path / "tasks.db")) as world:
        yield world
    await lives.assert_no_more()


@pytest.fixture
def bank(tmp_path: Path) -> Bank:
    return Bank(tmp_path / "tasks.db")


TIMEOUT_S = 30.0
TAKE = "UPDATE accounts SET balance = balance - ? WHERE name = ?"


async def test_what_is_gathered_commits_with_the_result_and_the_follow_ups(
    world: World, bank: Bank
) -> None:
    @world.app.task("pay")
    async def pay(ctx: Context, amount: int) -> int:
        tx = ctx.transaction()
        tx.execute(TAKE, (amount, "ann"))
        [[left]] = await tx.fetch("SELECT balance FROM accounts WHERE name = 'ann'")
        tx.execute(TAKE, (-amount, "bob"))
        ctx.enqueue(quick)
        return int(str(left))

    @world.app.task("next")
    async def quick(ctx: Context) -> None: ...

    await world.start()
    await bank.open(ann=100, bob=0)

    task_id = await world.enqueue("pay", amount=30)
    await world.completed(task_id)

    assert await bank.balances() == {"ann": 70, "bob": 30}
    assert (await world.history(task_id)).task.result == "70"
    await world.events.wait_for("task_completed", action="next")


async def test_a_plain_function_has_one_too(world: World, bank: Bank) -> None:
    @world.app.task("pay")
    def pay(ctx: Context) -> object:
        tx = ctx.transaction()
        tx.execute(TAKE, (1, "ann"))
        return tx.fetch_blocking("SELECT balance FROM accounts")[0][0]

    await world.start()
    await bank.open(ann=100)

    task_id = await world.enqueue("pay")
    await world.completed(task_id)

    assert await bank.balances() == {"ann": 99}
    assert (await world.history(task_id)).task.result == "99"


@pytest.mark.parametrize("end", ["raise", "nack", "reject"])
async def test_an_attempt_that_does_not_complete_writes_nothing(
    world: World, bank: Bank, end: str
) -> None:
    @world.app.task("pay")
    async def pay(ctx: Context) -> bool | None:
        ctx.transaction().execute(TAKE, (1, "ann"))
        await ctx.transaction().fetch(TAKE + " RETURNING balance", (1, "ann"))
        if end == "nack":
            return False
        raise OSError("after all")

    await world.start()
    await bank.open(ann=100)

    task_id = await world.enqueue("pay", options=Options(max_attempts=2))
    await world.events.wait_for("task_dead_lettered", task_id=task_id)

    assert await bank.balances() == {"ann": 100}


async def test_statements_that_cannot_be_applied_are_a_failure_of_this_attempt_alone(
    world: World, bank: Bank
) -> None:
    @world.app.task("pay")
    async def pay(ctx: Context, name: str) -> None:
        tx = ctx.transaction()
        tx.execute(TAKE, (1, "ann"))
        tx.execute("INSERT INTO accounts VALUES (?, 0)", (name,))

    await world.start(consumers=2)
    await bank.open(ann=100)

    bad = await world.enqueue("pay", options=Options(max_attempts=2), name="ann")
    good = await world.enqueue("pay", name="zoe")
    await world.events.wait_for("task_dead_lettered", task_id=bad)
    await world.completed(good)

    history = await world.history(bad)
    assert await bank.balances() == {"ann": 99, "zoe": 0}
    assert [str(each.outcome) for each in history.attempts] == ["failed", "failed"]
    assert "UNIQUE constraint failed" in str(history.attempts[0].error)


async def test_the_queues_own_tables_are_out_of_reach(world: World) -> None:
    refused: list[str] = []

    @world.app.task("forge")
    async def forge(ctx: Context) -> None:
        try:
            await ctx.transaction().fetch("UPDATE tasks SET status = 'completed' RETURNING id")
        except StatementRefused as error:
            refused.append(str(error))
        ctx.transaction().execute("DELETE FROM tasks")

    await world.start()
    task_id = await world.enqueue("forge", options=Options(max_attempts=1))
    await world.events.wait_for("task_dead_lettered", task_id=task_id)

    assert len(refused) == 1
    assert "tasks" in refused[0]
    assert (await world.history(task_id)).task.status == "dead"


async def test_two_that_read_the_same_and_write_it_do_not_lose_an_update(
    world: World, bank: Bank
) -> None:
    both_have_read = asyncio.Event()
    reads: list[object] = []
    loop = asyncio.get_running_loop()

    @world.app.task("increment")
    async def increment(ctx: Context) -> None:
        tx = ctx.transaction()
        [[balance]] = await tx.fetch("SELECT balance FROM accounts WHERE name = 'ann'")
        reads.append(balance)
        if len(reads) == 2:
            loop.call_soon_threadsafe(both_have_read.set)
            world.gate.open()
        await world.gate.passed()
        tx.execute("UPDATE accounts SET balance = ? WHERE name = 'ann'", (int(str(balance)) + 1,))

    await world.start(consumers=2)
    await bank.open(ann=0)

    tasks = [await world.enqueue("increment") for _ in range(2)]
    await both_have_read.wait()
    await world.completed(*tasks)

    outcomes = sorted([await world.outcomes(task_id) for task_id in tasks])
    assert await bank.balances() == {"ann": 2}
    assert outcomes == [["completed"], ["conflicted", "completed"]]
    assert [(await world.history(task_id)).task.attempt for task_id in tasks] == [1, 1]


async def test_a_worker_that_was_believed_dead_writes_nothing_when_it_wakes_up(
    world: World, bank: Bank
) -> None:
    @world.app.task("slow")
    async def slow(ctx: Context) -> str:
        ctx.transaction().execute(TAKE, (1, "ann"))
        if ctx.attempt == 1:
            await world.gate.passed()
        return f"attempt {ctx.attempt}"

    await world.start()
    await bank.open(ann=100)
    task_id = await world.enqueue("slow")
    await world.begun(task_id)
    async with aiosqlite.connect(bank._path) as db:  # its lease is lost, and another has the task
        await db.execute("UPDATE tasks SET token = NULL, status = 'retrying', run_at = 0")
        await db.commit()
    await world.resize(2)
    await world.completed(task_id)

    world.gate.open()
    await world.events.wait_for("task_lease_lost", task_id=task_id)

    assert await bank.balances() == {"ann": 99}
    assert (await world.history(task_id)).task.result == '"attempt 2"'


@pytest.mark.parametrize(
    "value", [2**63, "half of a pair: \ud800", Decimal("1.5"), date(2026, 1, 1), object(), [1]]
)
async def test_what_no_database_holds_is_refused_on_the_handlers_own_line(
    world: World, bank: Bank, value: Any
) -> None:
    refused: list[str] = []

    @world.app.task("pay")
    async def pay(ctx: Context) -> None:
        for parameters in ((value,), {"amount": value}):
            with pytest.raises(StatementRefused) as refusal:
                ctx.transaction().execute("UPDATE accounts SET balance = :amount", parameters)
            refused.append(refusal.value.detail)

    await world.start()
    await bank.open(ann=100)
    task_id = await world.enqueue("pay")
    await world.completed(task_id)

    assert all(detail.startswith("a parameter must be") for detail in refused)
    assert len(refused) == 2
    assert await bank.balances() == {"ann": 100}


@pytest.mark.parametrize("value", [None, 1.5, b"bytes", -(2**63), 2**63 - 1, True, "Zürich 🚲"])
async def test_what_a_database_holds_is_written(world: World, bank: Bank, value: Any) -> None:
    @world.app.task("pay")
    async def pay(ctx: Context) -> bool | None:
        [[is_so]] = await ctx.transaction().fetch("SELECT ? IS ?", (value, value))
        return is_so == 1

    await world.start()
    task_id = await world.enqueue("pay")
    await world.completed(task_id)

    assert (await world.history(task_id)).task.result == "true"


async def test_a_handler_may_fetch_at_the_same_time_and_go_on_meanwhile(
    world: World, bank: Bank
) -> None:
    @world.app.task("open")
    async def open_accounts(ctx: Context) -> int:
        tx = ctx.transaction()
        insert = "INSERT INTO accounts SELECT name || 'a', 7 FROM accounts RETURNING name"
        fetching = [asyncio.create_task(tx.fetch(insert)) for _ in range(2)]
        total = asyncio.create_task(tx.fetch("SELECT count(*) FROM accounts"))
        await asyncio.sleep(0)
        tx.execute("DELETE FROM accounts")
        await asyncio.gather(*fetching)
        [[count]] = await total
        return int(str(count))

    await world.start()
    await bank.open(x=100)
    task_id = await world.enqueue("open")
    await world.completed(task_id)

    assert await world.outcomes(task_id) == ["completed"]


# --- statements that kill -------------------------------------------------------------------------


async def test_statements_that_kill_the_process_that_writes_are_the_crash_of_their_own_task_alone(
    events: EventLog, tmp_path: Path, bank: Bank, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(spawn, "COMMAND", fatal_sql.COMMAND)
    async with World(
        events, lambda: SQLiteStorage(tmp_path / "tasks.db", writes_in="process")
    ) as world:

        @world.app.task("pay")
        async def pay(ctx: Context) -> None:
            ctx.transaction().execute(TAKE, (1, "ann"))

        @world.app.task("kill")
        async def kill(ctx: Context) -> None:
            ctx.transaction().execute("SELECT 'fatal'")

        await world.start(consumers=2)
        await bank.open(ann=100)

        tasks = [world.prepare(action) for action in ("pay", "kill", "pay", "pay")]
        await world.app.enqueue(*tasks)
        [first, killing, *paying] = [task.id for task in tasks]
        await events.wait_for("task_dead_lettered", task_id=killing, timeout_s=TIMEOUT_S)
        await world.completed(first, *paying, timeout_s=TIMEOUT_S)

        dead = (await world.history(killing)).task
        assert dead.reason is not None
        assert dead.reason.startswith("poison: crashed 3 times")
        assert await world.outcomes(killing) == ["crashed"] * 3
        assert [await world.outcomes(each) for each in (first, *paying)] == [["completed"]] * 3
        assert await bank.balances() == {"ann": 97}


async def test_a_transaction_sees_the_one_before_it_under_the_same_limit(
    world: World, bank: Bank, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(chains, "CHAIN_S", 600.0)  # however busy the machine is

    @world.app.task("count", limit=Limit(running=1, name="counter"))
    async def count(ctx: Context, is_warm_up: bool = False) -> None:
        if is_warm_up:
            return
        tx = ctx.transaction()
        [[balance]] = await tx.fetch("SELECT balance FROM accounts WHERE name = 'ann'")
        tx.execute("UPDATE accounts SET balance = ? WHERE name = 'ann'", (int(str(balance)) + 1,))

    await world.start(slots=4)
    await bank.open(ann=0)
    for _ in range(4):  # so that chains have become longer
        await world.completed(await world.enqueue("count", is_warm_up=True))
    queue = world.system.address(QUEUE)
    await ask(queue, Pause(queue=DEFAULT_QUEUE))
    tasks = [await world.enqueue("count") for _ in range(5)]

    await ask(queue, Resume(queue=DEFAULT_QUEUE))
    await world.completed(*tasks)

    assert [await world.outcomes(task) for task in tasks] == [["completed"]] * 5
    assert await bank.balances() == {"ann": 5}
