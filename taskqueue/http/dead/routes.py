"""The calls about many dead tasks at once: brought back, or deleted."""

from collections.abc import Sequence
from http import HTTPStatus

from aiohttp import web

from taskqueue.http.answers import answer
from taskqueue.http.bodies import body_of
from taskqueue.http.dead.selection import Matching, Selection, These, read_selection
from taskqueue.http.problems import Unavailable
from taskqueue.http.service import Service
from taskqueue.rules.tasks import Status
from taskqueue.structs import Struct

_IN_PART = "Some may have been done. The same request may be sent again."
_REDRIVING = Unavailable("failed to queue tasks", _IN_PART)
_PURGING = Unavailable("failed to delete tasks", _IN_PART)


class Redriven(Struct):
    """How many tasks were queued again."""

    redriven: int


class Deleted(Struct):
    """How many tasks were deleted."""

    deleted: int


class DeadRoutes:
    """What can be done with dead tasks by the thousand."""

    def __init__(self, service: Service) -> None:
        self._service = service

    async def redrive_dead(self, request: web.Request) -> web.StreamResponse:
        """Queue dead tasks again; those that are not dead are passed over."""
        selection = await self._selection_of(request, _REDRIVING)
        with _REDRIVING:
            match selection:
                case These(task_ids=task_ids):
                    redriven = len(await self._service.redrive(task_ids))
                case Matching(action=action, queue=queue):
                    redriven = await self._service.redrive_dead(action=action, queue=queue)
        return answer(Redriven(redriven=redriven), HTTPStatus.ACCEPTED)

    async def delete_dead(self, request: web.Request) -> web.StreamResponse:
        """Delete dead tasks with their history; those that are not dead are passed over."""
        selection = await self._selection_of(request, _PURGING)
        with _PURGING:
            match selection:
                case These(task_ids=task_ids):
                    deleted = len(await self._service.delete(await self._dead_of(task_ids)))
                case Matching(action=action, queue=queue):
                    deleted = await self._service.delete_dead(action=action, queue=queue)
        return answer(Deleted(deleted=deleted))

    async def _selection_of(self, request: web.Request, unavailable: Unavailable) -> Selection:
        with unavailable:
            self._service.require_writable()
        return read_selection(await body_of(request))

    async def _dead_of(self, task_ids: Sequence[str]) -> list[str]:
        # The service deletes whatever has ended. Who names a completed task here has mistaken it.
        dead: list[str] = []
        for task_id in task_ids:  # a thousand tasks at once may have gigabytes
            history = await self._service.get(task_id)
            if history is not None and history.task.status is Status.DEAD:
                dead.append(task_id)
        return dead
