"""The real engine inside a test: the service's own tree without HTTP, on a virtual clock.

async with Engine(app) as engine:
    task_id = await resize.enqueue(url="a", width=400)
    await engine.drain()
    assert (await engine.task(task_id)).status == "completed"

Only the time of tasks is simulated. Data is checked, serialized, stored, claimed and bound
as in production, and handlers run on their consumer's thread.
"""

import asyncio
import itertools
import math
from types import TracebackType
from typing import Self

from taskqueue.actors.messages import CONSUMERS, DATABASE
from taskqueue.actors.schedules.rounds import LOOK_S
from taskqueue.actors.storage_client import StorageClient
from taskqueue.api.app import App
from taskqueue.assembly import Parts
from taskqueue.clock import next_beat
from taskqueue.errors import StorageError, TaskNotFound
from taskqueue.rules.policy import RetryPolicy
from taskqueue.rules.polling import POLL_S
from taskqueue.rules.schedules.deciding import next_of
from taskqueue.rules.tasks import ENDED, Status, Task, TaskHistory
from taskqueue.runtime import System
from taskqueue.service import Service
from taskqueue.settings import Settings
from taskqueue.storage.memory.engine import MemoryStorage
from taskqueue.storage.protocol import Storage
from taskqueue.testing import faults
from taskqueue.testing.backend import Given
from taskqueue.testing.clock import ManualClock
from taskqueue.testing.storage import FaultyStorage

# A test that ends while handlers run needs no more of them, so nothing is waited for.
SETTINGS = Settings(consumers=1, slots=1, drain_s=0.0, retry=RetryPolicy(jitter=0.0))

MAX_STEPS = 10_000


class NotDrained(AssertionError):
    """There is still work; `left` are tasks that have not ended, 10 at most."""

    def __init__(self, why: str, left: tuple[Task, ...]) -> None:
        self.left = left
        lines = "".join(
            f"\n  {task.action} {task.id}: {task.status}, attempt {task.attempt}, "
            f"{task.deliveries} deliveries, {task.reason or 'no reason given'}"
            for task in left
        )
        super().__init__(f"{why}; left:{lines or ' nothing'}")


