"""One round over all schedules: decide every slot that is due, from what is stored."""

import asyncio
import math
from collections.abc import Callable, Sequence

from msgspec.structs import replace

from taskqueue.actors.schedules import schedule_log
from taskqueue.actors.storage_client import StorageClient
from taskqueue.api.schedules import UNFIT, Scheduling
from taskqueue.clock import Clock
from taskqueue.rules.schedules.deciding import DueSlot, cancel_reason, due, next_of
from taskqueue.rules.schedules.values import FireAnswer, Fired, Firing, Passed, Schedule
from taskqueue.rules.tasks import CancelResult, NewTask
from taskqueue.storage.protocol import Storage

AT_ONCE = 200  # schedules whose slots share commits
TOLERANCE_S = 1.0  # by which a clock may be set back unnoticed: it is adjusted all the time
LOOK_S = 1.0  # how often to look whether the run has ended that a slot waits for

Uptake = Callable[[Sequence[NewTask], Sequence[tuple[CancelResult, str]]], None]


class Rounds:
    """Decides of slots. Nothing is remembered from one round to the next but what was reported."""

    def __init__(
        self, storage: StorageClient, app: Scheduling, clock: Clock, uptake: Uptake
    ) -> None:
        """Make tasks by `app`; `uptake` gets those that were accepted, and those cancelled."""
        self._storage = storage
        self._app = app
        self._clock = clock
        self._uptake = uptake
        self._reported: set[tuple[str, int]] = set()

    async def run(self) -> float:
        """Decide until nothing is due; return the instant when something may be."""
        while True:
            now = self._clock.now()
            schedules = await self._stored(now)
            if not await self._decide_all(schedules, now):
                return self._next_at(schedules, now)

    async def run_now(self, name: str, task: NewTask) -> Fired:
        """Accept a task of a schedule beside its slots."""
        now = self._clock.now()
        task = replace(task, schedule=name)
        firing = Firing(schedule=name, version=0, slot=now, task=task, run_now=True)
        fired = await self._storage.use(Storage.fire, firing, now=now)
        if fired.answer is FireAnswer.DECIDED:
            schedule_log.decided(firing, fired)
            self._uptake([task] if fired.is_new else [], [])
        return fired

    async def _stored(self, now: float) -> tuple[Schedule, ...]:
        schedules = await self._storage.use(Storage.schedules)
        ahead = max((max(s.active_from, s.decided_to) for s in schedules), default=0.0)
        if ahead <= now + TOLERANCE_S:
            return schedules
        rewound = await self._storage.use(Storage.rewind_schedules, now=now)
        if rewound:
            schedule_log.clock_set_back(rewound, by_s=ahead - now)
        return await self._storage.use(Storage.schedules)

    async def _decide_all(self, schedules: Sequence[Schedule], now: float) -> bool:
        """Decide all due slots; return whether there were any. No schedule waits for another."""
        decided = False
        for start in range(0, len(schedules), AT_ONCE):
            part = schedules[start : start + AT_ONCE]
            found = [(each, self._due(each, now)) for each in part if each.is_active]
            done = await asyncio.gather(
                asyncio.sleep(0, result=False),  # others have their turn where nothing is due
                *(
                    self._decide(schedule, steps, now)
                    for schedule, steps in found
                    if steps or schedule.waiting_from is not None
                ),
                return_exceptions=True,
            )
            for each in done:
                if isinstance(each, BaseException):
                    raise each
                decided |= each
        return decided

    async def _decide(
        self, schedule: Schedule, steps: Sequence[DueSlot | Passed], now: float
    ) -> bool:
        decided = False
        if schedule.waiting_from is not None:
            decided = await self._fire(schedule, schedule.waiting_from)
        for step in steps:
            decided = True
            if isinstance(step, DueSlot):
                await self._fire(schedule, step.slot)
            elif await self._storage.use(Storage.pass_over, step, now=now):
                schedule_log.missed(step)
        return decided

    def _due(self, schedule: Schedule, now: float) -> Sequence[DueSlot | Passed]:
        try:
            return [*due(schedule, now=now)]
        except ValueError as error:  # such as a time zone that is gone since it was created
            self._report(schedule, error)
            return ()

    async def _fire(self, schedule: Schedule, slot: float) -> bool:
        """Decide a slot; return whether that was new."""
        firing = self._firing(schedule, slot)
        fired = await self._storage.use(Storage.fire, firing, now=self._clock.now())
        if fired.answer is not FireAnswer.DECIDED or fired.decision is None:
            return False
        schedule_log.decided(firing, fired)
        tasks = [] if firing.task is None or not fired.is_new else [firing.task]
        reason = cancel_reason(schedule)
        self._uptake(tasks, [(result, reason) for result in fired.cancelled])
        return True

    def _firing(self, schedule: Schedule, slot: float) -> Firing:
        task, refusal = None, None
        try:
            prepared = self._app.prepare_scheduled(schedule.plan, slot)
            task = replace(prepared, schedule=schedule.name)
        except UNFIT as error:
            refusal = str(error)
        return Firing(
            schedule=schedule.name,
            version=schedule.version,
            slot=slot,
            task=task,
            refusal=refusal,
        )

    def _next_at(self, schedules: Sequence[Schedule], now: float) -> float:
        instants = [now + LOOK_S for each in schedules if each.waiting_from is not None]
        for schedule in schedules:
            try:
                slot = next_of(schedule)
            except ValueError as error:
                self._report(schedule, error)
                continue
            if slot is not None:
                instants.append(slot)
        return min(instants, default=math.inf)

    def _report(self, schedule: Schedule, error: ValueError) -> None:
        version = (schedule.name, schedule.version)
        if version not in self._reported:
            self._reported.add(version)
            schedule_log.unreadable(schedule, error)
