"""Applies the SQL of handlers within a commit that others share, so that it can harm none of them.

    SAVEPOINT ─▶ guard on ─▶ statements ─▶ guard off ─▶ RELEASE      applied
                                                    └─▶ ROLLBACK TO  refused, or a dry run

Statements read every table, and change those of the user: see `permissions`. Foreign keys are not
enforced, as SQLite has it by default: what is deferred would fail the commit of all.
"""

import sqlite3
import time
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from types import TracebackType
from typing import Any

from taskqueue.errors import StatementRefused
from taskqueue.rules.tasks import Rows, Statement
from taskqueue.storage.answers import MAX_BYTES, Answer
from taskqueue.storage.sqlite.handler_sql.permissions import Permissions

LIMIT_S = 1.0  # the statements of one settlement
_OPCODES_PER_LOOK = 10_000  # between two looks at the clock: about a tenth of a millisecond

# A statement may need no more than this. What SQLite does in one go (comparing, searching or
# replacing in a long text, reading a wide row) cannot be interrupted, so it is kept small.
_LIMITS = {
    sqlite3.SQLITE_LIMIT_LENGTH: 16 * 1024 * 1024,  # bytes of a value or a row
    sqlite3.SQLITE_LIMIT_SQL_LENGTH: 1024 * 1024,
    sqlite3.SQLITE_LIMIT_EXPR_DEPTH: 500,
    sqlite3.SQLITE_LIMIT_COMPOUND_SELECT: 100,
    sqlite3.SQLITE_LIMIT_VDBE_OP: 250_000,
    sqlite3.SQLITE_LIMIT_ATTACHED: 0,
    sqlite3.SQLITE_LIMIT_LIKE_PATTERN_LENGTH: 1_000,
    sqlite3.SQLITE_LIMIT_VARIABLE_NUMBER: 32_766,
    sqlite3.SQLITE_LIMIT_TRIGGER_DEPTH: 100,
    sqlite3.SQLITE_LIMIT_WORKER_THREADS: 0,
}

# The file has failed, and not the statement. A full disk is none of these, because an exhausted
# AUTOINCREMENT says the same; if it is really full, our own writes find out.
_OUTAGES = frozenset(
    {
        sqlite3.SQLITE_BUSY,
        sqlite3.SQLITE_CANTOPEN,
        sqlite3.SQLITE_CORRUPT,
        sqlite3.SQLITE_IOERR,
        sqlite3.SQLITE_NOTADB,
        sqlite3.SQLITE_PROTOCOL,
    }
)

# A virtual table of the user's that is broken is not our file, nor is a lack of memory.
_OF_THE_STATEMENT = frozenset({sqlite3.SQLITE_CORRUPT_VTAB, sqlite3.SQLITE_IOERR_NOMEM})

# What sqlite3 raises at SQL or a value that it cannot take; TypeError and ValueError before SQLite
# sees it (a lone surrogate, a number of 65 bits), MemoryError for more than SQLite may have.
_MISTAKES = (
    sqlite3.Error,
    sqlite3.Warning,
    MemoryError,
    OverflowError,
    TypeError,
    ValueError,
)


class RowsChanged(Exception):
    """A statement answered other rows than it had shown the handler."""


class TransactionLost(StatementRefused):
    """The statement that was refused took the whole transaction with it.

    `OR ROLLBACK` and `RAISE(ROLLBACK)` do, and a write that is interrupted.
    """


def apply(
    db: sqlite3.Connection, statements: tuple[Statement, ...], *, limit_s: float = LIMIT_S
) -> None:
    """Apply all statements in order, or none.

    Raises:
        StatementRefused: one fails, is not allowed, or takes all of them longer than `limit_s`.
        RowsChanged: one answers rows of another digest than it `saw`.
    """
    db.execute("SAVEPOINT handler")
    try:
        with _Guard(db, limit_s) as guard:
            for statement in statements:
                _apply(guard, statement)
        guard.check_schema()
    except BaseException:
        _undo(db)
        raise
    db.execute("RELEASE handler")


def dry_run(
    db: sqlite3.Connection, statements: tuple[Statement, ...], query: Statement, *, limit_s: float
) -> Rows:
    """Return the rows of `query` after `statements`, whatever those saw; leave nothing behind.

    Raises:
        StatementRefused: one fails, is not allowed, or takes all of them longer than `limit_s`; or
            there are too many rows.
    """
    db.execute("SAVEPOINT handler")
    try:
        with _Guard(db, limit_s) as guard:
            for statement in statements:
                guard.execute(statement)
            answer = guard.query(query)
        guard.check_schema()
    finally:
        _undo(db)
    if answer is None:
        raise StatementRefused(f"answers more than {MAX_BYTES} bytes{_in(query)}")
    return answer


