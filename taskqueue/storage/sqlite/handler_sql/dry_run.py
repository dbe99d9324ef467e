"""A dry run as an operation of a commit."""

from taskqueue.errors import StatementRefused
from taskqueue.rules.tasks import Rows, Statement
from taskqueue.storage.sqlite.commit.transaction import Transaction
from taskqueue.storage.sqlite.handler_sql import execution

_READS = ("SELECT", "WITH", "VALUES")


class DryRun:
    """A write that leaves nothing behind.

    Its refusal is an answer, because an error would let all who share the commit run again.
    """

    def __init__(
        self, statements: tuple[Statement, ...], query: Statement, *, limit_s: float
    ) -> None:
        self._statements = statements
        self._query = query
        self.limit_s = limit_s
        self._refused: StatementRefused | None = None

    @property
    def may_only_read(self) -> bool:
        """Whether it may well be done by a connection that cannot write; that one finds out."""
        return all(map(_looks_like_a_read, (*self._statements, self._query)))

    def __call__(self, tx: Transaction) -> Rows | StatementRefused:
        """Return what the query answers, or why it does not."""
        if self._refused is not None:
            return self._refused
        try:
            return execution.dry_run(tx.db, self._statements, self._query, limit_s=self.limit_s)
        except execution.TransactionLost as error:
            self._refused = error
            raise
        except StatementRefused as error:
            return error


def _looks_like_a_read(statement: Statement) -> bool:
    return str(statement.sql).lstrip()[:6].upper().startswith(_READS)
