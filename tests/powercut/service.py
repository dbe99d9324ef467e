"""The service, with any mode of `synchronous`: also those that are no settings, for mutants."""

import os
from collections.abc import Callable
from functools import partial
from typing import Any

from taskqueue.settings import Settings
from taskqueue.storage.sqlite.connections.spawn import Spawned
from taskqueue.storage.sqlite.engine import SQLiteStorage
from taskqueue.testing.process import ServiceProcess

SYNCHRONOUS = "POWERCUT_SYNCHRONOUS"


class RecordedService(ServiceProcess):
    """A `ServiceProcess` whose database is as durable as a variable says."""

    module = "tests.powercut.service"


def storage(settings: Settings, spawn: Callable[[], Spawned]) -> partial[SQLiteStorage]:
    """Return what makes the storage that these settings ask for, but for `synchronous`."""
    synchronous: Any = os.environ[SYNCHRONOUS]
    return partial(
        SQLiteStorage,
        settings.database,
        synchronous=synchronous,
        writes_in="process",
        spawn=spawn,
    )


if __name__ == "__main__":
    from taskqueue import supervisor
    from taskqueue.cli.command import main

    supervisor.storage = storage
    main()
