"""What the reading verb `logs` asks."""

import sqlite3
from collections.abc import Iterator

from taskqueue.rules.logs import LoggedAttempt, LogPage
from taskqueue.rules.tasks import AttemptOutcome
from taskqueue.storage.limits import logs_within
from taskqueue.storage.sqlite.operations.searching import snapshot
from taskqueue.storage.sqlite.sql import queries
from taskqueue.storage.sqlite.sql.rows import Row

_AFTER_ALL = 2**63 - 1


def logs(
    db: sqlite3.Connection, task_id: str, *, before: int | None, max_bytes: int
) -> LogPage | None:
    """Return what the attempts at a task have logged."""
    with snapshot(db):  # a redriven task may complete between the two
        row = db.execute(queries.LAST_LOG, (task_id,)).fetchone()
        if row is None:
            return None
        attempts, following = logs_within(_latest_first(db, row, before), max_bytes)
    return LogPage(attempts=attempts, next=following)


def _latest_first(
    db: sqlite3.Connection, row: Row, before: int | None
) -> Iterator[tuple[int, LoggedAttempt]]:
    task, attempt, started_at, processed_at, log = row
    if log is not None and before is None:
        yield (
            _AFTER_ALL,
            LoggedAttempt(
                attempt=attempt,
                outcome=AttemptOutcome.COMPLETED,
                started_at=started_at,
                ended_at=processed_at,
                log=log,
            ),
        )
    for seq, number, outcome, began_at, ended_at, text in db.execute(
        queries.LOGS, (task, _AFTER_ALL if before is None else before)
    ):
        yield (
            seq,
            LoggedAttempt(
                attempt=number,
                outcome=AttemptOutcome(outcome),
                started_at=began_at,
                ended_at=ended_at,
                log=text,
            ),
        )
