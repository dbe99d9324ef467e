"""What is due of a schedule, and what becomes of a slot beside earlier runs. Pure."""

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from math import ceil, inf
from typing import TypeAlias

from msgspec.structs import replace

from taskqueue.rules.schedules.timing import next_slot
from taskqueue.rules.schedules.values import FireAnswer, Firing, Passed, Schedule
from taskqueue.rules.schedules.words import Decision, Missed, Overlap, Slot, SlotOutcome
from taskqueue.rules.tasks import Acceptance, Accepted
from taskqueue.structs import Struct

BATCH = 100  # slots of one schedule that are fired before others get their turn
COUNTED = 1_000  # missed slots that are counted one by one
MAX_WAITING = 1_000  # slots of one schedule
PAUSED = "the schedule was paused while the slot waited"
NOT_QUEUED = "the schedule does not queue its slots any more"


class DueSlot(Struct):
    """A slot that is to run."""

    slot: float


Step: TypeAlias = DueSlot | Passed


def next_of(schedule: Schedule) -> float | None:
    """Return the slot of which nothing is decided yet; None while it is paused or has none."""
    return next_slot(schedule.plan.timing, _decided(schedule)) if schedule.is_active else None


def due(schedule: Schedule, *, now: float) -> Iterator[Step]:
    """Yield what is to be decided for an active schedule now, in the order of its slots."""
    timing, plan = schedule.plan.timing, schedule.plan
    after = _decided(schedule)
    first = next_slot(timing, after)  # remembered: most rounds find that nothing is due
    last = None if first is None or first > now else timing.last(after, now)
    if last is None:
        return
    # All slots are whole seconds.
    kept_from = ceil(max(now - plan.late_s, last if plan.missed is Missed.LATEST else -inf, 0.0))
    missed = timing.between(after, kept_from - 1, limit=COUNTED)
    if missed:
        yield _passed(schedule, missed, kept_from, last)
    for slot in timing.between(max(after, kept_from - 1), now, limit=BATCH):
        yield DueSlot(slot=slot)


def lag_s(schedule: Schedule, *, now: float) -> float:
    """Return for how long a slot has been due of which nothing is decided; 0 if there is none."""
    try:
        slot = next_of(schedule)
    except ValueError:  # its timing cannot be read any more
        return 0.0
    return 0.0 if slot is None else max(0.0, now - slot)


def with_slot(data: str, slot: float) -> str:
    """Return JSON with the slot's instant, as ISO 8601 in UTC, in the place of each `{slot}`.

    >>> with_slot('{"day": "{slot}"}', 1767225600.0)
    '{"day": "2026-01-01T00:00:00Z"}'
    """
    return data.replace("{slot}", iso(slot))


