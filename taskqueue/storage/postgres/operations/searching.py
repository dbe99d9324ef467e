"""What `find` and `search` ask: the tasks of a filter, in the order of their ids.

Status, action, queue, key, group and parent are looked up in indices. All else is compared row by
row, first without what may be large, and for a bounded number of rows. First the ids of a page are
found, then its rows are read.
"""

from collections.abc import Iterator, Sequence

from taskqueue.rules.filters import MAX_TEXT, Found, Sort, TaskFilter
from taskqueue.rules.tasks import Status, Task
from taskqueue.rules.uniqueness import AFTER_SCOPES, SEPARATOR
from taskqueue.storage import task_rows
from taskqueue.storage.postgres.connections import SQL
from taskqueue.storage.postgres.sql import pages, rows

_QUEUED_OR_SCHEDULED = {Status.QUEUED, Status.SCHEDULED}
_COMPARED_AT_ONCE = 200


async def search(
    db: SQL,
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
    order = pages.ORDERS[sort]
    looked_to = None
    if wanted.unique_key is not None:
        ids = (await of_key(db, wanted, order, after, now=now))[:limit]
    elif not wanted.conditions():
        ids = await ids_of(db, wanted, order, after, limit, now=now)
    else:
        ids, looked_to = await matching(
            db, wanted, order, after, limit=limit, max_rows=max_rows, now=now
        )
    if max_bytes is not None:
        ids = await _within_bytes(db, ids, max_bytes)
    return Found(tasks=await _tasks(db, ids, now=now, brief=brief), looked_to=looked_to)


async def of_key(
    db: SQL, wanted: TaskFilter, order: pages.Order, after: str | None, *, now: float
) -> list[str]:
    """Return the ids of the tasks that match and have, or had, the key."""
    text = pages.of_key(order, SEPARATOR, AFTER_SCOPES)
    found = [task_id for (task_id,) in await db.fetch(text, wanted.unique_key, after)]
    tasks = await _tasks(db, found, now=now, brief=False)
    return [task.id for task in tasks if wanted.matches(task)]


async def ids_of(
    db: SQL, wanted: TaskFilter, order: pages.Order, after: str | None, limit: int, *, now: float
) -> list[str]:
    """Return the ids of the first tasks, by what the indices know."""
    statuses = _statuses(wanted)
    is_told_apart = len(_QUEUED_OR_SCHEDULED & statuses) == 1
    of_kinds = statuses - {Status.RUNNING} - ({Status.SCHEDULED} if is_told_apart else set())
    sources = [*_sources(wanted, order, statuses, is_told_apart=is_told_apart)]
    if not sources:
        return []
    asked = (after, limit, now, wanted.action, wanted.queue, wanted.group, sorted(of_kinds))
    found = await db.fetch(pages.page(order, sources), *asked, wanted.parent, wanted.error)
    return [task_id for (task_id,) in found]


def _statuses(wanted: TaskFilter) -> set[Status]:
    statuses = set(wanted.statuses) or set(Status)
    return statuses if wanted.error is None else statuses & {Status.DEAD}


def _sources(
    wanted: TaskFilter, order: pages.Order, statuses: set[Status], *, is_told_apart: bool
) -> Iterator[str]:
    side = pages.DUE if Status.QUEUED in statuses else pages.AHEAD
    if wanted.parent is not None:
        yield pages.children(order)
        return
    if wanted.group is not None:
        for status in Status:
            if is_told_apart and status is Status.SCHEDULED:
                yield pages.members(order, status, side)
            elif status in statuses:
                yield pages.members(order, status)
        return
    if wanted.error is not None and wanted.action is not None:
        if statuses:
            yield pages.of_error(order)
        return
    if statuses == set(Status) and wanted.action is None and wanted.queue is None:
        yield pages.everything(order)
        return
    if Status.RUNNING in statuses:
        yield pages.running(order)
    if is_told_apart:  # what is scheduled has to be told apart
        yield pages.scheduled(order, side)
    if statuses - {Status.RUNNING} - ({Status.SCHEDULED} if is_told_apart else set()):
        yield pages.of_kinds(order)


async def matching(
    db: SQL,
    wanted: TaskFilter,
    order: pages.Order,
    after: str | None,
    *,
    limit: int,
    max_rows: int,
    now: float,
) -> tuple[list[str], str | None]:
    """Return the ids of those that match, and the last id if there may be more behind it."""
    if not limit:
        return [], None
    conditions = wanted.conditions()
    text = pages.compared(conditions, order)
    ids = await ids_of(db, wanted.indexed(), order, after, max_rows + 1, now=now)
    found: list[str] = []
    looked_at, length_read = 0, 0
    last: str | None = None
    for beginning in range(0, len(ids), _COMPARED_AT_ONCE):
        some = ids[beginning : beginning + _COMPARED_AT_ONCE]
        for task_id, matches, length in await db.fetch(text, some, now, *conditions.values()):
            if looked_at == max_rows or length_read > MAX_TEXT:
                return found, last
            last, looked_at, length_read = task_id, looked_at + 1, length_read + length
            if matches:
                found.append(task_id)
            if len(found) == limit:
                return found, None
    return found, None


async def _within_bytes(db: SQL, ids: Sequence[str], max_bytes: int) -> list[str]:
    """Return the ids up to the one with which their tasks exceed `max_bytes`."""
    sizes: dict[str, int] = dict(await db.fetch(pages.SIZES, list(ids)))
    total, within = 0, []
    for task_id in ids:
        within.append(task_id)
        total += sizes[task_id]
        if total > max_bytes:
            break
    return within


async def _tasks(db: SQL, ids: Sequence[str], *, now: float, brief: bool) -> tuple[Task, ...]:
    """Return the tasks of these ids, in their order."""
    columns = rows.BRIEF if brief else rows.TASK
    text = f"SELECT {columns} FROM taskqueue.tasks WHERE id = ANY ($1::text[])"  # noqa: S608
    found = {row[0]: row for row in await db.fetch(text, list(ids))} if ids else {}
    return tuple(task_rows.task(found[task_id], now=now) for task_id in ids)
