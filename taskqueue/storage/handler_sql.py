"""The part of a storage that runs the SQL of handlers' transactions."""

from collections.abc import Sequence
from contextlib import AbstractAsyncContextManager
from typing import Any, Protocol

from taskqueue.rules.tasks import NotApplied, Rows, SettleBy, Settled, Statement


class HandlerTransaction(Protocol):
    """A transaction of one attempt, on a connection of its own. It belongs to one loop."""

    def block(self) -> AbstractAsyncContextManager[Any]:
        """Lend the connection. What the block has written stays in the transaction.

        If the block raises, its own writes are taken back.

        Raises:
            LeaseLost: at the end of the block: the token does not hold any more.
        """
        ...

    async def settle(self, by: SettleBy, *, now: float) -> Settled | NotApplied:
        """Commit what was written together with a settlement, and close the connection.

        Nothing is written unless the answer is `WRITTEN`. It is `NotApplied` as well if the
        connection was lost during the commit, which may have been written then.
        """
        ...

    async def roll_back(self) -> None:
        """Write nothing, and close the connection."""
        ...

    def abandon(self) -> None:
        """Drop the connection without waiting, if it was not settled."""
        ...


class HandlerTransactions(Protocol):
    """Begins transactions of handlers, on any loop."""

    async def begin(self, task_id: str, token: str) -> HandlerTransaction:
        """Begin a transaction for the attempt with this token, on the loop of the caller.

        Raises:
            StorageUnavailable: the server cannot be reached.
        """
        ...


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

    async def handler_transactions(self) -> HandlerTransactions | None:
        """Return what begins transactions on connections; None if the engine lends none."""
        return None
