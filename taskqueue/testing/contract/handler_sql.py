"""The part of the storage contract about a handler's own statements."""

import asyncio

import pytest

from taskqueue.errors import StatementRefused
from taskqueue.rules.tasks import (
    AttemptOutcome,
    Complete,
    Delivery,
    NotApplied,
    Row,
    Rows,
    Scalar,
    SettleBy,
    Settled,
    Statement,
    Status,
)
from taskqueue.storage.protocol import Storage
from taskqueue.testing.contract.steps import (
    DONE,
    FAILURE,
    ME,
    STALE,
    add,
    claim,
    ids,
    new_task,
    settle,
    task_of,
)

ENDLESS_READ = """
WITH RECURSIVE n (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM n) SELECT n FROM n WHERE n < 0
"""
ENDLESS_WRITE = """
WITH RECURSIVE n (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM n)
INSERT INTO accounts SELECT -n, n FROM n
"""
NO_LIMIT_S = 60.0

MISTAKES = {
    "no SQL": Statement(sql="this is no SQL"),
    "no table": Statement(sql="SELECT * FROM nothing"),
    "two statements": Statement(sql="DELETE FROM accounts; DELETE FROM accounts"),
    "too few values": Statement(sql="SELECT ?, ?", parameters=(1,)),
    "too many values": Statement(sql="SELECT ?", parameters=(1, 2)),
    "a name without a value": Statement(sql="SELECT :a", parameters={"b": 1}),
    "an integer too great": Statement(sql="SELECT ?", parameters=(2**63,)),
    "a lone surrogate": Statement(sql="SELECT ?", parameters=("\ud800",)),
    "a lone surrogate in the SQL": Statement(sql="SELECT '\ud800'"),
    "a NUL in the SQL": Statement(sql="SELECT 1\0"),
    "a value of no type": Statement(sql="SELECT ?", parameters=([],)),  # type: ignore[arg-type]
    "no text": Statement(sql=1),  # type: ignore[arg-type]
    "text that is no UTF-8": Statement(sql="SELECT CAST(x'ff' AS TEXT)"),
    "a value too long": Statement(sql="SELECT length(zeroblob(900000000))"),
    "a constraint": Statement(sql="UPDATE accounts SET balance = balance - 1000"),
    "half done": Statement(sql="UPDATE OR FAIL accounts SET balance = balance - 50 * id"),
    "rolling back": Statement(sql="INSERT OR ROLLBACK INTO accounts VALUES (1, 1)"),
    "a trigger that rolls back": Statement(sql="DELETE FROM accounts"),
}

