# ruff: noqa: S608  the only texts put together here are this module's own
"""The SQL that leases rows which are ready."""

from taskqueue.storage.postgres.sql.ready import OPEN_IN_QUEUE, chosen
from taskqueue.storage.postgres.sql.rows import TASK

LEASE = """
    token = to_hex(tasks.seq) || '-' || {nonce}::text, node = {node}, incarnation = {incarnation},
    claimed_at = {now}::float8, expires_at = {expires_at}::float8,
    attempt = attempt + 1, deliveries = deliveries + 1
"""

# The rows are named by an array: of a join the server would expect a tenth of all that waits, and
# read the whole table.
_CLAIM_CHOSEN = f"""
UPDATE taskqueue.live_tasks AS tasks SET
{LEASE.format(nonce="$5", node="$6", incarnation="$7", now="$2", expires_at="$8")}
WHERE tasks.seq = ANY (ARRAY(SELECT seq FROM chosen))
RETURNING {TASK}, tasks.token, tasks.seq, tasks.turn
"""
# Chosen and leased in one statement, where nothing has to be looked at beside the order. Another
# commit may have opened a row that has limits just now: it is for the next claim.
CLAIM_READY = f"""
{chosen(also=" AND limits IS NULL")}
{_CLAIM_CHOSEN}
"""

# The same from a place on: of one priority, among what has no turn.
CLAIM_FROM = f"""
WITH chosen AS MATERIALIZED (
    SELECT seq {OPEN_IN_QUEUE} AND priority = $3::bigint AND turn = 0
        AND run_at BETWEEN $9::float8 AND $2 AND limits IS NULL
        AND NOT (SELECT EXISTS (SELECT 1 FROM taskqueue.paused WHERE queue = $1))
    ORDER BY run_at, id LIMIT $4::bigint FOR UPDATE SKIP LOCKED
)
{_CLAIM_CHOSEN}
"""

CLAIM = f"""
UPDATE taskqueue.live_tasks AS tasks SET
{LEASE.format(nonce="$2", node="$3", incarnation="$4", now="$5", expires_at="$6")}
WHERE seq = ANY ($1::bigint[])
RETURNING {TASK}, tasks.token, tasks.seq, tasks.turn
"""
