"""POST /tasks: a task is accepted, or all tasks of a list.

Nothing is answered before it is stored.
"""

import asyncio
from collections.abc import Sequence
from http import HTTPStatus

from aiohttp import web

from taskqueue.clock import Clock
from taskqueue.errors import Fault, Faults, InvalidTask, TaskTooLarge, UnknownAction
from taskqueue.http import problems
from taskqueue.http.answers import answer
from taskqueue.http.bodies import body_of
from taskqueue.http.problems import Problem, Unavailable
from taskqueue.http.service import Service
from taskqueue.http.tasks import keys, requests
from taskqueue.http.tasks.answers import Receipt, Receipts
from taskqueue.http.tasks.intake import Intake
from taskqueue.http.tasks.patience import TURN, PatientReader
from taskqueue.http.tasks.requests import TaskRequest
from taskqueue.rules.tasks import Acceptance, Accepted, NewTask, Status

_REUSED = "idempotency key reused"

_REFUSING = Unavailable("failed to queue task", "Nothing was stored; GET /ready says why.")
_QUEUEING = Unavailable(
    "failed to queue task",
    "It is not known to be stored. A second try may queue it a second time; "
    f"with the header {keys.HEADER} it could not.",
)
_QUEUEING_ONCE = Unavailable(
    "failed to queue task",
    "It is not known to be stored. Try again with the same key: it will be queued once.",
)


class TaskCreation:
    """The way of new tasks into the service; `clock` tells whether a `run_at` lies ahead."""

    def __init__(self, service: Service, clock: Clock) -> None:
        self._service = service
        self._clock = clock
        self._patience = PatientReader(service)
        self._intake = Intake(service)

    async def create_task(self, request: web.Request) -> web.StreamResponse:
        """Queue a task, or all tasks of an array."""
        with _REFUSING:
            await self._intake.admit(request)
        key = keys.read_key(request.headers)
        body = await body_of(request)
        with self._intake.storing(body):
            return await self._create(body, key)

    async def _create(self, body: bytes, key: str | None) -> web.StreamResponse:
        asked = requests.read_tasks(body)
        if asked is None:
            asked = await self._patience.read(body)
        if isinstance(asked, TaskRequest):
            return await self._create_one(keys.keyed(asked, key))
        tasks = await self._prepare_all(keys.all_keyed(asked, key))
        return await self._create_all(tasks if key is None else keys.bound_together(tasks))

    async def _create_one(self, asked: TaskRequest) -> web.StreamResponse:
        task = self._prepare(asked)
        [accepted] = await self._enqueue((task,))
        if accepted.acceptance is Acceptance.CONFLICT:
            raise Problem.invalid(_REUSED, (_conflict(accepted),))
        return _accepted(self._receipt(task, accepted), replayed=accepted.id != task.id)

    async def _create_all(self, tasks: Sequence[NewTask]) -> web.StreamResponse:
        answers = await self._enqueue(tasks)
        _require_no_conflict(answers)
        receipts = [self._receipt(*pair) for pair in zip(tasks, answers, strict=True)]
        known = {accepted.id for accepted in answers}
        return _accepted(
            Receipts(tasks=receipts, count=len(receipts)),
            replayed=known.isdisjoint(task.id for task in tasks),
        )

    async def _enqueue(self, tasks: Sequence[NewTask]) -> Sequence[Accepted]:
        with _QUEUEING if tasks[0].unique_key is None else _QUEUEING_ONCE:
            return await self._service.enqueue(tasks)

    def _prepare(self, asked: TaskRequest) -> NewTask:
        try:
            return self._service.prepare(asked.action, bytes(asked.data), asked.options())
        except problems.REFUSED as error:
            raise problems.refusal(error) from error

    async def _prepare_all(self, asked: Sequence[TaskRequest]) -> list[NewTask]:
        tasks: list[NewTask] = []
        faults = Faults()
        for index, one in enumerate(asked):
            if faults.is_full:
                faults.add(more=len(asked) - index)
                break
            try:
                tasks.append(self._service.prepare(one.action, bytes(one.data), one.options()))
            except (UnknownAction, InvalidTask) as error:
                wrong = problems.faults_of(error)
                faults.add(*requests.indexed(index, wrong.named), more=wrong.more)
            except TaskTooLarge as error:
                raise problems.refusal(error) from error
            if index % TURN == TURN - 1:
                await asyncio.sleep(0)
        if faults:
            raise Problem.invalid("invalid tasks", faults)
        return tasks

    def _receipt(self, task: NewTask, accepted: Accepted) -> Receipt:
        ahead = task.run_at is not None and task.run_at > self._clock.now()
        return Receipt(id=accepted.id, status=Status.SCHEDULED if ahead else Status.QUEUED)


def _accepted(receipt: Receipt | Receipts, *, replayed: bool) -> web.StreamResponse:
    return answer(receipt, HTTPStatus.ACCEPTED, headers=keys.REPLAYED if replayed else None)


def _require_no_conflict(answers: Sequence[Accepted]) -> None:
    faults = [
        fault
        for index, accepted in enumerate(answers)
        if accepted.acceptance is Acceptance.CONFLICT
        for fault in requests.indexed(index, (_conflict(accepted),))
    ]
    if faults:
        queued = sum(accepted.acceptance is Acceptance.ACCEPTED for accepted in answers)
        detail = f"Tasks of this list that were queued, because their keys were free: {queued}."
        raise Problem(HTTPStatus.UNPROCESSABLE_ENTITY, _REUSED, detail, faults=faults)


def _conflict(accepted: Accepted) -> Fault:
    return Fault("unique_key", f"is of task {accepted.id}, which was asked for otherwise")
