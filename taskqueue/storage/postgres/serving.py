"""Keeps services and copies of a database apart: services share a lock, a copy holds it alone.

Each session in which a service writes holds a share of the lock. Behind a pooler in transaction
mode a session is not kept, and after statements of handlers it releases all its locks: there each
commit takes a share.
"""

import asyncio
from time import monotonic

from taskqueue.errors import StorageUnavailable
from taskqueue.storage.postgres.connections import SQL

HANDOVER_S = 3.0
"""How long a session that has ended may take to release the lock."""

_RETRY_S = 0.02

_LOCK = "hashtextextended('taskqueue.serving', 0)"
_SHARE = f"SELECT pg_try_advisory_lock_shared({_LOCK})"
_SHARE_BRIEFLY = f"SELECT pg_try_advisory_xact_lock_shared({_LOCK})"
_HOLD = f"SELECT pg_try_advisory_lock({_LOCK})"

SHARE_FOR_A_COMMIT = f"SELECT pg_advisory_xact_lock_shared({_LOCK})"
"""Part of the beginning of a commit whose session has no share. It waits while a copy is under
way."""

MARK = "SELECT value FROM taskqueue.meta WHERE name = 'copy'"
"""How far the copy is that is being made here, as JSON; no row if there is none."""


async def share(db: SQL, where: str, *, for_session: bool) -> None:
    """Take a share of the lock, for the session or for the transaction, if the database is whole.

    Raises:
        StorageUnavailable: a copy from it or to it is under way, or was interrupted.
    """
    if not await db.fetchval(_SHARE if for_session else _SHARE_BRIEFLY):
        raise StorageUnavailable(f"{where} is being copied; start the service after that")
    await require_whole(db, where)


async def require_whole(db: SQL, where: str) -> None:
    """Make sure that the database is not being made by a copy, which may have been interrupted.

    Raises:
        StorageUnavailable: it is.
    """
    if await db.fetchval(MARK) is not None:
        raise StorageUnavailable(
            f"{where} is half a copy of another database; finish it with `taskqueue copy`"
        )


async def hold(db: SQL, where: str) -> None:
    """Take the whole lock for this session.

    Raises:
        StorageUnavailable: a service or a transaction that enqueues uses it, or another copy.
    """
    deadline = monotonic() + HANDOVER_S
    while not await db.fetchval(_HOLD):
        if monotonic() >= deadline:
            raise StorageUnavailable(
                f"a service, a program that enqueues or another copy uses {where}; stop them first"
            )
        await asyncio.sleep(_RETRY_S)
