"""The part of a storage that sums up tasks for those who look at many."""

from collections.abc import Mapping, Sequence
from typing import Protocol

from taskqueue.rules.filters import TaskFilter
from taskqueue.rules.summaries import Counts, DeadGroup, QueueLimit

MAX_ROWS_COUNTED = 1_000  # of one status, where each has to be looked at


class Summaries(Protocol):
    """Dead tasks by error, counts of what matches, and the beginnings of payloads."""

    async def dead_groups(
        self, *, action: str | None = None, queue: str | None = None, limit: int
    ) -> tuple[DeadGroup, ...]:
        """Return up to `limit` groups of dead tasks by action and error, the largest first.

        The sizes are exact: all dead tasks are counted, one by one. A million takes about a third
        of a second. Of an action, of a queue, or of both, only theirs are grouped.

        Raises:
            ValueError: `limit` is negative.
        """
        ...

    async def count(
        self, wanted: TaskFilter, *, most: int, max_rows: int = MAX_ROWS_COUNTED, now: float
    ) -> Counts:
        """Count the tasks that match, by status, up to `most` of each.

        Every status that is wanted has a number. What no index answers is compared row by row, for
        `max_rows` rows of a status at most. A scheduled task whose `run_at` has come is queued.

        Raises:
            ValueError: `most` is negative.
        """
        ...

    async def heads(self, task_ids: Sequence[str], *, length: int) -> Mapping[str, str]:
        """Return up to `length` characters that the payloads of these tasks begin with, by id.

        Tasks that are not there are left out. No more than that is read, however large they are.
        """
        ...

    async def queue_limits(self, *, now: float) -> tuple[QueueLimit, ...]:
        """Return which limits hold back tasks of which queues, by queue and name.

        What was not found closed by a claim yet is left out, and so is what waits for others than
        the first thousand keys.
        """
        ...
