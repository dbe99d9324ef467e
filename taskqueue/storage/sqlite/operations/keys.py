"""What happens inside a transaction when a new task meets the holder of its unique key.

Whether a hold is over is decided here, by the insert that needs the key. So claims and settlements
have nothing to do with keys.
"""

import sqlite3

from taskqueue.rules.keys import SHOWN, Changed, Free, Holder, meeting
from taskqueue.rules.tasks import Acceptance, Accepted, NewTask, Status
from taskqueue.storage.sqlite.commit.transaction import Transaction
from taskqueue.storage.sqlite.operations.editing import edit
from taskqueue.storage.sqlite.sql import rows, statements


def meet(tx: Transaction, task: NewTask, *, now: float) -> Accepted | None:
    """Resolve a collision of unique keys; return None if the holder has released the key."""
    found = tx.db.execute(statements.KEY_HOLDER, (task.unique_key,)).fetchone()
    if found is None:  # an earlier task of this list has freed the key
        return None
    seq, *values = found
    holder = _holder(values)
    met = meeting(task, holder, now=now)
    if isinstance(met, Free):
        tx.db.execute(statements.FREE_KEY, (seq,))
        return None
    if isinstance(met, Changed):
        edit(tx, holder.id, met.change, now=now)
        tx.db.execute(statements.SET_EXPIRY, (task.expires_at, seq))
        if met.change.payload is not None:
            _replace(tx, seq, task, now=now)
        return _answer(tx.db, seq, holder.id, met.acceptance, now=now)
    return _answer(tx.db, seq, holder.id, met, now=now)


def standing(db: sqlite3.Connection, task: NewTask, *, now: float) -> Accepted | None:
    """Say what answers for a task that must not be inserted, if that changes nothing."""
    found = db.execute(statements.KEY_HOLDER, (task.unique_key,)).fetchone()
    if found is None:
        return None
    seq, *values = found
    holder = _holder(values)
    met = meeting(task, holder, now=now)
    if isinstance(met, Free | Changed):
        return None
    return _answer(db, seq, holder.id, met, now=now)


def _replace(tx: Transaction, seq: int, task: NewTask, *, now: float) -> None:
    """Have a row count, and take turns, as the data says that it has now."""
    [limits_before] = tx.db.execute(statements.LIMITS_OF, (seq,)).fetchone()
    replacing = (task.limits, task.flow, task.weight, seq, task.fingerprint)
    tx.db.execute(statements.REPLACE, replacing)
    tx.gates.let_go(limits_before, now=now)


def _answer(
    db: sqlite3.Connection, seq: int, holder: str, acceptance: Acceptance, *, now: float
) -> Accepted:
    if acceptance not in SHOWN:
        return Accepted(id=holder, acceptance=acceptance)
    status, run_at = db.execute(statements.STATUS_OF, (seq,)).fetchone()
    is_due = status == Status.SCHEDULED and run_at <= now
    return Accepted(
        id=holder, acceptance=acceptance, status=Status.QUEUED if is_due else Status(status)
    )


def _holder(row: rows.Row) -> Holder:
    values = dict(zip(Holder.__struct_fields__, row, strict=True))
    return Holder(**values | {"status": Status(values["status"])})
