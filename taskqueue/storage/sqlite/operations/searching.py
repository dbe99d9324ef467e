"""What `find` and `search` ask: the rows of a filter, in the order of their ids.

Status, action, queue, key, group and parent are looked up in indices. All else is compared row by
row, first without what may be large, and for a bounded number of rows.
"""

import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from heapq import merge
from itertools import islice
from operator import itemgetter
from typing import Any

from taskqueue.rules.filters import MAX_TEXT, Found, Sort, TaskFilter
from taskqueue.rules.tasks import Status, Task
from taskqueue.storage import task_rows
from taskqueue.storage.limits import within_bytes
from taskqueue.storage.sqlite.sql import pages, queries, rows

_NOT_RUNNING = tuple(status for status in Status if status is not Status.RUNNING)
_QUEUED_OR_SCHEDULED = {Status.QUEUED, Status.SCHEDULED}
_BEGIN: Mapping[Sort, str | bytes] = {
    Sort.NEWEST: b"",
    Sort.OLDEST: "",
}  # any text sorts before any blob
Page = dict[str, Any]
"""What the texts of a page take as parameters."""


def search(
    db: sqlite3.Connection,
    wanted: TaskFilter,
    *,
    after: str | None,
    sort: Sort,
    limit: int,
    now: float,
    max_rows: int,
    max_bytes: int | None = None,
    brief: bool = False,
) -> Found:
    """Return the first tasks behind `after` that match at `now`."""
    page = asked(wanted, after=_BEGIN[sort] if after is None else after, limit=limit, now=now)
    with snapshot(db):
        if wanted.unique_key is not None:
            found = of_key(db, wanted, page, sort, brief=brief)
            return Found(tasks=_cut(islice(found, limit), max_bytes))
        if not wanted.conditions():
            return Found(tasks=_of_kinds(db, wanted, page, sort, max_bytes, brief=brief))
        ids, looked_to = matching(db, wanted, page, sort, max_rows)
        tasks = (_task(db, task_id, now=now, brief=brief) for task_id in ids)
        return Found(tasks=_cut(tasks, max_bytes), looked_to=looked_to)


def asked(
    wanted: TaskFilter, *, after: str | bytes = _BEGIN[Sort.NEWEST], limit: int, now: float
) -> Page:
    """Return the parameters of a page."""
    return {
        "action": wanted.action,
        "queue": wanted.queue,
        "group": wanted.group,
        "error": wanted.error,
        "parent": wanted.parent,
        "after": after,
        "limit": limit,
        "now": now,
        **wanted.conditions(),
    }


def of_key(
    db: sqlite3.Connection, wanted: TaskFilter, page: Page, sort: Sort, *, brief: bool
) -> Iterator[Task]:
    """Yield the tasks that match and have, or had, the key."""
    behind = pages.ORDERS[sort].behind
    having = db.execute(queries.OF_KEY[behind], {**page, "key": wanted.unique_key}).fetchall()
    for (task_id,) in having:
        task = _task(db, task_id, now=page["now"], brief=False)
        if wanted.matches(task):
            yield _task(db, task_id, now=page["now"], brief=True) if brief else task


def _of_kinds(
    db: sqlite3.Connection,
    wanted: TaskFilter,
    page: Page,
    sort: Sort,
    max_bytes: int | None,
    *,
    brief: bool,
) -> tuple[Task, ...]:
    queries = _queries(db, wanted, pages.ORDERS[sort], now=page["now"])
    with _merged(db, [pages.brief(q) if brief else q for q in queries], page, sort) as found:
        tasks = (task_rows.task(row, now=page["now"]) for row in islice(found, page["limit"]))
        return _cut(tasks, max_bytes)


def _cut(tasks: Iterator[Task], max_bytes: int | None) -> tuple[Task, ...]:
    return tuple(tasks if max_bytes is None else within_bytes(tasks, max_bytes))


