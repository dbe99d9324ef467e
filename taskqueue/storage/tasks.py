"""The part of a storage that accepts, shows and changes tasks by their ids."""

from collections.abc import Sequence
from typing import Protocol

from taskqueue.rules.edits import Change, EditResult
from taskqueue.rules.filters import MAX_ROWS, Found, Sort, TaskFilter
from taskqueue.rules.logs import LogPage
from taskqueue.rules.tasks import Accepted, CancelResult, NewTask, Status, Task, TaskHistory


class Tasks(Protocol):
    """Tasks as their callers know them: by id."""

    async def insert(self, tasks: Sequence[NewTask], *, now: float) -> tuple[Accepted, ...]:
        """Accept `tasks`, in one commit; answer in the order given.

        A task whose `run_at` lies after `now` is `scheduled`, any other `queued`. A task that is
        stored already stays as it is: the same id, or the same `unique_key` with the same
        `fingerprint`, is `REPEATED`. Another fingerprint under that key is a `CONFLICT`: this task
        is skipped and the others are accepted. A key is free again when its task expires or is
        deleted.

        A task with a `key_rule` holds its key until its end (`ENDED`), a claim (`STARTED`) or so
        many seconds after its insert. The rule of a new task whose key is held decides what becomes
        of it; it is not inserted, and the answer has the holder's id:

        | `on_repeat` | the holder waits | it is leased, or has ended |
        |---|---|---|
        | None | `REPEATED`, or `CONFLICT` if the fingerprints differ | likewise |
        | `KEEP` | `REPEATED`, or `KEPT` if the fingerprints differ | likewise |
        | `REPLACE` | gets payload, priority and `run_at`: `REPLACED` | `REJECTED` |
        | `POSTPONE` | gets `run_at` if that is later: `POSTPONED` | `REJECTED` |
        | `REJECT` | `REJECTED`, or `REPEATED` if the fingerprints are equal | likewise |

        A `run_at` is bounded by `latest_s` after the holder's insert, if the rule has that. Without
        a `run_at`, what replaces a scheduled task is due at once, any other task keeps its own, and
        nothing is postponed (`KEPT`). A change of the holder is a line of its history, as an `edit`
        is, and it takes over the new fingerprint. A task that has given up its key is still found
        by it. All of this is decided in the order of `tasks`, in the commit of the insert.
        """
        ...

    async def get(self, task_id: str, *, now: float) -> TaskHistory | None:
        """Return a task with its latest 200 attempts, oldest first; None if there is no such task.

        The attempt that completed it is the last line of the history.
        """
        ...

    async def logs(
        self, task_id: str, *, before: int | None = None, max_bytes: int
    ) -> LogPage | None:
        """Return what the attempts at a task have logged, the latest first; None if it is not here.

        Attempts without lines are left out. The last one is that with which the logs exceed
        `max_bytes` together. `before` is the `next` of an earlier page.
        """
        ...

    async def find(
        self,
        *,
        status: Status | None = None,
        action: str | None = None,
        queue: str | None = None,
        before: str | None = None,
        limit: int,
        now: float,
        max_bytes: int | None = None,
        brief: bool = False,
    ) -> tuple[Task, ...]:
        """Return up to `limit` tasks, newest (greatest id) first, with ids less than `before`.

        A scheduled task whose `run_at` has come reads `queued`, here and in `get`. The last task
        is the one with which payloads, results and progress exceed `max_bytes` together; no row
        after it is read. In a `brief` answer these are not read at all: payloads are empty, results
        and progress None.

        Raises:
            ValueError: `limit` is negative.
        """
        wanted = TaskFilter(
            statuses=() if status is None else (status,), action=action, queue=queue
        )
        found = await self.search(
            wanted, after=before, limit=limit, now=now, max_bytes=max_bytes, brief=brief
        )
        return found.tasks

    async def cancel(
        self, task_ids: Sequence[str], *, reason: str, now: float
    ) -> tuple[CancelResult, ...]:
        """Cancel tasks without a lease, mark those with one; answer in the order given.

        A marked task has `cancel_reason`, and ends when it is settled, even if its holder dies
        before it learns of this. The first reason stays. A task that ends at once gets no line in
        its history: no attempt was made.
        """
        ...

    async def search(
        self,
        wanted: TaskFilter,
        *,
        after: str | None = None,
        sort: Sort = Sort.NEWEST,
        limit: int,
        now: float,
        max_rows: int = MAX_ROWS,
        max_bytes: int | None = None,
        brief: bool = False,
    ) -> Found:
        """Return up to `limit` tasks that match, with ids behind `after` in this order.

        What no index answers (instants and text) is compared row by row, for `max_rows` rows at
        most, and 16 MiB of payloads or little more: then `looked_to` is the id to go on after.
        `max_bytes` and `brief` are those of `find`.

        Raises:
            ValueError: `limit` is negative.
        """
        ...

    async def edit(
        self, task_id: str, change: Change, *, who: str | None = None, now: float
    ) -> EditResult:
        """Change a task that has not ended and that nothing holds.

        Each edit that changes something becomes a line of its history, which names `who` made it;
        the latest 100 are kept. A new `run_at` makes the task `scheduled` or `queued`; one that is
        `retrying` stays so. The fingerprint of its unique key stays: it is that of the request
        which made the task.
        """
        ...

    async def redrive(self, task_ids: Sequence[str], *, now: float) -> tuple[str, ...]:
        """Queue dead tasks again with all their attempts before them; return those that were dead.

        `attempt`, `crashes` and `deliveries` start at 0, `reason` is cleared, `run_at` is `now`;
        the history stays.
        """
        ...

    async def delete(self, task_ids: Sequence[str]) -> tuple[str, ...]:
        """Delete those of these tasks that have ended, with their history; return which."""
        ...
