"""The settler: writes what became of deliveries, however long the storage is away."""

import asyncio
from collections.abc import Callable, Coroutine, Sequence
from typing import Any

from taskqueue import policy
from taskqueue.actors import task_log
from taskqueue.actors.batcher import Batcher
from taskqueue.actors.database import UNREACHABLE, PatientClient
from taskqueue.clock import Clock
from taskqueue.policy import RetryPolicy
from taskqueue.storage.protocol import Storage
from taskqueue.tasks import (
    Complete,
    Conflicted,
    Delivery,
    Failed,
    HandBack,
    Interrupted,
    NotApplied,
    Outcome,
    Postpone,
    Requeue,
    SettleBy,
    Settled,
    Settlement,
    Task,
)
from taskqueue.words import Word


class Conclusion(Word):
    """What is going to be written about one delivery, and why."""

    delivery: Delivery
    outcome: Outcome
    settlement: Settlement


class Settler:
    """Decides what is written for an outcome, writes it, logs it, and says what is ready then.

    It is written in the order of `conclude`, all that waits at once, and repeated until the storage
    has answered: a token settles once, however often it is tried.
    """

    def __init__(
        self,
        storage: PatientClient,
        retry: RetryPolicy,
        clock: Clock,
        *,
        jitter: Callable[[], float],
        start_task: Callable[[Coroutine[Any, Any, None]], object],
        on_ready: Callable[[str, float], None],
    ) -> None:
        """Make a settler that has nothing to write.

        Args:
            storage: where it writes.
            retry: how failures are answered.
            clock: the time.
            jitter: draws from [0, 1).
            start_task: runs a coroutine as part of whoever owns the settler.
            on_ready: hears of which queue, at which instant, a task is ready that was not.
        """
        self._storage = storage
        self._retry = retry
        self._clock = clock
        self._jitter = jitter
        self._on_ready = on_ready
        self._batcher: Batcher[Conclusion, Settled] = Batcher(self._write, start_task)
        self._unwritten: set[str] = set()

    @property
    def unwritten(self) -> frozenset[str]:
        """The tokens of what has been concluded, but is not known to be written."""
        return frozenset(self._unwritten)

    def conclude(self, delivery: Delivery, outcome: Outcome) -> "asyncio.Future[Settled]":
        """Take the outcome of a delivery; the future is done when that is written."""
        self._unwritten.add(delivery.token)
        return self._batcher.add(self._conclusion(delivery, outcome))

    def _conclusion(self, delivery: Delivery, outcome: Outcome) -> Conclusion:
        settlement = policy.settlement(
            delivery.task, outcome, self._retry, now=self._clock.now(), jitter=self._jitter()
        )
        return Conclusion(delivery=delivery, outcome=outcome, settlement=settlement)

    def conclude_orphan(self, delivery: Delivery) -> "asyncio.Future[Settled]":
        """Conclude for a holder that is gone."""
        task_log.rescued(delivery, "its holder is gone")
        outcome = policy.abandoned(delivery.task, started=delivery.started, policy=self._retry)
        return self.conclude(delivery, outcome)

    def hand_back(self, delivery: Delivery) -> "asyncio.Future[Settled]":
        """Return a delivery that never started."""
        return self.conclude(delivery, Interrupted())

    async def idle(self) -> None:
        """Wait until everything concluded is written."""
        await self._batcher.idle()

    async def _write(self, batch: Sequence[Conclusion]) -> Sequence[Settled]:
        """Write a batch; what cannot be written as it was meant is written as what that is."""
        written: dict[int, Settled] = {}
        refused: dict[int, Conclusion] = {}
        for index, answer in enumerate(await self._settle(batch)):
            if isinstance(answer, NotApplied):
                refused[index] = self._refused(batch[index].delivery, answer)
            else:
                written[index] = answer
                self._note(batch[index], answer)
        if refused:
            again = await self._write(tuple(refused.values()))
            written.update(zip(refused, again, strict=True))
        return [written[index] for index in range(len(batch))]

    def _refused(self, delivery: Delivery, answer: NotApplied) -> Conclusion:
        """Return what it means that a handler's statements cannot be applied."""
        if answer.conflict:
            return self._conclusion(delivery, Conflicted(error=answer.error))
        return self._conclusion(delivery, Failed(error=answer.error))

    def _note(self, conclusion: Conclusion, written: Settled) -> None:
        delivery, settlement = conclusion.delivery, conclusion.settlement
        self._unwritten.discard(delivery.token)
        task_log.settled(delivery.task, conclusion.outcome, settlement, written)
        if written is not Settled.CANCELLED:
            for queue, ready_at in _ready_at(delivery.task, settlement):
                self._on_ready(queue, ready_at)

    async def _settle(self, batch: Sequence[Conclusion]) -> Sequence[Settled | NotApplied]:
        settlements = [
            SettleBy(token=each.delivery.token, settlement=each.settlement) for each in batch
        ]
        while True:
            try:
                return await self._storage.use(Storage.settle, settlements, now=self._clock.now())
            except UNREACHABLE:
                await self._storage.again()


def _ready_at(task: Task, settlement: Settlement) -> Sequence[tuple[str, float]]:
    """Return where and when tasks are ready that were not before this was written; 0: at once."""
    match settlement:
        case Requeue(run_at=run_at) | Postpone(run_at=run_at):
            return [(task.queue, run_at)]
        case HandBack():
            return [(task.queue, 0.0)]
        case Complete(follow_ups=follow_ups):
            return [(each.queue, each.run_at or 0.0) for each in follow_ups]
        case _:
            return []
