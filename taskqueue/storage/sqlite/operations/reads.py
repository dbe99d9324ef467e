"""What each reading verb asks, of whatever is committed."""

import sqlite3
from collections.abc import Iterator, Mapping

from taskqueue.rules.keys import Holder, key_state
from taskqueue.rules.sizes import SetSize
from taskqueue.rules.tasks import (
    Attempt,
    AttemptOutcome,
    Delivery,
    Owner,
    Status,
    Task,
    TaskHistory,
)
from taskqueue.rules.turns import Waiting
from taskqueue.storage import task_rows
from taskqueue.storage.limits import MAX_ATTEMPTS
from taskqueue.storage.sqlite.commit.turns import Turns
from taskqueue.storage.sqlite.operations.searching import snapshot
from taskqueue.storage.sqlite.sql import queries, ready


def held(db: sqlite3.Connection, owner: Owner) -> tuple[Delivery, ...]:
    """Return what exactly this owner holds."""
    found = db.execute(queries.HELD, (owner.node, owner.incarnation))
    return tuple(map(task_rows.delivery, found.fetchall()))


def cancel_requests(db: sqlite3.Connection, owner: Owner) -> Mapping[str, str]:
    """Return the tokens of this owner whose tasks are marked, with the reasons."""
    known = (owner.node, owner.incarnation)
    return dict(db.execute(queries.CANCEL_REQUESTS, known).fetchall())


def rescue(db: sqlite3.Connection, owner: Owner, *, now: float) -> tuple[Delivery, ...]:
    """Return what a dead incarnation holds, and what any owner holds past its lease."""
    known = {"node": owner.node, "incarnation": owner.incarnation, "now": now}
    return tuple(map(task_rows.delivery, db.execute(queries.RESCUABLE, known).fetchall()))


def next_lease_end(db: sqlite3.Connection, owner: Owner) -> float | None:
    """Return when the first lease of another node ends."""
    [ends_at] = db.execute(queries.NEXT_LEASE_END, (owner.node,)).fetchone()
    return None if ends_at is None else float(ends_at)


def ahead(db: sqlite3.Connection, task: Task, *, limit: int, now: float) -> int:
    """Return how many due tasks of its queue come before `task`, up to `limit`."""
    found = 0
    place: dict[str, object] = {"queue": task.queue, "now": now, "run_at": task.run_at}
    place |= {"id": task.id, "own_priority": task.priority, "priority": ready.FIRST_OF_ALL}
    place["turn"] = _turn_of(db, task)
    while found < limit:
        [priority] = db.execute(ready.PRIORITY_FROM, place).fetchone()
        if priority is None or priority > task.priority:
            break
        place |= {"priority": priority, "limit": limit - found}
        [more] = db.execute(ready.COUNT_AHEAD, place).fetchone()
        found += more
        place["priority"] = priority + 1
    return found


def _turn_of(db: sqlite3.Connection, task: Task) -> float:
    """Return the turn of a task, or that which it would get now."""
    turn, weight, flow = db.execute(queries.TURN, (task.id,)).fetchone() or (0.0, 1.0, None)
    if flow is None:
        return float(turn)
    waiting = Waiting(0, task.priority, flow, weight, is_again=turn < 0)
    return Turns(db).expected(task.queue, waiting)


def next_due(db: sqlite3.Connection, queue: str) -> float | None:
    """Return the earliest `run_at` of the tasks that are not held."""
    wanted = {"queue": queue, "from_priority": ready.FIRST_OF_ALL}
    instants = (db.execute(each, wanted).fetchone()[0] for each in ready.NEXT_DUE)
    return min((instant for instant in instants if instant is not None), default=None)


def all_due(db: sqlite3.Connection) -> Mapping[str, float]:
    """Return the earliest `run_at` of each queue that has waiting tasks and is not paused."""
    queues = db.execute(ready.WAITING_QUEUES).fetchall()
    dues = ((queue, next_due(db, queue)) for (queue,) in queues)
    return {queue: due for queue, due in dues if due is not None}


def get(db: sqlite3.Connection, task_id: str, *, now: float) -> TaskHistory | None:
    """Return a task with its attempts."""
    with snapshot(db):  # a settlement between the two would tell of an attempt too many
        row = db.execute(queries.GET, (task_id,)).fetchone()
        if row is None:
            return None
        seq, edits, flow, key, until, was_freed, is_held, *columns = row
        attempts = db.execute(queries.ATTEMPTS, (seq,)).fetchall()
    task = task_rows.task(tuple(columns), now=now)
    whole = (*map(task_rows.attempt, reversed(attempts)), *_completing(task))
    return TaskHistory(
        task=task,
        attempts=whole[-MAX_ATTEMPTS:],
        edits=task_rows.edits(edits),
        key=None
        if key is None
        else key_state(
            key,
            Holder.of(task, until, is_held=bool(is_held)),
            was_freed=bool(was_freed),
            now=now,
        ),
        flow=flow,
        is_held=bool(is_held),
    )


def _completing(task: Task) -> Iterator[Attempt]:
    # A success writes no line of its own, which saves it an insert: the row says it all.
    if task.status is Status.COMPLETED and task.processed_at is not None:
        yield Attempt(
            attempt=task.attempt,
            outcome=AttemptOutcome.COMPLETED,
            error=None,
            traceback=None,
            started_at=task.started_at,
            ended_at=task.processed_at,
        )


def counts(db: sqlite3.Connection) -> Mapping[Status, int]:
    """Return the counters."""
    return {Status(status): tasks for status, tasks in db.execute(queries.COUNTS).fetchall()}


def paused(db: sqlite3.Connection) -> Mapping[str, float]:
    """Return the paused queues, and since when."""
    return dict(db.execute(queries.PAUSED).fetchall())


def sizes(db: sqlite3.Connection) -> Mapping[str, SetSize]:
    """Return what is kept of the sizes of pools."""
    found = db.execute(queries.SIZES).fetchall()
    return {pool: SetSize(count=count, slots=slots) for pool, count, slots in found}
