"""What the verbs of a lease do inside a transaction: claim, start, extend, report.

Plain functions over a `Transaction`, run on the writer's thread and perhaps twice: if a neighbour
in the same commit fails, the commit is undone and each is run again alone.
"""

import sqlite3
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence

import msgspec

from taskqueue.rules.tasks import (
    Delivery,
    Owner,
    Status,
    Task,
)
from taskqueue.storage.sqlite.commit.transaction import Transaction
from taskqueue.storage.sqlite.operations import leases
from taskqueue.storage.sqlite.sql import ready, rows, statements
from taskqueue.storage.sqlite.sql.bulk import chunks

_decode_seqs = msgspec.json.Decoder(list[int]).decode
_MOST_CLAIMED = 64  # in one text, of which SQLite allows a gigabyte


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
