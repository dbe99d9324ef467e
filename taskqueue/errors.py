"""Errors of taskqueue.

    TaskQueueError
    ├─ ConfigError             faults               all faults found
    ├─ InvalidTask             faults, more         data that does not match the handler's signature
    ├─ UnknownAction           action, known        no handler of that name
    ├─ TaskTooLarge            what, size, limit    payload or result, in bytes
    ├─ TaskNotFound            task_id
    ├─ KeyConflict             keys                 the key belongs to a different request
    ├─ KeyTaken                keys                 the key belongs to a task that stays as it is
    ├─ GroupClosed             groups               they accept no more tasks
    ├─ GroupNotFound           name
    ├─ StatementRefused        detail               handler SQL that cannot be applied
    │  └─ StatementsFatal      detail               the process that ran it died
    ├─ TooManyConsumers        count, wanted, free, limit   of file descriptors
    ├─ ServiceNotStarted       faults               port or database in use, migration failed, …
    ├─ ServiceFailed           reason               the supervision tree gave up
    ├─ NotRunning              actions              no service to enqueue to
    ├─ WouldBlock              what, instead        a blocking call on the service's own loop
    ├─ NoConnection            reason               `ctx.connection()` is not available here
    ├─ LeaseLost               task_id              the attempt no longer holds the task
    ├─ NoResources                                  `ctx.resources` in an app without any
    ├─ ResourcesNotOpened      reason               the app's resources could not be opened
    ├─ ResourcesLost           reason               they ended while they were in use
    ├─ ClientError             raised only by `Client` and `AsyncClient`
    │  ├─ ServiceUnavailable   url, reason, status  no answer, or a 503, after all retries
    │  ├─ CallRefused          status, error, detail, faults   any other failure
    │  │  └─ AccessDenied      status, error, detail, faults   401 or 403
    │  ├─ TaskNotCompleted     task_id, status, reason   it has no result: dead or cancelled
    │  ├─ WaitTimeout          task_id, after_s     the task has not ended yet
    │  ├─ RateSpent            limit, retry_after_s, timeout_s   the rate does not allow it in time
    │  └─ GroupWaitTimeout     name, after_s        the group has not ended yet
    ├─ StorageError
    │  ├─ StorageUnavailable   reason               try again: locked, lost, full, degraded
    │  │  ├─ StorageReadOnly   reason               opened read-only
    │  │  ├─ StorageDenied     reason               the server denies this user the access
    │  │  ├─ StorageLost       reason               must be reopened
    │  │  ├─ StorageBusy       reason               another program holds what this call needs
    │  │  └─ OperationFailed   reason               only this operation failed
    │  ├─ SchemaMismatch       path, found, wanted  the database was written by another release
    │  ├─ ForeignSchema        path, detail         the database belongs to another program
    │  └─ StorageCorrupt       path, detail         not a usable database; left untouched
    └─ ActorError
       ├─ ActorUnavailable     target, cause        does not run, or ended before it answered
       ├─ AskTimeout           target, after_s
       ├─ StartFailed          actor, cause
       └─ StartTimeout         limit_s

An error carries data, and its class builds the message: raise it with fields.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from taskqueue.foreign import rendering


class TaskQueueError(Exception):
    """Base of all errors that taskqueue raises. It can be pickled with all its data."""

    def __reduce__(self) -> tuple[object, ...]:
        """Rebuild it from its data: `Exception` would pass its message to `__init__`."""
        return _again, (type(self), self.args), self.__dict__


def _again(kind: type[TaskQueueError], args: tuple[object, ...]) -> TaskQueueError:
    error = kind.__new__(kind)
    error.args = args
    return error


@dataclass(frozen=True, slots=True)
class Fault:
    """One fault of an input: the field, and what is expected there."""

    field: str
    message: str

    def __str__(self) -> str:
        """Return `field: message`."""
        return f"{self.field}: {self.message}"


MAX_FAULTS = 100
"""Maximum number of faults that are named per input; further ones are only counted."""


class Faults:
    """Collects the faults of an input, up to `MAX_FAULTS`, so that hostile input stays cheap."""

    def __init__(self) -> None:
        """Create an empty collection."""
        self.named: list[Fault] = []
        self.more = 0
        """Number of further parts of the input that are wrong or were not checked."""

    def __bool__(self) -> bool:
        """Return whether there are faults."""
        return bool(self.named)

    @property
    def is_full(self) -> bool:
        """Whether the list is full, so the rest need not be checked."""
        return len(self.named) >= MAX_FAULTS

    def add(self, *faults: Fault, more: int = 0) -> None:
        """Add these faults, and count `more` unnamed ones."""
        room = MAX_FAULTS - len(self.named)
        self.named += faults[:room]
        self.more += more + max(0, len(faults) - room)


class _Faulty(TaskQueueError):
    def __init__(self, faults: tuple[Fault, ...]) -> None:
        self.faults = faults
        super().__init__("; ".join(map(str, faults)))


class ConfigError(_Faulty):
    """The settings are invalid; `faults` lists every fault."""


class InvalidTask(_Faulty):
    """The data of a task does not match its handler's signature.

    `faults` names up to a hundred wrong fields, and `more` is the number of the others.
    """

    def __init__(self, faults: tuple[Fault, ...], more: int = 0) -> None:
        self.more = more
        super().__init__(faults)
        if more:
            self.args = (f"{self.args[0]}; and {more} more",)


class UnknownAction(TaskQueueError):
    """No handler is registered for `action`; `known` are those that are."""

    def __init__(self, action: str, known: tuple[str, ...]) -> None:
        self.action = action
        self.known = known
        listed = ", ".join(sorted(known)) or "none"
        super().__init__(f"unknown action {action!r}; this app knows: {listed}")


class TaskTooLarge(TaskQueueError):
    """The payload or the result (`what`) has `size` bytes, more than `limit`."""

    def __init__(self, what: str, size: int, limit: int) -> None:
        self.what = what
        self.size = size
        self.limit = limit
        super().__init__(f"{what} has {size} bytes; the limit is {limit}")


class TaskNotFound(TaskQueueError):
    """There is no task with this id; it may have been deleted."""

    def __init__(self, task_id: str) -> None:
        self.task_id = task_id
        super().__init__(f"no task {task_id}")


class KeyConflict(TaskQueueError):
    """These unique keys belong to different requests, so these tasks were not accepted.

    `keys` maps each key to the id of the task that has it.
    """

    def __init__(self, keys: Mapping[str, str]) -> None:
        self.keys = keys
        held = ", ".join(f"{key!r} belongs to task {task_id}" for key, task_id in keys.items())
        super().__init__(f"unique key of a different request: {held}")


class KeyTaken(TaskQueueError):
    """Other tasks hold these unique keys and cannot be changed, so these tasks were not accepted.

    Either the rule of the key rejects repeats, or it replaces or postpones the task that holds the
    key, and that task is no longer waiting. `keys` maps each key to the id of that task.
    """

    def __init__(self, keys: Mapping[str, str]) -> None:
        self.keys = keys
        held = ", ".join(f"{key!r} is held by task {task_id}" for key, task_id in keys.items())
        super().__init__(f"unique key is taken: {held}")


class GroupClosed(TaskQueueError):
    """These `groups` are closed, so these tasks were not accepted."""

    def __init__(self, groups: tuple[str, ...]) -> None:
        self.groups = groups
        super().__init__(f"closed group: {', '.join(map(repr, groups))}; enqueue before the close")


class GroupNotFound(TaskQueueError):
    """There is no group with this name; it may have been deleted."""

    def __init__(self, name: str) -> None:
        self.name = name
        super().__init__(f"no group {name!r}")


class StatementRefused(TaskQueueError):
    """A statement of a handler's transaction cannot be applied; `detail` says why."""

    def __init__(self, detail: str) -> None:
        self.detail = detail
        super().__init__(f"statement refused: {detail}")


