"""The part of the route table about schedules."""

from collections.abc import Iterator
from http import HTTPStatus

from taskqueue.api.app import App
from taskqueue.clock import Clock
from taskqueue.commands import Ask
from taskqueue.http.pages import NAMES
from taskqueue.http.problems import Unavailable
from taskqueue.http.route import Body, Route
from taskqueue.http.schedules.answers import ScheduleDetail, ScheduleList, ScheduleView
from taskqueue.http.schedules.calls import ScheduleCalls
from taskqueue.http.schedules.requests import (
    PLAN_CHANGE,
    PauseRequest,
    PlanRequest,
    ScheduleRequest,
    read_change,
    read_pause,
    read_plan,
    read_schedule,
)
from taskqueue.http.tasks.answers import Receipt
from taskqueue.rules.access import Role

_ALL, _ONE = "/schedules", "/schedules/{name}"
_NONE = {HTTPStatus.NOT_FOUND: "no such schedule"}
_ELSEWHERE = {HTTPStatus.CONFLICT: "schedule is declared elsewhere"}
_READING = Unavailable("schedules unavailable")
_WRITING = Unavailable("failed to change schedule")


def schedule_table(ask: Ask, app: App, clock: Clock) -> Iterator[Route]:
    """Yield the calls about schedules."""
    calls = ScheduleCalls(ask, app, clock)
    yield Route(
        "GET",
        _ALL,
        calls.list_schedules,
        Role.READ,
        {HTTPStatus.OK: ScheduleList},
        query=NAMES,
        unavailable=_READING,
    )
    yield Route(
        "GET",
        _ONE,
        calls.show_schedule,
        Role.READ,
        {HTTPStatus.OK: ScheduleDetail},
        problems=_NONE,
        unavailable=_READING,
    )
    yield from _changing(calls)
    yield from _switching(calls)


def _changing(calls: ScheduleCalls) -> Iterator[Route]:
    yield Route(
        "POST",
        _ALL,
        calls.create_schedule,
        Role.ADMIN,
        {HTTPStatus.CREATED: ScheduleDetail},
        body=Body(ScheduleRequest, read_schedule),
        problems={HTTPStatus.CONFLICT: "schedule exists"},
        unavailable=_WRITING,
        writes=True,
    )
    yield Route(
        "PUT",
        _ONE,
        calls.replace_schedule,
        Role.ADMIN,
        {HTTPStatus.OK: ScheduleDetail},
        body=Body(PlanRequest, read_plan),
        problems=_ELSEWHERE,
        unavailable=_WRITING,
        writes=True,
    )
    yield Route(
        "PATCH",
        _ONE,
        calls.change_schedule,
        Role.ADMIN,
        {HTTPStatus.OK: ScheduleDetail},
        body=Body(PLAN_CHANGE, read_change),
        problems=_NONE | _ELSEWHERE,
        unavailable=_WRITING,
        writes=True,
    )
    yield Route(
        "DELETE",
        _ONE,
        calls.delete_schedule,
        Role.ADMIN,
        {HTTPStatus.NO_CONTENT: None},
        problems=_NONE | _ELSEWHERE,
        unavailable=_WRITING,
        writes=True,
    )


def _switching(calls: ScheduleCalls) -> Iterator[Route]:
    yield Route(
        "POST",
        f"{_ONE}/pause",
        calls.pause_schedule,
        Role.ADMIN,
        {HTTPStatus.OK: ScheduleView},
        body=Body(PauseRequest, read_pause, required=False, is_audited=True),
        problems=_NONE,
        unavailable=_WRITING,
        writes=True,
    )
    yield Route(
        "POST",
        f"{_ONE}/resume",
        calls.resume_schedule,
        Role.ADMIN,
        {HTTPStatus.OK: ScheduleView},
        problems=_NONE | {HTTPStatus.CONFLICT: "schedule is not declared"},
        unavailable=_WRITING,
        writes=True,
    )
    yield Route(
        "POST",
        f"{_ONE}/run",
        calls.run_schedule,
        Role.ADMIN,
        {HTTPStatus.ACCEPTED: Receipt},
        problems=_NONE
        | {
            HTTPStatus.CONFLICT: "task not accepted",
            HTTPStatus.UNPROCESSABLE_ENTITY: "invalid task",
        },
        unavailable=_WRITING,
        writes=True,
    )
