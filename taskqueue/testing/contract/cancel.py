"""The part of the storage contract about tasks that shall not be done any more."""

import pytest

from taskqueue.rules.tasks import (
    AttemptOutcome,
    CancelAnswer,
    CancelResult,
    Complete,
    Postpone,
    Release,
    Settled,
    Settlement,
    Status,
)
from taskqueue.storage.protocol import Storage
from taskqueue.testing.contract.steps import (
    ANOTHER,
    BURIAL,
    CANCEL,
    CRASH,
    DONE,
    EARLIER_ME,
    ENDS,
    FAILURE,
    LATER,
    ME,
    SETTLEMENTS,
    add,
    attempts_of,
    claim,
    new_task,
    settle,
    task_of,
)

# What would leave a task to be done again, and the line of each that was started.
AGAIN: tuple[tuple[Settlement, AttemptOutcome, str | None], ...] = (
    (FAILURE, AttemptOutcome.FAILED, "ValueError: no"),
    (CRASH, AttemptOutcome.CRASHED, "signal 9"),
    (LATER, AttemptOutcome.SNOOZED, None),
    (
        Postpone(run_at=10.0, outcome=AttemptOutcome.CONFLICTED, error="changed"),
        AttemptOutcome.CONFLICTED,
        "changed",
    ),
    (Release(), AttemptOutcome.INTERRUPTED, None),
)


async def cancel(
    storage: Storage, *task_ids: str, reason: str = "not wanted", now: float = 5.0
) -> list[CancelAnswer]:
    """Ask for cancellations; return the answers."""
    results = await storage.cancel(task_ids, reason=reason, now=now)
    assert [result.task_id for result in results] == list(task_ids)
    return [result.answer for result in results]


