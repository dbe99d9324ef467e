"""Finds the rows that tokens name, and what the verbs of a lease do with them."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

from taskqueue.rules.tasks import Delivery, Owner, Status, Task
from taskqueue.rules.turns import Waiting
from taskqueue.storage import task_rows
from taskqueue.storage.postgres.connections import SQL
from taskqueue.storage.postgres.operations.chains import Holder
from taskqueue.storage.postgres.operations.turns import Turns
from taskqueue.storage.postgres.sql import leases as sql
from taskqueue.storage.postgres.sql import ready
from taskqueue.storage.postgres.transaction import Transaction

_NO_SEQ = 0
_LAST_SEQ = 2**63 - 1


class Lease(NamedTuple):
    """What a settling verb must know about the row that a token names, as `LEASES` selects it."""

    seq: int
    token: str | None
    status: str
    waited_as: str  # its status before it was started
    settled_token: str | None
    settled_as: str | None
    cancelling: bool  # its cancellation was asked for
    group: str | None
    limits: str | None  # it counts towards these
    queue: str
    node: str | None
    incarnation: str | None
    claimed_at: float | None
    expires_at: float | None
    has_attempts: bool  # lines in its history

    @property
    def started(self) -> bool:
        """Whether the delivery has left the buffer."""
        return self.status == Status.RUNNING

    @property
    def holder(self) -> Holder | None:
        """To whom its slots pass on; None if it counts towards no limits."""
        if self.limits is None:
            return None
        return Holder(self.limits, self.queue, self.node or "", self.incarnation or "")

    def is_extended_since(self, lease_end: float | None) -> bool:
        """Return whether the lease ends later than it did; None: that does not matter."""
        return lease_end is not None and self.expires_at is not None and self.expires_at > lease_end


class Leases:
    """The rows that some tokens name, locked until the commit."""

    def __init__(
        self, found: Iterable[Lease], ended: Iterable[tuple[str | None, str | None]] = ()
    ) -> None:
        found = tuple(found)
        self._held = {lease.token: lease for lease in found if lease.token is not None}
        self._settled = {lease.settled_token: lease.settled_as for lease in found} | dict(ended)

    @classmethod
    async def of(cls, db: SQL, tokens: Iterable[str]) -> "Leases":
        """Read and lock them, but those of tasks that have ended: nothing can hold these."""
        seqs = {*seqs_of(tokens)}
        found = [*map(Lease._make, await db.fetch(sql.LEASES, [*seqs]))]
        elsewhere = seqs - {lease.seq for lease in found}
        return cls(found, await db.fetch(sql.SETTLED, [*elsewhere]) if elsewhere else ())

    def holding(self, token: str) -> Lease | None:
        """Return the row if the token holds."""
        return self._held.get(token)

    def settle(self, lease: Lease, settled_as: str) -> None:
        """Note that this transaction settles the row, for the tokens that follow."""
        if lease.token is not None:
            del self._held[lease.token]
        self._settled.pop(lease.settled_token, None)  # only the latest is remembered
        self._settled[lease.token] = settled_as

    def settled(self, token: str, settled_as: str) -> bool:
        """Return whether this was the latest settlement of the row."""
        return self._settled.get(token) == settled_as


def seq_of(token: str) -> int:
    """Return the number of the row that a token names, or one that no row has."""
    # A token of ours begins with the row's number in hex; any other text names no row.
    number, _, _ = token.partition("-")
    try:
        seq = int(number, 16)
    except ValueError:
        return _NO_SEQ
    return seq if seq <= _LAST_SEQ else _NO_SEQ


def seqs_of(tokens: Iterable[str]) -> list[int]:
    """Return the numbers of the rows that tokens name."""
    return [*map(seq_of, tokens)]


async def is_held(db: SQL, token: str) -> bool:
    """Tell whether a token holds at this moment, without locking its row."""
    held: bool = await db.fetchval(sql.IS_HELD, seqs_of([token]), _storable([token]))
    return held


async def start(tx: Transaction, tokens: Sequence[str], *, now: float) -> None:
    """Mark as running what still holds and is not running yet."""
    found = await Leases.of(tx.db, tokens)
    held = map(found.holding, dict.fromkeys(tokens))
    starting = [lease for lease in held if lease is not None and not lease.started]
    if not starting:
        return
    await tx.db.execute(sql.START, [lease.seq for lease in starting], now)
    for status, tasks in Counter(lease.status for lease in starting).items():
        tx.moved(status, Status.RUNNING, tasks)
    for lease in starting:
        tx.member_moved(lease.group, lease.status, Status.RUNNING, now=now)


async def extend(tx: Transaction, tokens: Sequence[str], *, expires_at: float) -> tuple[str, ...]:
    """Move the end of the leases that hold; return the tokens that do not.

    What another transaction has locked holds until it commits: its lease is left as it is.
    """
    found = await tx.db.fetch(sql.EXTEND, seqs_of(tokens), _storable(tokens), expires_at)
    holding = {token for (token,) in found}
    if len(holding) < len(tokens):
        left = await tx.db.fetch(sql.STILL_HELD, seqs_of(tokens), _storable(tokens))
        holding |= {token for (token,) in left}
    return tuple(token for token in tokens if token not in holding)


async def report(tx: Transaction, progress: Mapping[str, str]) -> None:
    """Store the progress of what still holds."""
    known = {token: text for token, text in progress.items() if seq_of(token) != _NO_SEQ}
    if known:
        await tx.db.execute(sql.REPORT, seqs_of(known), [*known], [*known.values()])


def _storable(tokens: Iterable[str]) -> list[str]:
    """Leave out what cannot be a token of ours, and may be no text for the server at all."""
    return [token for token in tokens if seq_of(token) != _NO_SEQ]


async def held(db: SQL, owner: Owner) -> tuple[Delivery, ...]:
    """Return what exactly this owner holds."""
    return tuple(map(task_rows.delivery, await db.fetch(sql.HELD, owner.node, owner.incarnation)))


async def cancel_requests(db: SQL, owner: Owner) -> Mapping[str, str]:
    """Return the tokens of this owner whose tasks are marked, with the reasons."""
    found = await db.fetch(sql.CANCEL_REQUESTS, owner.node, owner.incarnation)
    return dict(found)


async def rescue(db: SQL, owner: Owner, *, now: float) -> tuple[Delivery, ...]:
    """Return what a dead incarnation holds, and what any owner holds past its lease."""
    found = await db.fetch(sql.RESCUABLE, owner.node, owner.incarnation, now)
    return tuple(map(task_rows.delivery, found))


async def next_lease_end(db: SQL, owner: Owner) -> float | None:
    """Return when the first lease of another node ends."""
    ends_at: float | None = await db.fetchval(sql.NEXT_LEASE_END, owner.node)
    return ends_at


async def ahead(db: SQL, task: Task, *, limit: int, now: float) -> int:
    """Return how many due tasks of its queue come before `task`, up to `limit`."""
    found = 0
    turn = await _turn_of(db, task)
    place = (task.priority, turn, task.run_at, task.id)
    priority = ready.FIRST_OF_ALL
    while found < limit:
        priority = await db.fetchval(ready.PRIORITY_FROM, task.queue, priority)
        if priority is None or priority > task.priority:
            break
        asked = (task.queue, now, priority, *place, limit - found)
        found += await db.fetchval(ready.COUNT_AHEAD, *asked)
        priority += 1
    return found


async def _turn_of(db: SQL, task: Task) -> float:
    """Return the turn of a task, or that which it would get now."""
    turn, weight, flow = await db.fetchrow(sql.TURN, task.id) or (0.0, 1.0, None)
    if flow is None:
        return float(turn)
    waiting = Waiting(0, task.priority, flow, weight, is_again=turn < 0)
    return await Turns(db).expected(task.queue, waiting)


async def next_due(db: SQL, queue: str) -> float | None:
    """Return the earliest `run_at` of the tasks that are not held."""
    due: float | None = await db.fetchval(ready.NEXT_DUE, queue)
    return due


async def all_due(db: SQL) -> Mapping[str, float]:
    """Return the earliest `run_at` of each queue that has waiting tasks and is not paused."""
    queues = await db.fetch(ready.WAITING_QUEUES)
    dues = [(queue, await next_due(db, queue)) for (queue,) in queues]
    return {queue: due for queue, due in dues if due is not None}
