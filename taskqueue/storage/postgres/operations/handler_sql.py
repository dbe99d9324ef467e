"""The SQL of handlers, which this engine does not serve yet: it refuses it."""

from collections.abc import Sequence

from taskqueue.errors import StatementRefused
from taskqueue.rules.tasks import NotApplied, Rows, Statement
from taskqueue.storage.postgres.connections import SQL
from taskqueue.storage.postgres.transaction import Transaction

UNSUPPORTED = "the PostgreSQL engine does not run statements of handlers (ctx.transaction())"


async def apply(tx: Transaction, statements: Sequence[Statement]) -> NotApplied | None:
    """Apply a handler's statements, all or none; return why not."""
    return NotApplied(error=UNSUPPORTED)


async def dry_run(db: SQL, statements: Sequence[Statement], query: Statement) -> Rows:
    """Apply `statements`, answer the rows of `query`, and undo it all."""
    raise StatementRefused(UNSUPPORTED)
