"""The part of the storage contract about the SQL of handlers."""

import asyncio

import pytest

from taskqueue.errors import StatementRefused
from taskqueue.rules.tasks import (
    AttemptOutcome,
    Complete,
    NotApplied,
    SettleBy,
    Settled,
    Statement,
    Status,
)
from taskqueue.storage.protocol import Storage
from taskqueue.testing.contract.dry_runs import DryRunContract
from taskqueue.testing.contract.sql_steps import apply, complete, look, query
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


class HandlerSQLContract(DryRunContract):
    """What `settle` does with the statements of a handler, and `dry_run` without one."""

    @pytest.fixture
    async def bank(self, storage: Storage) -> Storage:
        """Give the storage, with two accounts of 100 and of 10, and three tasks."""
        await apply(storage, *self.dialect.bank)
        await add(storage, "a", "b", "c")
        return storage

    async def test_statements_are_applied_in_order_with_the_ack(self, bank: Storage) -> None:
        [delivery] = await claim(bank, limit=1)

        settled = await complete(
            bank,
            delivery,
            self.dialect.statement("UPDATE accounts SET balance = ? WHERE id = ?", 7, 1),
            self.dialect.pay_in,
            Statement(sql="INSERT INTO accounts VALUES (3, 0) RETURNING id"),
        )

        assert settled is Settled.WRITTEN
        assert await query(bank, "SELECT * FROM accounts ORDER BY id") == ((1, 12), (2, 10), (3, 0))
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

    async def test_a_statement_that_fails_leaves_nothing_and_the_lease(
        self, bank: Storage, mistake: Statement
    ) -> None:
        [delivery] = await claim(bank, limit=1)
        before = await bank.get("a", now=0.0)
        counts = await bank.counts()
        settlement = Complete(
            result="1",
            follow_ups=(new_task("follow-up"),),
            statements=(
                Statement(sql="UPDATE accounts SET balance = 55"),
                mistake,
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

    async def test_a_statement_that_fails_disturbs_no_neighbour(
        self, bank: Storage, mistake: Statement
    ) -> None:
        a, b, c = await claim(bank)
        batch = [
            SettleBy(token=delivery.token, settlement=Complete(result="1", statements=(statement,)))
            for delivery, statement in (
                (a, Statement(sql="UPDATE accounts SET balance = balance + 1 WHERE id = 1")),
                (b, mistake),
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

    async def test_statements_that_take_too_long_are_not_applied(
        self, bank: Storage, endless: str
    ) -> None:
        a, b, _ = await claim(bank)
        batch = [
            SettleBy(token=a.token, settlement=DONE),
            SettleBy(
                token=b.token, settlement=Complete(result="1", statements=(Statement(sql=endless),))
            ),
        ]

        answers = await bank.settle(batch, now=1.0)

        assert answers[0] is Settled.WRITTEN
        assert isinstance(answers[1], NotApplied)
        assert "took longer than 1.0 s" in answers[1].error
        assert await query(bank, "SELECT * FROM accounts") == ((1, 100), (2, 10))

    async def test_statements_change_only_what_is_the_users_own(self, bank: Storage) -> None:
        schema = await query(bank, self.dialect.schema)
        [delivery] = await claim(bank, limit=1)

        for sql in self.dialect.forbidden:
            applied = await complete(bank, delivery, Statement(sql=sql))
            with pytest.raises(StatementRefused):
                await query(bank, sql)

            assert (sql, type(applied)) == (sql, NotApplied)
            assert (sql, await query(bank, self.dialect.schema)) == (sql, schema)
        assert await complete(bank, delivery) is Settled.WRITTEN
        assert ids(await claim(bank)) == ["b", "c"]

    async def test_the_users_own_tables_are_made_and_changed_and_dropped(
        self, storage: Storage
    ) -> None:
        await apply(storage, *self.dialect.own_objects)
        made = await query(storage, "SELECT * FROM named JOIN log USING (called)")
        for drop in self.dialect.own_drops:
            await apply(storage, drop)

        assert made == (("Ada",),)
        assert await query(storage, self.dialect.people) == ()

    async def test_a_constraint_that_is_deferred_does_not_fail_the_commit_of_others(
        self, bank: Storage
    ) -> None:
        a, b, c = await claim(bank)

        first, deferring, last = await asyncio.gather(
            complete(bank, a),
            complete(bank, b, *(Statement(sql=sql) for sql in self.dialect.deferred)),
            complete(bank, c),
        )

        assert (first, last) == (Settled.WRITTEN, Settled.WRITTEN)
        if self.dialect.has_constraints:
            assert isinstance(deferring, NotApplied)
        else:
            assert deferring is Settled.WRITTEN
            assert await query(bank, "SELECT * FROM cards") == ((9,),)

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
