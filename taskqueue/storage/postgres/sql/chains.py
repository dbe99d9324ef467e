# ruff: noqa: S608  the only texts put together here are this module's own
"""The SQL of chains: rows that are leased behind one that has slots, and have none yet.

Such a row has a line in `held_slots` for each of its gates. A slash before the gate and before the
name of the limit, where no gate and no name has one, keeps it from being counted. So the gates of
these lines lie between "/" and "0".
"""

from taskqueue.storage.postgres.sql.claims import LEASE
from taskqueue.storage.postgres.sql.rows import TASK

_PLACE = "priority, turn, run_at, id"

NEXT_IN_LINE = f"""
SELECT seq, limits, {_PLACE} FROM taskqueue.live_tasks
WHERE gate = $1 AND queue = $2 AND run_at <= $3 ORDER BY {_PLACE} LIMIT $4
"""
PLACES = f"SELECT seq, limits, {_PLACE} FROM taskqueue.live_tasks WHERE seq = ANY ($1::bigint[])"

# What another transaction has locked is being cancelled or edited: it is passed over.
CLAIM_PARKED = f"""
WITH chosen AS MATERIALIZED (
    SELECT seq FROM taskqueue.live_tasks
    WHERE seq = ANY ($1::bigint[]) AND gate IS NOT NULL AND token IS NULL
    FOR UPDATE SKIP LOCKED
)
UPDATE taskqueue.live_tasks AS tasks SET gate = NULL,
{LEASE.format(nonce="$2", node="$3", incarnation="$4", now="$5", expires_at="$6")}
WHERE tasks.seq = ANY (ARRAY(SELECT seq FROM chosen))
RETURNING {TASK}, tasks.token, tasks.seq, tasks.turn
"""
AWAIT_SLOTS = """
INSERT INTO taskqueue.held_slots (task, gate, name, cost)
SELECT seq, '/' || gate, '/' || name, cost
FROM unnest($1::bigint[]) AS seq,
    unnest($2::text[], $3::text[], $4::float8[]) AS uses (gate, name, cost)
"""

# Slots stay with the node that has them: it alone knows which of its handlers run.
GIVE_SLOTS = """
WITH following AS MATERIALIZED (
    SELECT waiting.seq FROM unnest(
        $1::text[], $2::text[], $3::text[], $4::text[], $5::text[], $6::bigint[]
    ) AS freed (gate, limits, queue, node, incarnation, slots) CROSS JOIN LATERAL (
        SELECT seq
        FROM taskqueue.held_slots JOIN taskqueue.live_tasks AS tasks ON seq = held_slots.task
        WHERE held_slots.gate = '/' || freed.gate AND tasks.limits = freed.limits
            AND tasks.queue = freed.queue AND tasks.node = freed.node
            AND tasks.incarnation = freed.incarnation
        ORDER BY claimed_at, priority, turn, run_at, id LIMIT freed.slots
    ) AS waiting
)
UPDATE taskqueue.held_slots SET gate = substr(gate, 2), name = substr(name, 2)
WHERE task = ANY (ARRAY(SELECT seq FROM following)) RETURNING gate
"""

COUNT = "SELECT count(*) FROM taskqueue.held_slots WHERE gate = '/' || $1::text"
COUNT_OF_LIMIT = """
SELECT queue, count(DISTINCT task)
FROM taskqueue.held_slots JOIN taskqueue.live_tasks AS tasks ON seq = task
WHERE name = '/' || $1::text GROUP BY queue
"""
COUNT_BEFORE = """
SELECT count(*) FROM taskqueue.held_slots JOIN taskqueue.live_tasks AS tasks ON seq = task
WHERE held_slots.gate = '/' || $1::text AND queue = $3
    AND (claimed_at, priority, turn, run_at, id)
        < ($2::float8, $4::bigint, $5::float8, $6::float8, $7::text)
"""
CHAINED_TASK = """
SELECT limits, claimed_at, queue, priority, turn, run_at, id FROM taskqueue.live_tasks
WHERE id = $1 AND EXISTS (
    SELECT 1 FROM taskqueue.held_slots
    WHERE task = seq AND held_slots.gate > '/' AND held_slots.gate < '0'
)
"""
