"""The part of the storage contract about `claim`: which tasks it takes, and in what order."""

import msgspec
import pytest

from taskqueue.rules.tasks import Acceptance, Complete, Release, SettleBy, Settled, Status
from taskqueue.storage.protocol import Storage
from taskqueue.testing.contract.steps import (
    ANOTHER,
    DONE,
    ENDS,
    FAILURE,
    STALE,
    add,
    claim,
    ids,
    new_task,
    settle,
    task_of,
)


class ClaimContract:
    """A part of `StorageContract`, whose `storage` it is given."""

    async def test_a_claim_counts_an_attempt_and_a_delivery_and_leaves_the_status(
        self, storage: Storage
    ) -> None:
        await add(storage, "a")

        [delivery] = await claim(storage, lease_s=30.0, now=2.0)

        assert (delivery.started, delivery.expires_at) == (False, 32.0)
        assert (delivery.task.attempt, delivery.task.deliveries) == (1, 1)
        assert delivery.task.status is Status.QUEUED
        assert delivery.task == await task_of(storage, "a", now=2.0)

    async def test_a_task_shows_whether_it_is_held(self, storage: Storage) -> None:
        await add(storage, "a", "b")
        [held] = await claim(storage, limit=1)

        histories = [await storage.get(task_id, now=0.0) for task_id in ("a", "b")]
        await settle(storage, held, DONE)
        ended = await storage.get("a", now=1.0)

        assert [each.is_held for each in histories if each is not None] == [True, False]
        assert ended is not None
        assert not ended.is_held

    async def test_claims_go_by_priority_then_run_at_then_id(self, storage: Storage) -> None:
        await add(storage, "d", priority=0, run_at=3.0)
        await add(storage, "c", "b", priority=0, run_at=2.0)
        await add(storage, "a", priority=7, run_at=1.0)
        await add(storage, "e", priority=-1, run_at=4.0)

        claimed = await claim(storage, now=5.0)

        assert ids(claimed) == ["e", "b", "c", "d", "a"]

    async def test_as_many_tasks_are_ahead_as_a_claim_would_take_first(
        self, storage: Storage
    ) -> None:
        await add(storage, "e", priority=-1, run_at=4.0)
        await add(storage, "c", "b", priority=0, run_at=2.0)
        await add(storage, "d", priority=0, run_at=3.0)
        await add(storage, "a", priority=7, run_at=1.0)
        await add(storage, "not due", priority=-1, run_at=9.0)
        await add(storage, "elsewhere", priority=-1, run_at=1.0, queue="other")

        order = ["e", "b", "c", "d", "a"]
        ahead = [
            await storage.ahead(await task_of(storage, task_id, now=5.0), limit=9, now=5.0)
            for task_id in order
        ]

        assert ahead == [0, 1, 2, 3, 4]
        last = await task_of(storage, "a", now=5.0)
        assert await storage.ahead(last, limit=2, now=5.0) == 2
        await claim(storage, limit=2, now=5.0)
        assert await storage.ahead(last, limit=9, now=5.0) == 2

    async def test_a_claim_takes_no_more_than_its_limit_and_the_best_first(
        self, storage: Storage
    ) -> None:
        await add(storage, "a", "b", priority=1)
        await add(storage, "c", priority=0)

        assert await claim(storage, limit=0) == ()
        assert ids(await claim(storage, limit=2)) == ["c", "a"]
        assert ids(await claim(storage, limit=2)) == ["b"]
        assert await claim(storage, limit=2) == ()

    async def test_a_claim_takes_what_is_due_and_nothing_that_lies_ahead(
        self, storage: Storage
    ) -> None:
        await add(storage, "a", run_at=10.0, priority=0)
        await add(storage, "b", run_at=10.5, priority=0)
        await add(storage, "c", run_at=9.0, priority=1)

        assert ids(await claim(storage, now=9.9)) == ["c"]
        assert ids(await claim(storage, now=10.0)) == ["a"]

    async def test_a_claim_sees_only_its_own_queue(self, storage: Storage) -> None:
        await add(storage, "a", queue="mail")
        await add(storage, "b", queue="default")

        assert ids(await claim(storage, queue="mail")) == ["a"]
        assert await claim(storage, queue="other") == ()

    async def test_what_is_held_is_not_claimed_again_even_past_its_lease(
        self, storage: Storage
    ) -> None:
        await add(storage, "a")
        await claim(storage, lease_s=30.0, now=0.0)

        assert await claim(storage, owner=ANOTHER, now=30.0) == ()
        assert await claim(storage, owner=ANOTHER, now=1000.0) == ()

    async def test_each_delivery_has_a_token_of_its_own(self, storage: Storage) -> None:
        await add(storage, "a", "b")
        first = await claim(storage)
        for delivery in first:
            await settle(storage, delivery, Release())

        second = await claim(storage)

        assert len({delivery.token for delivery in first + second}) == 4

    async def test_the_instants_of_a_claimed_task_are_what_they_were_to_the_last_bit(
        self, storage: Storage
    ) -> None:
        odd = (-1763795434.1, -3.3, 0.0, 1e-300, 0.1, 1 / 3, 1763795434.123456, 2.0**31 + 0.1, 1e18)
        for n, instant in enumerate(odd):
            await add(storage, f"{n}-due", run_at=instant, now=1763795434.25 + n / 7)
            await add(storage, f"{n}-new", run_at=-1e19, now=instant)
        first = await claim(storage, limit=100, now=1e19)
        for delivery, instant in zip(first, odd + odd, strict=True):
            await storage.start([delivery.token], now=instant)
            await settle(storage, delivery, Release(), now=1e19)
        stored = [await task_of(storage, delivery.task.id, now=1e19) for delivery in first]

        again = await claim(storage, limit=100, now=1e19)

        assert [task.run_at for task in stored] == [-1e19] * 9 + sorted(odd)
        assert sorted(task.created_at for task in stored[:9]) == sorted(odd)
        assert [task.started_at for task in stored] == [*odd, *odd]
        for before, delivery in zip(stored, again, strict=True):
            counted = {"attempt": 1, "deliveries": before.deliveries + 1}
            assert delivery.task == msgspec.structs.replace(before, **counted)

    @pytest.mark.parametrize("length", [15, 16, 17, 33, 255, 256, 257, 600])
    async def test_a_batch_may_have_any_length(self, storage: Storage, length: int) -> None:
        names = [f"{n:03}" for n in range(length)]
        known = new_task(names[-1], queue="other")
        await storage.insert([known], now=0.0)

        accepted = await storage.insert([*map(new_task, names)], now=0.0)
        claimed = await claim(storage, limit=length)
        tokens = [delivery.token for delivery in claimed]
        await storage.start(tokens[::2], now=1.0)
        lost = await storage.extend([*tokens, STALE], lease_s=30.0, now=1.0)
        await storage.report(dict.fromkeys(tokens[1::2], "1"), now=1.0)
        settled = await storage.settle(
            [
                SettleBy(token=token, settlement=DONE if n % 3 else FAILURE, started_at=2.0)
                for n, token in enumerate(tokens)
            ],
            now=3.0,
        )

        assert [answer.acceptance for answer in accepted] == [
            *[Acceptance.ACCEPTED] * (length - 1),
            Acceptance.REPEATED,
        ]
        assert ids(claimed) == names[:-1]
        assert lost == (STALE,)
        assert settled == (Settled.WRITTEN,) * (length - 1)
        failed = len(tokens[::3])
        assert await storage.counts() == {
            **dict.fromkeys(Status, 0),
            Status.QUEUED: 1,
            Status.RETRYING: failed,
            Status.COMPLETED: length - 1 - failed,
        }
        for name, started_at, progress in zip(names, (1.0, 2.0), (None, None), strict=False):
            task = await task_of(storage, name, now=3.0)
            assert (task.started_at, task.progress) == (started_at, progress)

    async def test_a_batch_that_completes_is_completed_whatever_its_tasks_were(
        self, storage: Storage
    ) -> None:
        await add(storage, "again", "queued", "running", "to be cancelled")
        [first] = await claim(storage, limit=1)
        await settle(storage, first, FAILURE)
        await add(storage, "scheduled", run_at=10.0)
        held = await claim(storage, now=10.0)
        tokens = {delivery.task.id: delivery.token for delivery in held}
        await storage.start([tokens["running"]], now=10.5)
        await storage.cancel(["to be cancelled"], reason="not wanted", now=10.5)
        follow_up = Complete(result="1", follow_ups=(new_task("follow-up", run_at=20.0),))
        batch = [
            SettleBy(token=token, settlement=follow_up if name == "queued" else DONE)
            for name, token in tokens.items()
        ]

        answers = await storage.settle(batch, now=11.0)
        repeated = await storage.settle(batch, now=12.0)

        assert answers == (Settled.WRITTEN,) * 5
        assert repeated == (Settled.REPEATED,) * 5
        assert await storage.counts() == {
            **dict.fromkeys(Status, 0),
            Status.SCHEDULED: 1,
            Status.COMPLETED: 5,
        }
        assert (await task_of(storage, "running")).started_at == 10.5
        assert (await task_of(storage, "queued")).started_at is None

    async def test_what_ended_is_never_claimed_again(self, storage: Storage) -> None:
        await add(storage, "a", "b", "c")
        for delivery, end in zip(await claim(storage), ENDS, strict=True):
            await settle(storage, delivery, end)

        assert await claim(storage, now=1e9) == ()
