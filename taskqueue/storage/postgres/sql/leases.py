# ruff: noqa: S608  the only texts put together here are this module's own
"""The SQL of leases: what holds, what is started, extended and reported, what can be rescued.

Row numbers and tokens come as an array each. A token begins with the number of its row, so a row is
found by its number, and held by its own token only.
"""

from taskqueue.storage.postgres.sql.rows import DELIVERY

_HELD = "seq = ANY ($1::bigint[]) AND token = ANY ($2::text[])"

# In the order of their numbers, so that two nodes that lock the same rows do not deadlock.
LEASES = """
SELECT seq, token, status, CASE status WHEN 'running' THEN waited_as ELSE status END,
    settled_token, settled_as, cancel_reason IS NOT NULL, group_name, limits,
    queue, node, incarnation, claimed_at, expires_at,
    EXISTS (SELECT 1 FROM taskqueue.live_attempts WHERE task = live_tasks.seq)
FROM taskqueue.live_tasks WHERE seq = ANY ($1::bigint[]) ORDER BY seq FOR UPDATE
"""
SETTLED = """
SELECT settled_token, settled_as FROM taskqueue.tasks
WHERE seq = ANY ($1::bigint[]) AND status IN ('completed', 'cancelled', 'dead')
"""

IS_HELD = f"SELECT EXISTS (SELECT 1 FROM taskqueue.live_tasks WHERE {_HELD})"

START = """
UPDATE taskqueue.live_tasks
SET waited_as = status, status = 'running', started_at = $2, progress = NULL
WHERE seq = ANY ($1::bigint[])
"""

# One row that a program has locked for long must not cost the leases of all others.
EXTEND = f"""
WITH held AS MATERIALIZED (
    SELECT seq FROM taskqueue.live_tasks WHERE {_HELD} ORDER BY seq FOR UPDATE SKIP LOCKED
)
UPDATE taskqueue.live_tasks AS tasks SET expires_at = $3
FROM held WHERE tasks.seq = held.seq RETURNING tasks.token
"""

STILL_HELD = f"SELECT token FROM taskqueue.live_tasks WHERE {_HELD}"

REPORT = """
UPDATE taskqueue.live_tasks AS tasks SET progress = given.progress
FROM unnest($1::bigint[], $2::text[], $3::text[]) AS given (seq, token, progress)
WHERE tasks.seq = given.seq AND tasks.token = given.token
"""

HELD = f"""
SELECT {DELIVERY} FROM taskqueue.live_tasks AS tasks
WHERE token IS NOT NULL AND node = $1 AND incarnation = $2
ORDER BY claimed_at, priority, turn, run_at, id
"""

CANCEL_REQUESTS = """
SELECT token, cancel_reason FROM taskqueue.live_tasks
WHERE token IS NOT NULL AND cancel_reason IS NOT NULL AND node = $1 AND incarnation = $2
"""

RESCUABLE = f"""
SELECT {DELIVERY} FROM taskqueue.live_tasks AS tasks
WHERE token IS NOT NULL AND ((node = $1 AND incarnation <> $2) OR expires_at < $3)
ORDER BY claimed_at, priority, turn, run_at, id
"""

NEXT_LEASE_END = """
SELECT min(expires_at) FROM taskqueue.live_tasks WHERE token IS NOT NULL AND node <> $1
"""

# With a flow if it gets its turn at the next claim.
TURN = """
SELECT turn, weight, CASE WHEN gate = '/turn' THEN flow END
FROM taskqueue.live_tasks WHERE id = $1
"""
