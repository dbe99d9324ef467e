"""Which tasks may join their groups, and by how much members move a group's counts.

The rows of groups are locked before it is looked at whether they are closed. They are locked as by
an update, because one follows: two commits that shared a lock would wait for each other.
"""

from collections.abc import Iterable, Sequence
from operator import attrgetter

from taskqueue.rules.tasks import Acceptance, Accepted, NewTask, Status
from taskqueue.storage.postgres.operations import keys
from taskqueue.storage.postgres.sql import groups, inserting
from taskqueue.storage.postgres.transaction import Transaction

_group_of = attrgetter("group")  # its name, which is not empty


def has_members(tasks: Iterable[NewTask]) -> bool:
    """Tell whether one of these tasks belongs to a group."""
    return any(map(_group_of, tasks))


async def lock(tx: Transaction, names: Iterable[str], *, now: float) -> set[str]:
    """Lock the rows of these groups until the commit, making those that are new.

    Returns those that are closed. A group that is made here and gets no member is deleted at the
    end of the commit.
    """
    wanted = [*dict.fromkeys(names)]
    found: dict[str, bool] = dict(await tx.db.fetch(groups.LOCK_CLOSED, wanted))
    while lacking := [name for name in wanted if name not in found]:
        await tx.db.execute(groups.MAKE, lacking, now)
        for name in lacking:
            tx.member_moved(name, Status.QUEUED, Status.QUEUED, 0, now=now)
        found |= dict(await tx.db.fetch(groups.LOCK_CLOSED, lacking))
    return {name for name, is_closed in found.items() if is_closed}


async def admitted(tx: Transaction, tasks: Sequence[NewTask], *, now: float) -> Sequence[NewTask]:
    """Return those whose groups, if they have one, still take members: the same object if all."""
    if not has_members(tasks):
        return tasks
    closed = await _closed(tx, tasks, now=now)
    return [task for task in tasks if task.group not in closed] if closed else tasks


async def with_refused(
    tx: Transaction,
    tasks: Sequence[NewTask],
    admitted: Sequence[NewTask],
    answers: tuple[Accepted, ...],
    *,
    now: float,
) -> tuple[Accepted, ...]:
    """Return the answers for all tasks, given those for the admitted ones."""
    if admitted is tasks:
        return answers
    theirs = iter(answers)
    closed = await _closed(tx, tasks, now=now)
    return tuple(
        [
            await _refused(tx, task, now=now) if task.group in closed else next(theirs)
            for task in tasks
        ]
    )


async def follow_ups(
    tx: Transaction, tasks: Sequence[NewTask], group: str | None, *, now: float
) -> Sequence[NewTask]:
    """Return which follow-ups of a member of `group` may be inserted; note the others as refused.

    Its own group takes them even if it is closed: it cannot have ended, and ends with them.
    """
    if not has_members(tasks):
        return tasks
    closed = await _closed(tx, tasks, now=now) - {group}
    refused = [task for task in tasks if task.group in closed]
    tx.refused += [(task, await _refused(tx, task, now=now)) for task in refused]
    return [task for task in tasks if task.group not in closed]


def count_new(tx: Transaction, new: Sequence[NewTask], *, now: float) -> None:
    """Count tasks that have just been inserted to their groups."""
    for task in new if has_members(new) else ():
        is_ahead = task.run_at is not None and task.run_at > now
        after = Status.SCHEDULED if is_ahead else Status.QUEUED
        tx.member_moved(task.group, None, after, now=now)


async def _closed(tx: Transaction, tasks: Iterable[NewTask], *, now: float) -> set[str | None]:
    names = [task.group for task in tasks if task.group is not None]
    return {*await lock(tx, names, now=now)}


async def _refused(tx: Transaction, task: NewTask, *, now: float) -> Accepted:
    """Answer for a task whose group is closed: it may be there all the same, from before."""
    if await tx.db.fetchval(inserting.IS_THERE, task.id):
        return Accepted(id=task.id, acceptance=Acceptance.REPEATED)
    answer = await keys.standing(tx.db, task, now=now)
    return answer or Accepted(id=task.id, acceptance=Acceptance.CLOSED)
