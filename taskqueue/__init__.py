"""A durable task queue that supervises itself.

    from taskqueue import App, Context

    app = App()

    @app.task("resize")
    async def resize(ctx: Context, url: str, width: int = 800) -> None: ...

Names are loaded when they are first used: `import taskqueue` itself costs next to nothing.
"""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from taskqueue.api.action import Action
    from taskqueue.api.app import App
    from taskqueue.api.context import Context
    from taskqueue.api.hooks import TaskEvent
    from taskqueue.api.limits import Limit
    from taskqueue.api.middleware import CallNext
    from taskqueue.api.outcomes import Cancel, Reject, Retry, Snooze
    from taskqueue.api.retries import Retries
    from taskqueue.api.schedules import every
    from taskqueue.client.aio import AsyncClient
    from taskqueue.client.async_group import AsyncGroup
    from taskqueue.client.async_limit import AsyncLimit
    from taskqueue.client.async_queue import AsyncQueue
    from taskqueue.client.async_task import AsyncTask
    from taskqueue.client.event_stream import ServiceEvent
    from taskqueue.client.group import ClientGroup
    from taskqueue.client.limit import ClientLimit
    from taskqueue.client.queue import ClientQueue
    from taskqueue.client.sync import Client
    from taskqueue.client.task import ClientTask
    from taskqueue.client.views import GroupInfo, TaskInfo
    from taskqueue.embedding.cleanup_context import QUEUE_KEY, queue_context
    from taskqueue.embedding.lifespan import queue_lifespan
    from taskqueue.errors import (
        AccessDenied,
        CallRefused,
        ClientError,
        ConfigError,
        GroupClosed,
        GroupNotFound,
        GroupWaitTimeout,
        InvalidTask,
        KeyConflict,
        KeyTaken,
        NotRunning,
        RateSpent,
        ServiceFailed,
        ServiceNotStarted,
        ServiceUnavailable,
        StorageUnavailable,
        TaskNotCompleted,
        TaskNotFound,
        TaskQueueError,
        TaskTooLarge,
        UnknownAction,
        WaitTimeout,
    )
    from taskqueue.rules.tasks import Acceptance, Accepted, NewTask, Task
    from taskqueue.service import Service
    from taskqueue.settings import Settings

__all__ = [
    "QUEUE_KEY",
    "Acceptance",
    "Accepted",
    "AccessDenied",
    "Action",
    "App",
    "AsyncClient",
    "AsyncGroup",
    "AsyncLimit",
    "AsyncQueue",
    "AsyncTask",
    "CallNext",
    "CallRefused",
    "Cancel",
    "Client",
    "ClientError",
    "ClientGroup",
    "ClientLimit",
    "ClientQueue",
    "ClientTask",
    "ConfigError",
    "Context",
    "GroupClosed",
    "GroupInfo",
    "GroupNotFound",
    "GroupWaitTimeout",
    "InvalidTask",
    "KeyConflict",
    "KeyTaken",
    "Limit",
    "NewTask",
    "NotRunning",
    "RateSpent",
    "Reject",
    "Retries",
    "Retry",
    "Service",
    "ServiceEvent",
    "ServiceFailed",
    "ServiceNotStarted",
    "ServiceUnavailable",
    "Settings",
    "Snooze",
    "StorageUnavailable",
    "Task",
    "TaskEvent",
    "TaskInfo",
    "TaskNotCompleted",
    "TaskNotFound",
    "TaskQueueError",
    "TaskTooLarge",
    "UnknownAction",
    "WaitTimeout",
    "every",
    "queue_context",
    "queue_lifespan",
]

_MODULES = {
    "api.action": ("Action",),
    "api.app": ("App",),
    "api.context": ("Context",),
    "api.hooks": ("TaskEvent",),
    "api.limits": ("Limit",),
    "api.middleware": ("CallNext",),
    "client.aio": ("AsyncClient",),
    "client.async_limit": ("AsyncLimit",),
    "client.async_queue": ("AsyncQueue",),
    "client.limit": ("ClientLimit",),
    "client.queue": ("ClientQueue",),
    "client.async_group": ("AsyncGroup",),
    "client.async_task": ("AsyncTask",),
    "client.event_stream": ("ServiceEvent",),
    "client.group": ("ClientGroup",),
    "client.sync": ("Client",),
    "client.task": ("ClientTask",),
    "client.views": ("GroupInfo", "TaskInfo"),
    "embedding.cleanup_context": ("QUEUE_KEY", "queue_context"),
    "embedding.lifespan": ("queue_lifespan",),
    "errors": (
        "AccessDenied",
        "CallRefused",
        "ClientError",
        "ConfigError",
        "GroupClosed",
        "GroupNotFound",
        "GroupWaitTimeout",
        "InvalidTask",
        "KeyConflict",
        "KeyTaken",
        "NotRunning",
        "RateSpent",
        "ServiceFailed",
        "ServiceNotStarted",
        "ServiceUnavailable",
        "StorageUnavailable",
        "TaskNotCompleted",
        "TaskNotFound",
        "TaskQueueError",
        "TaskTooLarge",
        "UnknownAction",
        "WaitTimeout",
    ),
    "api.outcomes": ("Cancel", "Reject", "Retry", "Snooze"),
    "api.retries": ("Retries",),
    "api.schedules": ("every",),
    "rules.tasks": ("Acceptance", "Accepted", "NewTask", "Task"),
    "service": ("Service",),
    "settings": ("Settings",),
}
_HOME = {name: f"taskqueue.{module}" for module, names in _MODULES.items() for name in names}


def __getattr__(name: str) -> object:
    """Load a public name from its module; Python asks once, then finds it here."""
    if name not in _HOME:
        raise AttributeError(f"module 'taskqueue' has no attribute {name!r}")
    value = globals()[name] = getattr(import_module(_HOME[name]), name)
    return value


def __dir__() -> list[str]:
    """Return the public names, loaded or not."""
    return sorted({*globals(), *__all__})
