"""Reads the bodies of new tasks: with a fast decoder, or in detail if that refuses them.

The fast decoder stops at the first fault, and accepts one spelling of an integer. A body that it
refuses is read again, task by task and option by option, and is then accepted or refused with all
faults.
"""

import asyncio
from collections.abc import Sequence
from http import HTTPStatus

from msgspec import Raw

from taskqueue.api.app import App
from taskqueue.errors import Fault, Faults, InvalidTask, TaskTooLarge, UnknownAction
from taskqueue.http import problems
from taskqueue.http.problems import Problem
from taskqueue.http.tasks.requests import (
    NoAction,
    TaskRequest,
    indexed,
    items_of,
    read_one,
    read_tasks,
)
from taskqueue.rules.tasks import NewTask

# Tasks of one request that are checked before other requests get a turn of the loop.
TURN = 100


class TaskReader:
    """Reads tasks and finds all their faults, including those of their data."""

    def __init__(self, app: App) -> None:
        """Make a reader; `app` knows which data the actions take."""
        self._app = app

    async def read(self, body: bytes) -> TaskRequest | Sequence[TaskRequest]:
        """Return the task of a body, or the tasks if it is an array.

        Raises:
            Problem: 400, it is no JSON, or no object with an action; 422, with every fault.
        """
        decoded = read_tasks(body)
        return await self._read_in_detail(body) if decoded is None else decoded

    async def _read_in_detail(self, body: bytes) -> TaskRequest | Sequence[TaskRequest]:
        items = items_of(body)
        if not isinstance(items, Raw):
            return await self._read_several(items)
        try:
            request, faults = self._read_one(items)
        except NoAction:
            raise Problem(HTTPStatus.BAD_REQUEST, "action required") from None
        if faults:
            raise Problem.invalid("invalid task", faults)
        return request

    async def _read_several(self, items: Sequence[Raw]) -> Sequence[TaskRequest]:
        requests: list[TaskRequest] = []
        faults = Faults()
        for index, item in enumerate(items):
            if faults.is_full:
                faults.add(more=len(items) - index)
                break
            try:
                request, wrong = self._read_one(item)
            except NoAction:
                faults.add(Fault(f"[{index}].action", "required"))
            else:
                requests.append(request)
                faults.add(*indexed(index, wrong.named), more=wrong.more)
            if index % TURN == TURN - 1:
                await asyncio.sleep(0)
        if faults:
            raise Problem.invalid("invalid tasks", faults)
        return requests

    def _read_one(self, item: Raw) -> tuple[TaskRequest, Faults]:
        request, faults = read_one(item)
        if faults:
            wrong = self._faults_beside(request)
            faults.add(*wrong.named, more=wrong.more)
        return request, faults

    def _faults_beside(self, request: TaskRequest) -> Faults:
        """Return what is wrong with a task beside the options that could not be read."""
        try:
            prepared(self._app, request)
        except (UnknownAction, InvalidTask) as error:
            return problems.faults_of(error)
        except TaskTooLarge as error:
            raise problems.refusal(error) from error
        return Faults()


def prepared(app: App, asked: TaskRequest) -> NewTask:
    """Return the task that a request asks for.

    Raises:
        UnknownAction, InvalidTask, TaskTooLarge: as `App.prepare` does.
    """
    return app.prepare(
        asked.action,
        bytes(asked.data),
        options=asked.options(),
        idempotency_key=asked.idempotency_key,
    )
