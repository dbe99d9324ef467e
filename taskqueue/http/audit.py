"""The audit trail: who has changed what, and from where.

Each change is published as the event `audit_change`, so the log keeps it, and stored within a
second, for `GET /audit`. Enqueues are kept in memory only: the tasks are their record.
"""

import asyncio
from collections import deque
from itertools import islice
from uuid import UUID

from taskqueue.commands import Ask, GetChanges
from taskqueue.events import Level, events
from taskqueue.http.answers import Answer
from taskqueue.http.pages import fitting
from taskqueue.http.queries import Parameter, Query, whole_number
from taskqueue.http.route import Call
from taskqueue.http.tasks.ids import task_id_of
from taskqueue.http.tasks.queries import CURSOR
from taskqueue.rules.access import Role
from taskqueue.rules.audit import MAX_STORED, AuditedChange
from taskqueue.structs import Struct

KEPT = 1_000  # enqueues
MAX_PAGE = 1_000  # changes in one answer
MAX_BYTES = 1 << 20  # of their texts


class Changes(Struct):
    """Changes, newest first."""

    changes: tuple[AuditedChange, ...]
    count: int
    next: str | None = None
    """The cursor of the next page; None if this one is the last."""


class AuditTrail:
    """What of the trail is in memory: changes that are not stored yet, and the latest enqueues.

    It outlives the gateway, not the service.
    """

    def __init__(self) -> None:
        self._enqueues: deque[AuditedChange] = deque(maxlen=KEPT)
        self._unstored: dict[str, AuditedChange] = {}
        self._has_unstored = asyncio.Event()

    def record(self, change: AuditedChange, *, is_enqueue: bool) -> None:
        """Publish a change and keep it; if it is no enqueue, have it stored."""
        if is_enqueue:
            self._enqueues.append(change)
        else:
            self._unstored[change.id] = change
            if len(self._unstored) > MAX_STORED:  # in a long outage
                self._unstored.pop(next(iter(self._unstored)))
            self._has_unstored.set()
        _publish(change)

    def in_memory(self) -> tuple[AuditedChange, ...]:
        """Return what is in memory, in no order."""
        return (*self._enqueues, *self._unstored.values())

    def unstored(self, limit: int) -> tuple[AuditedChange, ...]:
        """Return up to `limit` changes that are not stored yet, oldest first."""
        return tuple(islice(self._unstored.values(), limit))

    @property
    def count(self) -> int:
        """How many changes are not stored yet."""
        return len(self._unstored)

    async def has_unstored(self) -> None:
        """Wait until there is a change to store."""
        await self._has_unstored.wait()

    def stored(self, changes: tuple[AuditedChange, ...]) -> None:
        """Forget changes that are stored now."""
        for change in changes:
            self._unstored.pop(change.id, None)
        if not self._unstored:
            self._has_unstored.clear()


def _publish(change: AuditedChange) -> None:
    level: Level = "info" if change.role is Role.ADMIN else "debug"  # every enqueue is one
    if not events.are_wanted(level, "audit_change"):
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


class TrailQuery(Struct):
    """Which changes are shown."""

    limit: int = 100
    cursor: str | None = None
    task: str | None = None


TRAIL_QUERY = Query(
    TrailQuery,
    {
        "limit": whole_number(1, MAX_PAGE),
        "cursor": CURSOR,
        "task": Parameter(task_id_of, "the id of a task", UUID),
    },
)


class AuditRoutes:
    """The calls about the audit trail."""

    def __init__(self, ask: Ask, trail: AuditTrail) -> None:
        self._ask = ask
        self._trail = trail

    async def list_changes(self, call: Call[None, TrailQuery]) -> Answer:
        """Return who has changed what, newest first."""
        limit, cursor, task_id = call.query.limit, call.query.cursor, call.query.task
        # Taken first: what is stored while the storage is read is then in both.
        in_memory = [
            change
            for change in self._trail.in_memory()
            if (cursor is None or change.id < cursor) and (task_id is None or change.names(task_id))
        ]
        stored = await self._ask(GetChanges(limit=limit, before=cursor, task_id=task_id))
        found = {change.id: change for change in (*in_memory, *stored)}
        newest = [found[id_] for id_ in sorted(found, reverse=True)[:limit]]
        shown = tuple(newest[: fitting((change.size for change in newest), MAX_BYTES)])
        has_more = len(newest) == limit or len(shown) < len(newest)
        next_ = shown[-1].id if has_more else None
        return Answer(Changes(changes=shown, count=len(shown), next=next_))
