"""The requests that are answered from shared memory: a blocked consumer answers nothing."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any

from taskqueue.actors.roster import Roster
from taskqueue.clock import Clock
from taskqueue.commands import (
    GetActivity,
    GetMeasures,
    GetRecent,
    GetRunning,
    GetRunningLog,
    GetStack,
)
from taskqueue.rules.activity import Activity, Recent
from taskqueue.rules.logs import RunningLog
from taskqueue.rules.measures import Measures
from taskqueue.rules.running import Running, RunningStack
from taskqueue.rules.service_activity import RecentActivity
from taskqueue.runtime import Request


class LiveRequests:
    """Show what runs, and what this service has counted."""

    def __init__(
        self, roster: Roster, activity: Activity, measures: Measures, clock: Clock
    ) -> None:
        self._roster = roster
        self._activity = activity
        self._measures = measures
        self._clock = clock
        self.handlers: Mapping[type[Request[Any]], Callable[[Any], Awaitable[Any]]] = {
            GetActivity: self._get_activity,
            GetMeasures: self._get_measures,
            GetRecent: self._get_recent,
            GetRunning: self._get_running,
            GetRunningLog: self._get_running_log,
            GetStack: self._get_stack,
        }

    async def _get_activity(self, message: GetActivity) -> RecentActivity:
        clock = self._clock
        return self._activity.service.recent(message.minutes, now=clock.monotonic(), at=clock.now())

    async def _get_recent(self, message: GetRecent) -> Sequence[Recent]:
        await asyncio.sleep(0)  # each queue takes a millisecond, and there may be hundreds
        return self._activity.recent(message.queue, self._clock.monotonic())

    async def _get_measures(self, _: GetMeasures) -> Measures:
        return self._measures

    async def _get_running(self, _: GetRunning) -> Running:
        return await self._roster.running()

    async def _get_running_log(self, message: GetRunningLog) -> RunningLog | None:
        return self._roster.log(message.task_id)

    async def _get_stack(self, message: GetStack) -> RunningStack | None:
        return await self._roster.stack(message.task_id)
