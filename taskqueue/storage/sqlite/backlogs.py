"""The verbs about what waits in queues."""

from collections.abc import Mapping, Sequence
from functools import partial

from taskqueue.rules.turns import Flow, FlowPlace
from taskqueue.storage.limits import check_limit
from taskqueue.storage.sqlite.gates import SQLiteGates
from taskqueue.storage.sqlite.operations import backlogs


class SQLiteBacklogs(SQLiteGates):
    """What waits in queues, as one file keeps it."""

    async def count_due(
        self, queues: Sequence[str], *, limit: int, now: float
    ) -> Mapping[str, int]:
        check_limit(limit)
        return await self._read(
            partial(backlogs.count_due, queues=tuple(queues), limit=limit, now=now)
        )

    async def flows(
        self, queue: str, *, after: FlowPlace | None = None, limit: int
    ) -> tuple[Flow, ...]:
        check_limit(limit)
        return await self._read(partial(backlogs.flows, queue=queue, after=after, limit=limit))
