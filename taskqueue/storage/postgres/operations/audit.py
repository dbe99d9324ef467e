"""What the verbs about the audit trail do, in a transaction or on a connection that reads."""

from collections.abc import Sequence

from taskqueue.rules.access import Role
from taskqueue.rules.audit import AuditedChange
from taskqueue.storage.postgres.connections import SQL
from taskqueue.storage.postgres.transaction import Transaction


async def record(tx: Transaction, changes: Sequence[AuditedChange]) -> None:
    """Insert the changes that are not there yet."""
    raise NotImplementedError


async def latest(db: SQL, before: str | None, limit: int) -> tuple[AuditedChange, ...]:
    """Return changes, newest first."""
    raise NotImplementedError


async def trim(tx: Transaction, role: Role, *, before: float, most: int, limit: int) -> int:
    """Delete what is too old or too much, oldest first."""
    raise NotImplementedError
