"""What waits in queues, in what is committed."""

import sqlite3
from collections.abc import Iterator, Mapping, Sequence

from taskqueue.rules.turns import FIRST_PLACE, Flow, FlowPlace
from taskqueue.storage.limits import MOST_COUNTED
from taskqueue.storage.sqlite.operations.searching import snapshot
from taskqueue.storage.sqlite.sql import ready, turns


def count_due(
    db: sqlite3.Connection, queues: Sequence[str], *, limit: int, now: float
) -> Mapping[str, int]:
    """Return how many tasks of each queue are due and not held back by a limit, up to `limit`."""
    with snapshot(db):
        return {queue: _count_due(db, queue, limit, now=now) for queue in queues}


def _count_due(db: sqlite3.Connection, queue: str, limit: int, *, now: float) -> int:
    wanted: dict[str, object] = {"queue": queue, "now": now, "limit": limit}
    [found] = db.execute(ready.COUNT_DUE_TURNS, wanted).fetchone()
    priority: int | None = ready.FIRST_OF_ALL
    while found < limit:
        [priority] = db.execute(ready.PRIORITY_FROM, {**wanted, "priority": priority}).fetchone()
        if priority is None:
            break
        here = {**wanted, "priority": priority, "limit": limit - found}
        [more] = db.execute(ready.COUNT_DUE, here).fetchone()
        found += more
        priority += 1
    return int(found)


def flows(
    db: sqlite3.Connection, queue: str, *, after: FlowPlace | None, limit: int
) -> tuple[Flow, ...]:
    """Return the flows that have tasks waiting for their turns, by priority and name."""
    with snapshot(db):
        return tuple(_flows(db, queue, after or FIRST_PLACE, limit))


def _flows(db: sqlite3.Connection, queue: str, after: FlowPlace, limit: int) -> Iterator[Flow]:
    priority, name = after
    for _ in range(limit):
        behind = {"queue": queue, "priority": priority, "flow": name}
        found = db.execute(turns.NEXT_FLOW, behind).fetchone()
        if found is None:
            return
        priority, name, turn, served = found
        this = {"queue": queue, "priority": priority, "flow": name, "limit": MOST_COUNTED}
        [waiting] = db.execute(turns.COUNT_WAITING, this).fetchone()
        yield Flow(
            name=name, priority=priority, waiting=waiting, next_turn=turn, served_turn=served
        )
