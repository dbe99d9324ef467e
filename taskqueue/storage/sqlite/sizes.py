"""The verbs about the numbers of consumers."""

from collections.abc import Mapping
from functools import partial

from taskqueue.rules.sizes import SetSize, SizeChange
from taskqueue.storage.sqlite.operations import administration, reads
from taskqueue.storage.sqlite.records import SQLiteRecords


class SQLiteSizes(SQLiteRecords):
    """How many consumers a pool has, as one file keeps it."""

    async def set_size(self, pool: str, change: SizeChange) -> None:
        await self._write(partial(administration.set_size, pool=pool, change=change))

    async def sizes(self) -> Mapping[str, SetSize]:
        return await self._read(reads.sizes)
