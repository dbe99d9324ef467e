"""Runs the SQL of handlers inside a transaction, so that it can harm no task that shares it.

    footprint ─▶ statements, each within what is left of the time ─▶ constraints ─▶ footprint

The caller takes it all back if this raises: to a savepoint, or with the whole transaction.
"""

import time
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from typing import Protocol

from taskqueue.errors import StatementRefused
from taskqueue.rules.tasks import Rows, Scalar, Statement
from taskqueue.storage.answers import MAX_BYTES, Answer
from taskqueue.storage.postgres.commit import DURABLY
from taskqueue.storage.postgres.connections import SQL, Row
from taskqueue.storage.postgres.errors import is_conflict, is_lost, sqlstate_of
from taskqueue.storage.postgres.handler_sql import permissions
from taskqueue.storage.postgres.handler_sql.footprint import footprint, overstep
from taskqueue.storage.postgres.handler_sql.values import plain_row
from taskqueue.storage.postgres.patience import LIMITS

LIMIT_S = 1.0
"""How long the statements of one settlement may take."""

MAX_SQL_BYTES = 1024 * 1024
_PAGE = 200  # rows that are read at once
_CANCELLED = "57014"
_ENDS_SESSION = frozenset({"FATAL", "PANIC"})

_SET_TIMEOUT = "SELECT set_config('statement_timeout', $1, true)"

# What is deferred would fail the commit of all. Taken back, so that it stays deferred for others.
_CHECK = """
SAVEPOINT checking; SET CONSTRAINTS ALL IMMEDIATE;
ROLLBACK TO SAVEPOINT checking; RELEASE SAVEPOINT checking
"""

RESTORE = f"RESET ALL; {LIMITS}; {DURABLY}"
"""Has the settings be those of the session again, after statements that were applied."""

FORGET = "SELECT pg_advisory_unlock_all(); UNLISTEN *"
"""Undoes what no rollback undoes: a session is used again."""


class RowsChanged(Exception):
    """A statement answered other rows than it had shown the handler, or met another transaction."""


class Prepared(Protocol):
    """A prepared statement of asyncpg."""

    def cursor(self, *args: object, prefetch: int) -> AsyncIterator[Row]: ...


class Session(SQL, Protocol):
    """A connection of asyncpg, as far as it is used here."""

    async def prepare(self, query: str, *, name: str) -> Prepared: ...


async def apply(db: Session, statements: Sequence[Statement], *, limit_s: float = LIMIT_S) -> None:
    """Apply all statements in order.

    Raises:
        StatementRefused: one fails, is not allowed, or takes all of them longer than `limit_s`.
        RowsChanged: one answers rows of another digest than it `saw`, or lost a deadlock.
    """
    async with _guarded(db, limit_s) as guard:
        for statement in statements:
            await _apply(guard, statement)


async def dry_run(
    db: Session, statements: Sequence[Statement], query: Statement, *, limit_s: float
) -> Rows:
    """Return the rows of `query` after `statements`, whatever those saw.

    Raises:
        StatementRefused: as `apply` does; or there are too many rows.
    """
    try:
        async with _guarded(db, limit_s) as guard:
            for statement in statements:
                await guard.execute(statement)
            answer = await guard.query(query)
    except RowsChanged as error:
        raise StatementRefused(str(error)) from error
    if answer is None:
        raise StatementRefused(f"answers more than {MAX_BYTES} bytes{_in(query)}")
    return answer


async def _apply(guard: "_Guard", statement: Statement) -> None:
    if statement.saw is None:
        await guard.execute(statement)
        return
    answer = await guard.query(statement)
    if answer is None or answer.digest != statement.saw:
        raise RowsChanged(f"other rows than the handler saw{_in(statement)}")


@asynccontextmanager
async def _guarded(db: Session, limit_s: float) -> AsyncIterator["_Guard"]:
    before = await footprint(db)
    guard = _Guard(db, limit_s)
    yield guard
    with guard.refusing(None):
        await guard.set_timeout(None)
        await db.execute(_CHECK)
        after = await footprint(db)
    if (done := overstep(before, after)) is not None:
        raise StatementRefused(f"may not {done}")


