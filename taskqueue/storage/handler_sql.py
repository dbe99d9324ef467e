"""The part of a storage that runs the SQL of handlers' transactions."""

from collections.abc import Sequence
from typing import Protocol

from taskqueue.rules.tasks import Rows, Statement


class HandlerSQL(Protocol):
    """SQL of handlers, in the engine's own dialect, beside the tables of the queue.

    `Leases.settle` applies it with the ack; here it is tried out before. An engine may lack this
    part: it refuses every statement with `StatementRefused`, in both places.
    """

    async def dry_run(
        self, statements: Sequence[Statement], query: Statement, *, limit_s: float
    ) -> Rows:
        """Apply `statements`, answer the rows of `query`, and undo it all.

        Sees what is committed, and perhaps what shares its commit.

        Raises:
            StatementRefused: SQL that is wrong, not allowed (see `settle`), takes longer than
                `limit_s` seconds, or answers more than a mebibyte.
        """
        ...
