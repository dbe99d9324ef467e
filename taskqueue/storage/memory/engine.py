"""The storage that is plainly right: the model of the others, and a double for tests.

Everything is one dict, every verb walks it. What is kept lives as long as the object.
"""

from collections.abc import Mapping, Sequence
from functools import cached_property

from msgspec.structs import replace

from taskqueue.errors import StorageUnavailable
from taskqueue.rules.edits import Change, EditResult
from taskqueue.rules.filters import MAX_ROWS, Found, Sort, TaskFilter
from taskqueue.rules.tasks import (
    Accepted,
    CancelResult,
    Complete,
    Delivery,
    NewTask,
    NotApplied,
    Owner,
    Rows,
    SettleBy,
    Settled,
    Statement,
    Status,
    Task,
)
from taskqueue.storage.follow_ups import tell_refused
from taskqueue.storage.lifecycle import Migration
from taskqueue.storage.limits import check_limit
from taskqueue.storage.memory import editing, searching, settling
from taskqueue.storage.memory.administration import MemoryAdministration
from taskqueue.storage.memory.audit import MemoryAudit
from taskqueue.storage.memory.backlogs import MemoryBacklogs
from taskqueue.storage.memory.expiry import MemoryExpiry
from taskqueue.storage.memory.groups import MemoryGroups
from taskqueue.storage.memory.handler_sql import HandlerDatabase
from taskqueue.storage.memory.histories import MemoryHistories
from taskqueue.storage.memory.limits import MemoryLimits
from taskqueue.storage.memory.nodes import MemoryNodes
from taskqueue.storage.memory.rows import Row, deliveries
from taskqueue.storage.memory.schedules import MemorySchedules
from taskqueue.storage.memory.sizes import MemorySizes
from taskqueue.storage.memory.summaries import MemorySummaries
from taskqueue.storage.memory.tokens import MemoryTokens
from taskqueue.storage.order import first_due
from taskqueue.storage.protocol import Storage

_SCHEMA = (Migration(version=1, name="tasks"),)


