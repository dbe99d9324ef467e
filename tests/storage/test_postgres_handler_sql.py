"""What handlers' statements meet in a database that other programs and nodes use as well."""

import asyncio
from collections.abc import AsyncIterator

import asyncpg
import pytest

from taskqueue.errors import StatementRefused, StorageLost
from taskqueue.rules.tasks import (
    AttemptOutcome,
    Complete,
    NotApplied,
    Settled,
    Statement,
    Status,
)
from taskqueue.storage.postgres import commit, serving
from taskqueue.storage.postgres.database import PostgresDatabase
from taskqueue.storage.postgres.engine import PostgresStorage
from taskqueue.storage.postgres.handler_sql import execution, footprint, permissions
from taskqueue.testing.contract.sql_steps import apply, complete, look, query
from taskqueue.testing.contract.steps import add, claim, new_task, settle, task_of
from tests.postgres_server import run_in

BALANCE = "SELECT balance FROM accounts WHERE id = 1"


@pytest.fixture
async def database(migrated_database: PostgresDatabase) -> AsyncIterator[PostgresDatabase]:
    """Give a database with an account of 100."""
    await run_in(
        migrated_database,
        "CREATE TABLE accounts (id bigint PRIMARY KEY, balance bigint);"
        "INSERT INTO accounts VALUES (1, 100)",
    )
    yield migrated_database
    await run_in(migrated_database, "DROP SCHEMA public CASCADE; CREATE SCHEMA public")


@pytest.fixture
async def storage(database: PostgresDatabase) -> AsyncIterator[PostgresStorage]:
    storage = PostgresStorage(database)
    await storage.open()
    yield storage
    await storage.close()


@pytest.fixture
async def program(database: PostgresDatabase) -> AsyncIterator[asyncpg.Connection]:
    """Give the connection of another program."""
    connection = await asyncpg.connect(database.dsn)
    yield connection
    await connection.close()


async def waits_for_a_lock(program: asyncpg.Connection) -> None:
    """Return when a statement waits for a row that `program` has locked."""
    waiting = "SELECT count(*) FROM pg_locks WHERE pg_backend_pid() = ANY (pg_blocking_pids(pid))"
    async with asyncio.timeout(10):
        while not await program.fetchval(waiting):
            pass


async def test_a_statement_that_waits_for_another_program_holds_up_no_other_task(
    storage: PostgresStorage, program: asyncpg.Connection
) -> None:
    await add(storage, "a", "b")
    a, b = await claim(storage)
    async with program.transaction():
        await program.execute("UPDATE accounts SET balance = 50")
        waiting = asyncio.ensure_future(
            complete(storage, a, Statement(sql="UPDATE accounts SET balance = balance + 1"))
        )
        await waits_for_a_lock(program)

        other = await complete(storage, b)
        extended = await storage.extend([a.token], lease_s=60.0, now=1.0)
        is_waiting = not waiting.done()

    assert (other, extended, is_waiting) == (Settled.WRITTEN, (), True)
    assert await waiting is Settled.WRITTEN
    assert await query(storage, BALANCE) == ((51,),)


async def test_of_two_nodes_that_saw_the_same_the_first_wins(
    storage: PostgresStorage, database: PostgresDatabase
) -> None:
    other = PostgresStorage(database)
    await other.open()
    await add(storage, "a", "b")
    a, b = await claim(storage)
    seen = await look(storage, BALANCE)
    spend = (
        Statement(sql=BALANCE, saw=seen.digest),
        Statement(sql="UPDATE accounts SET balance = balance - 60 WHERE id = 1"),
    )

    answers = await asyncio.gather(complete(storage, a, *spend), complete(other, b, *spend))

    [refused] = [each for each in answers if isinstance(each, NotApplied)]
    assert Settled.WRITTEN in answers
    assert refused.outcome is AttemptOutcome.CONFLICTED
    assert await query(storage, BALANCE) == ((40,),)
    await other.close()


