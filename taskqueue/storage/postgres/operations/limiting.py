"""What the verbs about limits do, in a transaction or on a connection that reads."""

from collections.abc import Mapping

from taskqueue.rules.limits import GateFacts, KeyUsage, LimitUsage, LimitUse, LimitValues, Taken
from taskqueue.storage.postgres.connections import SQL
from taskqueue.storage.postgres.transaction import Transaction


async def declare(tx: Transaction, declared: Mapping[str, LimitValues], *, now: float) -> None:
    """Replace what the app declares; wake the gates of what has changed."""
    raise NotImplementedError


async def change(tx: Transaction, name: str, values: LimitValues | None, *, now: float) -> bool:
    """Set or reset what a limit allows; return whether there is such a limit."""
    raise NotImplementedError


async def take(tx: Transaction, use: LimitUse, *, now: float) -> Taken | None:
    """Take starts for what is no task; None if there is no such limit."""
    raise NotImplementedError


async def charge(tx: Transaction, use: LimitUse, *, now: float) -> bool:
    """Count starts that were made already; return whether there is such a limit."""
    raise NotImplementedError


async def all_limits(db: SQL) -> tuple[LimitUsage, ...]:
    """Return all limits, by name."""
    raise NotImplementedError


async def keys_of(
    db: SQL, name: str, *, after: str | None, limit: int, now: float
) -> tuple[KeyUsage, ...]:
    """Return the keys of a limit that are in use, by key."""
    raise NotImplementedError


async def gate_of(db: SQL, task_id: str, *, now: float) -> GateFacts | None:
    """Return what holds a parked task back."""
    raise NotImplementedError
