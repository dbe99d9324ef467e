"""The SQL that sums up tasks."""

DEAD_GROUPS = """
WITH dead AS (
    SELECT action, error_pattern, count(*) AS tasks, array_agg(DISTINCT queue) AS queues,
        max(processed_at) AS latest_at, max(id) AS example_id
    FROM taskqueue.tasks
    WHERE status = 'dead' AND ($1::text IS NULL OR action = $1)
        AND ($2::text IS NULL OR queue = $2)
    GROUP BY action, error_pattern ORDER BY count(*) DESC, max(id) DESC LIMIT $3
)
SELECT dead.*, tasks.reason FROM dead JOIN taskqueue.tasks
    ON tasks.id = dead.example_id AND tasks.status = 'dead'
ORDER BY dead.tasks DESC, example_id DESC
"""

# Not `left`: `substr` fetches no more of a large value than it returns.
HEADS = """
SELECT id, substr(payload, 1, $2) FROM taskqueue.tasks WHERE id = ANY ($1::text[])
"""

# The gates of limits, and the queues of which tasks are parked there: $1 of these pairs, and up to
# $2 tasks of each. A gate that begins with a slash is of no limit; "0" comes after the slash.
PARKED = """
WITH RECURSIVE parked (gate, queue, number) AS (
    SELECT '' COLLATE "C", '' COLLATE "C", 0
    UNION ALL
    SELECT next.gate, next.queue, number + 1 FROM parked CROSS JOIN LATERAL (
        SELECT CASE WHEN gate < '/' OR gate >= '0' THEN gate ELSE '0' COLLATE "C" END AS gate,
            CASE WHEN gate < '/' OR gate >= '0' THEN queue ELSE '' COLLATE "C" END AS queue
        FROM taskqueue.live_tasks AS tasks
        WHERE gate IS NOT NULL AND (tasks.gate, tasks.queue) > (parked.gate, parked.queue)
        ORDER BY tasks.gate, tasks.queue LIMIT 1
    ) AS next
    WHERE number < $1
)
SELECT gate, queue, (
    SELECT count(*) FROM (
        SELECT 1 FROM taskqueue.live_tasks AS tasks
        WHERE tasks.gate = parked.gate AND tasks.queue = parked.queue LIMIT $2
    ) AS here
)
FROM parked WHERE queue <> '' ORDER BY gate, queue
"""
