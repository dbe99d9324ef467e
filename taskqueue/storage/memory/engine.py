"""The storage that is plainly right: the model of the others, and a double for tests.

Everything is one dict, every verb walks it. What is kept lives as long as the object.
"""

import sqlite3
import weakref
from collections import Counter
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from operator import attrgetter
from typing import assert_never
from uuid import uuid4

from msgspec.structs import replace

from taskqueue.errors import StatementRefused, StorageUnavailable
from taskqueue.rules.tasks import (
    ENDED,
    Acceptance,
    Accepted,
    Attempt,
    AttemptOutcome,
    Cancel,
    CancelAnswer,
    CancelResult,
    Complete,
    DeadLetter,
    Delivery,
    NewTask,
    NotApplied,
    Owner,
    Postpone,
    Release,
    Requeue,
    Rows,
    SettleBy,
    Settled,
    Settlement,
    Statement,
    Status,
    Task,
    TaskHistory,
)
from taskqueue.storage.follow_ups import tell_refused
from taskqueue.storage.lifecycle import Migration
from taskqueue.storage.limits import MAX_ATTEMPTS, check_limit, within_bytes
from taskqueue.storage.order import first_due
from taskqueue.storage.protocol import Storage
from taskqueue.storage.sqlite.handler_sql import execution

_SCHEMA = (Migration(version=1, name="tasks"),)


@dataclass(kw_only=True)
class _Lease:
    token: str
    owner: Owner
    claimed_at: float
    expires_at: float
    waited_as: Status  # what a hand-back restores
    started: bool = False


@dataclass(kw_only=True)
class _Row:
    task: Task
    fingerprint: str | None = None
    lease: _Lease | None = None
    settled: tuple[str, type[Settlement]] | None = None  # the latest: token, kind
    attempts: list[Attempt] = field(default_factory=list)

    def reads(self, now: float) -> Task:
        """The task as it reads at `now`: what has come due is queued."""
        if self.task.status is Status.SCHEDULED and self.task.run_at <= now:
            return replace(self.task, status=Status.QUEUED)
        return self.task

    def delivery(self, lease: _Lease) -> Delivery:
        return Delivery(
            token=lease.token,
            task=self.reads(lease.claimed_at),
            expires_at=lease.expires_at,
            started=lease.started,
        )


