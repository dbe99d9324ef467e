"""The part of the storage contract about slots that come while an earlier run has not ended."""

from msgspec.structs import replace

from taskqueue.rules.schedules.values import FireAnswer
from taskqueue.rules.schedules.words import Overlap, SlotOutcome
from taskqueue.rules.tasks import Status
from taskqueue.storage.protocol import Storage
from taskqueue.testing.contract.slots import (
    fired,
    firing,
    new_task,
    outcomes,
    put,
    run_all,
    slots_of,
)


class OverlapsContract:
    """A part of `SchedulesContract`."""

    async def test_skip_runs_nothing_beside_an_earlier_run(self, storage: Storage) -> None:
        await put(storage)
        await fired(storage, 60.0)

        skipped = await fired(storage, 120.0)
        await run_all(storage, now=130.0)
        after = await fired(storage, 180.0)

        assert skipped.decision is not None
        assert "the previous run has not ended" in (skipped.decision.reason or "")
        assert after.decision is not None
        assert await outcomes(storage) == [
            (60.0, SlotOutcome.FIRED),
            (120.0, SlotOutcome.SKIPPED),
            (180.0, SlotOutcome.FIRED),
        ]

    async def test_allow_runs_beside_earlier_runs(self, storage: Storage) -> None:
        await put(storage, overlap=Overlap.ALLOW)

        for slot in (60.0, 120.0):
            await fired(storage, slot)

        assert len(await storage.find(limit=9, now=130.0)) == 2

    async def test_queue_runs_one_after_the_other_in_the_order_of_slots(
        self, storage: Storage
    ) -> None:
        await put(storage, overlap=Overlap.QUEUE)
        for slot in (60.0, 120.0, 180.0):
            await fired(storage, slot)

        waiting = await outcomes(storage)
        [schedule] = await storage.schedules()
        too_early = await fired(storage, 120.0)
        await run_all(storage, now=190.0)
        out_of_turn = await fired(storage, 180.0)
        in_turn = await fired(storage, 120.0)

        assert [outcome for _, outcome in waiting] == [
            SlotOutcome.FIRED,
            SlotOutcome.WAITING,
            SlotOutcome.WAITING,
        ]
        assert schedule.waiting_from == 120.0
        assert [too_early.answer, out_of_turn.answer] == [FireAnswer.REPEATED] * 2
        assert in_turn.answer is FireAnswer.DECIDED
        [schedule] = await storage.schedules()
        assert (schedule.waiting_from, schedule.decided_to) == (180.0, 180.0)

    async def test_a_slot_that_still_waits_is_decided_though_the_clock_was_set_back(
        self, storage: Storage
    ) -> None:
        await put(storage, overlap=Overlap.QUEUE, now=10_000.0)
        for slot in (10_020.0, 10_080.0):
            await fired(storage, slot)
        await storage.rewind_schedules(now=10_079.0)

        again = await fired(storage, 10_080.0)

        [schedule] = await storage.schedules()
        assert (again.answer, schedule.decided_to) == (FireAnswer.REPEATED, 10_080.0)

    async def test_a_slot_that_waits_ahead_of_the_clock_leaves_the_slots_before_it_to_come(
        self, storage: Storage
    ) -> None:
        await put(storage, overlap=Overlap.QUEUE, now=10_000.0)
        for slot in (10_020.0, 10_080.0):
            await fired(storage, slot)
        await storage.rewind_schedules(now=10_050.0)
        [rewound] = await storage.schedules()

        waits = await storage.fire(firing(10_080.0), now=10_050.0)
        [still] = await storage.schedules()
        await run_all(storage, now=10_050.0)
        runs = await storage.fire(firing(10_080.0), now=10_050.0)

        assert (waits.answer, runs.answer) == (FireAnswer.REPEATED, FireAnswer.DECIDED)
        assert still == rewound
        [schedule] = await storage.schedules()
        assert schedule.decided_to == rewound.decided_to < 10_050.0

    async def test_slots_that_wait_are_skipped_once_the_schedule_does_not_queue_them(
        self, storage: Storage
    ) -> None:
        await put(storage, overlap=Overlap.QUEUE)
        for slot in (60.0, 120.0, 180.0):
            await fired(storage, slot)

        changed = await put(storage, overlap=Overlap.CANCEL, now=190.0)

        assert changed.waiting_from is None
        assert [outcome for _, outcome in await outcomes(storage)] == [
            SlotOutcome.FIRED,
            *[SlotOutcome.SKIPPED] * 2,
        ]

    async def test_a_slot_whose_task_another_keeps_out_is_skipped_and_says_so(
        self, storage: Storage
    ) -> None:
        keyed = replace(new_task(), unique_key="k", fingerprint="f")
        await storage.insert([keyed], now=0.0)
        await put(storage, overlap=Overlap.ALLOW)
        again = replace(new_task(), unique_key="k", fingerprint="f")

        answer = await storage.fire(replace(firing(60.0), task=again), now=60.0)

        [slot] = await slots_of(storage)
        assert (answer.task_id, answer.is_new, slot.task_id) == (None, False, None)
        assert slot.outcome is SlotOutcome.SKIPPED
        assert slot.reason == f"its unique key is held by task {keyed.id}"

    async def test_a_pause_skips_what_waits(self, storage: Storage) -> None:
        await put(storage, overlap=Overlap.QUEUE)
        for slot in (60.0, 120.0):
            await fired(storage, slot)

        paused = await storage.pause_schedule("report", now=130.0)

        assert paused is not None
        assert paused.waiting_from is None
        assert (await outcomes(storage))[-1] == (120.0, SlotOutcome.SKIPPED)

    async def test_cancel_ends_the_earlier_run_in_the_same_commit(self, storage: Storage) -> None:
        await put(storage, overlap=Overlap.CANCEL)
        await fired(storage, 60.0)

        answer = await fired(storage, 120.0)

        [cancelled] = answer.cancelled
        newest, oldest = await storage.find(limit=9, now=130.0)
        assert (newest.status, oldest.status) == (Status.QUEUED, Status.CANCELLED)
        assert (cancelled.task_id, oldest.reason) == (
            oldest.id,
            "the next slot of the schedule report has come",
        )
