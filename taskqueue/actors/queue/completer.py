"""The completer: writes what became of deliveries, however long the storage is away."""

import asyncio
from collections.abc import Callable, Coroutine, Sequence
from typing import Any, TypeAlias

from taskqueue.actors import task_log
from taskqueue.actors.messages import Finished
from taskqueue.actors.storage_client import UNREACHABLE, PatientClient
from taskqueue.clock import Clock
from taskqueue.errors import OperationFailed
from taskqueue.rules import policy
from taskqueue.rules.policy import RetryPolicy
from taskqueue.rules.tasks import (
    AttemptOutcome,
    Complete,
    Conflicted,
    Crashed,
    Delivery,
    Failed,
    Interrupted,
    NotApplied,
    Outcome,
    Postpone,
    Release,
    Requeue,
    SettleBy,
    Settled,
    Settlement,
    Task,
)
from taskqueue.storage.protocol import Storage
from taskqueue.structs import Struct

# How often a completion is tried that fails although the storage works, before its attempt has
# failed: a result or a follow-up that cannot be stored will never be.
MOST_FAILURES = 3

Answer: TypeAlias = Settled | NotApplied
"""What became of a settlement."""


class PendingSettlement(Struct):
    """What is going to be written about one delivery, and why."""

    delivery: Delivery
    outcome: Outcome
    started_at: float | None
    settlement: Settlement


class Completer:
    """Decides what is written for an outcome, writes it, logs it, and says what is ready then.

    It is on its way to the storage at once, in the order of `settle`, and repeated until that has
    answered: a token settles once, however often it is tried.
    """

    def __init__(
        self,
        storage: PatientClient,
        retry: RetryPolicy,
        clock: Clock,
        *,
        jitter: Callable[[], float],
        start_task: Callable[[Coroutine[Any, Any, None]], asyncio.Task[None]],
        on_ready: Callable[[str, float], None],
    ) -> None:
        """Make a completer that has nothing to write.

        Args:
            storage: where it writes.
            retry: how failures are answered.
            clock: the time.
            jitter: draws from [0, 1).
            start_task: runs a coroutine as part of whoever owns the completer.
            on_ready: hears of which queue, at which instant, a task is ready that was not.
        """
        self._storage = storage
        self._retry = retry
        self._clock = clock
        self._jitter = jitter
        self._on_ready = on_ready
        self._start_task = start_task
        self._writing: set[asyncio.Task[None]] = set()
        self._unwritten: set[str] = set()

    @property
    def unwritten(self) -> frozenset[str]:
        """The tokens of what has been settled, but is not known to be written."""
        return frozenset(self._unwritten)

    def settle_all(
        self, finished: Sequence[Finished], then: Callable[[], object] | None = None
    ) -> asyncio.Task[None]:
        """Take what happened to some deliveries; `then` is called when all that is written.

        The task also ends when its owner does, so its end alone proves no write.
        """
        self._unwritten.update(each.delivery.token for each in finished)
        conclusions = [self._conclusion(each) for each in finished]
        writing = self._start_task(self._write(conclusions, then))
        self._writing.add(writing)
        writing.add_done_callback(self._writing.discard)
        return writing

    def settle(
        self, delivery: Delivery, outcome: Outcome, started_at: float | None = None
    ) -> asyncio.Task[None]:
        """Take the outcome of a delivery that nobody reports."""
        finished = Finished(delivery=delivery, outcome=outcome, started_at=started_at)
        return self.settle_all([finished])

    def _conclusion(self, finished: Finished) -> PendingSettlement:
        delivery, outcome = finished.delivery, finished.outcome
        settlement = policy.settlement(
            delivery.task, outcome, self._retry, now=self._clock.now(), jitter=self._jitter()
        )
        return PendingSettlement(
            delivery=delivery,
            outcome=outcome,
            started_at=finished.started_at,
            settlement=settlement,
        )

    def settle_orphan(self, delivery: Delivery) -> asyncio.Task[None]:
        """Conclude for a holder that is gone."""
        task_log.rescued(delivery, "its holder is gone")
        outcome = policy.abandoned(delivery.task, started=delivery.started, policy=self._retry)
        return self.settle(delivery, outcome)

    def release(self, deliveries: Sequence[Delivery]) -> None:
        """Return deliveries that never started."""
        handed_back = Interrupted()
        self.settle_all(
            [Finished(delivery=each, outcome=handed_back, started_at=None) for each in deliveries]
        )

    async def idle(self) -> None:
        """Wait until everything settled is written."""
        while self._writing:
            await asyncio.wait(self._writing)

    async def _write(
        self, batch: Sequence[PendingSettlement], then: Callable[[], object] | None
    ) -> None:
        """Write a batch; what cannot be written as it was meant is written as what that is."""
        while batch:
            refused: list[PendingSettlement] = []
            for conclusion, answer in zip(batch, await self._settle(batch), strict=True):
                if isinstance(answer, Settled):
                    self._note(conclusion, answer)
                else:
                    refused.append(self._refused(conclusion, _outcome_of(answer)))
            batch = refused
        if then is not None:
            then()

    def _refused(self, conclusion: PendingSettlement, outcome: Outcome) -> PendingSettlement:
        """Return what is written instead, as a handler's statements cannot be applied."""
        return self._conclusion(
            Finished(
                delivery=conclusion.delivery, outcome=outcome, started_at=conclusion.started_at
            )
        )

    def _note(self, conclusion: PendingSettlement, written: Settled) -> None:
        delivery, settlement = conclusion.delivery, conclusion.settlement
        self._unwritten.discard(delivery.token)
        task_log.settled(delivery.task, conclusion.outcome, settlement, written)
        if written is not Settled.CANCELLED:
            for queue, ready_at in _ready_at(delivery.task, settlement):
                self._on_ready(queue, ready_at)

    async def _settle(self, batch: Sequence[PendingSettlement]) -> Sequence[Answer]:
        failures = 0
        while True:
            try:
                return await self._try(batch)
            except OperationFailed as error:
                if len(batch) > 1:
                    return [answer for each in batch for answer in await self._settle([each])]
                failures += 1
                if failures >= MOST_FAILURES and isinstance(batch[0].settlement, Complete):
                    return [NotApplied(error=f"cannot be completed: {error.reason}")]
                await self._storage.again()
            except UNREACHABLE:
                await self._storage.again()

    async def _try(self, batch: Sequence[PendingSettlement]) -> Sequence[Answer]:
        settlements = [
            SettleBy(
                token=each.delivery.token,
                settlement=each.settlement,
                started_at=each.started_at,
            )
            for each in batch
        ]
        return await self._storage.use(Storage.settle, settlements, now=self._clock.now())


def _outcome_of(answer: NotApplied) -> Outcome:
    match answer.outcome:
        case AttemptOutcome.CONFLICTED:
            return Conflicted(error=answer.error)
        case AttemptOutcome.CRASHED:
            return Crashed(error=answer.error)
        case _:
            return Failed(error=answer.error)


def _ready_at(task: Task, settlement: Settlement) -> Sequence[tuple[str, float]]:
    """Return where and when tasks are ready that were not before this was written; 0: at once."""
    match settlement:
        case Complete(follow_ups=follow_ups):
            return [(each.queue, each.run_at or 0.0) for each in follow_ups] if follow_ups else ()
        case Requeue(run_at=run_at) | Postpone(run_at=run_at):
            return [(task.queue, run_at)]
        case Release():
            return [(task.queue, 0.0)]
        case _:
            return ()
