"""What sums up the tasks in memory."""

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence

from msgspec.structs import replace

from taskqueue.rules.filters import Sort, TaskFilter
from taskqueue.rules.summaries import NO_REASON, Counts, DeadGroup, QueueLimit, error_pattern
from taskqueue.rules.tasks import Status, Task
from taskqueue.storage.limits import MOST_COUNTED, check_limit
from taskqueue.storage.memory import searching
from taskqueue.storage.memory.part import MemoryPart
from taskqueue.storage.summaries import MAX_ROWS_COUNTED


class MemorySummaries(MemoryPart):
    """The part of the model that sums up tasks."""

    async def dead_groups(
        self, *, action: str | None = None, queue: str | None = None, limit: int
    ) -> tuple[DeadGroup, ...]:
        check_limit(limit)
        self._require_open()
        wanted = TaskFilter(statuses=(Status.DEAD,), action=action, queue=queue)
        found: defaultdict[tuple[str, str], list[Task]] = defaultdict(list)
        for row in self._table.rows.values():
            if wanted.matches(row.task):
                found[row.task.action, error_pattern(row.task.reason)].append(row.task)
        groups = [_group(*kind, tasks) for kind, tasks in found.items()]
        groups.sort(key=lambda group: (group.tasks, group.example_id), reverse=True)
        return tuple(groups[:limit])

    async def count(
        self, wanted: TaskFilter, *, most: int, max_rows: int = MAX_ROWS_COUNTED, now: float
    ) -> Counts:
        check_limit(most)
        self._require_open()
        tasks = [row.reads(now) for row in self._table.rows.values()]
        counts: dict[Status, int] = {}
        more: set[Status] = set()
        for status in wanted.statuses or Status:
            found = searching.search(
                tasks,
                replace(wanted, statuses=(status,)),
                after=None,
                sort=Sort.NEWEST,
                limit=most + 1,
                max_rows=max_rows,
                max_bytes=None,
                brief=True,
            )
            counts[status] = min(len(found.tasks), most)
            if len(found.tasks) > most or found.looked_to is not None:
                more.add(status)
        return Counts(tasks=counts, more=frozenset(more))

    async def heads(self, task_ids: Sequence[str], *, length: int) -> Mapping[str, str]:
        self._require_open()
        rows = self._table.rows
        return {each: rows[each].task.payload[:length] for each in task_ids if each in rows}

    async def queue_limits(self, *, now: float) -> tuple[QueueLimit, ...]:
        self._require_open()
        running = {usage.name: usage.running for usage in self._gates.usages(now=now)}
        waiting: Counter[tuple[str, str]] = Counter()
        for row in self._table.rows.values():
            facts = self._gates.facts(row, now=now)
            if facts is not None:
                waiting[row.task.queue, facts.use.name] += 1
        return tuple(
            QueueLimit(
                queue=queue,
                name=name,
                running=running.get(name, 0),
                waiting=min(tasks, MOST_COUNTED),
            )
            for (queue, name), tasks in sorted(waiting.items())
        )


def _group(action: str, error: str, tasks: Sequence[Task]) -> DeadGroup:
    newest = max(tasks, key=lambda task: task.id)
    return DeadGroup(
        action=action,
        error=error,
        tasks=len(tasks),
        queues=tuple(sorted({task.queue for task in tasks})),
        latest_at=max(task.processed_at or 0.0 for task in tasks),
        example_id=newest.id,
        example=newest.reason or NO_REASON,
    )
