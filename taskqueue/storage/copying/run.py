"""Copies one database into another: every table, chunk by chunk, then compared row by row."""

from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from typing import TypeAlias

from taskqueue.errors import StorageUnavailable
from taskqueue.storage.backend import Database
from taskqueue.storage.copying.engines import reader_of, writer_of
from taskqueue.storage.copying.rows import Digest, Row, Summary, key_of
from taskqueue.storage.copying.sides import Mark, Reader, Writer
from taskqueue.storage.copying.tables import TABLES, Table
from taskqueue.structs import Struct

OnProgress: TypeAlias = Callable[[int, int], object]
"""Called with how many rows are done, and how many there are in all."""


class Compared(Struct):
    """A table at both sides, each read and summed up by itself."""

    table: str
    source: Summary
    target: Summary

    @property
    def is_same(self) -> bool:
        """Whether both have the same rows."""
        return self.source == self.target


class Copy:
    """A copy on its way: `run`, `compare`, and `finish` if all is the same."""

    def __init__(self, source: Reader, target: Writer) -> None:
        self._source = source
        self._target = target

    async def left_out(self) -> tuple[str, ...]:
        """Return the tables of the source that are not the queue's, and are not copied."""
        return await self._source.left_out()

    async def run(self, on_progress: OnProgress) -> None:
        """Copy all rows that are not there yet."""
        of = sum([await self._source.count(table) for table in TABLES])
        mark = self._target.mark
        on_progress(mark.rows, of)
        for table in _from(mark.table):
            after = mark.after if table.name == mark.table else None
            async for rows in self._source.chunks(table, after):
                mark = _moved(mark, table, rows)
                await self._target.write(table, rows, mark)
                on_progress(mark.rows, of)

    async def compare(self, on_progress: OnProgress) -> tuple[Compared, ...]:
        """Read all of both sides again, and return what each table is like."""
        of = sum(
            [await side.count(table) for side in (self._source, self._target) for table in TABLES]
        )
        done = 0

        def count(rows: int) -> None:
            nonlocal done
            done += rows
            on_progress(done, of)

        return tuple(
            [
                Compared(
                    table=table.name,
                    source=await _summary(self._source, table, count),
                    target=await _summary(self._target, table, count),
                )
                for table in TABLES
            ]
        )

    async def finish(self) -> None:
        """Let services use the target."""
        await self._target.finish()


@asynccontextmanager
async def opened(
    source: Database, target: Database, *, start_over: bool = False
) -> AsyncIterator[Copy]:
    """Lock both databases against services, and begin a copy or go on with it.

    A copy that was interrupted goes on behind its last commit. With `start_over` what it has
    written is deleted first.

    Raises:
        StorageUnavailable: one of the two is served, or cannot be used; or `target` has something
            of its own, or half a copy of another database.
        StorageError: one of the two is damaged, another program's, or of another release.
    """
    if source == target:
        raise StorageUnavailable(f"{source} cannot be copied to itself")
    async with (
        reader_of(source) as reader,
        writer_of(target, source=source, start_over=start_over) as writer,
    ):
        yield Copy(reader, writer)


def _from(name: str) -> Sequence[Table]:
    """Return the tables that are not complete if `name` was the last that was written to."""
    names = [table.name for table in TABLES]
    return TABLES[names.index(name) :] if name else TABLES


def _moved(mark: Mark, table: Table, rows: Sequence[Row]) -> Mark:
    return Mark(
        source=mark.source,
        table=table.name,
        after=key_of(table, rows[-1]),
        rows=mark.rows + len(rows),
    )


async def _summary(side: Reader, table: Table, count: Callable[[int], object]) -> Summary:
    digest = Digest()
    async for rows in side.chunks(table):
        count(digest.add(rows))
    return digest.summary
