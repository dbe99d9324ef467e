"""Expiry inside a transaction: tasks that nothing has begun in time."""

import sqlite3

from taskqueue.rules.expiry import EXPIRED, ExpiredTask
from taskqueue.rules.tasks import Status
from taskqueue.storage.sqlite.commit.transaction import Transaction
from taskqueue.storage.sqlite.sql import queries, statements


def next_expiry(db: sqlite3.Connection) -> float | None:
    """Return when the first of the tasks expires that may."""
    at: float | None
    [at] = db.execute(queries.NEXT_EXPIRY).fetchone()
    return at


def expire_waiting(tx: Transaction, *, limit: int, now: float) -> tuple[ExpiredTask, ...]:
    """End the tasks that expired first."""
    expired = []
    found = tx.db.execute(statements.EXPIRING, (now, limit)).fetchall()
    for seq, task_id, action, queue, status, group, limits_of_open in found:
        tx.db.execute(statements.CANCEL_WAITING, (EXPIRED, now, seq))
        tx.gates.let_go(limits_of_open, now=now)
        tx.moved(status, Status.CANCELLED)
        tx.member_moved(group, status, Status.CANCELLED, now=now)
        expired.append(ExpiredTask(id=task_id, action=action, queue=queue))
    return tuple(expired)
