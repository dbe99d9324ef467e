"""What the inserting verbs do inside a transaction.

A task that need not wait is inserted as claimed: one row written instead of one written twice, in
one commit instead of two, and nothing to be read back.
"""

import secrets
import sqlite3
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from operator import attrgetter

from taskqueue.rules.keys import stored_until
from taskqueue.rules.tasks import Acceptance, Accepted, Delivery, NewTask, Owner, Status
from taskqueue.storage import task_rows
from taskqueue.storage.limits import MOST_PARKED
from taskqueue.storage.order import are_plain, first_due
from taskqueue.storage.sqlite.commit.transaction import Transaction
from taskqueue.storage.sqlite.commit.turns import MOST_GIVEN
from taskqueue.storage.sqlite.operations import keys, membership
from taskqueue.storage.sqlite.sql import ready, rows, statements
from taskqueue.storage.sqlite.sql.bulk import chunks

_ACCEPTED = Acceptance.ACCEPTED
_rare = attrgetter("key_rule", "expires_at", "parent", "schedule")
_NOTHING = (None,) * 4


def insert(tx: Transaction, tasks: Sequence[NewTask], *, now: float) -> tuple[Accepted, ...]:
    """Insert what is not there yet and whose group takes members; answer in the order given."""
    admitted = membership.admitted(tx.db, tasks)
    answers = insert_admitted(tx, admitted, now=now)
    return membership.with_refused(tx.db, tasks, admitted, answers, now=now)


def insert_admitted(
    tx: Transaction, tasks: Sequence[NewTask], *, now: float
) -> tuple[Accepted, ...]:
    """Insert what is not there yet, whether its group is closed or not."""
    answers: list[Accepted] = []
    for given in chunks(tasks):
        # Rows keep the given order, in which the first of two equal ids or keys wins.
        new = [*map(rows.row_of, given)]
        inserted = statements.INSERT.run(tx.db, new, now)
        if inserted == len(given):
            answers += _all_accepted(tx, given)
        else:
            # Every new row is numbered one above the last.
            last_seq = _last_seq(tx.db) - inserted
            again = partial(_insert_one, tx.db, new, now)
            answers += _answers(tx, given, again, last_seq=last_seq, now=now)
    _count(tx, tasks, answers, now=now)
    return tuple(answers)


def insert_and_claim(
    tx: Transaction,
    tasks: Sequence[NewTask],
    *,
    room: Mapping[str, int],
    owner: Owner,
    expires_at: float,
    now: float,
) -> tuple[tuple[Accepted, ...], tuple[Delivery, ...]]:
    """Insert as `insert` does, and as claimed what need not wait."""
    admitted = membership.admitted(tx.db, tasks)
    claimed = _to_claim(tx.db, admitted, room, now=now)
    if claimed:
        answers, deliveries = _insert_claimed(
            tx, admitted, claimed, owner=owner, expires_at=expires_at, now=now
        )
    else:
        answers, deliveries = insert_admitted(tx, admitted, now=now), ()
    return membership.with_refused(tx.db, tasks, admitted, answers, now=now), deliveries


def _insert_claimed(
    tx: Transaction,
    tasks: Sequence[NewTask],
    claimed: Sequence[int],
    *,
    owner: Owner,
    expires_at: float,
    now: float,
) -> tuple[tuple[Accepted, ...], tuple[Delivery, ...]]:
    """Insert what is not there yet; as claimed what is at these places."""
    last_seq = _last_seq(tx.db)
    nonce = secrets.token_hex(16)
    tokens = {place: f"{last_seq + 1 + place:x}-{nonce}" for place in claimed}
    new = [
        (*rows.row_of(task), last_seq + 1 + place, tokens.get(place))
        for place, task in enumerate(tasks)
    ]
    lease = (now, owner.node, owner.incarnation, expires_at)
    answers: list[Accepted] = []
    for given, theirs in zip(chunks(tasks), chunks(new), strict=True):
        if statements.INSERT_CLAIMED.run(tx.db, theirs, *lease) == len(given):
            answers += _all_accepted(tx, given)
        else:
            again = partial(_insert_one_claimed, tx.db, theirs, lease)
            answers += _answers(tx, given, again, last_seq=last_seq + len(answers), now=now)
    _count(tx, tasks, answers, now=now)
    deliveries = (
        task_rows.first_delivery(tasks[place], token, expires_at=expires_at, now=now)
        for place, token in tokens.items()
        if answers[place].acceptance is _ACCEPTED
    )
    return tuple(answers), tuple(deliveries)