FORBIDDEN = (
    "INSERT INTO tasks (id) VALUES ('x')",
    "UPDATE tasks SET status = 'queued'",
    "UPDATE main.TASKS SET status = 'queued'",
    "DELETE FROM tasks",
    "REPLACE INTO counters VALUES ('queued', 0)",
    "DELETE FROM attempts",
    "INSERT INTO paused VALUES ('default', 0)",
    "DELETE FROM probe",
    "DROP TABLE tasks",
    "DROP INDEX ready",
    "ALTER TABLE tasks RENAME TO mine",
    "ALTER TABLE tasks ADD COLUMN mine",
    "ALTER TABLE accounts RENAME TO json_each",  # a name that a storage uses itself
    "CREATE TABLE json_each (x)",
    "CREATE VIEW Json_Each AS SELECT 1",
    "CREATE INDEX mine ON tasks (result)",
    "CREATE TRIGGER mine AFTER INSERT ON tasks BEGIN SELECT 1; END",
    "CREATE TEMP TABLE tasks (id)",
    "CREATE TEMP VIEW tasks AS SELECT 1",
    "CREATE TEMP TRIGGER mine AFTER INSERT ON accounts BEGIN SELECT 1; END",
    "INSERT INTO through_a_view VALUES (1)",
    "INSERT INTO through_a_trigger VALUES (1)",
    "UPDATE sqlite_master SET sql = ''",
    "INSERT INTO sqlite_master VALUES ('table', 'x', 'x', 0, '')",
    "PRAGMA writable_schema = ON",
    "PRAGMA foreign_keys = ON",
    "PRAGMA user_version = 99",
    "ATTACH ':memory:' AS other",
    "DETACH main",
    "VACUUM",
    "ANALYZE",
    "BEGIN",
    "BEGIN IMMEDIATE",
    "COMMIT",
    "END",
    "ROLLBACK",
    "SAVEPOINT mine",
    "RELEASE handler",
    "ROLLBACK TO handler",
    "SELECT load_extension('x')",
    # temporary objects, however they are made
    "CREATE VIRTUAL TABLE temp.mine USING fts5 (text)",
    "CREATE VIRTUAL TABLE temp.mine USING fts5vocab (main, notes, row)",
    "CREATE VIRTUAL TABLE temp.tasks USING rtree (id, low, high)",
    "CREATE VIRTUAL TABLE temp.attempts USING rtree (id, low, high)",
    "ALTER TABLE temp.mine RENAME TO tasks",
    "SELECT * FROM temp.sqlite_master",
    "SELECT * FROM sqlite_temp_schema",
    # modules that read raw pages, registers of SQLite or statements of others
    "CREATE VIRTUAL TABLE mine USING dbstat",
    "CREATE VIRTUAL TABLE mine USING fts3 (text)",
    "CREATE VIRTUAL TABLE mine USING fts4 (text)",
    "CREATE VIRTUAL TABLE mine USING fts4aux (notes)",
    "CREATE VIRTUAL TABLE mine USING fts5vocab (notes, row)",
    "CREATE VIRTUAL TABLE mine USING fts3tokenize (simple)",
    "CREATE VIRTUAL TABLE tasks USING fts5 (text)",
    "SELECT * FROM dbstat",
    "SELECT count(*) FROM dbstat",
    "SELECT * FROM fts3tokenize WHERE input = 'a'",
    "SELECT * FROM sqlite_stmt",
    "SELECT * FROM pragma_user_version",
    "SELECT * FROM pragma_quick_check",
    "SELECT * FROM pragma_table_info('tasks')",
    "PRAGMA quick_check",
    "PRAGMA hard_heap_limit = 1",
    # functions that reach outside the statement
    "SELECT fts3_tokenizer('simple')",
    "SELECT fts3_tokenizer('mine', x'0000000000000000')",
    "SELECT sqlite_log(1, 'x')",
    "SELECT rtreecheck('tasks')",
    "SELECT sqlite_compileoption_get(1)",
    # what SQLite keeps about all tables
    "UPDATE sqlite_sequence SET seq = 9223372036854775807",
    "DELETE FROM sqlite_sequence",
    "INSERT INTO sqlite_sequence VALUES ('tasks', 9)",
    "VACUUM INTO 'copy.db'",
)


async def apply(storage: Storage, *statements: str) -> None:
    """Apply statements with the ack of a task of their own."""
    await add(storage, f"applies {statements}", queue="setup")
    [delivery] = await claim(storage, queue="setup")
    settled = await complete(storage, delivery, *map(_plain, statements))
    assert settled is Settled.WRITTEN


async def complete(
    storage: Storage, delivery: Delivery, *statements: Statement
) -> Settled | NotApplied:
    """Settle a delivery with a handler's statements."""
    return await settle(storage, delivery, Complete(result="1", statements=statements))


async def query(storage: Storage, sql: str, *parameters: Scalar) -> tuple[Row, ...]:
    """Return what a query answers."""
    return (await look(storage, sql, *parameters)).rows


async def look(storage: Storage, sql: str, *parameters: Scalar) -> Rows:
    """Return what a query answers, and its digest."""
    statement = Statement(sql=sql, parameters=parameters)
    return await storage.dry_run((), statement, limit_s=NO_LIMIT_S)


