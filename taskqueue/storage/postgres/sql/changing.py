# ruff: noqa: S608  the only texts put together here are this module's own
"""The SQL that changes tasks by their ids: cancel, edit, redrive, delete."""

from taskqueue.storage.postgres.sql.rows import LIVE

TO_CANCEL = """
SELECT id, seq, status, token, processed_at IS NOT NULL, action, queue, group_name,
    CASE WHEN gate IS NULL THEN limits END
FROM taskqueue.tasks WHERE id = ANY ($1::text[]) ORDER BY seq FOR UPDATE
"""
CANCEL_WAITING = f"""
UPDATE taskqueue.tasks SET status = 'cancelled', reason = $2, processed_at = $3, gate = NULL
WHERE seq = ANY ($1::bigint[]) AND {LIVE}
"""
MARK_CANCELLED = """
UPDATE taskqueue.live_tasks SET cancel_reason = coalesce(cancel_reason, $2)
WHERE seq = ANY ($1::bigint[])
"""

TO_EDIT = """
SELECT seq, status, token IS NOT NULL, processed_at IS NOT NULL, attempt, edits, limits,
    group_name, payload, priority, run_at, max_attempts
FROM taskqueue.tasks WHERE id = $1 FOR UPDATE
"""
EDIT = """
UPDATE taskqueue.live_tasks
SET payload = $1, priority = $2, run_at = $3, max_attempts = $4, status = $5, edits = $6,
    gate = CASE WHEN flow IS NOT NULL THEN '/turn' END, turn = least(turn, 0)
WHERE seq = $7
"""

# In a transaction at REPEATABLE READ a key, or an id, may have been accepted beside a dead task of
# the same. Then only one of them can have it: the live one, or else the oldest.
REDRIVE = """
WITH dead AS MATERIALIZED (
    SELECT seq, id, unique_key FROM taskqueue.tasks
    WHERE id = ANY ($1::text[]) AND status = 'dead' ORDER BY seq FOR UPDATE
), ours AS MATERIALIZED (
    SELECT DISTINCT ON (id) seq,
        row_number() OVER (PARTITION BY unique_key ORDER BY seq) > 1
        OR EXISTS (
            SELECT 1 FROM taskqueue.live_tasks WHERE live_tasks.unique_key = dead.unique_key
        ) AS is_taken
    FROM dead
    WHERE NOT EXISTS (SELECT 1 FROM taskqueue.live_tasks WHERE live_tasks.id = dead.id)
    ORDER BY id, seq
)
UPDATE taskqueue.tasks
SET status = 'queued', run_at = $2, attempt = 0, crashes = 0, deliveries = 0,
    turn = 0, gate = CASE WHEN flow IS NOT NULL THEN '/turn' END,
    unique_key = CASE WHEN NOT is_taken THEN unique_key END,
    former_key = CASE WHEN is_taken THEN coalesce(unique_key, former_key) ELSE former_key END,
    processed_at = NULL, reason = NULL, error_pattern = NULL, cancel_reason = NULL,
    start_by = NULL
FROM ours WHERE tasks.seq = ours.seq AND tasks.status = 'dead'
RETURNING tasks.id, tasks.seq, tasks.group_name
"""

DELETE = """
WITH ended AS MATERIALIZED (
    SELECT seq FROM taskqueue.tasks
    WHERE id = ANY ($1::text[]) AND status IN ('completed', 'cancelled', 'dead')
    ORDER BY seq FOR UPDATE
)
DELETE FROM taskqueue.tasks USING ended
WHERE tasks.seq = ended.seq AND tasks.status IN ('completed', 'cancelled', 'dead')
RETURNING tasks.id, tasks.seq, tasks.status, tasks.group_name
"""
DELETE_ATTEMPTS = "DELETE FROM taskqueue.attempts WHERE task = ANY ($1::bigint[])"

# Attempts go where their task goes: when it ends, and when it is queued again.
END_ATTEMPTS = """
UPDATE taskqueue.attempts SET task_status = given.status, task_end = $3
FROM unnest($1::bigint[], $2::text[]) AS given (task, status)
WHERE attempts.task = given.task AND attempts.task_status = 'live'
"""
REVIVE_ATTEMPTS = """
UPDATE taskqueue.attempts SET task_status = 'live', task_end = 0
WHERE task = ANY ($1::bigint[]) AND task_status = 'dead'
"""
