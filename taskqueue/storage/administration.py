"""The part of a storage that an operator works with: pauses, counts, retention."""

from collections.abc import Mapping
from typing import Protocol

from taskqueue.rules.tasks import Status


class Administration(Protocol):
    """What concerns queues and statuses as a whole, not single tasks."""

    async def pause(self, queue: str, *, now: float) -> None:
        """Keep tasks of this queue from being claimed until `resume`, beyond this process.

        Pausing a paused queue changes nothing.
        """
        ...

    async def resume(self, queue: str) -> None:
        """Let tasks of this queue be claimed again. Harmless when it is not paused."""
        ...

    async def paused(self) -> Mapping[str, float]:
        """Return the paused queues, and since when."""
        ...

    async def counts(self) -> Mapping[Status, int]:
        """Return the number of tasks per status, without a scan; `scheduled` includes due ones."""
        ...

    async def depths(self) -> Mapping[str, Mapping[Status, int]]:
        """Return the number of tasks per status of each queue that has tasks which have not ended.

        Statuses without a task are left out, `scheduled` includes due ones. This counts one by one:
        a million waiting tasks take about a fifth of a second.
        """
        ...

    async def expire(self, status: Status, *, ended_before: float, limit: int) -> int:
        """Delete up to `limit` tasks that ended in `status` before that instant; return how many.

        Those that ended first go first, each with its history.

        Raises:
            ValueError: `status` is not an end, or `limit` is negative.
        """
        ...
