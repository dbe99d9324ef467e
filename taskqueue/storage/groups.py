"""The part of a storage that keeps groups of tasks."""

from collections.abc import Sequence
from typing import Protocol

from taskqueue.rules.groups import Close, CloseResult, Group
from taskqueue.rules.tasks import NewTask


class Groups(Protocol):
    """Groups: labels that tasks share, with counts, and what follows when all have ended.

    A group is there from its first member, or from its close, until its last member is deleted. Its
    counts move in the commits that move its members. It is *closed* once, and *ended* while it is
    closed and all of its members have ended; members that are redriven reopen it.
    """

    async def close_group(
        self, wanted: Close, tasks: Sequence[NewTask] = (), *, now: float
    ) -> CloseResult:
        """Insert `tasks` as `insert` does and close a group, which may be new, in one commit.

        Nothing joins it from now on but the follow-ups of its own members, which commit with these.
        `then` is inserted in the very commit in which the group ends for the first time: at once if
        it has no members that have not ended. A group that is closed already stays as it is: with
        the same `then` that is `REPEATED`, and tasks that are there already are found as such. With
        another `then` it is a `CONFLICT`, and nothing is inserted.
        """
        ...

    async def get_group(self, name: str) -> Group | None:
        """Return a group with its counts, without a scan; None if there is none of this name."""
        ...

    async def groups(
        self, *, before: int | None = None, ended: bool | None = None, limit: int
    ) -> tuple[Group, ...]:
        """Return up to `limit` groups, newest first, with numbers less than `before`.

        With `ended` only those that have ended, or only those that have not.

        Raises:
            ValueError: `limit` is negative.
        """
        ...
