"""The audit trail: who has changed what, and from where.

Each change is published as the event `audit_change`, so the log keeps it. The latest ones are also
kept in memory, for `GET /audit`, until the service ends.
"""

from collections import deque

from taskqueue.events import Level, events
from taskqueue.http.answers import Answer
from taskqueue.http.queries import Query, whole_number
from taskqueue.http.route import Call
from taskqueue.rules.access import Role
from taskqueue.structs import Struct

KEPT = 1_000  # of changes that need the role admin, and as many others, which come more often


class Change(Struct):
    """One change of the service's state, by one call."""

    at: float
    who: str
    remote: str
    method: str
    path: str
    status: int
    """Of the answer. From 500 on it is not known whether anything was changed."""
    body: str | None = None
    """The request's, of calls whose body says what is changed: the first 1,000 bytes."""


class Changes(Struct):
    """The latest changes, newest first."""

    changes: tuple[Change, ...]
    count: int


class AuditTrail:
    """The latest changes in memory. It outlives the gateway, not the service."""

    def __init__(self) -> None:
        self._kept: dict[bool, deque[Change]] = {
            is_admin: deque(maxlen=KEPT) for is_admin in (True, False)
        }

    def record(self, change: Change, role: Role) -> None:
        """Publish a change and keep it for a while."""
        is_admin = role is Role.ADMIN
        self._kept[is_admin].append(change)
        level: Level = "info" if is_admin else "debug"  # every enqueue is one
        if not events.are_wanted(level):
            return
        getattr(events, level)(
            "audit_change",
            who=change.who,
            remote=change.remote,
            method=change.method,
            path=change.path,
            status=change.status,
            **({} if change.body is None else {"body": change.body}),
        )

    def latest(self, limit: int) -> tuple[Change, ...]:
        """Return the changes that are kept, newest first."""
        kept = sorted((c for some in self._kept.values() for c in some), key=lambda c: c.at)
        return tuple(reversed(kept[-limit:]))


class TrailQuery(Struct):
    """Which changes are shown."""

    limit: int = 100


TRAIL_QUERY = Query(TrailQuery, {"limit": whole_number(1, KEPT)})


class AuditRoutes:
    """The calls about the audit trail."""

    def __init__(self, trail: AuditTrail) -> None:
        self._trail = trail

    async def list_changes(self, call: Call[None, TrailQuery]) -> Answer:
        """Return who has changed what lately, newest first."""
        changes = self._trail.latest(call.query.limit)
        return Answer(Changes(changes=changes, count=len(changes)))
