"""The part of a storage that an operator works with: pauses, counts, retention."""

from collections.abc import Mapping
from typing import Protocol

from taskqueue.rules.tasks import Status


class Administration(Protocol):
    """What concerns queues and statuses as a whole, not single tasks."""

    async def pause(self, queue: str, *, now: float) -> None:
        """Let nothing of this queue be claimed until `resume`. It outlives the process.

        Pausing what is paused changes nothing.
        """
        ...

    async def resume(self, queue: str) -> None:
        """Let it be claimed again. Harmless when it was not paused."""
        ...

    async def paused(self) -> Mapping[str, float]:
        """Return the paused queues, and since when."""
        ...

    async def counts(self) -> Mapping[Status, int]:
        """Return how many tasks stand where, without scanning; `scheduled` is as written."""
        ...

    async def expire(self, status: Status, *, ended_before: float, limit: int) -> int:
        """Delete up to `limit` tasks that ended in `status` before that instant; return how many.

        Those that ended first go first, each with its history.

        Raises:
            ValueError: `status` is not an end, or `limit` is negative.
        """
        ...
