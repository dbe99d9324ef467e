"""What the verbs that sum up tasks ask, of whatever is committed."""

import sqlite3
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import msgspec
from msgspec.structs import replace

from taskqueue.rules.filters import Sort, TaskFilter
from taskqueue.rules.summaries import NO_REASON, Counts, DeadGroup, QueueLimit
from taskqueue.rules.tasks import Status
from taskqueue.storage.limits import MOST_COUNTED
from taskqueue.storage.sqlite.operations import searching
from taskqueue.storage.sqlite.operations.searching import snapshot
from taskqueue.storage.sqlite.sql import parking, rows, summaries

_MOST_PARKED = 1_000  # pairs of a gate and a queue
_BYTES = 4  # of a character, at most
_ALL = -1  # as a limit

_Asked = Mapping[str, Any]


def dead_groups(
    db: sqlite3.Connection, *, action: str | None, queue: str | None, limit: int
) -> tuple[DeadGroup, ...]:
    """Group all dead tasks by action and error."""
    asked = {"action": action, "queue": queue, "limit": limit}
    given = tuple(name for name in ("action", "queue") if asked[name] is not None)
    with snapshot(db):
        found = db.execute(summaries.dead_groups(given), asked).fetchall()
        return tuple(_dead_group(db, row) for row in found)


def _dead_group(db: sqlite3.Connection, row: rows.Row) -> DeadGroup:
    action, error, tasks, queues, latest_at, example_id = row
    [reason] = db.execute(summaries.REASON, (example_id,)).fetchone()
    return DeadGroup(
        action=action,
        error=error,
        tasks=tasks,
        queues=tuple(sorted(msgspec.json.decode(queues))),
        latest_at=latest_at,
        example_id=example_id,
        example=reason or NO_REASON,
    )


def heads(db: sqlite3.Connection, task_ids: Sequence[str], *, length: int) -> Mapping[str, str]:
    """Return what the payloads of these tasks begin with."""
    with snapshot(db):
        found = db.execute(summaries.SEQS, (rows.json_array(task_ids),)).fetchall()
        return {task_id: _head(db, seq, length) for task_id, seq in found}


def _head(db: sqlite3.Connection, seq: int, length: int) -> str:
    # Not `substr`, which reads all of the text before it cuts it.
    with db.blobopen("tasks", "payload", seq, readonly=True, name="main") as payload:
        return payload.read(length * _BYTES).decode(errors="ignore")[:length]


def queue_limits(db: sqlite3.Connection) -> tuple[QueueLimit, ...]:
    """Return which limits hold back tasks of which queues."""
    waiting: Counter[tuple[str, str]] = Counter()
    with snapshot(db):
        for gate, queue in _parked(db):
            place = (queue, gate.partition("/")[0])
            asked = {"gate": gate, "queue": queue, "limit": MOST_COUNTED - waiting[place]}
            waiting[place] += _number(db, summaries.PARKED_OF_QUEUE, asked)
        running = {
            name: db.execute(parking.HELD_OF_LIMIT, (name,)).fetchone()[0]
            for name in {name for _, name in waiting}
        }
    return tuple(
        QueueLimit(queue=queue, name=name, running=running[name], waiting=tasks)
        for (queue, name), tasks in sorted(waiting.items())
    )


def _parked(db: sqlite3.Connection) -> Iterator[tuple[str, str]]:
    place = {"gate": "", "queue": ""}
    for _ in range(_MOST_PARKED):
        found = db.execute(summaries.NEXT_PARKED, place).fetchone()
        if found is None:
            return
        gate, queue = found
        if gate.startswith("/"):  # of no limit; all of these come before "0"
            place = {"gate": "0", "queue": ""}
            continue
        place = {"gate": gate, "queue": queue}
        yield gate, queue


def count(
    db: sqlite3.Connection, wanted: TaskFilter, *, most: int, max_rows: int, now: float
) -> Counts:
    """Count the tasks that match, by status."""
    tasks: dict[Status, int] = {}
    more: set[Status] = set()
    with snapshot(db):
        for status in wanted.statuses or Status:
            of_status = replace(wanted, statuses=(status,))
            found, is_cut = _count(db, of_status, most=most + 1, max_rows=max_rows, now=now)
            tasks[status] = min(found, most)
            if is_cut or found > most:
                more.add(status)
    return Counts(tasks=tasks, more=frozenset(more))


def _count(
    db: sqlite3.Connection, wanted: TaskFilter, *, most: int, max_rows: int, now: float
) -> tuple[int, bool]:
    """Return how many tasks match up to `most`, and whether not all rows were looked at."""
    asked = searching.asked(wanted, limit=most, now=now)
    if wanted.unique_key is not None:
        return sum(1 for _ in searching.of_key(db, wanted, asked, Sort.NEWEST, brief=True)), False
    if wanted.conditions():
        ids, looked_to = searching.matching(db, wanted, asked, Sort.NEWEST, max_rows)
        return len(ids), looked_to is not None
    [status] = wanted.statuses
    return _of_status(db, wanted, {**asked, "status": status.value}, status), False


def _of_status(db: sqlite3.Connection, wanted: TaskFilter, asked: _Asked, status: Status) -> int:
    if wanted.error is not None and status is not Status.DEAD:
        return 0
    match status:
        case Status.RUNNING if wanted.group is None:
            return _number(db, summaries.RUNNING, asked, _given(wanted))
        case Status.QUEUED:
            return _stored(db, wanted, asked) + _due(db, wanted, asked)
        case Status.SCHEDULED:
            whole = {**asked, "limit": _ALL}
            return _stored(db, wanted, whole) - _due(db, wanted, whole)
        case _:
            return _stored(db, wanted, asked)


def _given(wanted: TaskFilter) -> tuple[str, ...]:
    return tuple(name for name in ("action", "queue") if getattr(wanted, name) is not None)


def _stored(db: sqlite3.Connection, wanted: TaskFilter, asked: _Asked) -> int:
    if wanted.error is not None:
        return _number(db, summaries.OF_ERROR, asked, _given(wanted))
    if wanted.group is not None:
        return _number(db, summaries.OF_GROUP, asked)
    if wanted.action is not None:
        return _number(db, summaries.OF_ACTION, asked, _given(wanted))
    if wanted.queue is not None:
        return _number(db, summaries.OF_QUEUE, asked)
    [tasks] = db.execute(summaries.STORED, asked).fetchone()
    return int(tasks)


def _due(db: sqlite3.Connection, wanted: TaskFilter, asked: _Asked) -> int:
    """Return how many of those that are stored as scheduled have come due."""
    if wanted.group is not None:
        return _number(db, summaries.DUE_OF_GROUP, {**asked, "status": Status.SCHEDULED.value})
    return _number(db, summaries.DUE_OF_KINDS, asked, _given(wanted))


def _number(db: sqlite3.Connection, kind: str, asked: _Asked, given: tuple[str, ...] = ()) -> int:
    [number] = db.execute(summaries.number(kind, given), asked).fetchone()
    return int(number)
