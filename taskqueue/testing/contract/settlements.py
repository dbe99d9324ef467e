"""The part of the storage contract about `settle`: what each settlement writes."""

import msgspec
import pytest

from taskqueue.rules.tasks import (
    Attempt,
    AttemptOutcome,
    Complete,
    Postpone,
    Release,
    Settled,
    Settlement,
    Status,
)
from taskqueue.storage.protocol import Storage
from taskqueue.testing.contract.steps import (
    BURIAL,
    CANCEL,
    CRASH,
    DONE,
    FAILURE,
    LATER,
    add,
    attempts_of,
    claim,
    new_task,
    settle,
    task_of,
)


class SettlementContract:
    """A part of `StorageContract`, whose `storage` it is given."""

    async def test_complete_ends_the_task_with_its_result(self, storage: Storage) -> None:
        await add(storage, "a", now=0.0)
        [first] = await claim(storage)
        await settle(storage, first, FAILURE, now=1.0)
        [second] = await claim(storage, now=10.0)
        await storage.start([second.token], now=11.0)

        settled = await settle(storage, second, DONE, now=12.0)

        assert settled is Settled.WRITTEN
        task = await task_of(storage, "a")
        assert (task.status, task.result) == (Status.COMPLETED, DONE.result)
        assert (task.attempt, task.started_at, task.processed_at) == (2, 11.0, 12.0)
        assert task.reason is None

    async def test_the_completing_attempt_is_the_last_line_of_the_history(
        self, storage: Storage
    ) -> None:
        await add(storage, "a", now=0.0)
        [first] = await claim(storage)
        await storage.start([first.token], now=0.5)
        await settle(storage, first, FAILURE, now=1.0)
        [second] = await claim(storage, now=10.0)
        await storage.start([second.token], now=11.0)
        await settle(storage, second, DONE, now=12.0)

        assert await attempts_of(storage, "a") == (
            Attempt(
                attempt=1,
                outcome=AttemptOutcome.FAILED,
                error="ValueError: no",
                traceback="Traceback …",
                started_at=0.5,
                ended_at=1.0,
            ),
            Attempt(
                attempt=2,
                outcome=AttemptOutcome.COMPLETED,
                error=None,
                traceback=None,
                started_at=11.0,
                ended_at=12.0,
            ),
        )

    async def test_requeue_waits_for_its_time_with_the_attempt_used(self, storage: Storage) -> None:
        await add(storage, "a")
        [delivery] = await claim(storage)
        await storage.start([delivery.token], now=0.0)

        await settle(storage, delivery, FAILURE)

        task = await task_of(storage, "a")
        assert (task.status, task.run_at, task.attempt) == (Status.RETRYING, 10.0, 1)
        assert (task.reason, task.processed_at) == ("ValueError: no", None)
        assert await claim(storage, now=9.9) == ()
        [again] = await claim(storage, now=10.0)
        assert (again.task.attempt, again.task.deliveries) == (2, 2)
        assert again.task.status is Status.RETRYING

    async def test_only_a_crash_counts_as_a_crash(self, storage: Storage) -> None:
        burial = msgspec.structs.replace(BURIAL, outcome=AttemptOutcome.CRASHED)
        await add(storage, "a")
        crashes = []
        settlements: tuple[Settlement, ...] = (FAILURE, CRASH, LATER, Release(), CRASH, burial)
        for settlement in settlements:
            [delivery] = await claim(storage, now=10.0)
            await settle(storage, delivery, settlement, now=10.0)
            crashes.append((await task_of(storage, "a")).crashes)

        assert crashes == [0, 1, 1, 1, 2, 3]

    async def test_postpone_returns_the_attempt_and_schedules(self, storage: Storage) -> None:
        await add(storage, "a")
        [delivery] = await claim(storage)
        await storage.start([delivery.token], now=0.5)

        await settle(storage, delivery, LATER, now=1.0)

        task = await task_of(storage, "a", now=1.0)
        assert (task.status, task.run_at) == (Status.SCHEDULED, 10.0)
        assert (task.attempt, task.deliveries) == (0, 1)
        [line] = await attempts_of(storage, "a")
        assert (line.attempt, line.outcome) == (1, AttemptOutcome.SNOOZED)
        assert (line.started_at, line.ended_at) == (0.5, 1.0)

    async def test_what_is_postponed_says_why_in_its_history(self, storage: Storage) -> None:
        conflict = Postpone(
            run_at=10.0, outcome=AttemptOutcome.CONFLICTED, error="the balance has changed"
        )
        await add(storage, "a")
        [delivery] = await claim(storage)

        await settle(storage, delivery, conflict, now=1.0)

        [line] = await attempts_of(storage, "a")
        assert (line.outcome, line.error) == (conflict.outcome, conflict.error)
        assert (await task_of(storage, "a")).reason is None

    async def test_a_dead_letter_ends_the_task_and_says_why(self, storage: Storage) -> None:
        await add(storage, "a")
        [delivery] = await claim(storage)
        await storage.start([delivery.token], now=0.0)

        await settle(storage, delivery, BURIAL, now=4.0)

        task = await task_of(storage, "a")
        assert (task.status, task.reason) == (Status.DEAD, "all attempts failed")
        assert (task.attempt, task.processed_at, task.result) == (1, 4.0, None)
        [line] = await attempts_of(storage, "a")
        assert (line.outcome, line.error) == (AttemptOutcome.FAILED, "ValueError: no")

    async def test_cancel_ends_the_task_and_says_why(self, storage: Storage) -> None:
        await add(storage, "a")
        [delivery] = await claim(storage)

        await settle(storage, delivery, CANCEL, now=4.0)

        task = await task_of(storage, "a")
        assert (task.status, task.reason) == (Status.CANCELLED, "not wanted")
        assert (task.attempt, task.processed_at) == (1, 4.0)
        [line] = await attempts_of(storage, "a")
        assert (line.outcome, line.error) == (AttemptOutcome.CANCELLED, "not wanted")
        assert line.started_at is None

    @pytest.mark.parametrize("waits_as", ["queued", "scheduled", "retrying", "retried"])
    async def test_releasing_an_attempt_that_never_started_leaves_no_trace(
        self, storage: Storage, waits_as: str
    ) -> None:
        await self._waiting(storage, waits_as)
        before = await storage.get("a", now=20.0)
        counts = await storage.counts()
        [delivery] = await claim(storage, now=20.0)

        await settle(storage, delivery, Release(), now=21.0)

        assert await storage.get("a", now=20.0) == before
        assert await storage.counts() == counts
        [again] = await claim(storage, now=20.0)
        assert again.task.attempt == delivery.task.attempt

    @pytest.mark.parametrize("waits_as", ["queued", "scheduled", "retrying", "retried"])
    async def test_releasing_a_started_attempt_adds_an_interrupted_line(
        self, storage: Storage, waits_as: str
    ) -> None:
        await self._waiting(storage, waits_as)
        before = await storage.get("a", now=20.0)
        counts = await storage.counts()
        [delivery] = await claim(storage, now=20.0)
        await storage.start([delivery.token], now=20.5)

        await settle(storage, delivery, Release(), now=21.0)

        after = await storage.get("a", now=20.0)
        assert before is not None
        assert after is not None
        assert (after.task.status, after.task.attempt) == (before.task.status, before.task.attempt)
        assert after.attempts == (
            *before.attempts,
            Attempt(
                attempt=delivery.task.attempt,
                outcome=AttemptOutcome.INTERRUPTED,
                error=None,
                traceback=None,
                started_at=20.5,
                ended_at=21.0,
            ),
        )
        assert await storage.counts() == counts

    @pytest.mark.parametrize(("counts", "deliveries"), [(False, 0), (True, 1)])
    async def test_a_release_returns_the_delivery_unless_it_counts(
        self, storage: Storage, counts: bool, deliveries: int
    ) -> None:
        await add(storage, "a")
        [delivery] = await claim(storage)

        await settle(storage, delivery, Release(delivery_counts=counts))

        task = await task_of(storage, "a")
        assert (task.attempt, task.deliveries) == (0, deliveries)

    async def _waiting(self, storage: Storage, waits_as: str) -> None:
        run_at = 10.0 if waits_as == "scheduled" else None
        await add(storage, "a", run_at=run_at, now=0.0)
        if waits_as in ("retrying", "retried"):
            [failed] = await claim(storage)
            await storage.start([failed.token], now=0.5)
            await settle(storage, failed, FAILURE)
        if waits_as == "retried":  # and snoozed after that
            [snoozed] = await claim(storage, now=10.0)
            await settle(storage, snoozed, Postpone(run_at=15.0), now=10.0)

    async def test_an_attempt_that_never_started_has_no_start_of_an_earlier_one(
        self, storage: Storage
    ) -> None:
        await add(storage, "a")
        [first] = await claim(storage)
        await storage.start([first.token], now=0.5)
        await settle(storage, first, FAILURE)
        [second] = await claim(storage, now=10.0)

        await settle(storage, second, DONE, now=12.0)

        assert [line.started_at for line in await attempts_of(storage, "a")] == [0.5, None]
        assert (await task_of(storage, "a")).started_at is None

    async def test_follow_ups_are_accepted_with_the_ack(self, storage: Storage) -> None:
        await add(storage, "a")
        [delivery] = await claim(storage)
        follow_ups = (new_task("b"), new_task("c", run_at=99.0), new_task("a", priority=5))

        await settle(storage, delivery, Complete(result="1", follow_ups=follow_ups), now=3.0)

        assert (await task_of(storage, "a")).status is Status.COMPLETED
        follow_up = await task_of(storage, "b")
        assert (follow_up.status, follow_up.created_at) == (Status.QUEUED, 3.0)
        counts = await storage.counts()
        assert (counts[Status.QUEUED], counts[Status.SCHEDULED], counts[Status.COMPLETED]) == (
            1,
            1,
            1,
        )