class MemoryStorage(Storage):
    """Tasks in a dict. `close` keeps them for the next `open` of the same object.

    The statements of handlers are applied to an SQLite database in memory, under the same rules as
    in a file. The queue's own tables are not there, so what reads them is refused.
    """

    def __init__(self) -> None:
        self._rows: dict[str, _Row] = {}
        self._paused: dict[str, float] = {}
        self._migrated = False
        self._open = False

    # --- the file that is none --------------------------------------------------------------------

    async def open(self) -> None:
        if not self._migrated:
            raise StorageUnavailable("nothing there yet; run the migration")
        self._open = True

    async def close(self) -> None:
        self._open = False

    def abandon(self) -> None:
        self._open = False

    def on_loss(self, notify: Callable[[StorageUnavailable], object]) -> None:
        """Never calls it: memory is not lost before its process is."""

    async def migrate(self) -> tuple[Migration, ...]:
        taken = () if self._migrated else _SCHEMA
        self._migrated = True
        return taken

    # --- verbs that write -------------------------------------------------------------------------

    async def probe(self) -> None:
        self._require_open()

    async def insert(self, tasks: Sequence[NewTask], *, now: float) -> tuple[Accepted, ...]:
        self._require_open()
        return self._insert(tasks, now=now)

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
        to_claim = [
            place
            for queue, most in room.items()
            if queue not in self._paused and not self._ready(queue, now=now)
            for place in first_due(tasks, queue, limit=most, now=now)
        ]
        accepted = self._insert(tasks, now=now)
        deliveries = (
            self._claim(self._rows[tasks[place].id], owner=owner, lease_s=lease_s, now=now)
            for place in to_claim
            if accepted[place].acceptance is Acceptance.ACCEPTED
        )
        return accepted, tuple(deliveries)

    async def claim(
        self, queue: str, *, limit: int, owner: Owner, lease_s: float, now: float
    ) -> tuple[Delivery, ...]:
        check_limit(limit)
        self._require_open()
        ready = self._ready(queue, now=now)[:limit]
        return tuple(self._claim(row, owner=owner, lease_s=lease_s, now=now) for row in ready)

    async def start(self, tokens: Sequence[str], *, now: float) -> None:
        self._require_open()
        for row, lease in self._holding(tokens):
            _start(row, lease, now=now)

    async def extend(self, tokens: Sequence[str], *, lease_s: float, now: float) -> tuple[str, ...]:
        self._require_open()
        extended = set()
        for _, lease in self._holding(tokens):
            lease.expires_at = now + lease_s
            extended.add(lease.token)
        return tuple(token for token in tokens if token not in extended)

    async def report(self, progress: Mapping[str, str], *, now: float) -> None:
        self._require_open()
        for row, lease in self._holding(progress):
            row.task = replace(row.task, progress=progress[lease.token])

    async def dry_run(
        self, statements: Sequence[Statement], query: Statement, *, limit_s: float
    ) -> Rows:
        self._require_open()
        return execution.dry_run(self._sql, tuple(statements), query, limit_s=limit_s)

    async def settle(
        self, settlements: Sequence[SettleBy], *, now: float
    ) -> tuple[Settled | NotApplied, ...]:
        self._require_open()
        return tuple(self._settle(by, now=now) for by in settlements)

    async def cancel(
        self, task_ids: Sequence[str], *, reason: str, now: float
    ) -> tuple[CancelResult, ...]:
        self._require_open()
        return tuple(self._cancel(task_id, reason=reason, now=now) for task_id in task_ids)

    async def redrive(self, task_ids: Sequence[str], *, now: float) -> tuple[str, ...]:
        self._require_open()
        return tuple(task_id for task_id in task_ids if self._redrive(task_id, now=now))

    async def delete(self, task_ids: Sequence[str]) -> tuple[str, ...]:
        self._require_open()
        return tuple(task_id for task_id in task_ids if self._delete(task_id))

    async def pause(self, queue: str, *, now: float) -> None:
        self._require_open()
        self._paused.setdefault(queue, now)

    async def resume(self, queue: str) -> None:
        self._require_open()
        self._paused.pop(queue, None)

    async def expire(self, status: Status, *, ended_before: float, limit: int) -> int:
        if status not in ENDED:
            raise ValueError(f"{status} is not an end")
        check_limit(limit)
        self._require_open()
        ended = [
            (row.task.processed_at, task_id)
            for task_id, row in self._rows.items()
            if row.task.status is status
            and row.task.processed_at is not None
            and row.task.processed_at < ended_before
        ]
        expired = sorted(ended, key=lambda end: end[0])[:limit]
        for _, task_id in expired:
            del self._rows[task_id]
        return len(expired)

    # --- verbs that read --------------------------------------------------------------------------

    async def held(self, owner: Owner) -> tuple[Delivery, ...]:
        self._require_open()
        return _deliveries((row, lease) for row, lease in self._leased() if lease.owner == owner)

    async def rescue(self, owner: Owner, *, now: float) -> tuple[Delivery, ...]:
        self._require_open()
        return _deliveries(
            (row, lease)
            for row, lease in self._leased()
            if lease.expires_at < now or (lease.owner.node == owner.node and lease.owner != owner)
        )

    async def next_due(self, queue: str) -> float | None:
        self._require_open()
        return min((row.task.run_at for row in self._waiting(queue)), default=None)

    async def all_due(self) -> Mapping[str, float]:
        self._require_open()
        queues = {row.task.queue for row in self._rows.values()}
        dues = {queue: await self.next_due(queue) for queue in queues}
        return {queue: due for queue, due in dues.items() if due is not None}

    async def get(self, task_id: str, *, now: float) -> TaskHistory | None:
        self._require_open()
        row = self._rows.get(task_id)
        if row is None:
            return None
        return TaskHistory(task=row.reads(now), attempts=tuple(row.attempts[-MAX_ATTEMPTS:]))

    async def find(
        self,
        *,
        status: Status | None = None,
        action: str | None = None,
        queue: str | None = None,
        before: str | None = None,
        limit: int,
        now: float,
        max_bytes: int | None = None,
        brief: bool = False,
    ) -> tuple[Task, ...]:
        check_limit(limit)
        self._require_open()
        found = [
            task
            for task in (row.reads(now) for row in self._rows.values())
            if (status is None or task.status is status)
            and (action is None or task.action == action)
            and (queue is None or task.queue == queue)
            and (before is None or task.id < before)
        ]
        page = sorted(found, key=attrgetter("id"), reverse=True)[:limit]
        if brief:
            page = [replace(task, payload="", result=None, progress=None) for task in page]
        return tuple(page if max_bytes is None else within_bytes(page, max_bytes))

    async def counts(self) -> Mapping[Status, int]:
        self._require_open()
        counted = Counter(row.task.status for row in self._rows.values())
        return {status: counted[status] for status in Status}

    async def paused(self) -> Mapping[str, float]:
        self._require_open()
        return dict(self._paused)

    # --- steps ------------------------------------------------------------------------------------

    def _require_open(self) -> None:
        if not self._open:
            raise StorageUnavailable("closed")

    def _waiting(self, queue: str) -> Iterator[_Row]:
        if queue in self._paused:
            return
        for row in self._rows.values():
            if row.task.queue == queue and row.lease is None and row.task.status not in ENDED:
                yield row

    def _ready(self, queue: str, *, now: float) -> list[_Row]:
        """Return what can be claimed, in the order of a claim."""
        ready = (row for row in self._waiting(queue) if row.task.run_at <= now)
        return sorted(ready, key=lambda row: (row.task.priority, row.task.run_at, row.task.id))

    def _leased(self) -> Iterator[tuple[_Row, _Lease]]:
        for row in self._rows.values():
            if row.lease is not None:
                yield row, row.lease

    def _holding(self, tokens: Collection[str]) -> list[tuple[_Row, _Lease]]:
        return [(row, lease) for row, lease in self._leased() if lease.token in tokens]

    def _insert(self, tasks: Sequence[NewTask], *, now: float) -> tuple[Accepted, ...]:
        new = [  # all are sound, or none is kept
            _Row(task=_accepted(task, now=now), fingerprint=task.fingerprint) for task in tasks
        ]
        return tuple(map(self._accept, new))

    def _accept(self, new: _Row) -> Accepted:
        if new.task.id in self._rows:
            return Accepted(id=new.task.id, acceptance=Acceptance.REPEATED)
        holder = self._holder_of(new.task.unique_key)
        if holder is None:
            self._rows[new.task.id] = new
            return Accepted(id=new.task.id, acceptance=Acceptance.ACCEPTED)
        same = holder.fingerprint == new.fingerprint
        acceptance = Acceptance.REPEATED if same else Acceptance.CONFLICT
        return Accepted(id=holder.task.id, acceptance=acceptance)

    def _holder_of(self, unique_key: str | None) -> _Row | None:
        for row in self._rows.values():
            if unique_key is not None and row.task.unique_key == unique_key:
                return row
        return None

    def _claim(self, row: _Row, *, owner: Owner, lease_s: float, now: float) -> Delivery:
        row.lease = _Lease(
            token=uuid4().hex,
            owner=owner,
            claimed_at=now,
            expires_at=now + lease_s,
            waited_as=row.task.status,
        )
        row.task = replace(
            row.task, attempt=row.task.attempt + 1, deliveries=row.task.deliveries + 1
        )
        return row.delivery(row.lease)

    def _settle(self, by: SettleBy, *, now: float) -> Settled | NotApplied:
        settlement = by.settlement
        this = (by.token, type(settlement))
        for row, lease in self._holding([by.token]):
            if isinstance(settlement, Complete) and settlement.statements:
                refusal = self._apply(settlement.statements)
                if refusal is not None:
                    return refusal
            if by.started_at is not None:
                _start(row, lease, now=by.started_at)
            written = _write(row, lease, settlement, now=now)
            row.lease, row.settled = None, this
            if isinstance(settlement, Complete):
                follow_ups = settlement.follow_ups
                answers = self._insert(follow_ups, now=now)
                tell_refused(zip(follow_ups, answers, strict=True))
            return written
        if any(row.settled == this for row in self._rows.values()):
            return Settled.REPEATED
        return Settled.LEASE_LOST

    def _apply(self, statements: tuple[Statement, ...]) -> NotApplied | None:
        try:
            execution.apply(self._sql, statements)
        except execution.RowsChanged as error:
            return NotApplied(error=str(error), outcome=AttemptOutcome.CONFLICTED)
        except StatementRefused as error:
            return NotApplied(error=error.detail)
        return None

    @cached_property
    def _sql(self) -> sqlite3.Connection:
        # Whoever made this object need not be the thread whose loop uses it.
        db = sqlite3.connect(":memory:", isolation_level=None, check_same_thread=False)
        db.execute("PRAGMA foreign_keys = OFF")
        weakref.finalize(self, db.close)
        return db

    def _cancel(self, task_id: str, *, reason: str, now: float) -> CancelResult:
        row = self._rows.get(task_id)
        if row is None:
            return CancelResult(task_id=task_id, answer=CancelAnswer.UNKNOWN)
        if row.task.status in ENDED:
            return CancelResult(task_id=task_id, answer=CancelAnswer.ENDED)
        if row.lease is not None:
            if row.task.cancel_reason is None:
                row.task = replace(row.task, cancel_reason=reason)
            return CancelResult(
                task_id=task_id, answer=CancelAnswer.REQUESTED, token=row.lease.token
            )
        row.task = replace(row.task, status=Status.CANCELLED, reason=reason, processed_at=now)
        return CancelResult(task_id=task_id, answer=CancelAnswer.CANCELLED)

    def _delete(self, task_id: str) -> bool:
        row = self._rows.get(task_id)
        if row is None or row.task.status not in ENDED:
            return False
        del self._rows[task_id]
        return True

    def _redrive(self, task_id: str, *, now: float) -> bool:
        row = self._rows.get(task_id)
        if row is None or row.task.status is not Status.DEAD:
            return False
        row.task = replace(
            row.task,
            status=Status.QUEUED,
            run_at=now,
            attempt=0,
            crashes=0,
            deliveries=0,
            processed_at=None,
            reason=None,
            cancel_reason=None,
        )
        return True


