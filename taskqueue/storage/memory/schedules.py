"""Schedules in memory."""

from collections.abc import Iterator, Sequence

from msgspec.structs import replace

from taskqueue.rules.schedules import changes, deciding
from taskqueue.rules.schedules.changes import Declaration
from taskqueue.rules.schedules.values import (
    Declared,
    FireAnswer,
    Fired,
    Firing,
    Passed,
    Schedule,
    ScheduleHistory,
)
from taskqueue.rules.schedules.words import Decision, Slot, SlotOutcome
from taskqueue.rules.tasks import ENDED, CancelResult
from taskqueue.storage.limits import check_limit
from taskqueue.storage.memory import settling
from taskqueue.storage.memory.part import MemoryPart


class MemorySchedules(MemoryPart):
    """The part of the model that keeps schedules."""

    def __init__(self) -> None:
        super().__init__()
        self._schedules: dict[str, Schedule] = {}
        self._slots: dict[str, dict[tuple[float, bool], Slot]] = {}

    async def schedules(self) -> tuple[Schedule, ...]:
        self._require_open()
        return tuple(self._shown(name) for name in sorted(self._schedules))

    async def schedule(self, name: str, *, slots: int) -> ScheduleHistory | None:
        self._require_open()
        if name not in self._schedules:
            return None
        latest = sorted(self._slots[name].items(), reverse=True)[:slots]
        return ScheduleHistory(
            schedule=self._shown(name), slots=tuple(self._with_status(slot) for _, slot in latest)
        )

    async def put_schedule(
        self, declared: Declared, *, expected: int | None = None, now: float
    ) -> Schedule | None:
        self._require_open()
        before = self._schedules.get(declared.name)
        version = 0 if before is None else before.version
        if expected is not None and expected != version:
            return None
        self._keep(after := changes.put(before, declared, now=now))
        if changes.drops_waiting(before, after):
            self._skip_waiting(declared.name, deciding.NOT_QUEUED)
        return self._shown(declared.name)

    async def declare_schedules(self, declared: Sequence[Declared], *, now: float) -> Declaration:
        self._require_open()
        stored = {name: self._shown(name) for name in self._schedules}
        declaration = changes.declare(stored, declared, now=now)
        for schedule in declaration.changed:
            self._keep(schedule)
            if changes.drops_waiting(stored.get(schedule.name), schedule):
                self._skip_waiting(schedule.name, deciding.NOT_QUEUED)
        for name in declaration.undeclared:
            self._skip_waiting(name, deciding.PAUSED)
        return declaration

    async def pause_schedule(
        self, name: str, *, reason: str | None = None, now: float
    ) -> Schedule | None:
        self._require_open()
        if name not in self._schedules:
            return None
        self._keep(changes.paused(self._schedules[name], reason, now=now))
        self._skip_waiting(name, deciding.PAUSED)
        return self._shown(name)

    async def resume_schedule(self, name: str, *, now: float) -> Schedule | None:
        self._require_open()
        if name not in self._schedules:
            return None
        self._keep(changes.resumed(self._schedules[name], now=now))
        return self._shown(name)

    async def delete_schedule(self, name: str) -> bool:
        self._require_open()
        self._slots.pop(name, None)
        return self._schedules.pop(name, None) is not None

    async def fire(self, firing: Firing, *, now: float) -> Fired:
        self._require_open()
        name = firing.schedule
        schedule = self._schedules.get(name)
        known = self._slots.get(name, {}).get((firing.slot, firing.run_now))
        is_decided = known is not None and known.outcome is not SlotOutcome.WAITING
        answer = deciding.refusal(schedule, firing, is_decided=is_decided)
        if schedule is None or answer is FireAnswer.STALE:
            return Fired(answer=FireAnswer.STALE)
        if answer is not None:
            self._keep(deciding.moved_on(schedule, firing, now=now))
            return Fired(answer=answer)
        return self._decide(schedule, firing, waits=known is not None, now=now)

    def _decide(self, schedule: Schedule, firing: Firing, *, waits: bool, now: float) -> Fired:
        name = schedule.name
        runs = self._unfinished()
        unfinished = [
            slot.task_id
            for _, slot in sorted(self._slots[name].items())
            if slot.task_id is not None and slot.task_id in runs and slot.at != firing.slot
        ]
        waiting = sum(slot.at < firing.slot for slot in self._waiting(name))
        found = deciding.resolution(firing, schedule.plan.overlap, unfinished, waiting)
        if waits and found.outcome is SlotOutcome.WAITING:
            self._keep(deciding.moved_on(schedule, firing, now=now))
            return Fired(answer=FireAnswer.REPEATED)
        cancelled = self._cancel(found.cancel, deciding.cancel_reason(schedule), now=now)
        task_id, is_new = None, False
        if firing.task is not None and found.outcome is SlotOutcome.FIRED:
            [answer] = self._gates.insert((firing.task,), now=now)
            found, task_id = deciding.accepted(found, answer)
            is_new = task_id == firing.task.id
        self._turn_groups(now=now)
        self._enter(
            name,
            Slot(
                at=firing.slot,
                outcome=found.outcome,
                decided_at=now,
                reason=found.reason,
                task_id=task_id,
                run_now=firing.run_now,
            ),
        )
        decision = Decision(slot=firing.slot, outcome=found.outcome, at=now, reason=found.reason)
        self._keep(deciding.decided(schedule, decision, run_now=firing.run_now))
        return Fired(
            answer=FireAnswer.DECIDED,
            decision=decision,
            task_id=task_id,
            is_new=is_new,
            cancelled=cancelled,
        )

    async def pass_over(self, passed: Passed, *, now: float) -> bool:
        self._require_open()
        schedule = self._schedules.get(passed.schedule)
        if schedule is None or not deciding.may_pass(schedule, passed):
            return False
        slot, decision = deciding.passed_over(passed, now=now)
        self._slots[schedule.name].setdefault((slot.at, False), slot)
        self._keep(deciding.decided(schedule, decision, slots=passed.slots))
        return True

    async def rewind_schedules(self, *, now: float) -> tuple[str, ...]:
        self._require_open()
        after = [changes.rewound(each, now=now) for each in self._schedules.values()]
        moved = [each for each in after if each != self._schedules[each.name]]
        for schedule in moved:
            self._keep(schedule)
        return tuple(sorted(each.name for each in moved))

    async def trim_slots(self, *, before: float, limit: int) -> int:
        check_limit(limit)
        self._require_open()
        runs = self._unfinished()
        old = [
            (slot.at, name, key)
            for name, slots in self._slots.items()
            for key, slot in slots.items()
            if slot.at < before
            and key != max(slots)
            and slot.outcome is not SlotOutcome.WAITING
            and slot.task_id not in runs
        ]
        trimmed = sorted(old)[:limit]
        for _, name, key in trimmed:
            del self._slots[name][key]
        return len(trimmed)

    # --- steps ------------------------------------------------------------------------------------

    def _keep(self, schedule: Schedule) -> None:
        self._schedules[schedule.name] = schedule
        self._slots.setdefault(schedule.name, {})

    def _enter(self, name: str, slot: Slot) -> None:
        self._slots[name][slot.at, slot.run_now] = slot

    def _shown(self, name: str) -> Schedule:
        waiting = min((slot.at for slot in self._waiting(name)), default=None)
        return replace(self._schedules[name], waiting_from=waiting)

    def _waiting(self, name: str) -> Iterator[Slot]:
        return (s for s in self._slots[name].values() if s.outcome is SlotOutcome.WAITING)

    def _skip_waiting(self, name: str, reason: str) -> None:
        for slot in [*self._waiting(name)]:
            self._enter(name, replace(slot, outcome=SlotOutcome.SKIPPED, reason=reason))

    def _with_status(self, slot: Slot) -> Slot:
        row = self._table.rows.get(slot.task_id or "")
        return slot if row is None else replace(slot, status=row.task.status)

    def _unfinished(self) -> set[str]:
        return {id_ for id_, row in self._table.rows.items() if row.task.status not in ENDED}

    def _cancel(
        self, task_ids: Sequence[str], reason: str, *, now: float
    ) -> tuple[CancelResult, ...]:
        rows = self._table.rows
        return tuple(
            settling.cancel(task_id, rows.get(task_id), reason=reason, now=now)
            for task_id in task_ids
        )
