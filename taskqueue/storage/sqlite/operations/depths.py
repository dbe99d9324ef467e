"""How many tasks wait or run in each queue, without counting the most of them.

A *kind* is what has status, action and queue in common. The counters say how many tasks have each
status, so one kind of each need not be counted: it has what the others leave. That is the largest
one, which is mostly where nearly all of a backlog is. The price grows with the others.
"""

import sqlite3
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from itertools import groupby
from operator import itemgetter
from typing import TypeAlias

from taskqueue.rules.tasks import Status
from taskqueue.storage.sqlite.operations.reads import counts
from taskqueue.storage.sqlite.operations.searching import snapshot
from taskqueue.storage.sqlite.sql import pages, queries, summaries

_WAITING = (Status.QUEUED, Status.SCHEDULED, Status.RETRYING)
_FIRST_LIMIT = 1_000
_FACTOR = 10  # so what was counted in vain adds a ninth at most

_Kind: TypeAlias = tuple[str, str, str]
"""Its status, action and queue."""


def depths(db: sqlite3.Connection) -> Mapping[str, Mapping[Status, int]]:
    """Count the tasks that have not ended, by queue and status."""
    found: dict[str, Counter[Status]] = {}
    with snapshot(db):
        for queue, status, tasks in (*_running(db), *_waiting(db)):
            found.setdefault(queue, Counter())[status] += tasks
    return found


def _running(db: sqlite3.Connection) -> Iterator[tuple[str, Status, int]]:
    for queue, tasks in db.execute(queries.RUNNING_BY_QUEUE).fetchall():
        yield queue, Status.RUNNING, tasks


def _waiting(db: sqlite3.Connection) -> Iterator[tuple[str, Status, int]]:
    totals = counts(db)
    kinds: list[_Kind] = db.execute(pages.kinds(_WAITING)).fetchall()
    for name, of_status in groupby(sorted(kinds), key=itemgetter(0)):
        status = Status(name)
        for (*_, queue), tasks in _sizes(db, [*of_status], totals[status]).items():
            yield queue, status, tasks


def _sizes(db: sqlite3.Connection, kinds: Sequence[_Kind], total: int) -> Mapping[_Kind, int]:
    """Return the sizes of all kinds of a status, which has `total` tasks.

    Each is counted up to a limit, that grows until one kind at most exceeds it.
    """
    sizes: dict[_Kind, int] = {}
    limit = _FIRST_LIMIT
    while len(larger := [kind for kind in kinds if kind not in sizes]) > 1:
        found = {kind: _size(db, kind, limit) for kind in larger}
        sizes |= {kind: size for kind, size in found.items() if size < limit}
        limit *= _FACTOR
    return sizes | {kind: total - sum(sizes.values()) for kind in larger}


def _size(db: sqlite3.Connection, kind: _Kind, limit: int) -> int:
    status, action, queue = kind
    asked = {"status": status, "action": action, "queue": queue, "limit": limit}
    text = summaries.number(summaries.OF_ACTION, ("action", "queue"))
    size: int
    [size] = db.execute(text, asked).fetchone()
    return size
