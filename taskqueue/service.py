"""The service inside a running asyncio loop.

async with Service(app, database="tasks.db") as service:
    task_id = await resize.enqueue(url="a.png", width=400)
    task = await service.wait(task_id)

The command, the test engine and the benchmarks run this same assembly. It installs no signal
handler and changes nothing that belongs to the program around it.
"""

import asyncio
from contextlib import ExitStack, suppress
from time import monotonic
from types import TracebackType
from typing import Any, Self

from taskqueue import supervisor
from taskqueue.actors.client import QueueClient
from taskqueue.actors.messages import DATABASE, QUEUE
from taskqueue.actors.migration import ExitCode
from taskqueue.actors.restarts import restarts_noted
from taskqueue.actors.storage_client import UNREACHABLE, StorageClient
from taskqueue.api.app import App
from taskqueue.api.loading import load_app
from taskqueue.assembly import Parts, configuration
from taskqueue.clock import SystemClock
from taskqueue.draining import drain, unless
from taskqueue.errors import (
    Fault,
    ServiceFailed,
    ServiceNotStarted,
    StartFailed,
    StorageError,
    TaskNotFound,
)
from taskqueue.events import events
from taskqueue.http.server.binding import address_of, url_of
from taskqueue.rules.tasks import ENDED, Owner, Task
from taskqueue.runtime import SHUTDOWN, ActorRef, Crash, ExitReason, Shutdown, System
from taskqueue.settings import Settings, checked
from taskqueue.storage.protocol import Storage
from taskqueue.supervision.ordered import FailedToStartChild
from taskqueue.supervisor import Configuration
from taskqueue.task_ends import TaskEnds

# How often `wait` reads its task again without an event: one that was lost, and an outage.
REREAD_S = 10.0
RETRY_S = 0.5


