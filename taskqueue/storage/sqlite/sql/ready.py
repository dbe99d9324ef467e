# ruff: noqa: S608  the only texts put together here are this module's own
"""The SQL that finds what is ready to be claimed, or will be."""

from collections.abc import Iterator

_READY = "token IS NULL AND processed_at IS NULL AND gate IS NULL"

# What has to be done again keeps the place that it had: it comes before what has only waited. Each
# turn is a range of the index in which what is due comes first.
AGAIN, USUAL = -1, 0
_TURNS = ("turn = -1 AND {due}", "turn = 0 AND {due}", "turn > 0")


def _of_each_turn(select: str, *, due: str = "run_at <= :now") -> Iterator[str]:
    """Yield a query for each range of turns, in the order of a claim."""
    return (select.format(turn=turn.format(due=due)) for turn in _TURNS)


def _any_due(priority: str) -> str:
    """Return the condition that something of this priority is due."""
    exists = f"""EXISTS (
        SELECT 1 FROM main.tasks INDEXED BY ready
        WHERE {_READY} AND queue = :queue AND tasks.priority = {priority} AND {{turn}}
    )"""
    return f"({' OR '.join(_of_each_turn(exists))})"


def _due_rows(columns: str, where: str) -> str:
    """Return the query for due rows, in the order of a claim, up to `:limit` of each turn."""
    one = f"""
        SELECT {columns} FROM (
            SELECT {columns} FROM main.tasks INDEXED BY ready
            WHERE {_READY} AND queue = :queue AND {where} AND {{turn}}
            ORDER BY turn, run_at, id LIMIT :limit
        )
    """
    return " UNION ALL ".join(_of_each_turn(one))


# Claims step from priority to priority, each a range of the index of its own. One range over all
# of them could not stop early: a million future tasks of priority 0 would be read through before
# the first of priority 1.
#
# Whether the queue is paused is asked once, before: as a condition of the rows it would be asked of
# each of them.
FIRST_OF_ALL = -(2**63)
_FIRST_PRIORITY = f"""
iif(
    EXISTS (SELECT 1 FROM main.paused WHERE queue = :queue),
    NULL,
    (
        SELECT min(priority) FROM main.tasks INDEXED BY ready
        WHERE {_READY} AND queue = :queue AND priority >= :from_priority
    )
)
"""

_NEXT_PRIORITY = f"""
(
    SELECT min(tasks.priority) FROM main.tasks INDEXED BY ready
    WHERE {_READY} AND queue = :queue AND tasks.priority > waiting.priority
)
"""

# The priorities that have tasks waiting, up to the first that has a due one. There are 256 at most
# (`MAX_PRIORITY`), so this walk has an end that is near.
_UP_TO_THE_FIRST_DUE = f"""
waiting (priority) AS (
    SELECT {_FIRST_PRIORITY}
    UNION ALL
    SELECT {_NEXT_PRIORITY} FROM waiting
    WHERE waiting.priority IS NOT NULL AND NOT {_any_due("waiting.priority")}
)
"""

# The due rows of the first priority that has some, in the order of a claim; the next priority, if
# there is one; and what makes the tokens of this claim unlike all others.
READY = f"""
WITH RECURSIVE {_UP_TO_THE_FIRST_DUE},
here (priority) AS MATERIALIZED (SELECT max(priority) FROM waiting)
SELECT
    (
        SELECT json_group_array(seq)
        FROM ({_due_rows("seq", "priority = here.priority")} LIMIT :limit)
    ),
    (
        SELECT min(tasks.priority) FROM main.tasks INDEXED BY ready
        WHERE {_READY} AND queue = :queue AND tasks.priority > here.priority
    ),
    lower(hex(randomblob(16)))
FROM here
"""

PRIORITY_FROM = f"""
SELECT min(priority) FROM main.tasks INDEXED BY ready
WHERE {_READY} AND queue = :queue AND priority >= :priority
"""

# Within the task's own priority only what comes before it.
COUNT_AHEAD = f"""
SELECT count(*) FROM ({
    _due_rows(
        "seq",
        "priority = :priority AND (priority < :own_priority OR"
        " (turn, run_at, id) < (:turn, :run_at, :id))",
    )
} LIMIT :limit)
"""

_FIRST_OF_TURN = f"""
    SELECT run_at FROM (
        SELECT run_at FROM main.tasks INDEXED BY ready
        WHERE {_READY} AND queue = :queue AND tasks.priority = waiting.priority AND {{turn}}
        ORDER BY turn, run_at LIMIT 1
    )
"""
_FIRST_OF_TURNS = " UNION ALL ".join(_of_each_turn(_FIRST_OF_TURN, due="true"))
_NEXT_DUE = f"""
WITH RECURSIVE waiting (priority) AS (
    SELECT {_FIRST_PRIORITY}
    UNION ALL
    SELECT {_NEXT_PRIORITY} FROM waiting WHERE waiting.priority IS NOT NULL
)
SELECT min((SELECT min(run_at) FROM ({_FIRST_OF_TURNS})))
FROM waiting WHERE waiting.priority IS NOT NULL
"""

