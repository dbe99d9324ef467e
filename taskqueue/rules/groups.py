"""Groups: a label that tasks share, how far they are, and what comes when all have ended. Pure.

open ──close──▶ closed ──all members have ended──▶ ended, `then` is accepted
                  ▲                                  │
                  └───── a dead one is redriven ─────┘
"""

from collections.abc import Mapping
from enum import StrEnum

from msgspec.structs import replace

from taskqueue.rules.tasks import ENDED, Acceptance, Accepted, NewTask, Status
from taskqueue.structs import Struct


class Group(Struct):
    """A group as it is stored.

    `tasks` counts its members by stored status: `scheduled` includes those that have come due.
    """

    name: str
    number: int  # the newest has the greatest
    tasks: Mapping[Status, int]
    created_at: float
    closed_at: float | None = None  # since when it takes no more members from outside
    ended_at: float | None = None  # since when it is closed and all of its members have ended
    then: NewTask | None = None  # accepted when it ends for the first time
    then_at: float | None = None  # when that was
    then_id: str | None = None  # of the task that was accepted, or that had its key

    @property
    def total(self) -> int:
        """How many members there are."""
        return sum(self.tasks.values())

    @property
    def live(self) -> int:
        """How many members have not ended."""
        return sum(tasks for status, tasks in self.tasks.items() if status not in ENDED)

    @property
    def progress(self) -> float:
        """Which part of the members has ended, from 0 to 1; of none: 1 once it has ended.

        >>> tasks = {Status.DEAD: 1, Status.QUEUED: 3}
        >>> Group(name="import-17", number=1, tasks=tasks, created_at=0.0).progress
        0.25
        """
        if not self.total:
            return float(self.ended_at is not None)
        return (self.total - self.live) / self.total


class Turn(StrEnum):
    """What a change of its counts makes of a group."""

    ENDS = "ends"
    REOPENS = "reopens"
    NONE = "none"


def turn(*, closed_at: float | None, ended_at: float | None, live: int) -> Turn:
    """Return what becomes of a group with so many members that have not ended.

    >>> turn(closed_at=1.0, ended_at=None, live=0)
    <Turn.ENDS: 'ends'>
    """
    if closed_at is None:
        return Turn.NONE
    if ended_at is None:
        return Turn.NONE if live else Turn.ENDS
    return Turn.REOPENS if live else Turn.NONE


class Close(Struct):
    """The wish to close a group: nothing may join it any more, and `then` follows its end."""

    name: str
    then: NewTask | None = None


class CloseAnswer(StrEnum):
    """The result of a request to close a group."""

    CLOSED = "closed"
    REPEATED = "repeated"  # it was closed with the same `then`: success, not an error
    CONFLICT = "conflict"  # it was closed with another `then`, or without one


class CloseResult(Struct):
    """The answer, the group as it is now, and what became of the tasks that came along."""

    answer: CloseAnswer
    group: Group
    accepted: tuple[Accepted, ...] = ()


class GroupEnd(Struct):
    """A group that has ended: its counts, and the task that was accepted with that, if any."""

    name: str
    tasks: Mapping[Status, int]
    then: NewTask | None = None


def following(then: NewTask, *, closed_at: float | None, now: float) -> NewTask:
    """Return what follows a group that ends now: it has as long to start as it had at the close."""
    if then.expires_at is None or closed_at is None:
        return then
    return replace(then, expires_at=then.expires_at + now - closed_at)


def is_there(answer: Accepted) -> bool:
    """Tell whether what follows is there, be it as the task that has its key."""
    return answer.acceptance not in _REFUSED


_REFUSED = {Acceptance.CONFLICT, Acceptance.REJECTED, Acceptance.CLOSED}


def is_same_then(asked: NewTask | None, stored: NewTask | None) -> bool:
    """Tell whether both are the same wish: ids, instants and traces differ with each request."""
    if asked is None or stored is None:
        return asked is stored
    own = {name: getattr(stored, name) for name in ("id", "run_at", "expires_at", "traceparent")}
    return replace(asked, **own) == stored
