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
    Delivery,
    HandBack,
    Interrupted,
    Outcome,
    Postpone,
    Requeue,
    SettleBy,
    Settled,
    Settlement,
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
        on_ready: Callable[[float], None],
    ) -> None:
        """Make a settler that has nothing to write.

        Args:
            storage: where it writes.
            retry: how failures are answered.
            clock: the time.
            jitter: draws from [0, 1).
            start_task: runs a coroutine as part of whoever owns the settler.
            on_ready: hears at which instant a task is ready that was not.
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
        settlement = policy.settlement(
            delivery.task, outcome, self._retry, now=self._clock.now(), jitter=self._jitter()
        )
        self._unwritten.add(delivery.token)
        return self._batcher.add(
            Conclusion(delivery=delivery, outcome=outcome, settlement=settlement)
        )

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
        answers = await self._settle(
            [SettleBy(token=each.delivery.token, settlement=each.settlement) for each in batch]
        )
        for each, written in zip(batch, answers, strict=True):
            self._unwritten.discard(each.delivery.token)
            task_log.settled(each.delivery.task, each.outcome, each.settlement, written)
            for ready_at in _ready_at(each.settlement):
                self._on_ready(ready_at)
        return answers

    async def _settle(self, settlements: Sequence[SettleBy]) -> Sequence[Settled]:
        while True:
            try:
                return await self._storage.use(Storage.settle, settlements, now=self._clock.now())
            except UNREACHABLE:
                await self._storage.again()


def _ready_at(settlement: Settlement) -> Sequence[float]:
    """Return when tasks are ready that were not before this was written; 0: at once."""
    match settlement:
        case Requeue(run_at=run_at) | Postpone(run_at=run_at):
            return [run_at]
        case HandBack():
            return [0.0]
        case Complete(follow_ups=follow_ups):
            return [task.run_at or 0.0 for task in follow_ups]
        case _:
            return []
