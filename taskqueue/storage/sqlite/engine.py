"""The storage in one SQLite file: its verbs."""

import asyncio
from collections.abc import Mapping, Sequence
from functools import partial
from typing import cast

from taskqueue.errors import StatementRefused
from taskqueue.rules.edits import Change, EditResult
from taskqueue.rules.expiry import ExpiredTask
from taskqueue.rules.filters import MAX_ROWS, Found, Sort, TaskFilter
from taskqueue.rules.logs import LogPage
from taskqueue.rules.tasks import (
    ENDED,
    Accepted,
    CancelResult,
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
    TaskHistory,
)
from taskqueue.storage.limits import check_limit
from taskqueue.storage.protocol import Storage
from taskqueue.storage.sqlite.commit.call import BatchOperation, settle_call
from taskqueue.storage.sqlite.connections.pickling import Batch
from taskqueue.storage.sqlite.handler_sql.dry_run import DryRun
from taskqueue.storage.sqlite.handler_sql.isolation import Isolation
from taskqueue.storage.sqlite.nodes import SQLiteNodes
from taskqueue.storage.sqlite.operations import (
    administration,
    claiming,
    depths,
    editing,
    expiry,
    logs,
    reads,
    searching,
    settling,
)
from taskqueue.storage.sqlite.schedules import SQLiteSchedules
from taskqueue.storage.sqlite.sizes import SQLiteSizes
from taskqueue.storage.sqlite.summaries import SQLiteSummaries


