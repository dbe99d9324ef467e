"""The part of the storage contract about chains: what is leased behind a task that has slots."""

from typing import Any

import pytest

from taskqueue.rules.limits import LimitUse, LimitValues
from taskqueue.rules.tasks import Delivery, Release, SettleBy, Settlement
from taskqueue.storage.protocol import Storage
from taskqueue.testing.contract.gates import ONE, limited, of_key
from taskqueue.testing.contract.steps import (
    DONE,
    FAILURE,
    ME,
    SETTLEMENTS,
    claim,
    ids,
    new_task,
    settle,
    task_of,
)


async def chain(storage: Storage, most: int = 9, *, now: float = 0.0, **fields: Any) -> list[str]:
    """Claim, and chain up to `most` tasks."""
    return ids(await deliveries(storage, most, now=now, **fields))


async def deliveries(
    storage: Storage,
    most: int = 9,
    *,
    queue: str = "default",
    limit: int = 10,
    now: float = 0.0,
    **fields: Any,
) -> tuple[Delivery, ...]:
    """Do so, and return the deliveries."""
    return await storage.claim(
        queue, limit=limit, chain=most, owner=ME, lease_s=30.0, now=now, **fields
    )


async def running(storage: Storage) -> list[int]:
    """Return how many tasks of each limit have slots."""
    return [usage.running for usage in await storage.limits(now=1.0)]


