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
from taskqueue.http.tasks.answers import Receipt, Receipts, Repeat
from taskqueue.http.tasks.histories import history_of
from taskqueue.http.tasks.reading import TURN, prepared
from taskqueue.http.tasks.requests import TaskRequest
from taskqueue.http.tasks.traces import read_traceparent
from taskqueue.rules.tasks import Acceptance, Accepted, NewTask, Payload, Status, Task
from taskqueue.rules.uniqueness import shown_key

_REUSED = "idempotency key reused"
_TAKEN = "unique key taken"

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
        cloned = replace(task, unique_key=key, fingerprint=of_source, key_rule=None)
        return await self._accept(cloned, trace)

    async def _accept(self, task: NewTask, trace: str | None) -> Answer:
        [accepted] = await self._enqueue((task,), trace)
        if accepted.acceptance in _REFUSED:
            raise _refused((task,), {0: accepted}, [_fault(accepted)])
        receipt = self._receipt(task, accepted)
        if receipt.acceptance is not None:
            return Answer(receipt)
        return _accepted(receipt, replayed=accepted.id != task.id)

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
            return prepared(self._app, asked)
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
                tasks.append(prepared(self._app, one))
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
        first = Status.SCHEDULED if ahead else Status.QUEUED
        return Receipt(
            id=accepted.id,
            status=accepted.status or first,
            acceptance=_REPEATS.get(accepted.acceptance),
        )


_REPEATS: Mapping[Acceptance, Repeat] = {
    Acceptance.KEPT: "kept",
    Acceptance.REPLACED: "replaced",
    Acceptance.POSTPONED: "postponed",
}
_REFUSED = {Acceptance.CONFLICT: _REUSED, Acceptance.REJECTED: _TAKEN}


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
    for refusal in _REFUSED:
        refused = {
            index: accepted
            for index, accepted in enumerate(answers)
            if accepted.acceptance is refusal
        }
        if refused:
            queued = sum(accepted.acceptance is Acceptance.ACCEPTED for accepted in answers)
            faults = [
                fault
                for index, accepted in refused.items()
                for fault in requests.indexed(index, (_fault(accepted),))
            ]
            detail = f"Tasks of this list that were queued, because their keys were free: {queued}."
            raise _refused(tasks, refused, faults, detail)


def _refused(
    tasks: Sequence[NewTask],
    refused: Mapping[int, Accepted],
    faults: Sequence[Fault],
    detail: str | None = None,
) -> Problem:
    """Return the problem of tasks whose keys are held, by their places."""
    [acceptance] = {accepted.acceptance for accepted in refused.values()}
    is_taken = acceptance is Acceptance.REJECTED
    conflicts = {
        shown_key(str(tasks[index].unique_key)): accepted.id for index, accepted in refused.items()
    }
    status = HTTPStatus.CONFLICT if is_taken else HTTPStatus.UNPROCESSABLE_ENTITY
    return Problem(status, _REFUSED[acceptance], detail, faults=faults, conflicts=conflicts)


def _fault(accepted: Accepted) -> Fault:
    if accepted.acceptance is Acceptance.REJECTED:
        return Fault("unique_key", f"is held by task {accepted.id}, which stays as it is")
    return Fault("unique_key", f"belongs to task {accepted.id}, whose request was different")
