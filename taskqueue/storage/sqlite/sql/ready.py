# ruff: noqa: S608  the only texts put together here are this module's own
"""The SQL that finds what is ready to be claimed, or will be."""

from collections.abc import Iterator

OPEN_ROW = "token IS NULL AND processed_at IS NULL AND gate IS NULL"

# What has to be done again keeps the place that it had: it comes before what has only waited. Each
# turn is a range of the index in which what is due comes first.
_TURNS = ("turn = -1 AND {due}", "turn = 0 AND {due}", "turn > 0")


def _of_each_turn(select: str, *, due: str = "run_at <= :now") -> Iterator[str]:
    """Yield a query for each range of turns, in the order of a claim."""
    return (select.format(turn=turn.format(due=due)) for turn in _TURNS)


def _any_due(priority: str) -> str:
    """Return the condition that something of this priority is due."""
    exists = f"""EXISTS (
        SELECT 1 FROM main.tasks INDEXED BY ready
        WHERE {OPEN_ROW} AND queue = :queue AND tasks.priority = {priority} AND {{turn}}
    )"""
    return f"({' OR '.join(_of_each_turn(exists))})"


def _due_rows(columns: str, where: str) -> str:
    """Return the query for due rows, in the order of a claim, up to `:limit` of each turn."""
    one = f"""
        SELECT {columns} FROM (
            SELECT {columns} FROM main.tasks INDEXED BY ready
            WHERE {OPEN_ROW} AND queue = :queue AND {where} AND {{turn}}
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
        WHERE {OPEN_ROW} AND queue = :queue AND priority >= :from_priority
    )
)
"""

_NEXT_PRIORITY = f"""
(
    SELECT min(tasks.priority) FROM main.tasks INDEXED BY ready
    WHERE {OPEN_ROW} AND queue = :queue AND tasks.priority > waiting.priority
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
        WHERE {OPEN_ROW} AND queue = :queue AND tasks.priority > here.priority
    ),
    lower(hex(randomblob(16)))
FROM here
"""

# Since when each priority has waited that has a due row. Its order is by turns first, so what has
# to be done again stands before rows that have waited longer. Of the rows that take turns the first
# one counts: the others would have to be read through.
HEADS = f"""
WITH RECURSIVE waiting (priority) AS (
    SELECT {_FIRST_PRIORITY}
    UNION ALL
    SELECT {_NEXT_PRIORITY} FROM waiting WHERE waiting.priority IS NOT NULL
)
SELECT priority, (
    SELECT min(run_at) FROM ({_due_rows("run_at", "priority = waiting.priority")})
)
FROM waiting WHERE priority IS NOT NULL
"""

PRIORITY_FROM = f"""
SELECT min(priority) FROM main.tasks INDEXED BY ready
WHERE {OPEN_ROW} AND queue = :queue AND priority >= :priority
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

COUNT_DUE = f"SELECT count(*) FROM ({_due_rows('seq', 'priority = :priority')} LIMIT :limit)"
COUNT_DUE_TURNS = """
SELECT count(*) FROM (
    SELECT 1 FROM main.tasks INDEXED BY awaits_turn
    WHERE gate = '/turn' AND queue = :queue AND run_at <= :now LIMIT :limit
)
"""

_FIRST_OF_TURN = f"""
    SELECT run_at FROM (
        SELECT run_at FROM main.tasks INDEXED BY ready
        WHERE {OPEN_ROW} AND queue = :queue AND tasks.priority = waiting.priority AND {{turn}}
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

_NEXT_TURN = """
SELECT min(run_at) FROM main.tasks INDEXED BY awaits_turn
WHERE gate = '/turn' AND queue = :queue
    AND NOT EXISTS (SELECT 1 FROM main.paused WHERE queue = :queue)
"""

NEXT_DUE = (_NEXT_DUE, _NEXT_OPENING, _NEXT_TURN)
"""What is due first in a queue is the least of these."""

# Steps from queue to queue, so it costs as much as there are queues with tasks that wait, however
# many are served and however many tasks there are. Of the gates that a rate opens only the first
# are looked at: there is a next time.
WAITING_QUEUES = f"""
WITH RECURSIVE
    queues (queue) AS (
        SELECT min(queue) FROM main.tasks INDEXED BY ready WHERE {OPEN_ROW}
        UNION ALL
        SELECT (
            SELECT min(tasks.queue) FROM main.tasks INDEXED BY ready
            WHERE {OPEN_ROW} AND tasks.queue > queues.queue
        )
        FROM queues WHERE queues.queue IS NOT NULL
    ),
    await_turns (queue) AS (
        SELECT min(queue) FROM main.tasks INDEXED BY awaits_turn WHERE gate = '/turn'
        UNION ALL
        SELECT (
            SELECT min(tasks.queue) FROM main.tasks INDEXED BY awaits_turn
            WHERE gate = '/turn' AND tasks.queue > await_turns.queue
        )
        FROM await_turns WHERE await_turns.queue IS NOT NULL
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
SELECT queue FROM await_turns WHERE queue IS NOT NULL
UNION
SELECT queue FROM behind_rates WHERE queue IS NOT NULL AND queue <> ''
"""

# Without a due task the walk ends behind the last priority.
IS_IDLE = f"""
WITH RECURSIVE {_UP_TO_THE_FIRST_DUE}
SELECT NOT EXISTS (SELECT 1 FROM main.paused WHERE queue = :queue)
    AND EXISTS (SELECT 1 FROM waiting WHERE waiting.priority IS NULL)
"""