async def test_rows_that_were_read_for_update_are_not_changed_by_another_program_until_the_ack(
    storage: PostgresStorage, program: asyncpg.Connection
) -> None:
    read = f"{BALANCE} FOR UPDATE"
    await add(storage, "a")
    [a] = await claim(storage)
    seen = await look(storage, read)
    spend = (
        Statement(sql=read, saw=seen.digest),
        Statement(sql="UPDATE accounts SET balance = balance - 60 WHERE id = 1"),
    )
    async with program.transaction():
        await program.execute("UPDATE accounts SET balance = 50")
        settling = asyncio.ensure_future(complete(storage, a, *spend))
        await waits_for_a_lock(program)

    answer = await settling

    assert isinstance(answer, NotApplied)
    assert answer.outcome is AttemptOutcome.CONFLICTED
    assert await query(storage, BALANCE) == ((50,),)


async def test_more_rows_than_were_ever_shown_are_a_conflict(storage: PostgresStorage) -> None:
    await apply(storage, "CREATE TABLE texts (text text)")
    seen = await look(storage, "SELECT text FROM texts")
    await apply(storage, "INSERT INTO texts VALUES (repeat('x', 1048576))")
    await add(storage, "a")
    [a] = await claim(storage)

    answer = await complete(storage, a, Statement(sql="SELECT text FROM texts", saw=seen.digest))

    assert isinstance(answer, NotApplied)
    assert answer.outcome is AttemptOutcome.CONFLICTED


async def test_nothing_of_a_session_is_left_for_the_next_task(
    storage: PostgresStorage, program: asyncpg.Connection
) -> None:
    await apply(
        storage,
        "SELECT set_config('statement_timeout', '1', false)",
        "SELECT set_config('search_path', 'nowhere', false)",
        "SELECT set_config('synchronous_commit', 'off', true)",
        "SELECT pg_advisory_lock(7)",
    )
    await query(storage, "SELECT pg_advisory_lock(8)")

    timeout = await query(storage, "SELECT current_setting('search_path')")
    await apply(storage, "INSERT INTO accounts VALUES (2, 0)")

    assert timeout == (('"$user", public',),)
    assert await program.fetchval("SELECT pg_try_advisory_lock(7) AND pg_try_advisory_lock(8)")


async def test_values_that_python_has_no_scalar_for_come_and_go_as_text(
    storage: PostgresStorage,
) -> None:
    sql = "SELECT $1::numeric + 1, $2::timestamptz, $3::date, $4::uuid, $5::bool, $6::jsonb"
    name = "7b89248c-b7c0-4a8e-ba7d-2f4fa48e1bba"
    values = ("12.50", "2026-11-30 08:00:00+00", "2026-11-30", name, True, '{"a": 1}')

    [row] = await query(storage, sql, *values)

    assert row == ("13.50", *values[1:])


async def test_a_value_that_a_row_cannot_hold_is_refused_with_what_to_do(
    storage: PostgresStorage,
) -> None:
    with pytest.raises(StatementRefused, match="cast it to text"):
        await query(storage, "SELECT ARRAY[1]")

    assert await query(storage, "SELECT ARRAY[1]::text") == (("{1}",),)


@pytest.mark.parametrize("value", ["closed", "enclosure"])  # words of drivers for a lost connection
async def test_a_value_that_does_not_fit_is_refused_whatever_it_says(
    storage: PostgresStorage, value: str
) -> None:
    statement = Statement(sql="SELECT balance FROM accounts WHERE id = $1", parameters=(value,))
    await add(storage, "a")
    [a] = await claim(storage)

    with pytest.raises(StatementRefused, match=value):
        await storage.dry_run((), statement, limit_s=1.0)
    answer = await complete(storage, a, statement)

    assert isinstance(answer, NotApplied)
    assert value in answer.error


async def test_statements_that_wait_too_long_for_those_of_others_are_a_conflict_and_no_outage(
    storage: PostgresStorage, program: asyncpg.Connection
) -> None:
    change = Statement(sql="UPDATE accounts SET balance = balance + 1")
    await add(storage, "a")
    [a] = await claim(storage)

    async with program.transaction():  # as the commit of another node, which takes long
        await program.execute(footprint.ALONE)
        refused = await complete(storage, a, change)

    assert isinstance(refused, NotApplied)
    assert refused.outcome is AttemptOutcome.CONFLICTED
    assert await complete(storage, a, change) is Settled.WRITTEN
    assert await query(storage, BALANCE) == ((101,),)


