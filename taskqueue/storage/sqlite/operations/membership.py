"""What belonging to a group means for tasks: who may join, and how their moves are counted."""

import sqlite3
from collections.abc import Iterable, Sequence
from operator import attrgetter

from taskqueue.rules.tasks import Acceptance, Accepted, NewTask, Status
from taskqueue.storage.sqlite.commit.transaction import Transaction
from taskqueue.storage.sqlite.operations import keys
from taskqueue.storage.sqlite.sql import groups, rows, statements

_group_of = attrgetter("group")  # its name, which is not empty


def has_members(tasks: Iterable[NewTask]) -> bool:
    """Tell whether one of these tasks belongs to a group."""
    return any(map(_group_of, tasks))


def admitted(db: sqlite3.Connection, tasks: Sequence[NewTask]) -> Sequence[NewTask]:
    """Return those whose groups, if they have one, still take members: the same object if all."""
    if not has_members(tasks):
        return tasks
    closed = _closed(db, tasks)
    return [task for task in tasks if task.group not in closed] if closed else tasks


def with_refused(
    db: sqlite3.Connection,
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
    closed = _closed(db, tasks)
    return tuple(
        _refused(db, task, now=now) if task.group in closed else next(theirs) for task in tasks
    )


def follow_ups(
    tx: Transaction, tasks: Sequence[NewTask], group: str | None, *, now: float
) -> Sequence[NewTask]:
    """Return which follow-ups of a member of `group` may be inserted; note the others as refused.

    Its own group takes them even if it is closed: it cannot have ended, and ends with them.
    """
    if not has_members(tasks):
        return tasks
    closed = _closed(tx.db, tasks) - {group}
    tx.refused += [(task, _refused(tx.db, task, now=now)) for task in tasks if task.group in closed]
    return [task for task in tasks if task.group not in closed]


def count_new(tx: Transaction, new: Sequence[NewTask], *, now: float) -> None:
    """Count tasks that have just been inserted to their groups."""
    if not has_members(new):
        return
    for task in new:
        is_ahead = task.run_at is not None and task.run_at > now
        after = Status.SCHEDULED if is_ahead else Status.QUEUED
        tx.member_moved(task.group, None, after, now=now)


def move_all(tx: Transaction, seqs: Iterable[int], after: Status, *, now: float) -> None:
    """Note that those of these rows that belong to groups are about to have this status."""
    found = tx.db.execute(groups.MEMBERS, (rows.json_array(seqs),)).fetchall()
    for group, before, tasks in found:
        tx.member_moved(group, before, after, tasks, now=now)


def _closed(db: sqlite3.Connection, tasks: Iterable[NewTask]) -> set[str | None]:
    named = {task.group for task in tasks if task.group is not None}
    found = db.execute(groups.CLOSED, (rows.json_array(named),)).fetchall()
    return {name for (name,) in found}


def _refused(db: sqlite3.Connection, task: NewTask, *, now: float) -> Accepted:
    """Answer for a task whose group is closed: it may be there all the same, from before."""
    if db.execute(statements.NAMED, (task.id,)).fetchone() is not None:
        return Accepted(id=task.id, acceptance=Acceptance.REPEATED)
    answer = keys.standing(db, task, now=now)
    return answer or Accepted(id=task.id, acceptance=Acceptance.CLOSED)
