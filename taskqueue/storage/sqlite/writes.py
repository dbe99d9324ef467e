"""What each writing verb but `settle` does inside a transaction.

Plain functions over a `Transaction`, run on the writer's thread and perhaps twice: if a neighbour
in the same commit fails, the commit is undone and each is run again alone.
"""

from collections import Counter
from collections.abc import Sequence
from itertools import groupby
from operator import itemgetter

from taskqueue.storage.sqlite import rows, statements
from taskqueue.storage.sqlite.leases import Leases
from taskqueue.storage.sqlite.transaction import Transaction
from taskqueue.tasks import Delivery, NewTask, Owner, Status

_STATUS = itemgetter(2)  # in a row of `rows.row_of`
_VACUUMED_PAGES = 256  # 1 MiB given back per prune: short enough to ride with other writes


def insert(tx: Transaction, tasks: Sequence[NewTask], *, now: float) -> None:
    """Insert what is not there yet."""
    new = (rows.row_of(task, now=now) for task in tasks)
    # Runs of one status keep the given order, in which the first of two equal ids wins, and
    # `rowcount` says how many of a run were new.
    for status, run in groupby(new, key=_STATUS):
        tx.moved(None, status, tx.db.executemany(statements.INSERT, run).rowcount)


def claim(
    tx: Transaction, queue: str, *, limit: int, owner: Owner, expires_at: float, now: float
) -> tuple[Delivery, ...]:
    """Lease ready tasks, one priority after the other."""
    claimed: list[Delivery] = []
    [priority] = tx.db.execute(statements.FIRST_PRIORITY, (queue,)).fetchone()
    while priority is not None and len(claimed) < limit:
        wanted = {
            "queue": queue,
            "priority": priority,
            "limit": limit - len(claimed),
            "node": owner.node,
            "incarnation": owner.incarnation,
            "expires_at": expires_at,
            "now": now,
        }
        found = map(rows.delivery, tx.db.execute(statements.CLAIM, wanted).fetchall())
        claimed += sorted(found, key=_run_at_then_id)  # RETURNING has no order
        if len(claimed) < limit:
            [priority] = tx.db.execute(statements.NEXT_PRIORITY, (queue, priority)).fetchone()
    return tuple(claimed)


def _run_at_then_id(delivery: Delivery) -> tuple[float, str]:
    return delivery.task.run_at, delivery.task.id


def start(tx: Transaction, tokens: Sequence[str], *, now: float) -> None:
    """Mark as running what still holds and is not running yet."""
    leases = Leases(tx.db, tokens)
    starting: dict[int, str] = {}
    for token in tokens:
        lease = leases.holding(token)
        if lease is not None and not lease.started:
            starting[lease.seq] = lease.status
    tx.db.execute(statements.START, (now, rows.json_array(starting)))
    for status, tasks in Counter(starting.values()).items():
        tx.moved(status, Status.RUNNING, tasks)


def extend(tx: Transaction, tokens: Sequence[str], *, expires_at: float) -> tuple[str, ...]:
    """Move the end of the leases that hold; return the tokens that do not."""
    leases = Leases(tx.db, tokens)
    held = [lease.seq for lease in map(leases.holding, tokens) if lease is not None]
    tx.db.execute(statements.EXTEND, (expires_at, rows.json_array(held)))
    return tuple(token for token in tokens if leases.holding(token) is None)


def redrive(tx: Transaction, task_ids: Sequence[str], *, now: float) -> tuple[str, ...]:
    """Queue again what is dead; return which those were."""
    redriven = tuple(
        task_id
        for task_id in task_ids
        if tx.db.execute(statements.REDRIVE, (now, task_id)).rowcount
    )
    tx.moved(Status.DEAD, Status.QUEUED, len(redriven))
    return redriven


def prune(tx: Transaction, status: Status, *, ended_before: float, limit: int) -> int:
    """Delete the tasks that ended first, with their history; shrink the file a little."""
    found = tx.db.execute(statements.PRUNABLE, (status, ended_before, limit)).fetchall()
    tx.db.executemany(statements.DELETE_ATTEMPTS, found)
    tx.db.executemany(statements.DELETE_TASK, found)
    tx.moved(status, None, len(found))
    _shrink(tx)
    return len(found)


def _shrink(tx: Transaction) -> None:
    [free] = tx.db.execute("PRAGMA freelist_count").fetchone()
    # One page at a time, because `execute` stops at the pragma's first step whatever its argument.
    for _ in range(min(free, _VACUUMED_PAGES)):
        tx.db.execute("PRAGMA incremental_vacuum(1)")


def probe(tx: Transaction) -> None:
    """Write what a busy commit would."""
    tx.db.execute(statements.PROBE)


def unprobe(tx: Transaction) -> None:
    """Take away what probes have written."""
    tx.db.execute(statements.UNPROBE)
