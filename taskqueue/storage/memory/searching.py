"""Finding tasks in memory: those that a filter means, in the order of their ids."""

from collections.abc import Sequence
from operator import attrgetter

from msgspec.structs import replace

from taskqueue.rules.filters import MAX_TEXT, Found, Sort, TaskFilter
from taskqueue.rules.tasks import Status, Task
from taskqueue.storage.limits import within_bytes


def search(
    tasks: Sequence[Task],
    wanted: TaskFilter,
    *,
    after: str | None,
    sort: Sort,
    limit: int,
    max_rows: int,
    max_bytes: int | None,
    brief: bool,
) -> Found:
    """Return the first tasks behind `after` that match."""
    newest = sort is Sort.NEWEST
    in_order = sorted(tasks, key=attrgetter("id"), reverse=newest)
    behind = [
        task
        for task in in_order
        if after is None or (task.id < after if newest else task.id > after)
    ]
    found, looked_to = _matching(behind, wanted, limit, max_rows)
    if brief:
        found = [replace(task, payload="", result=None, progress=None) for task in found]
    page = found if max_bytes is None else within_bytes(found, max_bytes)
    return Found(tasks=tuple(page), looked_to=looked_to)


def _matching(
    tasks: Sequence[Task], wanted: TaskFilter, limit: int, max_rows: int
) -> tuple[list[Task], str | None]:
    if not wanted.conditions() or wanted.unique_key is not None:
        return [task for task in tasks if wanted.matches(task)][:limit], None
    kinds = wanted.indexed()
    matching: list[Task] = []
    looked_at = text = 0
    last: str | None = None
    of_kinds = (
        task
        for task in tasks
        if kinds.matches(task) and (wanted.error is None or task.status is Status.DEAD)
    )
    for task in of_kinds if limit else ():
        if looked_at == max_rows or text > MAX_TEXT:
            return matching, last
        last, looked_at = task.id, looked_at + 1
        text += len(task.payload) if wanted.text is not None else 0
        if wanted.matches(task):
            matching.append(task)
        if len(matching) == limit:
            break
    return matching, None
