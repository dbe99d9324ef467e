"""The part of the storage contract about the slots of schedules."""

from typing import Any

from msgspec.structs import replace

from taskqueue.ids import new_id
from taskqueue.rules.schedules.timing import Timing
from taskqueue.rules.schedules.values import (
    Declared,
    FireAnswer,
    Fired,
    Firing,
    Passed,
    Plan,
    Schedule,
)
from taskqueue.rules.schedules.words import Origin, Overlap, Slot, SlotOutcome
from taskqueue.rules.tasks import Complete, NewTask, Owner, SettleBy, Status
from taskqueue.storage.protocol import Storage

ME = Owner(node="n", incarnation="i")
MINUTELY = Timing(every_s=60)


def declared(name: str = "report", *, origin: Origin = Origin.API, **plan: Any) -> Declared:
    """Return a schedule that is due every minute."""
    return Declared(
        name=name, plan=Plan(**{"action": "echo", "timing": MINUTELY, **plan}), origin=origin
    )


def new_task() -> NewTask:
    """Return the task of a slot."""
    return NewTask(id=new_id(), action="echo", payload='{"action":"echo","data":{}}')


def firing(slot: float, *, version: int = 1, run_now: bool = False) -> Firing:
    """Return a slot of the schedule that is due."""
    return Firing(schedule="report", version=version, slot=slot, task=new_task(), run_now=run_now)


async def put(storage: Storage, *, now: float = 0.0, **plan: Any) -> Schedule:
    """Create or change the schedule."""
    found = await storage.put_schedule(declared(**plan), now=now)
    assert found is not None
    return found


async def fired(storage: Storage, slot: float, *, version: int = 1) -> Fired:
    """Fire a slot when it is due."""
    return await storage.fire(firing(slot, version=version), now=slot)


async def slots_of(storage: Storage) -> list[Slot]:
    """Return the slots, oldest first."""
    history = await storage.schedule("report", slots=100)
    assert history is not None
    return [*reversed(history.slots)]


async def outcomes(storage: Storage) -> list[tuple[float, SlotOutcome]]:
    """Return what became of each slot, oldest first."""
    return [(slot.at, slot.outcome) for slot in await slots_of(storage)]


async def run_all(storage: Storage, *, now: float) -> None:
    """Complete all tasks that are ready."""
    found = await storage.claim("default", limit=100, owner=ME, lease_s=30.0, now=now)
    settled = [SettleBy(token=each.token, settlement=Complete(result="null")) for each in found]
    await storage.settle(settled, now=now)


class SlotsContract:
    """A part of `SchedulesContract`."""

    # --- slots ------------------------------------------------------------------------------------

    async def test_a_slot_and_its_task_are_one_commit_and_happen_once(
        self, storage: Storage
    ) -> None:
        await put(storage)
        first, second = firing(60.0), firing(60.0)

        answers = [await storage.fire(each, now=60.5) for each in (first, second, first)]

        assert [each.answer for each in answers] == [
            FireAnswer.DECIDED,
            FireAnswer.REPEATED,
            FireAnswer.REPEATED,
        ]
        assert [task.id for task in await storage.find(limit=9, now=61.0)] == [
            first.task.id if first.task else None
        ]
        [slot] = await slots_of(storage)
        assert (slot.at, slot.outcome, slot.decided_at) == (60.0, SlotOutcome.FIRED, 60.5)
        assert slot.status is Status.QUEUED
        [schedule] = await storage.schedules()
        assert (schedule.decided_to, schedule.fired, schedule.version) == (60.0, 1, 1)
        assert schedule.last == answers[0].decision

    async def test_the_row_decides_as_it_is_then(self, storage: Storage) -> None:
        await put(storage)
        await put(storage, data='{"n":1}', now=30.0)

        outdated = await fired(storage, 60.0, version=1)
        current = await fired(storage, 60.0, version=2)
        await storage.pause_schedule("report", now=70.0)
        paused = await fired(storage, 120.0, version=3)

        assert [each.answer for each in (outdated, current, paused)] == [
            FireAnswer.STALE,
            FireAnswer.DECIDED,
            FireAnswer.STALE,
        ]
        assert await outcomes(storage) == [(60.0, SlotOutcome.FIRED)]

    async def test_an_operators_run_leaves_the_slots_alone(self, storage: Storage) -> None:
        await put(storage)
        await storage.pause_schedule("report", now=1.0)

        answer = await storage.fire(firing(60.0, version=0, run_now=True), now=60.0)
        await storage.resume_schedule("report", now=59.0)
        await run_all(storage, now=60.0)
        slot = await fired(storage, 60.0, version=3)

        assert (answer.answer, slot.answer) == (FireAnswer.DECIDED, FireAnswer.DECIDED)
        assert [each.run_now for each in await slots_of(storage)] == [False, True]

    async def test_a_task_that_cannot_be_made_skips_its_slot(self, storage: Storage) -> None:
        await put(storage)

        answer = await storage.fire(
            replace(firing(60.0), task=None, refusal="data.n: is missing"), now=60.0
        )

        assert answer.decision is not None
        assert answer.decision.reason == "data.n: is missing"
        assert await outcomes(storage) == [(60.0, SlotOutcome.SKIPPED)]
        assert await storage.find(limit=9, now=61.0) == ()

    async def test_missed_slots_are_one_row_with_their_number(self, storage: Storage) -> None:
        await put(storage)
        passed = Passed(
            schedule="report", version=1, slots=3, first=60.0, last=180.0, reason="late"
        )

        noted = [await storage.pass_over(passed, now=200.0)]
        noted.append(await storage.pass_over(replace(passed, version=2), now=200.0))

        [slot] = await slots_of(storage)
        assert noted == [True, False]
        assert (slot.at, slot.outcome, slot.slots) == (180.0, SlotOutcome.MISSED, 3)
        assert slot.reason == "3 slots since 1970-01-01T00:01:00Z: late"
        [schedule] = await storage.schedules()
        assert (schedule.missed, schedule.decided_to) == (3, 180.0)

    # --- the clock, and retention -----------------------------------------------------------------

    async def test_a_clock_that_was_set_back_fires_what_has_not_run(self, storage: Storage) -> None:
        await put(storage, overlap=Overlap.ALLOW, now=10_000.0)
        await fired(storage, 10_020.0)

        moved = await storage.rewind_schedules(now=100.0)
        unmoved = await storage.rewind_schedules(now=100.0)

        [schedule] = await storage.schedules()
        assert (moved, unmoved) == (("report",), ())
        assert (schedule.active_from, schedule.decided_to) == (100.0, 90.0)
        assert (await fired(storage, 120.0)).answer is FireAnswer.DECIDED
        assert (await fired(storage, 10_020.0)).answer is FireAnswer.REPEATED

    async def test_old_slots_go_but_never_the_latest_or_one_that_runs(
        self, storage: Storage
    ) -> None:
        await put(storage, overlap=Overlap.ALLOW)
        await fired(storage, 60.0)
        await run_all(storage, now=70.0)
        for slot in (120.0, 180.0, 240.0):
            await fired(storage, slot)

        few = await storage.trim_slots(before=1_000.0, limit=0)
        running = await storage.trim_slots(before=1_000.0, limit=100)
        await run_all(storage, now=300.0)
        ended = await storage.trim_slots(before=180.5, limit=100)
        latest = await storage.trim_slots(before=1_000.0, limit=100)

        assert (few, running, ended, latest) == (0, 1, 2, 0)
        assert [slot.at for slot in await slots_of(storage)] == [240.0]
