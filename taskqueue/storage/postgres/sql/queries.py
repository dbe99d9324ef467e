# ruff: noqa: S608  the only texts put together here are this module's own
"""The SQL that reads one task: its row, its attempts, its logs."""

from taskqueue.storage.limits import MAX_ATTEMPTS
from taskqueue.storage.postgres.sql.rows import ATTEMPT, TASK

KEY = "coalesce(unique_key, former_key), unique_until, former_key IS NOT NULL, token IS NOT NULL"
_GET = f"SELECT seq, edits, flow, {KEY}, {TASK} FROM {{}} WHERE id = $1"
GET_LIVE = _GET.format("taskqueue.live_tasks AS tasks")
GET = _GET.format("taskqueue.tasks")

_ATTEMPTS_OF = "FROM taskqueue.attempts WHERE task = $1 AND task_status = $2 AND task_end = $3"
"""All attempts at a task lie in one partition: `place_of` gives the last two parameters."""

ATTEMPTS = f"SELECT {ATTEMPT} {_ATTEMPTS_OF} ORDER BY seq DESC LIMIT {MAX_ATTEMPTS}"

LAST_LOG = """
SELECT seq, status, attempt, started_at, processed_at, log FROM taskqueue.tasks WHERE id = $1
"""

# One page after another: the caller stops at a number of bytes.
LOGS = f"""
SELECT seq, attempt, outcome, started_at, ended_at, log
{_ATTEMPTS_OF} AND log IS NOT NULL AND seq < $4 ORDER BY seq DESC LIMIT $5
"""


def place_of(status: str, ended_at: float | None) -> tuple[str, float]:
    """Return where the attempts at a task lie, by its status and its end."""
    return ("live", 0.0) if ended_at is None else (status, ended_at)
