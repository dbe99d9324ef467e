# ruff: noqa: S608  the only texts put together here are this module's own
"""The SQL that writes tasks, attempts and counts.

A partial index serves only a query that repeats its condition; `INDEXED BY` turns a plan that would
scan into an error that a test meets. Tables are named in `main`, so a temporary table of the
connection cannot hide one. What finds the tasks to claim is in `ready`.
"""

from taskqueue.rules.tasks import (
    Cancel,
    Complete,
    DeadLetter,
    Postpone,
    Release,
    Requeue,
    Settlement,
    Status,
)
from taskqueue.storage.sqlite.sql.bulk import Bulk
from taskqueue.storage.sqlite.sql.rows import ATTEMPT, CLAIMED_COLUMNS, NEW_TASK

_INSERTED = f"created_at, status, run_at, gate, {NEW_TASK}, group_name"
_NEW_ROW = """
?1, iif(column1 > ?1, 'scheduled', 'queued'), coalesce(column1, ?1),
iif(column12 IS NULL, NULL, '/turn'),
column2, column3, column4, column5, column6, column7, column8, column9, column10, column11,
column12, column13, column14
"""
INSERT = Bulk(
    f"""
    INSERT INTO main.tasks ({_INSERTED}) SELECT {_NEW_ROW} FROM (VALUES {{rows}}) WHERE true
    ON CONFLICT DO NOTHING
    """
)
# Those that have a token are claimed.
INSERT_CLAIMED = Bulk(
    f"""
    INSERT INTO main.tasks (
        {_INSERTED}, seq, token, attempt, deliveries, claimed_at, node, incarnation, expires_at
    )
    SELECT {_NEW_ROW}, column15, column16, column16 IS NOT NULL, column16 IS NOT NULL,
        iif(column16 IS NULL, NULL, ?1), iif(column16 IS NULL, NULL, ?2),
        iif(column16 IS NULL, NULL, ?3), iif(column16 IS NULL, NULL, ?4)
    FROM (VALUES {{rows}}) WHERE true
    ON CONFLICT DO NOTHING
    """
)
LAST_SEQ = "SELECT max(seq) FROM main.tasks"
NAMED = "SELECT seq, unique_key FROM main.tasks WHERE id = ?"
# The columns behind `seq` are the fields of a `Holder`.
KEY_HOLDER = """
SELECT seq, id, fingerprint, unique_until, status, token IS NOT NULL, attempt, started_at,
    created_at, run_at, queue
FROM main.tasks INDEXED BY keys WHERE unique_key = ?
"""
FREE_KEY = "UPDATE main.tasks SET former_key = unique_key, unique_key = NULL WHERE seq = ?"
SET_EXPIRY = "UPDATE main.tasks SET start_by = ? WHERE seq = ?"
LIMITS_OF = "SELECT limits FROM main.tasks WHERE seq = ?"
REPLACE = """
UPDATE main.tasks SET fingerprint = ?5, limits = ?1, flow = ?2, weight = ?3,
    gate = iif(?2 IS NULL, NULL, '/turn'), turn = min(turn, 0)
WHERE seq = ?4
"""
# What few new tasks have is written after their row, so that the others need not mention it.
SET_RARE = """
UPDATE main.tasks SET unique_until = ?, start_by = ?, parent = ?, schedule = ? WHERE id = ?
"""
STATUS_OF = "SELECT status, run_at FROM main.tasks WHERE seq = ?"

# Row numbers and tokens come as JSON arrays in one parameter each. A token begins with the number
# of its row, so a row of these numbers whose token is one of these tokens is held by its own.
_SEQS = "(SELECT value FROM json_each({}))"
_HELD = f"seq IN {_SEQS.format('?1')} AND token IN {_SEQS.format('?2')}"

# The token begins with the row's number, so no index of random keys is needed to find it again.
CLAIM = f"""
UPDATE main.tasks
SET token = printf('%x-', seq) || :nonce,
    node = :node, incarnation = :incarnation,
    claimed_at = :now, expires_at = :expires_at,
    attempt = attempt + 1, deliveries = deliveries + 1
WHERE seq IN {_SEQS.format(":seqs")}
"""
CLAIM_PARKED = CLAIM.replace("attempt = attempt + 1", "gate = NULL, attempt = attempt + 1")

