"""Tasks as a client sends them: each with a key, so that it can be sent twice and is there once."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, TypeAlias
from uuid import uuid4

import msgspec

from taskqueue.client.verbs import NewTaskBody
from taskqueue.errors import InvalidTask
from taskqueue.rules.arguments import encoded as encode
from taskqueue.rules.encoding import MAX_BYTES
from taskqueue.rules.options import NO_CHOICE, Options
from taskqueue.rules.tasks import NewTask
from taskqueue.rules.uniqueness import Scope, scope_of, shown_key

MAX_TASKS = 10_000  # in one request

AnyTask: TypeAlias = NewTask | tuple[str, Mapping[str, Any]]
"""A task that `action.prepare` made, or the name of an action with its arguments."""


def named(
    action: str,
    data: Mapping[str, Any] | None,
    arguments: Mapping[str, Any],
    options: Options,
) -> NewTaskBody:
    """Return a task for an action that is known by its name only.

    Raises:
        InvalidTask: an argument has no JSON form, or an option is out of its range.
    """
    if faults := tuple(options.faults()):
        raise InvalidTask(faults)
    encoded = msgspec.Raw(encode({**(data or {}), **arguments}))
    return NewTaskBody(action=action, data=encoded, idempotency_key=new_key(), **options.chosen())


def new_key() -> str:
    """Return a random key, under which the service accepts one task."""
    return uuid4().hex


def batches(tasks: Iterable[AnyTask]) -> Iterator[Sequence[NewTaskBody]]:
    """Yield the tasks in lists that one request can carry.

    Raises:
        InvalidTask: an argument has no JSON form.
    """
    return _in_batches(map(body_of, tasks), count=MAX_TASKS, size=MAX_BYTES)


def body_of(task: AnyTask) -> NewTaskBody:
    """Return the body for a task that was prepared, or is named.

    Raises:
        InvalidTask: an argument has no JSON form.
    """
    if isinstance(task, NewTask):
        return prepared(task)
    action, data = task
    return named(action, data, {}, NO_CHOICE)


def unkeyed(task: AnyTask) -> NewTaskBody:
    """Return the body for a task that another one brings about, so it needs no key to be one."""
    return msgspec.structs.replace(body_of(task), idempotency_key=None)


class _Payload(msgspec.Struct):
    action: str
    data: msgspec.Raw


_payload = msgspec.json.Decoder(_Payload)


def prepared(task: NewTask) -> NewTaskBody:
    """Return the body for a task that this program's own app has prepared and checked."""
    return NewTaskBody(
        action=task.action,
        data=_payload.decode(task.payload).data,
        idempotency_key=task.id,
        **_key_of(task),
        queue=task.queue,
        priority=task.priority,
        max_attempts=task.max_attempts,
        run_at=task.run_at,
        limits=task.limits,
        flow=task.flow,
        weight=None if task.flow is None else task.weight,
        expires_at=task.expires_at,
        group=task.group,
    )


def _key_of(task: NewTask) -> dict[str, Any]:
    """Return the choices about its key that make the same key again."""
    if task.unique_key is None:
        return {}
    key, scope, rule = shown_key(task.unique_key), scope_of(task.unique_key), task.key_rule
    chosen: dict[str, Any] = {"unique_key": key}
    if scope is not Scope.GLOBAL:
        chosen["unique_scope"] = scope
    if rule is not None:
        chosen |= {"unique_until": rule.until, "on_repeat": rule.on_repeat}
        chosen["latest_s"] = rule.latest_s
    return chosen


def _in_batches(
    tasks: Iterable[NewTaskBody], *, count: int, size: int
) -> Iterator[Sequence[NewTaskBody]]:
    """Yield the tasks in lists that the service accepts: at most `count` tasks and `size` bytes."""
    batch: list[NewTaskBody] = []
    left = size
    for task in tasks:
        needed = len(task.data) + 1_024  # options and punctuation
        if batch and (len(batch) == count or needed > left):
            yield batch
            batch, left = [], size
        batch.append(task)
        left -= needed
    if batch:
        yield batch
