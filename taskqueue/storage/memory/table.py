"""All rows: which there are, and which of them wait or are held."""

import math
from collections import Counter, deque
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from itertools import accumulate, groupby
from typing import TypeAlias
from uuid import uuid4

from msgspec.structs import replace

from taskqueue.rules.tasks import (
    ENDED,
    Acceptance,
    Accepted,
    Delivery,
    NewTask,
    Owner,
    Status,
    Task,
)
from taskqueue.storage.memory import keys
from taskqueue.storage.memory.rows import Lease, Row, new_row

OnNew: TypeAlias = Callable[[int, Row], None]
"""Gets the place of a new task among those that are inserted, and its row."""


def ignore(_place: int, _row: Row) -> None:
    """Do nothing with a new row."""


class Table:
    """The tasks by id, and the queues that are paused."""

    def __init__(self) -> None:
        """Make it empty."""
        self.rows: dict[str, Row] = {}
        self.paused: dict[str, float] = {}

    def counts(self) -> Mapping[Status, int]:
        """Count all tasks, by status."""
        counted = Counter(row.task.status for row in self.rows.values())
        return {status: counted[status] for status in Status}

    def depths(self) -> Mapping[str, Mapping[Status, int]]:
        """Count the tasks that have not ended, by queue and status."""
        found: dict[str, Counter[Status]] = {}
        for row in self.rows.values():
            if row.task.status not in ENDED:
                found.setdefault(row.task.queue, Counter())[row.task.status] += 1
        return found

    def waiting(self, queue: str) -> Iterator[Row]:
        """Yield what can be claimed once it is due."""
        return iter(()) if queue in self.paused else self.unclaimed(queue)

    def unclaimed(self, queue: str) -> Iterator[Row]:
        """Yield what waits in a queue, paused or not."""
        for row in self.rows.values():
            if row.task.queue == queue and row.lease is None and row.task.status not in ENDED:
                yield row

    def ready(self, queue: str, *, ageing_s: float | None = None, now: float) -> Sequence[Row]:
        """Return what can be claimed, in the order of a claim."""
        ready = (
            row for row in self.waiting(queue) if row.task.run_at <= now and not row.awaits_turn
        )
        in_order = sorted(ready, key=lambda row: row.place)
        return in_order if ageing_s is None else list(_aged(in_order, ageing_s))

    def ahead(self, task: Task, turn: float, *, now: float) -> int:
        """Return how many due tasks of its queue come before `task`, which has that turn."""
        place = (task.priority, turn, task.run_at, task.id)
        due = (each for each in self.unclaimed(task.queue) if each.task.run_at <= now)
        return sum(each.place < place for each in due if not each.awaits_turn)

    def expire(self, status: Status, *, ended_before: float, limit: int) -> int:
        """Delete what ended first in this status, before that instant; return how many."""
        ended = [
            (row.task.processed_at, task_id)
            for task_id, row in self.rows.items()
            if row.task.status is status
            and row.task.processed_at is not None
            and row.task.processed_at < ended_before
        ]
        expired = sorted(ended, key=lambda end: end[0])[:limit]
        for _, task_id in expired:
            del self.rows[task_id]
        return len(expired)

    def delete(self, task_ids: Sequence[str]) -> tuple[str, ...]:
        """Delete those of these tasks that have ended; return which."""
        ended = self.among(task_ids, ENDED)
        for task_id in ended:
            del self.rows[task_id]
        return ended

    def leased(self) -> Iterator[tuple[Row, Lease]]:
        """Yield what is held."""
        for row in self.rows.values():
            if row.lease is not None:
                yield row, row.lease

    def held_by(self, owner: Owner) -> Iterator[tuple[Row, Lease]]:
        """Yield what an owner holds."""
        return ((row, lease) for row, lease in self.leased() if lease.owner == owner)

    def marked(self, owner: Owner) -> dict[str, str]:
        """Return the tokens of an owner whose tasks are to be cancelled, with the reasons."""
        return {
            lease.token: row.task.cancel_reason
            for row, lease in self.held_by(owner)
            if row.task.cancel_reason is not None
        }

    def holding(self, tokens: Collection[str]) -> list[tuple[Row, Lease]]:
        """Return what is held by these tokens."""
        return [(row, lease) for row, lease in self.leased() if lease.token in tokens]

    def among(self, task_ids: Sequence[str], statuses: Collection[Status]) -> tuple[str, ...]:
        """Return those of these tasks that have one of these statuses, each once, in order."""
        once = dict.fromkeys(task_ids)
        return tuple(
            task_id
            for task_id in once
            if task_id in self.rows and self.rows[task_id].task.status in statuses
        )

    def insert(
        self,
        tasks: Sequence[NewTask],
        *,
        now: float,
        then: OnNew = ignore,
    ) -> tuple[Accepted, ...]:
        """Accept these tasks, or tell what is there already; `then` gets each new row at once."""
        new = [new_row(task, now=now) for task in tasks]  # all are sound, or none is kept
        answers = []
        for place, (task, row) in enumerate(zip(tasks, new, strict=True)):
            answers.append(self._accept(task, row, now=now))
            if answers[-1].acceptance is Acceptance.ACCEPTED:
                then(place, row)
        return tuple(answers)

    def _accept(self, task: NewTask, new: Row, *, now: float) -> Accepted:
        if task.id in self.rows:
            return Accepted(id=task.id, acceptance=Acceptance.REPEATED)
        holder = self._holder_of(task.unique_key)
        answer = None if holder is None else keys.meet(task, holder, now=now)
        if answer is None:
            self.rows[task.id] = new
        return answer or Accepted(id=task.id, acceptance=Acceptance.ACCEPTED)

    def standing(self, task: NewTask, *, now: float) -> Accepted | None:
        """Say what answers for a task that must not be inserted, if that changes nothing."""
        if task.id in self.rows:
            return Accepted(id=task.id, acceptance=Acceptance.REPEATED)
        holder = self._holder_of(task.unique_key)
        return None if holder is None else keys.standing(task, holder, now=now)

    def _holder_of(self, key: str | None) -> Row | None:
        for row in self.rows.values():
            if key is not None and row.key == key and not row.key_is_free:
                return row
        return None

    def claim(
        self,
        rows: Iterable[Row],
        *,
        owner: Owner,
        lease_s: float,
        now: float,
        chained: bool = False,
    ) -> tuple[Delivery, ...]:
        """Lease these rows to `owner`, each under a token of its own."""
        return tuple(_claim(row, owner, lease_s, chained=chained, now=now) for row in rows)


