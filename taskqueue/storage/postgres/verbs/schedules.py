"""The verbs about schedules."""

from collections.abc import Sequence
from functools import partial

from taskqueue.rules.schedules.changes import Declaration
from taskqueue.rules.schedules.values import (
    Declared,
    Fired,
    Firing,
    Passed,
    Schedule,
    ScheduleHistory,
)
from taskqueue.storage.limits import check_limit
from taskqueue.storage.postgres.lifecycle import PostgresLifecycle
from taskqueue.storage.postgres.operations import schedules


class PostgresSchedules(PostgresLifecycle):
    """The verbs about schedules."""

    async def schedules(self) -> tuple[Schedule, ...]:
        return await self._read(schedules.every)

    async def schedule(self, name: str, *, slots: int) -> ScheduleHistory | None:
        return await self._read_snapshot(partial(schedules.history, name=name, slots=slots))

    async def put_schedule(
        self, declared: Declared, *, expected: int | None = None, now: float
    ) -> Schedule | None:
        return await self._write(
            partial(schedules.put, declared=declared, expected=expected, now=now)
        )

    async def declare_schedules(self, declared: Sequence[Declared], *, now: float) -> Declaration:
        return await self._write(partial(schedules.declare, declared=tuple(declared), now=now))

    async def pause_schedule(
        self, name: str, *, reason: str | None = None, now: float
    ) -> Schedule | None:
        return await self._write(partial(schedules.pause, name=name, reason=reason, now=now))

    async def resume_schedule(self, name: str, *, now: float) -> Schedule | None:
        return await self._write(partial(schedules.resume, name=name, now=now))

    async def delete_schedule(self, name: str) -> bool:
        return await self._write(partial(schedules.delete, name=name))

    async def fire(self, firing: Firing, *, now: float) -> Fired:
        return await self._write(partial(schedules.fire, firing=firing, now=now))

    async def pass_over(self, passed: Passed, *, now: float) -> bool:
        return await self._write(partial(schedules.pass_over, passed=passed, now=now))

    async def rewind_schedules(self, *, now: float) -> tuple[str, ...]:
        return await self._write(partial(schedules.rewind, now=now))

    async def trim_slots(self, *, before: float, limit: int) -> int:
        check_limit(limit)
        return await self._write(partial(schedules.trim, before=before, limit=limit))