class Engine:
    """Runs an app's tasks for as long as the context is entered.

    Attributes:
        clock: the time of tasks: delays, backoff, leases. Handlers live in real time.
        storage: where the tasks are; it fails on command.
        system: the actors.
    """

    def __init__(
        self,
        app: App,
        storage: Storage | None = None,
        *,
        settings: Settings = SETTINGS,
        clock: ManualClock | None = None,
    ) -> None:
        """Make an engine that does not run yet.

        Args:
            app: its handlers run, and its actions enqueue here.
            storage: where the tasks are; by default in memory, and gone with the engine.
            settings: of the engine; those of HTTP, the database and the log mean nothing here.
            clock: shared with the test's own code, if that reads one.
        """
        self.clock = clock or ManualClock()
        self.storage = FaultyStorage(storage or MemoryStorage())
        self._app = app
        parts = Parts(backend=Given(lambda: self.storage), clock=self.clock)
        self._service = Service(app, settings, http=False, parts=parts)
        self._frozen: list[faults.Frozen] = []
        self.system: System

    async def __aenter__(self) -> Self:
        """Start the tree on the running loop; tasks are accepted from now on."""
        await self._service.__aenter__()
        self.system = self._service.system
        self._tasks = StorageClient(self.system.address(DATABASE))
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Stop the tree: running handlers get the `drain_s` of the settings, and no part is left.

        Raises:
            ServiceFailed: the supervision tree gave up.
        """
        for frozen in self._frozen:
            frozen.thaw()
        await self._service.__aexit__(kind, error, traceback)

    # --- time -------------------------------------------------------------------------------

    async def drain(
        self, *, horizon_s: float = math.inf, max_steps: int = MAX_STEPS, timeout_s: float = 30.0
    ) -> None:
        """Run until nothing is ready or running, nor due within `horizon_s` of the clock.

        Moves the clock to whatever is due next, again and again. Tasks of a paused queue are not
        waited for.

        Args:
            horizon_s: from now, on the clock.
            max_steps: how often the clock is moved; a task that is retried for ever ends here.
            timeout_s: how long whatever is ready or running may take each time, in real time.

        Raises:
            NotDrained: there is still work after so many steps, or so long.
        """
        await self._run_until(self.clock.now() + horizon_s, max_steps, timeout_s)

    async def advance(self, seconds: float, *, timeout_s: float = 30.0) -> None:
        """Let so much time pass on the clock, and do what comes due in it, when it does.

        Raises:
            NotDrained: as `drain`.
        """
        end = self.clock.now() + seconds
        await self._run_until(end, MAX_STEPS, timeout_s, with_slots=True)
        self.clock.advance_to(end)

    async def _run_until(
        self, end: float, max_steps: int, timeout_s: float, *, with_slots: bool = False
    ) -> None:
        """Move the clock from one due instant to the next; schedules never come to an end."""
        for step in itertools.count():
            await self._quiet(timeout_s)
            due = await self._next_due()
            if with_slots:
                due = _first(due, await self._next_slot())
            if due is None or due > end:
                return
            if step == max_steps:
                raise NotDrained(f"still work after {max_steps} steps", await self._left())
            self.clock.advance_to(due)

    async def _quiet(self, timeout_s: float) -> None:
        """Wait until nothing is ready or running."""
        try:
            async with asyncio.timeout(timeout_s):
                while await self._is_busy():
                    pass
        except TimeoutError:
            raise NotDrained(f"still busy after {timeout_s:g} s", await self._left()) from None

    async def _is_busy(self) -> bool:
        """Tell whether something is ready or running; if so, not before that may have changed."""
        await self.storage.idle()
        seen = len(self.storage.calls)
        busy = await self._has_work()
        if len(self.storage.calls) > seen:
            return True  # what was read one after the other may not belong together
        if busy:
            await self.storage.called_since(seen)
        return busy

    async def _has_work(self) -> bool:
        # Past the database actor, whose calls are what is waited for.
        inner, now = self.storage.inner, self.clock.now()
        try:
            if await inner.held(self._service.owner) or await inner.rescue(
                self._service.owner, now=now
            ):
                return True
            due = await self._next_due()
            slot = await self._next_slot()
        except StorageError:
            return True  # it is being opened again
        return any(each is not None and each <= now for each in (due, slot))

    async def _next_due(self) -> float | None:
        dues = [await self.storage.inner.next_due(queue) for queue in self._app.queues]
        expiry = await self.storage.inner.next_expiry()
        dues.append(None if expiry is None else next_beat(expiry, POLL_S))  # when it is looked for
        return min((due for due in dues if due is not None), default=None)

    async def _next_slot(self) -> float | None:
        """Return when a schedule is due, or looks whether what waits may run."""
        schedules = await self.storage.inner.schedules()
        slots = [next_of(schedule) for schedule in schedules]
        if any(schedule.waiting_from is not None for schedule in schedules):
            slots.append(self.clock.now() + LOOK_S)
        return min((slot for slot in slots if slot is not None), default=None)

    async def _left(self) -> tuple[Task, ...]:
        try:
            tasks = await self.storage.inner.find(limit=1000, now=self.clock.now())
        except StorageError:
            return ()
        return tuple(task for task in tasks if task.status not in ENDED)[:10]

    # --- tasks ------------------------------------------------------------------------------

    async def task(self, task_id: str) -> Task:
        """Return a task as it is now.

        Raises:
            TaskNotFound: there is none.
        """
        return (await self.history(task_id)).task

    async def history(self, task_id: str) -> TaskHistory:
        """Return a task with all its attempts.

        Raises:
            TaskNotFound: there is none.
        """
        history = await self._tasks.use(Storage.get, task_id, now=self.clock.now())
        if history is None:
            raise TaskNotFound(task_id)
        return history

    async def tasks(self, *, status: Status | str | None = None, limit: int = 1000) -> list[Task]:
        """Return the newest tasks, of any status or of one, newest first."""
        wanted = None if status is None else Status(status)
        now = self.clock.now()
        return list(await self._tasks.use(Storage.find, status=wanted, limit=limit, now=now))

    # --- faults -----------------------------------------------------------------------------

    async def crash(self, part: str, error: BaseException | None = None) -> None:
        """Crash `consumer-1`, `queue` or `database`; see `faults.crash`."""
        await faults.crash(self.system, _path(part), error or RuntimeError("crashed on command"))

    async def kill(self, part: str) -> None:
        """Kill `consumer-1`, `queue` or `database`; see `faults.kill`."""
        await faults.kill(self.system, _path(part))

    async def kill_processes(self, consumer: str) -> tuple[int, ...]:
        """Kill the processes of `consumer-1`; see `faults.kill_processes`."""
        return await faults.kill_processes(self.system, _path(consumer))

    async def freeze(self, consumer: str) -> faults.Frozen:
        """Freeze `consumer-1`; see `faults.freeze`. Leaving the engine thaws it."""
        frozen = await faults.freeze(self.system, _path(consumer))
        self._frozen.append(frozen)
        return frozen


def _first(*instants: float | None) -> float | None:
    return min((at for at in instants if at is not None), default=None)


def _path(part: str) -> str:
    return f"{CONSUMERS}/{part}" if part.startswith("consumer-") else part
