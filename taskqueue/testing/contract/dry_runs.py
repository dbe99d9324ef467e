"""The part of the storage contract about `dry_run`: SQL of a handler, tried out and undone."""

import asyncio

import pytest

from taskqueue.errors import StatementRefused
from taskqueue.rules.tasks import Statement
from taskqueue.storage.protocol import Storage
from taskqueue.testing.contract.sql_dialect import NO_LIMIT_S, Dialect
from taskqueue.testing.contract.sql_samples import SQLITE
from taskqueue.testing.contract.sql_steps import look, query
from taskqueue.testing.contract.steps import (
    add,
    claim,
    ids,
)


class DryRunContract:
    """A part of `StorageContract`, which gives it `storage` and `bank`.

    An engine whose SQL is not SQLite's says so by its `dialect`.
    """

    dialect: Dialect = SQLITE

    def pytest_generate_tests(self, metafunc: pytest.Metafunc) -> None:
        """Run the tests that ask for these once for each."""
        if "mistake" in metafunc.fixturenames:
            mistakes = self.dialect.mistakes
            metafunc.parametrize("mistake", mistakes.values(), ids=mistakes)
        if "endless" in metafunc.fixturenames:
            endless = [self.dialect.endless_read, self.dialect.endless_write]
            metafunc.parametrize("endless", endless, ids=["read", "write"])
        if "change" in metafunc.fixturenames:
            metafunc.parametrize("change", self.dialect.changes)

    async def test_a_dry_run_sees_what_its_statements_do_and_undoes_it(self, bank: Storage) -> None:
        statements = (
            Statement(sql="CREATE TABLE extra (x integer)"),
            self.dialect.statement("INSERT INTO extra VALUES (?)", 7),
            Statement(sql="UPDATE accounts SET balance = balance + 1", saw="is not looked at"),
        )
        insert = Statement(sql="INSERT INTO extra SELECT balance FROM accounts RETURNING x")

        answer = await bank.dry_run(statements, insert, limit_s=NO_LIMIT_S)

        assert answer.rows == ((101,), (11,))
        assert await query(bank, "SELECT * FROM accounts") == ((1, 100), (2, 10))
        with pytest.raises(StatementRefused, match="extra"):
            await query(bank, "SELECT * FROM extra")

    async def test_values_come_back_as_they_are(self, storage: Storage) -> None:
        values = self.dialect.values

        [row] = await query(storage, self.dialect.values_shown, *values)

        assert row == values
        assert [type(value) for value in row] == [type(value) for value in values]

    async def test_a_dry_run_that_fails_leaves_nothing_and_disturbs_no_neighbour(
        self, bank: Storage, mistake: Statement
    ) -> None:
        statements = (Statement(sql="UPDATE accounts SET balance = 55"), mistake)

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

    async def test_a_dry_run_ends_when_its_time_is_up(self, bank: Storage, endless: str) -> None:
        with pytest.raises(StatementRefused, match=r"took longer than 0\.05 s"):
            await bank.dry_run((), Statement(sql=endless), limit_s=0.05)

        assert await query(bank, "SELECT * FROM accounts") == ((1, 100), (2, 10))

    async def test_a_dry_run_answers_a_mebibyte_at_most(self, storage: Storage) -> None:
        [[most]] = await query(storage, f"SELECT {self.dialect.blob.format(1048000)}")

        assert most == bytes(1_048_000)
        with pytest.raises(StatementRefused, match="more than 1048576 bytes"):
            await query(storage, f"SELECT {self.dialect.blob.format(1048576)}")
        with pytest.raises(StatementRefused, match="more than 1048576 bytes"):
            await query(storage, self.dialect.endless_read.replace("n < 0", "n > 0"))

    async def test_a_digest_tells_apart_what_differs_in_type_or_in_place(
        self, storage: Storage
    ) -> None:
        answers = [await look(storage, sql) for sql in self.dialect.differing]

        assert len({answer.digest for answer in answers}) == len(answers)
        assert await look(storage, self.dialect.one, 1) == answers[0]
