"""The connections that statements of handlers run on, each made when it is first needed.

One writes, in a group commit of its own: statements that are slow, or wait for a row that another
program has locked, hold up no commit of the queue. Two try statements out.
"""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from functools import partial

from taskqueue.errors import StorageLost, StorageUnavailable
from taskqueue.rules.groups import GroupEnd
from taskqueue.rules.measures import CommitMeasures
from taskqueue.rules.tasks import NotApplied, Rows, SettleBy, Settled, Statement
from taskqueue.storage.postgres import serving
from taskqueue.storage.postgres.commit import Writer
from taskqueue.storage.postgres.connections import Connection, Kept
from taskqueue.storage.postgres.database import PostgresDatabase
from taskqueue.storage.postgres.errors import is_lost, translated
from taskqueue.storage.postgres.handler_sql import execution, settling
from taskqueue.storage.postgres.handler_sql.footprint import WATCH
from taskqueue.storage.postgres.handler_sql.transactions import PostgresTransactions
from taskqueue.storage.postgres.handler_sql.values import set_codecs
from taskqueue.storage.postgres.patience import LIMITS
from taskqueue.storage.postgres.schema import runner
from taskqueue.storage.postgres.transaction import Transaction

TRYING = 2
SHARED = 8
"""How many settlements share a commit: each may take a second."""

MOST_LOSSES = 3
"""With so many sessions that have ended while they ran, statements are refused: they may be what
ends them, or the server."""

ANSWER_S = 5.0
"""How much longer than its statements the server may take to answer a dry run."""


class HandlerSessions:
    """Runs statements of handlers for one node."""

    def __init__(
        self,
        database: PostgresDatabase,
        *,
        commits: CommitMeasures,
        on_group_end: Callable[[GroupEnd], object],
        on_news: Callable[[], object],
    ) -> None:
        self._where = str(database)
        self.transactions = PostgresTransactions(
            database, on_group_end=on_group_end, on_news=on_news
        )

        async def check(connection: Connection) -> None:
            await runner.require_version(connection, self._where)
            await serving.share(connection, self._where, for_session=False)
            await set_codecs(connection)

        self._writer = Writer(
            Kept(database, check),
            self._where,
            shares_each_commit=True,  # all locks of the session are released after statements
            commits=commits,
            on_group_end=on_group_end,
            on_news=on_news,
            most=SHARED,
        )
        self._trying = [Kept(database, check) for _ in range(TRYING)]
        self._losses = Counter[str]()  # by the token of the settlement
        self._free: asyncio.LifoQueue[Kept] = asyncio.LifoQueue()
        for each in self._trying:
            self._free.put_nowait(each)

    async def settle(self, by: SettleBy, *, now: float) -> Settled | NotApplied:
        """Return what became of a settlement with statements, once that is committed.

        If the session ends during the commit, the settlement is tried once more: if it was written,
        its token says so. The rest of the storage is as well as ever.
        """
        operation = partial(self._settle, by=by, now=now)
        try:
            answer = await self._writer.write(operation)
        except StorageLost:
            answer = await self._writer.write(operation)
        self._losses.pop(by.token, None)
        return answer

    async def _settle(self, tx: Transaction, by: SettleBy, *, now: float) -> Settled | NotApplied:
        if self._losses[by.token] >= MOST_LOSSES:
            return NotApplied(error=f"{MOST_LOSSES} sessions have ended while its statements ran")
        try:
            return await settling.settle(tx, by, now=now)
        except Exception as error:
            if is_lost(error):
                self._losses[by.token] += 1
            raise

    async def dry_run(
        self, statements: Sequence[Statement], query: Statement, *, limit_s: float
    ) -> Rows:
        """Return the rows of `query` as if `statements` had been applied."""
        kept = await self._free.get()
        try:
            connection = await kept.get()
            with translated(self._where):
                async with asyncio.timeout(limit_s + ANSWER_S), _undone(connection):
                    return await execution.dry_run(connection, statements, query, limit_s=limit_s)
        except (StorageUnavailable, asyncio.CancelledError):
            kept.forget()  # lost, or the query may still run
            raise
        finally:
            self._free.put_nowait(kept)

    async def close(self) -> None:
        """Commit what waits, close the connections."""
        await self._writer.close()
        for each in self._trying:
            await each.close()

    def abandon(self) -> None:
        """Let go without waiting: what runs fails."""
        self._writer.abandon()
        for each in self._trying:
            each.abandon()


@asynccontextmanager
async def _undone(connection: Connection) -> AsyncIterator[None]:
    """Have nothing that the block does stay."""
    await connection.execute(_BEGIN)
    try:
        await connection.execute(WATCH)
        yield
    except Exception as error:
        if not is_lost(error):
            await connection.execute(_UNDO)
        raise
    await connection.execute(_UNDO)


_BEGIN = f"BEGIN ISOLATION LEVEL READ COMMITTED; {LIMITS}"
_UNDO = f"ROLLBACK; {execution.FORGET}"
