"""What the verbs of an administrator do inside a transaction: cancel, redrive, delete, pause …"""

from collections.abc import Sequence

from taskqueue.rules.sizes import SetSize, SizeChange
from taskqueue.rules.tasks import CancelAnswer, CancelResult, Status
from taskqueue.storage.sqlite.commit.transaction import Transaction
from taskqueue.storage.sqlite.operations import groups
from taskqueue.storage.sqlite.sql import statements

_VACUUMED_PAGES = 256  # 1 MiB given back per expire: short enough to ride with other writes


def cancel(
    tx: Transaction, task_ids: Sequence[str], *, reason: str, now: float
) -> tuple[CancelResult, ...]:
    """End the tasks that are not held, mark those that are."""
    return tuple(_cancel(tx, task_id, reason=reason, now=now) for task_id in task_ids)


def _cancel(tx: Transaction, task_id: str, *, reason: str, now: float) -> CancelResult:
    found = tx.db.execute(statements.TO_CANCEL, (task_id,)).fetchone()
    if found is None:
        return CancelResult(task_id=task_id, answer=CancelAnswer.UNKNOWN)
    seq, status, token, processed_at, action, queue, group, limits_of_open = found
    if processed_at is not None:
        return CancelResult(task_id=task_id, answer=CancelAnswer.ENDED)
    if token is not None:
        tx.db.execute(statements.MARK_CANCELLED, (reason, seq))
        return CancelResult(task_id=task_id, answer=CancelAnswer.REQUESTED, token=token)
    tx.db.execute(statements.CANCEL_WAITING, (reason, now, seq))
    tx.gates.let_go(limits_of_open, now=now)
    tx.moved(status, Status.CANCELLED)
    tx.member_moved(group, status, Status.CANCELLED, now=now)
    return CancelResult(task_id=task_id, answer=CancelAnswer.CANCELLED, action=action, queue=queue)


def redrive(tx: Transaction, task_ids: Sequence[str], *, now: float) -> tuple[str, ...]:
    """Queue again what is dead; return which those were."""
    return tuple(task_id for task_id in task_ids if _redrive(tx, task_id, now=now))


def _redrive(tx: Transaction, task_id: str, *, now: float) -> bool:
    redriven = tx.db.execute(statements.REDRIVE, (now, task_id)).fetchall()
    for (group,) in redriven:
        tx.moved(Status.DEAD, Status.QUEUED)
        tx.member_moved(group, Status.DEAD, Status.QUEUED, now=now)
    return bool(redriven)


def delete(tx: Transaction, task_ids: Sequence[str]) -> tuple[str, ...]:
    """Delete what has ended, with its history; return which those were."""
    deleted = tuple(task_id for task_id in task_ids if _delete(tx, task_id))
    _shrink(tx)
    return deleted


def _delete(tx: Transaction, task_id: str) -> bool:
    # Read to its end, because a statement that was not is still in progress.
    deleted = tx.db.execute(statements.PURGE, (task_id,)).fetchall()
    for seq, status, group in deleted:
        tx.db.execute(statements.DELETE_ATTEMPTS, (seq,))
        tx.moved(status, None)
        tx.member_moved(group, status, None)
    return bool(deleted)


def expire(tx: Transaction, status: Status, *, ended_before: float, limit: int) -> int:
    """Delete the tasks that ended first, with their history; shrink the file a little.

    Groups that were closed without a task go like one that completed.
    """
    found = tx.db.execute(statements.PRUNABLE, (status, ended_before, limit)).fetchall()
    seqs = [(seq,) for seq, _ in found]
    tx.db.executemany(statements.DELETE_ATTEMPTS, seqs)
    tx.db.executemany(statements.DELETE_TASK, seqs)
    tx.moved(status, None, len(found))
    for _, group in found:
        tx.member_moved(group, status, None)
    if status is Status.COMPLETED:
        groups.expire_empty(tx, ended_before=ended_before, limit=limit)
    _shrink(tx)
    return len(found)


def pause(tx: Transaction, queue: str, *, now: float) -> None:
    """Note that nothing of the queue may be claimed, unless that is noted."""
    tx.db.execute(statements.PAUSE, (queue, now))


def resume(tx: Transaction, queue: str) -> None:
    """Take that note away."""
    tx.db.execute(statements.RESUME, (queue,))


def set_size(tx: Transaction, pool: str, change: SizeChange) -> None:
    """Change what is noted of the size of a pool; what notes nothing is taken away."""
    found = tx.db.execute(statements.SIZE_OF, (pool,)).fetchone()
    count, slots = (None, None) if found is None else found
    changed = SetSize(count=count, slots=slots).changed(change)
    if changed.is_empty:
        tx.db.execute(statements.FORGET_SIZE, (pool,))
    else:
        tx.db.execute(statements.SET_SIZE, (pool, changed.count, changed.slots))


def begin_probe(tx: Transaction) -> None:
    """Write as much as a busy commit does."""
    tx.db.execute(statements.BEGIN_PROBE)


def end_probe(tx: Transaction) -> None:
    """Take it away again. The next probe is written into the room that it leaves."""
    tx.db.execute(statements.END_PROBE)


def _shrink(tx: Transaction) -> None:
    [free] = tx.db.execute("PRAGMA freelist_count").fetchone()
    # One page at a time, because `execute` stops at the pragma's first step whatever its argument.
    for _ in range(min(free, _VACUUMED_PAGES)):
        tx.db.execute("PRAGMA incremental_vacuum(1)")
