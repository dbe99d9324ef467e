"""A process that writes, and a SIGKILL to itself once, at the commit that `CRASH_POINT` says.

`CRASHED` names a file that tells that it has happened: the next process lives.
"""

import os
import signal
from pathlib import Path

from taskqueue.storage.sqlite.connections import process_main
from tests.system.crash_points import CommitTrap, commit_wrapping

COMMAND = """\
import sys
sys.path[:] = {path!r}
from tests.system.crashing_writer import main
main({descriptor})
"""
"""In the place of `spawn`'s own."""


def main(descriptor: int) -> None:
    """Write until the trap springs."""
    crashed = Path(os.environ["CRASHED"])
    if not crashed.exists():

        def die() -> None:
            crashed.touch()
            os.kill(os.getpid(), signal.SIGKILL)

        place, name, wrapped = commit_wrapping(CommitTrap(os.environ["CRASH_POINT"], die))
        setattr(place, name, wrapped)
    process_main.main(descriptor)