def _accepted(task: NewTask, *, now: float) -> Task:
    run_at = now if task.run_at is None else task.run_at
    return Task(
        id=task.id,
        action=task.action,
        payload=task.payload,
        queue=task.queue,
        priority=task.priority,
        status=Status.SCHEDULED if run_at > now else Status.QUEUED,
        attempt=0,
        max_attempts=task.max_attempts,
        crashes=0,
        deliveries=0,
        run_at=run_at,
        created_at=now,
        started_at=None,
        processed_at=None,
        result=None,
        reason=None,
        unique_key=task.unique_key,
    )


def _deliveries(leased: Iterator[tuple[_Row, _Lease]]) -> tuple[Delivery, ...]:
    def oldest_claim(held: tuple[_Row, _Lease]) -> tuple[float, int, float, str]:
        row, lease = held
        return lease.claimed_at, row.task.priority, row.task.run_at, row.task.id

    return tuple(row.delivery(lease) for row, lease in sorted(leased, key=oldest_claim))


def _start(row: _Row, lease: _Lease, *, now: float) -> None:
    if not lease.started:
        lease.started = True
        row.task = replace(row.task, status=Status.RUNNING, started_at=now, progress=None)


def _write(row: _Row, lease: _Lease, settlement: Settlement, *, now: float) -> Settled:
    task = row.task
    # The latest attempt may be settled without ever having started.
    started_at = task.started_at if lease.started else None

    def add(
        outcome: AttemptOutcome, error: str | None = None, traceback: str | None = None
    ) -> None:
        row.attempts.append(
            Attempt(
                attempt=task.attempt,
                outcome=outcome,
                error=error,
                traceback=traceback,
                started_at=started_at,
                ended_at=now,
            )
        )

    match settlement:
        case Complete(result=result):
            row.task = replace(
                task,
                status=Status.COMPLETED,
                started_at=started_at,
                processed_at=now,
                result=result,
                reason=None,
            )
            add(AttemptOutcome.COMPLETED)
        case Requeue(run_at=run_at, outcome=outcome, error=error, traceback=traceback):
            row.task = replace(
                task,
                status=Status.RETRYING,
                started_at=started_at,
                run_at=run_at,
                crashes=task.crashes + (outcome is AttemptOutcome.CRASHED),
                reason=error,
            )
            add(outcome, error, traceback)
        case Postpone(run_at=run_at, outcome=outcome, error=error_or_none):
            row.task = replace(
                task,
                status=Status.SCHEDULED,
                started_at=started_at,
                run_at=run_at,
                attempt=task.attempt - 1,
            )
            add(outcome, error_or_none)
        case DeadLetter(reason=reason, outcome=outcome, error=error, traceback=traceback):
            row.task = replace(
                task,
                status=Status.DEAD,
                started_at=started_at,
                processed_at=now,
                crashes=task.crashes + (outcome is AttemptOutcome.CRASHED),
                reason=reason,
            )
            add(outcome, error, traceback)
        case Cancel(reason=reason):
            row.task = replace(
                task,
                status=Status.CANCELLED,
                started_at=started_at,
                processed_at=now,
                reason=reason,
            )
            add(AttemptOutcome.CANCELLED, reason)
        case Release(delivery_counts=delivery_counts):
            row.task = replace(
                task,
                status=lease.waited_as,
                attempt=task.attempt - 1,
                deliveries=task.deliveries - (not (delivery_counts or lease.started)),
            )
            if lease.started:
                add(AttemptOutcome.INTERRUPTED)
        case never:
            assert_never(never)
    if task.cancel_reason is not None and row.task.status not in ENDED:
        row.task = replace(
            row.task, status=Status.CANCELLED, reason=task.cancel_reason, processed_at=now
        )
        return Settled.CANCELLED
    return Settled.WRITTEN
