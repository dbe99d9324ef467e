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
    from taskqueue.api.outcomes import Cancel, Reject, Retry, Snooze
    from taskqueue.errors import (
        ConfigError,
        InvalidTask,
        KeyConflict,
        NotRunning,
        ServiceFailed,
        ServiceNotStarted,
        StorageUnavailable,
        TaskQueueError,
        TaskTooLarge,
        UnknownAction,
    )
    from taskqueue.rules.tasks import Acceptance, Accepted, NewTask, Task
    from taskqueue.service import Service
    from taskqueue.settings import Settings

__all__ = [
    "Acceptance",
    "Accepted",
    "Action",
    "App",
    "Cancel",
    "ConfigError",
    "Context",
    "InvalidTask",
    "KeyConflict",
    "NewTask",
    "NotRunning",
    "Reject",
    "Retry",
    "Service",
    "ServiceFailed",
    "ServiceNotStarted",
    "Settings",
    "Snooze",
    "StorageUnavailable",
    "Task",
    "TaskQueueError",
    "TaskTooLarge",
    "UnknownAction",
]

_MODULES = {
    "api.action": ("Action",),
    "api.app": ("App",),
    "api.context": ("Context",),
    "errors": (
        "ConfigError",
        "InvalidTask",
        "KeyConflict",
        "NotRunning",
        "ServiceFailed",
        "ServiceNotStarted",
        "StorageUnavailable",
        "TaskQueueError",
        "TaskTooLarge",
        "UnknownAction",
    ),
    "api.outcomes": ("Cancel", "Reject", "Retry", "Snooze"),
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