CLAIMED = f"""
SELECT {CLAIMED_COLUMNS} FROM main.tasks WHERE seq IN {_SEQS.format("?1")} GROUP BY 1, 2, 3, 4
"""

LEASES = f"""
SELECT json_group_array(json_array(
    seq, token, status, iif(status = 'running', waited_as, status),
    settled_token, settled_as, cancel_reason IS NOT NULL, group_name, claimed_at
))
FROM main.tasks WHERE seq IN {_SEQS.format("?1")}
"""

LEASE_END = "SELECT expires_at FROM main.tasks WHERE seq = ?"

# A task that is held has one of these.
HELD_AS = (Status.QUEUED, Status.SCHEDULED, Status.RETRYING, Status.RUNNING)
STANDING = f"""
SELECT {", ".join(f"total(status = '{status}')" for status in HELD_AS)},
    total(group_name IS NOT NULL), total(limits IS NOT NULL)
FROM main.tasks WHERE {_HELD}
"""

START = f"""
UPDATE main.tasks SET waited_as = status, status = 'running', started_at = ?2, progress = NULL
WHERE seq IN {_SEQS.format("?1")}
"""

EXTEND = f"UPDATE main.tasks SET expires_at = ?3 WHERE {_HELD}"

REPORT = Bulk(
    """
    UPDATE main.tasks SET progress = column3 FROM (VALUES {rows})
    WHERE seq = column1 AND token = column2
    """
)

SETTLED_AS: dict[type[Settlement], str] = {
    Complete: "complete",
    Requeue: "requeue",
    Postpone: "postpone",
    DeadLetter: "dead_letter",
    Cancel: "cancel",
    Release: "hand_back",
}

# The latest attempt may be settled without ever having started, or tell only now when it did.
_STARTED = "started_at = iif(status = 'running', started_at, column2)"
_CHANGE: dict[type[Settlement], str] = {
    Complete: (
        f"{_STARTED}, status = 'completed', result = column3, processed_at = column4, reason = NULL"
    ),
    Requeue: (
        f"{_STARTED}, status = 'retrying', run_at = column3, reason = column4,"
        " crashes = crashes + column5, turn = -1, gate = iif(flow IS NULL, NULL, '/turn')"
    ),
    Postpone: (
        f"{_STARTED}, status = 'scheduled', run_at = column3, attempt = attempt - 1,"
        " turn = column4, gate = iif(flow IS NULL, NULL, '/turn')"
    ),
    DeadLetter: (
        f"{_STARTED}, status = 'dead', reason = column3, crashes = crashes + column4,"
        " processed_at = column5, error_pattern = column6"
    ),
    Cancel: f"{_STARTED}, status = 'cancelled', reason = column3, processed_at = column4",
    Release: (
        "started_at = iif(status = 'running', started_at, coalesce(column2, started_at)),"
        " status = iif(status = 'running', waited_as, status), attempt = attempt - 1,"
        " deliveries = deliveries - column3"
    ),
}
SETTLE = {
    kind: Bulk(f"""
        UPDATE main.tasks
        SET settled_as = '{SETTLED_AS[kind]}', settled_token = token, token = NULL,
            node = NULL, incarnation = NULL, claimed_at = NULL, expires_at = NULL,
            progress = iif(status = 'running' OR column2 IS NULL, progress, NULL),
            {change}
        FROM (VALUES {{rows}}) WHERE seq = column1
    """)
    for kind, change in _CHANGE.items()
}

# Before its settlement, while the row still tells which attempt it was and when that began.
ADD_ATTEMPT = Bulk(
    f"""
    INSERT INTO main.attempts (task, {ATTEMPT}, log)
    SELECT seq, attempt, column3, column4, column5,
        iif(status = 'running', started_at, column2), ?1, column6
    FROM (VALUES {{rows}}) CROSS JOIN main.tasks ON seq = column1
    """
)

