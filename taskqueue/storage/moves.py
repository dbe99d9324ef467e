"""Counts what moves in one commit, so that each counter is written once for it and not per row."""

import math
from collections import Counter


class GroupMoves:
    """By how much the counts of one group have moved, and whether a task was deleted from it."""

    def __init__(self) -> None:
        self.moved: Counter[str] = Counter()
        self.has_lost_tasks = False


class Moves:
    """By how much each count has moved: those of all tasks by status, and those of groups."""

    def __init__(self) -> None:
        """Begin with nothing."""
        self.by_status: Counter[str] = Counter()
        """Those of all tasks."""
        self.groups: dict[str, GroupMoves] = {}
        """What has moved in groups, and is not written yet: `operations.groups` writes it."""
        self.now = -math.inf
        """The latest instant at which a member of a group has moved."""

    def moved(self, before: str | None, after: str | None, tasks: int = 1) -> None:
        """Note that so many tasks went from one status to another; None is outside."""
        _move(self.by_status, before, after, tasks)

    def member_moved(
        self,
        group: str | None,
        before: str | None,
        after: str | None,
        tasks: int = 1,
        *,
        now: float = -math.inf,
    ) -> None:
        """Note the same for tasks of one group; nothing if there is no group."""
        if group is None:
            return
        moves = self.groups.setdefault(group, GroupMoves())
        _move(moves.moved, before, after, tasks)
        moves.has_lost_tasks |= after is None
        self.now = max(self.now, now)


def _move(counter: Counter[str], before: str | None, after: str | None, tasks: int) -> None:
    if before is not None:
        counter[before] -= tasks
    if after is not None:
        counter[after] += tasks
