"""One request per verb: over HTTP, with the reader of its answer, or to a file. No I/O here."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeVar
from urllib.parse import quote, urlencode

import msgspec
from msgspec.structs import replace

from taskqueue.client.attempt_views import LogsPage, TaskStack
from taskqueue.client.audit_views import Changes
from taskqueue.client.call import Call, refused
from taskqueue.client.verbs import Filters, NewTaskBody, Verbs
from taskqueue.client.views import (
    Progress,
    QueueInfo,
    Receipt,
    SettingInfo,
    TaskInfo,
    TaskPage,
)
from taskqueue.errors import InvalidTask
from taskqueue.rules import arguments
from taskqueue.rules.options import Options
from taskqueue.rules.sizes import ConsumersSize
from taskqueue.traces import current_traceparent

T = TypeVar("T")


class _Receipts(msgspec.Struct):
    tasks: list[Receipt]


def enqueue(task: NewTaskBody) -> Call[Receipt]:
    """Enqueue one task."""
    return Call(
        method="POST",
        path="/tasks",
        body=_encoded(sent(task)),
        read=_reader(Receipt),
        directly=lambda file: file.enqueue([task])[0],
        traceparent=current_traceparent(),
    )


def enqueue_many(tasks: Sequence[NewTaskBody]) -> Call[Sequence[Receipt]]:
    """Enqueue several tasks in one commit."""
    read = _reader(_Receipts)
    return Call(
        method="POST",
        path="/tasks",
        body=_encoded([sent(task) for task in tasks]),
        read=lambda body: read(body).tasks,
        directly=lambda file: file.enqueue(tasks),
        traceparent=current_traceparent(),
    )


def sent(task: NewTaskBody) -> NewTaskBody:
    """Return a task without what the service works out itself."""
    if task.limits is None and task.flow is None:
        return task
    return replace(task, limits=None, flow=None, weight=None)


def get(task_id: str, *, wait_s: float = 0.0) -> Call[TaskInfo]:
    """Ask for one task; the service answers when it has ended, or `wait_s` are over."""
    query = query_of(wait_s=wait_s or None)
    path = f"{_of_task(task_id)}{query}"
    return Call(
        method="GET",
        path=path,
        read=_reader(TaskInfo),
        directly=lambda file: file.get(task_id),
        is_final=_has_ended,
        task_id=task_id,
        waits_s=wait_s,
    )


def logs(task_id: str, cursor: int | None) -> Call[LogsPage]:
    """Ask for a page of what the attempts at a task have logged."""
    return Call(
        method="GET",
        path=f"{_of_task(task_id, 'logs')}{query_of(cursor=cursor)}",
        read=_reader(LogsPage),
        directly=lambda file: file.logs(task_id, cursor),
        task_id=task_id,
    )


def stack(task_id: str) -> Call[TaskStack]:
    """Ask in which calls the handler of a running task is."""
    return Call(
        method="GET", path=_of_task(task_id, "stack"), read=_reader(TaskStack), task_id=task_id
    )


def _has_ended(task: TaskInfo) -> bool:
    return task.has_ended


def find(filters: Filters, *, sort: str | None, cursor: str | None) -> Call[TaskPage]:
    """Ask for a page of tasks."""
    query = query_of(**joined(filters), sort=sort, cursor=cursor)
    return Call(
        method="GET",
        path=f"/tasks{query}",
        read=_reader(TaskPage),
        directly=lambda file: file.find(filters, sort=sort, cursor=cursor),
    )


def change_all(
    verb: str, filters: Filters, *, dry_run: bool, cursor: str | None, reason: str | None = None
) -> Call[Progress]:
    """Cancel, redrive, delete or run now all that match, for as long as one request works."""
    query = query_of(
        **joined(filters),
        all="true",
        dry_run="true" if dry_run else None,
        cursor=cursor,
        reason=reason,
    )
    return Call(method="POST", path=f"/tasks/{verb}{query}", read=_reader(Progress))


def joined(filters: Filters) -> dict[str, object]:
    """Return filters as parameters of a query."""
    status = filters.get("status")
    texts = status if status is None or isinstance(status, str) else ",".join(status)
    return {**filters, "status": texts}


def cancel(task_id: str, reason: str | None) -> Call[str]:
    """Cancel a task; the answer is `cancelled`, or `cancelling` while its handler stops."""
    body = None if reason is None else {"reason": reason}
    return _command(task_id, "cancel", body, lambda file: file.cancel(task_id, reason))


def redrive(task_id: str) -> Call[str]:
    """Queue a dead task again."""
    return _command(task_id, "redrive", None, lambda file: file.redrive(task_id))


def edit(task_id: str, data: Mapping[str, Any] | None, options: Options) -> Call[TaskInfo]:
    """Change a task; what is None stays.

    Raises:
        InvalidTask: an argument has no JSON form, or an option is out of its range.
    """
    if faults := tuple(options.faults()):
        raise InvalidTask(faults)
    body: dict[str, Any] = dict(options.chosen())
    if data is not None:
        body["data"] = msgspec.Raw(arguments.encoded(data))
    return Call(
        method="PATCH",
        path=_of_task(task_id),
        read=_reader(TaskInfo),
        body=_encoded(body),
        task_id=task_id,
        is_repeatable=False,
    )


def run_now(task_id: str) -> Call[str]:
    """Make a task due."""
    return _command(task_id, "run-now", None, refused)


def clone(task_id: str, key: str) -> Call[Receipt]:
    """Enqueue a copy of a task, once under this key."""
    return Call(
        method="POST",
        path=_of_task(task_id, "clone"),
        read=_reader(Receipt),
        task_id=task_id,
        key=key,
        traceparent=current_traceparent(),
    )


def delete(task_id: str) -> Call[None]:
    """Delete a task that has ended."""
    return Call(
        method="DELETE",
        path=_of_task(task_id),
        read=_nothing,
        directly=lambda file: file.delete(task_id),
        task_id=task_id,
        is_repeatable=False,
    )


def queues() -> Call[Sequence[QueueInfo]]:
    """Ask for the queues."""
    read = _reader(_Queues)
    return Call(method="GET", path="/queues", read=lambda body: read(body).queues)


def pause(queue: str, *, paused: bool) -> Call[None]:
    """Pause or resume a queue."""
    verb = "pause" if paused else "resume"
    path = f"/queues/{quote(queue, safe='')}/{verb}"
    return Call(
        method="POST",
        path=path,
        read=_nothing,
        directly=lambda file: file.pause(queue, paused=paused),
    )


def consumers() -> Call[ConsumersSize]:
    """Ask how many shared consumers there are meant to be."""
    return Call(method="GET", path="/supervision/consumers", read=_reader(ConsumersSize))


def set_consumers(count: int | None) -> Call[ConsumersSize]:
    """Have so many shared consumers, or as many as are configured."""
    body = _encoded({"count": count})
    read = _reader(ConsumersSize)
    return Call(method="PUT", path="/supervision/consumers", body=body, read=read)


def audit(limit: int, cursor: str | None, task: str | None) -> Call[Changes]:
    """Ask for a page of who has changed what."""
    path = f"/audit{query_of(limit=limit, cursor=cursor, task=task)}"
    return Call(method="GET", path=path, read=_reader(Changes))


def settings() -> Call[Sequence[SettingInfo]]:
    """Ask for the settings."""
    read = _reader(_Settings)
    return Call(method="GET", path="/settings", read=lambda body: read(body).settings)


class _Settings(msgspec.Struct):
    settings: list[SettingInfo]


class _Queues(msgspec.Struct):
    queues: list[QueueInfo]


class _Outcome(msgspec.Struct):
    status: str


def _command(
    task_id: str, verb: str, body: Mapping[str, str] | None, directly: Callable[[Verbs], str]
) -> Call[str]:
    read = _reader(_Outcome)
    return Call(
        method="POST",
        path=_of_task(task_id, verb),
        task_id=task_id,
        body=None if body is None else _encoded(body),
        read=lambda answer: read(answer).status,
        directly=directly,
        is_repeatable=False,
    )


def _of_task(task_id: str, *verbs: str) -> str:
    return "/".join(("/tasks", quote(task_id, safe=""), *verbs))


def _nothing(_: bytes) -> None:
    return None


def query_of(**parameters: object) -> str:
    """Return the query of a request, without the parameters that are None."""
    given = [(name, value) for name, value in parameters.items() if value is not None]
    return f"?{urlencode(given)}" if given else ""


def _encoded(body: object) -> bytes:
    return msgspec.json.encode(body)


def _reader(kind: type[T]) -> Callable[[bytes], T]:
    return msgspec.json.Decoder(kind).decode
