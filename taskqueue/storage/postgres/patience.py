"""How long a commit waits: for locks, for a statement, for its own node.

Locks are held until their transaction ends. A commit of the queue holds them for milliseconds, but
a program that enqueues in a transaction of its own, or an administrator, may hold them for hours.
"""

from taskqueue.storage.postgres.connections import Connection, transaction

COMMIT_S = 30.0
"""How long a commit may take in all, in seconds: the server may hang."""

# The server ends a statement before its node gives it up: else it would go on without a client. A
# node that is frozen within a commit would hold its locks against all others.
LIMITS = """
SET LOCAL lock_timeout = '5s';
SET LOCAL statement_timeout = '25s';
SET LOCAL idle_in_transaction_session_timeout = '5s'
"""

BRIEFLY = "SET LOCAL lock_timeout = '250ms'"
"""For writes of a commit that had to wait, each alone: those behind them wait as well."""

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


async def holder_of_locks(connection: Connection) -> str:
    """Return which transaction has held locks of the queue for longest, in words.

    The one that was waited for, as a rule. For how long is known of other users only if this one
    may see all (`GRANT pg_read_all_stats`).
    """
    async with transaction(connection):
        found = await connection.fetchrow(_HOLDER)
    if found is None:
        return "who held it has ended"
    pid, program, open_s = found
    named = f"process {pid} of the server" + (f" ({program})" if program else "")
    lasted = "holds locks" if open_s is None else f"has had a transaction open for {open_s:.0f} s"
    return f"{named} {lasted}"
