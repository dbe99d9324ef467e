"""What the reading verb `get` asks, of whatever is committed."""

from collections.abc import Iterator

from taskqueue.rules.keys import Holder, key_state
from taskqueue.rules.tasks import Attempt, AttemptOutcome, Status, Task, TaskHistory
from taskqueue.storage import task_rows
from taskqueue.storage.limits import MAX_ATTEMPTS
from taskqueue.storage.postgres.connections import SQL
from taskqueue.storage.postgres.sql import queries, rows


async def get(db: SQL, task_id: str, *, now: float) -> TaskHistory | None:
    """Return a task with its attempts."""
    # What is asked for most has not ended, and a look into one table is cheaper than into all.
    row = await db.fetchrow(queries.GET_LIVE, task_id) or await db.fetchrow(queries.GET, task_id)
    if row is None:
        return None
    seq, edits, flow, key, until, was_freed, is_held, *columns = row
    task = task_rows.task(tuple(columns), now=now)
    place = queries.place_of(task.status, task.processed_at)
    attempts = await db.fetch(queries.ATTEMPTS, seq, *place)
    whole = (*map(task_rows.attempt, reversed(attempts)), *_completing(task))
    return TaskHistory(
        task=task,
        attempts=whole[-MAX_ATTEMPTS:],
        edits=task_rows.edits(edits),
        key=None
        if key is None
        else key_state(
            key,
            Holder.of(task, rows.until_of(until), is_held=is_held),
            was_freed=was_freed,
            now=now,
        ),
        flow=flow,
        is_held=is_held,
    )


def _completing(task: Task) -> Iterator[Attempt]:
    # A success writes no line of its own, which saves it an insert: the row says it all.
    if task.status is Status.COMPLETED and task.processed_at is not None:
        yield Attempt(
            attempt=task.attempt,
            outcome=AttemptOutcome.COMPLETED,
            error=None,
            traceback=None,
            started_at=task.started_at,
            ended_at=task.processed_at,
        )
