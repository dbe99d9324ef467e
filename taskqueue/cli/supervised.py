"""The service under a service manager such as systemd, which is told how it is."""

import asyncio

from taskqueue.actors.messages import DATABASE, QUEUE
from taskqueue.cli.serving import Starter
from taskqueue.commands import GetReadiness
from taskqueue.errors import ActorUnavailable, AskTimeout
from taskqueue.process.notify import ServiceManager
from taskqueue.rules.health import Readiness
from taskqueue.runtime import System, ask
from taskqueue.service import Service

# In one limit of the watchdog: two of them may be missed.
HEARTBEATS = 3


class Supervised(Starter):
    """Tells the manager that the service is ready, alive, or stopping."""

    def __init__(self, manager: ServiceManager) -> None:
        self._manager = manager
        self._beating: asyncio.Task[None] | None = None

    def ready(self, service: Service) -> None:
        """Say so, and feed the watchdog from now on, if there is one."""
        self._manager.tell("READY=1", f"STATUS={_status(service, Readiness(ready=True))}")
        if self._manager.watchdog_s is not None:
            self._beating = asyncio.create_task(self._beat(service, self._manager.watchdog_s))

    def stopping(self) -> None:
        """Say so. The manager's time limit for a stop holds from now on, not its watchdog."""
        if self._beating is not None:
            self._beating.cancel()
        self._manager.tell("STOPPING=1", "STATUS=Stopping: running handlers may finish")

    async def _beat(self, service: Service, watchdog_s: float) -> None:
        """Send a heartbeat while the parts that decide about tasks answer.

        A new process helps if this loop is blocked, or one of these actors hangs, which no
        supervisor notices. It does not help while the storage cannot be written: the service says
        so, serves what can be read, and tries again by itself. So that counts as alive.
        """
        pause_s = watchdog_s / HEARTBEATS
        while True:
            readiness = await readiness_of(service.system, pause_s / 2)
            if readiness is not None:
                self._manager.tell("WATCHDOG=1", f"STATUS={_status(service, readiness)}")
            await asyncio.sleep(pause_s)


async def readiness_of(system: System, timeout_s: float) -> Readiness | None:
    """Return what the queue says about the service; None if it, or the database, does not answer.

    Each may take `timeout_s` seconds.
    """
    database, queue = (system.address(name) for name in (DATABASE, QUEUE))
    try:
        await ask(database, GetReadiness(), timeout_s=timeout_s)
        return await ask(queue, GetReadiness(), timeout_s=timeout_s)
    except (ActorUnavailable, AskTimeout):
        return None


def _status(service: Service, readiness: Readiness) -> str:
    state = f"Serving {service.url}"
    return state if readiness.ready else f"{state}, but not ready: {readiness.reason}"
