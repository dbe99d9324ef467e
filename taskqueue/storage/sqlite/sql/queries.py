# ruff: noqa: S608  the only texts put together here are this module's own
"""The SQL that reads tasks, their attempts and counts, whatever is committed."""

from taskqueue.rules.uniqueness import AFTER_SCOPES, SEPARATOR
from taskqueue.storage.limits import MAX_ATTEMPTS
from taskqueue.storage.sqlite.sql.rows import ATTEMPT, DELIVERY, TASK
from taskqueue.storage.sqlite.sql.statements import MAY_EXPIRE

HELD = f"""
SELECT {DELIVERY} FROM main.tasks INDEXED BY held
WHERE token IS NOT NULL AND node = ? AND incarnation = ?
ORDER BY claimed_at, priority, turn, run_at, id
"""

CANCEL_REQUESTS = """
SELECT token, cancel_reason FROM main.tasks INDEXED BY held
WHERE token IS NOT NULL AND cancel_reason IS NOT NULL AND node = ? AND incarnation = ?
"""

RESCUABLE = f"""
SELECT {DELIVERY} FROM main.tasks INDEXED BY held
WHERE token IS NOT NULL
    AND ((node = :node AND incarnation <> :incarnation) OR expires_at < :now)
ORDER BY claimed_at, priority, turn, run_at, id
"""

NEXT_LEASE_END = """
SELECT min(expires_at) FROM main.tasks INDEXED BY held WHERE token IS NOT NULL AND node <> ?
"""

# With a flow if it gets its turn at the next claim.
TURN = "SELECT turn, weight, iif(gate = '/turn', flow, NULL) FROM main.tasks WHERE id = ?"

KEY = "coalesce(unique_key, former_key), unique_until, former_key IS NOT NULL, token IS NOT NULL"
GET = f"SELECT seq, edits, flow, {KEY}, {TASK} FROM main.tasks WHERE id = ?"

ONE = f"SELECT {TASK} FROM main.tasks WHERE id = ?"
# The key itself, and then the same one with any scope.
_OF_KEY = " UNION ALL ".join(
    f"""
    SELECT id FROM main.tasks INDEXED BY {index}
    WHERE {column} {condition} AND id {{behind}} :after
    """
    for index, column in (("keys", "unique_key"), ("former_keys", "former_key"))
    for condition in ("= :key", f"> :key || '{SEPARATOR}' AND {column} < :key || '{AFTER_SCOPES}'")
)
OF_KEY = {
    behind: f"{_OF_KEY.format(behind=behind)} ORDER BY id {direction}"
    for behind, direction in {"<": "DESC", ">": "ASC"}.items()
}

ATTEMPTS = (
    f"SELECT {ATTEMPT} FROM main.attempts WHERE task = ? ORDER BY seq DESC LIMIT {MAX_ATTEMPTS}"
)

LAST_LOG = "SELECT seq, attempt, started_at, processed_at, log FROM main.tasks WHERE id = ?"
LOGS = """
SELECT seq, attempt, outcome, started_at, ended_at, log FROM main.attempts INDEXED BY logs_of
WHERE task = ? AND log IS NOT NULL AND seq < ? ORDER BY seq DESC
"""

NEXT_EXPIRY = f"SELECT min(start_by) FROM main.tasks INDEXED BY expiring WHERE {MAY_EXPIRE}"

COUNTS = "SELECT status, tasks FROM main.counters"

RUNNING_BY_QUEUE = """
SELECT queue, count(*) FROM main.tasks INDEXED BY held
WHERE token IS NOT NULL AND status = 'running' GROUP BY queue
"""

PAUSED = "SELECT queue, paused_at FROM main.paused"
SIZES = "SELECT pool, consumers, slots FROM main.consumer_sizes"