async def test_a_commit_with_statements_is_ended_by_the_server_if_its_node_freezes(
    program: asyncpg.Connection,
) -> None:
    await program.execute(commit.BEGIN)
    await program.execute(execution.RESTORE)  # after the statements

    limit = await program.fetchval("SELECT current_setting('idle_in_transaction_session_timeout')")

    await program.execute("ROLLBACK")
    assert limit == "5s"


async def test_a_dry_run_is_ended_by_the_server_if_its_node_freezes_and_waits_briefly_for_locks(
    storage: PostgresStorage,
) -> None:
    names = "('idle_in_transaction_session_timeout'), ('lock_timeout')"

    limits = await query(storage, f"SELECT current_setting(name) FROM (VALUES {names}) AS _ (name)")

    assert limits == (("5s",), ("5s",))


async def test_no_statements_are_committed_beside_a_copy(
    storage: PostgresStorage, database: PostgresDatabase, program: asyncpg.Connection
) -> None:
    await apply(storage, "SELECT pg_advisory_lock(7)")  # all locks of this session are released
    await add(storage, "a")
    [a] = await claim(storage)
    await program.execute(
        "SELECT pg_terminate_backend(pid, 5000) FROM pg_locks WHERE locktype = 'advisory'"
    )
    await serving.hold(program, str(database))  # as a copy does, once the writer's share is gone

    waiting = asyncio.ensure_future(
        complete(storage, a, Statement(sql="UPDATE accounts SET balance = 50"))
    )
    await waits_for_a_lock(program)
    balance = await program.fetchval(BALANCE)
    await program.execute("SELECT pg_advisory_unlock_all()")

    assert balance == 100
    assert await waiting is Settled.WRITTEN


async def test_a_handler_that_deallocates_what_is_prepared_costs_no_other_task(
    storage: PostgresStorage,
) -> None:
    await apply(
        storage,
        """
        CREATE FUNCTION forget() RETURNS void LANGUAGE plpgsql
        AS $$ BEGIN EXECUTE 'DEALLOCATE ALL'; END $$
        """,
    )
    await add(storage, "a", "b")
    a, b = await claim(storage)

    refused = await complete(storage, a, Statement(sql="SELECT forget()"))

    assert isinstance(refused, NotApplied)
    assert await complete(storage, b, Statement(sql="SELECT 1")) is Settled.WRITTEN


async def test_an_error_of_a_statement_is_no_outage_whatever_its_code_says(
    storage: PostgresStorage,
) -> None:
    await apply(
        storage,
        """
        CREATE FUNCTION reach_another_server() RETURNS void LANGUAGE plpgsql AS $$ BEGIN
            RAISE 'could not connect to server' USING ERRCODE = '08001';  -- as postgres_fdw does
        END $$
        """,
    )
    await add(storage, "a", "b")
    a, b = await claim(storage)

    with pytest.raises(StatementRefused, match="could not connect"):
        await query(storage, "SELECT reach_another_server()")
    unreached = await complete(storage, a, Statement(sql="SELECT reach_another_server()"))
    no_file = await complete(storage, b, Statement(sql="SELECT pg_read_file('no such file')"))

    assert isinstance(unreached, NotApplied)
    assert isinstance(no_file, NotApplied)


async def test_statements_that_end_their_session_each_time_fail(storage: PostgresStorage) -> None:
    await add(storage, "a", "b")
    a, b = await claim(storage)

    ending, other = await asyncio.gather(
        complete(storage, a, Statement(sql="SELECT pg_terminate_backend(pg_backend_pid())")),
        complete(storage, b, Statement(sql="UPDATE accounts SET balance = 50")),
        return_exceptions=True,
    )
    if isinstance(other, StorageLost):  # both have shared commits, and it is repeated as ever
        other = await complete(storage, b, Statement(sql="UPDATE accounts SET balance = 50"))

    assert isinstance(ending, NotApplied)
    assert (ending.outcome, other) == (AttemptOutcome.FAILED, Settled.WRITTEN)
    assert await query(storage, BALANCE) == ((50,),)


