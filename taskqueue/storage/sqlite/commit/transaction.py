"""What the writes of one commit share."""

import math
import sqlite3
from collections import Counter

from taskqueue.rules.groups import GroupEnd
from taskqueue.rules.tasks import Accepted, NewTask
from taskqueue.storage.sqlite.commit.gates import Gates
from taskqueue.storage.sqlite.commit.turns import Turns
from taskqueue.storage.sqlite.sql import statements


class GroupMoves:
    """By how much the counts of one group have moved, and whether a task was deleted from it."""

    def __init__(self) -> None:
        self.moved: Counter[str] = Counter()
        self.has_lost_tasks = False


class Transaction:
    """One commit in the making: the connection, and by how much each count has moved."""

    def __init__(self, db: sqlite3.Connection) -> None:
        self.db = db
        self.gates = Gates(db)
        self.turns = Turns(db)
        self.refused: list[tuple[NewTask, Accepted]] = []
        """Follow-ups that were not accepted, and the answers that say why."""
        self.ended: list[GroupEnd] = []
        """Groups that have ended."""
        self.version: int | None = None
        """`disk.wal.data_version` as it began, if it was asked for."""
        self.groups: dict[str, GroupMoves] = {}
        """What has moved in groups, and is not written yet: `operations.groups` writes it."""
        self.now = -math.inf
        """The latest instant at which a member of a group has moved."""
        self._moved: Counter[str] = Counter()

    def moved(self, before: str | None, after: str | None, tasks: int = 1) -> None:
        """Note that so many tasks went from one status to another; None is outside."""
        _move(self._moved, before, after, tasks)

    def member_moved(
        self,
        group: str | None,
        before: str | None,
        after: str | None,
        tasks: int = 1,
        *,
        now: float = -math.inf,
    ) -> None:
        """Note the same for tasks of one group; nothing if there is no group."""
        if group is None:
            return
        moves = self.groups.setdefault(group, GroupMoves())
        _move(moves.moved, before, after, tasks)
        moves.has_lost_tasks |= after is None
        self.now = max(self.now, now)

    def write_counts(self) -> None:
        """Bring the counters table up to date: once per commit, not once per row."""
        if any(self._moved.values()):
            self.db.execute(statements.MOVE_COUNTS, self._moved)  # a counter has 0 for all others


def _move(counter: Counter[str], before: str | None, after: str | None, tasks: int) -> None:
    if before is not None:
        counter[before] -= tasks
    if after is not None:
        counter[after] += tasks


def refresh_schema(db: sqlite3.Connection) -> None:
    """Read the schema again in a transaction, if another connection has changed it.

    SQLite does so when a statement runs, but not when one cannot be compiled because of what a
    trigger names. So the error of a trigger that is gone would be raised again and again, until
    another statement runs on this connection.
    """
    db.execute("SELECT 1 FROM main.sqlite_master LIMIT 0")
