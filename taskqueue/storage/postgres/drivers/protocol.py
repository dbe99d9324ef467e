"""What is needed of a user's connection, beside running SQL."""

from typing import Protocol

from taskqueue.storage.postgres.connections import SQL


class UserSession(SQL, Protocol):
    """A user's connection, with the transaction that the user commits."""

    @property
    def joins(self) -> bool:
        """Whether statements belong to a transaction that the user ends.

        It is open, or the first statement opens it. Otherwise each statement commits by itself.
        """
        ...
