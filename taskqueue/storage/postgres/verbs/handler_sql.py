"""The verb that runs statements of handlers without a trace."""

from collections.abc import Sequence
from functools import partial

from taskqueue.rules.tasks import Rows, Statement
from taskqueue.storage.postgres.lifecycle import PostgresLifecycle
from taskqueue.storage.postgres.operations import handler_sql


class PostgresHandlerSQL(PostgresLifecycle):
    """SQL of handlers."""

    async def dry_run(
        self, statements: Sequence[Statement], query: Statement, *, limit_s: float
    ) -> Rows:
        return await self._read(
            partial(handler_sql.dry_run, statements=tuple(statements), query=query)
        )
