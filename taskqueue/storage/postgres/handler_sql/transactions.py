"""Transactions of handlers on connections of their own, which commit the result as well.

begin ─▶ block ─▶ block … ─▶ handler returns ─▶ settle: the token holds? write, commit
           └─ raises: its savepoint is rolled back

Each session holds a lock on its task. A node that freezes or loses its network leaves its session
open, with the rows that it has locked; the next attempt at the task finds it by that lock.
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
from taskqueue.storage.postgres.handler_sql.execution import FORGET, RESTORE
from taskqueue.storage.postgres.operations import settling
from taskqueue.storage.postgres.operations.groups import write_counts
from taskqueue.storage.postgres.operations.leases import is_held
from taskqueue.storage.postgres.patience import COMMIT_S, LIMITS
from taskqueue.storage.postgres.transaction import Transaction

CLOSE_S = 5.0

_UNDO = f"ROLLBACK; {FORGET}"
_LEAVE_NOTHING = f"""
SET CONSTRAINTS ALL IMMEDIATE; {RESTORE}; {FORGET}; CLOSE ALL; DISCARD TEMP
"""
"""Part of a commit through a pooler, which gives the session to others."""


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
            await _replace_earlier(connection, task_id)
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
            before_commit=_LEAVE_NOTHING if self._database.has_pooler else DURABLY,
            on_commit=self._on_commit,
        )

    def _on_commit(self, tx: Transaction) -> None:
        tell_refused(tx.refused)
        with suppress(RuntimeError):  # the storage has ended
            for end in tx.ended:
                self._loop.call_soon_threadsafe(self._on_group_end, end)
            if tx.is_news:
                self._loop.call_soon_threadsafe(self._on_news)


_IS_GONE = "ctx.connection() was lost, or a block of it could not be rolled back"
_BEGAN_AT = "SELECT transaction_timestamp()"

_TASK = "hashtextextended('taskqueue.attempt ' || $1, 0)"
_TRY_TASK = f"SELECT pg_try_advisory_xact_lock({_TASK})"
_TAKE_TASK = f"SELECT pg_advisory_xact_lock({_TASK})"
_END_EARLIER = f"""
SELECT pg_terminate_backend(pid) FROM pg_locks
WHERE locktype = 'advisory' AND granted AND objsubid = 1
    AND database = (SELECT oid FROM pg_database WHERE datname = current_database())
    AND classid::bigint << 32 | objid::bigint = {_TASK}
"""  # noqa: S608  the only texts put together here are this module's own


async def _replace_earlier(connection: Connection, task_id: str) -> None:
    """End the session of an earlier attempt at a task: it has lost its lease."""
    if not await connection.fetchval(_TRY_TASK, task_id):
        await connection.execute(_END_EARLIER, task_id)
        await connection.execute(_TAKE_TASK, task_id)


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
        before_commit: str,
        on_commit: Callable[[Transaction], object],
    ) -> None:
        """Go on with `transaction`, which has begun on `connection`.

        `before_commit` are statements; `on_commit` is called afterwards.
        """
        self._connection = connection
        self._transaction = transaction
        self._began_at = began_at
        self._task_id = task_id
        self._token = token
        self._before_commit = before_commit
        self._on_commit = on_commit

    @asynccontextmanager
    async def block(self) -> AsyncIterator[Connection]:
        block = self._connection.transaction()  # a savepoint
        await block.start()
        try:
            yield self._connection
            await self._connection.execute("RESET ROLE")  # a tenant's may not read our tables
            await self._require_lease()
            await block.commit()
        except BaseException:
            await self._take_back(block)
            raise

    async def _take_back(self, block: Any) -> None:
        """Roll a block back. If that fails, nothing of the whole transaction may be committed."""
        is_undone = False
        try:
            with suppress(Exception):  # what has ended the block says more
                async with asyncio.timeout(CLOSE_S):
                    await block.rollback()
                    is_undone = True
        finally:
            if not is_undone:
                drop(self._connection)

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
                await self._connection.execute(_UNDO)
        await self._close()

    def abandon(self) -> None:
        if not self._connection.is_closed():
            drop(self._connection)

    async def _settle(self, by: SettleBy, *, now: float) -> Settled | NotApplied:
        if self._connection.is_closed():
            return NotApplied(error=_IS_GONE)
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
            await self._connection.execute(self._before_commit)
            await self._transaction.commit()
            self._on_commit(tx)
        else:
            await self._connection.execute(_UNDO)
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
