"""What waits in queues, in memory."""

from collections import defaultdict
from collections.abc import Mapping, Sequence

from taskqueue.rules.turns import FIRST_PLACE, Flow, FlowPlace
from taskqueue.storage.limits import MOST_COUNTED, check_limit
from taskqueue.storage.memory.part import MemoryPart


class MemoryBacklogs(MemoryPart):
    """The part of the model that tells what waits in queues."""

    async def count_due(
        self, queues: Sequence[str], *, limit: int, now: float
    ) -> Mapping[str, int]:
        check_limit(limit)
        self._require_open()
        return {queue: min(limit, self._gates.count_due(queue, now=now)) for queue in queues}

    async def flows(
        self, queue: str, *, after: FlowPlace | None = None, limit: int
    ) -> tuple[Flow, ...]:
        check_limit(limit)
        self._require_open()
        found: dict[FlowPlace, list[float]] = defaultdict(list)
        for row in self._table.unclaimed(queue):
            if row.flow is not None and row.turn is not None and row.turn > 0:
                found[FlowPlace(row.task.priority, row.flow)].append(row.turn)
        behind = sorted(place for place in found if place > (after or FIRST_PLACE))
        return tuple(self._flow(queue, place, found[place]) for place in behind[:limit])

    def _flow(self, queue: str, place: FlowPlace, turns: Sequence[float]) -> Flow:
        return Flow(
            name=place.name,
            priority=place.priority,
            waiting=min(MOST_COUNTED, len(turns)),
            next_turn=min(turns),
            served_turn=self._gates.served_turn(queue, place.priority),
        )
