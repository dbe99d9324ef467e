# ruff: noqa: S608  the only texts put together here are this module's own
"""The SQL about groups."""

from taskqueue.rules.tasks import ENDED, Status

_COUNTS = ", ".join(Status)
_LIVE = " + ".join(status for status in Status if status not in ENDED)
_ALL = " + ".join(Status)

GROUP = f"name, seq, created_at, closed_at, ended_at, then_task, then_at, then_id, {_COUNTS}"

GET = f"SELECT {GROUP} FROM taskqueue.task_groups WHERE name = $1"
LOCK = f"{GET} FOR UPDATE"
LATEST = f"""
SELECT {GROUP} FROM taskqueue.task_groups
WHERE seq < $1 AND ($2::boolean IS NULL OR (ended_at IS NOT NULL) = $2) ORDER BY seq DESC LIMIT $3
"""

# Locked until the commit, in one order: no other node closes a group before what joins it now is
# counted, and members that move do not wait for those that join.
LOCK_CLOSED = """
SELECT name, closed_at IS NOT NULL FROM taskqueue.task_groups
WHERE name = ANY ($1::text[]) ORDER BY name FOR NO KEY UPDATE
"""
# Numbered in the order given, and inserted in the order in which they are locked.
MAKE = """
WITH lacking AS MATERIALIZED (
    SELECT nextval('taskqueue.task_groups_seq_seq') AS seq, wanted FROM (
        SELECT wanted FROM unnest($1::text[]) WITH ORDINALITY AS given (wanted, place)
        WHERE NOT EXISTS (SELECT 1 FROM taskqueue.task_groups WHERE name = wanted)
        ORDER BY place
    ) AS in_order
)
INSERT INTO taskqueue.task_groups (seq, name, created_at) OVERRIDING SYSTEM VALUE
SELECT seq, wanted, $2 FROM lacking ORDER BY wanted
ON CONFLICT (name) DO NOTHING
"""

_BY = [f"{status} = {status} + ${place}" for place, status in enumerate(Status, 2)]
MOVE = f"""
UPDATE taskqueue.task_groups SET {", ".join(_BY)} WHERE name = $1
RETURNING closed_at, ended_at, {_LIVE}, {_ALL}
"""
CLOSE = "UPDATE taskqueue.task_groups SET closed_at = $2, then_task = $3 WHERE name = $1"
END = "UPDATE taskqueue.task_groups SET ended_at = $1 WHERE name = $2"
REOPEN = "UPDATE taskqueue.task_groups SET ended_at = NULL WHERE name = $1"
FOLLOWED = "UPDATE taskqueue.task_groups SET then_at = $1, then_id = $2 WHERE name = $3"
DELETE = "DELETE FROM taskqueue.task_groups WHERE name = $1"

LOSE = """
WITH locked AS MATERIALIZED (
    SELECT name FROM taskqueue.task_groups
    WHERE name = ANY ($1::text[]) ORDER BY name FOR UPDATE
)
UPDATE taskqueue.task_groups SET {status} = {status} - given.tasks
FROM unnest($1::text[], $2::bigint[]) AS given (name, tasks) JOIN locked USING (name)
WHERE task_groups.name = given.name
"""
DELETE_EMPTY = f"DELETE FROM taskqueue.task_groups WHERE name = ANY ($1::text[]) AND {_ALL} = 0"

EXPIRE_EMPTY = """
DELETE FROM taskqueue.task_groups WHERE seq IN (
    SELECT seq FROM taskqueue.task_groups
    WHERE ended_at IS NOT NULL AND completed + dead + cancelled = 0 AND ended_at < $1
    ORDER BY ended_at LIMIT $2 FOR UPDATE SKIP LOCKED
)
"""
