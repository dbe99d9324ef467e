"""The bodies of requests about schedules."""

from collections.abc import Mapping
from typing import Annotated, Any, TypeAlias

from msgspec import UNSET, Meta, Raw, UnsetType
from msgspec.structs import replace

from taskqueue.errors import Fault
from taskqueue.http.bodies import FieldReader
from taskqueue.http.problems import Problem
from taskqueue.rules.names import NAME_RULE, NAME_SCHEMA, is_name
from taskqueue.rules.options import MAX_DELAY_S
from taskqueue.rules.schedules.cron import MAX_LENGTH
from taskqueue.rules.schedules.timing import MAX_EVERY_S, Timing
from taskqueue.rules.schedules.values import Plan
from taskqueue.rules.schedules.words import Missed, Overlap
from taskqueue.structs import Struct

MAX_REASON = 1_000  # characters

_Name: TypeAlias = Annotated[str, Meta(description="a name", extra_json_schema=NAME_SCHEMA)]
_Data: TypeAlias = Annotated[
    Raw, Meta(description="an object", extra_json_schema={"type": "object"})
]
_Cron: TypeAlias = Annotated[
    str, Meta(description="a cron expression", extra_json_schema={"maxLength": MAX_LENGTH})
]
_Seconds: TypeAlias = Annotated[
    float,
    Meta(
        description="whole seconds",
        extra_json_schema={"type": "integer", "minimum": 1, "maximum": MAX_EVERY_S},
    ),
]
_Zone: TypeAlias = Annotated[str, Meta(description="the name of a time zone")]
_Missed: TypeAlias = Annotated[Missed, Meta(description=f"one of {', '.join(Missed)}")]
_Overlap: TypeAlias = Annotated[Overlap, Meta(description=f"one of {', '.join(Overlap)}")]
_Within: TypeAlias = Annotated[
    float,
    Meta(
        description="a number of seconds, or null",
        extra_json_schema={"exclusiveMinimum": 0, "exclusiveMaximum": MAX_DELAY_S},
    ),
]


class PlanChange(Struct, forbid_unknown_fields=True):
    """What changes in a schedule. What is left out stays; `cron` and `every_s` replace another."""

    action: _Name | UnsetType = UNSET
    data: _Data | UnsetType = UNSET
    cron: _Cron | UnsetType = UNSET
    every_s: _Seconds | UnsetType = UNSET
    timezone: _Zone | UnsetType = UNSET
    missed: _Missed | UnsetType = UNSET
    within_s: _Within | UnsetType | None = UNSET
    overlap: _Overlap | UnsetType = UNSET


PLAN_CHANGE: TypeAlias = Annotated[PlanChange, Meta(extra_json_schema={"minProperties": 1})]
"""As the document describes it."""


class PlanRequest(Struct, forbid_unknown_fields=True):
    """What a schedule is to do, and when: `cron` or `every_s`."""

    action: _Name
    data: _Data | UnsetType = UNSET
    cron: _Cron | UnsetType = UNSET
    every_s: _Seconds | UnsetType = UNSET
    timezone: _Zone = "UTC"
    missed: _Missed = Missed.LATEST
    within_s: _Within | None = None
    overlap: _Overlap = Overlap.SKIP


class ScheduleRequest(PlanRequest, forbid_unknown_fields=True):
    """A schedule to create; its name is that of its action if it is left out."""

    name: _Name | UnsetType = UNSET


class PauseRequest(Struct, forbid_unknown_fields=True):
    """Why a schedule is paused."""

    reason: (
        Annotated[
            str,
            Meta(
                min_length=1,
                max_length=MAX_REASON,
                description=f"a text of 1 to {MAX_REASON} characters",
            ),
        ]
        | UnsetType
    ) = UNSET


Given: TypeAlias = Mapping[str, Any]
"""The fields that a request gives, by name."""

_change, _plan = FieldReader(PlanChange), FieldReader(PlanRequest)
_schedule, _pause = FieldReader(ScheduleRequest), FieldReader(PauseRequest)


async def read_change(body: bytes) -> Given:
    """Return what a body changes.

    Raises:
        Problem: 400, it is no JSON; 422, with every fault.
    """
    given = _change.read(body)
    if not given:
        fields = ", ".join(PlanChange.__struct_fields__)
        raise Problem.invalid("invalid request", (Fault("", f"must have some of: {fields}"),))
    return given


async def read_plan(body: bytes) -> Given:
    """Return what a schedule is to do. Raises what `read_change` does."""
    return _with_action(_plan.read(body))


async def read_schedule(body: bytes) -> Given:
    """Return a schedule to create. Raises what `read_change` does."""
    return _with_action(_schedule.read(body))


async def read_pause(body: bytes) -> str | None:
    """Return the reason of a pause; it may be left out, as may the whole body.

    Raises:
        Problem: 400, it is no JSON; 422, with every fault.
    """
    reason: str | None = _pause.read(body or b"{}").get("reason")
    return reason


def plan_of(given: Given, before: Plan | None = None) -> Plan:
    """Return the plan that a request means: defaults, or what was there `before`, and its fields.

    What does not fit stays in it, for `App.plan_faults` to name.
    """
    base = before or Plan(action=given["action"], timing=Timing())
    plain = {
        name: given[name] for name in ("action", "missed", "within_s", "overlap") if name in given
    }
    data = bytes(given["data"]).decode() if "data" in given else base.data
    return replace(base, **plain, data=data, timing=_timing(given, base.timing))


def _timing(given: Given, base: Timing) -> Timing:
    zone = given.get("timezone", base.timezone)
    if "cron" not in given and "every_s" not in given:
        return replace(base, timezone=zone)
    return Timing(cron=given.get("cron"), every_s=_whole(given.get("every_s")), timezone=zone)


def _whole(seconds: float | None) -> int | None:
    if seconds is None:
        return None
    return int(seconds) if seconds.is_integer() else 0  # for `faults` to name


def _with_action(given: Given) -> Given:
    if "action" not in given:
        raise Problem.invalid("invalid request", (Fault("action", "is required"),))
    if "name" in given and not is_name(given["name"]):
        raise Problem.invalid("invalid request", (Fault("name", NAME_RULE),))
    return given
