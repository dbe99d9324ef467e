"""What the writes of one commit share."""

import sqlite3
from collections import Counter

from taskqueue.storage.sqlite import statements
from taskqueue.tasks import Accepted, NewTask


class Transaction:
    """One commit in the making: the connection, and by how much each count has moved."""

    def __init__(self, db: sqlite3.Connection) -> None:
        self.db = db
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