# Of a completing attempt. Few have one, so the others pay nothing for it.
KEEP_LOG = Bulk("UPDATE main.tasks SET log = column2 FROM (VALUES {rows}) WHERE seq = column1")

# Of what is still to be done after its settlement, though its cancellation was asked for.
END_CANCELLED = f"""
UPDATE main.tasks
SET status = 'cancelled', reason = cancel_reason, processed_at = ?2, gate = NULL
WHERE seq IN {_SEQS.format("?1")}
"""

TO_CANCEL = """
SELECT seq, status, token, processed_at, action, queue, group_name, iif(gate IS NULL, limits, NULL)
FROM main.tasks WHERE id = ?
"""
CANCEL_WAITING = """
UPDATE main.tasks SET status = 'cancelled', reason = ?, processed_at = ?, gate = NULL WHERE seq = ?
"""
MARK_CANCELLED = "UPDATE main.tasks SET cancel_reason = coalesce(cancel_reason, ?) WHERE seq = ?"

TO_EDIT = """
SELECT seq, status, token IS NOT NULL, processed_at IS NOT NULL, attempt, edits, limits,
    group_name, payload, priority, run_at, max_attempts
FROM main.tasks WHERE id = ?
"""
EDIT = """
UPDATE main.tasks
SET payload = ?, priority = ?, run_at = ?, max_attempts = ?, status = ?, edits = ?,
    gate = iif(flow IS NULL, NULL, '/turn'), turn = min(turn, 0)
WHERE seq = ?
"""

REDRIVE = """
UPDATE main.tasks
SET status = 'queued', run_at = ?, attempt = 0, crashes = 0, deliveries = 0,
    turn = 0, gate = iif(flow IS NULL, NULL, '/turn'),
    processed_at = NULL, reason = NULL, error_pattern = NULL, cancel_reason = NULL, start_by = NULL
WHERE id = ? AND status = 'dead' RETURNING group_name
"""

PRUNABLE = """
SELECT seq, group_name FROM main.tasks INDEXED BY ended
WHERE status = ? AND processed_at IS NOT NULL AND processed_at < ?
ORDER BY processed_at LIMIT ?
"""
DELETE_TASK = "DELETE FROM main.tasks WHERE seq = ?"
PURGE = """
DELETE FROM main.tasks WHERE id = ? AND processed_at IS NOT NULL
RETURNING seq, status, group_name
"""
DELETE_ATTEMPTS = "DELETE FROM main.attempts WHERE task = ?"

_MOVED = " ".join(f"WHEN '{status}' THEN :{status}" for status in Status)
MOVE_COUNTS = f"UPDATE main.counters SET tasks = tasks + CASE status {_MOVED} END"

PAUSE = "INSERT INTO main.paused (queue, paused_at) VALUES (?, ?) ON CONFLICT DO NOTHING"
RESUME = "DELETE FROM main.paused WHERE queue = ?"

SET_SIZE = """
INSERT INTO main.consumer_sizes (pool, consumers, slots) VALUES (?, ?, ?)
ON CONFLICT DO UPDATE SET consumers = excluded.consumers, slots = excluded.slots
"""
SIZE_OF = "SELECT consumers, slots FROM main.consumer_sizes WHERE pool = ?"
FORGET_SIZE = "DELETE FROM main.consumer_sizes WHERE pool = ?"

# Random, so that no file system can store it in less room than tasks would take.
BEGIN_PROBE = "INSERT INTO main.probe (ballast) VALUES (randomblob(64 * 1024))"
END_PROBE = "DELETE FROM main.probe"

MAY_EXPIRE = """
start_by IS NOT NULL AND token IS NULL AND processed_at IS NULL
    AND attempt = 0 AND started_at IS NULL
"""
EXPIRING = f"""
SELECT seq, id, action, queue, status, group_name, iif(gate IS NULL, limits, NULL)
FROM main.tasks INDEXED BY expiring
WHERE {MAY_EXPIRE} AND start_by <= ? ORDER BY start_by, id LIMIT ?
"""
