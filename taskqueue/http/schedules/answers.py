"""The answers about schedules. Their data is not parsed: its text goes from the row into it."""

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from itertools import islice
from typing import Any, Self

from msgspec import Raw

from taskqueue.http.pages import NamesRequest, page_of
from taskqueue.rules.schedules.cron import zone_of
from taskqueue.rules.schedules.deciding import next_of
from taskqueue.rules.schedules.values import Schedule, ScheduleHistory
from taskqueue.rules.schedules.words import Decision, Missed, Origin, Overlap, Slot
from taskqueue.structs import Struct

SHOWN_SLOTS = 20
UPCOMING = 5


class Upcoming(Struct):
    """A slot that lies ahead: the instant, and the time that clocks in its zone show then."""

    at: float
    local: str
    timezone: str


class ScheduleView(Struct):
    """A schedule as it is shown."""

    name: str
    action: str
    when: str
    paused: bool
    paused_because: str | None
    next_at: float | None
    waiting_from: float | None
    last: Decision | None
    cron: str | None
    every_s: int | None
    timezone: str
    data: Raw
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

    @classmethod
    def of(cls, schedule: Schedule) -> Self:
        """Return the view of a schedule."""
        return cls(**_fields(schedule))


class ScheduleDetail(ScheduleView):
    """A schedule with its next instants, and what became of the latest ones."""

    upcoming: Sequence[Upcoming]
    slots: Sequence[Slot]

    @classmethod
    def of_history(cls, history: ScheduleHistory) -> Self:
        """Return the view of a schedule with its slots."""
        schedule = history.schedule
        upcoming = [*islice(_upcoming(schedule), UPCOMING)]
        return cls(**_fields(schedule), upcoming=upcoming, slots=history.slots)


class ScheduleList(Struct):
    """Some schedules, by name. `next` is the cursor of the page after this one, or None."""

    schedules: Sequence[ScheduleView]
    next: str | None = None

    @classmethod
    def of(cls, schedules: Sequence[Schedule], asked: NamesRequest) -> Self:
        """Return the page that is asked for."""
        page = page_of(
            schedules,
            asked,
            name_of=lambda schedule: schedule.name,
            size_of=lambda schedule: len(schedule.plan.data.encode()),
        )
        return cls(schedules=[*map(ScheduleView.of, page.entries)], next=page.next)


def _fields(schedule: Schedule) -> dict[str, Any]:
    plan, timing = schedule.plan, schedule.plan.timing
    return {
        "name": schedule.name,
        "action": plan.action,
        "when": _in_words(schedule),
        "paused": not schedule.is_active,
        "paused_because": schedule.paused_because,
        "next_at": _next_at(schedule),
        "waiting_from": schedule.waiting_from,
        "last": schedule.last,
        "cron": timing.cron,
        "every_s": timing.every_s,
        "timezone": timing.timezone,
        "data": Raw(plan.data.encode()),
        "missed": plan.missed,
        "within_s": plan.within_s,
        "overlap": plan.overlap,
        "origin": schedule.origin,
        "active_from": schedule.active_from,
        "paused_at": schedule.paused_at,
        "created_at": schedule.created_at,
        "changed_at": schedule.changed_at,
        "fired_slots": schedule.fired,
        "skipped_slots": schedule.skipped,
        "missed_slots": schedule.missed,
    }


def _in_words(schedule: Schedule) -> str:
    try:
        return schedule.plan.timing.in_words
    except ValueError as error:  # what was stored cannot be read any more
        return str(error)


def _next_at(schedule: Schedule) -> float | None:
    try:
        return next_of(schedule)
    except ValueError:  # likewise
        return None


def _upcoming(schedule: Schedule) -> Iterator[Upcoming]:
    timing = schedule.plan.timing
    first = _next_at(schedule)
    if first is None:
        return
    try:
        zone = zone_of(timing.timezone)
    except ValueError:  # likewise: an interval is due in any zone
        zone = UTC
    for at in timing.slots(first - 1):
        local = datetime.fromtimestamp(at, zone).isoformat()
        yield Upcoming(at=at, local=local, timezone=timing.timezone)
