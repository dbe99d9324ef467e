"""The calls about many dead tasks at once: group, redrive or delete them."""

from collections.abc import Sequence
from http import HTTPStatus
from typing import Any

from msgspec.structs import asdict

from taskqueue.commands import (
    Ask,
    Delete,
    DeleteDead,
    GetDeadGroups,
    GetTask,
    Redrive,
    RedriveDead,
)
from taskqueue.http.answers import Answer
from taskqueue.http.dead.queries import GroupsRequest
from taskqueue.http.dead.selection import Matching, Selection, These
from taskqueue.http.route import Call
from taskqueue.http.tasks.answers import TaskId
from taskqueue.rules.tasks import Status
from taskqueue.structs import Struct


class Redriven(Struct):
    """How many tasks were queued again."""

    redriven: int


class Deleted(Struct):
    """How many tasks were deleted."""

    deleted: int


class DeadGroupView(Struct):
    """Dead tasks of one action that ended with the same error.

    Numbers, addresses and UUIDs in an error do not count; the `example` has them. With `action` and
    `error` as filters, the other calls mean exactly these tasks.
    """

    action: str
    error: str
    tasks: int
    queues: Sequence[str]
    latest_at: float
    example_id: TaskId
    example: str


class DeadGroups(Struct):
    """Groups of dead tasks, the largest first; `truncated`: there are more groups."""

    groups: Sequence[DeadGroupView]
    truncated: bool


class DeadRoutes:
    """Group, redrive or delete dead tasks by the thousand."""

    def __init__(self, ask: Ask) -> None:
        self._ask = ask

    async def list_groups(self, call: Call[Any, GroupsRequest]) -> Answer:
        """Group the dead tasks by action and error, and count each group."""
        asked = call.query
        request = GetDeadGroups(limit=asked.limit + 1, action=asked.action, queue=asked.queue)
        found = await self._ask(request)
        views = [DeadGroupView(**asdict(group)) for group in found[: asked.limit]]
        return Answer(DeadGroups(groups=views, truncated=len(found) > asked.limit))

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