class SQLiteStorage(SQLiteSummaries, SQLiteSizes, SQLiteSchedules, SQLiteNodes, Storage):
    """Tasks in the SQLite file at `path`, which one process at a time may have open.

    With `synchronous="FULL"` a verb that writes returns after the disk was synced. `"NORMAL"` syncs
    only now and then: a power cut may then take the latest writes, a crash of the process may not.
    `"EXTRA"` is for a disk that may damage, in a power cut, all of a sector of which it writes a
    part: a commit takes up to 8 KiB more of the log, and shares no sector with another.

    `busy_timeout_s` is how long to wait for another that holds the file (a second service, a
    shell with an open transaction) before raising `StorageUnavailable`.

    With `writes_in="process"` another process commits: neither does it wait for threads here that
    compute, nor they for it. It takes a tenth of a second to start, unless `spawn` hands out one
    that was started before, and some memory. Should it end by itself, whatever writes raises
    `WriterLost` until the storage is opened again. Statements of handlers run in two more, one that
    writes and one that reads, each started when it is first needed: there they are killed if they
    take too long, and only there is their time limited whatever they are.

    If the file is removed or replaced under an open storage, every verb raises
    `StorageUnavailable` until it is opened again. A file that was found corrupt can be opened again
    once all of it is sound; until then it is not written.
    """

    # --- verbs that write -------------------------------------------------------------------------

    async def probe(self) -> None:
        # Two commits: what is undone before the first of them never reaches the disk.
        await self._write(administration.begin_probe)
        await self._write(administration.end_probe)

    async def insert(self, tasks: Sequence[NewTask], *, now: float) -> tuple[Accepted, ...]:
        return await self._write(BatchOperation("insert", Batch(tasks), now=now))

    async def insert_and_claim(
        self,
        tasks: Sequence[NewTask],
        *,
        room: Mapping[str, int],
        owner: Owner,
        lease_s: float,
        now: float,
    ) -> tuple[tuple[Accepted, ...], tuple[Delivery, ...]]:
        return await self._write(
            BatchOperation(
                "insert_and_claim",
                Batch(tasks),
                room=dict(room),
                owner=owner,
                expires_at=now + lease_s,
                now=now,
            )
        )

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
        return await self._write(
            partial(
                claiming.claim,
                queue=queue,
                limit=limit,
                most_limited=most_limited,
                chain=chain,
                ageing_s=ageing_s,
                owner=owner,
                expires_at=now + lease_s,
                now=now,
            )
        )

    async def start(self, tokens: Sequence[str], *, now: float) -> None:
        await self._write(partial(claiming.start, tokens=tuple(tokens), now=now))

    async def extend(self, tokens: Sequence[str], *, lease_s: float, now: float) -> tuple[str, ...]:
        return await self._write(
            partial(claiming.extend, tokens=tuple(tokens), expires_at=now + lease_s)
        )

    async def report(self, progress: Mapping[str, str], *, now: float) -> None:
        await self._write(partial(claiming.report, progress=dict(progress)))

    async def dry_run(
        self, statements: Sequence[Statement], query: Statement, *, limit_s: float
    ) -> Rows:
        dry_run = DryRun(tuple(statements), query, limit_s=limit_s)
        isolation = self._serving().isolation
        if isolation is None:
            answer = await self._write(dry_run)
        else:
            with self._suspecting():
                answer = await isolation.dry_run(dry_run)
        if isinstance(answer, StatementRefused):
            raise answer
        return answer

    async def settle(
        self, settlements: Sequence[SettleBy], *, patient: bool = False, now: float
    ) -> tuple[Settled | NotApplied, ...]:
        isolation = self._serving().isolation
        if isolation is None or not any(map(settling.has_statements, settlements)):
            return await self._settle(settlements, patient=patient, now=now)
        isolated = [by for by in settlements if settling.has_statements(by)]
        others = [by for by in settlements if not settling.has_statements(by)]
        of_isolated, of_others = await asyncio.gather(
            self._settle_isolated(isolation, isolated, now=now),
            self._settle(others, now=now),
        )
        a, b = iter(of_isolated), iter(of_others)
        return tuple(next(a if settling.has_statements(by) else b) for by in settlements)

    async def _settle(
        self, settlements: Sequence[SettleBy], *, patient: bool = False, now: float
    ) -> tuple[Settled | NotApplied, ...]:
        if not settlements:
            return ()
        # A handler's statement that fails is the answer for its token, not an error of the batch.
        answers = await self._write(settle_call(settlements, now=now), patient=patient)
        # Without a share of time nothing is put off.
        return cast("tuple[Settled | NotApplied, ...]", answers)

    async def _settle_isolated(
        self, isolation: Isolation, settlements: Sequence[SettleBy], *, now: float
    ) -> Sequence[Settled | NotApplied]:
        with self._suspecting():
            answers = await isolation.settle(settlements, now=now)
        if self._opened is not None:
            self._opened.committed()
        return answers

    async def cancel(
        self, task_ids: Sequence[str], *, reason: str, now: float
    ) -> tuple[CancelResult, ...]:
        return await self._write(
            partial(administration.cancel, task_ids=tuple(task_ids), reason=reason, now=now)
        )

    async def edit(
        self, task_id: str, change: Change, *, who: str | None = None, now: float
    ) -> EditResult:
        edit = partial(editing.edit, task_id=task_id, change=change, who=who, now=now)
        return await self._write(edit)

    async def redrive(self, task_ids: Sequence[str], *, now: float) -> tuple[str, ...]:
        return await self._write(partial(administration.redrive, task_ids=tuple(task_ids), now=now))

    async def delete(self, task_ids: Sequence[str]) -> tuple[str, ...]:
        return await self._write(partial(administration.delete, task_ids=tuple(task_ids)))

    async def pause(self, queue: str, *, now: float) -> None:
        await self._write(partial(administration.pause, queue=queue, now=now))

    async def resume(self, queue: str) -> None:
        await self._write(partial(administration.resume, queue=queue))

    async def expire(self, status: Status, *, ended_before: float, limit: int) -> int:
        if status not in ENDED:
            raise ValueError(f"{status} is not an end")
        check_limit(limit)
        return await self._write(
            partial(administration.expire, status=status, ended_before=ended_before, limit=limit)
        )

    async def expire_waiting(self, *, limit: int, now: float) -> tuple[ExpiredTask, ...]:
        check_limit(limit)
        return await self._write(partial(expiry.expire_waiting, limit=limit, now=now))

    # --- verbs that read --------------------------------------------------------------------------

    async def held(self, owner: Owner) -> tuple[Delivery, ...]:
        return await self._read(partial(reads.held, owner=owner))

    async def cancel_requests(self, owner: Owner) -> Mapping[str, str]:
        return await self._read(partial(reads.cancel_requests, owner=owner))

    async def rescue(self, owner: Owner, *, now: float) -> tuple[Delivery, ...]:
        return await self._read(partial(reads.rescue, owner=owner, now=now))

    async def ahead(self, task: Task, *, limit: int, now: float) -> int:
        check_limit(limit)
        return await self._read(partial(reads.ahead, task=task, limit=limit, now=now))

    async def next_due(self, queue: str) -> float | None:
        return await self._read(partial(reads.next_due, queue=queue))

    async def next_expiry(self) -> float | None:
        return await self._read(expiry.next_expiry)

    async def all_due(self) -> Mapping[str, float]:
        return await self._read(reads.all_due)

    async def get(self, task_id: str, *, now: float) -> TaskHistory | None:
        self._serving().writer.flush()  # the end of this task may be about to be written
        return await self._read(partial(reads.get, task_id=task_id, now=now))

    async def logs(
        self, task_id: str, *, before: int | None = None, max_bytes: int
    ) -> LogPage | None:
        return await self._read(
            partial(logs.logs, task_id=task_id, before=before, max_bytes=max_bytes)
        )

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
        return await self._read(
            partial(
                searching.search,
                wanted=wanted,
                after=after,
                sort=sort,
                limit=limit,
                now=now,
                max_rows=max_rows,
                max_bytes=max_bytes,
                brief=brief,
            )
        )

    async def counts(self) -> Mapping[Status, int]:
        return await self._read(reads.counts)

    async def depths(self) -> Mapping[str, Mapping[Status, int]]:
        return await self._read(depths.depths)

    async def paused(self) -> Mapping[str, float]:
        return await self._read(reads.paused)