def matching(
    db: sqlite3.Connection, wanted: TaskFilter, page: Page, sort: Sort, max_rows: int
) -> tuple[list[str], str | None]:
    """Return the ids of those that match, and the last id if there may be more behind it."""
    compare = pages.compared(wanted.conditions())
    queries = [compare(q) for q in _queries(db, wanted, pages.ORDERS[sort], now=page["now"])]
    ids: list[str] = []
    looked_at, text = 0, 0
    task_id: str | None = None
    with _merged(db, queries, {**page, "limit": max_rows + 1}, sort) as found:
        for following, matches, length in found if page["limit"] else ():
            if looked_at == max_rows or text > MAX_TEXT:
                return ids, task_id
            task_id, looked_at, text = following, looked_at + 1, text + length
            if matches:
                ids.append(following)
            if len(ids) == page["limit"]:
                break
    return ids, None


def _task(db: sqlite3.Connection, task_id: str, *, now: float, brief: bool) -> Task:
    query = pages.brief(queries.ONE) if brief else queries.ONE
    return task_rows.task(db.execute(query, (task_id,)).fetchone(), now=now)


@contextmanager
def _merged(
    db: sqlite3.Connection, queries: Sequence[str], page: Page, sort: Sort
) -> Iterator[Iterator[rows.Row]]:
    cursors = [db.execute(query, page) for query in queries]
    try:
        yield merge(*cursors, key=itemgetter(0), reverse=sort is Sort.NEWEST)
    finally:
        for cursor in cursors:
            cursor.close()  # one that is read in part would keep the snapshot


def _queries(
    db: sqlite3.Connection, wanted: TaskFilter, order: pages.Order, *, now: float
) -> Iterator[str]:
    if wanted.parent is not None:
        yield pages.children(order)
        return
    if wanted.group is not None:
        yield from _of_group(wanted, order)
        return
    given = tuple(each for each in ("action", "queue") if getattr(wanted, each) is not None)
    statuses = _statuses(wanted)
    if wanted.error is not None and wanted.action is not None:
        if statuses:
            yield pages.of_error(order, given)
        return
    if statuses == set(Status) and not given:
        yield pages.everything(order)
        return
    if Status.RUNNING in statuses:
        yield pages.running(order, given)
    stored = statuses - {Status.RUNNING}
    if len(_QUEUED_OR_SCHEDULED & statuses) == 1:  # what is scheduled has to be told apart
        stored -= {Status.SCHEDULED}
        side = pages.DUE if Status.QUEUED in statuses else pages.AHEAD
        yield _scheduled(db, side, order, given, now=now)
    if stored:
        yield pages.of_kinds(order, tuple(s for s in _NOT_RUNNING if s in stored), given)


def _statuses(wanted: TaskFilter) -> set[Status]:
    statuses = set(wanted.statuses) or set(Status)
    return statuses if wanted.error is None else statuses & {Status.DEAD}


def _of_group(wanted: TaskFilter, order: pages.Order) -> Iterator[str]:
    """Yield a text for each status, in which the members of a group lie in the order of a page."""
    statuses = _statuses(wanted)
    is_told_apart = len(_QUEUED_OR_SCHEDULED & statuses) == 1
    for status in Status:
        if is_told_apart and status is Status.SCHEDULED:
            yield pages.members(
                order, status, pages.DUE if Status.QUEUED in statuses else pages.AHEAD
            )
        elif status in statuses:
            yield pages.members(order, status)


def _scheduled(
    db: sqlite3.Connection, side: str, order: pages.Order, given: pages.Given, *, now: float
) -> str:
    [are_many] = db.execute(pages.are_many(side), {"now": now}).fetchone()
    find = pages.many_scheduled if are_many else pages.few_scheduled
    return find(side, order, given)


@contextmanager
def snapshot(db: sqlite3.Connection) -> Iterator[None]:
    """Let all reads of the block see the same commits."""
    db.execute("BEGIN")
    try:
        yield
    finally:
        db.execute("COMMIT")
