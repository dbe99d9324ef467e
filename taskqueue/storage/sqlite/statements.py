# ruff: noqa: S608  the only texts put together here are this module's own
"""The SQL.

A partial index serves only a query that repeats its condition, hence `_READY` and its likes;
`INDEXED BY` turns a plan that would scan into an error that a test meets.
"""

from taskqueue.storage.sqlite.rows import ATTEMPT, DELIVERY, TASK
from taskqueue.tasks import (
    Cancel,
    Complete,
    DeadLetter,
    HandBack,
    Postpone,
    Requeue,
    Settlement,
)

_READY = "token IS NULL AND processed_at IS NULL"

# --- writes ---------------------------------------------------------------------------------------

INSERT = """
INSERT INTO tasks
    (id, payload, status, created_at, action, queue, priority, run_at, max_attempts)
VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)
ON CONFLICT (id) DO NOTHING
"""

# Claims step from priority to priority, each a range of the index of its own. One range over all
# of them could not stop early: a million future tasks of priority 0 would be read through before
# the first of priority 1.
FIRST_PRIORITY = f"""
SELECT min(priority) FROM tasks INDEXED BY ready WHERE {_READY} AND queue = ?
"""
NEXT_PRIORITY = f"""
SELECT min(priority) FROM tasks INDEXED BY ready WHERE {_READY} AND queue = ? AND priority > ?
"""

# The token begins with the row's number, so no index of random keys is needed to find it again.
CLAIM = f"""
UPDATE tasks
SET token = printf('%x-', seq) || lower(hex(randomblob(16))),
    node = :node, incarnation = :incarnation,
    claimed_at = :now, expires_at = :expires_at,
    attempt = attempt + 1, deliveries = deliveries + 1
WHERE seq IN (
    SELECT seq FROM tasks INDEXED BY ready
    WHERE {_READY} AND queue = :queue AND priority = :priority AND run_at <= :now
    ORDER BY run_at, id LIMIT :limit
)
RETURNING {DELIVERY}
"""

LEASES = """
SELECT seq, token, status, iif(status = 'running', waited_as, status),
    attempt, started_at, settled_token, settled_as
FROM tasks WHERE seq IN (SELECT value FROM json_each(?))
"""

START = """
UPDATE tasks SET waited_as = status, status = 'running', started_at = ?
WHERE seq IN (SELECT value FROM json_each(?))
"""

EXTEND = "UPDATE tasks SET expires_at = ? WHERE seq IN (SELECT value FROM json_each(?))"

SETTLED_AS: dict[type[Settlement], str] = {
    Complete: "complete",
    Requeue: "requeue",
    Postpone: "postpone",
    DeadLetter: "dead_letter",
    Cancel: "cancel",
    HandBack: "hand_back",
}

# The latest attempt may be settled without ever having started.
_STARTED = "started_at = iif(status = 'running', started_at, NULL)"
_CHANGE: dict[type[Settlement], str] = {
    Complete: f"{_STARTED}, status = 'completed', result = ?, processed_at = ?, reason = NULL",
    Requeue: f"{_STARTED}, status = 'retrying', run_at = ?, reason = ?, crashes = crashes + ?",
    Postpone: f"{_STARTED}, status = 'scheduled', run_at = ?, attempt = attempt - 1",
    DeadLetter: (
        f"{_STARTED}, status = 'dead', reason = ?, crashes = crashes + ?, processed_at = ?"
    ),
    Cancel: f"{_STARTED}, status = 'cancelled', reason = ?, processed_at = ?",
    HandBack: "status = iif(status = 'running', waited_as, status), attempt = attempt - 1",
}
SETTLE = {
    kind: f"""
    UPDATE tasks
    SET settled_as = '{SETTLED_AS[kind]}', settled_token = token, token = NULL,
        node = NULL, incarnation = NULL, claimed_at = NULL, expires_at = NULL,
        {change}
    WHERE seq = ?
    """
    for kind, change in _CHANGE.items()
}

ADD_ATTEMPT = f"INSERT INTO attempts (task, {ATTEMPT}) VALUES (?, ?, ?, ?, ?, ?, ?)"

REDRIVE = """
UPDATE tasks
SET status = 'queued', run_at = ?, attempt = 0, crashes = 0, deliveries = 0,
    processed_at = NULL, reason = NULL
WHERE id = ? AND status = 'dead'
"""

PRUNABLE = """
SELECT seq FROM tasks INDEXED BY ended
WHERE status = ? AND processed_at IS NOT NULL AND processed_at < ?
ORDER BY processed_at LIMIT ?
"""
DELETE_TASK = "DELETE FROM tasks WHERE seq = ?"
DELETE_ATTEMPTS = "DELETE FROM attempts WHERE task = ?"

MOVE_COUNT = "UPDATE counters SET tasks = tasks + ? WHERE status = ?"

# --- reads ----------------------------------------------------------------------------------------

HELD = f"""
SELECT {DELIVERY} FROM tasks INDEXED BY held
WHERE token IS NOT NULL AND node = ? AND incarnation = ?
ORDER BY claimed_at, priority, run_at, id
"""

RESCUABLE = f"""
SELECT {DELIVERY} FROM tasks INDEXED BY held
WHERE token IS NOT NULL
    AND ((node = :node AND incarnation <> :incarnation) OR expires_at < :now)
ORDER BY claimed_at, priority, run_at, id
"""

NEXT_DUE = f"""
WITH RECURSIVE priorities (priority) AS (
    SELECT (SELECT min(priority) FROM tasks INDEXED BY ready WHERE {_READY} AND queue = :queue)
    UNION ALL
    SELECT (
        SELECT min(tasks.priority) FROM tasks INDEXED BY ready
        WHERE {_READY} AND queue = :queue AND tasks.priority > priorities.priority
    )
    FROM priorities WHERE priorities.priority IS NOT NULL
)
SELECT min((
    SELECT min(run_at) FROM tasks INDEXED BY ready
    WHERE {_READY} AND queue = :queue AND tasks.priority = priorities.priority
))
FROM priorities WHERE priorities.priority IS NOT NULL
"""

GET = f"SELECT seq, {TASK} FROM tasks WHERE id = ?"

ATTEMPTS = f"SELECT {ATTEMPT} FROM attempts WHERE task = ? ORDER BY seq"

FIND_ALL = f"SELECT {TASK} FROM tasks WHERE id < :before ORDER BY id DESC LIMIT :limit"

FIND_RUNNING = f"""
SELECT {TASK} FROM tasks INDEXED BY held
WHERE token IS NOT NULL AND status = 'running' AND id < :before
ORDER BY id DESC LIMIT :limit
"""

FIND_BY_STATUS = f"""
SELECT {TASK} FROM tasks INDEXED BY by_status
WHERE status <> 'running' AND status = :status AND id < :before
ORDER BY id DESC LIMIT :limit
"""

FIND_DUE = f"""
SELECT {TASK} FROM tasks INDEXED BY due
WHERE status = 'scheduled' AND run_at <= :now AND id < :before
ORDER BY id DESC LIMIT :limit
"""

FIND_SCHEDULED = f"""
SELECT {TASK} FROM tasks INDEXED BY by_status
WHERE status <> 'running' AND status = 'scheduled' AND run_at > :now AND id < :before
ORDER BY id DESC LIMIT :limit
"""

COUNTS = "SELECT status, tasks FROM counters"

PROBE = "INSERT INTO probe (ballast) VALUES (randomblob(65536))"

UNPROBE = "DELETE FROM probe"
