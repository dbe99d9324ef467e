"""The way back into the service that an attempt has while it runs."""

from typing import Protocol

from taskqueue.rules.tasks import Rows, Statement


class Channel(Protocol):
    """What a running handler can tell the service, and ask it. Usable from any thread."""

    def report(self, progress: str) -> None:
        """Have the progress (JSON text) noted, without waiting; the latest counts."""
        ...

    async def rehearse(self, statements: tuple[Statement, ...], query: Statement) -> Rows:
        """Answer a query as if statements had been applied before it; see `Storage.rehearse`.

        Raises:
            StatementRefused: the SQL is wrong or not allowed, or takes too long.
            StorageUnavailable, ActorError: the database does not answer now.
        """
        ...

    def rehearse_blocking(self, statements: tuple[Statement, ...], query: Statement) -> Rows:
        """Do the same for a caller that cannot await.

        Raises:
            RuntimeError: called where the answer would arrive, so that it never could.
        """
        ...
