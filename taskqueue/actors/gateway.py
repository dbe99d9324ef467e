"""The gateway actor: the HTTP door, open for as long as it lives.

It listens on a copy of a socket that the entry point keeps. While one gateway is dead and the next
is not there yet, the original goes on taking connections in, so nobody is refused for a crash.
"""

import asyncio
import contextlib
import socket
from collections.abc import Collection, Mapping, Sequence

from taskqueue.actors.client import QueueClient
from taskqueue.actors.consumers import Resize
from taskqueue.actors.descriptors import require_descriptors
from taskqueue.actors.messages import (
    CONSUMERS,
    DATABASE,
    GATEWAY,
    QUEUE,
    CancelTask,
    Delete,
    DeleteDead,
    GetQueues,
    GetReadiness,
    Pause,
    Redrive,
    RedriveDead,
    Resume,
)
from taskqueue.actors.storage_client import StorageClient
from taskqueue.api.app import App
from taskqueue.clock import Clock, SystemClock
from taskqueue.errors import ActorUnavailable, AskTimeout, StorageUnavailable
from taskqueue.http.routes import application
from taskqueue.http.server.limits import LIMITS, Limits
from taskqueue.http.server.server import HttpServer
from taskqueue.http.service import ROOT
from taskqueue.logger import log
from taskqueue.process.forks import close_in_children
from taskqueue.rules.health import Availability, QueueState, Readiness
from taskqueue.rules.options import Options
from taskqueue.rules.tasks import Accepted, CancelResult, NewTask, Status, Task, TaskHistory
from taskqueue.runtime import Actor, ActorRef, World, ask, is_orderly, request
from taskqueue.storage.protocol import Storage
from taskqueue.supervision import Node, find, snapshot

READINESS_TIMEOUT_S = 1.0
BULK_S = 60.0  # for what goes through all dead tasks
READ_TIMEOUT_S = 5.0


class GatewayActor(Actor):
    """Serves HTTP. Told to stop, it refuses who comes and finishes with who is there."""

    registered_name = GATEWAY
    trap_exit = True

    def __init__(
        self,
        sock: socket.socket,
        app: App,
        *,
        hosts: Collection[str] = (),
        limits: Limits = LIMITS,
        shutdown_s: float = 5.0,
        clock: Clock | None = None,
        availability: Availability | None = None,
    ) -> None:
        """Make a gateway.

        Args:
            sock: is bound; belongs to the caller, who keeps it open over our restarts.
            app: knows the actions.
            hosts: names beside those of the loopback interface under which it may be addressed.
            limits: what each client may cost.
            shutdown_s: how long requests in flight may take to finish when told to stop.
            clock: the time.
            availability: says whether the storage can be written.
        """
        super().__init__()
        self.host, self.port = sock.getsockname()[:2]
        self._sock = sock
        self._shutdown_s = shutdown_s
        clock = clock or SystemClock()
        service = ServicePort(
            self._cell.system,
            app,
            clock,
            availability=availability or Availability(),
            limits=limits,
        )
        application_ = application(service, bound_to=self.host, hosts=hosts, clock=clock)
        self._server = HttpServer(application_, shutdown_s=shutdown_s, limits=limits)

    async def on_start(self) -> None:
        """Listen; whoever has connected since the last gateway is served."""
        listener = close_in_children(self._sock.dup())
        self.own(listener.close)
        self.own(self._server.cut)
        await self._server.start(listener)
        log.info("gateway_listening", host=self.host, port=self.port)

    async def on_stop(self) -> None:
        """Refuse new connections, finish the requests in flight, close the others.

        After a crash nothing of this: the next gateway will serve who connects meanwhile.
        """
        if self.exit_reason is None or not is_orderly(self.exit_reason):
            return
        self._server.stop_accepting()
        with contextlib.suppress(OSError):  # it listens no more, or this system does it otherwise
            self._sock.shutdown(socket.SHUT_RDWR)
        try:
            async with asyncio.timeout(self._shutdown_s):
                await self._server.close()
        except TimeoutError:
            log.warning("gateway_requests_cut", after_s=self._shutdown_s)


