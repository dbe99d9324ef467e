"""What the reading verb `logs` asks."""

from collections.abc import AsyncIterator

from taskqueue.rules.logs import LoggedAttempt, LogPage
from taskqueue.rules.tasks import AttemptOutcome
from taskqueue.storage.limits import logs_within
from taskqueue.storage.postgres.connections import SQL, Row
from taskqueue.storage.postgres.sql import queries

_AFTER_ALL = 2**63 - 1
_AT_ONCE = 20


async def logs(db: SQL, task_id: str, *, before: int | None, max_bytes: int) -> LogPage | None:
    """Return what the attempts at a task have logged."""
    row = await db.fetchrow(queries.LAST_LOG, task_id)
    if row is None:
        return None
    found: list[tuple[int, LoggedAttempt]] = []
    read = 0
    async for place, logged in _latest_first(db, row, before):
        found.append((place, logged))
        if read > max_bytes:
            break  # one more than the page, which tells that there are more
        read += len(logged.log.encode())
    attempts, following = logs_within(found, max_bytes)
    return LogPage(attempts=attempts, next=following)


async def _latest_first(
    db: SQL, row: Row, before: int | None
) -> AsyncIterator[tuple[int, LoggedAttempt]]:
    task, status, attempt, started_at, processed_at, log = row
    place = queries.place_of(status, processed_at)
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
    last = _AFTER_ALL if before is None else before
    while page := await db.fetch(queries.LOGS, task, *place, last, _AT_ONCE):
        for seq, number, outcome, began_at, ended_at, text in page:
            last = seq
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
