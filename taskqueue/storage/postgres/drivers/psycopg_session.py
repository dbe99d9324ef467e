"""Users' connections of psycopg 3, synchronous and asynchronous."""

from collections.abc import Callable
from typing import Any

from taskqueue.storage.postgres.connections import Row

_IDLE = 0  # `psycopg.pq.TransactionStatus`
_NO_PIPELINE = 0  # `psycopg.pq.PipelineStatus`


class PsycopgSession:
    """A connection of psycopg."""

    def __init__(self, connection: Any, *, is_async: bool) -> None:
        """Use a connection.

        Raises:
            ValueError: it is in pipeline mode.
        """
        if connection.pgconn.pipeline_status != _NO_PIPELINE:
            raise ValueError(
                "connection is in pipeline mode, where a statement does not say what it has done; "
                "enqueue before or after its pipeline() block"
            )
        # Only who has a connection of it comes here.
        from psycopg import AsyncRawCursor, RawCursor  # noqa: PLC0415
        from psycopg.rows import tuple_row  # noqa: PLC0415

        # Raw cursors take parameters as the server does: `$1`, `$2`, …
        cursor: Callable[..., Any] = AsyncRawCursor if is_async else RawCursor
        self._connection = connection
        self._is_async = is_async
        self._cursor = cursor(connection, row_factory=tuple_row)

    @property
    def joins(self) -> bool:
        is_idle = self._connection.info.transaction_status == _IDLE
        return not (is_idle and self._connection.autocommit)

    async def execute(self, query: str, *args: object) -> str:
        await self._run(query, args)
        return str(self._cursor.statusmessage)

    async def fetch(self, query: str, *args: object) -> list[Row]:
        await self._run(query, args)
        rows = self._cursor.fetchall()
        return [*(await rows if self._is_async else rows)]

    async def fetchrow(self, query: str, *args: object) -> Row | None:
        rows = await self.fetch(query, *args)
        return rows[0] if rows else None

    async def fetchval(self, query: str, *args: object) -> Any:
        row = await self.fetchrow(query, *args)
        return None if row is None else row[0]

    async def _run(self, query: str, args: tuple[object, ...]) -> None:
        # psycopg sends a list as an array, and a tuple as a row.
        given = [[*each] if isinstance(each, tuple) else each for each in args]
        done = self._cursor.execute(query, given or None)
        if self._is_async:
            await done
