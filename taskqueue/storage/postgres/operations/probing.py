"""Checks that a write can be made durable."""

import os
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from taskqueue.storage.postgres.transaction import Transaction

_BALLAST_BYTES = 64 * 1024  # as much as a busy commit writes; random, so it cannot be compressed


async def probe(tx: "Transaction") -> None:
    """Write as much as a busy commit does, and take it away again.

    Tables that another program has locked as a whole are waited for, as an insert would.
    """
    await tx.db.execute("LOCK TABLE taskqueue.tasks, taskqueue.counters IN ROW EXCLUSIVE MODE")
    await tx.db.execute(
        "INSERT INTO taskqueue.probe (ballast) VALUES ($1)", os.urandom(_BALLAST_BYTES)
    )
    await tx.db.execute("DELETE FROM taskqueue.probe")