def _to_claim(
    db: sqlite3.Connection, tasks: Sequence[NewTask], room: Mapping[str, int], *, now: float
) -> list[int]:
    """Return the places of the tasks that need not wait."""
    places: list[int] = []
    for queue, most in room.items():
        first = first_due(tasks, queue, limit=most, now=now)
        if first and _nothing_waits(db, queue, now=now):
            places += first
    return places


def _nothing_waits(db: sqlite3.Connection, queue: str, *, now: float) -> bool:
    """Tell whether no other task of this queue is ready before it; not if it is paused."""
    wanted = {"queue": queue, "from_priority": ready.FIRST_OF_ALL, "now": now}
    [idle] = db.execute(ready.IS_IDLE, wanted).fetchone()
    return bool(idle)


def _last_seq(db: sqlite3.Connection) -> int:
    [last_seq] = db.execute(statements.LAST_SEQ).fetchone()
    return last_seq or 0


def _insert_one(db: sqlite3.Connection, new: Sequence[rows.Row], now: float, place: int) -> bool:
    return statements.INSERT.run(db, [new[place]], now) == 1


def _insert_one_claimed(
    db: sqlite3.Connection, new: Sequence[rows.Row], lease: rows.Row, place: int
) -> bool:
    return statements.INSERT_CLAIMED.run(db, [new[place]], *lease) == 1


def _all_accepted(tx: Transaction, given: Sequence[NewTask]) -> list[Accepted]:
    _write_rare(tx.db, given)
    return [Accepted(id=task.id, acceptance=_ACCEPTED) for task in given]


def _write_rare(db: sqlite3.Connection, accepted: Sequence[NewTask]) -> None:
    """Store what few tasks have: how they hold their key, when they expire, where they are from."""
    for task, rare in zip(accepted, map(_rare, accepted), strict=True):
        if rare != _NOTHING:
            rule, *others = rare
            db.execute(statements.SET_RARE, (stored_until(rule), *others, task.id))


def _answers(
    tx: Transaction,
    given: Sequence[NewTask],
    again: Callable[[int], bool],
    *,
    last_seq: int,
    now: float,
) -> Iterator[Accepted]:
    """Say what became of tasks of which not all were new: new rows come after the last one.

    `again` inserts one of them once more, after the holder of its key has given it up.
    """
    told: set[str] = set()
    for place, task in enumerate(given):
        seq, key = tx.db.execute(statements.NAMED, (task.id,)).fetchone() or (None, None)
        is_new = seq is not None and seq > last_seq and task.id not in told
        answer: Accepted | None = None
        if (is_new and key != task.unique_key) or seq is None:
            # Its key was taken, though its id was not.
            answer = keys.meet(tx, task, now=now)
            is_new = answer is None and again(place)
        if is_new and answer is None:
            told.add(task.id)  # another of the same id is a repetition
            _write_rare(tx.db, (task,))
            answer = Accepted(id=task.id, acceptance=_ACCEPTED)
        yield answer or Accepted(id=task.id, acceptance=Acceptance.REPEATED)


def _count(
    tx: Transaction, tasks: Sequence[NewTask], answers: Sequence[Accepted], *, now: float
) -> None:
    new = [
        task for task, answer in zip(tasks, answers, strict=True) if answer.acceptance is _ACCEPTED
    ]
    scheduled = sum(task.run_at is not None and task.run_at > now for task in new)
    tx.moved(None, Status.SCHEDULED, scheduled)
    tx.moved(None, Status.QUEUED, len(new) - scheduled)
    membership.count_new(tx, new, now=now)
    if not are_plain(new):
        _find_places(tx, new, now=now)


def _find_places(tx: Transaction, new: Sequence[NewTask], *, now: float) -> None:
    """Give turns to those that take turns, and park those for which a limit has no room."""
    in_flows = Counter(task.queue for task in new if task.flow is not None)
    for queue, tasks in in_flows.items():
        # As many as there are new ones: else a backlog without turns would delay the next flow's.
        tx.turns.give(queue, now=now, most=max(tasks, MOST_GIVEN))
    limited = [(task.queue, task.limits) for task in new if task.limits is not None]
    most = tx.gates.parked + max(len(limited), MOST_PARKED)
    for queue, limits in dict.fromkeys(limited):
        if (left := most - tx.gates.parked) > 0:
            tx.gates.park_full(queue, limits, most=left, now=now)
