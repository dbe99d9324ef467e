"""The service, and a SIGKILL to itself at a point of a task's path: `CRASH_POINT` says which.

It writes on a thread, so that a commit that has come to this point dies with it, as when the whole
machine goes. That a commit is ended by a process that lives on is tested at the storage.
"""

import os
import signal

from taskqueue.storage.sqlite.backend import SQLiteBackend
from taskqueue.storage.sqlite.engine import SQLiteStorage
from taskqueue.testing.process import ServiceProcess
from tests.system.crash_points import Trap, wrappings


class CrashingService(ServiceProcess):
    """A `ServiceProcess` that kills itself."""

    module = "tests.system.crashing_service"


def on_a_thread(backend: SQLiteBackend) -> SQLiteStorage:
    """Return the storage of this backend, but for its process."""
    return SQLiteStorage(backend.database.path, synchronous=backend.database.synchronous)


def _kill_ourselves() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


if __name__ == "__main__":
    from taskqueue.cli.command import main

    SQLiteBackend.storage = on_a_thread  # type: ignore[method-assign]  # it stands in for it
    for place, name, wrapped in wrappings(Trap(os.environ["CRASH_POINT"], _kill_ourselves)):
        setattr(place, name, wrapped)
    main()
