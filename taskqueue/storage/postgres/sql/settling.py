# ruff: noqa: S608  the only texts put together here are this module's own
"""The SQL of settlements: one statement per kind, an array for each of its values.

The rows are locked and their tokens compared before: `operations.leases.Leases`.
"""

from taskqueue.rules.tasks import (
    Cancel,
    Complete,
    DeadLetter,
    Postpone,
    Release,
    Requeue,
    Settlement,
)
from taskqueue.storage.postgres.sql.rows import LIVE

SETTLED_AS: dict[type[Settlement], str] = {
    Complete: "complete",
    Requeue: "requeue",
    Postpone: "postpone",
    DeadLetter: "dead_letter",
    Cancel: "cancel",
    Release: "hand_back",
}

# The latest attempt may be settled without ever having started, or tell only now when it did.
_STARTED = "started_at = CASE status WHEN 'running' THEN tasks.started_at ELSE given.began_at END"
_CHANGES: dict[type[Settlement], tuple[tuple[tuple[str, str], ...], str]] = {
    Complete: (
        (("result", "text"), ("ended_at", "float8"), ("log", "text")),
        (
            f"{_STARTED}, status = 'completed', result = given.result,"
            " processed_at = given.ended_at, reason = NULL, log = coalesce(given.log, tasks.log)"
        ),
    ),
    Requeue: (
        (("run_at", "float8"), ("reason", "text"), ("crashes", "int4")),
        (
            f"{_STARTED}, status = 'retrying', run_at = given.run_at, reason = given.reason,"
            " crashes = tasks.crashes + given.crashes, turn = -1,"
            " gate = CASE WHEN flow IS NOT NULL THEN '/turn' END"
        ),
    ),
    Postpone: (
        (("run_at", "float8"), ("turn", "float8")),
        (
            f"{_STARTED}, status = 'scheduled', run_at = given.run_at, attempt = attempt - 1,"
            " turn = given.turn,"
            " gate = CASE WHEN flow IS NOT NULL THEN '/turn' END"
        ),
    ),
    DeadLetter: (
        (("reason", "text"), ("crashes", "int4"), ("ended_at", "float8"), ("error", "text")),
        (
            f"{_STARTED}, status = 'dead', reason = given.reason,"
            " crashes = tasks.crashes + given.crashes, processed_at = given.ended_at,"
            " error_pattern = given.error"
        ),
    ),
    Cancel: (
        (("reason", "text"), ("ended_at", "float8")),
        f"{_STARTED}, status = 'cancelled', reason = given.reason, processed_at = given.ended_at",
    ),
    Release: (
        (("deliveries", "int4"),),
        (
            "started_at = CASE status WHEN 'running' THEN tasks.started_at"
            " ELSE coalesce(given.began_at, tasks.started_at) END,"
            " status = CASE status WHEN 'running' THEN waited_as ELSE status END,"
            " attempt = attempt - 1, deliveries = tasks.deliveries - given.deliveries"
        ),
    ),
}


_ENDS = (Complete, DeadLetter, Cancel)


def _statement(kind: type[Settlement]) -> str:
    values, change = _CHANGES[kind]
    columns = (("seq", "int8"), ("began_at", "float8"), *values)
    arrays = ", ".join(f"${place}::{of}[]" for place, (_, of) in enumerate(columns, 1))
    names = ", ".join(name for name, _ in columns)
    # What ends is moved by this, which the table that has all partitions can do.
    table = "taskqueue.tasks" if kind in _ENDS else "taskqueue.live_tasks AS tasks"
    return f"""
    UPDATE {table}
    SET settled_as = '{SETTLED_AS[kind]}', settled_token = token, token = NULL, node = NULL,
        incarnation = NULL, claimed_at = NULL, expires_at = NULL,
        progress = CASE WHEN status = 'running' OR given.began_at IS NULL THEN progress END,
        {change}
    FROM unnest({arrays}) AS given ({names}) WHERE tasks.seq = given.seq AND {LIVE}
    """


SETTLE = {kind: _statement(kind) for kind in _CHANGES}

# Before its settlement, while the row still tells which attempt it was and when that began.
ADD_ATTEMPT = """
INSERT INTO taskqueue.live_attempts
    (task, attempt, outcome, error, traceback, started_at, ended_at, log)
SELECT given.seq, tasks.attempt, given.outcome, given.error, given.traceback,
    CASE tasks.status WHEN 'running' THEN tasks.started_at ELSE given.began_at END, $1, given.log
FROM unnest($2::int8[], $3::float8[], $4::text[], $5::text[], $6::text[], $7::text[])
    WITH ORDINALITY AS given (seq, began_at, outcome, error, traceback, log, place)
    JOIN taskqueue.live_tasks AS tasks ON tasks.seq = given.seq
ORDER BY place
"""

# Of what is still to be done after its settlement, though its cancellation was asked for.
END_CANCELLED = f"""
UPDATE taskqueue.tasks
SET status = 'cancelled', reason = cancel_reason, processed_at = $2, gate = NULL
WHERE seq = ANY ($1::bigint[]) AND {LIVE}
"""
