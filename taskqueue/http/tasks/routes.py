"""The calls about tasks that were accepted."""

from http import HTTPStatus
from typing import Annotated, assert_never

from aiohttp import web
from msgspec import Meta

from taskqueue.http.answers import answer, empty
from taskqueue.http.bodies import Fields, body_of, read_fields
from taskqueue.http.problems import Problem, Unavailable
from taskqueue.http.service import Service
from taskqueue.http.tasks.answers import Cancellation, Page, Receipt, Stats, TaskDetail
from taskqueue.http.tasks.queries import MAX_PAGE_BYTES, read_page, task_id_of
from taskqueue.rules.tasks import CancelAnswer, Status, TaskHistory

_REDRIVING = Unavailable("failed to queue task")
_CANCELLING = Unavailable("failed to cancel task")
_DELETING = Unavailable("failed to delete task")
_READING = Unavailable("database unavailable")

NO_REASON = "asked for over HTTP"
MAX_REASON = 1000  # characters

_REASON: Fields = {
    "reason": (
        Annotated[str, Meta(min_length=1, max_length=MAX_REASON)],
        f"a text of 1 to {MAX_REASON} characters",
    )
}


class TaskRoutes:
    """What can be seen of tasks, and done with them."""

    def __init__(self, service: Service) -> None:
        self._service = service

    async def list_tasks(self, request: web.Request) -> web.StreamResponse:
        """Show the newest tasks, or those after a cursor."""
        page = read_page(request.query)
        with _READING:
            tasks = await self._service.find(
                status=page.status,
                action=page.action,
                queue=page.queue,
                before=page.cursor,
                limit=page.limit + 1,
                max_bytes=MAX_PAGE_BYTES,
                brief=page.is_brief,
            )
        return answer(Page.of(tasks, page.limit, MAX_PAGE_BYTES, page.fields))

    async def show_task(self, request: web.Request) -> web.StreamResponse:
        """Show one task and its attempts."""
        history = await self._history(_task_id_of(request))
        return answer(TaskDetail.of_history(history))

    async def cancel_task(self, request: web.Request) -> web.StreamResponse:
        """End a task: at once if nobody holds it, else as soon as its handler has stopped."""
        task_id = _task_id_of(request)
        with _CANCELLING:
            self._service.require_writable()
        fields = read_fields(await body_of(request) or b"{}", _REASON)
        with _CANCELLING:
            result = await self._service.cancel(task_id, reason=fields.get("reason", NO_REASON))
        match result.answer:
            case CancelAnswer.CANCELLED:
                return answer(Cancellation(id=task_id, status="cancelled"))
            case CancelAnswer.REQUESTED:
                cancelling = Cancellation(id=task_id, status="cancelling")
                return answer(cancelling, HTTPStatus.ACCEPTED)
            case CancelAnswer.ENDED:
                status = (await self._history(task_id)).task.status
                raise Problem(HTTPStatus.CONFLICT, "task has ended", f"It is {status}.")
            case CancelAnswer.UNKNOWN:
                raise _no_task()
            case never:
                assert_never(never)

    async def redrive_task(self, request: web.Request) -> web.StreamResponse:
        """Queue a dead task again."""
        task_id = _task_id_of(request)
        with _REDRIVING:
            redriven = await self._service.redrive((task_id,))
            found = task_id in redriven or await self._service.get(task_id)
        if not found:
            raise _no_task()
        if task_id not in redriven:
            raise Problem(HTTPStatus.CONFLICT, "task is not dead", "Only dead tasks are redriven.")
        return answer(Receipt(id=task_id, status=Status.QUEUED), HTTPStatus.ACCEPTED)

    async def delete_task(self, request: web.Request) -> web.StreamResponse:
        """Delete a task that has ended, with its history."""
        task_id = _task_id_of(request)
        with _DELETING:
            deleted = await self._service.delete((task_id,))
        if task_id not in deleted:
            status = (await self._history(task_id)).task.status
            detail = f"It is {status}; cancel it first."
            raise Problem(HTTPStatus.CONFLICT, "task has not ended", detail)
        return empty()

    async def show_stats(self, _: web.Request) -> web.StreamResponse:
        """Show how many tasks stand where."""
        with _READING:
            counts = await self._service.counts()
        return answer(Stats(tasks={status: counts.get(status, 0) for status in Status}))

    async def _history(self, task_id: str) -> TaskHistory:
        with _READING:
            history = await self._service.get(task_id)
        if history is None:
            raise _no_task()
        return history


def _task_id_of(request: web.Request) -> str:
    task_id = task_id_of(request.match_info["id"])
    if task_id is None:
        raise _no_task()
    return task_id


def _no_task() -> Problem:
    return Problem(HTTPStatus.NOT_FOUND, "task not found")
