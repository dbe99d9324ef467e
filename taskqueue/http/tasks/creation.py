"""POST /tasks: a task is accepted, or all tasks of a list.

Nothing is answered before it is stored.
"""

import asyncio
from collections.abc import Mapping, Sequence
from hashlib import sha256
from http import HTTPStatus
from typing import Any

import msgspec
from msgspec.structs import replace

from taskqueue.api.app import App
from taskqueue.api.tracing import traced
from taskqueue.clock import Clock
from taskqueue.commands import Ask, Enqueue
from taskqueue.errors import Fault, Faults, InvalidTask, TaskTooLarge, UnknownAction
from taskqueue.http import problems
from taskqueue.http.answers import Answer
from taskqueue.http.problems import UNAVAILABLE, Problem, Unavailable
from taskqueue.http.route import Call
from taskqueue.http.tasks import keys, requests
from taskqueue.http.tasks.answers import Receipt, Receipts
from taskqueue.http.tasks.histories import history_of
from taskqueue.http.tasks.reading import TURN
from taskqueue.http.tasks.requests import TaskRequest
from taskqueue.http.tasks.traces import read_traceparent
from taskqueue.rules.tasks import Acceptance, Accepted, NewTask, Payload, Status, Task

_REUSED = "idempotency key reused"

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
    """Accepts new tasks; `clock` tells whether a `run_at` lies ahead."""

    def __init__(self, ask: Ask, app: App, clock: Clock) -> None:
        self._ask = ask
        self._app = app
        self._clock = clock

    async def create_task(self, call: Call[TaskRequest | Sequence[TaskRequest], Any]) -> Answer:
        """Queue a task, or all tasks of an array in one commit."""
        key, trace = keys.read_key(call.headers), read_traceparent(call.headers)
        if isinstance(call.body, TaskRequest):
            return await self._accept(self._prepare(keys.keyed(call.body, key)), trace)
        tasks = await self._prepare_all(keys.all_keyed(call.body, key))
        return await self._create_all(tasks if key is None else keys.bound_together(tasks), trace)

    async def clone_task(self, call: Call[Any, Any]) -> Answer:
        """Queue a new task with the data and the options of another one, but for its key.

        If that one is scheduled, so is the new one. Under an `Idempotency-Key` it is queued once.
        """
        key = keys.read_key(call.headers)
        original = (await history_of(self._ask, call.path["id"])).task
        task = self._prepare(_copied(original))
        of_source = None if key is None else sha256(f"clone of {original.id}".encode()).hexdigest()
        trace = read_traceparent(call.headers)
        return await self._accept(replace(task, unique_key=key, fingerprint=of_source), trace)

    async def _accept(self, task: NewTask, trace: str | None) -> Answer:
        [accepted] = await self._enqueue((task,), trace)
        if accepted.acceptance is Acceptance.CONFLICT:
            raise _reused({str(task.unique_key): accepted.id}, [_conflict(accepted)])
        return _accepted(self._receipt(task, accepted), replayed=accepted.id != task.id)

    async def _create_all(self, tasks: Sequence[NewTask], trace: str | None) -> Answer:
        answers = await self._enqueue(tasks, trace)
        _require_no_conflict(tasks, answers)
        receipts = [self._receipt(*pair) for pair in zip(tasks, answers, strict=True)]
        known = {accepted.id for accepted in answers}
        return _accepted(
            Receipts(tasks=receipts, count=len(receipts)),
            replayed=known.isdisjoint(task.id for task in tasks),
        )

    async def _enqueue(self, tasks: Sequence[NewTask], trace: str | None) -> Sequence[Accepted]:
        try:
            with traced(self._app.tracing, tasks, trace) as sent:
                return await self._ask(Enqueue(tasks=sent))
        except UNAVAILABLE as error:
            told = _QUEUEING if tasks[0].unique_key is None else _QUEUEING_ONCE
            raise told.problem() from error

    def _prepare(self, asked: TaskRequest) -> NewTask:
        try:
            return self._app.prepare(asked.action, bytes(asked.data), options=asked.options())
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
                tasks.append(self._app.prepare(one.action, bytes(one.data), options=one.options()))
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


def _copied(task: Task) -> TaskRequest:
    return TaskRequest(
        action=task.action,
        data=msgspec.json.decode(task.payload, type=Payload).data,
        queue=task.queue,
        priority=task.priority,
        max_attempts=task.max_attempts,
        run_at=task.run_at if task.status is Status.SCHEDULED else None,
    )


def _accepted(receipt: Receipt | Receipts, *, replayed: bool) -> Answer:
    return Answer(receipt, HTTPStatus.ACCEPTED, keys.REPLAYED if replayed else None)


def _require_no_conflict(tasks: Sequence[NewTask], answers: Sequence[Accepted]) -> None:
    conflicts = {
        index: accepted
        for index, accepted in enumerate(answers)
        if accepted.acceptance is Acceptance.CONFLICT
    }
    if conflicts:
        queued = sum(accepted.acceptance is Acceptance.ACCEPTED for accepted in answers)
        raise _reused(
            {str(tasks[index].unique_key): accepted.id for index, accepted in conflicts.items()},
            [
                fault
                for index, accepted in conflicts.items()
                for fault in requests.indexed(index, (_conflict(accepted),))
            ],
            f"Tasks of this list that were queued, because their keys were free: {queued}.",
        )


def _reused(
    conflicts: Mapping[str, str], faults: Sequence[Fault], detail: str | None = None
) -> Problem:
    status = HTTPStatus.UNPROCESSABLE_ENTITY
    return Problem(status, _REUSED, detail, faults=faults, conflicts=conflicts)


def _conflict(accepted: Accepted) -> Fault:
    return Fault("unique_key", f"belongs to task {accepted.id}, whose request was different")
