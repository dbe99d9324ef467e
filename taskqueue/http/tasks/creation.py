"""POST /tasks: a task is accepted, or all tasks of a list.

Nothing is answered before it is stored.
"""

from collections.abc import Sequence
from hashlib import sha256
from http import HTTPStatus
from typing import Any

import msgspec
from msgspec.structs import replace

from taskqueue.api.app import App
from taskqueue.api.tracing import traced
from taskqueue.clock import Clock
from taskqueue.commands import Ask, Enqueue
from taskqueue.http.answers import Answer
from taskqueue.http.problems import UNAVAILABLE, Unavailable
from taskqueue.http.route import Call
from taskqueue.http.tasks import keys
from taskqueue.http.tasks.answers import Receipt, Receipts, receipt_of, receipts_of
from taskqueue.http.tasks.histories import history_of
from taskqueue.http.tasks.preparation import Preparation
from taskqueue.http.tasks.refusals import refuse_one, refuse_several
from taskqueue.http.tasks.requests import TaskRequest
from taskqueue.http.tasks.traces import read_traceparent
from taskqueue.rules.tasks import Accepted, NewTask, Payload, Status, Task

_FAILED, _NOT_STORED = "failed to queue task", "It was not stored"
_QUEUEING = Unavailable(
    _FAILED,
    "It may or may not have been stored. A second try may queue it a second time; "
    f"with the header {keys.HEADER} it could not.",
    _NOT_STORED,
)
_QUEUEING_ONCE = Unavailable(
    _FAILED,
    "It may or may not have been stored. Try again with the same key: it will be queued once.",
    _NOT_STORED,
)


class TaskCreation:
    """Accepts new tasks; `clock` tells whether a `run_at` lies ahead."""

    def __init__(self, ask: Ask, app: App, clock: Clock) -> None:
        self._ask = ask
        self._app = app
        self._clock = clock
        self._preparation = Preparation(app)

    async def create_task(self, call: Call[TaskRequest | Sequence[TaskRequest], Any]) -> Answer:
        """Queue a task, or all tasks of an array in one commit."""
        key, trace = keys.read_key(call.headers), read_traceparent(call.headers)
        if isinstance(call.body, TaskRequest):
            return await self._accept(self._preparation.one(keys.keyed(call.body, key)), trace)
        tasks = await self._preparation.several(keys.all_keyed(call.body, key))
        return await self._create_all(tasks if key is None else keys.bound_together(tasks), trace)

    async def clone_task(self, call: Call[Any, Any]) -> Answer:
        """Queue a new task with the data and the options of another one.

        Only its key and its group are left out. If that one is scheduled, so is the new one. Under
        an `Idempotency-Key` it is queued once.
        """
        key = keys.read_key(call.headers)
        original = (await history_of(self._ask, call.path["id"])).task
        task = self._preparation.one(_copied(original))
        of_source = None if key is None else sha256(f"clone of {original.id}".encode()).hexdigest()
        trace = read_traceparent(call.headers)
        cloned = replace(task, unique_key=key, fingerprint=of_source, key_rule=None)
        return await self._accept(cloned, trace)

    async def _accept(self, task: NewTask, trace: str | None) -> Answer:
        [accepted] = await self._enqueue((task,), trace)
        refuse_one(task, accepted)
        receipt = receipt_of(task, accepted, now=self._clock.now())
        if receipt.acceptance is not None:
            return Answer(receipt)
        return _accepted(receipt, replayed=accepted.id != task.id)

    async def _create_all(self, tasks: Sequence[NewTask], trace: str | None) -> Answer:
        answers = await self._enqueue(tasks, trace)
        refuse_several(tasks, answers)
        receipts = receipts_of(tasks, answers, now=self._clock.now())
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
            raise told.problem(error) from error


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
