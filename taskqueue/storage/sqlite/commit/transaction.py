"""What the writes of one commit share."""

import sqlite3
from collections import Counter

from taskqueue.rules.tasks import Accepted, NewTask
from taskqueue.storage.sqlite.commit.gates import Gates
from taskqueue.storage.sqlite.commit.turns import Turns
from taskqueue.storage.sqlite.sql import statements


class Transaction:
    """One commit in the making: the connection, and by how much each count has moved."""

    def __init__(self, db: sqlite3.Connection) -> None:
        self.db = db
        self.gates = Gates(db)
        self.turns = Turns(db)
        self.refused: list[tuple[NewTask, Accepted]] = []
        """Follow-ups whose unique key belongs to another, and the answers that say so."""
        self._moved: Counter[str] = Counter()

    def moved(self, before: str | None, after: str | None, tasks: int = 1) -> None:
        """Note that so many tasks went from one status to another; None is outside."""
        if before is not None:
            self._moved[before] -= tasks
        if after is not None:
            self._moved[after] += tasks

    def write_counts(self) -> None:
        """Bring the counters table up to date: once per commit, not once per row."""
        if any(self._moved.values()):
            self.db.execute(statements.MOVE_COUNTS, self._moved)  # a counter has 0 for all others


def refresh_schema(db: sqlite3.Connection) -> None:
    """Read the schema again in a transaction, if another connection has changed it.

    SQLite does so when a statement runs, but not when one cannot be compiled because of what a
    trigger names. So the error of a trigger that is gone would be raised again and again, until
    another statement runs on this connection.
    """
    db.execute("SELECT 1 FROM main.sqlite_master LIMIT 0")
