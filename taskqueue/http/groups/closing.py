"""Closing a group: nothing joins it any more, and a task may follow its end."""

from collections.abc import Awaitable, Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from http import HTTPStatus
from typing import Annotated, Any, TypeVar

import msgspec
from msgspec import Meta, Raw

from taskqueue.api.app import App
from taskqueue.api.tracing import traced
from taskqueue.clock import Clock
from taskqueue.commands import Ask, CloseGroup
from taskqueue.errors import Fault
from taskqueue.http.answers import Answer
from taskqueue.http.bodies import parsed
from taskqueue.http.groups.answers import Closed, GroupView
from taskqueue.http.problems import Problem
from taskqueue.http.route import Call
from taskqueue.http.tasks import keys
from taskqueue.http.tasks.answers import receipts_of
from taskqueue.http.tasks.preparation import Preparation
from taskqueue.http.tasks.reading import TaskReader
from taskqueue.http.tasks.refusals import refuse_several
from taskqueue.http.tasks.requests import ALL_OR_NONE, MAX_TASKS, TaskRequest
from taskqueue.http.tasks.traces import read_traceparent
from taskqueue.rules.groups import Close, CloseAnswer
from taskqueue.rules.names import NAME_RULE, is_name
from taskqueue.rules.tasks import NewTask
from taskqueue.structs import Struct

T = TypeVar("T")

CLOSED_OTHERWISE = "group was closed with another then"


class CloseRequest(Struct, forbid_unknown_fields=True):
    """The last tasks of a group, and the task that follows when all of them have ended."""

    then: TaskRequest | None = None
    tasks: Annotated[
        Sequence[TaskRequest], Meta(max_length=MAX_TASKS, extra_json_schema=ALL_OR_NONE)
    ] = ()


_object = msgspec.json.Decoder(dict[str, Raw])
_FIELDS = ("then", "tasks")


class CloseReader:
    """Reads what a body closes a group with."""

    def __init__(self, app: App) -> None:
        self._reader = TaskReader(app)

    async def read(self, body: bytes) -> CloseRequest:
        """Return what a body asks for; it may be left out.

        Raises:
            Problem: 400, it is no JSON; 422, with every fault.
        """
        try:
            given = parsed(body or b"{}", _object)
        except msgspec.ValidationError as error:
            raise _invalid(Fault("", str(error))) from None
        if unknown := [name for name in given if name not in _FIELDS]:
            known = ", ".join(_FIELDS)
            raise _invalid(*(Fault(name, f"unknown; there are {known}") for name in unknown))
        fields = {name: await self._field(name, bytes(given[name])) for name in given}
        return CloseRequest(**fields)

    async def _field(self, name: str, text: bytes) -> Any:
        is_list = name == "tasks"
        if text == b"null" and not is_list:
            return None
        if not text.startswith(b"[" if is_list else b"{"):
            raise _invalid(Fault(name, f"must be {'a list of tasks' if is_list else 'a task'}"))
        if is_list and not parsed(text, _list):
            return ()
        with_its_name = "tasks" if is_list else "then."
        return await _named(with_its_name, lambda: self._reader.read(text))


_list = msgspec.json.Decoder(list[Raw])


class GroupClosing:
    """Closes groups."""

    def __init__(self, ask: Ask, app: App, clock: Clock) -> None:
        self._ask = ask
        self._app = app
        self._clock = clock
        self._preparation = Preparation(app)

    async def close_group(self, call: Call[CloseRequest, Any]) -> Answer:
        """Close a group, so that it can end: nothing joins it any more.

        Its last `tasks` may come along, in the same commit; it need not be there before. `then` is
        accepted when all of its tasks have ended, in the commit that ends the last one: at once, if
        there are none. Closing it again with the same `then` changes nothing.
        """
        name, then = _name_of(call.path["group"]), await self._then(call)
        tasks = await self._tasks(call.body.tasks, name)
        all_new = (*tasks, *(() if then is None else (then,)))
        with self._traced(all_new, read_traceparent(call.headers)) as sent:
            wanted = Close(name=name, then=None if then is None else sent[-1])
            message = CloseGroup(wanted=wanted, tasks=tuple(sent[: len(tasks)]))
            result = await self._ask(message)
        if result.answer is CloseAnswer.CONFLICT:
            raise Problem(
                HTTPStatus.CONFLICT,
                CLOSED_OTHERWISE,
                "The first close counts; nothing has changed.",
            )
        refuse_several(tasks, result.accepted)
        receipts = receipts_of(tasks, result.accepted, now=self._clock.now())
        return Answer(Closed(group=GroupView.of(result.group), tasks=receipts))

    def _traced(
        self, tasks: tuple[NewTask, ...], trace: str | None
    ) -> AbstractContextManager[tuple[NewTask, ...]]:
        return traced(self._app.tracing, tasks, trace) if tasks else nullcontext(())

    async def _then(self, call: Call[CloseRequest, Any]) -> NewTask | None:
        asked = call.body.then
        if asked is None:
            return None
        if asked.group == call.path["group"]:
            raise _invalid(Fault("then.group", "must be another group: it follows this one's end"))

        async def prepared() -> NewTask:
            return self._preparation.one(asked)

        return await _named("then.", prepared)

    async def _tasks(self, asked: Sequence[TaskRequest], name: str) -> Sequence[NewTask]:
        faults = [
            Fault(f"tasks[{index}].group", f"must be {name!r}, or be left out")
            for index, one in enumerate(asked)
            if one.group not in {None, name}
        ]
        if faults:
            raise _invalid(*faults)
        members = [msgspec.structs.replace(one, group=name) for one in asked]

        async def prepared() -> Sequence[NewTask]:
            return await self._preparation.several(keys.all_keyed(members, None))

        return await _named("tasks", prepared)


async def _named(prefix: str, work: Callable[[], Awaitable[T]]) -> T:
    """Return what `work` does; the faults of a problem get the name of the field before theirs."""
    try:
        return await work()
    except Problem as problem:
        problem.faults = tuple(
            Fault(f"{prefix}{fault.field}", fault.message) for fault in problem.faults
        )
        raise


def _name_of(text: str) -> str:
    if not is_name(text):
        raise _invalid(Fault("group", NAME_RULE))
    return text


def _invalid(*faults: Fault) -> Problem:
    return Problem.invalid("invalid request", faults)
