"""An example of each body and each answer about schedules."""

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec
from msgspec import Raw

from taskqueue.http.schedules.answers import (
    ScheduleDetail,
    ScheduleList,
    ScheduleView,
    Upcoming,
)
from taskqueue.http.schedules.requests import (
    PauseRequest,
    PlanChange,
    PlanRequest,
    ScheduleRequest,
)
from taskqueue.rules.schedules.words import Decision, Missed, Origin, Overlap, Slot, SlotOutcome
from taskqueue.rules.tasks import Status

_ID = "0197a4c8-0000-7000-8000-000000000000"
_AT = 1_800_000_000.0

_SCHEDULE = ScheduleView(
    name="nightly-report",
    action="report",
    when="At 03:00 every day (Europe/Berlin)",
    paused=False,
    paused_because=None,
    next_at=1_800_064_800.0,
    waiting_from=None,
    last=Decision(
        slot=1_799_978_400.0,
        outcome=SlotOutcome.SKIPPED,
        at=1_799_978_400.1,
        reason=f"the previous run has not ended (task {_ID})",
    ),
    cron="0 3 * * *",
    every_s=None,
    timezone="Europe/Berlin",
    data=Raw(b'{"day":"{slot}"}'),
    missed=Missed.LATEST,
    within_s=None,
    overlap=Overlap.SKIP,
    origin=Origin.API,
    active_from=_AT - 864_000.0,
    paused_at=None,
    created_at=_AT - 864_000.0,
    changed_at=_AT - 864_000.0,
    fired_slots=9,
    skipped_slots=1,
    missed_slots=0,
)

_SLOT = Slot(
    at=1_799_892_000.0,
    outcome=SlotOutcome.FIRED,
    decided_at=1_799_892_000.1,
    task_id=_ID,
    status=Status.RUNNING,
)

_UPCOMING = Upcoming(
    at=1_800_064_800.0, local="2027-01-16T03:00:00+01:00", timezone="Europe/Berlin"
)

_PLAN: Mapping[str, Any] = {"action": "report", "cron": "0 3 * * *", "timezone": "Europe/Berlin"}

SCHEDULE_EXAMPLES: Sequence[Any] = (
    _SCHEDULE,
    ScheduleList(schedules=[_SCHEDULE]),
    ScheduleDetail(**msgspec.structs.asdict(_SCHEDULE), upcoming=[_UPCOMING], slots=[_SLOT]),
    ScheduleRequest(name="nightly-report", **_PLAN),
    PlanRequest(**_PLAN),
    PauseRequest(reason="the printer is broken"),
)
PLAN_CHANGE_EXAMPLE = PlanChange(cron="0 4 * * *")