def iso(instant: float) -> str:
    """Return an instant as ISO 8601 in UTC, to the second."""
    return datetime.fromtimestamp(int(instant), UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


class Resolution(Struct):
    """What becomes of a slot, why, and which tasks are cancelled for it."""

    outcome: SlotOutcome
    reason: str | None = None
    cancel: tuple[str, ...] = ()


RUN = Resolution(outcome=SlotOutcome.FIRED)


def resolve(overlap: Overlap, unfinished: Sequence[str], waiting: int) -> Resolution:
    """Return what becomes of a slot.

    Args:
        overlap: the choice of its schedule.
        unfinished: the tasks of earlier slots that have not ended, oldest first.
        waiting: how many earlier slots wait.
    """
    if not unfinished and not waiting:
        return RUN
    match overlap:
        case Overlap.ALLOW:
            return RUN
        case Overlap.CANCEL:
            return Resolution(outcome=SlotOutcome.FIRED, cancel=tuple(unfinished))
        case Overlap.QUEUE if waiting < MAX_WAITING:
            return Resolution(outcome=SlotOutcome.WAITING, reason="an earlier run has not ended")
        case Overlap.QUEUE:
            return _skipped(f"{waiting} earlier slots wait already")
        case Overlap.SKIP:
            return _skipped(
                f"the previous run has not ended (task {unfinished[-1]})"
                if unfinished
                else "an earlier slot waits"
            )


def accepted(found: Resolution, answer: Accepted) -> tuple[Resolution, str | None]:
    """Return what became of a slot whose task was inserted, and the id of the task that runs."""
    if answer.acceptance in _RUNS:
        return found, answer.id
    return _skipped(f"its unique key is held by task {answer.id}"), None


_RUNS = {Acceptance.ACCEPTED, Acceptance.REPLACED, Acceptance.POSTPONED}


def _skipped(reason: str) -> Resolution:
    return Resolution(outcome=SlotOutcome.SKIPPED, reason=reason)


def _decided(schedule: Schedule) -> float:
    return max(schedule.active_from, schedule.decided_to)


def _passed(
    schedule: Schedule, missed: tuple[float, ...], kept_from: int, last_slot: float
) -> Passed:
    is_whole = len(missed) < COUNTED
    last = missed[-1]
    if not is_whole:
        last = schedule.plan.timing.last(last, kept_from - 1) or last
    is_late = last == last_slot or schedule.plan.missed is not Missed.LATEST
    reason = f"later than {schedule.plan.late_s:g} s" if is_late else "a later slot was due as well"
    return Passed(
        schedule=schedule.name,
        version=schedule.version,
        slots=len(missed),
        first=missed[0],
        last=last,
        reason=reason,
    )


def decided(
    before: Schedule, decision: Decision, *, slots: int = 1, run_now: bool = False
) -> Schedule:
    """Return a schedule of which so many slots, up to one, were decided.

    A run that an operator asks for leaves its slots where they are.
    """
    outcome = decision.outcome
    decided_to = before.decided_to if run_now else _to(before, decision.slot, decision.at)
    return replace(
        before,
        decided_to=decided_to,
        last=decision,
        fired=before.fired + (outcome is SlotOutcome.FIRED),
        skipped=before.skipped + (outcome is SlotOutcome.SKIPPED),
        missed=before.missed + slots * (outcome is SlotOutcome.MISSED),
    )


def refusal(schedule: Schedule | None, firing: Firing, *, is_decided: bool) -> FireAnswer | None:
    """Return why nothing is to be decided for a slot; None if something is.

    `is_decided` says whether its row is there, and does not wait.
    """
    if schedule is None:
        return FireAnswer.STALE
    if is_decided:
        return FireAnswer.REPEATED
    if firing.run_now:
        return None
    is_stale = not schedule.is_active or schedule.version != firing.version
    return FireAnswer.STALE if is_stale else None


def resolution(
    firing: Firing, overlap: Overlap, unfinished: Sequence[str], waiting: int
) -> Resolution:
    """Return what becomes of a slot that is to be decided; see `resolve`."""
    if firing.task is None:
        return _skipped(firing.refusal or "its task cannot be made")
    return RUN if firing.run_now else resolve(overlap, unfinished, waiting)


def moved_on(before: Schedule, firing: Firing, *, now: float) -> Schedule:
    """Return a schedule that goes on after a slot which was decided before."""
    if firing.run_now:
        return before
    return replace(before, decided_to=_to(before, firing.slot, now))


def _to(before: Schedule, slot: float, now: float) -> float:
    """Return up to where slots are decided, with this one.

    One that lies ahead has waited while the clock was set back. It moves nothing: the slots from
    now to there are still to come.
    """
    return max(before.decided_to, slot) if slot <= now else before.decided_to


def may_pass(schedule: Schedule, passed: Passed) -> bool:
    """Tell whether a schedule is still as it was when its slots were found to be missed."""
    return schedule.is_active and schedule.version == passed.version


def passed_over(passed: Passed, *, now: float) -> tuple[Slot, Decision]:
    """Return the row, and the decision, for slots that were missed."""
    reason = passed.reason
    if passed.slots > 1:
        reason = f"{passed.slots} slots since {iso(passed.first)}: {reason}"
    outcome = SlotOutcome.MISSED
    slot = Slot(at=passed.last, outcome=outcome, decided_at=now, reason=reason, slots=passed.slots)
    return slot, Decision(slot=passed.last, outcome=outcome, at=now, reason=reason)


def cancel_reason(schedule: Schedule) -> str:
    """Return why an earlier run is cancelled."""
    return f"the next slot of the schedule {schedule.name} has come"
