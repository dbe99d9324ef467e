"""Makes a file that holds many tasks, as months of work leave it behind, in a minute.

    [half of the rows, the older ones]   completed; of fifty one is dead, one cancelled
    [the other half]                     queued; of fifty one is retrying, one scheduled

What waits is spread over four priorities, what failed has its line in the history, and of one
action there are ten tasks. All of it was made within a day, so that nothing is due to be expired.
"""

import sqlite3
from contextlib import closing
from pathlib import Path

from taskqueue.storage.sqlite.engine import SQLiteStorage

QUEUE = "default"
ACTION = "no_op"
RARE_ACTION = "rare"
PAYLOAD = (
    '{"action":"no_op","data":{"n":%d,"url":"https://example.org/picture/%d.jpg","width":400}}'
)

_SPAN_S = 80_000.0
_RARE_TASKS = 10

# The ids are UUIDs of version 7 in the order of the rows, as `taskqueue.ids` makes them.
_TASKS = """
WITH RECURSIVE
    numbers (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM numbers WHERE n < :rows),
    made (n, at, status) AS (
        SELECT n, :now - (:rows - n + 1) * :spacing_s,
            CASE
                WHEN n * 2 <= :rows
                THEN CASE n % 50 WHEN 0 THEN 'dead' WHEN 1 THEN 'cancelled' ELSE 'completed' END
                ELSE CASE n % 50 WHEN 0 THEN 'retrying' WHEN 1 THEN 'scheduled' ELSE 'queued' END
            END
        FROM numbers
    )
INSERT INTO tasks
    (seq, id, payload, status, result, created_at, processed_at, action, queue, priority, run_at,
     attempt, max_attempts, deliveries, started_at, reason, error_pattern, settled_token,
     settled_as)
SELECT
    n,
    printf('%08x-%04x-7%03x-%04x-%012x',
        CAST(at * 1000 AS INTEGER) >> 16, CAST(at * 1000 AS INTEGER) & 65535,
        n & 4095, 32768 | abs(random() % 16384), abs(random() % 281474976710656)),
    printf(:payload, n, n),
    status,
    iif(status = 'completed', 'null', NULL),
    at,
    iif(n * 2 <= :rows, at + 0.1, NULL),
    iif(n % :rare_each = 0, :rare_action, :action), :queue, n % 4,
    CASE status WHEN 'scheduled' THEN :now + 86400 + n WHEN 'retrying' THEN :now + 600 ELSE at END,
    status NOT IN ('queued', 'scheduled'), 5, status NOT IN ('queued', 'scheduled'),
    iif(status IN ('queued', 'scheduled', 'cancelled'), NULL, at + 0.05),
    CASE WHEN status IN ('dead', 'retrying') THEN 'gone' WHEN status = 'cancelled' THEN 'asked' END,
    iif(status = 'dead', 'gone', NULL),
    iif(status IN ('queued', 'scheduled', 'cancelled'), NULL,
        printf('%x-', n) || lower(hex(randomblob(16)))),
    CASE status WHEN 'completed' THEN 'complete' WHEN 'dead' THEN 'dead_letter'
        WHEN 'retrying' THEN 'requeue' END
FROM made
"""

_ATTEMPTS = """
INSERT INTO attempts (task, attempt, outcome, error, started_at, ended_at)
SELECT seq, attempt, 'failed', reason, started_at, started_at + 0.05
FROM tasks WHERE status IN ('dead', 'retrying')
"""

_COUNTERS = """
UPDATE counters
SET tasks = (SELECT count(*) FROM tasks WHERE tasks.status = counters.status)
"""


async def make(path: Path, rows: int, *, now: float) -> None:
    """Make a file at `path` with so many tasks, the newest made at `now`."""
    storage = SQLiteStorage(path)
    await storage.migrate()
    await storage.close()
    with closing(sqlite3.connect(path, isolation_level=None)) as db:
        # Whoever loses this file to a power cut makes another.
        for pragma in ("journal_mode = OFF", "synchronous = OFF", "cache_size = -262144"):
            db.execute(f"PRAGMA {pragma}")
        _fill(db, rows, now)


def _fill(db: sqlite3.Connection, rows: int, now: float) -> None:
    indexes = db.execute("SELECT name, sql FROM sqlite_master WHERE type = 'index' AND sql > ''")
    made_again = indexes.fetchall()  # sorted at the end, not searched for each row
    db.execute("BEGIN")
    for name, _ in made_again:
        db.execute(f"DROP INDEX {name}")
    known = {
        "rows": rows,
        "now": now,
        "spacing_s": _SPAN_S / rows,
        "payload": PAYLOAD,
        "action": ACTION,
        "rare_action": RARE_ACTION,
        "rare_each": max(rows // _RARE_TASKS, 1),
        "queue": QUEUE,
    }
    db.execute(_TASKS, known)
    db.execute(_ATTEMPTS)
    db.execute(_COUNTERS)
    for _, sql in made_again:
        db.execute(sql)
    db.execute("COMMIT")
