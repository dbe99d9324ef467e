"""The service, with any mode of `synchronous`: also those that are no settings, for mutants."""

import os
from typing import Any

from taskqueue.storage.sqlite.backend import SQLiteBackend
from taskqueue.storage.sqlite.engine import SQLiteStorage
from taskqueue.testing.process import ServiceProcess

SYNCHRONOUS = "POWERCUT_SYNCHRONOUS"


class RecordedService(ServiceProcess):
    """A `ServiceProcess` whose database is as durable as a variable says."""

    module = "tests.powercut.service"


def storage(backend: SQLiteBackend) -> SQLiteStorage:
    """Return the storage of this backend, but for `synchronous`."""
    synchronous: Any = os.environ[SYNCHRONOUS]
    return SQLiteStorage(
        backend.database.path, synchronous=synchronous, writes_in="process", spawn=backend.spawn
    )


if __name__ == "__main__":
    from taskqueue.cli.command import main

    SQLiteBackend.storage = storage  # type: ignore[method-assign]  # it stands in for it
    main()
