"""The calls about groups that are there."""

from http import HTTPStatus
from typing import Any, Literal

from taskqueue.clock import Clock
from taskqueue.commands import Ask, GetGroup, GetGroups
from taskqueue.http.answers import Answer
from taskqueue.http.groups.answers import GroupPage, GroupView
from taskqueue.http.problems import Problem
from taskqueue.http.queries import Parameter, Query, whole_number
from taskqueue.http.route import Call
from taskqueue.http.tasks.bulk import REASON, BulkRequest, BulkRoutes
from taskqueue.http.tasks.cancellation import NO_REASON
from taskqueue.http.tasks.queries import CURSOR, WaitRequest
from taskqueue.http.tasks.waiting import TaskWaits
from taskqueue.rules.groups import Group
from taskqueue.structs import Struct
from taskqueue.task_ends import group_key

MAX_PAGE = 100  # groups in one answer


class GroupPageRequest(Struct):
    """Which groups a page shows."""

    limit: int = MAX_PAGE
    cursor: int | None = None
    ended: bool | None = None


class PartRequest(Struct):
    """From where on the members of a group are changed, and why."""

    cursor: str | None = None
    reason: str = NO_REASON


_YES: dict[str, bool] = {"true": True, "false": False}
GROUP_PAGE = Query(
    GroupPageRequest,
    {
        "limit": whole_number(1, MAX_PAGE),
        "cursor": whole_number(1, 2**63 - 1),
        "ended": Parameter(_YES.get, "true or false", Literal["true", "false"]),
    },
)
CANCEL = Query(PartRequest, {"cursor": CURSOR, "reason": REASON})
REDRIVE = Query(PartRequest, {"cursor": CURSOR})


class GroupRoutes:
    """List, show, cancel and redrive groups."""

    def __init__(self, ask: Ask, clock: Clock, waits: TaskWaits) -> None:
        self._ask = ask
        self._waits = waits
        self._bulk = BulkRoutes(ask, clock)

    async def list_groups(self, call: Call[Any, GroupPageRequest]) -> Answer:
        """List groups, newest first, page by page."""
        page = call.query
        request = GetGroups(limit=page.limit + 1, before=page.cursor, ended=page.ended)
        found = await self._ask(request)
        shown = found[: page.limit]
        following = shown[-1].number if len(found) > len(shown) else None
        views = [GroupView.of(group) for group in shown]
        return Answer(GroupPage(groups=views, count=len(views), next=following))

    async def show_group(self, call: Call[Any, WaitRequest]) -> Answer:
        """Show one group: how many of its tasks stand where.

        With `wait_s` the answer comes when it has ended, or after so many seconds as it is.
        """
        name, wait_s = call.path["group"], call.query.wait_s
        if not wait_s:
            return Answer(GroupView.of(await self._group(name)))
        with self._waits.registered(group_key(name)) as ended:
            group = await self._group(name)
            if group.ended_at is None:
                await self._waits.wait(ended, wait_s, call.client)
                group = await self._group(name)
        return Answer(GroupView.of(group))

    async def cancel_group(self, call: Call[Any, PartRequest]) -> Answer:
        """Cancel all tasks of a group that have not ended.

        `done` counts those that have ended now, and those whose handlers are asked to stop. A group
        that is open still takes tasks afterwards: close it first.
        """
        return await self._bulk.cancel_tasks(await self._members(call))

    async def redrive_group(self, call: Call[Any, PartRequest]) -> Answer:
        """Queue all dead tasks of a group again.

        That reopens a group that has ended; when it ends again, its `then` is not accepted again.
        """
        return await self._bulk.redrive_tasks(await self._members(call))

    async def _members(self, call: Call[Any, PartRequest]) -> Call[Any, BulkRequest]:
        name = (await self._group(call.path["group"])).name
        wanted = BulkRequest(group=name, cursor=call.query.cursor, reason=call.query.reason)
        return Call(call.path, wanted, call.headers, call.body, call.client, call.caller)

    async def _group(self, name: str) -> Group:
        group = await self._ask(GetGroup(name=name))
        if group is None:
            raise Problem(HTTPStatus.NOT_FOUND, "group not found")
        return group
