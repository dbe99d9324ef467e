"""The state that the operations of one commit share."""

import sqlite3

from taskqueue.rules.groups import GroupEnd
from taskqueue.rules.tasks import Accepted, NewTask
from taskqueue.storage.moves import Moves
from taskqueue.storage.sqlite.commit.gates import Gates
from taskqueue.storage.sqlite.commit.turns import Turns
from taskqueue.storage.sqlite.sql import statements


class Transaction(Moves):
    """A transaction that is not committed yet: its connection, and the change of each count."""

    def __init__(self, db: sqlite3.Connection) -> None:
        super().__init__()
        self.db = db
        self.gates = Gates(db)
        self.turns = Turns(db)
        self.refused: list[tuple[NewTask, Accepted]] = []
        """Follow-ups that were not accepted, and the answers that say why."""
        self.ended: list[GroupEnd] = []
        """Groups that have ended."""
        self.version: int | None = None
        """`disk.wal.data_version` as it began, if it was asked for."""

    def write_counts(self) -> None:
        """Bring the counters table up to date: once per commit, not once per row."""
        if any(self.by_status.values()):
            moved = self.by_status  # which has 0 for all others
            self.db.execute(statements.MOVE_COUNTS, moved)


def refresh_schema(db: sqlite3.Connection) -> None:
    """Read the schema again in a transaction if another connection has changed it.

    SQLite does so when a statement runs, but not when a statement fails to compile because of a
    trigger. So after the trigger is dropped its error would be raised again and again, until
    another statement runs on this connection.
    """
    db.execute("SELECT 1 FROM main.sqlite_master LIMIT 0")
