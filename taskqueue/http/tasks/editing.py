"""Changing a task that waits: PATCH, and running it at once."""

from http import HTTPStatus
from typing import Annotated, Any, TypeAlias, assert_never

import msgspec
from msgspec import UNSET, Meta, Raw, UnsetType
from msgspec.structs import replace

from taskqueue.api.app import App
from taskqueue.clock import Clock
from taskqueue.commands import Ask, EditTask
from taskqueue.errors import Fault
from taskqueue.http import problems
from taskqueue.http.answers import Answer
from taskqueue.http.bodies import parsed
from taskqueue.http.problems import Problem
from taskqueue.http.route import Call
from taskqueue.http.tasks.answers import Receipt
from taskqueue.http.tasks.histories import detail_of, history_of
from taskqueue.http.tasks.ids import no_task
from taskqueue.http.tasks.requests import (
    OPTIONS,
    Attempts,
    Data,
    Delay,
    Instant,
    Priority,
    Seconds,
    instant_of,
    read_options,
)
from taskqueue.rules.access import Caller
from taskqueue.rules.edits import Change, EditAnswer, status_at
from taskqueue.rules.options import Options
from taskqueue.rules.tasks import Task, TaskHistory
from taskqueue.structs import Struct


class EditRequest(Struct, forbid_unknown_fields=True):
    """What changes in a task. What is left out, or null, stays."""

    data: Data | UnsetType = UNSET
    priority: Priority | None = None
    max_attempts: Attempts | None = None
    delay_s: Delay | None = None
    run_at: Seconds | Instant | None = None

    def options(self) -> Options:
        """Return what changes beside the data."""
        return Options(
            priority=self.priority,
            max_attempts=self.max_attempts,
            delay_s=self.delay_s,
            run_at=instant_of(self.run_at),
        )


EDIT: TypeAlias = Annotated[EditRequest, Meta(extra_json_schema={"minProperties": 1})]

_ALLOWED = {name: OPTIONS[name] for name in ("priority", "max_attempts", "delay_s", "run_at")}
_FIELDS = f"data, {', '.join(_ALLOWED)}"
_UNKNOWN = f"cannot be changed; what can: {_FIELDS}"
_object = msgspec.json.Decoder(dict[str, Raw])


async def read_edit(body: bytes) -> EditRequest:
    """Return what a body changes.

    Raises:
        Problem: 400, it is no JSON; 422, with every option that cannot be read.
    """
    try:
        given = parsed(body, _object)
    except msgspec.ValidationError as error:
        raise Problem.invalid("invalid request", (Fault("", str(error)),)) from None
    if not given:
        raise Problem.invalid("invalid request", (Fault("", f"must have some of: {_FIELDS}"),))
    data = given.pop("data", UNSET)
    values, faults = read_options(given, _ALLOWED, _UNKNOWN)
    if faults:
        raise Problem.invalid("invalid request", faults)
    return EditRequest(data=data, **values)


class TaskEditing:
    """Changes tasks that no consumer holds; `clock` tells what a delay counts from."""

    def __init__(self, ask: Ask, app: App, clock: Clock) -> None:
        self._ask = ask
        self._app = app
        self._clock = clock

    async def edit_task(self, call: Call[EditRequest, Any]) -> Answer:
        """Change the data or the options of a task that has not ended and does not run."""
        task_id = call.path["id"]
        history = await history_of(self._ask, task_id)
        await self._edit(history.task, self._change(history, call.body), call.caller)
        return Answer(await detail_of(self._ask, await history_of(self._ask, task_id)))

    async def run_now(self, call: Call[Any, Any]) -> Answer:
        """Make a task due that is scheduled, or waits for its next attempt."""
        task_id = call.path["id"]
        task = (await history_of(self._ask, task_id)).task
        now = self._clock.now()
        # A task that is due keeps its place: a later `run_at` would put it behind others.
        change = Change(run_at=now) if task.run_at > now else Change()
        await self._edit(task, change, call.caller)
        status = status_at(task.status, run_at=now, now=now)
        return Answer(Receipt(id=task_id, status=status), HTTPStatus.ACCEPTED)

    def _change(self, history: TaskHistory, asked: EditRequest) -> Change:
        """Return the change, checked as a new task would be.

        Raises:
            Problem: 422, with every fault; 413, the data is too large.
        """
        options = asked.options()
        payload = None
        if asked.data is UNSET:
            if faults := tuple(options.faults()):
                raise Problem.invalid("invalid task", faults)
        else:
            payload = self._payload(history, bytes(asked.data), options)
        return Change(
            payload=payload,
            priority=options.priority,
            run_at=options.run_at_from(self._clock.now()),
            max_attempts=options.max_attempts,
        )

    def _payload(self, history: TaskHistory, data: bytes, options: Options) -> str:
        task = history.task
        queue = task.queue if task.queue in self._app.queues else None
        try:
            new = self._app.prepare(task.action, data, options=replace(options, queue=queue))
        except problems.REFUSED as error:
            raise problems.refusal(error) from error
        if task.limits is not None and task.limits != new.limits:
            rule = "gives its limits another key or cost; enqueue a new task, and cancel this one"
            raise Problem.invalid("invalid task", (Fault("data", rule),))
        if None not in (history.flow, new.flow) and history.flow != new.flow:
            rule = "would have it take the turns of others; enqueue a new task, and cancel this one"
            raise Problem.invalid("invalid task", (Fault("data", rule),))
        return new.payload

    async def _edit(self, task: Task, change: Change, caller: Caller | None) -> None:
        who = None if caller is None else caller.name
        result = await self._ask(EditTask(task_id=task.id, change=change, who=who))
        match result.answer:
            case EditAnswer.EDITED:
                return
            case EditAnswer.HELD:
                detail = "A consumer holds it: it is running or about to run."
                raise Problem(HTTPStatus.CONFLICT, "task is held", detail)
            case EditAnswer.ENDED:
                status = (await history_of(self._ask, task.id)).task.status
                raise Problem(HTTPStatus.CONFLICT, "task has ended", f"It is {status}.")
            case EditAnswer.SPENT:
                made = (await history_of(self._ask, task.id)).task.attempt
                detail = f"{made} attempts were made; max_attempts must be larger than that."
                raise Problem(HTTPStatus.CONFLICT, "attempts are used up", detail)
            case EditAnswer.UNKNOWN:
                raise no_task()
            case never:
                assert_never(never)
