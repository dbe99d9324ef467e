"""What the service answers about schedules, as the client returns it."""

from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Any, TypedDict

from taskqueue.rules.schedules.words import Decision, Missed, Origin, Overlap, Slot
from taskqueue.structs import Struct


class ScheduleFields(TypedDict, total=False):
    """What a schedule does, and when: `cron` or `every`. `within_s=None` is no limit."""

    data: Mapping[str, Any]
    cron: str
    every: timedelta | float
    timezone: str
    missed: Missed | str
    within_s: float | None
    overlap: Overlap | str


class ScheduleChanges(ScheduleFields, total=False):
    """What changes in a schedule; what is left out stays."""

    action: str


class UpcomingSlot(Struct):
    """A slot that lies ahead: the instant, and the time that clocks in its zone show then."""

    at: float
    local: str
    timezone: str


class ScheduleInfo(Struct):
    """One schedule, as it was when the service answered. Instants are seconds since 1970 (UTC)."""

    name: str
    action: str
    when: str
    """Its timing in words."""
    paused: bool
    paused_because: str | None
    next_at: float | None
    last: Decision | None
    """What was decided last, and why."""
    cron: str | None
    every_s: int | None
    timezone: str
    data: Mapping[str, Any]
    missed: Missed
    within_s: float | None
    overlap: Overlap
    origin: Origin
    active_from: float
    paused_at: float | None
    created_at: float
    changed_at: float
    fired_slots: int
    skipped_slots: int
    missed_slots: int
    upcoming: Sequence[UpcomingSlot] = ()
    """The next five; only of one schedule, not in a list."""
    slots: Sequence[Slot] = ()
    """What became of the latest 20, latest first; likewise."""
