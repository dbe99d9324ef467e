"""What the verbs that cancel, redrive and delete tasks do inside a transaction."""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from taskqueue.rules.tasks import CancelAnswer, CancelResult, Status
from taskqueue.storage.postgres.sql import changing as sql
from taskqueue.storage.postgres.transaction import Transaction


class _Found(NamedTuple):
    id: str
    seq: int
    status: str
    token: str | None
    has_ended: bool
    action: str
    queue: str
    group: str | None
    limits_of_open: str | None


async def cancel(
    tx: Transaction, task_ids: Sequence[str], *, reason: str, now: float
) -> tuple[CancelResult, ...]:
    """End the tasks that are not held, mark those that are."""
    if not task_ids:
        return ()
    rows = await tx.db.fetch(sql.TO_CANCEL, list(task_ids))
    found = {row.id: row for row in map(_Found._make, rows)}
    held = [row.seq for row in found.values() if row.token is not None]
    waiting = [row for row in found.values() if row.token is None and not row.has_ended]
    if held:
        await tx.db.execute(sql.MARK_CANCELLED, held, reason)
        tx.is_news = True  # another node may hold it
    if waiting:
        await end_waiting(tx, [row.seq for row in waiting], reason=reason, now=now)
    for row in waiting:
        await tx.gates.let_go(row.limits_of_open, now=now)
        tx.moved(row.status, Status.CANCELLED)
        tx.member_moved(row.group, row.status, Status.CANCELLED, now=now)
    return tuple(_answers(task_ids, found))


async def end_waiting(tx: Transaction, seqs: Sequence[int], *, reason: str, now: float) -> None:
    """Write that tasks which nothing holds are cancelled."""
    await tx.db.execute(sql.CANCEL_WAITING, seqs, reason, now)
    await tx.db.execute(sql.END_ATTEMPTS, seqs, [Status.CANCELLED.value] * len(seqs), now)


def _answers(task_ids: Sequence[str], found: dict[str, _Found]) -> Iterator[CancelResult]:
    cancelled: set[str] = set()
    for task_id in task_ids:
        row = found.get(task_id)
        if row is None:
            yield CancelResult(task_id=task_id, answer=CancelAnswer.UNKNOWN)
        elif row.has_ended or task_id in cancelled:
            yield CancelResult(task_id=task_id, answer=CancelAnswer.ENDED)
        elif row.token is not None:
            yield CancelResult(task_id=task_id, answer=CancelAnswer.REQUESTED, token=row.token)
        else:
            cancelled.add(task_id)
            yield CancelResult(
                task_id=task_id,
                answer=CancelAnswer.CANCELLED,
                action=row.action,
                queue=row.queue,
            )


async def redrive(tx: Transaction, task_ids: Sequence[str], *, now: float) -> tuple[str, ...]:
    """Queue again what is dead; return which those were."""
    found = await tx.db.fetch(sql.REDRIVE, list(task_ids), now)
    redriven: dict[str, str | None] = {task_id: group for task_id, _, group in found}
    await tx.db.execute(sql.REVIVE_ATTEMPTS, [seq for _, seq, _ in found])
    tx.moved(Status.DEAD, Status.QUEUED, len(redriven))
    for group in redriven.values():
        tx.member_moved(group, Status.DEAD, Status.QUEUED, now=now)
    return tuple(task_id for task_id in dict.fromkeys(task_ids) if task_id in redriven)


async def delete(tx: Transaction, task_ids: Sequence[str]) -> tuple[str, ...]:
    """Delete what has ended, with its history; return which those were."""
    found = await tx.db.fetch(sql.DELETE, list(task_ids))
    deleted = set()
    for task_id, _, status, group in found:
        deleted.add(task_id)
        tx.moved(status, None)
        tx.member_moved(group, status, None)
    if found:
        await tx.db.execute(sql.DELETE_ATTEMPTS, [seq for _, seq, _, _ in found])
    return tuple(task_id for task_id in dict.fromkeys(task_ids) if task_id in deleted)
