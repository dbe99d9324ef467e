"""The service without HTTP, for tests to break."""

import asyncio
import threading
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Self

import msgspec

from taskqueue import Service
from taskqueue.actors.consumers import SHARED
from taskqueue.actors.messages import CONSUMERS, DATABASE, QUEUE, Resize
from taskqueue.actors.pauses import Recovery
from taskqueue.actors.storage_client import StorageClient
from taskqueue.api.app import App
from taskqueue.api.context import Context
from taskqueue.assembly import Parts
from taskqueue.clock import Clock, SystemClock
from taskqueue.commands import GetReadiness
from taskqueue.errors import ServiceFailed
from taskqueue.rules.encoding import MAX_BYTES
from taskqueue.rules.health import Readiness
from taskqueue.rules.options import Options
from taskqueue.rules.policy import RetryPolicy
from taskqueue.rules.retention import Retention
from taskqueue.rules.sizes import Capacity
from taskqueue.rules.tasks import NewTask, Owner, TaskHistory
from taskqueue.runtime import ActorRef, Reply, System, ask, resume, suspend
from taskqueue.settings import Settings
from taskqueue.storage.protocol import Storage
from taskqueue.supervision import Intensity
from taskqueue.supervisor import ROOT
from taskqueue.testing.backend import Given
from taskqueue.testing.events import Event, EventLog

SOON = RetryPolicy(initial_s=0.01, factor=1.0, jitter=0.0)
OFTEN = Intensity(max_restarts=10_000, period_s=1)
NOW = 1_000_000.0
KEEP = Retention()

PATIENCE_S = 20.0  # for a commit, on a machine whose disk is busy


class ManualClock(SystemClock):
    """The wall clock shows what it is told to; how long something takes is as real as ever."""

    def __init__(self) -> None:
        self.time = NOW

    def now(self) -> float:
        return self.time


class Gate:
    """Something that handlers of any thread and loop wait for."""

    def __init__(self) -> None:
        self._opened: Reply[None] = Reply()

    def open(self) -> None:
        self._opened.set()

    async def passed(self) -> None:
        await self._opened

    def block(self) -> None:
        """Wait in a blocking call, as a handler should not."""
        event = threading.Event()
        self._opened.when_done(event.set)
        event.wait(30)


