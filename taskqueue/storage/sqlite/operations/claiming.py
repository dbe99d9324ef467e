"""What the verbs of a lease do inside a transaction: claim, start, extend, report.

Plain functions over a `Transaction`, run on the writer's thread and perhaps twice: if a neighbour
in the same commit fails, the commit is undone and each is run again alone.
"""

import sqlite3
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence

from taskqueue.rules.tasks import (
    Delivery,
    Owner,
    Status,
    Task,
    Unfinished,
)
from taskqueue.storage.limits import MOST_PARKED
from taskqueue.storage.sqlite.commit.gates import Candidate
from taskqueue.storage.sqlite.commit.transaction import Transaction
from taskqueue.storage.sqlite.operations import chaining, leases, membership
from taskqueue.storage.sqlite.operations.candidates import candidates
from taskqueue.storage.sqlite.operations.ordering import ready_in_order
from taskqueue.storage.sqlite.sql import parking, rows, statements
from taskqueue.storage.sqlite.sql.bulk import chunks

_MOST_CLAIMED = 64  # in one text, of which SQLite allows a gigabyte


def claim(
    tx: Transaction,
    queue: str,
    *,
    limit: int,
    most_limited: int | None = None,
    chain: int = 0,
    ageing_s: float | None = None,
    owner: Owner,
    expires_at: float,
    now: float,
) -> tuple[Delivery, ...]:
    """Lease ready tasks in their order, up to `most_limited` that have limits; chain some more.

    The claim is `Unfinished` if it has parked as many rows as it may.
    """
    chosen = _Chosen(tx, queue, limit=limit, most_limited=most_limited, now=now)
    lease = {
        "node": owner.node,
        "incarnation": owner.incarnation,
        "expires_at": expires_at,
        "now": now,
    }
    order = ready_in_order(tx.db, queue, ageing_s=ageing_s, again=chosen.has_limited, now=now)
    claimed: list[Delivery] = []
    while not chosen.is_over and (batch := order.next(chosen.left)) is not None:
        seqs = chosen.choose(batch.seqs)
        if seqs:
            named = batch.text if seqs is batch.seqs else rows.json_array(seqs)
            tx.db.execute(statements.CLAIM, {**lease, "seqs": named, "nonce": batch.nonce})
            if chosen.has_flows:
                tx.turns.serve(seqs)
            claimed += _deliveries(tx.db, seqs, batch.nonce, expires_at)
    if chain and ageing_s is None and not chosen.has_flows:
        seqs, nonce = chaining.chain(
            tx,
            queue,
            claimed,
            most=chain,
            at_once=most_limited,
            is_full=chosen.is_over,
            lease=lease,
        )
        claimed += _deliveries(tx.db, seqs, nonce, expires_at, chained=True)
    return Unfinished(claimed) if chosen.has_parked_enough else tuple(claimed)


def _deliveries(
    db: sqlite3.Connection,
    seqs: Sequence[int],
    nonce: str,
    expires_at: float,
    *,
    chained: bool = False,
) -> Iterator[Delivery]:
    tasks = _claimed(db, seqs)
    for seq in seqs:
        yield Delivery(
            token=f"{seq:x}-{nonce}",
            task=tasks[seq],
            expires_at=expires_at,
            started=False,
            chained=chained,
        )


class _Chosen:
    """Chooses which of the ready rows are claimed, in their order."""

    def __init__(
        self, tx: Transaction, queue: str, *, limit: int, most_limited: int | None, now: float
    ) -> None:
        self.left = limit
        self.is_full = not limit
        self._tx = tx
        self._queue = queue
        self._limited_left = limit if most_limited is None else most_limited
        self._now = now
        self._parked_before = tx.gates.parked
        due, self.has_limited, self.has_flows = self._beyond_priorities()
        if due:
            tx.turns.give(queue, now=now)
            tx.gates.open_due(now=now)
            _, self.has_limited, self.has_flows = self._beyond_priorities()

    def _beyond_priorities(self) -> tuple[bool, bool, bool]:
        """Return whether gates or turns have come due, rows have limits, and rows take turns."""
        asked = {"queue": self._queue, "now": self._now}
        found: tuple[bool, bool, bool] = self._tx.db.execute(
            parking.BEYOND_PRIORITIES, asked
        ).fetchone()
        return found

    @property
    def has_parked_enough(self) -> bool:
        """Whether other commits should come in between before more rows are parked."""
        return self._left_to_park <= 0

    @property
    def is_over(self) -> bool:
        """Whether the claim ends here, although more may be ready."""
        return self.is_full or self.has_parked_enough

    @property
    def _left_to_park(self) -> int:
        return MOST_PARKED - (self._tx.gates.parked - self._parked_before)

    def choose(self, seqs: Sequence[int]) -> Sequence[int]:
        """Return those of the next ready rows that are claimed."""
        chosen = list(self._limited(seqs)) if self.has_limited else seqs
        self.left -= len(chosen)
        self.is_full = self.is_full or not self.left
        return chosen

    def _limited(self, seqs: Sequence[int]) -> Iterator[int]:
        gates, opened = self._tx.gates, self._tx.gates.opened
        held_back = set[str]()
        for row in candidates(self._tx.db, seqs):  # one by one: one may park others
            if row.limits is None:
                yield row.seq
            elif row.limits in held_back:
                continue  # it was parked with the first of them
            elif not self._passes(row):
                held_back.add(row.limits)
            elif self._limited_left:
                self._limited_left -= 1
                yield row.seq
            else:
                self.is_full = True  # what comes behind it must not overtake it
            if self.is_over or gates.opened > opened:
                return  # what was opened may come before the next

    def _passes(self, row: Candidate) -> bool:
        """Return whether all gates of a row are open, and take its slots if it is to be claimed."""
        ask = self._tx.gates.take if self._limited_left else self._tx.gates.is_open
        return ask(self._queue, row, most_parked=self._left_to_park, now=self._now)


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
    if standing is not None and not standing.tasks[Status.RUNNING]:
        starting: Iterable[int] = [*map(leases.seq_of, tokens)]
        waited_as, members, _ = standing
    else:
        found = map(leases.Leases(tx.db, tokens).holding, tokens)
        held = {lease.seq: lease for lease in found if lease and not lease.started}
        starting, waited_as = held, Counter(lease.status for lease in held.values())
        members = sum(lease.group is not None for lease in held.values())
    if members:
        membership.move_all(tx, starting, Status.RUNNING, now=now)
    tx.db.execute(statements.START, (rows.json_array(starting), now))
    for status, tasks in waited_as.items():
        tx.moved(status, Status.RUNNING, tasks)


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
