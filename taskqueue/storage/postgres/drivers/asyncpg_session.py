"""A user's connection of asyncpg, which speaks our SQL already."""

from typing import Any

from taskqueue.storage.postgres.connections import Row


class AsyncpgSession:
    """A connection of asyncpg, or one that a pool has lent."""

    def __init__(self, connection: Any) -> None:
        self._connection = connection

    @property
    def joins(self) -> bool:
        return bool(self._connection.is_in_transaction())

    async def execute(self, query: str, *args: object) -> str:
        tag: str = await self._connection.execute(query, *args)
        return tag

    async def fetch(self, query: str, *args: object) -> list[Row]:
        # A connection may have a class of its own for records; all can be read by place.
        return [tuple(row.values()) for row in await self._connection.fetch(query, *args)]

    async def fetchrow(self, query: str, *args: object) -> Row | None:
        rows = await self.fetch(query, *args)
        return rows[0] if rows else None

    async def fetchval(self, query: str, *args: object) -> Any:
        row = await self.fetchrow(query, *args)
        return None if row is None else row[0]
