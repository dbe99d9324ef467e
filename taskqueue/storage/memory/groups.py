"""The verbs about groups in memory."""

from collections.abc import Sequence

from taskqueue.rules.groups import Close, CloseAnswer, CloseResult, Group
from taskqueue.rules.tasks import Accepted, NewTask
from taskqueue.storage.limits import check_limit
from taskqueue.storage.memory.part import MemoryPart


class MemoryGroups(MemoryPart):
    """The part of the model that keeps groups."""

    async def close_group(
        self, wanted: Close, tasks: Sequence[NewTask] = (), *, now: float
    ) -> CloseResult:
        self._require_open()
        answer = self._table.close_answer(wanted)
        accepted: tuple[Accepted, ...] = ()
        if answer is not CloseAnswer.CONFLICT:
            accepted = self._gates.insert(tasks, now=now)
        if answer is CloseAnswer.CLOSED:
            self._table.close(wanted, now=now)
            self._turn_groups(now=now)
        return CloseResult(answer=answer, group=self._table.group(wanted.name), accepted=accepted)

    async def get_group(self, name: str) -> Group | None:
        self._require_open()
        return self._table.group(name) if name in self._table.groups else None

    async def groups(
        self, *, before: int | None = None, ended: bool | None = None, limit: int
    ) -> tuple[Group, ...]:
        check_limit(limit)
        self._require_open()
        found = [
            group
            for group in map(self._table.group, self._table.groups)
            if (before is None or group.number < before)
            and ended in {None, group.ended_at is not None}
        ]
        return tuple(sorted(found, key=lambda group: -group.number)[:limit])