class _Guard:
    """Runs one statement after the other, until the time is up."""

    def __init__(self, db: Session, limit_s: float) -> None:
        self._db = db
        self._limit_s = limit_s
        self._deadline = time.monotonic() + limit_s

    async def execute(self, statement: Statement) -> None:
        """Run a statement to its end without looking at its rows."""
        with self.refusing(statement):
            async for _ in self._run(statement):
                pass

    async def query(self, statement: Statement) -> Rows | None:
        """Return what a statement answers, None if that is more than `MAX_BYTES`."""
        answer = Answer()
        with self.refusing(statement):
            async for row in self._run(statement):
                if not answer.add(plain_row(row)):
                    return None
        return answer.rows

    async def set_timeout(self, statement: Statement | None) -> None:
        """Have the server end what runs longer than the time that is left."""
        left_s = self._deadline - time.monotonic()
        if left_s <= 0.0:
            raise StatementRefused(self._overtime() + _in(statement))
        await self._db.fetchval(_SET_TIMEOUT, str(max(1, int(left_s * 1000))))

    @contextmanager
    def refusing(self, statement: Statement | None) -> Iterator[None]:
        """Turn what a statement raises into a refusal; an outage stays what it is."""
        try:
            yield
        except (StatementRefused, RowsChanged):
            raise
        except Exception as error:
            if _is_outage(error):
                raise
            if is_conflict(error):
                raise RowsChanged(f"another transaction was in the way: {error}") from error
            raise StatementRefused(self._reason(error) + _in(statement)) from error

    def _reason(self, error: Exception) -> str:
        if sqlstate_of(error) == _CANCELLED and time.monotonic() >= self._deadline:
            return self._overtime()
        return f"{type(error).__name__}: {error}"

    def _overtime(self) -> str:
        return f"took longer than {self._limit_s} s"

    async def _run(self, statement: Statement) -> AsyncIterator[Row]:
        sql = _checked(statement)
        await self.set_timeout(statement)
        # A name would keep the statement on the server, and its plan past a change of the schema.
        prepared = await self._db.prepare(sql, name="")
        async for row in prepared.cursor(*_arguments(statement), prefetch=_PAGE):
            yield row
            if time.monotonic() > self._deadline:
                raise StatementRefused(self._overtime() + _in(statement))


def _checked(statement: Statement) -> str:
    sql: object = statement.sql
    # asyncpg loses the connection over a text that it cannot encode, or that a NUL cuts short.
    if not isinstance(sql, str) or "\0" in sql or not _has_bytes(sql, most=MAX_SQL_BYTES):
        raise StatementRefused(
            f"a statement is text of {MAX_SQL_BYTES} bytes at most, without NUL{_in(statement)}"
        )
    if (refused := permissions.refusal(sql)) is not None:
        raise StatementRefused(f"may not {refused}{_in(statement)}")
    return sql


def _has_bytes(sql: str, *, most: int) -> bool:
    try:
        return len(sql.encode()) <= most
    except UnicodeEncodeError:
        return False


def _arguments(statement: Statement) -> tuple[Scalar, ...]:
    if isinstance(statement.parameters, dict):
        raise StatementRefused(
            "PostgreSQL has no parameters by name: write $1, $2, … and give a sequence"
            + _in(statement)
        )
    return statement.parameters


def _is_outage(error: Exception) -> bool:
    # By its severity: an error in a statement may have any code. A function raises the one that it
    # chooses, and that of another server which cannot be reached is the code of a lost connection.
    severity = getattr(error, "severity_en", None) or getattr(error, "severity", None)
    return severity in _ENDS_SESSION if severity else is_lost(error)


def _in(statement: Statement | None) -> str:
    return "" if statement is None else f", in: {str(statement.sql)[:200]}"
