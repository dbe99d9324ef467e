"""The completer: writes the outcomes of deliveries, and retries through outages of the storage."""

import asyncio
import contextlib
from collections.abc import Callable, Collection, Coroutine, Sequence
from typing import Any, TypeAlias

from msgspec.structs import replace

from taskqueue.actors import task_log
from taskqueue.actors.queue.dispatch import DispatchBuffer
from taskqueue.actors.queue.fetch_schedule import FetchSchedule
from taskqueue.actors.queue.handler_ends import HandlerEnds
from taskqueue.actors.storage_client import UNREACHABLE, RetryingClient
from taskqueue.api.hooks import Hooks
from taskqueue.clock import Clock
from taskqueue.errors import OperationFailed, StorageBusy
from taskqueue.rules import policy
from taskqueue.rules.activity import Activity
from taskqueue.rules.leases.chains import Key
from taskqueue.rules.leases.values import Finished
from taskqueue.rules.measures import TaskMeasures
from taskqueue.rules.policy import RetryPolicy
from taskqueue.rules.tasks import (
    Complete,
    DeadLetter,
    NotApplied,
    Requeue,
    SettleBy,
    Settled,
    Settlement,
)
from taskqueue.runtime import ActorRef
from taskqueue.storage.protocol import Storage
from taskqueue.structs import Struct
from taskqueue.task_ends import is_awaited
from taskqueue.throttle import ThrottledLog

# How often a completion is tried that fails although the storage works. Then its attempt fails,
# because its result or a follow-up cannot be stored.
MAX_FAILURES = 3

_FAILURES = frozenset({Requeue, DeadLetter})
_CANCELLED = Settled.CANCELLED  # a name of this module: each look into an enum takes 0.1 us
_OF_ANOTHER = frozenset({Settled.REPEATED, Settled.LEASE_LOST})
_NOT_COUNTED = frozenset({_CANCELLED, Settled.LEASE_LOST})

Answer: TypeAlias = Settled | NotApplied
"""What became of a settlement."""


class PendingSettlement(Struct):
    """A settlement of one delivery that is not written yet."""

    finished: Finished
    settlement: Settlement
    decided_at: float  # when its attempt had just ended
    rescue: str | None  # why no consumer has reported it

    def is_needless(self, written: Settled) -> bool:
        """Return whether this is a rescue that another node or the holder made superfluous."""
        return self.finished.lease_end is not None and written in _OF_ANOTHER


