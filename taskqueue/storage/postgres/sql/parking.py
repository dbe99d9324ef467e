# ruff: noqa: S608  the only texts put together here are this module's own
"""The SQL of limits: rows that are parked at a gate, and what is used of it."""

from taskqueue.storage.postgres.sql import ready
from taskqueue.storage.postgres.sql.ready import OPEN_ROW

# Gates are locked by buckets, because each lock takes a place in a table of the server that all its
# transactions share. They are locked in ascending order, which rules deadlocks out.
LOCK_GATES = """
SELECT pg_advisory_xact_lock(hashtext('taskqueue.gates'), bucket)
FROM (SELECT bucket FROM unnest($1::int4[]) AS bucket ORDER BY bucket OFFSET 0) AS in_order
"""
TRY_GATES = """
SELECT bool_and(pg_try_advisory_xact_lock(hashtext('taskqueue.gates'), bucket))
FROM unnest($1::int4[]) AS bucket
"""
# What is decided by what the limits allow is committed before they change.
SHARE_LIMITS = "SELECT pg_advisory_xact_lock_shared(hashtextextended('taskqueue.limits', 0))"
LOCK_LIMITS = "SELECT pg_advisory_xact_lock(hashtextextended('taskqueue.limits', 0))"

_PLACE = "priority, turn, run_at, id"

# Open rows whose limits are the same are held back alike. A claim parks the row which it has met,
# $5, and up to $10 others, but none that comes before it: it may have chosen that one. What other
# claims have locked they park. For the array see `claims`; the order names the index.
PARK = f"""
WITH held_back AS MATERIALIZED (
    SELECT seq FROM taskqueue.live_tasks AS tasks
    WHERE limits = $2 AND {OPEN_ROW} AND queue = $3 AND run_at <= $4
        AND ({_PLACE}) >= ($6::int8, $7::float8, $8::float8, $9::text)
        AND seq IS DISTINCT FROM $5::int8
    ORDER BY run_at LIMIT $10::int8 FOR UPDATE SKIP LOCKED
)
UPDATE taskqueue.live_tasks SET gate = $1
WHERE seq = ANY (array_append(ARRAY(SELECT seq FROM held_back), $5))
"""
FIRST_PLACE = (None, ready.FIRST_OF_ALL, 0.0, 0.0, "")

# The first row of each queue that is parked at a gate.
HEADS = f"""
SELECT given.gate, heads.* FROM unnest($1::text[]) AS given (gate) CROSS JOIN LATERAL (
    WITH RECURSIVE queues (queue) AS (
        SELECT (
            SELECT tasks.queue FROM taskqueue.live_tasks AS tasks
            WHERE tasks.gate = given.gate ORDER BY tasks.queue LIMIT 1
        )
        UNION ALL
        SELECT (
            SELECT tasks.queue FROM taskqueue.live_tasks AS tasks
            WHERE tasks.gate = given.gate AND tasks.queue > queues.queue
            ORDER BY tasks.queue LIMIT 1
        )
        FROM queues WHERE queues.queue IS NOT NULL
    )
    SELECT queues.queue, first.* FROM queues CROSS JOIN LATERAL (
        SELECT limits, {_PLACE} FROM taskqueue.live_tasks AS tasks
        WHERE tasks.gate = given.gate AND tasks.queue = queues.queue
        ORDER BY {_PLACE} LIMIT 1
    ) AS first
    WHERE queues.queue IS NOT NULL
) AS heads
"""
# A row that another transaction has locked is being cancelled or edited, so the next one is opened.
OPEN = f"""
WITH first AS MATERIALIZED (
    SELECT seq FROM taskqueue.live_tasks WHERE gate = $1 AND queue = $2
    ORDER BY {_PLACE} LIMIT $3 FOR UPDATE SKIP LOCKED
)
UPDATE taskqueue.live_tasks SET gate = NULL WHERE seq = ANY (ARRAY(SELECT seq FROM first))
"""
COUNT_PARKED = """
SELECT count(*) FROM (SELECT 1 FROM taskqueue.live_tasks WHERE gate = $1 LIMIT $2) AS parked
"""
COUNT_PARKED_BY_QUEUE = """
SELECT queue, count(*) FROM (
    SELECT queue FROM taskqueue.live_tasks WHERE gate = $1 LIMIT $2
) AS parked
GROUP BY queue
"""
IS_SHARED = """
SELECT EXISTS (SELECT 1 FROM taskqueue.live_tasks WHERE gate = $1 AND queue < $2)
    OR EXISTS (SELECT 1 FROM taskqueue.live_tasks WHERE gate = $1 AND queue > $2)
"""
COUNT_PARKED_BEFORE = f"""
SELECT count(*) FROM (
    SELECT 1 FROM taskqueue.live_tasks WHERE gate = $1 AND queue = $2
        AND ({_PLACE}) < ($3::int8, $4::float8, $5::float8, $6::text)
    LIMIT $7
) AS before
"""
NEXT_PARKED_GATE = """
SELECT gate FROM taskqueue.live_tasks WHERE gate IS NOT NULL AND gate > $1 AND gate < $2
ORDER BY gate LIMIT 1
"""

