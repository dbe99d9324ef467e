"""How a schedule changes: the row as it is before, and as it is after. Pure."""

from collections.abc import Iterable, Mapping, Sequence

from msgspec.structs import replace

from taskqueue.rules.schedules.values import Declared, Schedule
from taskqueue.rules.schedules.words import Origin, Overlap
from taskqueue.structs import Struct

REWOUND_S = 10.0
"""How far before the clock the decisions begin again after it was set back.

The service looks at the clock this often. A slot that it decided in that time is known by its
row, so it does not run again.
"""


def put(before: Schedule | None, declared: Declared, *, now: float) -> Schedule:
    """Return a schedule with this plan; `before` is the one that has its name, if there is one.

    A change of the timing moves the boundary from which slots run to `now`, any other does not. An
    operator's pause stays.
    """
    if before is None:
        return _new(declared, now=now)
    plan = declared.plan
    starts_anew = plan.timing != before.plan.timing or not before.is_declared
    after = replace(
        before,
        plan=plan,
        origin=declared.origin,
        is_declared=True,
        active_from=now if starts_anew else before.active_from,
    )
    return before if after == before else _changed(after, now=now)


def drops_waiting(before: Schedule | None, after: Schedule) -> bool:
    """Tell whether slots that wait are skipped: no slot of the schedule waits any more."""
    was = None if before is None else before.plan.overlap
    return was is Overlap.QUEUE and after.plan.overlap is not Overlap.QUEUE


def paused(before: Schedule, reason: str | None, *, now: float) -> Schedule:
    """Return a schedule that an operator has paused; the first pause stays."""
    if before.paused_at is not None:
        return before
    return _changed(replace(before, paused_at=now, pause_reason=reason), now=now)


def resumed(before: Schedule, *, now: float) -> Schedule:
    """Return a schedule without an operator's pause; no slot of the time until `now` runs."""
    if before.paused_at is None:
        return before
    return _changed(replace(before, paused_at=None, pause_reason=None, active_from=now), now=now)


class Declaration(Struct):
    """What a start has changed: the schedules as they are now, and the names of some."""

    changed: tuple[Schedule, ...]
    created: tuple[str, ...]
    undeclared: tuple[str, ...]
    """Which are paused because they are no longer named."""


def declare(
    stored: Mapping[str, Schedule], declared: Sequence[Declared], *, now: float
) -> Declaration:
    """Return what changes when these schedules, and no others, are named by code and file."""
    named = {each.name for each in declared}
    put_now = [put(stored.get(each.name), each, now=now) for each in declared]
    dropped = [_undeclared(each, now=now) for each in _dropped(stored.values(), named)]
    return Declaration(
        changed=tuple(each for each in (*put_now, *dropped) if each != stored.get(each.name)),
        created=tuple(each.name for each in declared if each.name not in stored),
        undeclared=tuple(each.name for each in dropped),
    )


def rewound(before: Schedule, *, now: float) -> Schedule:
    """Return a schedule as it goes on after the clock was set back.

    An instant that lies ahead was written by a clock that went wrong: slots run from `now` on, and
    those that had run before are known by their rows.
    """
    if max(before.active_from, before.decided_to) <= now:
        return before
    return replace(
        before,
        active_from=min(before.active_from, now),
        decided_to=min(before.decided_to, now - REWOUND_S),
    )


def _new(declared: Declared, *, now: float) -> Schedule:
    return Schedule(
        name=declared.name,
        plan=declared.plan,
        origin=declared.origin,
        active_from=now,
        decided_to=0.0,
        created_at=now,
        changed_at=now,
    )


def _changed(schedule: Schedule, *, now: float) -> Schedule:
    return replace(schedule, changed_at=now, version=schedule.version + 1)


def _dropped(stored: Iterable[Schedule], named: set[str]) -> Iterable[Schedule]:
    for schedule in sorted(stored, key=lambda schedule: schedule.name):
        is_ours = schedule.origin is not Origin.API and schedule.is_declared
        if is_ours and schedule.name not in named:
            yield schedule


def _undeclared(schedule: Schedule, *, now: float) -> Schedule:
    return _changed(replace(schedule, is_declared=False, waiting_from=None), now=now)