async def test_parameters_by_name_are_refused_with_what_to_do(storage: PostgresStorage) -> None:
    statement = Statement(sql="SELECT 1", parameters={"a": 1})

    with pytest.raises(StatementRefused, match=r"write \$1, \$2, … and give a sequence"):
        await storage.dry_run((), statement, limit_s=1.0)


async def test_a_lost_connection_leaves_both_the_statements_and_the_ack_or_neither(
    storage: PostgresStorage, program: asyncpg.Connection
) -> None:
    await add(storage, "a")
    [a] = await claim(storage)
    async with program.transaction():
        await program.execute("UPDATE accounts SET balance = 50")
        settling = asyncio.ensure_future(
            complete(storage, a, Statement(sql="UPDATE accounts SET balance = balance + 1"))
        )
        await waits_for_a_lock(program)
        await program.fetchval(
            "SELECT count(pg_terminate_backend(pid)) FROM pg_locks"
            " WHERE NOT granted AND pg_backend_pid() = ANY (pg_blocking_pids(pid))"
        )

    assert await settling is Settled.WRITTEN  # tried once more
    assert await query(storage, BALANCE) == ((51,),)
    assert (await task_of(storage, "a")).status is Status.COMPLETED


async def test_what_a_settlement_writes_besides_may_still_fail_with_all_its_statements(
    storage: PostgresStorage,
) -> None:
    await add(storage, "a")
    [delivery] = await claim(storage)
    settlement = Complete(
        result="1",
        follow_ups=(new_task("poison", priority=2**70),),
        statements=(Statement(sql="UPDATE accounts SET balance = 1"),),
    )

    with pytest.raises(asyncpg.DataError):
        await settle(storage, delivery, settlement)

    assert await query(storage, BALANCE) == ((100,),)
    assert (await task_of(storage, "a")).status is Status.QUEUED


async def test_a_constraint_that_is_deferred_stays_so_for_the_next_that_shares_the_commit(
    storage: PostgresStorage,
) -> None:
    await apply(
        storage,
        """
        CREATE TABLE cards (
            account bigint REFERENCES accounts (id) DEFERRABLE INITIALLY DEFERRED
        )
        """,
    )
    await add(storage, "a", "b")
    first, second = [
        complete(
            storage,
            delivery,
            Statement(sql="INSERT INTO cards VALUES ($1)", parameters=(account,)),
            Statement(sql="INSERT INTO accounts VALUES ($1, 0)", parameters=(account,)),
        )
        for account, delivery in enumerate(await claim(storage), 10)
    ]

    assert await asyncio.gather(first, second) == [Settled.WRITTEN, Settled.WRITTEN]


@pytest.mark.parametrize(
    ("sql", "refused"),
    [
        ("select 1", None),
        ("-- why\n( ( SELECT 1) )", None),
        ("/* a /* b */ COMMIT */ VALUES (1)", None),
        ("WITH x AS (SELECT 1) DELETE FROM mine", None),
        ("CREATE UNIQUE INDEX mine ON yours (x)", None),
        ("CREATE OR REPLACE FUNCTION mine() …", None),
        ("create materialized view mine as select 1", None),
        ("commit", "COMMIT"),
        ("/**/commit/**/", "COMMIT"),
        ("(COMMIT", "COMMIT"),
        ("--\rCOMMIT", "COMMIT"),
        ("CREATE TEMP TABLE mine ()", "CREATE TEMP"),
        ("CREATE GLOBAL TEMPORARY TABLE mine ()", "CREATE GLOBAL"),
        ("ALTER SYSTEM SET fsync = off", "ALTER SYSTEM"),
        ("DROP", "DROP"),
        ("", "be anything but SQL"),
        ("/* COMMIT", "be anything but SQL"),
        (";COMMIT", "be anything but SQL"),
        ("\N{NO-BREAK SPACE}COMMIT", "be anything but SQL"),
    ],
)
def test_a_statement_is_judged_by_the_words_that_it_begins_with(
    sql: str, refused: str | None
) -> None:
    assert permissions.refusal(sql) == refused
