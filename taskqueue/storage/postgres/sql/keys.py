"""The SQL about unique keys."""

HOLDER = """
SELECT seq, id, fingerprint, unique_until, status, token IS NOT NULL, attempt, started_at,
    created_at, run_at, queue
FROM taskqueue.tasks WHERE unique_key = $1
"""
LOCK_HOLDER = f"{HOLDER} FOR UPDATE"
FREE_KEY = "UPDATE taskqueue.tasks SET former_key = unique_key, unique_key = NULL WHERE seq = $1"
SET_EXPIRY = "UPDATE taskqueue.live_tasks SET start_by = $1 WHERE seq = $2"
LIMITS_OF = "SELECT limits FROM taskqueue.live_tasks WHERE seq = $1"
REPLACE = """
UPDATE taskqueue.live_tasks SET fingerprint = $5, limits = $1, flow = $2, weight = $3,
    gate = CASE WHEN $2::text IS NOT NULL THEN '/turn' END, turn = least(turn, 0)
WHERE seq = $4
"""
STATUS_OF = "SELECT status, run_at FROM taskqueue.tasks WHERE seq = $1"
