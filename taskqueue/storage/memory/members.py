"""All rows with the groups that they belong to. Counts are not kept, but counted."""

from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from taskqueue.rules.groups import (
    Close,
    CloseAnswer,
    Group,
    GroupEnd,
    Turn,
    following,
    is_same_then,
    is_there,
    turn,
)
from taskqueue.rules.tasks import ENDED, Acceptance, Accepted, NewTask, Status
from taskqueue.storage.follow_ups import tell_refused
from taskqueue.storage.memory.table import OnNew, Table, ignore


class Insert(Protocol):
    """Accepts tasks, as `MemberTable.insert` does."""

    def __call__(self, tasks: Sequence[NewTask], /, *, now: float) -> tuple[Accepted, ...]:
        """Return what became of them."""
        ...


@dataclass(kw_only=True)
class GroupRow:
    """A group without what its members tell."""

    number: int
    created_at: float
    closed_at: float | None = None
    ended_at: float | None = None
    then: NewTask | None = None
    then_at: float | None = None
    then_id: str | None = None


class MemberTable(Table):
    """The tasks by id, and the groups by name."""

    def __init__(self) -> None:
        super().__init__()
        self.groups: dict[str, GroupRow] = {}

    def group(self, name: str) -> Group:
        """Return a group that is there, with its counts."""
        return Group(name=name, tasks=self._counts(name), **vars(self.groups[name]))

    def insert(
        self,
        tasks: Sequence[NewTask],
        *,
        now: float,
        then: OnNew = ignore,
        member_of: str | None = None,
    ) -> tuple[Accepted, ...]:
        """Accept these tasks, or tell what is there already, or that a group is closed.

        Follow-ups of a task that is `member_of` a group may join that one though it is closed.
        """
        places = self.admitted(tasks, member_of=member_of)
        admitted = [tasks[place] for place in places]
        answers = super().insert(admitted, now=now, then=lambda nth, row: then(places[nth], row))
        for task, answer in zip(admitted, answers, strict=True):
            if task.group is not None and answer.acceptance is Acceptance.ACCEPTED:
                self._row_of(task.group, now=now)
        given = dict(zip(places, answers, strict=True))
        return tuple(
            given[place] if place in given else self._refused(task, now=now)
            for place, task in enumerate(tasks)
        )

    def admitted(self, tasks: Sequence[NewTask], *, member_of: str | None = None) -> list[int]:
        """Return the places of those whose groups, if they have one, take them."""
        return [
            place
            for place, task in enumerate(tasks)
            if task.group == member_of or not self._is_closed(task.group)
        ]

    def close(self, wanted: Close, *, now: float) -> None:
        """Close a group that is open, or not there yet."""
        row = self._row_of(wanted.name, now=now)
        row.closed_at, row.then = now, wanted.then

    def close_answer(self, wanted: Close) -> CloseAnswer:
        """Return what closing a group means as it is."""
        row = self.groups.get(wanted.name)
        if row is None or row.closed_at is None:
            return CloseAnswer.CLOSED
        is_same = is_same_then(wanted.then, row.then)
        return CloseAnswer.REPEATED if is_same else CloseAnswer.CONFLICT

    def turned(self, insert: Insert, *, now: float) -> Iterator[GroupEnd]:
        """End and reopen groups as their members say; yield those that end.

        `insert` accepts what follows them.
        """
        for name, row in [*self.groups.items()]:
            tasks = self._counts(name)
            live = sum(number for status, number in tasks.items() if status not in ENDED)
            match turn(closed_at=row.closed_at, ended_at=row.ended_at, live=live):
                case Turn.ENDS:
                    row.ended_at = now
                    then = _follow(row, insert, now=now)
                    yield GroupEnd(name=name, tasks=tasks, then=then)
                case Turn.REOPENS:
                    row.ended_at = None
                case Turn.NONE:
                    pass

    def delete(self, task_ids: Sequence[str]) -> tuple[str, ...]:
        """Delete those of these tasks that have ended; return which."""
        before = self._names()
        deleted = super().delete(task_ids)
        self._drop(before - self._names())
        return deleted

    def expire(self, status: Status, *, ended_before: float, limit: int) -> int:
        """Delete what ended first in this status; with `completed`, empty groups as well."""
        before = self._names()
        expired = super().expire(status, ended_before=ended_before, limit=limit)
        self._drop(before - self._names())
        if status is Status.COMPLETED:
            self._expire_empty(ended_before=ended_before, limit=limit)
        return expired

    def _expire_empty(self, *, ended_before: float, limit: int) -> None:
        ended = [
            (row.ended_at, name)
            for name, row in self.groups.items()
            if name not in self._names() and row.ended_at is not None
        ]
        first = sorted(end for end in ended if end[0] < ended_before)[:limit]
        self._drop({name for _, name in first})

    def _refused(self, task: NewTask, *, now: float) -> Accepted:
        """Answer for a task whose group is closed: it may be there all the same, from before."""
        there = self.standing(task, now=now)
        return there or Accepted(id=task.id, acceptance=Acceptance.CLOSED)

    def _is_closed(self, group: str | None) -> bool:
        row = None if group is None else self.groups.get(group)
        return row is not None and row.closed_at is not None

    def _row_of(self, name: str, *, now: float) -> GroupRow:
        if name not in self.groups:
            number = 1 + max((row.number for row in self.groups.values()), default=0)
            self.groups[name] = GroupRow(number=number, created_at=now)
        return self.groups[name]

    def _counts(self, name: str) -> Mapping[Status, int]:
        counted = Counter(
            each.task.status for each in self.rows.values() if each.task.group == name
        )
        return {status: counted[status] for status in Status}

    def _names(self) -> set[str]:
        return {row.task.group for row in self.rows.values() if row.task.group is not None}

    def _drop(self, names: Collection[str]) -> None:
        for name in names:
            self.groups.pop(name, None)


def _follow(row: GroupRow, insert: Insert, *, now: float) -> NewTask | None:
    """Accept the task that follows; return it if it is new."""
    if row.then is None or row.then_at is not None:
        return None
    then = following(row.then, closed_at=row.closed_at, now=now)
    [answer] = insert((then,), now=now)
    row.then_at = now
    if is_there(answer):
        row.then_id = answer.id
    tell_refused([(then, answer)])
    return then if answer.acceptance is Acceptance.ACCEPTED else None