def _apply(guard: "_Guard", statement: Statement) -> None:
    if statement.saw is None:
        guard.execute(statement)
        return
    answer = guard.query(statement)
    if answer is None or answer.digest != statement.saw:
        raise RowsChanged(f"other rows than the handler saw{_in(statement)}")


def _undo(db: sqlite3.Connection) -> None:
    if db.in_transaction:
        db.execute("ROLLBACK TO handler")
        db.execute("RELEASE handler")


class _Guard:
    """While it is on, statements can do only what a handler's may, until the time is up."""

    def __init__(self, db: sqlite3.Connection, limit_s: float) -> None:
        self._db = db
        self._limit_s = limit_s
        self._deadline = time.monotonic() + limit_s
        self._limits: dict[int, int] = {}  # of the connection, to be restored
        self._permissions = Permissions()  # of the latest statement
        self._schema_changed = False

    def __enter__(self) -> "_Guard":
        # Setting an authorizer makes SQLite recompile all statements, so a text
        # that equals one of ours is looked at like any other.
        self._db.set_authorizer(self._authorize)
        self._db.set_progress_handler(self._is_late, _OPCODES_PER_LOOK)
        self._limits = {each: self._db.setlimit(each, most) for each, most in _LIMITS.items()}
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        for each, most in self._limits.items():
            self._db.setlimit(each, most)
        self._db.set_progress_handler(None, 0)
        self._db.set_authorizer(None)

    def execute(self, statement: Statement) -> None:
        """Run a statement to its end without looking at its rows."""
        with self._refusing(statement):
            deque(self._run(statement), maxlen=0)

    def query(self, statement: Statement) -> Rows | None:
        """Return what a statement answers, None if that is more than `MAX_BYTES`."""
        with self._refusing(statement):
            return _gather(self._run(statement))

    def check_schema(self) -> None:
        """Refuse a rename that puts something before what our statements name; the guard is off."""
        if self._schema_changed:
            found = self._db.execute(
                "SELECT name FROM main.sqlite_master WHERE name = 'json_each' COLLATE NOCASE"
            )
            if found.fetchone() is not None:
                raise StatementRefused("may not be named json_each")

    @contextmanager
    def _refusing(self, statement: Statement) -> Iterator[None]:
        """Turn what a statement raises into a refusal; an outage stays what it is."""
        self._permissions = Permissions()
        try:
            yield
        except _MISTAKES as error:
            if _is_outage(error):
                raise
            refusal = StatementRefused if self._db.in_transaction else TransactionLost
            raise refusal(self._reason(error) + _in(statement)) from error
        finally:
            self._schema_changed |= self._permissions.changes_schema

    def _reason(self, error: Exception) -> str:
        if self._permissions.refused is not None:
            return f"may not {self._permissions.refused}"
        if isinstance(error, MemoryError):
            return "needs more memory than a handler's statements may have"
        if getattr(error, "sqlite_errorcode", None) == sqlite3.SQLITE_INTERRUPT:
            return self._overtime()
        return f"{type(error).__name__}: {error}"

    def _overtime(self) -> str:
        return f"took longer than {self._limit_s} s"

    def _run(self, statement: Statement) -> sqlite3.Cursor:
        if self._is_late():  # many short ones pass between two looks
            raise StatementRefused(self._overtime() + _in(statement))
        return self._db.execute(statement.sql, statement.parameters)

    def _is_late(self) -> bool:
        return time.monotonic() > self._deadline

    def _authorize(self, *action: Any) -> int:
        return self._permissions.authorize(*action)


def _is_outage(error: Exception) -> bool:
    # An error that Python's module raises by itself has no code.
    code = getattr(error, "sqlite_errorcode", sqlite3.SQLITE_OK)
    return code & 0xFF in _OUTAGES and code not in _OF_THE_STATEMENT


def _gather(cursor: sqlite3.Cursor) -> Rows | None:
    answer = Answer()
    for row in cursor:
        if not answer.add(row):
            cursor.close()
            return None
    return answer.rows


def _in(statement: Statement) -> str:
    return f", in: {str(statement.sql)[:200]}"