class ChainsContract:
    """A part of `StorageContract`, whose `storage` it is given."""

    async def test_what_is_chained_is_leased_and_has_no_slot(self, storage: Storage) -> None:
        await storage.declare_limits({"smtp": ONE}, now=0.0)
        await storage.insert([limited(name) for name in "abcd"], now=0.0)

        claimed = await deliveries(storage, 2)

        assert [(each.task.id, each.chained) for each in claimed] == [
            ("a", False),
            ("b", True),
            ("c", True),
        ]
        assert [(each.task.attempt, each.task.deliveries) for each in claimed] == [(1, 1)] * 3
        assert ids(await storage.held(ME)) == ["a", "b", "c"]
        [usage] = await storage.limits(now=0.0)
        [key] = await storage.limit_keys("smtp", limit=9, now=0.0)
        assert (usage.running, usage.waiting) == (key.running, key.waiting) == (1, 3)

    async def test_a_claim_chains_nothing_unless_it_is_told_to(self, storage: Storage) -> None:
        await storage.declare_limits({"smtp": ONE}, now=0.0)
        await storage.insert([limited(name) for name in "ab"], now=0.0)

        assert ids(await claim(storage)) == ["a"]

    async def test_a_claim_that_takes_no_slot_chains_nothing(self, storage: Storage) -> None:
        await storage.declare_limits({"smtp": ONE}, now=0.0)
        await storage.insert([limited(name) for name in "abc"], now=0.0)
        await claim(storage, limit=1)

        assert await chain(storage) == []

    @pytest.mark.parametrize("settlement", SETTLEMENTS, ids=lambda each: type(each).__name__)
    async def test_a_settlement_gives_the_slot_to_the_first_that_is_chained(
        self, storage: Storage, settlement: Settlement
    ) -> None:
        await storage.declare_limits({"smtp": ONE}, now=0.0)
        await storage.insert([limited(name) for name in "abcd"], now=0.0)
        a, b, c = await deliveries(storage, 2)

        await settle(storage, a, settlement)

        assert await running(storage) == [1]
        assert await claim(storage, now=1.0) == ()
        by_slot = await storage.gate_of("c", now=1.0)
        assert by_slot is not None
        assert (by_slot.running, by_slot.ahead) == (("b",), 0)
        await settle(storage, b, DONE)
        await settle(storage, c, DONE)
        next_held = "a" if settlement == Release() else "d"
        assert ids(await claim(storage, now=1.0)) == [next_held]

    async def test_slots_pass_on_whichever_settlement_is_written_first(
        self, storage: Storage
    ) -> None:
        await storage.declare_limits({"smtp": LimitValues(running=2)}, now=0.0)
        await storage.insert([limited(name) for name in "abcdef"], now=0.0)
        a, b, c, d, e = await deliveries(storage, 3)
        held = []

        for ended in (d, a, c, e, b):
            await settle(storage, ended, DONE)
            held.append(await running(storage))

        assert held == [[2], [2], [2], [1], [0]]

    async def test_settlements_of_one_batch_keep_the_slot_of_the_one_that_is_left(
        self, storage: Storage
    ) -> None:
        await storage.declare_limits({"smtp": ONE}, now=0.0)
        await storage.insert([limited(name) for name in "abcde"], now=0.0)
        a, b, c, d = await deliveries(storage, 3)

        settled = [SettleBy(token=each.token, settlement=DONE) for each in (a, b, c)]
        await storage.settle(settled, now=1.0)

        assert await running(storage) == [1]
        by_slot = await storage.gate_of("e", now=1.0)
        assert by_slot is not None
        assert (by_slot.running, by_slot.count, by_slot.ahead) == (("d",), 1, 0)
        await settle(storage, d, DONE)
        assert ids(await claim(storage, now=1.0)) == ["e"]

    async def test_a_batch_that_ends_a_chain_frees_the_slot(self, storage: Storage) -> None:
        await storage.declare_limits({"smtp": ONE}, now=0.0)
        await storage.insert([limited(name) for name in "abcd"], now=0.0)
        a, b, c = await deliveries(storage, 2)

        await storage.settle(
            [
                SettleBy(token=a.token, settlement=FAILURE),
                SettleBy(token=b.token, settlement=Release()),
                SettleBy(token=c.token, settlement=Release()),
            ],
            now=1.0,
        )

        again = await deliveries(storage, 1, now=1.0)
        assert [(each.task.id, each.task.deliveries) for each in again] == [("b", 1), ("c", 1)]

    async def test_what_is_chained_comes_in_the_order_of_a_claim(self, storage: Storage) -> None:
        await storage.declare_limits({"smtp": ONE}, now=0.0)
        await storage.insert([limited("held")], now=0.0)
        [held] = await claim(storage)
        await storage.insert(
            [
                limited("e", priority=1, run_at=0.0),
                limited("d", run_at=2.0),
                limited("c", run_at=1.0),
                limited("b", priority=-1, run_at=3.0),
                limited("a", priority=-2, run_at=4.0),
                limited("later", run_at=9.0),
            ],
            now=0.0,
        )
        assert await claim(storage, now=5.0) == ()
        await settle(storage, held, DONE, now=5.0)

        assert await chain(storage, now=5.0) == ["a", "b", "c", "d", "e"]

    async def test_no_task_with_other_limits_is_overtaken(self, storage: Storage) -> None:
        await storage.declare_limits({"smtp": ONE, "cpu": LimitValues(running=9)}, now=0.0)
        both = LimitUse("smtp"), LimitUse("cpu")
        await storage.insert(
            [limited("a"), limited("b"), limited("c", *both), limited("d")], now=0.0
        )
        await claim(storage, limit=1)
        await claim(storage)  # which finds that the others have to wait
        [held] = await storage.held(ME)
        await settle(storage, held, DONE)

        assert await chain(storage, now=1.0) == ["b"]

    async def test_each_key_has_a_chain_of_its_own_and_they_share_what_may_be_chained(
        self, storage: Storage
    ) -> None:
        await storage.declare_limits({"smtp": ONE}, now=0.0)
        await storage.insert(
            [of_key(f"{number}{key}", key) for number in range(4) for key in "xy"], now=0.0
        )

        claimed = await chain(storage, 3)

        assert claimed == ["0x", "0y", "1x", "2x", "1y"]

    async def test_nothing_that_a_claim_leaves_is_overtaken(self, storage: Storage) -> None:
        await storage.declare_limits({"smtp": ONE}, now=0.0)
        await storage.insert([limited("a"), limited("b")], now=0.0)
        await storage.insert([new_task("c"), new_task("d")], now=1.0)
        await storage.insert([limited("e")], now=2.0)
        [held] = await claim(storage, limit=1)
        assert ids(await claim(storage, limit=1, now=2.0)) == ["c"]
        await settle(storage, held, DONE)
        await storage.insert([limited("f")], now=2.0)

        assert await chain(storage, limit=1, now=3.0) == ["b"]

    async def test_nothing_that_finds_no_free_slot_of_a_consumer_is_overtaken(
        self, storage: Storage
    ) -> None:
        await storage.declare_limits({"smtp": ONE}, now=0.0)
        await storage.insert([limited("held")], now=0.0)
        [held] = await claim(storage)
        await storage.insert([limited("a"), limited("b")], now=0.0)
        await storage.insert([new_task("c")], now=1.0)
        await storage.insert([limited("d")], now=2.0)
        assert await claim(storage, limit=0) == ()
        await settle(storage, held, DONE)

        claimed = await chain(storage, most_limited=1, now=3.0)

        assert claimed[:2] == ["a", "c"]
        assert claimed[2:] in ([], ["b"])
        assert "d" not in claimed

    async def test_limits_with_rates_have_no_chains(self, storage: Storage) -> None:
        rated = LimitValues(running=1, starts=100)
        await storage.declare_limits({"smtp": rated, "cpu": ONE}, now=0.0)
        await storage.insert([limited(name) for name in "ab"], now=0.0)
        both = LimitUse("cpu"), LimitUse("smtp", "x")
        await storage.insert([limited(name, *both) for name in "cd"], now=0.0)

        assert await chain(storage) == ["a", "c"]

    async def test_tasks_that_take_turns_or_age_have_no_chains(self, storage: Storage) -> None:
        await storage.declare_limits({"smtp": ONE}, now=0.0)
        await storage.insert([limited(name, flow=name) for name in "ab"], now=0.0)
        await storage.insert([of_key(name, "x", queue="aged") for name in "cd"], now=0.0)

        assert await chain(storage) == ["a"]
        assert await chain(storage, queue="aged", ageing_s=1.0) == ["c"]

    async def test_a_paused_queue_chains_nothing(self, storage: Storage) -> None:
        await storage.declare_limits({"smtp": ONE}, now=0.0)
        await storage.insert([limited(name) for name in "ab"], now=0.0)
        await storage.pause("default", now=0.0)

        assert await chain(storage) == []

    async def test_a_chained_task_says_what_it_waits_for(self, storage: Storage) -> None:
        await storage.declare_limits({"smtp": ONE}, now=0.0)
        await storage.insert([of_key(name, "x") for name in "abcd"], now=0.0)
        await deliveries(storage, 2)

        facts = [await storage.gate_of(name, now=1.0) for name in "abcd"]

        assert facts[0] is None
        assert [(each.use, each.running, each.count, each.ahead) for each in facts[1:] if each] == [
            (LimitUse("smtp", "x"), ("a",), 1, ahead) for ahead in range(3)
        ]

    async def test_a_chained_task_whose_cancellation_was_asked_for_ends_when_it_is_settled(
        self, storage: Storage
    ) -> None:
        await storage.declare_limits({"smtp": ONE}, now=0.0)
        await storage.insert([limited(name) for name in "abc"], now=0.0)
        a, b, _ = await deliveries(storage, 2)

        [answer] = await storage.cancel(["b"], reason="no", now=1.0)
        await settle(storage, b, Release())
        await settle(storage, a, DONE)

        assert answer.token == b.token
        assert (await task_of(storage, "b")).status == "cancelled"
        assert await running(storage) == [1]

    async def test_a_task_of_another_queue_gets_a_slot_only_when_the_chain_has_ended(
        self, storage: Storage
    ) -> None:
        await storage.declare_limits({"smtp": ONE}, now=0.0)
        await storage.insert([limited("a"), limited("b"), limited("m", queue="mail")], now=0.0)
        a, b = await deliveries(storage)
        assert await chain(storage, queue="mail") == []

        await settle(storage, a, DONE)
        assert await chain(storage, queue="mail", now=1.0) == []
        await settle(storage, b, DONE)

        assert await chain(storage, queue="mail", now=1.0) == ["m"]
