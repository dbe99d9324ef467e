"""What the writing verbs do inside a transaction, but for those that insert or settle.

Plain functions over a `Transaction`, run on the writer's thread and perhaps twice: if a neighbour
in the same commit fails, the commit is undone and each is run again alone.
"""

import sqlite3
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence

import msgspec

from taskqueue.errors import StatementRefused
from taskqueue.rules.tasks import (
    CancelAnswer,
    CancelResult,
    Delivery,
    Owner,
    Rows,
    Statement,
    Status,
    Task,
)
from taskqueue.storage.sqlite.commit.transaction import Transaction
from taskqueue.storage.sqlite.handler_sql import execution
from taskqueue.storage.sqlite.operations import leases
from taskqueue.storage.sqlite.sql import ready, rows, statements
from taskqueue.storage.sqlite.sql.bulk import chunks

_decode_seqs = msgspec.json.Decoder(list[int]).decode
_MOST_CLAIMED = 64  # in one text, of which SQLite allows a gigabyte
_READS = ("SELECT", "WITH", "VALUES")
_VACUUMED_PAGES = 256  # 1 MiB given back per expire: short enough to ride with other writes


def claim(
    tx: Transaction, queue: str, *, limit: int, owner: Owner, expires_at: float, now: float
) -> tuple[Delivery, ...]:
    """Lease ready tasks, one priority after the other."""
    claimed: list[Delivery] = []
    priority: int | None = ready.FIRST_OF_ALL
    while priority is not None and len(claimed) < limit:
        wanted = {
            "queue": queue,
            "from_priority": priority,
            "limit": limit - len(claimed),
            "node": owner.node,
            "incarnation": owner.incarnation,
            "expires_at": expires_at,
            "now": now,
        }
        seqs_ready, priority, nonce = tx.db.execute(ready.READY, wanted).fetchone()
        if seqs := _decode_seqs(seqs_ready):
            tx.db.execute(statements.CLAIM, {**wanted, "seqs": seqs_ready, "nonce": nonce})
            tasks = _claimed(tx.db, seqs)
            claimed += [
                Delivery(
                    token=f"{seq:x}-{nonce}",
                    task=tasks[seq],
                    expires_at=expires_at,
                    started=False,
                )
                for seq in seqs
            ]
    return tuple(claimed)


def _claimed(db: sqlite3.Connection, seqs: Sequence[int]) -> dict[int, Task]:
    """Return the tasks with these row numbers, which have just been claimed."""
    return {
        seq: task
        for chunk in chunks(seqs, most=_MOST_CLAIMED)
        for row in db.execute(statements.CLAIMED, (rows.json_array(chunk),)).fetchall()
        for seq, task in rows.claimed(row)
    }


def start(tx: Transaction, tokens: Sequence[str], *, now: float) -> None:
    """Mark as running what still holds and is not running yet."""
    standing = leases.standing(tx.db, tokens)
    if standing is not None and not standing[Status.RUNNING]:
        starting: Iterable[int] = map(leases.seq_of, tokens)
    else:
        found = map(leases.Leases(tx.db, tokens).holding, tokens)
        status = {lease.seq: lease.status for lease in found if lease and not lease.started}
        starting, standing = status, Counter(status.values())
    tx.db.execute(statements.START, (rows.json_array(starting), now))
    for waited_as, tasks in standing.items():
        tx.moved(waited_as, Status.RUNNING, tasks)


def extend(tx: Transaction, tokens: Sequence[str], *, expires_at: float) -> tuple[str, ...]:
    """Move the end of the leases that hold; return the tokens that do not."""
    named = rows.json_array(map(leases.seq_of, tokens)), rows.json_array(tokens)
    extended = tx.db.execute(statements.EXTEND, (*named, expires_at)).rowcount
    if extended == len(tokens):
        return ()
    found = leases.Leases(tx.db, tokens)
    return tuple(token for token in tokens if found.holding(token) is None)


def report(tx: Transaction, progress: Mapping[str, str]) -> None:
    """Note the progress of what still holds."""
    told = [(leases.seq_of(token), token, json) for token, json in progress.items()]
    statements.REPORT.run(tx.db, told)


class DryRun:
    """A write that leaves nothing behind.

    Its refusal is an answer, because an error would let all who share the commit run again.
    """

    def __init__(
        self, statements: tuple[Statement, ...], query: Statement, *, limit_s: float
    ) -> None:
        self._statements = statements
        self._query = query
        self.limit_s = limit_s
        self._refused: StatementRefused | None = None

    @property
    def may_only_read(self) -> bool:
        """Whether it may well be done by a connection that cannot write; that one finds out."""
        return all(map(_looks_like_a_read, (*self._statements, self._query)))

    def __call__(self, tx: Transaction) -> Rows | StatementRefused:
        """Return what the query answers, or why it does not."""
        if self._refused is not None:
            return self._refused
        try:
            return execution.dry_run(tx.db, self._statements, self._query, limit_s=self.limit_s)
        except execution.TransactionLost as error:
            self._refused = error
            raise
        except StatementRefused as error:
            return error


def _looks_like_a_read(statement: Statement) -> bool:
    return str(statement.sql).lstrip()[:6].upper().startswith(_READS)


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


def delete(tx: Transaction, task_ids: Sequence[str]) -> tuple[str, ...]:
    """Delete what has ended, with its history; return which those were."""
    deleted = tuple(task_id for task_id in task_ids if _delete(tx, task_id))
    _shrink(tx)
    return deleted


def _delete(tx: Transaction, task_id: str) -> bool:
    # Read to its end, because a statement that was not is still in progress.
    deleted = tx.db.execute(statements.PURGE, (task_id,)).fetchall()
    for seq, status in deleted:
        tx.db.execute(statements.DELETE_ATTEMPTS, (seq,))
        tx.moved(status, None)
    return bool(deleted)


def expire(tx: Transaction, status: Status, *, ended_before: float, limit: int) -> int:
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