class StatementsFatal(StatementRefused):
    """Each time they ran, a handler's statements ended the process that ran them."""


class NotRunning(TaskQueueError):
    """The app has no service to enqueue to, so tasks of these `actions` were not enqueued."""

    def __init__(self, actions: tuple[str, ...]) -> None:
        self.actions = actions
        super().__init__(
            f"not enqueued: {', '.join(actions)}; no service runs in this process, and no other is "
            "configured: call app.connect(url) or set TASKQUEUE_URL"
        )


class WouldBlock(TaskQueueError):
    """The call `what` would block the event loop that has to do its work; use `instead`."""

    def __init__(self, what: str, instead: str) -> None:
        self.what = what
        self.instead = instead
        super().__init__(f"{what} would block the service's event loop; use {instead}")


class NoConnection(TaskQueueError):
    """`ctx.connection()` is not available to this handler; `reason` says why."""

    def __init__(self, reason: str) -> None:
        self.reason = reason
        super().__init__(
            f"ctx.connection(): {reason}; it is for `async def` handlers on the loop of a service "
            "on PostgreSQL, and ctx.transaction() for all others"
        )


class LeaseLost(TaskQueueError):
    """The attempt no longer holds the task `task_id`: what it wrote is rolled back."""

    def __init__(self, task_id: str) -> None:
        self.task_id = task_id
        super().__init__(f"another attempt has task {task_id!r}, or it has ended")