DUE_OPENINGS = "SELECT gate FROM taskqueue.gate_openings WHERE at <= $1"
TAKE_OPENINGS = """
DELETE FROM taskqueue.gate_openings WHERE gate = ANY ($1::text[]) AND at <= $2
"""
OPEN_AT = """
INSERT INTO taskqueue.gate_openings (gate, at) VALUES ($1, $2)
ON CONFLICT (gate) DO UPDATE SET at = least(gate_openings.at, excluded.at)
"""

TAKE_SLOTS = """
INSERT INTO taskqueue.held_slots (task, gate, name, cost)
SELECT * FROM unnest($1::int8[], $2::text[], $3::text[], $4::float8[])
"""
GATES_OF = "SELECT DISTINCT gate FROM taskqueue.held_slots WHERE task = ANY ($1::bigint[])"
FREE_SLOTS = """
DELETE FROM taskqueue.held_slots WHERE task = ANY ($1::bigint[])
RETURNING task, gate, name, cost
"""
GATE_STATES = """
SELECT given.gate,
    (SELECT count(*) FROM taskqueue.held_slots WHERE held_slots.gate = given.gate),
    (SELECT debt_at FROM taskqueue.gate_debts WHERE gate_debts.gate = given.gate)
FROM unnest($1::text[]) AS given (gate)
"""
SET_DEBTS = """
INSERT INTO taskqueue.gate_debts (gate, debt_at)
SELECT * FROM unnest($1::text[], $2::float8[]) AS given (gate, debt_at) ORDER BY gate
ON CONFLICT (gate) DO UPDATE SET debt_at = excluded.debt_at
"""
# Debts that are written forget some that are paid, so paid ones do not pile up.
FORGET_DEBTS = """
DELETE FROM taskqueue.gate_debts WHERE gate IN (
    SELECT gate FROM taskqueue.gate_debts
    WHERE debt_at < $1 ORDER BY debt_at LIMIT $2 FOR UPDATE SKIP LOCKED
)
"""
LIMITS = """
SELECT name, coalesce(changed, declared), declared, changed_at FROM taskqueue.task_limits
ORDER BY name
"""

LIMIT_NAMES = "SELECT name FROM taskqueue.task_limits"
DECLARE = """
INSERT INTO taskqueue.task_limits (name, declared)
SELECT * FROM unnest($1::text[], $2::text[]) AS given (name, declared) ORDER BY name
ON CONFLICT (name) DO UPDATE SET declared = excluded.declared
"""
UNDECLARE = "UPDATE taskqueue.task_limits SET declared = NULL WHERE name <> ALL ($1::text[])"
CHANGE_LIMIT = """
INSERT INTO taskqueue.task_limits (name, changed, changed_at) VALUES ($1, $2, $3)
ON CONFLICT (name) DO UPDATE SET changed = excluded.changed, changed_at = excluded.changed_at
"""
RESET_LIMIT = "UPDATE taskqueue.task_limits SET changed = NULL, changed_at = NULL WHERE name = $1"
FORGET_LIMITS = "DELETE FROM taskqueue.task_limits WHERE declared IS NULL AND changed IS NULL"

# A limit without keys has one gate, of its own name ($1). Those with keys lie between $2 and $3.
HELD_OF_LIMIT = "SELECT count(DISTINCT task) FROM taskqueue.held_slots WHERE name = $1"
GATES_OF_LIMIT = """
SELECT gate FROM taskqueue.held_slots WHERE gate > $2 AND gate < $3 OR gate = $1
UNION
SELECT gate FROM taskqueue.gate_debts WHERE gate > $2 AND gate < $3 OR gate = $1
ORDER BY gate LIMIT $4
"""
GREATEST_DEBT = """
SELECT max(debt_at) FROM taskqueue.gate_debts WHERE gate > $2 AND gate < $3 OR gate = $1
"""
RUNNING_AT = """
SELECT tasks.id
FROM taskqueue.held_slots JOIN taskqueue.live_tasks AS tasks ON tasks.seq = held_slots.task
WHERE held_slots.gate = $1 ORDER BY claimed_at, seq LIMIT 5
"""
PARKED_TASK = f"""
SELECT gate, limits, queue, {_PLACE} FROM taskqueue.live_tasks
WHERE id = $1 AND gate IS NOT NULL AND gate <> '/turn'
"""
