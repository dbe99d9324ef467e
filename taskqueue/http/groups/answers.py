"""The answers about groups."""

from collections.abc import Mapping, Sequence
from typing import Self

from taskqueue.http.tasks.answers import Receipt
from taskqueue.rules.groups import Group
from taskqueue.rules.tasks import Status
from taskqueue.structs import Struct


class ThenView(Struct):
    """What follows the end of a group, and the task that it has become."""

    action: str
    queue: str
    accepted_at: float | None
    task_id: str | None


class GroupView(Struct):
    """A group as it is shown. Of its tasks, `scheduled` includes those that have come due."""

    name: str
    tasks: Mapping[Status, int]
    total: int
    progress: float
    closed: bool
    ended: bool
    created_at: float
    closed_at: float | None
    ended_at: float | None
    then: ThenView | None

    @classmethod
    def of(cls, group: Group) -> Self:
        """Return the view of a group."""
        return cls(
            name=group.name,
            tasks=group.tasks,
            total=group.total,
            progress=group.progress,
            closed=group.closed_at is not None,
            ended=group.ended_at is not None,
            created_at=group.created_at,
            closed_at=group.closed_at,
            ended_at=group.ended_at,
            then=_then_of(group),
        )


def _then_of(group: Group) -> ThenView | None:
    if group.then is None:
        return None
    return ThenView(
        action=group.then.action,
        queue=group.then.queue,
        accepted_at=group.then_at,
        task_id=group.then_id,
    )


class GroupPage(Struct):
    """Some groups, newest first. `next` is the cursor of the page after this one, or None."""

    groups: Sequence[GroupView]
    count: int
    next: int | None


class Closed(Struct):
    """A group that is closed, and the tasks that were queued with that."""

    group: GroupView
    tasks: Sequence[Receipt]
