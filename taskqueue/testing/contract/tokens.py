"""The part of the storage contract about `settle`: whose token still holds."""

import pytest

from taskqueue.rules.tasks import Complete, SettleBy, Settled, Settlement, Status
from taskqueue.storage.protocol import Storage
from taskqueue.testing.contract.steps import (
    ANOTHER,
    BURIAL,
    CRASH,
    DONE,
    FAILURE,
    ME,
    SETTLEMENTS,
    STALE,
    add,
    attempts_of,
    claim,
    new_task,
    settle,
    task_of,
)


class TokenContract:
    """A part of `StorageContract`, whose `storage` it is given."""

    async def test_settlements_are_answered_in_the_order_given(self, storage: Storage) -> None:
        await add(storage, "a", "b", "c")
        a, b, c = await claim(storage)
        await settle(storage, c, FAILURE)
        batch = [
            SettleBy(token=c.token, settlement=FAILURE),
            SettleBy(token=b.token, settlement=BURIAL),
            SettleBy(token=STALE, settlement=DONE),
            SettleBy(token=a.token, settlement=DONE),
        ]

        answers = await storage.settle(batch, now=2.0)

        assert answers == (
            Settled.REPEATED,
            Settled.WRITTEN,
            Settled.LEASE_LOST,
            Settled.WRITTEN,
        )
        assert (await task_of(storage, "a")).status is Status.COMPLETED
        assert (await task_of(storage, "b")).status is Status.DEAD

    @pytest.mark.parametrize("settlement", SETTLEMENTS, ids=lambda each: type(each).__name__)
    async def test_settling_twice_the_same_way_is_repeated_and_writes_once(
        self, storage: Storage, settlement: Settlement
    ) -> None:
        await add(storage, "a")
        [delivery] = await claim(storage)
        await settle(storage, delivery, settlement, now=1.0)
        after = await storage.get("a", now=1.0)
        counts = await storage.counts()

        answer = await settle(storage, delivery, settlement, now=2.0)

        assert answer is Settled.REPEATED
        assert await storage.get("a", now=1.0) == after
        assert await storage.counts() == counts

    @pytest.mark.parametrize("settlement", SETTLEMENTS, ids=lambda each: type(each).__name__)
    async def test_settling_twice_in_different_ways_loses_the_lease(
        self, storage: Storage, settlement: Settlement
    ) -> None:
        await add(storage, "a")
        [delivery] = await claim(storage)
        await settle(storage, delivery, settlement, now=1.0)
        after = await storage.get("a", now=1.0)
        others = [other for other in SETTLEMENTS if type(other) is not type(settlement)]

        answers = [await settle(storage, delivery, other, now=2.0) for other in others]

        assert answers == [Settled.LEASE_LOST] * len(others)
        assert await storage.get("a", now=1.0) == after

    async def test_a_token_settles_once_within_a_batch_too(self, storage: Storage) -> None:
        await add(storage, "a")
        [delivery] = await claim(storage)
        batch = [
            SettleBy(token=delivery.token, settlement=settlement)
            for settlement in (FAILURE, FAILURE, DONE)
        ]

        answers = await storage.settle(batch, now=1.0)

        assert answers == (Settled.WRITTEN, Settled.REPEATED, Settled.LEASE_LOST)
        assert len(await attempts_of(storage, "a")) == 1

    async def test_a_repeated_settlement_is_known_while_another_holds_the_task(
        self, storage: Storage
    ) -> None:
        await add(storage, "a")
        [first] = await claim(storage)
        await settle(storage, first, FAILURE)
        [second] = await claim(storage, now=10.0)

        while_held = await settle(storage, first, FAILURE, now=11.0)
        await settle(storage, second, DONE, now=12.0)
        afterwards = await settle(storage, first, FAILURE, now=13.0)

        assert (while_held, afterwards) == (Settled.REPEATED, Settled.LEASE_LOST)

    async def test_only_the_latest_settlement_is_remembered_within_a_batch_too(
        self, storage: Storage
    ) -> None:
        await add(storage, "a")
        [first] = await claim(storage)
        await settle(storage, first, FAILURE)
        [second] = await claim(storage, now=10.0)
        batch = [
            SettleBy(token=first.token, settlement=FAILURE),
            SettleBy(token=second.token, settlement=DONE),
            SettleBy(token=first.token, settlement=FAILURE),
        ]

        answers = await storage.settle(batch, now=11.0)

        assert answers == (Settled.REPEATED, Settled.WRITTEN, Settled.LEASE_LOST)

    async def test_an_expired_lease_still_settles_if_no_other_did(self, storage: Storage) -> None:
        await add(storage, "a")
        [delivery] = await claim(storage, lease_s=1.0)
        await storage.rescue(ANOTHER, now=100.0)

        assert await settle(storage, delivery, DONE, now=100.0) is Settled.WRITTEN

    async def test_a_holder_that_lost_its_task_writes_nothing(self, storage: Storage) -> None:
        await add(storage, "a")
        [late] = await claim(storage, lease_s=1.0, owner=ME)
        [rescued] = await storage.rescue(ANOTHER, now=2.0)
        await settle(storage, rescued, CRASH, now=2.0)
        [current] = await claim(storage, owner=ANOTHER, now=10.0)
        before = await storage.get("a", now=11.0)
        with_follow_up = Complete(result="1", follow_ups=(new_task("b"),))

        answer = await settle(storage, late, with_follow_up, now=11.0)

        assert answer is Settled.LEASE_LOST
        assert await storage.get("a", now=11.0) == before
        assert await storage.get("b", now=11.0) is None
        assert await settle(storage, current, DONE, now=12.0) is Settled.WRITTEN
