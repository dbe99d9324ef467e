# ruff: noqa: S608  the only texts put together here are this module's own
"""The SQL that finds what is ready to be claimed, or will be.

A claim walks from priority to priority, each a range of the index `ready` of its own. One range
over all of them could not stop early: a million future tasks of priority 0 would be read through
before the first of priority 1. The same holds for the turns within a priority.
"""

from collections.abc import Iterator

OPEN_ROW = "token IS NULL AND processed_at IS NULL AND gate IS NULL"

FIRST_OF_ALL = -(2**63)
"""A priority before all others."""

_FIRST = f"({FIRST_OF_ALL})::bigint"

# What has to be done again keeps the place that it had: it comes before what has only waited. Each
# turn is a range of the index in which what is due comes first.
_TURNS = ("turn = -1 AND {due}", "turn = 0 AND {due}", "turn > 0")

OPEN_IN_QUEUE = f"FROM taskqueue.live_tasks AS tasks WHERE {OPEN_ROW} AND queue = $1"


def _of_each_turn(select: str, *, due: str = "run_at <= $2") -> Iterator[str]:
    """Yield a query for each range of turns, in the order of a claim."""
    return (select.format(turn=turn.format(due=due)) for turn in _TURNS)


def _any_due(priority: str) -> str:
    """Return the condition that something of this priority is due.

    Not with EXISTS, for which the server may read a whole table: an order names the index.
    """
    first = f"""(
        SELECT true {OPEN_IN_QUEUE} AND tasks.priority = {priority} AND {{turn}}
        ORDER BY turn, run_at LIMIT 1
    )"""
    return f"coalesce({', '.join(_of_each_turn(first))}, false)"


def _next_priority(table: str) -> str:
    """Return the query for the priority that comes after that of a row of `table`."""
    return f"""(
        SELECT tasks.priority {OPEN_IN_QUEUE} AND tasks.priority > {table}.priority
        ORDER BY tasks.priority LIMIT 1
    )"""


def _first_priority(least: str) -> str:
    """Return the query for the first priority from `least` on; NULL if the queue is paused."""
    return f"""(
        SELECT priority {OPEN_IN_QUEUE} AND priority >= {least}
            AND NOT (SELECT EXISTS (SELECT 1 FROM taskqueue.paused WHERE queue = $1))
        ORDER BY priority LIMIT 1
    )"""


def _up_to_the_first_due(least: str) -> str:
    """Return the priorities that have tasks waiting, up to the first that has a due one.

    There are 256 at most (`MAX_PRIORITY`), so this walk has an end that is near.
    """
    return f"""
    waiting (priority) AS (
        SELECT {_first_priority(least)}
        UNION ALL
        SELECT {_next_priority("waiting")} FROM waiting
        WHERE waiting.priority IS NOT NULL AND NOT {_any_due("waiting.priority")}
    )
    """


# What a claim has to look at besides priorities: one search each, in an index that is empty where
# limits and turns are not used. The order names the index `limited`: with EXISTS the server would
# read all parked rows to find out that no open one has limits.
BEYOND_PRIORITIES = f"""
SELECT
    EXISTS (
        SELECT 1 FROM taskqueue.live_tasks WHERE gate = '/turn' AND queue = $1 AND run_at <= $2
    ) OR EXISTS (SELECT 1 FROM taskqueue.gate_openings WHERE at <= $2),
    coalesce(
        (SELECT true {OPEN_IN_QUEUE} AND limits IS NOT NULL ORDER BY limits LIMIT 1), false
    ),
    EXISTS (SELECT 1 FROM taskqueue.flow_turns WHERE queue = $1)
"""

_PLACE = "seq, limits, priority, turn, run_at, id"
"""The fields of a `gates.Candidate`."""


def _locked(turn: str, order: str, limit: str, also: str) -> str:
    """Return the query that locks due rows of a priority and turn, but no row locked already."""
    return f"""(
        SELECT {_PLACE} {OPEN_IN_QUEUE} AND priority = (SELECT priority FROM here) AND {turn}{also}
        ORDER BY {order} LIMIT {limit} FOR UPDATE SKIP LOCKED
    )"""


def chosen(also: str = "") -> str:
    """Return the due rows of the first priority from $3 on that has some, up to $4, as `chosen`.

    They are locked. Rows that other nodes are claiming are passed over.
    """
    left = "$4::bigint - (SELECT count(*) FROM again)"
    left_in_turn = f"{left} - (SELECT count(*) FROM fresh)"
    return f"""
    WITH RECURSIVE {_up_to_the_first_due("$3::bigint")},
    here AS MATERIALIZED (SELECT max(priority) AS priority FROM waiting),
    again AS MATERIALIZED {_locked("turn = -1 AND run_at <= $2", "run_at, id", "$4::bigint", also)},
    fresh AS MATERIALIZED {_locked("turn = 0 AND run_at <= $2", "run_at, id", left, also)},
    in_turn AS MATERIALIZED {_locked("turn > 0", "turn, run_at, id", left_in_turn, also)},
    chosen AS MATERIALIZED (
        SELECT * FROM again UNION ALL SELECT * FROM fresh UNION ALL SELECT * FROM in_turn
    )
    """


READY = f"{chosen()} SELECT {_PLACE} FROM chosen ORDER BY turn, run_at, id"

# The priority to go on from is that of `here` as well: it may have rows that are locked now.
FOLLOWING = f"""
WITH RECURSIVE {_up_to_the_first_due("$3::bigint")},
here AS MATERIALIZED (SELECT max(priority) AS priority FROM waiting)
SELECT {_next_priority("here")} FROM here
"""


