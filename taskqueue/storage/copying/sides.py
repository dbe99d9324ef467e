"""What a copy needs of the two databases, whatever their engines are."""

from collections.abc import AsyncIterator, Sequence
from typing import Any, Protocol

from taskqueue.errors import StorageUnavailable
from taskqueue.storage.copying.rows import Key, Row
from taskqueue.storage.copying.tables import Table
from taskqueue.structs import Struct


class Mark(Struct):
    """How far a copy is; stored at its target, in the commits that bring it there.

    Args:
        source: what is copied, as `str` shows the database.
        table: which table was written to last; those before it are complete.
        after: the key of the last row that was written there.
        rows: how many rows were written so far, to all tables.
    """

    source: str
    table: str = ""
    after: tuple[Any, ...] | None = None
    rows: int = 0


class Reader(Protocol):
    """A database that nothing is written to meanwhile. All reads see the same commits."""

    async def left_out(self) -> tuple[str, ...]:
        """Return the tables beside those of the queue that a copy does not take along."""
        ...

    async def count(self, table: Table) -> int:
        """Return how many rows a table has."""
        ...

    def chunks(self, table: Table, after: Key | None = None) -> AsyncIterator[Sequence[Row]]:
        """Yield the rows of a table in the order of their keys, `canonical` and in chunks.

        With `after` only those behind this key.
        """
        ...


class Writer(Reader, Protocol):
    """A database that is being made. No service starts on it before `finish` has returned."""

    @property
    def mark(self) -> Mark:
        """How far the copy is."""
        ...

    async def write(self, table: Table, rows: Sequence[Row], mark: Mark) -> None:
        """Write rows, and how far the copy is with them, in one commit."""
        ...

    async def finish(self) -> None:
        """Count what the engine counts, and let services use the database."""
        ...


def require_same_source(mark: Mark, source: str, target: str) -> None:
    """Make sure that a copy that was begun at `target` is one of `source`.

    Raises:
        StorageUnavailable: it is one of another database.
    """
    if mark.source != source:
        raise StorageUnavailable(
            f"{target} is half a copy of {mark.source}, not of {source}; "
            "--start-over deletes what was copied"
        )
