"""Which tasks may join their groups, and by how much members move a group's counts."""

from collections.abc import Iterable, Sequence
from operator import attrgetter

from taskqueue.rules.tasks import Accepted, NewTask
from taskqueue.storage.postgres.connections import SQL
from taskqueue.storage.postgres.transaction import Transaction

_group_of = attrgetter("group")  # its name, which is not empty


def has_members(tasks: Iterable[NewTask]) -> bool:
    """Tell whether one of these tasks belongs to a group."""
    return any(map(_group_of, tasks))


async def admitted(db: SQL, tasks: Sequence[NewTask]) -> Sequence[NewTask]:
    """Return those whose groups, if they have one, still take members: the same object if all.

    A group that another node closes at the same time must not take one after it has ended: lock the
    rows of the groups (`FOR SHARE`), in the order of their names.
    """
    if not has_members(tasks):
        return tasks
    raise NotImplementedError


async def with_refused(
    db: SQL,
    tasks: Sequence[NewTask],
    admitted: Sequence[NewTask],
    answers: tuple[Accepted, ...],
    *,
    now: float,
) -> tuple[Accepted, ...]:
    """Return the answers for all tasks, given those for the admitted ones."""
    if admitted is tasks:
        return answers
    raise NotImplementedError


async def follow_ups(
    tx: Transaction, tasks: Sequence[NewTask], group: str | None, *, now: float
) -> Sequence[NewTask]:
    """Return which follow-ups of a member of `group` may be inserted; note the others as refused.

    Its own group takes them even if it is closed: it cannot have ended, and ends with them. What is
    refused goes to `tx.refused`.
    """
    if not has_members(tasks):
        return tasks
    raise NotImplementedError


def count_new(tx: Transaction, new: Sequence[NewTask], *, now: float) -> None:
    """Count tasks that have just been inserted to their groups: `tx.member_moved`."""
    if has_members(new):
        raise NotImplementedError
