"""Expiry inside a transaction: tasks that nothing has begun in time."""

from taskqueue.rules.expiry import ExpiredTask
from taskqueue.storage.postgres.connections import SQL
from taskqueue.storage.postgres.transaction import Transaction


async def next_expiry(db: SQL) -> float | None:
    """Return when the first of the tasks expires that may."""
    raise NotImplementedError


async def expire_waiting(tx: Transaction, *, limit: int, now: float) -> tuple[ExpiredTask, ...]:
    """End the tasks that expired first; those that another transaction has locked are left to it.

    For each: `tx.gates.let_go` with its `limits` if it was open, `tx.moved`, `tx.member_moved`.
    """
    raise NotImplementedError
