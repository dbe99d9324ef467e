# ruff: noqa: S608  the only texts put together here are this module's own
"""The SQL about groups."""

from taskqueue.rules.tasks import ENDED, Status

_COUNTS = ", ".join(Status)
_LIVE = " + ".join(status for status in Status if status not in ENDED)
_ALL = " + ".join(Status)

GROUP = f"name, seq, created_at, closed_at, ended_at, then_task, then_at, then_id, {_COUNTS}"

GET = f"SELECT {GROUP} FROM main.task_groups WHERE name = ?"
LATEST = f"""
SELECT {GROUP} FROM main.task_groups WHERE seq < ?1 AND (?2 IS NULL OR (ended_at IS NULL) = ?2)
ORDER BY seq DESC LIMIT ?3
"""

CLOSED = """
SELECT name FROM main.task_groups
WHERE closed_at IS NOT NULL AND name IN (SELECT value FROM json_each(?1))
"""

# How many of these rows stand where, by group.
MEMBERS = """
SELECT group_name, status, count(*) FROM main.tasks
WHERE seq IN (SELECT value FROM json_each(?1)) AND group_name IS NOT NULL
GROUP BY group_name, status
"""

# One statement for each group of a commit; the first makes the row.
MOVE = f"""
INSERT INTO main.task_groups (name, created_at, {_COUNTS})
VALUES (:name, :now, {", ".join(f":{status}" for status in Status)})
ON CONFLICT (name) DO UPDATE SET {", ".join(f"{s} = {s} + excluded.{s}" for s in Status)}
RETURNING closed_at, ended_at, {_LIVE}, {_ALL}
"""
CLOSE = """
INSERT INTO main.task_groups (name, created_at, closed_at, then_task)
VALUES (:name, :now, :now, :then)
ON CONFLICT (name) DO UPDATE SET closed_at = :now, then_task = :then
"""
END = "UPDATE main.task_groups SET ended_at = ? WHERE name = ?"
REOPEN = "UPDATE main.task_groups SET ended_at = NULL WHERE name = ?"
FOLLOWED = "UPDATE main.task_groups SET then_at = ?, then_id = ? WHERE name = ?"
DELETE = "DELETE FROM main.task_groups WHERE name = ?"

EXPIRE_EMPTY = """
DELETE FROM main.task_groups WHERE seq IN (
    SELECT seq FROM main.task_groups INDEXED BY empty_groups
    WHERE ended_at IS NOT NULL AND completed + dead + cancelled = 0 AND ended_at < ?
    ORDER BY ended_at LIMIT ?
)
"""
