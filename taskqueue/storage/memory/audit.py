"""The audit trail in memory."""

from collections.abc import Sequence

from taskqueue.rules.access import Role
from taskqueue.rules.audit import AuditedChange
from taskqueue.storage.limits import check_limit
from taskqueue.storage.memory.part import MemoryPart


class MemoryAudit(MemoryPart):
    """The part of the model that keeps the audit trail."""

    def __init__(self) -> None:
        super().__init__()
        self._changes: dict[str, AuditedChange] = {}

    async def record_changes(self, changes: Sequence[AuditedChange]) -> None:
        self._require_open()
        for change in changes:
            self._changes.setdefault(change.id, change)

    async def changes(
        self, *, before: str | None = None, task_id: str | None = None, limit: int
    ) -> tuple[AuditedChange, ...]:
        check_limit(limit)
        self._require_open()
        newest_first = [self._changes[id_] for id_ in sorted(self._changes, reverse=True)]
        found = [
            change
            for change in newest_first
            if (before is None or change.id < before) and (task_id is None or change.names(task_id))
        ]
        return tuple(found[:limit])

    async def trim_changes(self, role: Role, *, before: float, most: int, limit: int) -> int:
        check_limit(limit)
        self._require_open()
        ids = sorted(
            (id_ for id_, each in self._changes.items() if each.role is role), reverse=True
        )
        due = [
            id_ for place, id_ in enumerate(ids) if place >= most or self._changes[id_].at < before
        ]
        oldest_first = due[::-1][:limit]
        for id_ in oldest_first:
            del self._changes[id_]
        return len(oldest_first)
