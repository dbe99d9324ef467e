"""The calls about tasks, for the route table."""

from collections.abc import Iterator
from http import HTTPStatus

from taskqueue.api.app import App
from taskqueue.clock import Clock
from taskqueue.commands import Ask
from taskqueue.http.problems import Unavailable
from taskqueue.http.route import Body, Route
from taskqueue.http.tasks.answers import (
    Cancellation,
    Page,
    Receipt,
    Receipts,
    Stats,
    TaskDetail,
)
from taskqueue.http.tasks.bulk import CANCEL, DELETE, REDRIVE, RUN_NOW, BulkRoutes, Progress
from taskqueue.http.tasks.cancellation import CancelRequest, read_reason
from taskqueue.http.tasks.creation import TaskCreation
from taskqueue.http.tasks.editing import EDIT, TaskEditing, read_edit
from taskqueue.http.tasks.keys import KEY_HEADER
from taskqueue.http.tasks.log_answers import Logs
from taskqueue.http.tasks.queries import LOGS, PAGE, STATS, WAIT
from taskqueue.http.tasks.reading import TaskReader
from taskqueue.http.tasks.refusals import GROUP_CLOSED, KEY_TAKEN
from taskqueue.http.tasks.requests import TaskList, TaskRequest
from taskqueue.http.tasks.routes import TaskRoutes
from taskqueue.http.tasks.traces import TRACE_HEADER
from taskqueue.http.tasks.waiting import TaskWaits
from taskqueue.rules.access import Role

_OK, _ACCEPTED = HTTPStatus.OK, HTTPStatus.ACCEPTED
_NOT_FOUND, _CONFLICT = HTTPStatus.NOT_FOUND, HTTPStatus.CONFLICT
_READER, _CLIENT, _ADMINISTRATOR = Role.READ, Role.ENQUEUE, Role.ADMIN

_NO_TASK = {_NOT_FOUND: "task not found"}

_QUEUEING = Unavailable("failed to queue task")
_EDITING = Unavailable("failed to change task")
_READING = Unavailable("database unavailable")
_IN_PART = "It may have been done in part. You can send the same request again."
_BUSY = "Some may have been done, others not"


def task_table(ask: Ask, app: App, clock: Clock, waits: TaskWaits) -> Iterator[Route]:
    """Yield the calls about tasks."""
    tasks = TaskRoutes(ask, clock, waits)
    yield from _of_new_tasks(TaskCreation(ask, app, clock), app)
    yield from _of_tasks(tasks)
    yield from _changing_tasks(tasks)
    yield from _changing_all(BulkRoutes(ask, clock))
    yield from _editing_tasks(TaskEditing(ask, app, clock))


def _of_new_tasks(creation: TaskCreation, app: App) -> Iterator[Route]:
    yield Route(
        "POST",
        "/tasks",
        creation.create_task,
        _CLIENT,
        {_ACCEPTED: Receipt | Receipts, _OK: Receipt},
        headers={**KEY_HEADER, **TRACE_HEADER},
        problems={_CONFLICT: f"{KEY_TAKEN}, or {GROUP_CLOSED}"},
        body=Body(TaskRequest | TaskList, TaskReader(app).read),
        unavailable=_QUEUEING,
        writes=True,
        only_enqueues=True,
    )
    yield Route(
        "POST",
        "/tasks/{id}/clone",
        creation.clone_task,
        _CLIENT,
        {_ACCEPTED: Receipt},
        headers={**KEY_HEADER, **TRACE_HEADER},
        problems={**_NO_TASK, HTTPStatus.UNPROCESSABLE_ENTITY: "invalid task"},
        unavailable=_QUEUEING,
        writes=True,
        only_enqueues=True,
    )


def _of_tasks(tasks: TaskRoutes) -> Iterator[Route]:
    yield Route(
        "GET", "/tasks", tasks.list_tasks, _READER, {_OK: Page}, query=PAGE, unavailable=_READING
    )
    yield Route(
        "GET",
        "/tasks/{id}",
        tasks.show_task,
        _READER,
        {_OK: TaskDetail},
        query=WAIT,
        problems=_NO_TASK,
        unavailable=_READING,
    )
    yield Route(
        "GET",
        "/tasks/{id}/logs",
        tasks.show_logs,
        _READER,
        {_OK: Logs},
        query=LOGS,
        problems=_NO_TASK,
        unavailable=_READING,
    )
    yield Route(
        "GET",
        "/stats",
        tasks.show_stats,
        _READER,
        {_OK: Stats},
        query=STATS,
        unavailable=_READING,
    )


def _changing_tasks(tasks: TaskRoutes) -> Iterator[Route]:
    yield Route(
        "DELETE",
        "/tasks/{id}",
        tasks.delete_task,
        _ADMINISTRATOR,
        {HTTPStatus.NO_CONTENT: None},
        problems={**_NO_TASK, _CONFLICT: "task has not ended"},
        unavailable=Unavailable("failed to delete task"),
        writes=True,
    )
    yield Route(
        "POST",
        "/tasks/{id}/cancel",
        tasks.cancel_task,
        _CLIENT,
        {_OK: Cancellation, _ACCEPTED: Cancellation},
        body=Body(CancelRequest, read_reason, required=False),
        problems={**_NO_TASK, _CONFLICT: "task has ended"},
        unavailable=Unavailable("failed to cancel task"),
        writes=True,
    )
    yield Route(
        "POST",
        "/tasks/{id}/redrive",
        tasks.redrive_task,
        _CLIENT,
        {_ACCEPTED: Receipt},
        problems={**_NO_TASK, _CONFLICT: "task is not dead"},
        unavailable=_QUEUEING,
        writes=True,
    )


def _editing_tasks(editing: TaskEditing) -> Iterator[Route]:
    yield Route(
        "PATCH",
        "/tasks/{id}",
        editing.edit_task,
        _CLIENT,
        {_OK: TaskDetail},
        body=Body(EDIT, read_edit),
        problems={**_NO_TASK, _CONFLICT: "task is held, task has ended, or attempts are used up"},
        unavailable=_EDITING,
        writes=True,
    )
    yield Route(
        "POST",
        "/tasks/{id}/run-now",
        editing.run_now,
        _CLIENT,
        {_ACCEPTED: Receipt},
        problems={**_NO_TASK, _CONFLICT: "task is held, or task has ended"},
        unavailable=_EDITING,
        writes=True,
    )


def _changing_all(bulk: BulkRoutes) -> Iterator[Route]:
    for verb, handler, query in (
        ("cancel", bulk.cancel_tasks, CANCEL),
        ("redrive", bulk.redrive_tasks, REDRIVE),
        ("delete", bulk.delete_tasks, DELETE),
        ("run-now", bulk.run_tasks_now, RUN_NOW),
    ):
        yield Route(
            "POST",
            f"/tasks/{verb}",
            handler,
            _ADMINISTRATOR,
            {_OK: Progress},
            query=query,
            unavailable=Unavailable(f"failed to {verb} tasks", _IN_PART, _BUSY),
            writes=True,
        )
