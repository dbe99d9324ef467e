"""The part of the storage contract about `dry_run`: SQL of a handler, tried out and undone."""

import asyncio

import pytest

from taskqueue.errors import StatementRefused
from taskqueue.rules.tasks import (
    Statement,
)
from taskqueue.storage.protocol import Storage
from taskqueue.testing.contract.sql_samples import ENDLESS_READ, ENDLESS_WRITE, MISTAKES, NO_LIMIT_S
from taskqueue.testing.contract.sql_steps import look, query
from taskqueue.testing.contract.steps import (
    add,
    claim,
    ids,
)


class DryRunContract:
    """A part of `StorageContract`, which gives it `storage` and `bank`."""

    async def test_a_dry_run_sees_what_its_statements_do_and_undoes_it(self, bank: Storage) -> None:
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
    async def test_a_dry_run_that_fails_leaves_nothing_and_disturbs_no_neighbour(
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
    async def test_a_dry_run_ends_when_its_time_is_up(self, bank: Storage, sql: str) -> None:
        with pytest.raises(StatementRefused, match=r"took longer than 0\.05 s"):
            await bank.dry_run((), Statement(sql=sql), limit_s=0.05)

        assert await query(bank, "SELECT * FROM accounts") == ((1, 100), (2, 10))

    async def test_a_dry_run_answers_a_mebibyte_at_most(self, storage: Storage) -> None:
        [[most]] = await query(storage, "SELECT zeroblob(1048000)")

        assert most == bytes(1_048_000)
        with pytest.raises(StatementRefused, match="more than 1048576 bytes"):
            await query(storage, "SELECT zeroblob(1048576)")
        with pytest.raises(StatementRefused, match="more than 1048576 bytes"):
            await query(storage, ENDLESS_READ.replace("n < 0", "n > 0"))

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
