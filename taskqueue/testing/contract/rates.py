"""The part of the storage contract about rates: how many tasks may start in a while."""

import pytest

from taskqueue.rules.limits import LimitUse, LimitValues, Taken
from taskqueue.rules.tasks import Release, SettleBy, Settlement
from taskqueue.storage.protocol import Storage
from taskqueue.testing.contract.gates import limited
from taskqueue.testing.contract.steps import (
    BURIAL,
    CANCEL,
    CRASH,
    DONE,
    FAILURE,
    LATER,
    claim,
    ids,
    settle,
)


class RatesContract:
    """A part of `StorageContract`, whose `storage` it is given."""

    async def test_starts_are_spaced_beyond_the_burst(self, storage: Storage) -> None:
        rate = LimitValues(starts=1, per_s=10.0, burst=2)
        await storage.declare_limits({"smtp": rate}, now=0.0)
        await storage.insert([limited(name) for name in "abcd"], now=100.0)

        starts = {now: ids(await claim(storage, now=now)) for now in (100, 109.9, 110, 119, 120)}

        assert starts == {100: ["a", "b"], 109.9: [], 110: ["c"], 119: [], 120: ["d"]}

    async def test_the_next_start_that_a_rate_allows_is_known(self, storage: Storage) -> None:
        await storage.declare_limits({"smtp": LimitValues(starts=1, per_s=10.0)}, now=0.0)
        await storage.insert([limited("a"), limited("b"), limited("c", queue="mail")], now=100.0)
        await claim(storage, now=100.0)
        await claim(storage, queue="mail", now=100.0)

        assert await storage.next_due("default") == 110.0
        assert await storage.all_due() == {"default": 110.0, "mail": 110.0}

    async def test_a_cost_counts_as_so_many_starts_even_beyond_the_burst(
        self, storage: Storage
    ) -> None:
        rate = LimitValues(starts=10, per_s=10.0, burst=4)
        await storage.declare_limits({"smtp": rate}, now=0.0)
        await storage.insert(
            [
                limited("a", LimitUse("smtp", None, 3)),
                limited("b", LimitUse("smtp", None, 2)),
                limited("c", LimitUse("smtp", None, 9)),
                limited("d", LimitUse("smtp", None, 1)),
            ],
            now=0.0,
        )

        starts = [ids(await claim(storage, now=now)) for now in (0.0, 1.0, 4.0, 5.0, 10.9, 11.0)]

        assert starts == [["a"], ["b"], [], ["c"], [], ["d"]]

    @pytest.mark.parametrize(
        ("settlement", "counts"),
        [
            (DONE, True),
            (FAILURE, True),
            (CRASH, True),
            (BURIAL, True),
            (CANCEL, True),
            (LATER, False),
            (Release(), False),
        ],
        ids=lambda each: type(each).__name__,
    )
    async def test_a_start_counts_unless_the_attempt_is_returned(
        self, storage: Storage, settlement: Settlement, counts: bool
    ) -> None:
        await storage.declare_limits({"smtp": LimitValues(starts=1, per_s=100.0)}, now=0.0)
        await storage.insert([limited("a"), limited("b", run_at=1.0)], now=0.0)
        [held] = await claim(storage)
        await storage.start([held.token], now=0.0)

        await settle(storage, held, settlement, now=1.0)

        assert bool(await claim(storage, limit=1, now=2.0)) is not counts

    async def test_what_the_bucket_has_gained_since_a_start_is_not_given_back_again(
        self, storage: Storage
    ) -> None:
        rate = LimitValues(starts=1, per_s=10.0, burst=2)
        await storage.declare_limits({"smtp": rate}, now=0.0)
        await storage.insert([limited(task_id) for task_id in "abcd"], now=0.0)
        [held] = await claim(storage, limit=1)
        others = await claim(storage, now=100.0)

        await settle(storage, held, Release(), now=100.0)
        at_once = await claim(storage, now=100.0)
        later = await claim(storage, now=110.0)

        assert (ids(others), ids(at_once), ids(later)) == (["b", "c"], [], ["a"])

    async def test_a_claimed_task_that_is_cancelled_before_it_begins_gives_its_start_back(
        self, storage: Storage
    ) -> None:
        await storage.declare_limits({"smtp": LimitValues(starts=1, per_s=100.0)}, now=0.0)
        await storage.insert([limited("a"), limited("b")], now=0.0)
        [held] = await claim(storage)

        await settle(storage, held, CANCEL)

        assert ids(await claim(storage, now=1.0)) == ["b"]

    async def test_a_cancelled_task_that_began_unnoticed_does_not(self, storage: Storage) -> None:
        await storage.declare_limits({"smtp": LimitValues(starts=1, per_s=100.0)}, now=0.0)
        await storage.insert([limited("a"), limited("b")], now=0.0)
        [held] = await claim(storage)

        by = SettleBy(token=held.token, settlement=CANCEL, started_at=0.5)
        await storage.settle([by], now=1.0)

        assert await claim(storage, now=1.0) == ()

    async def test_a_cost_that_is_charged_later_leaves_a_debt_and_may_be_given_back(
        self, storage: Storage
    ) -> None:
        await storage.declare_limits({"smtp": LimitValues(starts=1, per_s=10.0, burst=2)}, now=0.0)
        await storage.insert([limited(task_id) for task_id in "abc"], now=0.0)
        await claim(storage)

        assert await storage.charge(LimitUse("smtp", None, 3), now=0.0)
        in_debt = await claim(storage, now=39.0)
        assert await storage.charge(LimitUse("smtp", None, -2), now=39.0)
        given_back = await claim(storage, now=39.0)

        assert (ids(in_debt), ids(given_back)) == ([], ["c"])
        assert not await storage.charge(LimitUse("unknown"), now=0.0)

    async def test_plain_code_takes_starts_as_tasks_do(self, storage: Storage) -> None:
        rate = LimitValues(starts=10, per_s=10.0, burst=5)
        await storage.declare_limits({"smtp": rate}, now=0.0)

        first = await storage.take_starts(LimitUse("smtp", None, 5), now=100.0)
        second = await storage.take_starts(LimitUse("smtp", None, 2), now=100.0)
        other = await storage.take_starts(LimitUse("smtp", "x", 5), now=100.0)
        third = await storage.take_starts(LimitUse("smtp", None, 2), now=102.0)

        assert first == other == Taken(granted=True, retry_at=100.0)
        assert second == Taken(granted=False, retry_at=102.0)
        assert third == Taken(granted=True, retry_at=102.0)
        assert await storage.take_starts(LimitUse("unknown"), now=0.0) is None
