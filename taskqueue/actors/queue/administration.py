"""The administrative messages of the queue actor; each calls one verb of the storage.

A change that affects what can be claimed wakes the fetcher.
"""

from collections.abc import Sequence

from msgspec.structs import asdict

from taskqueue.actors.messages import DATABASE, Charge
from taskqueue.actors.queue.dead_letters import DeadLetters
from taskqueue.actors.queue.fetch_schedule import FetchSchedule
from taskqueue.actors.queue.lease_driver import LeaseDriver
from taskqueue.actors.queue.uptake import Uptake
from taskqueue.actors.storage_client import UNREACHABLE, RetryingClient
from taskqueue.clock import Clock
from taskqueue.commands import (
    CancelTask,
    ChangeLimit,
    EditTask,
    Pause,
    Redrive,
    RedriveDead,
    Resume,
)
from taskqueue.events import events
from taskqueue.rules.edits import EditResult
from taskqueue.rules.leases.ledger import Leases
from taskqueue.rules.measures import TaskMeasures
from taskqueue.rules.tasks import CancelResult
from taskqueue.runtime import Actor, receives
from taskqueue.storage.protocol import Storage


class QueueAdministration(Actor):
    """The part of the queue actor that changes single tasks, queues and limits."""

    _driver: LeaseDriver
    _uptake: Uptake

    def __init__(self, queues: Sequence[str], measures: TaskMeasures, clock: Clock) -> None:
        super().__init__()
        self._clock = clock
        self._storage = RetryingClient(self.address(DATABASE))
        self._measures = measures
        self._schedule = FetchSchedule(queues, clock)
        self._dead_letters = DeadLetters(self._storage, clock)

    @receives(CancelTask, answers=UNREACHABLE, concurrently=True)
    async def on_cancel_task(self, message: CancelTask) -> CancelResult:
        """End a task, or cancel its running attempt."""
        [result] = await self._storage.use(
            Storage.cancel, [message.task_id], reason=message.reason, now=self._clock.now()
        )
        self._uptake.cancelled(result, message.reason)
        return result

    @receives(EditTask, answers=UNREACHABLE, concurrently=True)
    async def on_edit_task(self, message: EditTask) -> EditResult:
        """Change a task that no consumer holds; it may be due sooner now."""
        result = await self._storage.use(
            Storage.edit,
            message.task_id,
            message.change,
            who=message.who,
            now=self._clock.now(),
        )
        if result.changed:
            events.info("task_edited", task_id=message.task_id, changed=result.changed)
            self._schedule.poll_soon()
        return result

    @receives(Redrive, answers=UNREACHABLE, concurrently=True)
    async def on_redrive(self, message: Redrive) -> tuple[str, ...]:
        """Queue dead tasks again."""
        redriven = await self._storage.use(Storage.redrive, message.task_ids, now=self._clock.now())
        for task_id in redriven:
            events.info("task_redriven", task_id=task_id)
        self._schedule.poll_soon()
        return redriven

    @receives(RedriveDead, answers=UNREACHABLE, concurrently=True)
    async def on_redrive_dead(self, message: RedriveDead) -> int:
        """Queue all dead tasks again that match."""
        redriven = await self._dead_letters.redrive(action=message.action, queue=message.queue)
        events.info("dead_redriven", action=message.action, queue=message.queue, tasks=redriven)
        self._schedule.poll_soon()
        return redriven

    @receives(Pause, answers=UNREACHABLE, concurrently=True)
    async def on_pause(self, message: Pause) -> None:
        """Stop handing out tasks of a queue; running ones continue."""
        await self._storage.use(Storage.pause, message.queue, now=self._clock.now())
        events.info("queue_paused", queue=message.queue)
        self._driver.feed(Leases.release, message.queue)

    @receives(Resume, answers=UNREACHABLE, concurrently=True)
    async def on_resume(self, message: Resume) -> None:
        """Resume handing out tasks of a queue."""
        await self._storage.use(Storage.resume, message.queue)
        events.info("queue_resumed", queue=message.queue)
        self._schedule.expect_work(message.queue)

    @receives(Charge, answers=UNREACHABLE, concurrently=True)
    async def on_charge(self, message: Charge) -> bool:
        """Charge a limit for the cost of an attempt; a refund may let more tasks start."""
        is_there = await self._storage.use(Storage.charge, message.use, now=self._clock.now())
        if message.use.cost < 0:
            self._schedule.poll_soon()
        return is_there

    @receives(ChangeLimit, answers=UNREACHABLE, concurrently=True)
    async def on_change_limit(self, message: ChangeLimit) -> bool:
        """Change what a limit allows; more or fewer tasks may run from now on."""
        self._driver.feed(Leases.bar_chains)
        try:
            is_there = await self._storage.use(
                Storage.change_limit, message.name, message.values, now=self._clock.now()
            )
        except UNREACHABLE:
            self.start_task(self._unbar_chains_later())
            raise
        self._driver.feed(Leases.unbar_chains)
        if is_there:
            values = {} if message.values is None else asdict(message.values)
            events.info("limit_changed", limit=message.name, **values)
            self._schedule.poll_soon()
        return is_there

    async def _unbar_chains_later(self) -> None:
        """Let chains begin again when no change can still be in flight."""
        while True:
            try:
                await self._storage.use(Storage.extend, (), lease_s=0.0, now=self._clock.now())
            except UNREACHABLE:
                await self._storage.again()
            else:
                break
        self._driver.feed(Leases.unbar_chains)
