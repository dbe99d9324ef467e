"""The calls about many dead tasks at once: redrive or delete them."""

from collections.abc import Sequence
from http import HTTPStatus
from typing import Any

from taskqueue.commands import Ask, Delete, DeleteDead, GetTask, Redrive, RedriveDead
from taskqueue.http.answers import Answer
from taskqueue.http.dead.selection import Matching, Selection, These
from taskqueue.http.route import Call
from taskqueue.rules.tasks import Status
from taskqueue.structs import Struct


class Redriven(Struct):
    """How many tasks were queued again."""

    redriven: int


class Deleted(Struct):
    """How many tasks were deleted."""

    deleted: int


class DeadRoutes:
    """Redrive or delete dead tasks by the thousand."""

    def __init__(self, ask: Ask) -> None:
        self._ask = ask

    async def redrive_dead(self, call: Call[Selection, Any]) -> Answer:
        """Queue dead tasks again; tasks that are not dead are skipped."""
        match call.body:
            case These(task_ids=task_ids):
                redriven = len(await self._ask(Redrive(task_ids=task_ids)))
            case Matching(action=action, queue=queue):
                redriven = await self._ask(RedriveDead(action=action, queue=queue))
        return Answer(Redriven(redriven=redriven), HTTPStatus.ACCEPTED)

    async def delete_dead(self, call: Call[Selection, Any]) -> Answer:
        """Delete dead tasks with their history; tasks that are not dead are skipped."""
        match call.body:
            case These(task_ids=task_ids):
                deleted = len(await self._ask(Delete(task_ids=await self._dead_of(task_ids))))
            case Matching(action=action, queue=queue):
                deleted = await self._ask(DeleteDead(action=action, queue=queue))
        return Answer(Deleted(deleted=deleted))

    async def _dead_of(self, task_ids: Sequence[str]) -> tuple[str, ...]:
        # `Delete` takes every task that has ended. A completed task named here is a mistake.
        dead: list[str] = []
        for task_id in task_ids:  # one by one: a thousand tasks at once may have gigabytes
            history = await self._ask(GetTask(task_id=task_id))
            if history is not None and history.task.status is Status.DEAD:
                dead.append(task_id)
        return tuple(dead)
