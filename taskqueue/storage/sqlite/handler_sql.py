"""Applies the SQL of handlers within a commit that others share, so that it can harm none of them.

    SAVEPOINT ─▶ guard on ─▶ statements ─▶ guard off ─▶ RELEASE      applied
                                                    └─▶ ROLLBACK TO  refused, or only rehearsed

Statements read every table, and change those of the user. The guard refuses whatever would reach
further: the queue's own tables, transactions, other files, pragmas, temporary objects (one named
`tasks` would stand before ours). It sees a statement while SQLite compiles it, with the triggers
and views that it goes through. Foreign keys are not enforced, as SQLite has it by default: what is
deferred would fail the commit of all.
"""

import sqlite3
import time
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from hashlib import blake2b
from types import TracebackType

import msgspec

from taskqueue.errors import StatementRefused
from taskqueue.tasks import Row, Rows, Statement

LIMIT_S = 1.0  # the statements of one settlement
MAX_ROWS = 1024 * 1024  # bytes that one query may answer
_MAX_VALUE = 64 * 1024 * 1024  # bytes; a longer one is made in one go, which no limit interrupts
_OPCODES_PER_LOOK = 10_000  # between two looks at the clock: about a tenth of a millisecond

# `json_each` is a function that our statements use; a table of that name would stand before it.
_OURS = frozenset({"tasks", "attempts", "counters", "paused", "probe", "json_each"})

# What SQLite itself writes for a CREATE, ALTER or DROP. A user cannot write the schema directly
# without a pragma; the others hold nothing of ours.
_SQLITES = frozenset(
    {"sqlite_master", "sqlite_temp_master", "sqlite_sequence", "sqlite_stat1", "sqlite_stat4"}
)

# Pragmas that full-text search and ALTER TABLE ask.
_HARMLESS_PRAGMAS = frozenset({"data_version", "page_size", "quick_check"})

_READS = frozenset(
    {
        sqlite3.SQLITE_SELECT,
        sqlite3.SQLITE_READ,
        sqlite3.SQLITE_RECURSIVE,
        sqlite3.SQLITE_REINDEX,  # as CREATE INDEX does; it changes nothing that can be read
    }
)
# The table stands in the first or in the second argument.
_CHANGES = {
    sqlite3.SQLITE_INSERT: 0,
    sqlite3.SQLITE_UPDATE: 0,
    sqlite3.SQLITE_DELETE: 0,
    sqlite3.SQLITE_CREATE_TABLE: 0,
    sqlite3.SQLITE_CREATE_VIEW: 0,
    sqlite3.SQLITE_CREATE_VTABLE: 0,
    sqlite3.SQLITE_DROP_TABLE: 0,
    sqlite3.SQLITE_DROP_VIEW: 0,
    sqlite3.SQLITE_DROP_VTABLE: 0,
    sqlite3.SQLITE_CREATE_INDEX: 1,
    sqlite3.SQLITE_DROP_INDEX: 1,
    sqlite3.SQLITE_CREATE_TRIGGER: 1,
    sqlite3.SQLITE_DROP_TRIGGER: 1,
    sqlite3.SQLITE_ALTER_TABLE: 1,
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

# What sqlite3 raises at SQL or a value that it cannot take; TypeError and ValueError before SQLite
# sees it (a lone surrogate, a number of 65 bits).
_MISTAKES = (sqlite3.Error, sqlite3.Warning, OverflowError, TypeError, ValueError)


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


def rehearse(
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
        raise StatementRefused(f"answers more than {MAX_ROWS} bytes{_in(query)}")
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
        self._max_value = 0  # of the connection, to be restored
        self._refused: str | None = None  # by the latest statement
        self._schema_changed = False

    def __enter__(self) -> "_Guard":
        # Setting an authorizer lets SQLite compile anew all that was compiled before, so a text
        # that equals one of ours is looked at like any other.
        self._db.set_authorizer(self._authorize)
        self._db.set_progress_handler(self._is_late, _OPCODES_PER_LOOK)
        self._max_value = self._db.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, _MAX_VALUE)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._db.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, self._max_value)
        self._db.set_progress_handler(None, 0)
        self._db.set_authorizer(None)

    def execute(self, statement: Statement) -> None:
        """Run a statement to its end without looking at its rows."""
        with self._refusing(statement):
            deque(self._run(statement), maxlen=0)

    def query(self, statement: Statement) -> Rows | None:
        """Return what a statement answers, None if that is more than `MAX_ROWS`."""
        with self._refusing(statement):
            return _gather(self._run(statement))

    def check_schema(self) -> None:
        """Refuse a rename that puts something before what our statements name; the guard is off."""
        if self._schema_changed:
            found = self._db.execute(
                "SELECT name FROM sqlite_master WHERE name = 'json_each' COLLATE NOCASE"
            )
            if found.fetchone() is not None:
                raise StatementRefused("may not be named json_each")

    @contextmanager
    def _refusing(self, statement: Statement) -> Iterator[None]:
        """Turn what a statement raises into a refusal; an outage stays what it is."""
        self._refused = None
        try:
            yield
        except _MISTAKES as error:
            if _is_outage(error):
                raise
            refusal = StatementRefused if self._db.in_transaction else TransactionLost
            raise refusal(self._reason(error) + _in(statement)) from error

    def _reason(self, error: Exception) -> str:
        if self._refused is not None:
            return f"may not {self._refused}"
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

    def _authorize(
        self,
        action: int,
        first: str | None,
        second: str | None,
        _database: str | None,
        _trigger: str | None,
    ) -> int:
        if action in _READS:
            return sqlite3.SQLITE_OK
        if action in _CHANGES:
            table = str((first, second)[_CHANGES[action]]).lower()
            self._schema_changed |= table == "sqlite_master"
            if table not in _OURS and (table in _SQLITES or not table.startswith("sqlite_")):
                return sqlite3.SQLITE_OK
            return self._refuse(f"change {table}, which belongs to the queue")
        if action == sqlite3.SQLITE_FUNCTION and second != "load_extension":
            return sqlite3.SQLITE_OK
        if action == sqlite3.SQLITE_PRAGMA and first in _HARMLESS_PRAGMAS:
            return sqlite3.SQLITE_OK
        return self._refuse(_REACHING_FURTHER.get(action, "do this"))

    def _refuse(self, what: str) -> int:
        self._refused = self._refused or what
        return sqlite3.SQLITE_DENY