class Completer:
    """Decides the settlement of each outcome, writes it, and logs and counts it.

    Settlements are sent at once, in the order of `settle`, and again until the storage has
    answered: a token settles only once, however often it is sent.
    """

    def __init__(
        self,
        storage: RetryingClient,
        policy_of: Callable[[str], RetryPolicy],
        clock: Clock,
        *,
        jitter: Callable[[], float],
        begin_task: Callable[[Coroutine[Any, Any, None]], asyncio.Task[None]],
        dispatch: DispatchBuffer[ActorRef],
        schedule: FetchSchedule,
        activity: Activity,
        measures: TaskMeasures,
        hooks: Hooks,
        handler_ends: HandlerEnds,
    ) -> None:
        """Make a completer that has nothing to write.

        Args:
            storage: where it writes.
            policy_of: returns the retry policy of an action.
            clock: the time.
            jitter: draws from [0, 1).
            begin_task: runs a coroutine as part of the actor that owns the completer.
            dispatch: whose ledger learns what is written.
            schedule: notified of tasks that a settlement makes ready.
            activity: counts settlements of the last minutes.
            measures: counts settlements since the start.
            hooks: called for each settlement.
            handler_ends: holds outcomes back while their handlers still run.
        """
        self._storage = storage
        self._policy_of = policy_of
        self._clock = clock
        self._jitter = jitter
        self._begin_task = begin_task
        self._dispatch = dispatch
        self._schedule = schedule
        self._activity = activity
        self._measures = measures
        self._hooks = hooks
        self._handler_ends = handler_ends
        activity.begin(clock.monotonic())
        self._postponed = ThrottledLog("settlement_postponed", clock)
        self._writing: set[asyncio.Task[None]] = set()
        self._kept: set[asyncio.Task[None]] = set()  # until their handlers end

    def settle(
        self,
        finished: Sequence[Finished],
        then: Callable[[], object] | None = None,
        *,
        rescue: str | None = None,
    ) -> asyncio.Task[None]:
        """Write the outcomes of some deliveries, and call `then` when all of them are written.

        The returned task also ends with its actor, so its end does not prove a write. The outcome
        of a limited task whose handler still runs is written when that has ended; neither `then`
        nor the returned task waits for it. `rescue` says why no consumer reported the outcomes.
        """
        pending, now = [], self._clock.now()
        for each in finished:
            known = each if each.delivery.task.limits is None else self._unless_kept(each)
            if known is not None:
                pending.append(self._pending(known, rescue, now=now))
        writing = self._begin_task(self._write(pending, then))
        self._writing.add(writing)
        writing.add_done_callback(self._writing.discard)
        return writing

    def _unless_kept(self, finished: Finished) -> Finished | None:
        """Return the outcome of a limited task to be written now, as far as that is known.

        None if its handler runs on: then it is kept, and written when that has ended.
        """
        finished = self._handler_ends.known(finished)
        if not self._handler_ends.is_awaited(finished):
            return finished
        self._handler_ends.keep(finished)
        self._kept.add(keeping := self._begin_task(self._settle_at_end(finished)))
        keeping.add_done_callback(self._kept.discard)
        return None

    async def _settle_at_end(self, finished: Finished) -> None:
        delivery, began_at = finished.delivery, finished.started_at or self._clock.now()
        with contextlib.suppress(*UNREACHABLE):  # else its status alone does not tell that it runs
            await self._storage.use(Storage.start, (delivery.token,), now=began_at)
        await self._handler_ends.wait(delivery.task)
        self.settle([finished])

    async def idle(self) -> None:
        """Stop waiting for handlers, and wait until everything is written."""
        self._handler_ends.stop()
        while pending := self._writing | self._kept:
            await asyncio.wait(pending)

    def _pending(
        self, finished: Finished, rescue: str | None = None, *, now: float
    ) -> PendingSettlement:
        task = finished.delivery.task
        settlement = policy.settlement(
            task,
            finished.outcome,
            self._policy_of(task.action),
            now=now,
            jitter=self._jitter(),
        )
        return PendingSettlement(
            finished=finished, settlement=settlement, decided_at=now, rescue=rescue
        )

    async def _write(
        self, batch: Sequence[PendingSettlement], then: Callable[[], object] | None
    ) -> None:
        """Write a batch. A refused completion is written as the failure that it becomes."""
        while batch:
            try:
                answered = list(zip(batch, await self._settle(batch), strict=True))
            except StorageBusy as error:  # one of them waits for another program, the others do not
                self._postponed.info(tasks=len(batch), reason=error.reason)
                await asyncio.gather(*(self._write([each], None) for each in batch))
                break
            written = [(each, answer) for each, answer in answered if isinstance(answer, Settled)]
            with self._dispatch as leases:
                leases.settled(each.finished.delivery.token for each, _ in written)
                chained_keys = leases.chained_keys
            self._handler_ends.written(each.finished.delivery.token for each, _ in written)
            now = self._clock.monotonic()
            for each, answer in written:
                if each.is_needless(answer):
                    continue
                self._report(each, answer, chained_keys)
                self._count(each, answer, now)
            decided_at = self._clock.now()
            batch = [
                self._pending(
                    replace(each.finished, outcome=policy.outcome_of(answer)), now=decided_at
                )
                for each, answer in answered
                if isinstance(answer, NotApplied)
            ]
        if then is not None:
            then()

    def _report(
        self, pending: PendingSettlement, written: Settled, chained_keys: Collection[Key]
    ) -> None:
        task, settlement = pending.finished.delivery.task, pending.settlement
        if pending.rescue is not None:
            task_log.rescued(task, pending.rescue)
        task_log.settled(task, pending.finished.outcome, settlement, written)
        self._hooks.settled(task, settlement, written)
        if task.limits is not None and (task.queue, task.limits) not in chained_keys:
            self._schedule.slot_freed(task.queue)
        if written is not _CANCELLED:
            for queue, ready_at in policy.ready_at(task, settlement):
                self._schedule.expect_work(queue, ready_at)

    def _count(self, pending: PendingSettlement, written: Settled, now: float) -> None:
        task, began_at = pending.finished.delivery.task, pending.finished.started_at
        self._measures.settled(
            task, pending.settlement, written, started_at=began_at, ended_at=pending.decided_at
        )
        if written in _NOT_COUNTED:
            return
        if isinstance(pending.settlement, Complete) and pending.settlement.follow_ups:
            self._activity.service.enqueued(len(pending.settlement.follow_ups), now)
        settlement = type(pending.settlement)
        self._activity.ended(
            task.queue,
            now,
            waited_s=None if began_at is None else began_at - task.run_at,
            ran_s=None if began_at is None else pending.decided_at - began_at,
            completed=settlement is Complete,
            failed=settlement in _FAILURES,
        )

    async def _settle(self, batch: Sequence[PendingSettlement]) -> Sequence[Answer]:
        failures = 0
        while True:
            try:
                return await self._try(batch)
            except OperationFailed as error:
                if len(batch) > 1:  # one of them may be the cause
                    return [answer for each in batch for answer in await self._settle([each])]
                failures += 1
                if failures >= MAX_FAILURES and isinstance(batch[0].settlement, Complete):
                    return [NotApplied(error=f"cannot be completed: {error.reason}")]
                await self._storage.again()
            except StorageBusy as error:
                if len(batch) > 1:
                    raise
                task_id = batch[0].finished.delivery.task.id
                self._postponed.info(task_id=task_id, reason=error.reason)
                await self._storage.again()
            except UNREACHABLE:
                await self._storage.again()

    async def _try(self, batch: Sequence[PendingSettlement]) -> Sequence[Answer]:
        settlements = [
            SettleBy(
                token=each.finished.delivery.token,
                settlement=each.settlement,
                started_at=each.finished.started_at,
                log=each.finished.log,
                lease_end=each.finished.lease_end,
            )
            for each in batch
        ]
        patient = len(batch) == 1 and _may_wait(batch[0])
        return await self._storage.use(
            Storage.settle, settlements, patient=patient, now=self._clock.now()
        )


def _may_wait(pending: PendingSettlement) -> bool:
    """Return whether nothing waits for this settlement: no caller, slot, group or follow-up."""
    task, settlement = pending.finished.delivery.task, pending.settlement
    return (
        isinstance(settlement, Complete)
        and not settlement.follow_ups
        and task.limits is None
        and task.group is None
        and not is_awaited(task.id)
    )
