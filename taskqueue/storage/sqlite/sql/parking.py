# ruff: noqa: S608  the only texts put together here are this module's own
"""The SQL of limits: rows that are parked at a gate, and what is used of it."""

from taskqueue.storage.sqlite.sql import ready
from taskqueue.storage.sqlite.sql.ready import OPEN_ROW

# What a claim has to look at besides priorities: one search each, in an index that is empty where
# limits and turns are not used.
BEYOND_PRIORITIES = f"""
SELECT
    EXISTS (
        SELECT 1 FROM main.tasks INDEXED BY awaits_turn
        WHERE gate = '/turn' AND queue = :queue AND run_at <= :now
    ) OR EXISTS (SELECT 1 FROM main.gate_openings INDEXED BY next_openings WHERE at <= :now),
    EXISTS (
        SELECT 1 FROM main.tasks INDEXED BY limited
        WHERE limits IS NOT NULL AND {OPEN_ROW} AND queue = :queue
    ),
    EXISTS (SELECT 1 FROM main.flow_turns WHERE queue = :queue)
"""

LIMITS_OF = """
SELECT seq, limits, priority, turn, run_at, id FROM main.tasks
WHERE seq IN (SELECT value FROM json_each(?))
"""

# Open rows whose limits are the same are held back alike. A claim parks the row which it has met,
# but none that comes before it: it may have chosen that one.
PARK = f"""
UPDATE main.tasks SET gate = :gate WHERE seq IN (
    SELECT :seq
    UNION ALL
    SELECT seq FROM (
        SELECT seq FROM main.tasks INDEXED BY limited
        WHERE limits = :limits AND {OPEN_ROW} AND queue = :queue AND run_at <= :now
            AND (priority, turn, run_at, id) >= (:priority, :turn, :run_at, :id)
            AND seq IS NOT :seq
        ORDER BY run_at LIMIT :others
    )
)
"""
FIRST_PLACE = {"seq": None, "priority": ready.FIRST_OF_ALL, "turn": 0.0, "run_at": 0.0, "id": ""}

_PARKED = "FROM main.tasks INDEXED BY parked WHERE gate = :gate"
PARKED_QUEUE = f"SELECT min(queue) {_PARKED} AND gate IS NOT NULL AND queue > :behind"
FIRST_PARKED = f"""
SELECT seq, limits {_PARKED} AND gate IS NOT NULL AND queue = :queue
ORDER BY priority, turn, run_at, id LIMIT :limit
"""
NEXT_IN_LINE = f"""
SELECT seq, limits, priority, turn, run_at, id {_PARKED} AND gate IS NOT NULL AND queue = :queue
    AND run_at <= :now
ORDER BY priority, turn, run_at, id LIMIT :limit
"""
IS_PARKED_BEFORE = f"""
SELECT EXISTS (
    SELECT 1 {_PARKED} AND gate IS NOT NULL AND queue = :queue
        AND (priority, turn, run_at, id) < (:priority, :turn, :run_at, :id)
)
"""
COUNT_PARKED = f"""
SELECT count(*) FROM (SELECT 1 {_PARKED} AND gate IS NOT NULL LIMIT :limit)
"""
COUNT_PARKED_BY_QUEUE = f"""
SELECT queue, count(*) FROM (SELECT queue {_PARKED} AND gate IS NOT NULL LIMIT :limit)
GROUP BY queue
"""
COUNT_PARKED_BEFORE = f"""
SELECT count(*) FROM (
    SELECT 1 {_PARKED} AND gate IS NOT NULL AND queue = :queue
        AND (priority, turn, run_at, id) < (:priority, :turn, :run_at, :id)
    LIMIT :limit
)
"""
IS_SHARED = f"""
SELECT EXISTS (SELECT 1 {_PARKED} AND gate IS NOT NULL AND queue < :queue)
    OR EXISTS (SELECT 1 {_PARKED} AND gate IS NOT NULL AND queue > :queue)
"""
NEXT_PARKED_GATE = """
SELECT min(gate) FROM main.tasks INDEXED BY parked
WHERE gate IS NOT NULL AND gate > :behind AND gate < :end
"""
OPEN = "UPDATE main.tasks SET gate = NULL WHERE seq IN (SELECT value FROM json_each(?))"

DUE_OPENINGS = """
DELETE FROM main.gate_openings WHERE at <= ? RETURNING gate
"""
OPEN_AT = """
INSERT INTO main.gate_openings (gate, at) VALUES (?, ?)
ON CONFLICT (gate) DO UPDATE SET at = min(at, excluded.at)
"""

TAKE_SLOT = "INSERT INTO main.held_slots (task, gate, name, cost) VALUES (?, ?, ?, ?)"
HAS_SLOTS = "SELECT EXISTS (SELECT 1 FROM main.held_slots)"
FREE_SLOTS = """
DELETE FROM main.held_slots WHERE task IN (SELECT value FROM json_each(?))
RETURNING task, gate, name, cost
"""
GATE_STATE = """
SELECT (SELECT count(*) FROM main.held_slots INDEXED BY slots_of_gate WHERE gate = :gate),
    (SELECT debt_at FROM main.gate_debts WHERE gate = :gate)
"""

