"""What the writes of one commit share.

An operation is `async def operation(tx, …) -> answer`. It reads and writes through `tx.db` alone,
tells `tx` what has moved, and keeps nothing outside: when the commit is tried again, so is it.
"""

from collections.abc import Awaitable, Callable
from typing import Any, TypeAlias

from taskqueue.rules.groups import GroupEnd
from taskqueue.rules.tasks import Accepted, NewTask, Status
from taskqueue.storage.moves import Moves
from taskqueue.storage.postgres.connections import SQL, changed_rows
from taskqueue.storage.postgres.operations.gates import Gates
from taskqueue.storage.postgres.operations.turns import Turns
from taskqueue.storage.postgres.sql import counters


class Transaction(Moves):
    """One commit in the making: the connection, and by how much each count has moved."""

    def __init__(self, db: SQL, *, is_users: bool = False) -> None:
        """Begin with nothing; `is_users`: a user has begun it, at whichever isolation level."""
        super().__init__()
        self.db = db
        self._move_counts = (
            counters.MOVE_IN_AN_UNCHANGED_SHARD if is_users else counters.MOVE_IN_A_FREE_SHARD
        )
        self.gates = Gates(db)
        self.turns = Turns(db)
        self.refused: list[tuple[NewTask, Accepted]] = []
        """Follow-ups that were not accepted, and the answers that say why: logged afterwards."""
        self.ended: list[GroupEnd] = []
        """Groups that have ended: told after the commit."""
        self.rows_changed = 0
        """How many rows of tasks were written, as far as operations say."""
        self.is_news = False
        """Whether other nodes should know of this commit at once; counts say so when written."""
        self._left_for_others = 0

    def moved(self, before: str | None, after: str | None, tasks: int = 1) -> None:
        """Note that so many tasks went from one status to another; None is outside."""
        self.rows_changed += tasks
        if after in _NEWS:
            self._left_for_others += tasks
        super().moved(before, after, tasks)

    def claimed(self, tasks: int) -> None:
        """Note that so many of those tasks are claimed by this node: others need not look."""
        self._left_for_others -= tasks

    async def write_counts(self) -> None:
        """Bring the counters up to date: one row of one shard per commit, as its last statement."""
        await self.gates.flush()
        self.is_news |= self._left_for_others > 0 or self.gates.has_opened
        if not any(self.by_status.values()):
            return
        by = [self.by_status[status] for status in Status]
        if not changed_rows(await self.db.execute(self._move_counts, *by)):
            await self.db.execute(counters.MOVE_IN_ANY_SHARD, *by)


# What is claimed or settled concerns the node that does so, unless it makes room for what waits. A
# task that waits may be another's, and one that is cancelled as well.
_NEWS = frozenset({Status.QUEUED, Status.SCHEDULED, Status.RETRYING, Status.CANCELLED})

Operation: TypeAlias = Callable[[Transaction], Awaitable[Any]]