class World:
    """The service without HTTP, over a storage of the test's; it restarts its parts at once."""

    root: ActorRef
    service: Service | None = None

    def __init__(
        self,
        events: EventLog,
        make_storage: Callable[[], Storage],
        clock: Clock | None = None,
        *,
        kill_grace_s: float = 0.1,
    ) -> None:
        self.system = System(kill_grace_s=kill_grace_s)
        self.events = events
        self.make_storage = make_storage
        self.clock = clock
        self.app = App()
        self.gate = Gate()
        self.runs: list[str] = []  # the task of each call of a handler of ours
        self.storage = StorageClient(self.system.address(DATABASE))
        self._add_handlers()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        """Kill every part."""
        self.gate.open()
        stopping = asyncio.create_task(self.stop(drain_s=0.0))
        await asyncio.sleep(0)  # from here on an end of the tree is no surprise to the service
        await self.system.close()
        await stopping

    def _add_handlers(self) -> None:
        @self.app.task("quick")
        async def quick(ctx: Context, n: int = 0) -> int:
            self.runs.append(ctx.task.id)
            return n

        @self.app.task("wait")
        async def wait(ctx: Context) -> str:
            self.runs.append(ctx.task.id)
            await self.gate.passed()
            return "waited"

    async def start(
        self,
        *,
        consumers: int = 1,
        slots: int = 1,
        prefetch: int = 5,
        lease_s: float = 30.0,
        drain_s: float = 5.0,
        max_result_bytes: int = MAX_BYTES,
        retry: RetryPolicy = SOON,
        retention: Retention = KEEP,
        queues: Mapping[str, int] | None = None,
    ) -> None:
        """Start everything."""
        settings = Settings(
            consumers=consumers,
            slots=slots,
            prefetch=prefetch,
            lease_s=lease_s,
            drain_s=drain_s,
            max_result_bytes=max_result_bytes,
            retry=retry,
            retention=retention,
            queues=queues or {},
        )
        parts = Parts(
            backend=Given(self.make_storage),
            make_system=lambda: self.system,
            clock=self.clock,
            recovery=Recovery(first_s=0.01, max_s=0.02),
            intensity=OFTEN,
        )
        self.service = await Service(self.app, settings, http=False, parts=parts).__aenter__()
        self.root = self._whois(ROOT)
        await self.events.wait_for("queue_ready")

    async def stop(self, drain_s: float | None = None) -> bool:
        """Stop as the service does when it is told to; tell whether the tree has lasted."""
        try:
            if self.service is not None:
                self.service.drain_s = self.service.drain_s if drain_s is None else drain_s
                await self.service.__aexit__(None, None, None)
        except ServiceFailed:
            return False
        return True

    async def drains(self) -> None:
        """Wait until nothing is handed out any more."""
        async with asyncio.timeout(5):
            while (await self.readiness()).ready:  # noqa: ASYNC110 - readiness is asked, not told
                await asyncio.sleep(0.01)

    async def resize(self, consumers: int, slots: int = 1, *, pool: str = SHARED) -> None:
        """Have so many consumers with so many slots from now on."""
        resize = Resize(pool=pool, size=Capacity(count=consumers, slots=slots))
        await ask(self.system.address("consumers"), resize, timeout_s=None)

    # --- who is there -----------------------------------------------------------------------

    @property
    def owner(self) -> Owner:
        assert self.service is not None
        return self.service.owner

    @property
    def database(self) -> ActorRef:
        return self._whois(DATABASE)

    @property
    def queue(self) -> ActorRef:
        return self._whois(QUEUE)

    @property
    def consumers(self) -> Sequence[ActorRef]:
        return self.system.names.members(CONSUMERS)

    def _whois(self, name: str) -> ActorRef:
        ref = self.system.address(name).whereis()
        assert ref is not None, f"nobody is the {name} now"
        return ref

    # --- tasks ------------------------------------------------------------------------------

    def prepare(self, action: str, *, options: Options | None = None, **data: Any) -> NewTask:
        return self.app.prepare(action, msgspec.json.encode(data), options=options or Options())

    async def enqueue(self, action: str, *, options: Options | None = None, **data: Any) -> str:
        task = self.prepare(action, options=options, **data)
        await self.app.enqueue(task)
        return task.id

    async def begun(self, task_id: str, attempt: int = 1) -> Event:
        """Wait until a handler has begun with this attempt."""
        return await self.events.wait_for("attempt_started", task_id=task_id, attempt=attempt)

    async def completed(self, *task_ids: str, timeout_s: float = PATIENCE_S) -> None:
        for task_id in task_ids:
            await self.events.wait_for("task_completed", task_id=task_id, timeout_s=timeout_s)

    async def ended(self, task_id: str) -> None:
        """Wait until a task has completed, or is dead."""
        async with asyncio.timeout(PATIENCE_S), asyncio.TaskGroup() as ends:
            waiting = [
                ends.create_task(self.events.wait_for(event, task_id=task_id, timeout_s=PATIENCE_S))
                for event in ("task_completed", "task_dead_lettered")
            ]
            await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
            for each in waiting:
                each.cancel()

    async def history(self, task_id: str) -> TaskHistory:
        history = await self.storage.use(Storage.get, task_id, now=NOW)
        assert history is not None
        return history

    async def absent(self, name: str) -> "Absence":
        """Kill whoever carries `name`; nobody takes the place until the absence is over."""
        ref = self._whois(name)
        await suspend(self.root)
        ref.kill()
        await ref.ended()
        return Absence(self.root)

    async def outcomes(self, task_id: str) -> list[str]:
        return [str(attempt.outcome) for attempt in (await self.history(task_id)).attempts]

    async def readiness(self) -> Readiness:
        return await ask(self.system.address(QUEUE), GetReadiness())


class Absence:
    """The time in which a role is played by nobody."""

    def __init__(self, root: ActorRef) -> None:
        self._root = root

    async def over(self) -> None:
        """Let the supervisor see what has happened."""
        await resume(self._root)


class Lives:
    """What must be gone when a world is gone: asyncio tasks and threads."""

    def __init__(self) -> None:
        self._tasks = asyncio.all_tasks()
        self._threads = set(threading.enumerate())

    async def assert_no_more(self) -> None:
        """Fail if something lives that did not before, after a moment to come to its end."""
        async with asyncio.timeout(5):
            while left := self._new():  # noqa: ASYNC110 - a thread's end is no event
                await asyncio.sleep(0.01)
        assert left == []

    def _new(self) -> list[object]:
        tasks = asyncio.all_tasks() - self._tasks - {asyncio.current_task()}
        threads = set(threading.enumerate()) - self._threads
        return [*tasks, *threads]
