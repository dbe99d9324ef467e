"""The calls about schedules: list, create, change, pause, resume, run and delete them."""

from collections.abc import Iterator
from http import HTTPStatus
from typing import Any

from taskqueue.api.app import App
from taskqueue.api.schedules import UNFIT
from taskqueue.clock import Clock
from taskqueue.commands import (
    Ask,
    DeleteSchedule,
    GetSchedule,
    GetSchedules,
    PauseSchedule,
    PutSchedule,
    ResumeSchedule,
    RunSchedule,
)
from taskqueue.errors import Fault, UnknownAction
from taskqueue.http import problems
from taskqueue.http.answers import Answer
from taskqueue.http.pages import NamesRequest
from taskqueue.http.problems import Problem
from taskqueue.http.route import Call
from taskqueue.http.schedules.answers import (
    SHOWN_SLOTS,
    ScheduleDetail,
    ScheduleList,
    ScheduleView,
)
from taskqueue.http.schedules.requests import Given, plan_of
from taskqueue.http.tasks.answers import Receipt
from taskqueue.rules.schedules.values import Declared, FireAnswer, Plan, Schedule, ScheduleHistory
from taskqueue.rules.schedules.words import Origin
from taskqueue.rules.tasks import Status


class ScheduleCalls:
    """Changes schedules of the API; those of code and file are paused, resumed and run only."""

    def __init__(self, ask: Ask, app: App, clock: Clock) -> None:
        self._ask = ask
        self._app = app
        self._clock = clock

    async def list_schedules(self, call: Call[Any, NamesRequest]) -> Answer:
        """List the schedules by name, with their next instant and what was decided last."""
        return Answer(ScheduleList.of(await self._ask(GetSchedules()), call.query))

    async def show_schedule(self, call: Call[Any, Any]) -> Answer:
        """Show a schedule with its next five instants, and what became of its latest slots."""
        return await self._detail(call.path["name"])

    async def create_schedule(self, call: Call[Given, Any]) -> Answer:
        """Create a schedule. It runs from its next slot on."""
        name = call.body.get("name", call.body["action"])
        plan = self._checked(plan_of(call.body))
        if await self._put(name, plan, expected=0) is None:
            detail = f"There is a schedule {name!r}; PUT replaces it."
            raise Problem(HTTPStatus.CONFLICT, "schedule exists", detail)
        return await self._detail(name, HTTPStatus.CREATED)

    async def replace_schedule(self, call: Call[Given, Any]) -> Answer:
        """Create a schedule, or replace all of it; a pause stays."""
        name = call.path["name"]
        history = await self._ask(GetSchedule(name=name, slots=0))
        before = None if history is None else history.schedule
        if before is not None:
            _require_ours(before)
        plan = self._checked(plan_of(call.body))
        await self._replace(name, plan, expected=0 if before is None else before.version)
        return await self._detail(name)

    async def change_schedule(self, call: Call[Given, Any]) -> Answer:
        """Change some of a schedule. A new timing takes effect from its next slot on."""
        before = (await self._history(call.path["name"])).schedule
        _require_ours(before)
        plan = self._checked(plan_of(call.body, before.plan))
        await self._replace(before.name, plan, expected=before.version)
        return await self._detail(before.name)

    async def delete_schedule(self, call: Call[Any, Any]) -> Answer:
        """Delete a schedule. The tasks that it has made stay."""
        before = (await self._history(call.path["name"])).schedule
        _require_ours(before)
        if not await self._ask(DeleteSchedule(name=before.name)):
            raise await self._no_schedule(before.name)
        return Answer(None, HTTPStatus.NO_CONTENT)

    async def pause_schedule(self, call: Call[str | None, Any]) -> Answer:
        """Let no slot of a schedule run until it is resumed, also after a restart."""
        name = call.path["name"]
        schedule = await self._ask(PauseSchedule(name=name, reason=call.body))
        return await self._shown(name, schedule)

    async def resume_schedule(self, call: Call[Any, Any]) -> Answer:
        """Let slots run again. Those that came during the pause do not."""
        name = call.path["name"]
        schedule = await self._ask(ResumeSchedule(name=name))
        if schedule is not None and not schedule.is_declared:
            detail = f"It stays paused: {schedule.paused_because}."
            raise Problem(HTTPStatus.CONFLICT, "schedule is not declared", detail)
        return await self._shown(name, schedule)

    async def run_schedule(self, call: Call[Any, Any]) -> Answer:
        """Run a schedule once, now: paused or not, and beside an earlier run that has not ended."""
        schedule = (await self._history(call.path["name"])).schedule
        try:
            task = self._app.prepare_scheduled(schedule.plan, self._clock.now())
        except UNFIT as error:
            raise problems.refusal(error) from error
        fired = await self._ask(RunSchedule(name=schedule.name, task=task))
        if fired.answer is FireAnswer.STALE:
            raise await self._no_schedule(schedule.name)
        if fired.task_id is None:
            reason = None if fired.decision is None else fired.decision.reason
            raise Problem(HTTPStatus.CONFLICT, "task not accepted", f"It did not run: {reason}.")
        return Answer(Receipt(id=fired.task_id, status=Status.QUEUED), HTTPStatus.ACCEPTED)

    # --- steps --------------------------------------------------------------------------------

    def _checked(self, plan: Plan) -> Plan:
        """Return a plan that can work.

        Raises:
            Problem: 422, with every fault.
        """
        faults = (*self._app.plan_faults(plan), *self._exposure_faults(plan.action))
        if faults:
            raise Problem.invalid("invalid schedule", faults)
        return plan

    def _exposure_faults(self, action: str) -> Iterator[Fault]:
        try:
            if not self._app.handler(action).schedulable:
                message = "cannot be scheduled over HTTP; the app allows it with schedulable=True"
                yield Fault("action", message)
        except UnknownAction:
            return  # a fault of the plan

    async def _history(self, name: str) -> ScheduleHistory:
        history = await self._ask(GetSchedule(name=name, slots=SHOWN_SLOTS))
        if history is None:
            raise await self._no_schedule(name)
        return history

    async def _detail(self, name: str, status: HTTPStatus = HTTPStatus.OK) -> Answer:
        return Answer(ScheduleDetail.of_history(await self._history(name)), status)

    async def _shown(self, name: str, schedule: Schedule | None) -> Answer:
        if schedule is None:
            raise await self._no_schedule(name)
        return Answer(ScheduleView.of(schedule))

    async def _no_schedule(self, name: str) -> Problem:
        names = [schedule.name for schedule in await self._ask(GetSchedules())]
        return problems.not_found("schedule", name, names)

    async def _replace(self, name: str, plan: Plan, *, expected: int) -> None:
        if await self._put(name, plan, expected=expected) is None:
            detail = "Another call changed it at the same time; send the request again."
            raise Problem(HTTPStatus.CONFLICT, "schedule has changed", detail)

    async def _put(self, name: str, plan: Plan, *, expected: int) -> Schedule | None:
        declared = Declared(name=name, plan=plan, origin=Origin.API)
        return await self._ask(PutSchedule(declared=declared, expected=expected))


def _require_ours(schedule: Schedule) -> None:
    """Refuse to change what would be back at the next start.

    Raises:
        Problem: 409.
    """
    if schedule.origin is not Origin.API and schedule.is_declared:
        where = "the code" if schedule.origin is Origin.CODE else "the settings file"
        detail = f"Change it in {where}. Over HTTP it can be paused, resumed and run."
        raise Problem(HTTPStatus.CONFLICT, "schedule is declared elsewhere", detail)
