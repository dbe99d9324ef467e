"""The part of a storage that keeps schedules, and what was decided for each of their slots.

A slot is the row (schedule, instant), written in the commit that accepts its task. So a slot cannot
run twice, however many services fire it at once, and whenever they are killed.
"""

from collections.abc import Sequence
from typing import Protocol

from taskqueue.rules.schedules.changes import Declaration
from taskqueue.rules.schedules.values import (
    Declared,
    Fired,
    Firing,
    Passed,
    Schedule,
    ScheduleHistory,
)


class Schedules(Protocol):
    """Schedules by their names. Each verb decides from the rows as they are in its commit."""

    async def schedules(self) -> tuple[Schedule, ...]:
        """Return all schedules, by name."""
        ...

    async def schedule(self, name: str, *, slots: int) -> ScheduleHistory | None:
        """Return a schedule with up to `slots` slots, latest first; None if there is none."""
        ...

    async def put_schedule(
        self, declared: Declared, *, expected: int | None = None, now: float
    ) -> Schedule | None:
        """Create a schedule, or replace its plan; return it as it is then.

        A new timing takes effect from `now` on: no slot before runs by it. Anything else that
        changes leaves the slots where they are. With `expected` only that version is replaced; 0
        means that there is none yet. Otherwise nothing is changed, and None is returned.
        """
        ...

    async def declare_schedules(self, declared: Sequence[Declared], *, now: float) -> Declaration:
        """Have exactly these schedules of code and file, in one commit; return what has changed.

        They win over what is stored under their names, but an operator's pause stays. Other
        schedules of code or file are paused, until they are named again, and their slots that wait
        are skipped. Those of the API stay.
        """
        ...

    async def pause_schedule(
        self, name: str, *, reason: str | None = None, now: float
    ) -> Schedule | None:
        """Let no slot of a schedule run until it is resumed; None if there is none.

        Slots that wait for the end of an earlier run are skipped. Pausing it again changes nothing.
        """
        ...

    async def resume_schedule(self, name: str, *, now: float) -> Schedule | None:
        """Let slots after `now` run again; None if there is none. Harmless if it is not paused."""
        ...

    async def delete_schedule(self, name: str) -> bool:
        """Delete a schedule with its slots, not their tasks; False if there is none."""
        ...

    async def fire(self, firing: Firing, *, now: float) -> Fired:
        """Decide a slot, and accept its task in the same commit if it runs.

        Its schedule decides as it is then. Nothing happens if it is paused, deleted or of another
        version (`STALE`), or if the slot was decided before (`REPEATED`). While earlier runs have
        not ended, the choice for overlaps says what becomes of the slot. One that waits may be
        fired again, until it runs. One whose task is not accepted, because another task holds its
        unique key, is skipped with that reason.
        """
        ...

    async def pass_over(self, passed: Passed, *, now: float) -> bool:
        """Note that slots were missed; False if the schedule is not of that version any more."""
        ...

    async def rewind_schedules(self, *, now: float) -> tuple[str, ...]:
        """Begin again at `now` where a schedule has decided slots ahead of it; return which.

        For a clock that was set back. Slots that have run do not run again.
        """
        ...

    async def trim_slots(self, *, before: float, limit: int) -> int:
        """Delete up to `limit` slots that came before that instant; return how many.

        The latest of each schedule stays, and so do those whose runs have not ended.

        Raises:
            ValueError: `limit` is negative.
        """
        ...