def _claim(row: Row, owner: Owner, lease_s: float, *, chained: bool, now: float) -> Delivery:
    task = row.task
    row.lease = Lease(
        token=uuid4().hex,
        owner=owner,
        claimed_at=now,
        expires_at=now + lease_s,
        waited_as=task.status,
        chained=chained,
    )
    row.task = replace(task, attempt=task.attempt + 1, deliveries=task.deliveries + 1)
    return row.delivery(row.lease)


def _aged(in_order: Sequence[Row], ageing_s: float) -> Iterator[Row]:
    """Yield the rows in the order of a claim with ageing."""
    left = {
        priority: deque(_with_oldest(list(of_priority)))
        for priority, of_priority in groupby(in_order, key=lambda row: row.task.priority)
    }
    while left:
        priority = min(left, key=lambda each: (left[each][0][1] + ageing_s * each, each))
        row, _ = left[priority].popleft()
        yield row
        if not left[priority]:
            del left[priority]


def _with_oldest(of_priority: Sequence[Row]) -> Iterator[tuple[Row, float]]:
    """Yield rows, each with the `run_at` of what has waited longest of it and those behind it.

    Of rows that take turns the first one counts.
    """
    firsts = [row for row in of_priority if (row.turn or 0.0) <= 0]
    in_turn = of_priority[len(firsts) :]
    next_turn = in_turn[0].task.run_at if in_turn else math.inf
    run_ats = (row.task.run_at for row in reversed(firsts))
    oldest = list(accumulate(run_ats, min, initial=next_turn))[:0:-1]
    yield from zip(firsts, oldest, strict=True)
    yield from ((row, row.task.run_at) for row in in_turn)
