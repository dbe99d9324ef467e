"""The service, and a SIGKILL to itself at a point of a task's path: `CRASH_POINT` says which.

It writes on a thread, so that a commit that has come to this point dies with it, as when the whole
machine goes. That a commit is ended by a process that lives on is tested at the storage.
"""

import os
import signal
from functools import partial

from taskqueue.settings import Settings
from taskqueue.storage.sqlite.engine import SQLiteStorage
from taskqueue.testing.process import ServiceProcess
from tests.system.crash_points import Trap, wrappings


class CrashingService(ServiceProcess):
    """A `ServiceProcess` that kills itself."""

    module = "tests.system.crashing_service"


def writing_on_a_thread(settings: Settings, _: object) -> partial[SQLiteStorage]:
    """Return what makes the storage that these settings ask for, but for its process."""
    return partial(SQLiteStorage, settings.database, synchronous=settings.synchronous)


def _kill_ourselves() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


if __name__ == "__main__":
    from taskqueue import supervisor
    from taskqueue.cli.command import main

    supervisor.storage = writing_on_a_thread
    for place, name, wrapped in wrappings(Trap(os.environ["CRASH_POINT"], _kill_ourselves)):
        setattr(place, name, wrapped)
    main()
