"""What the verbs about groups do, and what every commit that moves members does at its end."""

import sqlite3
from collections.abc import Sequence
from typing import Any

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
from taskqueue.storage.sqlite.commit.transaction import Transaction
from taskqueue.storage.sqlite.operations.inserting import insert
from taskqueue.storage.sqlite.sql import groups

_LAST_SEQ = 2**63 - 1
_decode_task = msgspec.json.Decoder(NewTask).decode


def close(tx: Transaction, wanted: Close, tasks: Sequence[NewTask], *, now: float) -> CloseResult:
    """Insert tasks, then close the group, unless it is closed."""
    before = get(tx.db, wanted.name)
    answer = _close_answer(wanted, before)
    if answer is CloseAnswer.CONFLICT and before is not None:
        return CloseResult(answer=answer, group=before)
    accepted = insert(tx, tasks, now=now)
    _write_moves(tx)
    if answer is CloseAnswer.CLOSED:
        then = None if wanted.then is None else msgspec.json.encode(wanted.then).decode()
        tx.db.execute(groups.CLOSE, {"name": wanted.name, "now": now, "then": then})
        tx.member_moved(wanted.name, Status.QUEUED, Status.QUEUED, 0, now=now)
    _write_moves(tx)
    return CloseResult(answer=answer, group=_existing(tx.db, wanted.name), accepted=accepted)


def _close_answer(wanted: Close, before: Group | None) -> CloseAnswer:
    if before is None or before.closed_at is None:
        return CloseAnswer.CLOSED
    is_same = is_same_then(wanted.then, before.then)
    return CloseAnswer.REPEATED if is_same else CloseAnswer.CONFLICT


def write_counts(tx: Transaction) -> None:
    """Bring the counts up to date, those of groups first: what follows a group is a task as well.

    One statement for each group of which a member has moved, and none for all other tasks.
    """
    _write_moves(tx)
    tx.write_counts()


def _write_moves(tx: Transaction) -> None:
    while tx.groups:
        name = next(iter(tx.groups))
        _write(tx, name, tx.groups.pop(name))


def _write(tx: Transaction, name: str, moves: GroupMoves) -> None:
    row: dict[str, object] = {status: moves.moved[status] for status in Status}
    row |= {"name": name, "now": tx.now}
    [(closed_at, ended_at, live, total)] = tx.db.execute(groups.MOVE, row).fetchall()
    match turn(closed_at=closed_at, ended_at=ended_at, live=live):
        case Turn.ENDS:
            tx.db.execute(groups.END, (tx.now, name))
            tx.ended.append(_follow(tx, name))
        case Turn.REOPENS:
            tx.db.execute(groups.REOPEN, (name,))
        case Turn.NONE:
            pass
    if not total and moves.has_lost_tasks:  # in the commit in which it ended, maybe
        tx.db.execute(groups.DELETE, (name,))


def _follow(tx: Transaction, name: str) -> GroupEnd:
    """Accept the task that follows the end of a group, if that has not been done before."""
    group = _existing(tx.db, name)
    then = group.then
    if then is None or group.then_at is not None:
        return GroupEnd(name=name, tasks=group.tasks)
    then = following(then, closed_at=group.closed_at, now=tx.now)
    [answer] = insert(tx, (then,), now=tx.now)
    tx.db.execute(groups.FOLLOWED, (tx.now, answer.id if is_there(answer) else None, name))
    if not is_there(answer):
        tx.refused.append((then, answer))
    return GroupEnd(name=name, tasks=group.tasks, then=then if _is_new(answer) else None)


def _is_new(answer: Accepted) -> bool:
    return answer.acceptance is Acceptance.ACCEPTED


def expire_empty(tx: Transaction, *, ended_before: float, limit: int) -> None:
    """Delete groups that were closed without a task and ended before that instant."""
    tx.db.execute(groups.EXPIRE_EMPTY, (ended_before, limit))


def get(db: sqlite3.Connection, name: str) -> Group | None:
    """Return a group; None if there is none of this name."""
    row = db.execute(groups.GET, (name,)).fetchone()
    return None if row is None else _group(row)


def _existing(db: sqlite3.Connection, name: str) -> Group:
    return _group(db.execute(groups.GET, (name,)).fetchone())


def latest(
    db: sqlite3.Connection, before: int | None, ended: bool | None, limit: int
) -> tuple[Group, ...]:
    """Return groups, newest first."""
    last = _LAST_SEQ if before is None else before
    wanted = None if ended is None else int(not ended)
    return tuple(map(_group, db.execute(groups.LATEST, (last, wanted, limit)).fetchall()))


def _group(row: Sequence[Any]) -> Group:
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
