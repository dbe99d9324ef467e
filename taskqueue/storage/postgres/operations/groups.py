"""What the verbs about groups do, and what every commit that moves members does at its end."""

from collections.abc import Mapping, Sequence

import msgspec

from taskqueue.rules.groups import (
    Close,
    CloseAnswer,
    CloseResult,
    Group,
    GroupEnd,
    Turn,
    following,
    is_same_then,
    is_there,
    turn,
)
from taskqueue.rules.tasks import Acceptance, Accepted, NewTask, Status
from taskqueue.storage.moves import GroupMoves
from taskqueue.storage.postgres.connections import SQL, Row
from taskqueue.storage.postgres.operations import membership
from taskqueue.storage.postgres.operations.inserting import insert
from taskqueue.storage.postgres.sql import groups
from taskqueue.storage.postgres.transaction import Transaction

_LAST_SEQ = 2**63 - 1
_decode_task = msgspec.json.Decoder(NewTask).decode


async def close(
    tx: Transaction, wanted: Close, tasks: Sequence[NewTask], *, now: float
) -> CloseResult:
    """Insert tasks, then close the group, unless it is closed."""
    joined = [task.group for task in tasks if task.group is not None]
    await membership.lock(tx, [*joined, wanted.name], now=now)
    before = await _existing(tx.db, wanted.name)
    answer = _close_answer(wanted, before)
    if answer is CloseAnswer.CONFLICT:
        return CloseResult(answer=answer, group=before)
    accepted = await insert(tx, tasks, now=now)
    if answer is CloseAnswer.CLOSED:
        then = None if wanted.then is None else msgspec.json.encode(wanted.then).decode()
        await tx.db.execute(groups.CLOSE, wanted.name, now, then)
        tx.member_moved(wanted.name, Status.QUEUED, Status.QUEUED, 0, now=now)
    await _write_moves(tx)
    return CloseResult(answer=answer, group=await _existing(tx.db, wanted.name), accepted=accepted)


def _close_answer(wanted: Close, before: Group) -> CloseAnswer:
    if before.closed_at is None:
        return CloseAnswer.CLOSED
    is_same = is_same_then(wanted.then, before.then)
    return CloseAnswer.REPEATED if is_same else CloseAnswer.CONFLICT


async def write_counts(tx: Transaction) -> None:
    """Bring the counts up to date, those of groups first: what follows a group is a task as well.

    One statement for each group of which a member has moved, in the order of their names, because
    each locks its row until the commit; none for all other tasks.
    """
    await _write_moves(tx)
    await tx.write_counts()


async def _write_moves(tx: Transaction) -> None:
    while tx.groups:
        name = min(tx.groups)
        await _write(tx, name, tx.groups.pop(name))


async def _write(tx: Transaction, name: str, moves: GroupMoves) -> None:
    by = [moves.moved[status] for status in Status]
    row = await tx.db.fetchrow(groups.MOVE, name, *by)
    if row is None:  # its last task was deleted by another commit, or it has none yet
        await tx.db.execute(groups.MAKE, [name], tx.now)
        row = await tx.db.fetchrow(groups.MOVE, name, *by)
    closed_at, ended_at, live, total = row or (None, None, 0, 0)
    match turn(closed_at=closed_at, ended_at=ended_at, live=live):
        case Turn.ENDS:
            await tx.db.execute(groups.END, tx.now, name)
            tx.ended.append(await _follow(tx, name))
        case Turn.REOPENS:
            await tx.db.execute(groups.REOPEN, name)
        case Turn.NONE:
            pass
    if not total and (moves.has_lost_tasks or closed_at is None):
        await tx.db.execute(groups.DELETE, name)  # in the commit in which it ended, maybe


async def _follow(tx: Transaction, name: str) -> GroupEnd:
    """Accept the task that follows the end of a group, if that has not been done before."""
    group = await _existing(tx.db, name)
    then = group.then
    if then is None or group.then_at is not None:
        return GroupEnd(name=name, tasks=group.tasks)
    then = following(then, closed_at=group.closed_at, now=tx.now)
    [answer] = await insert(tx, (then,), now=tx.now)
    then_id = answer.id if is_there(answer) else None
    await tx.db.execute(groups.FOLLOWED, tx.now, then_id, name)
    if not is_there(answer):
        tx.refused.append((then, answer))
    return GroupEnd(name=name, tasks=group.tasks, then=then if _is_new(answer) else None)


def _is_new(answer: Accepted) -> bool:
    return answer.acceptance is Acceptance.ACCEPTED


async def forget_members(db: SQL, status: Status, members: Mapping[str, int]) -> None:
    """Count so many members fewer, which had ended so; a group goes with its last one.

    Two statements for any number of groups. What has ended is deleted, so no group ends by it.
    """
    if members:
        names = [*members]
        await db.execute(groups.LOSE.format(status=status), names, [*members.values()])
        await db.execute(groups.DELETE_EMPTY, names)


async def expire_empty(tx: Transaction, *, ended_before: float, limit: int) -> None:
    """Delete groups that were closed without a task and ended before that instant."""
    await tx.db.execute(groups.EXPIRE_EMPTY, ended_before, limit)


async def get(db: SQL, name: str) -> Group | None:
    """Return a group; None if there is none of this name."""
    row = await db.fetchrow(groups.GET, name)
    return None if row is None else _group(row)


async def _existing(db: SQL, name: str) -> Group:
    [row] = await db.fetch(groups.GET, name)
    return _group(row)


async def latest(db: SQL, before: int | None, ended: bool | None, limit: int) -> tuple[Group, ...]:
    """Return groups, newest first."""
    last = _LAST_SEQ if before is None else before
    return tuple(map(_group, await db.fetch(groups.LATEST, last, ended, limit)))


def _group(row: Row) -> Group:
    name, seq, created_at, closed_at, ended_at, then, then_at, then_id, *counts = row
    return Group(
        name=name,
        number=seq,
        tasks=dict(zip(Status, counts, strict=True)),
        created_at=created_at,
        closed_at=closed_at,
        ended_at=ended_at,
        then=None if then is None else _decode_task(then),
        then_at=then_at,
        then_id=then_id,
    )
