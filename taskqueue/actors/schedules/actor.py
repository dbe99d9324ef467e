"""The schedules actor: fires the slots of schedules when they are due.

It computes from the storage, never from memory, so its restart, a sleep of the machine and a clock
that was moved are the same case: a round that finds slots due. A slot is fired once however many
of these actors there are, because its row is in the commit of its task.
"""

import asyncio
import contextlib
from collections.abc import Sequence

from taskqueue.actors.messages import DATABASE, QUEUE, SCHEDULES, SlotsFired
from taskqueue.actors.schedules import schedule_log
from taskqueue.actors.schedules.rounds import Rounds
from taskqueue.actors.storage_client import UNREACHABLE, StorageClient
from taskqueue.api.schedules import Scheduling
from taskqueue.clock import Clock, SystemClock
from taskqueue.commands import (
    DeleteSchedule,
    PauseSchedule,
    PutSchedule,
    ResumeSchedule,
    RunSchedule,
)
from taskqueue.events import events
from taskqueue.rules.schedules.changes import REWOUND_S
from taskqueue.rules.schedules.values import Declared, Fired, Schedule
from taskqueue.rules.tasks import CancelResult, NewTask
from taskqueue.runtime import Actor, Request, receives, tell
from taskqueue.storage.protocol import Storage

LOOK_S = REWOUND_S  # how often to look at the clock: it may be moved, or stand still in a sleep
RETRY_S = 1.0
DECLARE_S = 5.0  # for which a start waits for the storage; it goes on without


class FireDue(Request[None]):
    """Decide the slots that are due; answered once that is stored."""


class SchedulesActor(Actor):
    """Keeps the schedules, and fires their slots."""

    registered_name = SCHEDULES

    def __init__(
        self, declared: Sequence[Declared], app: Scheduling, clock: Clock | None = None
    ) -> None:
        super().__init__()
        self._declared = declared
        self._clock = clock or SystemClock()
        self._storage = StorageClient(self.address(DATABASE))
        self._rounds = Rounds(self._storage, app, self._clock, self._tell_queue)
        self._changed = asyncio.Event()
        self._is_declared = False

    async def on_start(self) -> None:
        """Store what code and file declare, before the door opens, and fire from then on."""
        with contextlib.suppress(*UNREACHABLE):
            await self._declare(StorageClient(self.address(DATABASE), DECLARE_S))
        self.start_task(self._keep_firing())

    @receives(FireDue, answers=UNREACHABLE, concurrently=True)
    async def on_fire_due(self, _: FireDue) -> None:
        """Fire what is due, and look again soon whether what waits may run."""
        await self._round()
        self._changed.set()

    @receives(PutSchedule, answers=UNREACHABLE, concurrently=True)
    async def on_put_schedule(self, message: PutSchedule) -> Schedule | None:
        """Create a schedule, or replace its plan."""
        schedule = await self._storage.use(
            Storage.put_schedule,
            message.declared,
            expected=message.expected,
            now=self._clock.now(),
        )
        if schedule is not None:
            schedule_log.put(schedule)
        self._changed.set()
        return schedule

    @receives(PauseSchedule, answers=UNREACHABLE, concurrently=True)
    async def on_pause_schedule(self, message: PauseSchedule) -> Schedule | None:
        """Let no slot of a schedule run."""
        schedule = await self._storage.use(
            Storage.pause_schedule, message.name, reason=message.reason, now=self._clock.now()
        )
        if schedule is not None:
            events.info("schedule_paused", schedule=schedule.name, reason=message.reason)
        return schedule

    @receives(ResumeSchedule, answers=UNREACHABLE, concurrently=True)
    async def on_resume_schedule(self, message: ResumeSchedule) -> Schedule | None:
        """Let slots run again."""
        schedule = await self._storage.use(
            Storage.resume_schedule, message.name, now=self._clock.now()
        )
        if schedule is not None:
            events.info("schedule_resumed", schedule=schedule.name)
        self._changed.set()
        return schedule

    @receives(DeleteSchedule, answers=UNREACHABLE, concurrently=True)
    async def on_delete_schedule(self, message: DeleteSchedule) -> bool:
        """Delete a schedule."""
        deleted = await self._storage.use(Storage.delete_schedule, message.name)
        if deleted:
            events.info("schedule_deleted", schedule=message.name)
        return deleted

    @receives(RunSchedule, answers=UNREACHABLE, concurrently=True)
    async def on_run_schedule(self, message: RunSchedule) -> Fired:
        """Run a schedule once, now."""
        return await self._rounds.run_now(message.name, message.task)

    async def _keep_firing(self) -> None:
        is_postponed = False
        while True:
            self._changed.clear()
            try:
                next_at = await self._round()
                is_postponed = False
            except UNREACHABLE as error:
                if not is_postponed:
                    events.info("schedules_postponed", reason=str(error))
                next_at, is_postponed = self._clock.now() + RETRY_S, True
            await self._wait_until(next_at)

    async def _wait_until(self, next_at: float) -> None:
        """Wait for an instant, for a change, or for the next look at the clock."""
        look_in_s = self._clock.next_beat(LOOK_S) - self._clock.monotonic()
        left_s = min(next_at - self._clock.now(), look_in_s)
        if left_s > 0:
            await self._clock.wait(self._changed, left_s)

    async def _round(self) -> float:
        if not self._is_declared:
            await self._declare(self._storage)
        return await self._rounds.run()

    async def _declare(self, storage: StorageClient) -> None:
        declaration = await storage.use(
            Storage.declare_schedules, self._declared, now=self._clock.now()
        )
        self._is_declared = True
        schedule_log.declared(declaration)

    def _tell_queue(
        self, tasks: Sequence[NewTask], cancelled: Sequence[tuple[CancelResult, str]]
    ) -> None:
        message = SlotsFired(tasks=tuple(tasks), cancelled=tuple(cancelled))
        if tasks or cancelled:
            tell(self.address(QUEUE), message)
