"""What the statements of a handler have left behind that they must not.

A text does not tell what a statement does: triggers, functions, rules and foreign keys do more. So
the server is asked, before and after: how many rows of the queue has this transaction changed, what
belongs to the queue's schema, which locks that only a change of the schema takes are held.
"""

from taskqueue.errors import StatementRefused
from taskqueue.storage.postgres.connections import SQL, Row

WATCH = "SELECT pg_advisory_xact_lock_shared(hashtextextended('taskqueue.schema', 0))"
"""Keeps the schema as it is while a dry run is watched for changes of it."""

ALONE = "SELECT pg_advisory_xact_lock(hashtextextended('taskqueue.handler_sql', 0))"
"""One commit with statements at a time, on all nodes: what a handler has seen holds until it is
written."""

BESIDE_NO_HANDLER = f"""
SELECT pg_advisory_xact_lock(hashtextextended('taskqueue.schema', 0));
{ALONE}
"""
"""Begins a change of the schema: waits for dry runs and for a commit with statements, on all nodes,
and keeps out others. Their footprints would differ by what they have not done."""

_LOCKS = """
    'ShareUpdateExclusiveLock', 'ShareLock', 'ShareRowExclusiveLock', 'ExclusiveLock',
    'AccessExclusiveLock'
"""

_FOOTPRINT = f"""
WITH ours AS MATERIALIZED (
    SELECT oid FROM pg_class WHERE relnamespace = 'taskqueue'::regnamespace
)
SELECT current_setting('track_counts')::bool,
    transaction_timestamp(),
    current_user::text || ' ' || session_user::text,
    current_setting('transaction_read_only'),
    pg_my_temp_schema(),
    (SELECT sum(pg_stat_get_xact_tuples_inserted(oid) + pg_stat_get_xact_tuples_updated(oid)
        + pg_stat_get_xact_tuples_deleted(oid))::bigint FROM ours),
    (SELECT count(*) FROM pg_depend WHERE refclassid = 'pg_namespace'::regclass
        AND refobjid = 'taskqueue'::regnamespace),
    (SELECT count(*) FROM pg_locks WHERE pid = pg_backend_pid() AND locktype = 'relation'
        AND mode IN ({_LOCKS}) AND relation IN (SELECT oid FROM ours))
"""  # noqa: S608  the only texts put together here are this module's own

# In the order of the columns, behind the first.
_MEANINGS = (
    "end the transaction",
    "change the role",
    "change what the transaction may do",
    "make temporary objects",
    "change tables of the schema taskqueue, which belongs to the queue",
    "make or drop objects of the schema taskqueue, which belongs to the queue",
    "alter or lock tables of the schema taskqueue, which belongs to the queue",
)


async def footprint(db: SQL) -> Row:
    """Return what is to be the same after the statements of a handler.

    Raises:
        StatementRefused: the server does not count, so that nothing can be told.
    """
    is_counting, *found = await db.fetchrow(_FOOTPRINT) or (False,)
    if not is_counting:
        raise StatementRefused(
            "the server has track_counts = off, and so does not tell which tables are changed"
        )
    return tuple(found)


def overstep(before: Row, after: Row) -> str | None:
    """Return what was done between two footprints that may not be done, None if nothing was."""
    for was, now, meaning in zip(before, after, _MEANINGS, strict=True):
        if was != now:
            return meaning
    return None