# Rows that wait in chains, see `commit.chains`. Their gates are between "/" and "0".
AWAIT_SLOT = """
INSERT INTO main.held_slots (task, gate, name, cost)
SELECT value, '/' || ?2, '/' || ?3, ?4 FROM json_each(?1)
"""
_CHAINED = "held_slots.gate > '/' AND held_slots.gate < '0'"
HAS_CHAINED = f"""
SELECT EXISTS (SELECT 1 FROM main.held_slots INDEXED BY slots_of_gate WHERE {_CHAINED})
"""
FREED = """
SELECT limits, queue, count(*) FROM main.tasks
WHERE seq IN (SELECT value FROM json_each(?)) GROUP BY limits, queue
"""
_FIRST_GATE = """
'/' || (:limits ->> '$[0][0]') || coalesce('/' || (:limits ->> '$[0][1]'), '')
"""
NEXT_CHAINED = f"""
SELECT seq FROM main.held_slots INDEXED BY slots_of_gate CROSS JOIN main.tasks ON seq = task
WHERE held_slots.gate = {_FIRST_GATE} AND limits = :limits AND queue = :queue
ORDER BY claimed_at, priority, turn, run_at, id LIMIT :limit
"""
GIVE_SLOTS = """
UPDATE main.held_slots SET gate = substr(gate, 2), name = substr(name, 2)
WHERE task IN (SELECT value FROM json_each(?))
"""
COUNT_CHAINED = """
SELECT count(*) FROM main.held_slots INDEXED BY slots_of_gate WHERE gate = '/' || ?
"""
CHAINED_OF_LIMIT = """
SELECT queue, count(DISTINCT task) FROM main.held_slots CROSS JOIN main.tasks ON seq = task
WHERE name = '/' || ? GROUP BY queue
"""
COUNT_CHAINED_BEFORE = """
SELECT count(*) FROM main.held_slots INDEXED BY slots_of_gate CROSS JOIN main.tasks ON seq = task
WHERE held_slots.gate = '/' || :gate AND queue = :queue
    AND (claimed_at, priority, turn, run_at, id)
        < (:claimed_at, :priority, :turn, :run_at, :id)
"""
CHAINED_TASK = f"""
SELECT limits, claimed_at, queue, priority, turn, run_at, id FROM main.tasks
WHERE id = ? AND EXISTS (SELECT 1 FROM main.held_slots WHERE task = seq AND {_CHAINED})
"""

SET_DEBT = """
INSERT INTO main.gate_debts (gate, debt_at) VALUES (?, ?)
ON CONFLICT (gate) DO UPDATE SET debt_at = excluded.debt_at
"""
# Each debt that is written forgets two that are paid, so paid ones do not pile up.
FORGET_DEBTS = """
DELETE FROM main.gate_debts WHERE gate IN (
    SELECT gate FROM main.gate_debts INDEXED BY paid_debts
    WHERE debt_at < ? ORDER BY debt_at LIMIT 2
)
"""
LIMITS = "SELECT name, coalesce(changed, declared), declared, changed_at FROM main.task_limits"

LIMIT_NAMES = "SELECT name FROM main.task_limits"
DECLARE = """
INSERT INTO main.task_limits (name, declared) VALUES (?, ?)
ON CONFLICT (name) DO UPDATE SET declared = excluded.declared
"""
UNDECLARE = """
UPDATE main.task_limits SET declared = NULL WHERE name NOT IN (SELECT value FROM json_each(?))
"""
CHANGE_LIMIT = """
INSERT INTO main.task_limits (name, changed, changed_at) VALUES (?, ?, ?)
ON CONFLICT (name) DO UPDATE SET changed = excluded.changed, changed_at = excluded.changed_at
"""
RESET_LIMIT = """
UPDATE main.task_limits SET changed = NULL, changed_at = NULL WHERE name = ?
"""
FORGET_LIMITS = "DELETE FROM main.task_limits WHERE declared IS NULL AND changed IS NULL"

# A limit without keys has one gate, of its own name.
HELD_OF_LIMIT = "SELECT count(DISTINCT task) FROM main.held_slots WHERE name = ?"
GATES_OF_LIMIT = """
SELECT gate FROM main.held_slots INDEXED BY slots_of_gate
WHERE gate > :behind AND gate < :end OR gate = :name
UNION
SELECT gate FROM main.gate_debts WHERE gate > :behind AND gate < :end OR gate = :name
ORDER BY gate LIMIT :limit
"""
GREATEST_DEBT = """
SELECT max(debt_at) FROM main.gate_debts WHERE gate > :behind AND gate < :end OR gate = :name
"""
RUNNING_AT = """
SELECT id FROM main.held_slots INDEXED BY slots_of_gate CROSS JOIN main.tasks ON seq = task
WHERE held_slots.gate = ? ORDER BY claimed_at, seq LIMIT 5
"""
PARKED_TASK = """
SELECT gate, limits, queue, priority, turn, run_at, id FROM main.tasks
WHERE id = ? AND gate IS NOT NULL AND gate <> '/turn'
"""