class CancelContract:
    """What `cancel` does, and what it means to the settlements after it."""

    async def test_a_task_without_a_lease_is_cancelled_at_once_without_an_attempt(
        self, storage: Storage
    ) -> None:
        await add(storage, "queued")
        await add(storage, "later", run_at=60.0)
        counts = await storage.counts()

        answers = await cancel(storage, "later", "queued")

        assert answers == [CancelAnswer.CANCELLED] * 2
        for task_id in ("queued", "later"):
            task = await task_of(storage, task_id)
            assert (task.status, task.reason) == (Status.CANCELLED, "not wanted")
            assert (task.processed_at, task.attempt) == (5.0, 0)
            assert await attempts_of(storage, task_id) == ()
        assert counts[Status.QUEUED] == counts[Status.SCHEDULED] == 1
        assert await storage.counts() == {**dict.fromkeys(Status, 0), Status.CANCELLED: 2}
        assert await claim(storage, now=1e9) == ()
        assert await storage.next_due("default") is None

    async def test_what_waits_for_another_attempt_keeps_its_history_when_cancelled(
        self, storage: Storage
    ) -> None:
        await add(storage, "a")
        [delivery] = await claim(storage)
        await settle(storage, delivery, FAILURE)
        before = await attempts_of(storage, "a")

        answers = await cancel(storage, "a")

        task = await task_of(storage, "a")
        assert answers == [CancelAnswer.CANCELLED]
        assert (task.status, task.reason, task.attempt) == (Status.CANCELLED, "not wanted", 1)
        assert await attempts_of(storage, "a") == before
        assert await settle(storage, delivery, FAILURE) is Settled.REPEATED

    @pytest.mark.parametrize("started", [False, True])
    async def test_what_is_held_is_marked_for_its_holder(
        self, storage: Storage, started: bool
    ) -> None:
        await add(storage, "a")
        [delivery] = await claim(storage)
        if started:
            await storage.start([delivery.token], now=1.0)
        before = await task_of(storage, "a")

        [result] = await storage.cancel(["a"], reason="not wanted", now=5.0)

        assert result == CancelResult(
            task_id="a", answer=CancelAnswer.REQUESTED, token=delivery.token
        )
        task = await task_of(storage, "a")
        assert (task.status, task.reason) == (before.status, None)
        assert task.cancel_reason == "not wanted"
        assert await storage.extend([delivery.token], lease_s=30.0, now=6.0) == ()

    async def test_its_holder_can_ask_for_the_marks_alone(self, storage: Storage) -> None:
        await add(storage, "a", "b")
        [a, _] = await claim(storage, limit=2)
        await add(storage, "c")
        await claim(storage, owner=ANOTHER)

        await cancel(storage, "a")
        await cancel(storage, "c")

        assert await storage.cancel_requests(ME) == {a.token: "not wanted"}

    async def test_a_held_task_shows_that_it_is_to_be_cancelled(self, storage: Storage) -> None:
        await add(storage, "a")
        await claim(storage, owner=EARLIER_ME)
        await cancel(storage, "a")

        [held] = await storage.held(EARLIER_ME)
        [rescued] = await storage.rescue(ME, now=1.0)
        [found] = await storage.find(limit=1, now=1.0)

        assert held.task.cancel_reason == "not wanted"
        assert rescued.task.cancel_reason == found.cancel_reason == "not wanted"

    async def test_a_first_reason_stays(self, storage: Storage) -> None:
        await add(storage, "a")
        [delivery] = await claim(storage)

        answers = [await cancel(storage, "a", reason=reason) for reason in ("", "first", "second")]

        assert answers == [[CancelAnswer.REQUESTED]] * 3
        assert (await task_of(storage, "a")).cancel_reason == ""
        await settle(storage, delivery, FAILURE)
        task = await task_of(storage, "a")
        assert (task.status, task.reason) == (Status.CANCELLED, "")

    async def test_what_ended_or_never_was_is_left_as_it_is(self, storage: Storage) -> None:
        await add(storage, "a", "b", "c")
        for delivery, end in zip(await claim(storage), ENDS, strict=True):
            await settle(storage, delivery, end)
        before = [await storage.get(task_id, now=0.0) for task_id in "abc"]

        answers = await cancel(storage, "a", "nobody", "b", "c")

        ended = CancelAnswer.ENDED
        assert answers == [ended, CancelAnswer.UNKNOWN, ended, ended]
        assert [await storage.get(task_id, now=0.0) for task_id in "abc"] == before

    async def test_a_task_named_twice_is_cancelled_once(self, storage: Storage) -> None:
        await add(storage, "a")

        answers = await cancel(storage, "a", "a")

        assert answers == [CancelAnswer.CANCELLED, CancelAnswer.ENDED]
        assert (await storage.counts())[Status.CANCELLED] == 1

    async def test_cancelling_nothing_is_harmless(self, storage: Storage) -> None:
        assert await cancel(storage) == []

    @pytest.mark.parametrize(
        ("settlement", "outcome", "error"), AGAIN, ids=lambda each: type(each).__name__
    )
    async def test_what_would_be_done_again_ends_cancelled_if_that_was_asked_for(
        self,
        storage: Storage,
        settlement: Settlement,
        outcome: AttemptOutcome,
        error: str | None,
    ) -> None:
        await add(storage, "a")
        [delivery] = await claim(storage)
        await storage.start([delivery.token], now=1.0)
        await cancel(storage, "a")

        settled = await settle(storage, delivery, settlement, now=7.0)

        task = await task_of(storage, "a")
        assert settled is Settled.CANCELLED
        assert (task.status, task.reason) == (Status.CANCELLED, "not wanted")
        assert (task.cancel_reason, task.processed_at) == ("not wanted", 7.0)
        [line] = await attempts_of(storage, "a")
        assert (line.attempt, line.outcome, line.error) == (1, outcome, error)
        assert (line.started_at, line.ended_at) == (1.0, 7.0)
        assert await storage.counts() == {**dict.fromkeys(Status, 0), Status.CANCELLED: 1}
        assert await claim(storage, now=1e9) == ()
        assert await storage.held(ME) == ()
        assert await settle(storage, delivery, settlement, now=8.0) is Settled.REPEATED
        assert await task_of(storage, "a") == task

    async def test_what_never_started_ends_cancelled_without_a_line(self, storage: Storage) -> None:
        await add(storage, "a")
        [delivery] = await claim(storage)
        await cancel(storage, "a")

        await settle(storage, delivery, Release())

        task = await task_of(storage, "a")
        assert (task.status, task.attempt, task.deliveries) == (Status.CANCELLED, 0, 0)
        assert await attempts_of(storage, "a") == ()

    async def test_what_ends_anyway_ends_as_it_would_have(self, storage: Storage) -> None:
        await add(storage, "a", "b", "c")
        deliveries = await claim(storage)
        await cancel(storage, "a", "b", "c", reason="asked for")

        for delivery, end in zip(deliveries, ENDS, strict=True):
            await settle(storage, delivery, end)

        tasks = [await task_of(storage, task_id) for task_id in "abc"]
        assert [(task.status, task.reason) for task in tasks] == [
            (Status.COMPLETED, None),
            (Status.DEAD, BURIAL.reason),
            (Status.CANCELLED, CANCEL.reason),
        ]
        assert {task.cancel_reason for task in tasks} == {"asked for"}

    async def test_the_mark_holds_though_its_holder_dies_before_it_has_heard(
        self, storage: Storage
    ) -> None:
        await add(storage, "a")
        await claim(storage, owner=EARLIER_ME)
        await cancel(storage, "a")
        await storage.close()
        await storage.open()
        [rescued] = await storage.rescue(ME, now=1.0)

        await settle(storage, rescued, Release(delivery_counts=True))

        task = await task_of(storage, "a")
        assert (task.status, task.deliveries) == (Status.CANCELLED, 1)

    async def test_only_what_was_asked_for_is_cancelled_in_a_batch(self, storage: Storage) -> None:
        await add(storage, *"abcdef")
        deliveries = await claim(storage)
        await cancel(storage, "b", "f")

        for delivery, settlement in zip(deliveries, SETTLEMENTS, strict=True):
            await settle(storage, delivery, settlement)

        statuses = [(await task_of(storage, task_id)).status for task_id in "abcdef"]
        assert statuses == [
            Status.COMPLETED,
            Status.CANCELLED,
            Status.SCHEDULED,
            Status.DEAD,
            Status.CANCELLED,
            Status.CANCELLED,
        ]

    async def test_a_redriven_task_is_no_longer_to_be_cancelled(self, storage: Storage) -> None:
        await add(storage, "a")
        [delivery] = await claim(storage)
        await cancel(storage, "a")
        await settle(storage, delivery, BURIAL)

        await storage.redrive(["a"], now=2.0)

        assert (await task_of(storage, "a")).cancel_reason is None
        [again] = await claim(storage, now=2.0)
        await settle(storage, again, FAILURE, now=3.0)
        assert (await task_of(storage, "a")).status is Status.RETRYING

    async def test_a_cancelled_task_expires_and_is_not_redriven(self, storage: Storage) -> None:
        await add(storage, "a")
        await cancel(storage, "a", now=5.0)

        redriven = await storage.redrive(["a"], now=6.0)
        expired = await storage.expire(Status.CANCELLED, ended_before=6.0, limit=1)

        assert (redriven, expired) == ((), 1)

    async def test_follow_ups_of_a_marked_task_that_completes_are_accepted(
        self, storage: Storage
    ) -> None:
        await add(storage, "a")
        [delivery] = await claim(storage, owner=ANOTHER)
        await cancel(storage, "a")

        await settle(storage, delivery, Complete(result="1", follow_ups=(new_task("b"),)))

        assert (await task_of(storage, "a")).result == "1"
        assert (await task_of(storage, "b")).status is Status.QUEUED
        assert await settle(storage, delivery, DONE) is Settled.REPEATED
