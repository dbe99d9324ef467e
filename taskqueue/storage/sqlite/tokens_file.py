"""Access tokens of a database file, beside the service that may have it open.

The service holds the file for itself, so this does without an engine: a connection of its own,
with one short transaction for each verb.
"""

import sqlite3
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import asynccontextmanager, closing, contextmanager
from pathlib import Path
from typing import TypeVar

from taskqueue.clock import SystemClock
from taskqueue.errors import SchemaMismatch
from taskqueue.rules.access import Token
from taskqueue.storage.sqlite import audited
from taskqueue.storage.sqlite.commit.transaction import Transaction
from taskqueue.storage.sqlite.disk.faults import translated
from taskqueue.storage.sqlite.disk.lock import real_path
from taskqueue.storage.sqlite.migrating import migrate, require_file
from taskqueue.storage.sqlite.operations import tokens
from taskqueue.storage.sqlite.schema import runner
from taskqueue.storage.tokens import Tokens

T = TypeVar("T")

_BUSY_S = 5.0  # longer than a commit of the service takes


class TokensFile(Tokens):
    """The tokens in a file of the current schema, through an open connection."""

    def __init__(self, db: sqlite3.Connection, path: Path) -> None:
        self._db = db
        self._path = path
        self._clock = SystemClock()

    async def add_token(self, token: Token) -> bool:
        return self._write(lambda tx: audited.add_token(tx, token))

    async def tokens(self) -> tuple[Token, ...]:
        with translated(self._path):
            return tokens.every(self._db)

    async def revoke_token(self, name: str) -> bool:
        now = self._clock.now()
        return self._write(lambda tx: audited.revoke_token(tx, name, now=now))

    async def note_token_use(self, used: Mapping[str, float]) -> None:
        self._write(lambda tx: tokens.note_use(tx, used))

    def _write(self, operation: Callable[[Transaction], T]) -> T:
        with translated(self._path), self._db:
            self._db.execute("BEGIN IMMEDIATE")
            return operation(Transaction(self._db))


@asynccontextmanager
async def tokens_file(path: Path, *, make: bool) -> AsyncIterator[Tokens]:
    """Open the tokens of the database at `path`; migrate it if no service holds it.

    Args:
        path: where it is.
        make: make it if there is none.

    Raises:
        StorageUnavailable: it is not there, or cannot be made, opened or written.
        SchemaMismatch: a service of another release holds it, or has written it.
    """
    if not make:
        require_file(path)
    if _version_at(path) < runner.SQLITE_VERSION:
        await migrate(path)
    with _connected(path) as db:
        found = runner.version_of(db)
        if found != runner.SQLITE_VERSION:
            raise SchemaMismatch(str(path), found, runner.SQLITE_VERSION)
        yield TokensFile(db, path)


def _version_at(path: Path) -> int:
    if not path.exists():
        return 0
    with _connected(path) as db, translated(path):
        return runner.version_of(db)


@contextmanager
def _connected(path: Path) -> Iterator[sqlite3.Connection]:
    with translated(path):
        db = sqlite3.connect(
            f"{real_path(path).as_uri()}?mode=rw", uri=True, timeout=_BUSY_S, isolation_level=None
        )
    with closing(db):
        yield db