def _due_rows(columns: str, where: str, limit: str) -> str:
    """Return the query for due rows, in the order of a claim, up to `limit` of each turn."""
    one = f"""(
        SELECT {columns} {OPEN_IN_QUEUE} AND {where} AND {{turn}}
        ORDER BY turn, run_at, id LIMIT {limit}
    )"""
    return " UNION ALL ".join(_of_each_turn(one))


# Since when each priority has waited that has a due row. Its order is by turns first, so what has
# to be done again stands before rows that have waited longer. Of the rows that take turns the first
# one counts: the others would have to be read through.
HEADS = f"""
WITH RECURSIVE waiting (priority) AS (
    SELECT {_first_priority("$3::bigint")}
    UNION ALL
    SELECT {_next_priority("waiting")} FROM waiting WHERE waiting.priority IS NOT NULL
)
SELECT priority, (
    SELECT min(run_at)
    FROM ({_due_rows("run_at", "tasks.priority = waiting.priority", "1")}) AS first
)
FROM waiting WHERE priority IS NOT NULL
"""

# $3: from which priority on. Within the task's own priority ($4) only what comes before it: its
# turn, its instant and its id are $5, $6 and $7. Up to $8.
PRIORITY_FROM = f"SELECT min(priority) {OPEN_IN_QUEUE} AND priority >= $2"
COUNT_AHEAD = f"""
SELECT count(*) FROM (SELECT 1 FROM ({
    _due_rows(
        "1",
        "priority = $3 AND (priority < $4 OR"
        " (turn, run_at, id) < ($5::float8, $6::float8, $7::text))",
        "$8",
    )
}) AS each LIMIT $8) AS ahead
"""

# Of the priority $3, up to $4.
COUNT_DUE = f"""
SELECT count(*) FROM (
    SELECT 1 FROM ({_due_rows("1", "priority = $3", "$4")}) AS each LIMIT $4
) AS due
"""
COUNT_DUE_TURNS = """
SELECT count(*) FROM (
    SELECT 1 FROM taskqueue.live_tasks
    WHERE gate = '/turn' AND queue = $1 AND run_at <= $2 LIMIT $3
) AS due
"""

_FIRST_OF_TURN = f"""(
    SELECT run_at {OPEN_IN_QUEUE} AND tasks.priority = waiting.priority AND {{turn}}
    ORDER BY turn, run_at LIMIT 1
)"""
_FIRST_OF_TURNS = " UNION ALL ".join(_of_each_turn(_FIRST_OF_TURN, due="true"))
_IS_PAUSED = "(SELECT EXISTS (SELECT 1 FROM taskqueue.paused WHERE queue = $1))"

# What is due first in a queue: of the open rows, of the gates that a rate opens and behind which
# rows of it are parked, and of the rows that await their turn.
NEXT_DUE = f"""
WITH RECURSIVE waiting (priority) AS (
    SELECT {_first_priority(_FIRST)}
    UNION ALL
    SELECT {_next_priority("waiting")} FROM waiting WHERE waiting.priority IS NOT NULL
)
SELECT least(
    (
        SELECT min((SELECT min(run_at) FROM ({_FIRST_OF_TURNS}) AS firsts))
        FROM waiting WHERE waiting.priority IS NOT NULL
    ),
    (
        SELECT at FROM taskqueue.gate_openings
        WHERE NOT {_IS_PAUSED} AND EXISTS (
            SELECT 1 FROM taskqueue.live_tasks AS tasks
            WHERE tasks.gate IS NOT NULL AND tasks.gate = gate_openings.gate AND queue = $1
        )
        ORDER BY at LIMIT 1
    ),
    (
        SELECT run_at FROM taskqueue.live_tasks
        WHERE gate = '/turn' AND queue = $1 AND NOT {_IS_PAUSED}
        ORDER BY run_at LIMIT 1
    )
)
"""

# Steps from queue to queue, so it costs as much as there are queues with tasks that wait, however
# many are served and however many tasks there are. Of the gates that a rate opens only the first
# are looked at: there is a next time.
WAITING_QUEUES = f"""
WITH RECURSIVE
    queues (queue) AS (
        SELECT (SELECT queue FROM taskqueue.live_tasks WHERE {OPEN_ROW} ORDER BY queue LIMIT 1)
        UNION ALL
        SELECT (
            SELECT tasks.queue FROM taskqueue.live_tasks AS tasks
            WHERE {OPEN_ROW} AND tasks.queue > queues.queue ORDER BY tasks.queue LIMIT 1
        )
        FROM queues WHERE queues.queue IS NOT NULL
    ),
    await_turns (queue) AS (
        SELECT (SELECT queue FROM taskqueue.live_tasks WHERE gate = '/turn' ORDER BY queue LIMIT 1)
        UNION ALL
        SELECT (
            SELECT tasks.queue FROM taskqueue.live_tasks AS tasks
            WHERE gate = '/turn' AND tasks.queue > await_turns.queue ORDER BY tasks.queue LIMIT 1
        )
        FROM await_turns WHERE await_turns.queue IS NOT NULL
    ),
    behind_rates (gate, queue) AS (
        SELECT gate, '' COLLATE "C" FROM (
            SELECT gate FROM taskqueue.gate_openings ORDER BY at LIMIT 100
        ) AS next
        UNION ALL
        SELECT gate, (
            SELECT tasks.queue FROM taskqueue.live_tasks AS tasks
            WHERE tasks.gate IS NOT NULL AND tasks.gate = behind_rates.gate
                AND tasks.queue > behind_rates.queue
            ORDER BY tasks.queue LIMIT 1
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
WITH RECURSIVE {_up_to_the_first_due(_FIRST)}
SELECT NOT {_IS_PAUSED} AND EXISTS (SELECT 1 FROM waiting WHERE waiting.priority IS NULL)
"""
