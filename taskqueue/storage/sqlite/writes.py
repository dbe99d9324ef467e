"""What each writing verb but `settle` does inside a transaction.

Plain functions over a `Transaction`, run on the writer's thread and perhaps twice: if a neighbour
in the same commit fails, the commit is undone and each is run again alone.
"""

import sqlite3
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from itertools import groupby
from operator import itemgetter

from taskqueue.errors import StatementRefused
from taskqueue.storage.sqlite import handler_sql, rows, statements
from taskqueue.storage.sqlite.leases import Leases
from taskqueue.storage.sqlite.transaction import Transaction
from taskqueue.tasks import (
    Acceptance,
    Accepted,
    CancelAnswer,
    CancelResult,
    Delivery,
    NewTask,
    Owner,
    Rows,
    Statement,
    Status,
)

_STATUS = itemgetter(2)  # in a row of `rows.row_of`
_ACCEPTED = Acceptance.ACCEPTED
_VACUUMED_PAGES = 256  # 1 MiB given back per prune: short enough to ride with other writes


def insert(tx: Transaction, tasks: Sequence[NewTask], *, now: float) -> tuple[Accepted, ...]:
    """Insert what is not there yet; answer in the order given."""
    new = [rows.row_of(task, now=now) for task in tasks]
    answers: list[Accepted] = []
    # Runs of one status keep the given order, in which the first of two equal ids or keys wins, and
    # `rowcount` says how many of a run were new.
    for status, same_status in groupby(new, key=_STATUS):
        run = list(same_status)
        inserted = tx.db.executemany(statements.INSERT, run).rowcount
        tx.moved(None, status, inserted)
        given = tasks[len(answers) : len(answers) + len(run)]
        if inserted == len(run):
            answers += [Accepted(id=task.id, acceptance=_ACCEPTED) for task in given]
        else:
            answers += _answers(tx.db, given, inserted)
    return tuple(answers)


def _answers(db: sqlite3.Connection, run: Sequence[NewTask], inserted: int) -> Iterator[Accepted]:
    """Say what became of a run of tasks of which only so many were new."""
    [last_seq] = db.execute(statements.LAST_SEQ).fetchone()
    # Every new row is numbered one above the last, so the new ones are known by their numbers.
    new = set(range(last_seq - inserted + 1, last_seq + 1))
    for task in run:
        found = db.execute(statements.SEQ_OF, (task.id,)).fetchone()
        if found is None:
            yield _answer_for_key(db, task)
        elif (seq := found[0]) in new:
            new.remove(seq)  # another of the same id is a repetition
            yield Accepted(id=task.id, acceptance=_ACCEPTED)
        else:
            yield Accepted(id=task.id, acceptance=Acceptance.REPEATED)


def _answer_for_key(db: sqlite3.Connection, task: NewTask) -> Accepted:
    """Say what became of a task whose key belongs to another."""
    holder, fingerprint = db.execute(statements.KEY_HOLDER, (task.unique_key,)).fetchone()
    same = fingerprint == task.fingerprint
    return Accepted(id=holder, acceptance=Acceptance.REPEATED if same else Acceptance.CONFLICT)


def claim(
    tx: Transaction, queue: str, *, limit: int, owner: Owner, expires_at: float, now: float
) -> tuple[Delivery, ...]:
    """Lease ready tasks, one priority after the other."""
    claimed: list[Delivery] = []
    [priority] = tx.db.execute(statements.FIRST_PRIORITY, {"queue": queue}).fetchone()
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
            [priority] = tx.db.execute(statements.NEXT_PRIORITY, wanted).fetchone()
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


def report(tx: Transaction, progress: Mapping[str, str]) -> None:
    """Note the progress of what still holds."""
    leases = Leases(tx.db, progress)
    held = ((json, leases.holding(token)) for token, json in progress.items())
    found = [(json, lease.seq) for json, lease in held if lease is not None]
    tx.db.executemany(statements.REPORT, found)


class Rehearsal:
    """A write that leaves nothing behind.

    Its refusal is an answer, because an error would let all who share the commit run again.
    """

    def __init__(
        self, statements: tuple[Statement, ...], query: Statement, *, limit_s: float
    ) -> None:
        self._statements = statements
        self._query = query
        self._limit_s = limit_s
        self._refused: StatementRefused | None = None

    def __call__(self, tx: Transaction) -> Rows | StatementRefused:
        """Return what the query answers, or why it does not."""
        if self._refused is not None:
            return self._refused
        try:
            return handler_sql.rehearse(tx.db, self._statements, self._query, limit_s=self._limit_s)
        except handler_sql.TransactionLost as error:
            self._refused = error
            raise
        except StatementRefused as error:
            return error


def cancel(
    tx: Transaction, task_ids: Sequence[str], *, reason: str, now: float
) -> tuple[CancelResult, ...]:
    """End what nobody holds, mark what is held."""
    return tuple(_cancel(tx, task_id, reason=reason, now=now) for task_id in task_ids)


def _cancel(tx: Transaction, task_id: str, *, reason: str, now: float) -> CancelResult:
    found = tx.db.execute(statements.TO_CANCEL, (task_id,)).fetchone()
    if found is None:
        return CancelResult(task_id=task_id, answer=CancelAnswer.UNKNOWN)
    seq, status, token, processed_at = found
    if processed_at is not None:
        return CancelResult(task_id=task_id, answer=CancelAnswer.ENDED)
    if token is not None:
        tx.db.execute(statements.MARK_CANCELLED, (reason, seq))
        return CancelResult(task_id=task_id, answer=CancelAnswer.REQUESTED, token=token)
    tx.db.execute(statements.CANCEL_WAITING, (reason, now, seq))
    tx.moved(status, Status.CANCELLED)
    return CancelResult(task_id=task_id, answer=CancelAnswer.CANCELLED)


def redrive(tx: Transaction, task_ids: Sequence[str], *, now: float) -> tuple[str, ...]:
    """Queue again what is dead; return which those were."""
    redriven = tuple(
        task_id
        for task_id in task_ids
        if tx.db.execute(statements.REDRIVE, (now, task_id)).rowcount
    )
    tx.moved(Status.DEAD, Status.QUEUED, len(redriven))
    return redriven


def purge(tx: Transaction, task_ids: Sequence[str]) -> tuple[str, ...]:
    """Delete what has ended, with its history; return which those were."""
    purged = tuple(task_id for task_id in task_ids if _purge(tx, task_id))
    _shrink(tx)
    return purged


def _purge(tx: Transaction, task_id: str) -> bool:
    # Read to its end, because a statement that was not is still in progress.
    deleted = tx.db.execute(statements.PURGE, (task_id,)).fetchall()
    for seq, status in deleted:
        tx.db.execute(statements.DELETE_ATTEMPTS, (seq,))
        tx.moved(status, None)
    return bool(deleted)


def prune(tx: Transaction, status: Status, *, ended_before: float, limit: int) -> int:
    """Delete the tasks that ended first, with their history; shrink the file a little."""
    found = tx.db.execute(statements.PRUNABLE, (status, ended_before, limit)).fetchall()
    tx.db.executemany(statements.DELETE_ATTEMPTS, found)
    tx.db.executemany(statements.DELETE_TASK, found)
    tx.moved(status, None, len(found))
    _shrink(tx)
    return len(found)


def pause(tx: Transaction, queue: str, *, now: float) -> None:
    """Note that nothing of the queue may be claimed, unless that is noted."""
    tx.db.execute(statements.PAUSE, (queue, now))


def resume(tx: Transaction, queue: str) -> None:
    """Take that note away."""
    tx.db.execute(statements.RESUME, (queue,))


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
