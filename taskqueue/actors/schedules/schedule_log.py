"""Events of schedules. See `docs/logs.md`."""

from collections.abc import Sequence

from taskqueue.events import events
from taskqueue.rules.schedules.changes import Declaration
from taskqueue.rules.schedules.deciding import iso
from taskqueue.rules.schedules.values import Fired, Firing, Passed, Schedule
from taskqueue.rules.schedules.words import SlotOutcome


def decided(firing: Firing, fired: Fired) -> None:
    """Something was decided for a slot."""
    decision = fired.decision
    if decision is None:
        return
    slot = {"schedule": firing.schedule, "slot": iso(decision.slot)}
    match decision.outcome:
        case SlotOutcome.FIRED:
            late_s = round(max(0.0, decision.at - decision.slot), 3)
            events.info("schedule_fired", **slot, task_id=fired.task_id, late_s=late_s)
        case SlotOutcome.WAITING:
            events.info("schedule_waiting", **slot, reason=decision.reason)
        case SlotOutcome.SKIPPED | SlotOutcome.MISSED:
            events.warning("schedule_skipped", **slot, reason=decision.reason)


def missed(passed: Passed) -> None:
    """Slots came while nothing could run them, and are not made up for."""
    events.warning(
        "schedule_missed",
        schedule=passed.schedule,
        slot=iso(passed.last),
        slots=passed.slots,
        reason=passed.reason,
    )


def declared(declaration: Declaration) -> None:
    """The schedules of code and file are stored."""
    for schedule in declaration.changed:
        if schedule.name in declaration.undeclared:
            events.warning(
                "schedule_undeclared", schedule=schedule.name, reason=schedule.paused_because
            )
        else:
            put(schedule)


def put(schedule: Schedule) -> None:
    """A schedule was created or changed."""
    name = "schedule_created" if schedule.version == 1 else "schedule_changed"
    events.info(
        name,
        schedule=schedule.name,
        action=schedule.plan.action,
        when=schedule.plan.timing.in_words,
        origin=str(schedule.origin),
    )


def clock_set_back(schedules: Sequence[str], *, by_s: float) -> None:
    """Slots that lie ahead of the clock were decided."""
    events.warning("clock_set_back", by_s=round(by_s, 3), schedules=len(schedules))


def unreadable(schedule: Schedule, error: ValueError) -> None:
    """The timing of a stored schedule cannot be read any more."""
    events.error("schedule_unreadable", schedule=schedule.name, reason=str(error))
