"""How long a commit waits: for locks, for a statement, for its own node.

Locks are held until their transaction ends. A commit of the queue holds them for milliseconds, but
a program that enqueues in a transaction of its own, or an administrator, may hold them for hours.
"""

import asyncio

from taskqueue.storage.postgres.connections import Kept, transaction

COMMIT_S = 30.0
"""How long a commit may take in all, in seconds: the server may hang."""

# The server ends a statement before its node gives it up: else it would go on without a client. A
# node that is frozen within a commit would hold its locks against all others.
LIMITS = """
SET LOCAL lock_timeout = '5s';
SET LOCAL statement_timeout = '25s';
SET LOCAL idle_in_transaction_session_timeout = '5s'
"""

ONE_S = 0.25
ALL_S = 1.0
HELD_S = 10.0
"""For how long after a commit has waited in vain the next ones wait briefly: its locks are held by
something that lasts."""

HOLDER_S = 2.0

_HOLDER_LIMIT = "SET LOCAL statement_timeout = '1s'"

# Not those that wait themselves, nor idle ones, which share the lock that keeps copies out. Of a
# session of another user only the name of the program is shown.
_HOLDER = """
SELECT pid, application_name, extract(epoch FROM clock_timestamp() - xact_start)::float8
FROM pg_stat_activity
WHERE pid <> pg_backend_pid() AND wait_event_type IS DISTINCT FROM 'Lock'
    AND (xact_start IS NOT NULL OR state IS NULL) AND EXISTS (
    SELECT FROM pg_locks LEFT JOIN pg_class ON pg_class.oid = pg_locks.relation
    WHERE pg_locks.pid = pg_stat_activity.pid AND granted
        AND pg_locks.database = (SELECT oid FROM pg_database WHERE datname = current_database())
        AND (
            locktype = 'advisory'
            OR relnamespace = to_regnamespace('taskqueue') AND mode <> 'AccessShareLock'
        )
)
ORDER BY xact_start
LIMIT 1
"""


class Patience:
    """How long writes wait for locks that are tried one by one: briefly, and not long in all.

    Those behind them wait as well.
    """

    def __init__(self) -> None:
        self._left_s = ALL_S

    @property
    def lock_s(self) -> float:
        """How long the next one may wait for a lock."""
        return min(ONE_S, self._left_s)

    def has_waited(self, seconds: float) -> None:
        """Count what one has waited in vain."""
        self._left_s = max(0.0, self._left_s - seconds)


def limit_of_locks(seconds: float) -> str:
    """Return the statement that limits how long a transaction waits for each lock."""
    return f"SET LOCAL lock_timeout = '{max(1, round(1000 * seconds))}ms'"  # 0 were no limit


async def holder_of_locks(kept: Kept) -> str:
    """Return which transaction has held locks of the queue for longest, in words.

    The one that was waited for, as a rule. For how long is known of other users only if this one
    may see all (`GRANT pg_read_all_stats`). A server that does not say it soon is not waited for.
    """
    try:
        async with asyncio.timeout(HOLDER_S):
            connection = await kept.get()
            async with transaction(connection):
                await connection.execute(_HOLDER_LIMIT)
                found = await connection.fetchrow(_HOLDER)
    except Exception:  # noqa: BLE001  the error to tell is that of the commit
        kept.forget()
        return "who held it is unknown"
    if found is None:
        return "who held it has ended"
    pid, program, open_s = found
    named = f"process {pid} of the server" + (f" ({program})" if program else "")
    lasted = "holds locks" if open_s is None else f"has had a transaction open for {open_s:.0f} s"
    return f"{named} {lasted}"
