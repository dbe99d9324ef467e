"""POST /tasks: a task is accepted, or all tasks of a list.

Nothing is answered before it is stored.
"""

import asyncio
from collections.abc import Sequence
from http import HTTPStatus

from aiohttp import web

from taskqueue.clock import Clock
from taskqueue.errors import Fault, InvalidTask, TaskTooLarge, UnknownAction
from taskqueue.http import guard, problems
from taskqueue.http.answers import answer
from taskqueue.http.bodies import body_of
from taskqueue.http.problems import Problem, Unavailable
from taskqueue.http.service import Service
from taskqueue.http.tasks import requests
from taskqueue.http.tasks.answers import Receipt, Receipts
from taskqueue.http.tasks.requests import TaskRequest
from taskqueue.tasks import NewTask, Status

# So many tasks of one request are checked before everybody else on the loop gets a turn.
TURN = 100

_QUEUEING = Unavailable(
    "failed to queue task",
    "It is not known to be stored. A second try may queue it a second time.",
)


class TaskCreation:
    """The way of new tasks into the service; `clock` tells whether a `run_at` lies ahead."""

    def __init__(self, service: Service, clock: Clock) -> None:
        self._service = service
        self._clock = clock

    async def create_task(self, request: web.Request) -> web.Response:
        """Queue a task, or all tasks of an array."""
        guard.require_own_origin(request)
        asked = requests.read_tasks(await body_of(request))
        if isinstance(asked, TaskRequest):
            task = self._prepare(asked)
            with _QUEUEING:
                await self._service.enqueue((task,))
            return answer(self._receipt(task), HTTPStatus.ACCEPTED)
        tasks = await self._prepare_all(asked)
        with _QUEUEING:
            await self._service.enqueue(tasks)
        accepted = [self._receipt(task) for task in tasks]
        receipts = Receipts(tasks=accepted, count=len(accepted))
        return answer(receipts, HTTPStatus.ACCEPTED)

    def _prepare(self, asked: TaskRequest) -> NewTask:
        try:
            return self._service.prepare(asked.action, bytes(asked.data), asked.options())
        except problems.REFUSED as error:
            raise problems.refusal(error) from error

    async def _prepare_all(self, asked: Sequence[TaskRequest]) -> list[NewTask]:
        tasks: list[NewTask] = []
        faults: list[Fault] = []
        for index, one in enumerate(asked):
            try:
                tasks.append(self._service.prepare(one.action, bytes(one.data), one.options()))
            except (UnknownAction, InvalidTask) as error:
                faults += requests.indexed(index, problems.faults_of(error))
            except TaskTooLarge as error:
                raise problems.refusal(error) from error
            if index % TURN == TURN - 1:
                await asyncio.sleep(0)
        if faults:
            raise Problem.invalid("invalid tasks", faults)
        return tasks

    def _receipt(self, task: NewTask) -> Receipt:
        ahead = task.run_at is not None and task.run_at > self._clock.now()
        return Receipt(id=task.id, status=Status.SCHEDULED if ahead else Status.QUEUED)
