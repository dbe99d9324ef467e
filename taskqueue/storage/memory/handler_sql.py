"""SQL of handlers beside tasks in memory: an SQLite database of its own, under the same rules."""

import sqlite3
import weakref

from taskqueue.errors import StatementRefused
from taskqueue.rules.tasks import AttemptOutcome, NotApplied, Rows, Statement
from taskqueue.storage.sqlite.handler_sql import execution


class HandlerDatabase:
    """The tables of handlers, in memory as well."""

    def __init__(self) -> None:
        """Open it. The thread that makes it need not be the one whose loop uses it."""
        db = sqlite3.connect(":memory:", isolation_level=None, check_same_thread=False)
        db.execute("PRAGMA foreign_keys = OFF")
        weakref.finalize(self, db.close)
        self._db = db

    def dry_run(
        self, statements: tuple[Statement, ...], query: Statement, *, limit_s: float
    ) -> Rows:
        """Apply `statements`, answer the rows of `query`, and undo it all."""
        return execution.dry_run(self._db, statements, query, limit_s=limit_s)

    def apply(self, statements: tuple[Statement, ...]) -> NotApplied | None:
        """Apply statements, all or none; return why not."""
        try:
            execution.apply(self._db, statements)
        except execution.RowsChanged as error:
            return NotApplied(error=str(error), outcome=AttemptOutcome.CONFLICTED)
        except StatementRefused as error:
            return NotApplied(error=error.detail)
        return None
