# ruff: noqa: S608  the only texts put together here are those of `tables`
"""Writes a copy into a PostgreSQL database, on which no service starts until it is complete."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

import msgspec

from taskqueue.errors import OperationFailed, StorageUnavailable
from taskqueue.rules.tasks import Status
from taskqueue.storage.backend import Database
from taskqueue.storage.copying.from_postgres import PostgresReader
from taskqueue.storage.copying.rows import Key, Row, key_of
from taskqueue.storage.copying.session import Session, session
from taskqueue.storage.copying.sides import Mark, require_same_source
from taskqueue.storage.copying.tables import TABLES, Table
from taskqueue.storage.postgres import serving
from taskqueue.storage.postgres.commit import DURABLY
from taskqueue.storage.postgres.connections import transaction
from taskqueue.storage.postgres.database import PostgresDatabase
from taskqueue.storage.postgres.errors import sqlstate_of, storage_error, translated
from taskqueue.storage.postgres.schema import runner

# Without the limits of a service's commits: to count all tasks takes long. See `session`.
_BEGIN = f"BEGIN ISOLATION LEVEL READ COMMITTED; {DURABLY}"

_SET_MARK = """
INSERT INTO taskqueue.meta (name, value) VALUES ('copy', $1)
ON CONFLICT (name) DO UPDATE SET value = excluded.value
"""
_TAKE_MARK = "DELETE FROM taskqueue.meta WHERE name = 'copy'"
_TRUNCATE = f"TRUNCATE {', '.join(f'taskqueue.{table.name}' for table in TABLES)}"
_COUNT = f"""
UPDATE taskqueue.counters SET ({", ".join(Status)}) = (
    SELECT {", ".join(f"count(*) FILTER (WHERE status = '{status}')" for status in Status)}
    FROM taskqueue.tasks
) WHERE shard = 0
"""
_NUMBER_ON = tuple(
    f"SELECT setval('taskqueue.{sequence}', coalesce(max(seq), 0) + 1, false)"
    f" FROM taskqueue.{table}"
    for table, sequence in (
        ("tasks", "task_seq"),
        ("attempts", "attempt_seq"),
        ("task_groups", "task_groups_seq_seq"),
    )
)
# Attempts lie where their task lies.
_PLACE_ATTEMPTS = """
UPDATE taskqueue.attempts SET task_status = tasks.status, task_end = tasks.processed_at
FROM taskqueue.tasks
WHERE tasks.seq = attempts.task AND tasks.processed_at IS NOT NULL
    AND attempts.task_status = 'live'
"""
_ANALYZE = f"ANALYZE {', '.join(f'taskqueue.{table.name}' for table in TABLES)}"


class PostgresWriter(PostgresReader):
    """The database that is being filled."""

    def __init__(self, db: Session, where: str, mark: Mark) -> None:
        super().__init__(db, where)
        self.mark = mark

    async def chunks(self, table: Table, after: Key | None = None) -> AsyncIterator[Sequence[Row]]:
        """Yield what was written, in a snapshot of its own."""
        async with transaction(self._db, idles=True):
            async for rows in super().chunks(table, after):
                yield rows

    async def write(self, table: Table, rows: Sequence[Row], mark: Mark) -> None:
        """Write rows, and how far the copy is with them, in one commit."""
        with translated(self._where):
            try:
                await self._write(table, rows, mark)
            except Exception as error:
                if sqlstate_of(error) is None or storage_error(error, self._where):
                    raise
                raise OperationFailed(_refusal(table, rows, error)) from error

    async def _write(self, table: Table, rows: Sequence[Row], mark: Mark) -> None:
        async with _commit(self._db):
            await self._db.copy_records_to_table(
                table.name,
                schema_name=runner.SCHEMA,
                columns=table.columns,
                records=_stored(table, rows),
            )
            await self._db.execute(_SET_MARK, _text(mark))

    async def finish(self) -> None:
        """Count the tasks, number new rows behind the copied ones, and let services start."""
        with translated(self._where):
            await self._db.execute(_ANALYZE)  # else claims would be planned for empty tables
            async with _commit(self._db):
                await self._db.execute(_PLACE_ATTEMPTS)
                await self._db.execute(_COUNT)
                for statement in _NUMBER_ON:
                    await self._db.execute(statement)
                await self._db.execute(_TAKE_MARK)


@asynccontextmanager
async def writing(
    database: PostgresDatabase, *, source: Database, start_over: bool
) -> AsyncIterator[PostgresWriter]:
    """Keep services out, migrate the database, and begin a copy there or go on with it.

    Raises:
        StorageUnavailable: a service runs on it, it cannot be written, or has something of its own.
        ForeignSchema: its schema `taskqueue` is another program's.
        SchemaMismatch: it is of a newer release.
    """
    where = str(database)
    async with session(database) as db:
        with translated(where):
            await runner.migrate(db, where)
            await runner.require_same_version(db, where)
            mark = await _begun(db, where, source=str(source), start_over=start_over)
        yield PostgresWriter(db, where, mark)


async def _begun(db: Session, where: str, *, source: str, start_over: bool) -> Mark:
    """Return how far the copy is in this database."""
    text = await db.fetchval(serving.MARK)
    if text is not None and not start_over:
        mark = msgspec.json.decode(text, type=Mark)
        require_same_source(mark, source, where)
        return mark
    mark = Mark(source=source)
    async with _commit(db):
        if text is None:
            await _require_empty(db, where)
        else:
            await db.execute(_TRUNCATE)
        await db.execute(_SET_MARK, _text(mark))
    return mark


async def _require_empty(db: Session, where: str) -> None:
    for table in TABLES:
        if await db.fetchval(f"SELECT EXISTS (SELECT 1 FROM taskqueue.{table.name})"):
            raise StorageUnavailable(
                f"{where} has something of its own ({table.name}); copy to a new database, or "
                "delete all that is there: DROP SCHEMA taskqueue CASCADE"
            )


@asynccontextmanager
async def _commit(db: Session) -> AsyncIterator[None]:
    await db.execute(_BEGIN)
    try:
        yield
    except Exception as error:
        if sqlstate_of(error) is not None or isinstance(error, StorageUnavailable):
            await db.execute("ROLLBACK")
        raise
    await db.execute("COMMIT")


def _stored(table: Table, rows: Sequence[Row]) -> Sequence[Row]:
    """Return rows as the server takes them: a flag is true or false."""
    if not table.flags:
        return rows
    flags = [table.place(column) for column in table.flags]
    return [
        tuple(bool(value) if place in flags else value for place, value in enumerate(row))
        for row in rows
    ]


def _refusal(table: Table, rows: Sequence[Row], error: Exception) -> str:
    """Return why the server has refused rows, with the one that has a character NUL, if any."""
    for row in rows:
        for column, value in zip(table.columns, row, strict=True):
            if isinstance(value, str) and "\0" in value:
                key = ", ".join(map(str, key_of(table, row)))
                return (
                    f"{table.name} {key}: {column} has the character NUL, which PostgreSQL cannot "
                    "store; delete that row from the source"
                )
    return f"{table.name}: {' '.join(str(error).split())}"


def _text(mark: Mark) -> str:
    return msgspec.json.encode(mark).decode()
