"""What a database keeps beside tasks: groups, access tokens, and the audit trail."""

from collections.abc import Mapping, Sequence
from functools import partial

from taskqueue.rules.access import Role, Token
from taskqueue.rules.audit import AuditedChange
from taskqueue.rules.groups import Close, CloseResult, Group
from taskqueue.rules.tasks import NewTask
from taskqueue.storage.limits import check_limit
from taskqueue.storage.postgres.lifecycle import PostgresLifecycle
from taskqueue.storage.postgres.operations import audit, groups, tokens


class PostgresRecords(PostgresLifecycle):
    """The verbs about groups, tokens and changes."""

    async def close_group(
        self, wanted: Close, tasks: Sequence[NewTask] = (), *, now: float
    ) -> CloseResult:
        return await self._write(partial(groups.close, wanted=wanted, tasks=tuple(tasks), now=now))

    async def get_group(self, name: str) -> Group | None:
        return await self._read(partial(groups.get, name=name))

    async def groups(
        self, *, before: int | None = None, ended: bool | None = None, limit: int
    ) -> tuple[Group, ...]:
        check_limit(limit)
        return await self._read(partial(groups.latest, before=before, ended=ended, limit=limit))

    async def record_changes(self, changes: Sequence[AuditedChange]) -> None:
        await self._write(partial(audit.record, changes=tuple(changes)))

    async def trim_changes(self, role: Role, *, before: float, most: int, limit: int) -> int:
        check_limit(limit)
        return await self._write(
            partial(audit.trim, role=role, before=before, most=most, limit=limit)
        )

    async def add_token(self, token: Token) -> bool:
        return await self._write(partial(tokens.add, token=token))

    async def revoke_token(self, name: str) -> bool:
        return await self._write(partial(tokens.revoke, name=name))

    async def note_token_use(self, used: Mapping[str, float]) -> None:
        await self._write(partial(tokens.note_use, used=dict(used)))

    async def changes(
        self, *, before: str | None = None, task_id: str | None = None, limit: int
    ) -> tuple[AuditedChange, ...]:
        check_limit(limit)
        return await self._read(partial(audit.latest, before=before, task_id=task_id, limit=limit))

    async def tokens(self) -> tuple[Token, ...]:
        return await self._read(tokens.every)