_REACHING_FURTHER = {
    sqlite3.SQLITE_TRANSACTION: "touch the transaction",
    sqlite3.SQLITE_SAVEPOINT: "touch the transaction",
    sqlite3.SQLITE_ATTACH: "attach files",
    sqlite3.SQLITE_DETACH: "detach files",
    sqlite3.SQLITE_PRAGMA: "use pragmas",
    sqlite3.SQLITE_ANALYZE: "analyze",
    sqlite3.SQLITE_FUNCTION: "load extensions",
    sqlite3.SQLITE_CREATE_TEMP_TABLE: "make temporary objects",
    sqlite3.SQLITE_CREATE_TEMP_VIEW: "make temporary objects",
    sqlite3.SQLITE_CREATE_TEMP_TRIGGER: "make temporary objects",
    sqlite3.SQLITE_CREATE_TEMP_INDEX: "make temporary objects",
}


def _is_outage(error: Exception) -> bool:
    # An error that Python's module raises by itself has no code.
    code = getattr(error, "sqlite_errorcode", sqlite3.SQLITE_OK)
    # A virtual table of the user's that is broken is not our file.
    return code & 0xFF in _OUTAGES and code != sqlite3.SQLITE_CORRUPT_VTAB


def _gather(cursor: sqlite3.Cursor) -> Rows | None:
    # In MessagePack 1, 1.0, '1' and b'1' differ, and a row tells where it ends.
    digest = blake2b(digest_size=16)
    rows: list[Row] = []
    size = 0
    for row in cursor:
        encoded = msgspec.msgpack.encode(row)
        size += len(encoded)
        if size > MAX_ROWS:
            cursor.close()
            return None
        digest.update(encoded)
        rows.append(row)
    return Rows(rows=tuple(rows), digest=digest.hexdigest())


def _in(statement: Statement) -> str:
    return f", in: {str(statement.sql)[:200]}"
