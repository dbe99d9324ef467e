"""The verbs that run statements of handlers without a trace, and lend connections to them."""

from collections.abc import Sequence

from taskqueue.rules.tasks import Rows, Statement
from taskqueue.storage.handler_sql import HandlerTransactions
from taskqueue.storage.postgres.lifecycle import PostgresLifecycle


class PostgresHandlerSQL(PostgresLifecycle):
    """SQL of handlers."""

    async def dry_run(
        self, statements: Sequence[Statement], query: Statement, *, limit_s: float
    ) -> Rows:
        handlers = self._running_handlers()
        return await handlers.dry_run(tuple(statements), query, limit_s=limit_s)

    async def handler_transactions(self) -> HandlerTransactions | None:
        return self._running_handlers().transactions
