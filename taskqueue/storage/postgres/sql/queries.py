# ruff: noqa: S608  the only texts put together here are this module's own
"""The SQL that reads one task: its row, its attempts, its logs."""

from taskqueue.storage.limits import MAX_ATTEMPTS
from taskqueue.storage.postgres.sql.rows import ATTEMPT, TASK

KEY = "coalesce(unique_key, former_key), unique_until, former_key IS NOT NULL, token IS NOT NULL"
GET = f"SELECT seq, edits, flow, {KEY}, {TASK} FROM taskqueue.tasks WHERE id = $1"

ATTEMPTS = f"""
SELECT {ATTEMPT} FROM taskqueue.attempts WHERE task = $1 ORDER BY seq DESC LIMIT {MAX_ATTEMPTS}
"""

LAST_LOG = "SELECT seq, attempt, started_at, processed_at, log FROM taskqueue.tasks WHERE id = $1"

# One page after another: the caller stops at a number of bytes.
LOGS = """
SELECT seq, attempt, outcome, started_at, ended_at, log FROM taskqueue.attempts
WHERE task = $1 AND log IS NOT NULL AND seq < $2 ORDER BY seq DESC LIMIT $3
"""
