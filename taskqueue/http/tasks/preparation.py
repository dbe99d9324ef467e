"""New tasks of a request, checked as the app checks them, with all their faults."""

import asyncio
from collections.abc import Sequence

from taskqueue.api.app import App
from taskqueue.errors import Faults, InvalidTask, TaskTooLarge, UnknownAction
from taskqueue.http import problems
from taskqueue.http.problems import Problem
from taskqueue.http.tasks import requests
from taskqueue.http.tasks.reading import TURN, prepared
from taskqueue.http.tasks.requests import TaskRequest
from taskqueue.rules.tasks import NewTask


class Preparation:
    """Makes tasks of what requests ask for."""

    def __init__(self, app: App) -> None:
        self._app = app

    def one(self, asked: TaskRequest) -> NewTask:
        """Return one task.

        Raises:
            Problem: 422, with every fault; 413.
        """
        try:
            return prepared(self._app, asked)
        except problems.REFUSED as error:
            raise problems.refusal(error) from error

    async def several(self, asked: Sequence[TaskRequest]) -> list[NewTask]:
        """Return the tasks of a list; other requests get turns of the loop meanwhile.

        Raises:
            Problem: 422, with every fault, each under the place of its task; 413.
        """
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