class NoResources(TaskQueueError):
    """A handler used `ctx.resources`, but the app declares none."""

    def __init__(self) -> None:
        super().__init__(
            "ctx.resources: this app has none; declare them with @app.resources, or in a test of "
            "the handler alone pass them: Context(task, resources=…)"
        )


class ResourcesNotOpened(TaskQueueError):
    """The app's resources could not be opened; `reason` is one line."""

    def __init__(self, reason: str) -> None:
        self.reason = reason
        super().__init__(f"resources not opened: {reason}")


class ResourcesLost(TaskQueueError):
    """The app's resources ended while they were in use; `reason` is one line."""

    def __init__(self, reason: str) -> None:
        self.reason = reason
        super().__init__(f"resources lost: {reason}")


class ClientError(TaskQueueError):
    """Base of the errors that only clients of the service raise."""


class ServiceUnavailable(ClientError):
    """The service at `url` cannot be reached or cannot serve now; `reason` is the last failure.

    `status` is the HTTP status of its answer, None without one. A task that was being enqueued may
    have been accepted; it is safe to enqueue it again with the same unique key.
    """

    def __init__(self, url: str, reason: str, status: int | None = None) -> None:
        self.url = url
        self.reason = reason
        self.status = status
        super().__init__(f"{url} is unavailable: {reason}")


class CallRefused(ClientError):
    """The service refused a call: the HTTP `status`, the constant `error`, and details."""

    def __init__(
        self, status: int, error: str, detail: str | None = None, faults: tuple[Fault, ...] = ()
    ) -> None:
        self.status = status
        self.error = error
        self.detail = detail
        self.faults = faults
        more = [*([detail] if detail else []), *map(str, faults)]
        super().__init__(f"{error} ({status})" + (f": {'; '.join(more)}" if more else ""))


class AccessDenied(CallRefused):
    """This client is not allowed to make this call (401 or 403)."""


class TaskNotCompleted(ClientError):
    """The task has no result because it ended as `status`; `reason` says why."""

    def __init__(self, task_id: str, status: str, reason: str | None) -> None:
        self.task_id = task_id
        self.status = status
        self.reason = reason
        super().__init__(f"task {task_id} is {status}" + (f": {reason}" if reason else ""))


class WaitTimeout(ClientError, TimeoutError):
    """The task has not ended within `after_s` seconds. It is not cancelled."""

    def __init__(self, task_id: str, after_s: float) -> None:
        self.task_id = task_id
        self.after_s = after_s
        super().__init__(f"task {task_id} has not ended within {after_s:g} s")


class RateSpent(ClientError, TimeoutError):
    """The rate of a limit does not allow this within `timeout_s` seconds; no start was taken.

    It may allow it in `retry_after_s` seconds.
    """

    def __init__(self, limit: str, retry_after_s: float, timeout_s: float) -> None:
        self.limit = limit
        self.retry_after_s = retry_after_s
        self.timeout_s = timeout_s
        within = f"more than timeout_s={timeout_s:g}"
        super().__init__(f"limit {limit!r} allows this in {retry_after_s:g} s, {within}")


class GroupWaitTimeout(ClientError, TimeoutError):
    """The group has not ended within `after_s` seconds. It is not cancelled."""

    def __init__(self, name: str, after_s: float) -> None:
        self.name = name
        self.after_s = after_s
        super().__init__(f"group {name!r} has not ended within {after_s:g} s")


