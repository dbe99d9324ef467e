"""What the verbs about the audit trail do, in a transaction or on a connection that reads."""

import sqlite3
from collections.abc import Sequence

from taskqueue.rules.access import Role
from taskqueue.rules.audit import AuditedChange
from taskqueue.storage.sqlite.commit.transaction import Transaction

_RECORD = """
INSERT INTO main.audited_changes (id, at, role, who, remote, method, path, status, body)
VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (id) DO NOTHING
"""
_LATEST = """
SELECT id, at, role, who, remote, method, path, status, body FROM main.audited_changes
WHERE (?1 IS NULL OR id < ?1)
    AND (?2 IS NULL OR instr(lower(path), ?2) > 0 OR instr(lower(body), ?2) > 0)
ORDER BY id DESC LIMIT ?3
"""
_TRIM = """
DELETE FROM main.audited_changes WHERE id IN (
    SELECT id FROM main.audited_changes
    WHERE role = ?1 AND (at < ?2 OR id <= (
        SELECT id FROM main.audited_changes WHERE role = ?1 ORDER BY id DESC LIMIT 1 OFFSET ?3
    ))
    ORDER BY id LIMIT ?4
)
"""


def record(tx: Transaction, changes: Sequence[AuditedChange]) -> None:
    """Insert the changes that are not there yet."""
    rows = [
        (c.id, c.at, c.role.value, c.who, c.remote, c.method, c.path, c.status, c.body)
        for c in changes
    ]
    tx.db.executemany(_RECORD, rows)


def latest(
    db: sqlite3.Connection, before: str | None, task_id: str | None, limit: int
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
        for id_, at, role, who, remote, method, path, status, body in db.execute(
            _LATEST, (before, task_id, limit)
        ).fetchall()
    )


def trim(tx: Transaction, role: Role, *, before: float, most: int, limit: int) -> int:
    """Delete what is too old or too much, oldest first."""
    return tx.db.execute(_TRIM, (role.value, before, most, limit)).rowcount
