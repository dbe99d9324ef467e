"""The calls about tasks that were accepted."""

from http import HTTPStatus

from aiohttp import web

from taskqueue.http import guard
from taskqueue.http.answers import answer
from taskqueue.http.problems import Problem, Unavailable
from taskqueue.http.service import Service
from taskqueue.http.tasks.answers import Page, Receipt, Stats, TaskDetail
from taskqueue.http.tasks.queries import read_page, task_id_of
from taskqueue.tasks import Status

_REDRIVING = Unavailable("failed to queue task")
_READING = Unavailable("database unavailable")


class TaskRoutes:
    """What can be seen of tasks, and done with them."""

    def __init__(self, service: Service) -> None:
        self._service = service

    async def list_tasks(self, request: web.Request) -> web.Response:
        """Show the newest tasks, or those after a cursor."""
        page = read_page(request.query)
        with _READING:
            tasks = await self._service.find(
                status=page.status, before=page.cursor, limit=page.limit + 1
            )
        return answer(Page.of(tasks, page.limit))

    async def show_task(self, request: web.Request) -> web.Response:
        """Show one task and its attempts."""
        task_id = _task_id_of(request)
        with _READING:
            history = await self._service.get(task_id)
        if history is None:
            raise _no_task()
        return answer(TaskDetail.of_history(history))

    async def redrive_task(self, request: web.Request) -> web.Response:
        """Queue a dead task again."""
        guard.require_own_origin(request)
        task_id = _task_id_of(request)
        with _REDRIVING:
            redriven = await self._service.redrive((task_id,))
            found = task_id in redriven or await self._service.get(task_id)
        if not found:
            raise _no_task()
        if task_id not in redriven:
            raise Problem(HTTPStatus.CONFLICT, "task is not dead", "Only dead tasks are redriven.")
        return answer(Receipt(id=task_id, status=Status.QUEUED), HTTPStatus.ACCEPTED)

    async def show_stats(self, _: web.Request) -> web.Response:
        """Show how many tasks stand where."""
        with _READING:
            counts = await self._service.counts()
        return answer(Stats(tasks={status: counts.get(status, 0) for status in Status}))


def _task_id_of(request: web.Request) -> str:
    task_id = task_id_of(request.match_info["id"])
    if task_id is None:
        raise _no_task()
    return task_id


def _no_task() -> Problem:
    return Problem(HTTPStatus.NOT_FOUND, "task not found")