class ServiceNotStarted(_Faulty):
    """The service cannot start for a reason outside its settings; `faults` lists all reasons."""


class ServiceFailed(TaskQueueError):
    """The supervision tree gave up, because an actor crashed too often. Tasks are not lost."""

    def __init__(self, reason: str) -> None:
        self.reason = reason
        super().__init__(f"gave up: {reason}; the log says why")


class TooManyConsumers(TaskQueueError):
    """`count` consumers need `wanted` file descriptors; `free` of `limit` are available."""

    def __init__(self, count: int, wanted: int, free: int, limit: int) -> None:
        self.count = count
        self.wanted = wanted
        self.free = free
        self.limit = limit
        super().__init__(
            f"{count} consumers need {wanted} file descriptors, and {free} of {limit} are "
            "available; raise the limit (ulimit -n) or start fewer consumers"
        )


class StorageError(TaskQueueError):
    """Base of the errors of the storage."""


class StorageUnavailable(StorageError):
    """The storage cannot serve now but may later; a write may or may not have happened."""

    def __init__(self, reason: str) -> None:
        self.reason = reason
        super().__init__(f"storage unavailable: {reason}")


class StorageReadOnly(StorageUnavailable):
    """The storage was opened read-only, and stays so until it is reopened."""


class StorageDenied(StorageUnavailable):
    """The server denies this user what the call needs, until an administrator allows it."""


class StorageLost(StorageUnavailable):
    """The open storage can no longer be used; reopening it may work at once.

    A connection or a process that served it has ended. The outcome of writes in flight is unknown.
    """


class StorageBusy(StorageUnavailable):
    """Another program holds a lock that this call needs. Nothing was written."""


class OperationFailed(StorageUnavailable):
    """One operation failed for an unforeseen reason; others may succeed.

    For example a failing trigger on the queue's tables, an invalid value, or a lack of memory.
    """


class SchemaMismatch(StorageError):
    """The schema of the database at `path` has version `found`; this release needs `wanted`."""

    def __init__(self, path: str, found: int, wanted: int) -> None:
        self.path = path
        self.found = found
        self.wanted = wanted
        advice = "upgrade taskqueue" if found > wanted else "run `taskqueue migrate`"
        super().__init__(
            f"{path} has schema version {found}, this release needs {wanted}: {advice}"
        )


class ForeignSchema(StorageError):
    """The database at `path` belongs to another program; `detail` says why it looks like that."""

    def __init__(self, path: str, detail: str) -> None:
        self.path = path
        self.detail = detail
        super().__init__(f"{path} {detail}; choose another file with the setting `database`")


class StorageCorrupt(StorageError):
    """The file at `path` is not a usable database. It is left untouched."""

    def __init__(self, path: str, detail: str) -> None:
        self.path = path
        self.detail = detail
        super().__init__(
            f"{path} is not a usable database ({detail}); restore it from a backup, or choose "
            "another file with the setting `database`"
        )


class ActorError(TaskQueueError):
    """Base of the errors that callers of actors get from the runtime."""


class ActorUnavailable(ActorError):
    """`target` does not run, or ended before it answered; `cause` is its exit reason if known."""

    def __init__(self, target: str, cause: object = None) -> None:
        self.target = target
        self.cause = cause
        super().__init__(
            f"{target} is unavailable" + (f": {rendering.text(cause)}" if cause is not None else "")
        )


class AskTimeout(ActorError):
    """`target` did not answer within `after_s` seconds. It may still do the work."""

    def __init__(self, target: str, after_s: float) -> None:
        self.target = target
        self.after_s = after_s
        super().__init__(f"{target} did not answer within {after_s} s")


class StartFailed(ActorError):
    """`actor` could not be started; `cause` says why and is chained."""

    def __init__(self, actor: str, cause: object) -> None:
        self.actor = actor
        self.cause = cause
        super().__init__(f"{actor} did not start: {rendering.text(cause)}")


class StartTimeout(ActorError):
    """A start took longer than `limit_s` seconds; all actors that it had started were stopped."""

    def __init__(self, limit_s: float) -> None:
        self.limit_s = limit_s
        super().__init__(f"not done within {limit_s:g} s")