class MemoryStorage(
    MemoryAdministration,
    MemoryLimits,
    MemoryGroups,
    MemorySchedules,
    MemoryNodes,
    MemoryTokens,
    MemoryAudit,
    MemoryBacklogs,
    MemoryHistories,
    MemoryExpiry,
    MemorySizes,
    MemorySummaries,
    Storage,
):
    """Tasks in a dict. `close` keeps them for the next `open` of the same object.

    The statements of handlers are applied to an SQLite database in memory, under the same rules as
    in a file. The queue's own tables are not there, so what reads them is refused.
    """

    def __init__(self) -> None:
        super().__init__()
        self._migrated = False

    # --- lifecycle --------------------------------------------------------------------------------

    async def open(self) -> None:
        if not self._migrated:
            raise StorageUnavailable("nothing there yet; run the migration")
        self._open = True

    async def close(self) -> None:
        self._open = False

    def abandon(self) -> None:
        self._open = False

    async def migrate(self) -> tuple[Migration, ...]:
        taken = () if self._migrated else _SCHEMA
        self._migrated = True
        return taken

    # --- verbs that write -------------------------------------------------------------------------

    async def probe(self) -> None:
        self._require_open()

    async def insert(self, tasks: Sequence[NewTask], *, now: float) -> tuple[Accepted, ...]:
        self._require_open()
        return self._gates.insert(tasks, now=now)

    async def insert_and_claim(
        self,
        tasks: Sequence[NewTask],
        *,
        room: Mapping[str, int],
        owner: Owner,
        lease_s: float,
        now: float,
    ) -> tuple[tuple[Accepted, ...], tuple[Delivery, ...]]:
        self._require_open()
        places = self._table.admitted(tasks)
        admitted = [tasks[place] for place in places]
        to_claim = [
            places[nth]
            for queue, most in room.items()
            if queue not in self._table.paused and not self._table.ready(queue, now=now)
            for nth in first_due(admitted, queue, limit=most, now=now)
        ]
        claimed: dict[int, Delivery] = {}

        def claim(place: int, row: Row) -> None:
            if place in to_claim:
                [claimed[place]] = self._table.claim([row], owner=owner, lease_s=lease_s, now=now)

        accepted = self._gates.insert(tasks, now=now, then=claim)
        return accepted, tuple(claimed[place] for place in to_claim if place in claimed)

    async def claim(
        self,
        queue: str,
        *,
        limit: int,
        most_limited: int | None = None,
        chain: int = 0,
        ageing_s: float | None = None,
        owner: Owner,
        lease_s: float,
        now: float,
    ) -> tuple[Delivery, ...]:
        check_limit(limit)
        self._require_open()
        return self._gates.claim(
            queue,
            limit=limit,
            most_limited=most_limited,
            chain=chain,
            ageing_s=ageing_s,
            owner=owner,
            lease_s=lease_s,
            now=now,
        )

    async def start(self, tokens: Sequence[str], *, now: float) -> None:
        self._require_open()
        for row, lease in self._table.holding(tokens):
            settling.start(row, lease, now=now)

    async def extend(self, tokens: Sequence[str], *, lease_s: float, now: float) -> tuple[str, ...]:
        self._require_open()
        extended = set()
        for _, lease in self._table.holding(tokens):
            lease.expires_at = now + lease_s
            extended.add(lease.token)
        return tuple(token for token in tokens if token not in extended)

    async def report(self, progress: Mapping[str, str], *, now: float) -> None:
        self._require_open()
        for row, lease in self._table.holding(progress):
            row.task = replace(row.task, progress=progress[lease.token])

    async def dry_run(
        self, statements: Sequence[Statement], query: Statement, *, limit_s: float
    ) -> Rows:
        self._require_open()
        return self._handlers.dry_run(tuple(statements), query, limit_s=limit_s)

    async def settle(
        self, settlements: Sequence[SettleBy], *, patient: bool = False, now: float
    ) -> tuple[Settled | NotApplied, ...]:
        self._require_open()
        answers = tuple(self._settle(by, now=now) for by in settlements)
        self._turn_groups(now=now)
        return answers

    async def cancel(
        self, task_ids: Sequence[str], *, reason: str, now: float
    ) -> tuple[CancelResult, ...]:
        self._require_open()
        rows = self._table.rows
        results = tuple(
            settling.cancel(task_id, rows.get(task_id), reason=reason, now=now)
            for task_id in task_ids
        )
        self._turn_groups(now=now)
        return results

    async def edit(
        self, task_id: str, change: Change, *, who: str | None = None, now: float
    ) -> EditResult:
        self._require_open()
        return editing.edit(self._table.rows.get(task_id), change, who=who, now=now)

    async def redrive(self, task_ids: Sequence[str], *, now: float) -> tuple[str, ...]:
        self._require_open()
        dead = self._table.among(task_ids, {Status.DEAD})
        for task_id in dead:
            settling.redrive(self._table.rows[task_id], now=now)
        self._turn_groups(now=now)
        return dead

    async def delete(self, task_ids: Sequence[str]) -> tuple[str, ...]:
        self._require_open()
        return self._table.delete(task_ids)

    # --- verbs that read --------------------------------------------------------------------------

    async def held(self, owner: Owner) -> tuple[Delivery, ...]:
        self._require_open()
        return deliveries(self._table.held_by(owner))

    async def cancel_requests(self, owner: Owner) -> Mapping[str, str]:
        self._require_open()
        return self._table.marked(owner)

    async def rescue(self, owner: Owner, *, now: float) -> tuple[Delivery, ...]:
        self._require_open()
        return deliveries(
            (row, lease)
            for row, lease in self._table.leased()
            if lease.expires_at < now or (lease.owner.node == owner.node and lease.owner != owner)
        )

    async def ahead(self, task: Task, *, limit: int, now: float) -> int:
        check_limit(limit)
        self._require_open()
        return min(limit, self._table.ahead(task, self._gates.turn_of(task.id), now=now))

    async def search(
        self,
        wanted: TaskFilter,
        *,
        after: str | None = None,
        sort: Sort = Sort.NEWEST,
        limit: int,
        now: float,
        max_rows: int = MAX_ROWS,
        max_bytes: int | None = None,
        brief: bool = False,
    ) -> Found:
        check_limit(limit)
        self._require_open()
        tasks = [row.reads(now) for row in self._table.rows.values()]
        return searching.search(
            tasks,
            wanted,
            after=after,
            sort=sort,
            limit=limit,
            max_rows=max_rows,
            max_bytes=max_bytes,
            brief=brief,
        )

    # --- steps ------------------------------------------------------------------------------------

    @cached_property
    def _handlers(self) -> HandlerDatabase:
        return HandlerDatabase()

    def _require_open(self) -> None:
        if not self._open:
            raise StorageUnavailable("closed")

    def _settle(self, by: SettleBy, *, now: float) -> Settled | NotApplied:
        settlement = by.settlement
        this = (by.token, type(settlement))
        for row, lease in self._table.holding([by.token]):
            if by.lease_end is not None and lease.expires_at > by.lease_end:
                return Settled.LEASE_LOST
            if isinstance(settlement, Complete) and settlement.statements:
                refusal = self._handlers.apply(settlement.statements)
                if refusal is not None:
                    return refusal
            if by.started_at is not None:
                settling.start(row, lease, now=by.started_at)
            written = settling.settle(row, lease, by, now=now)
            row.lease, row.settled = None, this
            self._gates.settled(row, lease, settlement, now=now)
            if isinstance(settlement, Complete):
                follow_ups = settlement.follow_ups
                answers = self._gates.insert(follow_ups, now=now, member_of=row.task.group)
                tell_refused(zip(follow_ups, answers, strict=True))
            return written
        if any(row.settled == this for row in self._table.rows.values()):
            return Settled.REPEATED
        return Settled.LEASE_LOST
