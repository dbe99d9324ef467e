"""What is done to all tasks that match: cancel, redrive, delete or run them now, part by part.

A request works for a bounded time and answers how far it has come; `next` goes on. Each part is a
commit of its own, so other writes do not wait for the whole.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Annotated, Any, Literal, TypeAlias

from msgspec import Meta
from msgspec.structs import replace

from taskqueue.clock import Clock
from taskqueue.commands import Ask, CancelTask, Delete, EditTask, Redrive, SearchTasks
from taskqueue.errors import Fault
from taskqueue.http.answers import Answer
from taskqueue.http.problems import Problem
from taskqueue.http.queries import Parameter, Parameters, Query
from taskqueue.http.route import Call
from taskqueue.http.tasks.cancellation import MAX_REASON, NO_REASON
from taskqueue.http.tasks.filters import FILTERS, FilterRequest, statuses
from taskqueue.http.tasks.queries import CURSOR
from taskqueue.rules.edits import Change, EditAnswer
from taskqueue.rules.tasks import ENDED, CancelAnswer, Status
from taskqueue.structs import Struct

PART = 500  # tasks of one commit
WORK_S = 2.0  # that one request goes on for, and the part that it is in

Work: TypeAlias = Callable[[tuple[str, ...]], Awaitable[int]]


class BulkRequest(FilterRequest):
    """Which tasks are meant, and whether they are only counted."""

    all: bool = False
    dry_run: bool = False
    cursor: str | None = None
    reason: str = NO_REASON


class Progress(Struct):
    """How far a request has come: how many matched, and how many of these have changed.

    `next` is the cursor to go on with, None at the end.
    """

    matched: int
    done: int
    next: str | None


_CHANGEABLE = {
    "cancel": tuple(status for status in Status if status not in ENDED),
    "redrive": (Status.DEAD,),
    "delete": tuple(status for status in Status if status in ENDED),
    "run-now": (Status.SCHEDULED, Status.RETRYING),
}
_YES: dict[str, bool] = {"true": True, "false": False}
_Flag: TypeAlias = Literal["true", "false"]
REASON = Parameter(
    lambda text: text if 1 <= len(text) <= MAX_REASON else None,
    f"a text of 1 to {MAX_REASON} characters",
    Annotated[str, Meta(min_length=1, max_length=MAX_REASON)],
)
_CHOICE: Parameters = {
    **FILTERS,
    "all": Parameter(_YES.get, "true, if all tasks are meant", _Flag),
    "dry_run": Parameter(_YES.get, "true or false", _Flag),
    "cursor": CURSOR,
}
CANCEL = Query(
    BulkRequest, {**_CHOICE, "status": statuses(_CHANGEABLE["cancel"]), "reason": REASON}
)
REDRIVE = Query(BulkRequest, {**_CHOICE, "status": statuses(_CHANGEABLE["redrive"])})
DELETE = Query(BulkRequest, {**_CHOICE, "status": statuses(_CHANGEABLE["delete"])})
RUN_NOW = Query(BulkRequest, {**_CHOICE, "status": statuses(_CHANGEABLE["run-now"])})


class BulkRoutes:
    """Cancel, redrive, delete or run now all tasks that match."""

    def __init__(self, ask: Ask, clock: Clock) -> None:
        self._ask = ask
        self._clock = clock

    async def cancel_tasks(self, call: Call[Any, BulkRequest]) -> Answer:
        """Cancel all tasks that match and have not ended.

        Without any filter, `all=true` is required. `done` counts those that have ended now, and
        those whose handlers are asked to stop.
        """

        async def cancel(task_ids: tuple[str, ...]) -> int:
            reason = call.query.reason
            asked = (self._ask(CancelTask(task_id=each, reason=reason)) for each in task_ids)
            results = await asyncio.gather(*asked)  # together, so that they share a commit
            return sum(each.answer in _CANCELLED for each in results)

        return await self._each_part(call.query, "cancel", cancel)

    async def redrive_tasks(self, call: Call[Any, BulkRequest]) -> Answer:
        """Queue all dead tasks that match again.

        Without any filter, `all=true` is required.
        """

        async def redrive(task_ids: tuple[str, ...]) -> int:
            return len(await self._ask(Redrive(task_ids=task_ids)))

        return await self._each_part(call.query, "redrive", redrive)

    async def delete_tasks(self, call: Call[Any, BulkRequest]) -> Answer:
        """Delete all tasks that match and have ended, with their history.

        Without any filter, `all=true` is required.
        """

        async def delete(task_ids: tuple[str, ...]) -> int:
            return len(await self._ask(Delete(task_ids=task_ids)))

        return await self._each_part(call.query, "delete", delete)

    async def run_tasks_now(self, call: Call[Any, BulkRequest]) -> Answer:
        """Make all tasks that match due, if they are scheduled or wait for their next attempt.

        Without any filter, `all=true` is required.
        """

        async def run_now(task_ids: tuple[str, ...]) -> int:
            change = Change(run_at=self._clock.now())
            who = None if call.caller is None else call.caller.name
            asked = (self._ask(EditTask(task_id=each, change=change, who=who)) for each in task_ids)
            results = await asyncio.gather(*asked)
            return sum(each.answer is EditAnswer.EDITED for each in results)

        return await self._each_part(call.query, "run-now", run_now)

    async def _each_part(self, asked: BulkRequest, verb: str, work: Work) -> Answer:
        wanted = _limited(asked, _CHANGEABLE[verb]).wanted(self._clock.now())
        matched = done = 0
        cursor = asked.cursor
        end = self._clock.monotonic() + WORK_S
        while True:
            request = SearchTasks(wanted=wanted, after=cursor, limit=PART, brief=True)
            found = await self._ask(request)
            task_ids = tuple(task.id for task in found.tasks)
            matched += len(task_ids)
            if task_ids and not asked.dry_run:
                done += await work(task_ids)
            cursor = task_ids[-1] if len(task_ids) == PART else found.looked_to
            if cursor is None or self._clock.monotonic() >= end:
                return Answer(Progress(matched=matched, done=done, next=cursor))


_CANCELLED = {CancelAnswer.CANCELLED, CancelAnswer.REQUESTED}


def _limited(asked: BulkRequest, changeable: Sequence[Status]) -> BulkRequest:
    """Return the request for the statuses that can be changed in this way.

    Raises:
        Problem: 422, it names no filter at all.
    """
    if not asked.all and all(getattr(asked, name) in {None, ()} for name in FILTERS):
        message = "must be true if all tasks are meant; else give a filter"
        raise Problem.invalid("invalid query", (Fault("all", message),))
    return replace(asked, status=asked.status or tuple(changeable))