class ServicePort:
    """The service behind the routes: whoever plays the parts when it is asked for."""

    def __init__(
        self,
        system: World,
        app: App,
        clock: Clock,
        *,
        availability: Availability,
        limits: Limits,
    ) -> None:
        self._availability = availability
        self._limits = limits
        self._app = app
        self._clock = clock
        self._queue = system.address(QUEUE)
        self._root = system.address(ROOT)
        self._consumers = system.address(CONSUMERS)
        self._tasks = QueueClient(self._queue)
        self._storage = StorageClient(system.address(DATABASE), READ_TIMEOUT_S)

    def prepare(self, action: str, data: bytes, options: Options) -> NewTask:
        """Check data against the action's handler and make a task of it."""
        return self._app.prepare(action, data, options=options)

    def require_writable(self) -> None:
        """Refuse if the storage is known to be unavailable."""
        if (reason := self._availability.unavailable) is not None:
            raise StorageUnavailable(reason)

    async def enqueue(self, tasks: Sequence[NewTask]) -> tuple[Accepted, ...]:
        """Have the queue accept the tasks."""
        return await self._tasks.enqueue(tasks)

    async def find(
        self,
        *,
        status: Status | None,
        action: str | None,
        queue: str | None,
        before: str | None,
        limit: int,
        max_bytes: int,
        brief: bool,
    ) -> tuple[Task, ...]:
        """Read tasks, past the queue."""
        return await self._storage.use(
            Storage.find,
            status=status,
            action=action,
            queue=queue,
            before=before,
            limit=limit,
            max_bytes=max_bytes,
            brief=brief,
            now=self._clock.now(),
        )

    async def get(self, task_id: str) -> TaskHistory | None:
        """Read a task, past the queue."""
        return await self._storage.use(Storage.get, task_id, now=self._clock.now())

    async def counts(self) -> Mapping[Status, int]:
        """Read how many tasks stand where, past the queue."""
        return await self._storage.use(Storage.counts)

    async def cancel(self, task_id: str, *, reason: str) -> CancelResult:
        """Have the queue cancel a task."""
        return await ask(self._queue, CancelTask(task_id=task_id, reason=reason))

    async def redrive(self, task_ids: Sequence[str]) -> tuple[str, ...]:
        """Have the queue redrive the tasks."""
        return await ask(self._queue, Redrive(task_ids=tuple(task_ids)))

    async def redrive_dead(self, *, action: str | None, queue: str | None) -> int:
        """Have the queue redrive all dead tasks that match."""
        return await ask(self._queue, RedriveDead(action=action, queue=queue), timeout_s=BULK_S)

    async def delete(self, task_ids: Sequence[str]) -> tuple[str, ...]:
        """Have the queue delete tasks that have ended."""
        return await ask(self._queue, Delete(task_ids=tuple(task_ids)))

    async def delete_dead(self, *, action: str | None, queue: str | None) -> int:
        """Have the queue delete all dead tasks that match."""
        return await ask(self._queue, DeleteDead(action=action, queue=queue), timeout_s=BULK_S)

    async def pause(self, queue: str) -> None:
        """Have nothing of a queue handed out."""
        await ask(self._queue, Pause(queue=queue))

    async def resume(self, queue: str) -> None:
        """Have tasks of a queue handed out again."""
        await ask(self._queue, Resume(queue=queue))

    async def queues(self) -> tuple[QueueState, ...]:
        """Ask the queue actor for all queues."""
        return await ask(self._queue, GetQueues())

    async def readiness(self) -> Readiness:
        """Ask the queue, which asks the database; a part that does not answer is not ready.

        What is known to be unavailable is told without asking: on a busy loop that takes a while.
        """
        if (reason := self._availability.unavailable) is not None:
            return Readiness(ready=False, reason=reason)
        try:
            return await ask(self._queue, GetReadiness(), timeout_s=READINESS_TIMEOUT_S)
        except (ActorUnavailable, AskTimeout) as absent:
            return Readiness(ready=False, reason=str(absent))

    async def tree(self) -> Node:
        """Ask all supervisors."""
        return await snapshot(self._whereis_root())

    async def kill(self, path: str) -> bool:
        """Kill whoever runs at `path` now."""
        ref = await find(self._whereis_root(), path)
        if ref is None:
            return False
        ref.kill()
        return True

    async def resize(self, consumers: int) -> None:
        """Tell the consumers' supervisor, whose answer comes when the last one has drained."""
        require_descriptors(consumers, self._limits)
        request(self._consumers, Resize(count=consumers))

    def _whereis_root(self) -> ActorRef:
        root = self._root.whereis()
        if root is None:
            raise ActorUnavailable(ROOT)
        return root
