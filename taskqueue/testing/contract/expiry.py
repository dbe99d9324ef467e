"""The part of the storage contract about tasks that have to start by a certain instant."""

from taskqueue.rules.expiry import EXPIRED, ExpiredTask
from taskqueue.rules.tasks import Release, Status
from taskqueue.storage.protocol import Storage
from taskqueue.testing.contract.steps import (
    BURIAL,
    FAILURE,
    LATER,
    ME,
    add,
    claim,
    ids,
    new_task,
    settle,
    task_of,
)


async def expire(storage: Storage, *, now: float, limit: int = 10) -> list[str]:
    """End what has expired; return the ids."""
    return [task.id for task in await storage.expire_waiting(limit=limit, now=now)]


class ExpiryContract:
    """A part of `StorageContract`, whose `storage` it is given."""

    async def test_a_task_that_has_not_started_in_time_is_cancelled_with_that_reason(
        self, storage: Storage
    ) -> None:
        await add(storage, "a", queue="mail", expires_at=9.5)
        before = await storage.expire_waiting(limit=10, now=9.25)

        expired = await storage.expire_waiting(limit=10, now=9.5)

        assert before == ()
        assert expired == (ExpiredTask(id="a", action="uppercase", queue="mail"),)
        task = await task_of(storage, "a")
        assert (task.status, task.reason) == (Status.CANCELLED, EXPIRED)
        assert (task.processed_at, task.expires_at, task.attempt) == (9.5, 9.5, 0)
        assert (await storage.counts())[Status.CANCELLED] == 1
        assert await claim(storage, queue="mail", now=9.5) == ()
        assert await expire(storage, now=99.0) == []

    async def test_those_that_expired_first_are_ended_first_up_to_the_limit_in_all_queues(
        self, storage: Storage
    ) -> None:
        await add(storage, "c", "b", expires_at=5.0)
        await add(storage, "a", expires_at=6.0, run_at=50.0)
        await add(storage, "d", expires_at=4.0, queue="mail")
        await add(storage, "e")
        await storage.pause("default", now=0.0)

        assert await storage.next_expiry() == 4.0
        assert await expire(storage, now=9.0, limit=3) == ["d", "b", "c"]
        assert await storage.next_expiry() == 6.0
        assert await expire(storage, now=9.0, limit=3) == ["a"]
        assert await storage.next_expiry() is None

    async def test_a_delivery_shows_when_its_task_expires_to_the_last_bit(
        self, storage: Storage
    ) -> None:
        odd = 1_800_000_000.1 + 0.3
        await add(storage, "a", expires_at=odd)
        await add(storage, "b", expires_at=7.5)

        claimed = await claim(storage)

        assert [each.task.expires_at for each in claimed] == [odd, 7.5]
        assert await storage.held(ME) == claimed
        _, [inserted] = await storage.insert_and_claim(
            [new_task("c", expires_at=odd)],
            room={"default": 1},
            owner=ME,
            lease_s=9.0,
            now=0.0,
        )
        assert inserted.task.expires_at == odd

    async def test_what_is_claimed_does_not_expire_but_what_was_only_buffered_does(
        self, storage: Storage
    ) -> None:
        await add(storage, "a", expires_at=5.0)
        [delivery] = await claim(storage)

        while_held = await expire(storage, now=6.0)
        await settle(storage, delivery, Release())

        assert while_held == []
        assert await expire(storage, now=6.0) == ["a"]

    async def test_what_has_started_once_expires_no_more(self, storage: Storage) -> None:
        await add(storage, "a", "b", "c", expires_at=5.0)
        failed, snoozed, interrupted = await claim(storage)
        await storage.start([each.token for each in (snoozed, interrupted)], now=1.0)
        await settle(storage, failed, FAILURE)
        await settle(storage, snoozed, LATER)
        await settle(storage, interrupted, Release())

        assert await storage.next_expiry() is None
        assert await expire(storage, now=6.0) == []
        assert sorted(ids(await claim(storage, now=20.0))) == ["a", "b", "c"]

    async def test_a_redriven_task_expires_no_more(self, storage: Storage) -> None:
        await add(storage, "a", expires_at=5.0)
        [delivery] = await claim(storage)
        await settle(storage, delivery, BURIAL)

        await storage.redrive(["a"], now=2.0)

        assert (await task_of(storage, "a")).expires_at is None
        assert await expire(storage, now=6.0) == []
