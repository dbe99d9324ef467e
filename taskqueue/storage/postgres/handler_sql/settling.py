"""Settles one delivery with the statements of its handler: both are written, or neither.

The statements come first, because they may take a second or wait for rows of other programs: the
task's own row is locked when they are done, and heartbeats of other tasks pass.
"""

from typing import cast

from taskqueue.errors import StatementRefused
from taskqueue.rules.tasks import (
    AttemptOutcome,
    Complete,
    NotApplied,
    SettleBy,
    Settled,
    Statement,
)
from taskqueue.storage.postgres.connections import SQL
from taskqueue.storage.postgres.errors import is_lock_timeout
from taskqueue.storage.postgres.handler_sql import execution
from taskqueue.storage.postgres.handler_sql.footprint import ALONE
from taskqueue.storage.postgres.operations import settling
from taskqueue.storage.postgres.operations.leases import is_held
from taskqueue.storage.postgres.patience import LIMITS
from taskqueue.storage.postgres.transaction import Transaction

# Bounded, because a commit that takes too long counts as an outage of the storage.
_BEGIN = f"""
SAVEPOINT handler; SET LOCAL lock_timeout = '3s';
{ALONE};
{LIMITS}
"""
_BUSY = "statements of other handlers took too long"
_UNDO = f"ROLLBACK TO SAVEPOINT handler; RELEASE SAVEPOINT handler; {execution.FORGET}"
_KEEP = f"RELEASE SAVEPOINT handler; {execution.FORGET}"


def statements_of(by: SettleBy) -> tuple[Statement, ...]:
    """Return the statements that a settlement applies."""
    return by.settlement.statements if isinstance(by.settlement, Complete) else ()


async def settle(tx: Transaction, by: SettleBy, *, now: float) -> Settled | NotApplied:
    """Apply the statements and write the settlement, if the token holds."""
    if not await _is_alone(tx.db):
        await tx.db.execute(_UNDO)
        return NotApplied(error=_BUSY, outcome=AttemptOutcome.CONFLICTED)
    answer: Settled | NotApplied
    if await is_held(tx.db, by.token) and (refused := await _apply(tx.db, by)) is not None:
        answer = refused
    else:
        [answer] = await settling.settle(tx, [by], now=now)
    await tx.db.execute(_KEEP if answer is Settled.WRITTEN else _UNDO)
    return answer


async def _is_alone(db: SQL) -> bool:
    """Begin; tell whether no other commit with statements is under way any more."""
    try:
        await db.execute(_BEGIN)
    except Exception as error:
        if not is_lock_timeout(error):
            raise
        return False
    return True


async def _apply(db: SQL, by: SettleBy) -> NotApplied | None:
    """Apply the statements of a settlement; return why that cannot be."""
    # What has statements is written over a connection of `sessions`, which is asyncpg's.
    session = cast(execution.Session, db)
    try:
        await execution.apply(session, statements_of(by))
        await db.execute(execution.RESTORE)
    except execution.RowsChanged as error:
        return NotApplied(error=str(error), outcome=AttemptOutcome.CONFLICTED)
    except StatementRefused as error:
        return NotApplied(error=error.detail)
    return None
