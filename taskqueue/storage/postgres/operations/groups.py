"""What the verbs about groups do, and what every commit that moves members does at its end."""

from collections.abc import Sequence

from taskqueue.rules.groups import Close, CloseResult, Group
from taskqueue.rules.tasks import NewTask
from taskqueue.storage.postgres.connections import SQL
from taskqueue.storage.postgres.transaction import Transaction


async def close(
    tx: Transaction, wanted: Close, tasks: Sequence[NewTask], *, now: float
) -> CloseResult:
    """Insert tasks, then close the group, unless it is closed."""
    raise NotImplementedError


async def write_counts(tx: Transaction) -> None:
    """Bring the counts up to date, those of groups first: what follows a group is a task as well.

    Called once, as the last of a commit. `tx.groups` holds what has moved: one statement for each
    group, in the order of their names, because each locks its row until the commit. Groups that end
    are added to `tx.ended`; `commit.Writer` tells them after the commit.
    """
    if tx.groups:
        raise NotImplementedError
    await tx.write_counts()


async def expire_empty(tx: Transaction, *, ended_before: float, limit: int) -> None:
    """Delete groups that were closed without a task and ended before that instant."""
    raise NotImplementedError


async def get(db: SQL, name: str) -> Group | None:
    """Return a group; None if there is none of this name."""
    raise NotImplementedError


async def latest(db: SQL, before: int | None, ended: bool | None, limit: int) -> tuple[Group, ...]:
    """Return groups, newest first."""
    raise NotImplementedError