def _plain(sql: str) -> Statement:
    return Statement(sql=sql)


class TransactionContract:
    """What `settle` does with the statements of a handler, and `dry_run` without one."""

    @pytest.fixture
    async def bank(self, storage: Storage) -> Storage:
        """Give the storage, with two accounts of 100 and of 10, and three tasks."""
        await apply(
            storage,
            "CREATE TABLE accounts (id INTEGER PRIMARY KEY, balance INTEGER CHECK (balance >= 0))",
            "INSERT INTO accounts VALUES (1, 100), (2, 10)",
            """
            CREATE TRIGGER never_delete BEFORE DELETE ON accounts
            BEGIN SELECT RAISE(ROLLBACK, 'accounts are for ever'); END
            """,
            "CREATE VIEW through_a_view AS SELECT 1 AS one",
            """
            CREATE TRIGGER far INSTEAD OF INSERT ON through_a_view
            BEGIN DELETE FROM tasks; END
            """,
            "CREATE TABLE through_a_trigger (x)",
            """
            CREATE TRIGGER further AFTER INSERT ON through_a_trigger
            BEGIN UPDATE tasks SET status = 'queued'; END
            """,
            "CREATE VIRTUAL TABLE notes USING fts5 (text)",
            "CREATE TABLE numbered (id INTEGER PRIMARY KEY AUTOINCREMENT)",
        )
        await add(storage, "a", "b", "c")
        return storage

    # --- settle -----------------------------------------------------------------------------------

    async def test_statements_are_applied_in_order_with_the_ack(self, bank: Storage) -> None:
        [delivery] = await claim(bank, limit=1)

        settled = await complete(
            bank,
            delivery,
            Statement(sql="UPDATE accounts SET balance = ? WHERE id = ?", parameters=(7, 1)),
            Statement(
                sql="UPDATE accounts SET balance = balance + :by WHERE id = :id",
                parameters={"by": 5, "id": 1},
            ),
            Statement(sql="INSERT INTO accounts VALUES (3, 0) RETURNING id"),
        )

        assert settled is Settled.WRITTEN
        assert await query(bank, "SELECT * FROM accounts") == ((1, 12), (2, 10), (3, 0))
        assert (await task_of(bank, "a")).status is Status.COMPLETED

    async def test_a_token_that_no_longer_holds_applies_nothing(self, bank: Storage) -> None:
        [delivery] = await claim(bank, limit=1)
        raise_it = Statement(sql="UPDATE accounts SET balance = balance + 1")

        again = Complete(result="1", statements=(raise_it,))
        tokens = (delivery.token, delivery.token, STALE)

        answers = await bank.settle(
            [SettleBy(token=token, settlement=again) for token in tokens], now=1.0
        )

        assert answers == (Settled.WRITTEN, Settled.REPEATED, Settled.LEASE_LOST)
        assert await query(bank, "SELECT balance FROM accounts") == ((101,), (11,))

    @pytest.mark.parametrize("mistake", MISTAKES)
    async def test_a_statement_that_fails_leaves_nothing_and_the_lease(
        self, bank: Storage, mistake: str
    ) -> None:
        [delivery] = await claim(bank, limit=1)
        before = await bank.get("a", now=0.0)
        counts = await bank.counts()
        settlement = Complete(
            result="1",
            follow_ups=(new_task("follow-up"),),
            statements=(
                Statement(sql="UPDATE accounts SET balance = 55"),
                MISTAKES[mistake],
                Statement(sql="INSERT INTO accounts VALUES (3, 0)"),
            ),
        )

        answer = await settle(bank, delivery, settlement)

        assert isinstance(answer, NotApplied)
        assert answer.outcome is AttemptOutcome.FAILED
        assert answer.error
        assert await query(bank, "SELECT * FROM accounts") == ((1, 100), (2, 10))
        assert await bank.get("a", now=0.0) == before
        assert await bank.get("follow-up", now=0.0) is None
        assert await bank.counts() == counts
        assert await bank.held(ME) == (delivery,)
        assert await settle(bank, delivery, FAILURE) is Settled.WRITTEN

    @pytest.mark.parametrize("mistake", MISTAKES)
    async def test_a_statement_that_fails_disturbs_no_neighbour(
        self, bank: Storage, mistake: str
    ) -> None:
        a, b, c = await claim(bank)
        batch = [
            SettleBy(token=delivery.token, settlement=Complete(result="1", statements=(statement,)))
            for delivery, statement in (
                (a, Statement(sql="UPDATE accounts SET balance = balance + 1 WHERE id = 1")),
                (b, MISTAKES[mistake]),
                (c, Statement(sql="UPDATE accounts SET balance = balance + 1 WHERE id = 2")),
            )
        ]

        _, answers, _ = await asyncio.gather(
            add(bank, "before"), bank.settle(batch, now=1.0), add(bank, "after")
        )

        assert (answers[0], answers[2]) == (Settled.WRITTEN, Settled.WRITTEN)
        assert isinstance(answers[1], NotApplied)
        assert await query(bank, "SELECT * FROM accounts") == ((1, 101), (2, 11))
        assert ids(await bank.held(ME)) == ["b"]
        assert ids(await claim(bank)) == ["after", "before"]
        counts = await bank.counts()
        assert counts[Status.COMPLETED] == 3  # with the one that opened the bank
        assert sum(counts.values()) == 6

    @pytest.mark.parametrize("sql", [ENDLESS_READ, ENDLESS_WRITE], ids=["read", "write"])
    async def test_statements_that_take_too_long_are_not_applied(
        self, bank: Storage, sql: str
    ) -> None:
        a, b, _ = await claim(bank)
        batch = [
            SettleBy(token=a.token, settlement=DONE),
            SettleBy(
                token=b.token, settlement=Complete(result="1", statements=(Statement(sql=sql),))
            ),
        ]

        answers = await bank.settle(batch, now=1.0)

        assert answers[0] is Settled.WRITTEN
        assert isinstance(answers[1], NotApplied)
        assert "took longer than 1.0 s" in answers[1].error
        assert await query(bank, "SELECT * FROM accounts") == ((1, 100), (2, 10))

    async def test_statements_change_only_what_is_the_users_own(self, bank: Storage) -> None:
        schema = await query(bank, "SELECT * FROM sqlite_master")
        [delivery] = await claim(bank, limit=1)

        for sql in FORBIDDEN:
            applied = await complete(bank, delivery, Statement(sql=sql))
            with pytest.raises(StatementRefused):
                await query(bank, sql)

            assert (sql, type(applied)) == (sql, NotApplied)
            assert (sql, await query(bank, "SELECT * FROM sqlite_master")) == (sql, schema)
        assert await complete(bank, delivery) is Settled.WRITTEN
        assert ids(await claim(bank)) == ["b", "c"]

    async def test_the_users_own_tables_are_made_and_changed_and_dropped(
        self, storage: Storage
    ) -> None:
        await apply(
            storage,
            "CREATE TABLE mine (id INTEGER PRIMARY KEY AUTOINCREMENT, name TEXT UNIQUE)",
            "CREATE INDEX by_name ON mine (name COLLATE NOCASE)",
            "ALTER TABLE mine ADD COLUMN age INTEGER NOT NULL DEFAULT 1 CHECK (age > 0)",
            "ALTER TABLE mine RENAME COLUMN name TO called",
            "ALTER TABLE mine RENAME TO people",
            "CREATE TABLE log (called TEXT)",
            """
            CREATE TRIGGER logging AFTER INSERT ON people
            BEGIN INSERT INTO log VALUES (new.called); END
            """,
            "CREATE VIEW named AS SELECT called FROM people",
            "INSERT INTO people (called) VALUES ('Ada')",
            "REINDEX by_name",
        )
        made = await query(storage, "SELECT * FROM named JOIN log USING (called)")
        await apply(storage, "DROP TRIGGER logging", "DROP INDEX by_name", "DROP VIEW named")
        await apply(storage, "DROP TABLE people")

        assert made == (("Ada",),)
        tables = await query(storage, "SELECT name FROM sqlite_master WHERE name IN ('people')")
        assert tables == ()

    async def test_a_constraint_that_is_deferred_does_not_fail_the_commit_of_others(
        self, bank: Storage
    ) -> None:
        a, b, c = await claim(bank)
        table = """
            CREATE TABLE cards (
                account INTEGER REFERENCES accounts (id) DEFERRABLE INITIALLY DEFERRED
            )
        """

        answers = await asyncio.gather(
            complete(bank, a),
            complete(bank, b, Statement(sql=table), Statement(sql="INSERT INTO cards VALUES (9)")),
            complete(bank, c),
        )

        assert set(answers) == {Settled.WRITTEN}  # foreign keys are not enforced
        assert await query(bank, "SELECT * FROM cards") == ((9,),)

    # --- what a handler saw -----------------------------------------------------------------------

    async def test_rows_that_are_as_the_handler_saw_them_are_no_conflict(
        self, bank: Storage
    ) -> None:
        sql = "SELECT balance FROM accounts ORDER BY id"
        seen = await look(bank, sql)
        [delivery] = await claim(bank, limit=1)

        answer = await complete(
            bank, delivery, Statement(sql=sql, saw=seen.digest), Statement(sql=sql)
        )

        assert answer is Settled.WRITTEN

    @pytest.mark.parametrize(
        "change",
        [
            "UPDATE accounts SET balance = 99 WHERE id = 1",
            "INSERT INTO accounts VALUES (3, 0)",
            "UPDATE accounts SET balance = 110 - balance",  # the same rows in another order
            "INSERT INTO accounts VALUES (3, zeroblob(1048576))",  # more than was ever shown
        ],
    )
    async def test_rows_that_have_changed_since_are_a_conflict_and_nothing_is_written(
        self, bank: Storage, change: str
    ) -> None:
        sql = "SELECT balance FROM accounts"
        seen = await look(bank, sql)
        [delivery] = await claim(bank, limit=1)
        await apply(bank, change)
        count = await query(bank, "SELECT count(*), sum(balance) FROM accounts")

        answer = await complete(
            bank,
            delivery,
            Statement(sql="UPDATE accounts SET balance = 1"),
            Statement(sql=sql, saw=seen.digest),
        )

        assert isinstance(answer, NotApplied)
        assert answer.outcome is AttemptOutcome.CONFLICTED
        assert await query(bank, "SELECT count(*), sum(balance) FROM accounts") == count
        assert ids(await bank.held(ME)) == ["a"]

    async def test_of_two_that_saw_the_same_and_share_a_commit_the_first_wins(
        self, bank: Storage
    ) -> None:
        sql = "SELECT balance FROM accounts WHERE id = 1"
        seen = await look(bank, sql)
        a, b, _ = await claim(bank)
        spend = (
            Statement(sql=sql, saw=seen.digest),
            Statement(sql="UPDATE accounts SET balance = balance - 60 WHERE id = 1"),
        )

        first, second = await asyncio.gather(complete(bank, a, *spend), complete(bank, b, *spend))

        assert first is Settled.WRITTEN
        assert isinstance(second, NotApplied)
        assert second.outcome is AttemptOutcome.CONFLICTED
        assert await query(bank, sql) == ((40,),)

    async def test_a_digest_tells_apart_what_differs_in_type_or_in_place(
        self, storage: Storage
    ) -> None:
        answers = [
            await look(storage, sql)
            for sql in (
                "SELECT 1",
                "SELECT 1.0",
                "SELECT '1'",
                "SELECT x'31'",
                "SELECT NULL",
                "SELECT ''",
                "SELECT 1 WHERE 0",
                "SELECT 1, 2",
                "SELECT 2, 1",
                "VALUES (1), (2)",
                "VALUES (2), (1)",
                "SELECT 'ab', 'c'",
                "SELECT 'a', 'bc'",
            )
        ]

        assert len({answer.digest for answer in answers}) == len(answers)
        assert await look(storage, "SELECT ?", 1) == answers[0]

    # --- dry_run ---------------------------------------------------------------------------------

    async def test_a_rehearsal_sees_what_its_statements_do_and_undoes_it(
        self, bank: Storage
    ) -> None:
        statements = (
            Statement(sql="CREATE TABLE extra (x)"),
            Statement(sql="INSERT INTO extra VALUES (?)", parameters=("é",)),
            Statement(sql="UPDATE accounts SET balance = balance + 1", saw="is not looked at"),
        )
        insert = Statement(sql="INSERT INTO extra SELECT balance FROM accounts RETURNING x")

        answer = await bank.dry_run(statements, insert, limit_s=NO_LIMIT_S)

        assert answer.rows == ((101,), (11,))
        assert await query(bank, "SELECT * FROM accounts") == ((1, 100), (2, 10))
        with pytest.raises(StatementRefused, match="no such table: extra"):
            await query(bank, "SELECT * FROM extra")

    async def test_values_come_back_as_they_are(self, storage: Storage) -> None:
        values = (None, 0, -(2**63), 2**63 - 1, 0.1, float("inf"), "", "é🧵\0x", b"", b"\0\xff")

        [row] = await query(storage, f"SELECT {', '.join('?' * len(values))}", *values)

        assert row == values
        assert [type(value) for value in row] == [type(value) for value in values]

    @pytest.mark.parametrize("mistake", MISTAKES)
    async def test_a_rehearsal_that_fails_leaves_nothing_and_disturbs_no_neighbour(
        self, bank: Storage, mistake: str
    ) -> None:
        statements = (Statement(sql="UPDATE accounts SET balance = 55"), MISTAKES[mistake])

        _, refused, _ = await asyncio.gather(
            add(bank, "before"),
            bank.dry_run(statements, Statement(sql="SELECT 1"), limit_s=NO_LIMIT_S),
            add(bank, "after"),
            return_exceptions=True,
        )
        with pytest.raises(StatementRefused):
            await bank.dry_run(statements[:1], statements[1], limit_s=NO_LIMIT_S)

        assert isinstance(refused, StatementRefused)
        assert await query(bank, "SELECT * FROM accounts") == ((1, 100), (2, 10))
        assert ids(await claim(bank)) == ["a", "after", "b", "before", "c"]

    @pytest.mark.parametrize("sql", [ENDLESS_READ, ENDLESS_WRITE], ids=["read", "write"])
    async def test_a_rehearsal_ends_when_its_time_is_up(self, bank: Storage, sql: str) -> None:
        with pytest.raises(StatementRefused, match=r"took longer than 0\.05 s"):
            await bank.dry_run((), Statement(sql=sql), limit_s=0.05)

        assert await query(bank, "SELECT * FROM accounts") == ((1, 100), (2, 10))

    async def test_a_rehearsal_answers_a_mebibyte_at_most(self, storage: Storage) -> None:
        [[most]] = await query(storage, "SELECT zeroblob(1048000)")

        assert most == bytes(1_048_000)
        with pytest.raises(StatementRefused, match="more than 1048576 bytes"):
            await query(storage, "SELECT zeroblob(1048576)")
        with pytest.raises(StatementRefused, match="more than 1048576 bytes"):
            await query(storage, ENDLESS_READ.replace("n < 0", "n > 0"))
