"""The way back into the service that an attempt has while it runs."""

from typing import Protocol

from taskqueue.attempt_log import Lines
from taskqueue.rules.limits import LimitUse
from taskqueue.rules.tasks import Rows, Statement


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
