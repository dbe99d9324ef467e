"""The part of a storage that an operator works with: pauses, counts, retention, audit trail."""

from collections.abc import Mapping, Sequence
from typing import Protocol

from taskqueue.rules.access import Role
from taskqueue.rules.audit import AuditedChange
from taskqueue.rules.sizes import SetSize, SizeChange
from taskqueue.rules.tasks import Status
from taskqueue.rules.turns import Flow, FlowPlace


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

    async def set_size(self, pool: str, change: SizeChange) -> None:
        """Keep how many consumers a pool is meant to have, and how many slots each of them.

        A number that the change does not name is left as it is; None: it is forgotten.
        """
        ...

    async def sizes(self) -> Mapping[str, SetSize]:
        """Return what is kept of the sizes of pools, only those of which something is kept."""
        ...

    async def paused(self) -> Mapping[str, float]:
        """Return the paused queues, and since when."""
        ...

    async def counts(self) -> Mapping[Status, int]:
        """Return the number of tasks per status, without a scan; `scheduled` includes due ones."""
        ...

    async def depths(self) -> Mapping[str, Mapping[Status, int]]:
        """Return the number of tasks per status of each queue that has tasks which have not ended.

        Statuses without a task are left out, `scheduled` includes due ones. An engine may have to
        count one by one: a million waiting tasks take about a fifth of a second.
        """
        ...

    async def count_due(
        self, queues: Sequence[str], *, limit: int, now: float
    ) -> Mapping[str, int]:
        """Return how many tasks of each of these queues are due and not held, up to `limit` each.

        Whether the queue is paused or not. Tasks that a limit holds back are not counted, as far as
        a claim has met them.

        Raises:
            ValueError: `limit` is negative.
        """
        ...

    async def flows(
        self, queue: str, *, after: FlowPlace | None = None, limit: int
    ) -> tuple[Flow, ...]:
        """Return up to `limit` flows of a queue, by priority and name, behind `after`.

        Those that have tasks waiting for their turns: what has to be done again, and what is not
        due yet, has none.

        Raises:
            ValueError: `limit` is negative.
        """
        ...

    async def expire(self, status: Status, *, ended_before: float, limit: int) -> int:
        """Delete up to `limit` tasks that ended in `status` before that instant; return how many.

        Those that ended first go first, each with its history. An engine that keeps what ended at
        about the same time together may drop all of that at once, whatever the limit, as soon as
        the last of it is old enough: up to a quarter of the retention later.

        Raises:
            ValueError: `status` is not an end, or `limit` is negative.
        """
        ...

    async def record_changes(self, changes: Sequence[AuditedChange]) -> None:
        """Add to the audit trail. A change whose id is there already is left as it is."""
        ...

    async def changes(
        self, *, before: str | None = None, task_id: str | None = None, limit: int
    ) -> tuple[AuditedChange, ...]:
        """Return up to `limit` changes, newest first: greatest id first.

        With `before`, only those whose ids are less; with `task_id`, which is in lower case, only
        those that name this task. For these the whole trail may be read.

        Raises:
            ValueError: `limit` is negative.
        """
        ...

    async def trim_changes(self, role: Role, *, before: float, most: int, limit: int) -> int:
        """Delete up to `limit` changes that need `role`, oldest first; return how many.

        Those go that were made before that instant, and those that are not among the latest `most`.

        Raises:
            ValueError: `limit` is negative.
        """
        ...