# The first of the gates that a rate opens, and behind which rows of the queue are parked.
_NEXT_OPENING = """
SELECT min(at) FROM (
    SELECT at FROM main.gate_openings INDEXED BY next_openings
    WHERE NOT EXISTS (SELECT 1 FROM main.paused WHERE queue = :queue) AND EXISTS (
        SELECT 1 FROM main.tasks INDEXED BY parked
        WHERE tasks.gate IS NOT NULL AND tasks.gate = gate_openings.gate AND queue = :queue
    )
    ORDER BY at LIMIT 1
)
"""

NEXT_DUE = (_NEXT_DUE, _NEXT_OPENING)
"""What is due first in a queue is the least of these."""

# Steps from queue to queue, so it costs as much as there are queues with tasks that wait, however
# many are served and however many tasks there are. Of the gates that a rate opens only the first
# are looked at: there is a next time.
WAITING_QUEUES = f"""
WITH RECURSIVE
    queues (queue) AS (
        SELECT min(queue) FROM main.tasks INDEXED BY ready WHERE {_READY}
        UNION ALL
        SELECT (
            SELECT min(tasks.queue) FROM main.tasks INDEXED BY ready
            WHERE {_READY} AND tasks.queue > queues.queue
        )
        FROM queues WHERE queues.queue IS NOT NULL
    ),
    behind_rates (gate, queue) AS (
        SELECT gate, '' FROM (
            SELECT gate FROM main.gate_openings INDEXED BY next_openings ORDER BY at LIMIT 100
        )
        UNION ALL
        SELECT gate, (
            SELECT min(tasks.queue) FROM main.tasks INDEXED BY parked
            WHERE tasks.gate IS NOT NULL AND tasks.gate = behind_rates.gate
                AND tasks.queue > behind_rates.queue
        )
        FROM behind_rates WHERE behind_rates.queue IS NOT NULL
    )
SELECT queue FROM queues WHERE queue IS NOT NULL
UNION
SELECT queue FROM behind_rates WHERE queue IS NOT NULL AND queue <> ''
"""

# Without a due task the walk ends behind the last priority.
IS_IDLE = f"""
WITH RECURSIVE {_UP_TO_THE_FIRST_DUE}
SELECT NOT EXISTS (SELECT 1 FROM main.paused WHERE queue = :queue)
    AND EXISTS (SELECT 1 FROM waiting WHERE waiting.priority IS NULL)
"""

# --- limits ---------------------------------------------------------------------------------------

HAS_LIMITED = f"""
SELECT EXISTS (
    SELECT 1 FROM main.tasks INDEXED BY limited
    WHERE limits IS NOT NULL AND {_READY} AND queue = :queue
)
"""

LIMITS_OF = """
SELECT seq, limits, priority, turn, run_at, id FROM main.tasks
WHERE seq IN (SELECT value FROM json_each(?))
"""

# Open rows whose limits are the same are held back alike. A claim parks none that comes before the
# row which it has met: it may have chosen that one.
PARK = f"""
UPDATE main.tasks SET gate = :gate WHERE seq IN (
    SELECT seq FROM main.tasks INDEXED BY limited
    WHERE limits = :limits AND {_READY} AND queue = :queue AND run_at <= :now
        AND (priority, turn, run_at, id) >= (:priority, :turn, :run_at, :id)
)
"""
FIRST_PLACE = {"priority": FIRST_OF_ALL, "turn": 0.0, "run_at": 0.0, "id": ""}

_PARKED = "FROM main.tasks INDEXED BY parked WHERE gate = :gate"
PARKED_QUEUE = f"SELECT min(queue) {_PARKED} AND gate IS NOT NULL AND queue > :behind"
FIRST_PARKED = f"""
SELECT seq, limits {_PARKED} AND gate IS NOT NULL AND queue = :queue
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
COUNT_PARKED_BEFORE = f"""
SELECT count(*) FROM (
    SELECT 1 {_PARKED} AND gate IS NOT NULL AND queue = :queue
        AND (priority, turn, run_at, id) < (:priority, :turn, :run_at, :id)
    LIMIT :limit
)
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
RUNNING_AT = """
SELECT id FROM main.held_slots INDEXED BY slots_of_gate CROSS JOIN main.tasks ON seq = task
WHERE held_slots.gate = ? ORDER BY claimed_at, seq LIMIT 5
"""
PARKED_TASK = """
SELECT gate, limits, queue, priority, turn, run_at, id FROM main.tasks
WHERE id = ? AND gate IS NOT NULL
"""
