"""What the verbs about the audit trail do, in a transaction or on a connection that reads."""

from collections.abc import Sequence

from taskqueue.rules.access import Role
from taskqueue.rules.audit import AuditedChange
from taskqueue.storage.postgres.connections import SQL, changed_rows
from taskqueue.storage.postgres.transaction import Transaction

_RECORD = """
INSERT INTO taskqueue.audited_changes (id, at, role, who, remote, method, path, status, body)
SELECT * FROM unnest(
    $1::text[], $2::float8[], $3::text[], $4::text[], $5::text[], $6::text[], $7::text[],
    $8::int4[], $9::text[]
) AS given (id, at, role, who, remote, method, path, status, body)
ORDER BY id
ON CONFLICT (id) DO NOTHING
"""
_LATEST = """
SELECT id, at, role, who, remote, method, path, status, body FROM taskqueue.audited_changes
WHERE ($1::text IS NULL OR id < $1)
    AND ($2::text IS NULL OR strpos(lower(path), $2) > 0 OR strpos(lower(body), $2) > 0)
ORDER BY id DESC LIMIT $3
"""
# What another node deletes at the same time is left to it.
_TRIM = """
WITH old AS MATERIALIZED (
    SELECT id FROM taskqueue.audited_changes
    WHERE role = $1 AND (at < $2 OR id <= (
        SELECT id FROM taskqueue.audited_changes WHERE role = $1
        ORDER BY id DESC LIMIT 1 OFFSET $3::bigint
    ))
    ORDER BY id LIMIT $4 FOR UPDATE SKIP LOCKED
)
DELETE FROM taskqueue.audited_changes USING old WHERE audited_changes.id = old.id
"""


async def record(tx: Transaction, changes: Sequence[AuditedChange]) -> None:
    """Insert the changes that are not there yet."""
    rows = [
        (c.id, c.at, c.role.value, c.who, c.remote, c.method, c.path, c.status, c.body)
        for c in changes
    ]
    if rows:
        await tx.db.execute(_RECORD, *zip(*rows, strict=True))


async def latest(
    db: SQL, before: str | None, task_id: str | None, limit: int
) -> tuple[AuditedChange, ...]:
    """Return changes, newest first; with `task_id`, those that name this task."""
    return tuple(
        AuditedChange(
            id=id_,
            at=at,
            role=Role(role),
            who=who,
            remote=remote,
            method=method,
            path=path,
            status=status,
            body=body,
        )
        for id_, at, role, who, remote, method, path, status, body in await db.fetch(
            _LATEST, before, task_id, limit
        )
    )


async def trim(tx: Transaction, role: Role, *, before: float, most: int, limit: int) -> int:
    """Delete what is too old or too much, oldest first."""
    return changed_rows(await tx.db.execute(_TRIM, role.value, before, most, limit))
