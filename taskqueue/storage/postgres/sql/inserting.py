# ruff: noqa: S608  the only texts put together here are this module's own
"""The SQL that inserts tasks: many in one statement, an array for each column."""

from taskqueue.storage.postgres.sql.rows import NEW_TASK

_NAMES = ", ".join(f'"{name}"' for name, _ in NEW_TASK)
_ARRAYS = ", ".join(f"${place}::{kind}[]" for place, (_, kind) in enumerate(NEW_TASK, 2))
_NEXT = len(NEW_TASK) + 2  # the first parameter behind those of the tasks

_COLUMNS = """
    seq, created_at, status, run_at, gate, id, payload, action, queue, priority, max_attempts,
    unique_key, fingerprint, traceparent, limits, flow, weight, start_by, group_name, parent,
    schedule, unique_until
"""
_VALUES = """
    nextval('taskqueue.task_seq'), $1, CASE WHEN run_at > $1 THEN 'scheduled' ELSE 'queued' END,
    coalesce(run_at, $1), CASE WHEN flow IS NOT NULL THEN '/turn' END,
    id, payload, action, queue, priority, max_attempts, unique_key, fingerprint, traceparent,
    limits, flow, weight, expires_at, "group", parent, schedule, until
"""

# Rows are numbered in the order given, in which the first of two equal ids or keys wins.
INSERT = f"""
INSERT INTO taskqueue.live_tasks ({_COLUMNS})
SELECT {_VALUES} FROM (
    SELECT * FROM unnest({_ARRAYS}) WITH ORDINALITY AS given ({_NAMES}, place) ORDER BY place
) AS new
ON CONFLICT DO NOTHING
RETURNING id, unique_key
"""

# Those that are `claimed` get a token, which begins with the number of its row.
INSERT_CLAIMED = f"""
INSERT INTO taskqueue.live_tasks (
    {_COLUMNS}, token, attempt, deliveries, claimed_at, node, incarnation, expires_at
)
SELECT {_VALUES.replace("nextval('taskqueue.task_seq')", "seq")},
    CASE WHEN claimed THEN to_hex(seq) || '-' || ${_NEXT + 1} END,
    claimed::integer, claimed::integer,
    CASE WHEN claimed THEN $1 END, CASE WHEN claimed THEN ${_NEXT + 2} END,
    CASE WHEN claimed THEN ${_NEXT + 3} END, CASE WHEN claimed THEN ${_NEXT + 4}::float8 END
FROM (
    SELECT *, nextval('taskqueue.task_seq') AS seq FROM (
        SELECT * FROM unnest({_ARRAYS}, ${_NEXT}::bool[])
            WITH ORDINALITY AS given ({_NAMES}, claimed, place)
        ORDER BY place
    ) AS ordered
) AS new
ON CONFLICT DO NOTHING
RETURNING id, unique_key, token
"""

# What has ended is not in the indices that keep ids and keys unique. So it is asked for when the
# new rows are written, by a statement that sees an end which was committed meanwhile. A task cannot
# have ended before its id was made: $2. Two statements, because the one on keys is planned for
# every partition, which takes long on a connection that prepares nothing.
TAKEN_IDS = """
SELECT id FROM taskqueue.tasks
WHERE id = ANY ($1::text[]) AND status IN ('completed', 'cancelled', 'dead') AND processed_at >= $2
"""
TAKEN_KEYS = """
SELECT unique_key FROM taskqueue.tasks
WHERE unique_key = ANY ($1::text[]) AND status IN ('completed', 'cancelled', 'dead')
"""
TAKE_BACK = "DELETE FROM taskqueue.live_tasks WHERE id = ANY ($1::text[])"

IS_THERE = "SELECT EXISTS (SELECT 1 FROM taskqueue.tasks WHERE id = $1)"
