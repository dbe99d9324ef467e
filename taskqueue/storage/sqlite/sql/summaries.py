# ruff: noqa: S608  the only texts put together here are this module's own
"""The SQL that sums up tasks. Each text reads an index, and no row of the table."""

from functools import cache

from taskqueue.storage.sqlite.sql.pages import DUE, Given, equal


@cache
def dead_groups(given: Given) -> str:
    """Return the text that groups dead tasks by action and error."""
    return f"""
    SELECT action, error_pattern, count(*), json_group_array(DISTINCT queue), max(processed_at),
        max(id)
    FROM main.tasks INDEXED BY dead_errors WHERE status = 'dead'{equal(given)}
    GROUP BY action, error_pattern ORDER BY count(*) DESC, max(id) DESC LIMIT :limit
    """


REASON = "SELECT reason FROM main.tasks WHERE id = ?"
SEQS = """
SELECT id, seq FROM main.tasks WHERE id IN (SELECT value FROM json_each(?))
"""

RUNNING = "main.tasks INDEXED BY held WHERE token IS NOT NULL AND status = 'running'"
OF_ERROR = """
main.tasks INDEXED BY dead_errors WHERE status = 'dead' AND error_pattern = :error
"""
OF_GROUP = "main.tasks INDEXED BY of_group WHERE group_name = :group AND status = :status"
DUE_OF_GROUP = f"{OF_GROUP} AND {DUE}"
OF_ACTION = """
main.tasks INDEXED BY by_kind
WHERE status <> 'running' AND status = :status
"""
# The index knows a queue only behind an action, so each action is looked up.
OF_QUEUE = """
(
    WITH RECURSIVE actions (action) AS (
        SELECT min(action) FROM main.tasks INDEXED BY by_kind
        WHERE status <> 'running' AND status = :status
        UNION ALL
        SELECT (
            SELECT min(action) FROM main.tasks INDEXED BY by_kind
            WHERE status <> 'running' AND status = :status AND tasks.action > actions.action
        )
        FROM actions WHERE action IS NOT NULL
    )
    SELECT tasks.queue FROM actions CROSS JOIN main.tasks INDEXED BY by_kind
    ON tasks.status <> 'running' AND tasks.status = :status AND tasks.action = actions.action
        AND tasks.queue = :queue
)
WHERE true
"""
DUE_OF_KINDS = f"main.tasks INDEXED BY due WHERE status = 'scheduled' AND {DUE}"
STORED = "SELECT tasks FROM main.counters WHERE status = :status"


@cache
def number(rows: str, given: Given = ()) -> str:
    """Return the text that counts such rows, up to `:limit`."""
    return f"SELECT count(*) FROM (SELECT 1 FROM {rows}{equal(given)} LIMIT :limit)"


NEXT_PARKED = """
SELECT gate, queue FROM main.tasks INDEXED BY parked
WHERE gate IS NOT NULL AND (gate, queue) > (:gate, :queue)
ORDER BY gate, queue LIMIT 1
"""
PARKED_OF_QUEUE = "main.tasks INDEXED BY parked WHERE gate = :gate AND queue = :queue"
