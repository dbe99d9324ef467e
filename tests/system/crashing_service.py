"""The service, and a SIGKILL to itself at a point of a task's path: `CRASH_POINT` says which."""

import os
import signal

from taskqueue.testing.process import ServiceProcess
from tests.system.crash_points import Trap, wrappings


class CrashingService(ServiceProcess):
    """A `ServiceProcess` that kills itself."""

    module = "tests.system.crashing_service"


def _kill_ourselves() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


if __name__ == "__main__":
    from taskqueue.cli import main

    for place, name, wrapped in wrappings(Trap(os.environ["CRASH_POINT"], _kill_ourselves)):
        setattr(place, name, wrapped)
    main()
