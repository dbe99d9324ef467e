"""What a client does through the file of a service on this machine, without HTTP.

The service notices the commit and starts the task at once. The answers and the errors are those of
HTTP, except that a task is known by its name only: arguments are checked when it runs, and only one
that an app has prepared counts towards limits and takes turns.
"""

from collections.abc import Sequence
from functools import partial
from http import HTTPStatus
from typing import assert_never

from taskqueue.client.attempt_views import LogsPage
from taskqueue.client.file_groups import GroupFile
from taskqueue.client.file_tasks import first_status, new_task
from taskqueue.client.file_views import filter_of, info_of, log_of, one_of
from taskqueue.client.verbs import Filters, NewTaskBody
from taskqueue.client.views import Receipt, TaskInfo, TaskPage
from taskqueue.errors import (
    CallRefused,
    TaskNotFound,
)
from taskqueue.rules.filters import MAX_ROWS, Sort
from taskqueue.rules.keys import SHOWN, refuse_unaccepted
from taskqueue.rules.tasks import (
    CancelAnswer,
    Status,
)
from taskqueue.storage.sqlite import audited
from taskqueue.storage.sqlite.operations import inserting, logs, reads, searching

PAGE = 100  # tasks
PAGE_BYTES = 4 << 20  # of payloads, results and progress
LOG_BYTES = 256 << 10

NO_REASON = "asked for through the file"


class TaskFile(GroupFile):
    """The verbs of a client, done by this process. Safe to share among threads."""

    # --- tasks ------------------------------------------------------------------------------------

    def enqueue(self, bodies: Sequence[NewTaskBody]) -> Sequence[Receipt]:
        """Accept tasks in one transaction.

        Raises:
            InvalidTask, TaskTooLarge: of no task is anything written.
            KeyConflict: a unique key is already used by a different request; the other tasks are
                accepted.
            KeyTaken: a unique key is held by a task that stays as it is; likewise.
        """
        now = self._clock.now()
        tasks = [new_task(body, now) for body in bodies]
        with self._reachable():
            answers = self._file.write(partial(inserting.insert, tasks=tasks, now=now))
        refuse_unaccepted(tasks, answers)
        return [
            Receipt(
                id=answer.id,
                status=answer.status or first_status(task, now),
                acceptance=answer.acceptance if answer.acceptance in SHOWN else None,
            )
            for task, answer in zip(tasks, answers, strict=True)
        ]

    def get(self, task_id: str) -> TaskInfo:
        """Return a task with its attempts.

        Raises:
            TaskNotFound: there is no such task (any more).
        """
        with self._reachable():
            found = self._file.read(partial(reads.get, task_id=task_id, now=self._clock.now()))
        if found is None:
            raise TaskNotFound(task_id)
        return info_of(found.task, found.attempts, found.key, found.flow)

    def logs(self, task_id: str, cursor: int | None) -> LogsPage:
        """Return a page of what the attempts at a task have logged.

        Raises:
            TaskNotFound: there is no such task (any more).
        """
        read = partial(logs.logs, task_id=task_id, before=cursor, max_bytes=LOG_BYTES)
        with self._reachable():
            found = self._file.read(read)
        if found is None:
            raise TaskNotFound(task_id)
        return LogsPage(attempts=[*map(log_of, found.attempts)], next=found.next)

    def find(self, filters: Filters, *, sort: str | None, cursor: str | None) -> TaskPage:
        """Return a page of tasks.

        Raises:
            CallRefused: there is no such status or order.
        """
        now = self._clock.now()
        query = partial(
            searching.search,
            wanted=filter_of(filters, now),
            after=cursor,
            sort=one_of(Sort, "sort", sort or Sort.NEWEST),
            limit=PAGE,
            now=now,
            max_rows=MAX_ROWS,
            max_bytes=PAGE_BYTES,
        )
        with self._reachable():
            found = self._file.read(query)
        # Shorter than its limit is also a page that its bytes have ended.
        last = found.tasks[-1].id if found.tasks else None
        return TaskPage(tasks=[*map(info_of, found.tasks)], next=found.looked_to or last)

    def cancel(self, task_id: str, reason: str | None) -> str:
        """Cancel a task that waits; mark one that runs.

        Raises:
            TaskNotFound, CallRefused: there is no such task; it has ended.
        """
        operation = partial(
            audited.cancel, task_id=task_id, reason=reason or NO_REASON, now=self._clock.now()
        )
        with self._reachable():
            result = self._file.write(operation)
        match result.answer:
            case CancelAnswer.CANCELLED:
                return "cancelled"
            case CancelAnswer.REQUESTED:
                return "cancelling"
            case CancelAnswer.UNKNOWN:
                raise TaskNotFound(task_id)
            case CancelAnswer.ENDED:
                raise _refused("task has ended", f"It is {self.get(task_id).status}.")
            case never:
                assert_never(never)

    def redrive(self, task_id: str) -> str:
        """Queue a dead task again.

        Raises:
            TaskNotFound, CallRefused: there is no such task; it is not dead.
        """
        operation = partial(audited.redrive, task_id=task_id, now=self._clock.now())
        with self._reachable():
            redriven = self._file.write(operation)
        if not redriven:
            self.get(task_id)
            raise _refused("task is not dead", "Only dead tasks are redriven.")
        return Status.QUEUED

    def delete(self, task_id: str) -> None:
        """Delete a task that has ended, with its history.

        Raises:
            TaskNotFound, CallRefused: there is no such task; it has not ended.
        """
        operation = partial(audited.delete, task_id=task_id, now=self._clock.now())
        with self._reachable():
            deleted = self._file.write(operation)
        if not deleted:
            status = self.get(task_id).status
            raise _refused("task has not ended", f"It is {status}; cancel it first.")

    # --- queues -----------------------------------------------------------------------------------

    def pause(self, queue: str, *, paused: bool) -> None:
        """Pause or resume a queue; tasks that consumers have claimed already still run."""
        switch = audited.pause if paused else audited.resume
        with self._reachable():
            self._file.write(partial(switch, queue=queue, now=self._clock.now()))


def _refused(error: str, detail: str) -> CallRefused:
    return CallRefused(HTTPStatus.CONFLICT, error, detail)
