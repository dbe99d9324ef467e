"""Starts a process that writes, and can do so before it is needed.

spawn() ─▶ Child: the process, and a socket whose other end `process_main` serves
"""

import subprocess

from taskqueue.children.launch import Child, launch
from taskqueue.errors import StorageUnavailable
from taskqueue.storage.sqlite.connections.process_main import NOT_FOR_US

# The modules of what it will be asked for are imported before it is: the first commit is in time.
COMMAND = """\
import sys
sys.path[:] = {path!r}
from taskqueue.storage.sqlite.commit import batch
from taskqueue.storage.sqlite.connections import set_up
from taskqueue.storage.sqlite.disk import file
from taskqueue.storage.sqlite.operations import administration, claiming, inserting, settling
from taskqueue.storage.sqlite.connections.process_main import main
main({descriptor})
"""


class SpawnedAhead:
    """Hands out the process that was started when this was made, and afterwards new ones.

    As a context manager it ends the first process if it was never taken.
    """

    def __init__(self) -> None:
        """Start it; if none can be started, the first call raises the error."""
        try:
            self._first: Child | None = spawn()
        except StorageUnavailable:
            self._first = None

    def __call__(self) -> Child:
        """Return a process that no other caller has.

        Raises:
            StorageUnavailable: as `spawn`.
        """
        first, self._first = self._first, None
        return first or spawn()

    def __enter__(self) -> "SpawnedAhead":
        return self

    def __exit__(self, *_: object) -> None:
        first, self._first = self._first, None
        if first is not None:
            first.end.close()
            first.process.wait()


def spawn() -> Child:
    """Start a process.

    Raises:
        StorageUnavailable: none can be started.
    """
    try:
        # Not with a site: it is told where packages are, and need not look for them once more.
        return launch(COMMAND, has_site=False, stdout=subprocess.DEVNULL, ignored=NOT_FOR_US)
    except OSError as error:
        reason = f"no process can be started to write: {error.strerror or error}"
        raise StorageUnavailable(reason) from error
