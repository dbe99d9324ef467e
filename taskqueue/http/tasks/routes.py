"""The calls about tasks that were accepted."""

from collections.abc import Mapping
from http import HTTPStatus
from typing import Any, assert_never

from taskqueue.clock import Clock
from taskqueue.commands import (
    Ask,
    CancelTask,
    CountMatching,
    CountTasks,
    Delete,
    GetHeads,
    GetLogs,
    GetRunningLog,
    Redrive,
    SearchTasks,
)
from taskqueue.http.answers import Answer
from taskqueue.http.pages import MAX_PAGE_BYTES
from taskqueue.http.problems import Problem
from taskqueue.http.route import Call
from taskqueue.http.tasks.answers import (
    Cancellation,
    Page,
    Receipt,
    Stats,
)
from taskqueue.http.tasks.filters import FilterRequest
from taskqueue.http.tasks.heads import HEAD_READ
from taskqueue.http.tasks.histories import detail_of, history_of
from taskqueue.http.tasks.ids import no_task
from taskqueue.http.tasks.log_answers import LoggedAttemptView, Logs
from taskqueue.http.tasks.queries import (
    MAX_COUNTED,
    MAX_LOG_BYTES,
    LogsRequest,
    PageRequest,
    WaitRequest,
)
from taskqueue.http.tasks.waiting import TaskWaits
from taskqueue.rules.filters import Found
from taskqueue.rules.tasks import CancelAnswer, Status


class TaskRoutes:
    """List, show, cancel, redrive and delete tasks."""

    def __init__(self, ask: Ask, clock: Clock, waits: TaskWaits) -> None:
        self._ask = ask
        self._clock = clock
        self._waits = waits

    async def list_tasks(self, call: Call[Any, PageRequest]) -> Answer:
        """List tasks, those that match, page by page.

        What no index answers (instants and text) is compared for a bounded number of tasks: then
        the page is `truncated`, and may be empty; `next` goes on.
        """
        page = call.query
        request = SearchTasks(
            wanted=page.wanted(self._clock.now()),
            after=page.cursor,
            sort=page.sort,
            limit=page.limit + 1,
            max_bytes=MAX_PAGE_BYTES,
            brief=page.is_brief,
        )
        found = await self._ask(request)
        heads = await self._heads(found) if page.has_heads else {}
        return Answer(Page.of(found, page.limit, MAX_PAGE_BYTES, page.fields, heads))

    async def _heads(self, found: Found) -> Mapping[str, str]:
        task_ids = tuple(task.id for task in found.tasks)
        return await self._ask(GetHeads(task_ids=task_ids, length=HEAD_READ))

    async def show_task(self, call: Call[Any, WaitRequest]) -> Answer:
        """Show one task and its attempts.

        With `wait_s` the answer comes when the task has ended, or after so many seconds as it is.
        """
        task_id, wait_s = call.path["id"], call.query.wait_s
        if not wait_s:
            return Answer(await detail_of(self._ask, await history_of(self._ask, task_id)))
        with self._waits.registered(task_id) as ended:
            history = await history_of(self._ask, task_id)
            if history.task.processed_at is None:
                await self._waits.wait(ended, wait_s, call.client)
                history = await history_of(self._ask, task_id)
        return Answer(await detail_of(self._ask, history))

    async def show_logs(self, call: Call[Any, LogsRequest]) -> Answer:
        """Show what the attempts at a task have logged, the latest first, page by page.

        Of each attempt the last 100 lines are kept, of 16 KiB at most. One that runs is first.
        """
        task_id, cursor = call.path["id"], call.query.cursor
        # First what runs: what ends between the two is stored by then.
        running = await self._ask(GetRunningLog(task_id=task_id)) if cursor is None else None
        request = GetLogs(task_id=task_id, before=cursor, max_bytes=MAX_LOG_BYTES)
        page = await self._ask(request)
        if page is None:
            raise no_task()
        shown = [*map(LoggedAttemptView.of, page.attempts)]
        if running is not None and not running.is_stored(page):
            shown.insert(0, LoggedAttemptView.of_running(running))
        return Answer(Logs(attempts=shown, next=page.next))

    async def cancel_task(self, call: Call[str, Any]) -> Answer:
        """End a task: at once if no consumer holds it, else as soon as its handler has stopped."""
        task_id = call.path["id"]
        result = await self._ask(CancelTask(task_id=task_id, reason=call.body))
        match result.answer:
            case CancelAnswer.CANCELLED:
                return Answer(Cancellation(id=task_id, status="cancelled"))
            case CancelAnswer.REQUESTED:
                return Answer(Cancellation(id=task_id, status="cancelling"), HTTPStatus.ACCEPTED)
            case CancelAnswer.ENDED:
                status = (await history_of(self._ask, task_id)).task.status
                raise Problem(HTTPStatus.CONFLICT, "task has ended", f"It is {status}.")
            case CancelAnswer.UNKNOWN:
                raise no_task()
            case never:
                assert_never(never)

    async def redrive_task(self, call: Call[Any, Any]) -> Answer:
        """Queue a dead task again."""
        task_id = call.path["id"]
        if task_id in await self._ask(Redrive(task_ids=(task_id,))):
            return Answer(Receipt(id=task_id, status=Status.QUEUED), HTTPStatus.ACCEPTED)
        await history_of(self._ask, task_id)
        raise Problem(HTTPStatus.CONFLICT, "task is not dead", "Only dead tasks are redriven.")

    async def delete_task(self, call: Call[Any, Any]) -> Answer:
        """Delete a task that has ended, with its history."""
        task_id = call.path["id"]
        if task_id in await self._ask(Delete(task_ids=(task_id,))):
            return Answer(None, HTTPStatus.NO_CONTENT)
        status = (await history_of(self._ask, task_id)).task.status
        detail = f"It is {status}; cancel it first."
        raise Problem(HTTPStatus.CONFLICT, "task has not ended", detail)

    async def show_stats(self, call: Call[Any, FilterRequest]) -> Answer:
        """Count the tasks by status: all, or those that match.

        By action, queue, group, and error of an action, up to 100,000 tasks of each status are
        counted. With any other filter that many rows are not looked at: then there may be more.
        """
        if call.query == FilterRequest():
            all_tasks = await self._ask(CountTasks())
            return Answer(Stats(tasks={status: all_tasks.get(status, 0) for status in Status}))
        wanted = call.query.wanted(self._clock.now())
        counts = await self._ask(CountMatching(wanted=wanted, most=MAX_COUNTED))
        return Answer(Stats(tasks=counts.tasks, more_than=tuple(sorted(counts.more))))
