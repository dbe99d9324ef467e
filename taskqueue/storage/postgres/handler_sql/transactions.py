"""Transactions of handlers on connections of their own, which commit the result as well.

begin ─▶ block ─▶ block … ─▶ handler returns ─▶ settle: the token holds? write, commit
           └─ raises: its savepoint is rolled back
"""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from typing import Any

from taskqueue.errors import LeaseLost
from taskqueue.rules.groups import GroupEnd
from taskqueue.rules.tasks import AttemptOutcome, NotApplied, SettleBy, Settled
from taskqueue.storage.follow_ups import tell_refused
from taskqueue.storage.postgres import serving
from taskqueue.storage.postgres.commit import DURABLY, MOST_TRIES
from taskqueue.storage.postgres.connections import Connection, connect, drop
from taskqueue.storage.postgres.database import PostgresDatabase
from taskqueue.storage.postgres.errors import GatesBusy, has_moved, is_conflict, is_lock_timeout
from taskqueue.storage.postgres.operations import settling
from taskqueue.storage.postgres.operations.groups import write_counts
from taskqueue.storage.postgres.operations.leases import is_held
from taskqueue.storage.postgres.patience import COMMIT_S, LIMITS
from taskqueue.storage.postgres.transaction import Transaction

CLOSE_S = 5.0


class PostgresTransactions:
    """Begins transactions of handlers. What commits is told on the loop of the storage."""

    def __init__(
        self,
        database: PostgresDatabase,
        *,
        on_group_end: Callable[[GroupEnd], object],
        on_news: Callable[[], object],
    ) -> None:
        self._database = database
        self._on_group_end = on_group_end
        self._on_news = on_news
        self._loop = asyncio.get_running_loop()

    async def begin(self, task_id: str, token: str) -> "PostgresTransaction":
        connection = await connect(self._database)
        try:
            transaction = connection.transaction(isolation="read_committed")
            await transaction.start()
            await serving.share(connection, str(self._database), for_session=False)
            began_at = await connection.fetchval(_BEGAN_AT)
        except BaseException:
            drop(connection)
            raise
        return PostgresTransaction(
            connection,
            transaction,
            began_at,
            task_id=task_id,
            token=token,
            on_commit=self._on_commit,
        )

    def _on_commit(self, tx: Transaction) -> None:
        tell_refused(tx.refused)
        with suppress(RuntimeError):  # the storage has ended
            for end in tx.ended:
                self._loop.call_soon_threadsafe(self._on_group_end, end)
            if tx.is_news:
                self._loop.call_soon_threadsafe(self._on_news)


_BEGAN_AT = "SELECT transaction_timestamp()"


class PostgresTransaction:
    """The transaction of one attempt."""

    def __init__(
        self,
        connection: Connection,
        transaction: Any,
        began_at: object,
        *,
        task_id: str,
        token: str,
        on_commit: Callable[[Transaction], object],
    ) -> None:
        """Go on with `transaction`, which has begun on `connection`."""
        self._connection = connection
        self._transaction = transaction
        self._began_at = began_at
        self._task_id = task_id
        self._token = token
        self._on_commit = on_commit

    @asynccontextmanager
    async def block(self) -> AsyncIterator[Connection]:
        block = self._connection.transaction()  # a savepoint
        await block.start()
        try:
            yield self._connection
            await self._require_lease()
            await block.commit()
        except BaseException:
            if not self._connection.is_closed():
                await block.rollback()
            raise

    async def _require_lease(self) -> None:
        if not await is_held(self._connection, self._token):
            raise LeaseLost(self._task_id)

    async def settle(self, by: SettleBy, *, now: float) -> Settled | NotApplied:
        try:
            async with asyncio.timeout(COMMIT_S):
                answer = await self._settle(by, now=now)
        except Exception as error:  # noqa: BLE001  whatever it is, this attempt has failed by it
            drop(self._connection)
            has_lost = is_conflict(error) or is_lock_timeout(error)
            outcome = AttemptOutcome.CONFLICTED if has_lost else AttemptOutcome.FAILED
            return NotApplied(error=f"{type(error).__name__}: {error}", outcome=outcome)
        await self._close()
        return answer

    async def roll_back(self) -> None:
        with suppress(Exception):  # then the server does it, when the connection ends
            async with asyncio.timeout(CLOSE_S):
                await self._transaction.rollback()
        await self._close()

    def abandon(self) -> None:
        if not self._connection.is_closed():
            drop(self._connection)

    async def _settle(self, by: SettleBy, *, now: float) -> Settled | NotApplied:
        if await self._connection.fetchval(_BEGAN_AT) != self._began_at:
            return NotApplied(error="the handler has ended the transaction of ctx.connection()")
        await self._connection.execute(LIMITS)
        first: frozenset[int] = frozenset()  # buckets of gates
        for tried in range(1, MOST_TRIES + 1):
            try:
                tx, answer = await self._write(by, first, now=now)
                break
            except Exception as error:
                if tried == MOST_TRIES or not (isinstance(error, GatesBusy) or has_moved(error)):
                    raise
                if isinstance(error, GatesBusy):
                    first |= error.buckets
        if answer is Settled.WRITTEN:
            await self._connection.execute(DURABLY)
            await self._transaction.commit()
            self._on_commit(tx)
        else:
            await self._transaction.rollback()
        return answer

    async def _write(
        self, by: SettleBy, first: frozenset[int], *, now: float
    ) -> tuple[Transaction, Settled]:
        async with self._connection.transaction():  # a savepoint
            tx = Transaction(self._connection)
            await tx.gates.lock_first(first)
            [answer] = await settling.settle(tx, [by], now=now)
            await write_counts(tx)
        return tx, answer

    async def _close(self) -> None:
        try:
            await self._connection.close(timeout=CLOSE_S)
        except Exception:  # noqa: BLE001  lost, or the server does not answer
            drop(self._connection)
