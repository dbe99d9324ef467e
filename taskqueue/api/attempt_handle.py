"""The way back into the service that an attempt has while it runs."""

from contextlib import AbstractAsyncContextManager
from typing import Any, Protocol

from taskqueue.attempt_log import Lines
from taskqueue.rules.limits import LimitUse
from taskqueue.rules.tasks import Outcome, Rows, Statement


class AttemptHandle(Protocol):
    """What a running handler can tell the service, and ask it. Usable from any thread."""

    def report(self, progress: str) -> None:
        """Have the progress (JSON text) noted, without waiting; the latest counts."""
        ...

    def spend(self, use: LimitUse) -> None:
        """Have the cost of `use` charged, without waiting."""
        ...

    def log(self, lines: Lines) -> None:
        """Keep lines of the attempt's log, without waiting; the latest count."""
        ...

    async def dry_run(self, statements: tuple[Statement, ...], query: Statement) -> Rows:
        """Answer a query as if statements had been applied before it; see `Storage.dry_run`.

        Raises:
            StatementRefused: the SQL is wrong or not allowed, or takes too long.
            StorageUnavailable, ActorError: the database does not answer now.
        """
        ...

    def dry_run_blocking(self, statements: tuple[Statement, ...], query: Statement) -> Rows:
        """Do the same for a caller that cannot await.

        Raises:
            RuntimeError: called where the answer would arrive, so that it never could.
        """
        ...

    def connection(self) -> AbstractAsyncContextManager[Any]:
        """Lend a connection in the attempt's own transaction; see `HandlerTransaction.block`.

        Raises:
            NoConnection: there is none here.
            LeaseLost: another attempt has the task.
            StorageUnavailable, ActorError: the database does not answer now.
        """
        ...

    async def concluded(self, outcome: Outcome) -> Outcome:
        """Commit what was written on a connection, if `outcome` says so; return what came of it.

        Called once, after a handler that has had one.
        """
        ...

    def abandon_connection(self) -> None:
        """Roll back without waiting what was not concluded, and lend nothing any more."""
        ...