class Service:
    """Runs an app's tasks for as long as the block lasts.

    When the block is left, in whatever way, the service drains as on SIGTERM: nothing more is
    handed out, running handlers get `drain_s`, the rest is released with its attempt returned. A
    cancellation meanwhile cuts the handlers. If the supervision tree gives up, the task that
    entered the block is cancelled, and leaving the block raises `ServiceFailed`.

    Attributes:
        settings: as they were checked.
        drain_s: the setting; may be changed until the block is left.
        drained_at: the monotonic instant at which no handler ran any more; None before.
        owner: identifies this service in the storage, once it is started.
        system: its actors, once it is started.
    """

    owner: Owner
    system: System

    def __init__(
        self,
        app: App | str,
        settings: Settings | None = None,
        *,
        http: bool = True,
        parts: Parts | None = None,
        **values: object,
    ) -> None:
        """Make a service that does not run yet.

        Args:
            app: its handlers run, and its actions enqueue here. As `package.module:app` it is
                imported by that name, which handlers with `executor="process"` need.
            settings: None: the defaults. `app`, `demo_work_s` and `log_…` only concern the command.
            http: whether to listen on `host` and `port`.
            parts: for tests.
            values: single settings by their names in `taskqueue.toml`, over `settings`.

        Raises:
            ConfigError: a setting does not fit, or the app cannot be imported; `faults` names all.
        """
        self.settings = checked(settings, **values)
        self.drain_s = self.settings.drain_s
        self.drained_at: float | None = None
        self._app = load_app(app) if isinstance(app, str) else app
        self._http = http
        self._parts = parts or Parts()
        self._clock = self._parts.clock or SystemClock()
        self._address: tuple[str, int] | None = None
        self._started = asyncio.Event()
        self._stop = asyncio.Event()
        self._hurry = asyncio.Event()
        self._ends = TaskEnds()
        self._life: asyncio.Task[None] | None = None
        self._interrupted: asyncio.Task[Any] | None = None

    @property
    def address(self) -> tuple[str, int]:
        """The host and the port on which it listens; of a Unix socket its path and 0.

        Raises:
            RuntimeError: it does not listen.
        """
        if self._address is None:
            raise RuntimeError("the service does not listen: not started yet, or http=False")
        return self._address

    @property
    def url(self) -> str:
        """Where it listens, as `http://127.0.0.1:8080` or as `unix:///run/taskqueue.sock`.

        Raises:
            RuntimeError: it does not listen.
        """
        return self.settings.listen or url_of(self.address)

    async def task(self, task_id: str) -> Task:
        """Return a task as it is now.

        Raises:
            TaskNotFound: there is none.
            StorageUnavailable, ActorError: the database cannot be read now.
            RuntimeError: the service does not run.
        """
        self._running_on()
        storage = StorageClient(self.system.address(DATABASE))
        found = await storage.use(Storage.get, task_id, now=self._clock.now())
        if found is None:
            raise TaskNotFound(task_id)
        return found.task

    async def wait(self, task_id: str) -> Task:
        """Wait until a task is `completed`, `dead` or `cancelled`, and return it, from any loop.

        It is woken by the settlement. Waits through outages of the database, too.

        Raises:
            TaskNotFound: there is none.
            RuntimeError: the service does not run (any more).
        """
        loop = self._running_on()
        if asyncio.get_running_loop() is loop:
            return await self._wait(task_id)
        there = asyncio.run_coroutine_threadsafe(self._wait(task_id), loop)
        return await asyncio.wrap_future(there)

    async def _wait(self, task_id: str) -> Task:
        while True:
            with self._ends.registered(task_id) as ended:
                pause_s = RETRY_S
                with suppress(*UNREACHABLE):
                    if (task := await self.task(task_id)).status in ENDED:
                        return task
                    pause_s = REREAD_S
                await asyncio.wait((ended,), timeout=pause_s)

    def _running_on(self) -> asyncio.AbstractEventLoop:
        if self._life is None or self._life.done():
            raise RuntimeError("the service does not run")
        return self._life.get_loop()

    async def __aenter__(self) -> Self:
        """Start on the running loop; every part runs, and tasks are accepted, when this returns.

        Raises:
            ServiceNotStarted: something outside keeps it from starting; `faults` names all of it.
            ConfigError: there are not enough file descriptors for so many consumers.
            RuntimeError: it was started before.
        """
        if self._life is not None:
            raise RuntimeError("a Service runs once; make another one")
        user = asyncio.current_task()
        self._life = asyncio.create_task(self._live(), name="taskqueue-service")
        self._life.add_done_callback(lambda _: self._on_end(user))
        try:
            await self._started.wait()
        except asyncio.CancelledError:
            await self._end(self._life)
            raise
        if self._life.done():
            self._life.result()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Drain and stop; no part of the service is left.

        Raises:
            ServiceFailed: the supervision tree gave up, in the block or during the stop.
        """
        if self._life is not None:
            await self._end(self._life)

    async def _end(self, life: "asyncio.Task[None]") -> None:
        """Have it stop and wait for that; a cancellation hurries it, and is raised at the end."""
        self._stop.set()
        cancelled = None
        while not life.done():
            try:
                await asyncio.wait({life})
            except asyncio.CancelledError as error:
                self._hurry.set()
                cancelled = error
        if self._interrupted is not None:  # as `asyncio.timeout` does
            self._interrupted.uncancel()
        life.result()
        if cancelled is not None:
            raise cancelled

    def _on_end(self, user: "asyncio.Task[Any] | None") -> None:
        self._ends.release()
        if not self._started.is_set():
            self._started.set()
        elif user is not None and not self._stop.is_set() and user.cancel():
            self._interrupted = user

    # --- from the start to the end ----------------------------------------------------------

    async def _live(self) -> None:
        with ExitStack() as resources:
            async with self._parts.make_system() as self.system:
                self._attach(resources)
                found = await configuration(
                    self._app, self.settings, self._parts, http=self._http, resources=resources
                )
                self.owner = found.owner
                self._clock = found.clock
                resources.enter_context(restarts_noted(found.activity.service))
                if found.listener is not None:
                    self._address = address_of(found.listener)
                root = await self._root(found)
                if root is None:
                    events.info("service_stopped", reason="told to stop while starting")
                    return
                self._started.set()
                await self._run(root)
        events.info("service_stopped", reason="told to stop")

    def _attach(self, resources: ExitStack) -> None:
        if self._app.is_attached:
            fault = Fault("app", "another Service runs it; an app belongs to one at a time")
            raise ServiceNotStarted((fault,))
        self._app.attach(QueueClient(self.system.address(QUEUE)))
        resources.callback(self._app.detach)

    async def _root(self, found: Configuration) -> ActorRef | None:
        """Start the tree; None if it is to stop before."""
        try:
            return await unless(self._stop, supervisor.start(self.system, found))
        except StartFailed as error:
            raise ServiceNotStarted((Fault("did not start", _why(error.cause)),)) from error

    async def _run(self, root: ActorRef) -> None:
        gave_up = await unless(self._stop, _ended(root))
        if gave_up is not None:
            raise ServiceFailed(f"the supervision tree ended ({gave_up})")
        events.info("service_stopping", drain_s=self.drain_s)
        await drain(self.system.address(QUEUE), root, self.drain_s, self._hurry)
        self.drained_at = monotonic()
        has_lasted = root.is_alive()
        root.exit(SHUTDOWN)
        await root.ended()
        if not has_lasted:
            raise ServiceFailed("the supervision tree ended while it was being stopped")


async def _ended(root: ActorRef) -> ExitReason:
    return await root.ended()


def _why(cause: object) -> str:
    """Return which child did not start, and in its own words why not."""
    match cause:
        case Shutdown(detail=FailedToStartChild(child_id=child_id, reason=reason)):
            return f"{child_id}: {_why(reason)}"
        case Crash(cause=ExitCode(why=why)):
            return why
        case Crash(cause=StorageError() as error):
            return str(error)
        case _:
            return str(cause)
