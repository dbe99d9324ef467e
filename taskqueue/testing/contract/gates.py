"""The part of the storage contract about limits: what a claim may take."""

import asyncio
from typing import Any

import pytest
from msgspec.structs import replace

from taskqueue.rules.holds import HeldBack, Reason
from taskqueue.rules.limits import (
    KeyUsage,
    LimitUsage,
    LimitUse,
    LimitValues,
    encoded,
)
from taskqueue.rules.tasks import Acceptance, NewTask, Release, Settlement
from taskqueue.rules.uniqueness import KeyRule, OnRepeat
from taskqueue.storage.protocol import Storage
from taskqueue.testing.contract.steps import (
    ANOTHER,
    DONE,
    ME,
    SETTLEMENTS,
    add,
    claim,
    ids,
    new_task,
    settle,
)

ONE = LimitValues(running=1)


def limited(task_id: str, *uses: LimitUse, **fields: Any) -> NewTask:
    """Return a task that counts towards these limits, or towards `smtp`."""
    return new_task(task_id, limits=encoded(uses or (LimitUse("smtp"),)), **fields)


def of_key(task_id: str, key: str, **fields: Any) -> NewTask:
    """Return a task that counts towards `smtp` under a key."""
    return limited(task_id, LimitUse("smtp", key), **fields)


class GatesContract:
    """A part of `StorageContract`, whose `storage` it is given."""

    async def test_no_more_tasks_are_held_than_a_limit_allows(self, storage: Storage) -> None:
        await storage.declare_limits({"smtp": LimitValues(running=2)}, now=0.0)
        await storage.insert([limited(name) for name in "abcd"], now=0.0)

        first = await claim(storage)
        none = await claim(storage, owner=ANOTHER)
        await settle(storage, first[0], DONE)
        second = await claim(storage)

        assert (ids(first), none, ids(second)) == (["a", "b"], (), ["c"])

    async def test_each_key_has_slots_of_its_own(self, storage: Storage) -> None:
        await storage.declare_limits({"smtp": ONE}, now=0.0)
        await storage.insert(
            [of_key("a", "x"), of_key("b", "x"), of_key("c", "y"), limited("d"), limited("e")],
            now=0.0,
        )

        assert ids(await claim(storage)) == ["a", "c", "d"]

    async def test_a_task_needs_a_slot_of_every_limit_it_counts_towards(
        self, storage: Storage
    ) -> None:
        await storage.declare_limits({"smtp": ONE, "cpu": ONE}, now=0.0)
        await storage.insert(
            [
                limited("a"),
                limited("b", LimitUse("cpu"), LimitUse("smtp")),
                limited("c", LimitUse("cpu")),
                new_task("d"),
            ],
            now=0.0,
        )

        held = await claim(storage)
        await settle(storage, held[0], DONE)
        none = await claim(storage)
        await settle(storage, held[1], DONE)

        assert (ids(held), none) == (["a", "c", "d"], ())
        assert ids(await claim(storage)) == ["b"]

    @pytest.mark.parametrize("settlement", SETTLEMENTS, ids=lambda each: type(each).__name__)
    async def test_every_settlement_frees_the_slot(
        self, storage: Storage, settlement: Settlement
    ) -> None:
        await storage.declare_limits({"smtp": ONE}, now=0.0)
        await storage.insert([limited("b"), limited("a", run_at=-1.0, priority=1)], now=0.0)
        [held] = await claim(storage)

        await settle(storage, held, settlement, now=1.0)

        assert ids(await claim(storage, now=1.0)) == ["b" if settlement == Release() else "a"]

    async def test_what_waits_for_a_slot_keeps_the_order_of_a_claim(self, storage: Storage) -> None:
        await storage.declare_limits({"smtp": ONE}, now=0.0)
        await storage.insert([limited("held")], now=0.0)
        [held] = await claim(storage)
        await storage.insert(
            [
                limited("d", priority=1, run_at=0.0),
                limited("c", run_at=2.0),
                limited("b", run_at=1.0),
                limited("a", priority=-1, run_at=3.0),
            ],
            now=0.0,
        )
        assert await claim(storage, now=5.0) == ()

        order = []
        for _ in range(4):
            await settle(storage, held, DONE, now=5.0)
            [held] = await claim(storage, now=5.0)
            order += ids([held])

        assert order == ["a", "b", "c", "d"]

    async def test_a_claim_leases_no_more_limited_tasks_than_it_was_told_and_overtakes_none(
        self, storage: Storage
    ) -> None:
        await storage.declare_limits({"smtp": LimitValues(running=9)}, now=0.0)
        await storage.insert(
            [new_task("a"), limited("b"), new_task("c"), limited("d"), new_task("e")], now=0.0
        )

        claimed = [
            ids(await storage.claim("default", limit=9, most_limited=most, **_WHO))
            for most in (0, 1, 1)
        ]

        assert claimed == [["a"], ["b", "c"], ["d", "e"]]

    async def test_an_insert_does_not_claim_what_has_limits(self, storage: Storage) -> None:
        await storage.declare_limits({"smtp": ONE}, now=0.0)

        _, deliveries = await storage.insert_and_claim(
            [limited("a"), new_task("b"), new_task("c", queue="mail")],
            room={"default": 5, "mail": 5},
            **_WHO,
        )

        assert ids(deliveries) == ["c"]
        assert ids(await claim(storage)) == ["a", "b"]

    async def test_a_cancelled_task_lets_those_behind_it_pass(self, storage: Storage) -> None:
        await storage.declare_limits({"smtp": ONE}, now=0.0)
        await storage.insert([limited("a"), limited("b"), limited("c")], now=0.0)
        [held] = await claim(storage)
        await claim(storage)  # which finds that `b` and `c` have to wait
        await settle(storage, held, DONE)

        await storage.cancel(["b"], reason="no", now=1.0)

        assert ids(await claim(storage)) == ["c"]

    async def test_a_limit_that_is_changed_holds_from_then_on(self, storage: Storage) -> None:
        await storage.declare_limits({"smtp": ONE}, now=0.0)
        await storage.insert([limited(name) for name in "abcde"], now=0.0)
        assert ids(await claim(storage)) == ["a"]

        assert await storage.change_limit("smtp", LimitValues(running=3), now=1.0)
        assert ids(await claim(storage)) == ["b", "c"]
        await storage.declare_limits({"smtp": LimitValues(running=5)}, now=2.0)  # a new start
        assert await claim(storage) == ()
        assert await storage.change_limit("smtp", None, now=3.0)
        assert ids(await claim(storage)) == ["d", "e"]
        assert not await storage.change_limit("unknown", None, now=3.0)

    async def test_a_declaration_holds_for_what_shares_its_commit(self, storage: Storage) -> None:
        await storage.declare_limits({"smtp": ONE}, now=0.0)
        await storage.insert([limited(name) for name in "abc"], now=0.0)

        *_, claimed = await asyncio.gather(
            storage.counts(),
            add(storage, "first"),
            storage.take_starts(LimitUse("smtp"), now=0.0),
            storage.declare_limits({"smtp": LimitValues(running=2)}, now=0.0),
            claim(storage),
        )

        assert ids(claimed) == ["a", "b", "first"]

    async def test_a_limit_that_nothing_declares_any_more_limits_nothing(
        self, storage: Storage
    ) -> None:
        await storage.declare_limits({"smtp": ONE}, now=0.0)
        await storage.insert([limited(name) for name in "abc"], now=0.0)
        assert ids(await claim(storage)) == ["a"]

        await storage.declare_limits({}, now=1.0)

        assert ids(await claim(storage)) == ["b", "c"]
        assert await storage.limits(now=1.0) == ()

    async def test_a_replaced_task_counts_as_the_new_one_says(self, storage: Storage) -> None:
        replaces = KeyRule(on_repeat=OnRepeat.REPLACE)
        await storage.declare_limits({"smtp": ONE}, now=0.0)
        await storage.insert([of_key("held", "x"), of_key("other", "y")], now=0.0)
        await claim(storage)
        key: dict[str, Any] = {"unique_key": "k", "key_rule": replaces}
        await storage.insert([of_key("a", "x", **key)], now=1.0)
        assert await claim(storage, now=1.0) == ()

        await storage.insert([of_key("b", "z", payload='{"data": 2}', **key)], now=2.0)

        assert ids(await claim(storage, now=2.0)) == ["a"]

    async def test_a_task_replaced_by_equal_data_lets_those_behind_it_pass(
        self, storage: Storage
    ) -> None:
        replaces = KeyRule(on_repeat=OnRepeat.REPLACE)
        key: dict[str, Any] = {"unique_key": "k", "key_rule": replaces}
        await storage.declare_limits({"smtp": ONE}, now=0.0)
        await storage.insert([of_key("held", "x")], now=0.0)
        [held] = await claim(storage)
        await storage.insert([of_key("a", "x", **key), of_key("b", "x")], now=0.0)
        await settle(storage, held, DONE)

        await storage.insert([of_key("again", "y", **key)], now=1.0)

        assert ids(await claim(storage, now=1.0)) == ["a", "b"]

    async def test_a_task_of_another_queue_replaces_none(self, storage: Storage) -> None:
        replaces = KeyRule(on_repeat=OnRepeat.REPLACE)
        key: dict[str, Any] = {"unique_key": "k", "key_rule": replaces}
        await storage.declare_limits({"smtp": ONE}, now=0.0)
        await storage.insert([limited("a"), limited("b", **key)], now=0.0)
        assert ids(await claim(storage)) == ["a"]

        [answer] = await storage.insert([new_task("c", queue="mail", **key)], now=1.0)

        assert (answer.id, answer.acceptance) == ("b", Acceptance.REJECTED)
        assert await claim(storage, now=1.0) == ()

    # --- what is seen -----------------------------------------------------------------------------

    async def test_limits_show_what_is_used(self, storage: Storage) -> None:
        changed = LimitValues(running=2)
        await storage.declare_limits({"smtp": ONE, "cpu": ONE}, now=0.0)
        await storage.change_limit("smtp", changed, now=1.0)
        await storage.insert(
            [*(of_key(name, "x") for name in "abcd"), of_key("e", "y"), limited("f")], now=0.0
        )
        await claim(storage)

        cpu, smtp = await storage.limits(now=1.0)

        assert cpu == LimitUsage(
            name="cpu", values=ONE, declared=ONE, changed_at=None, running=0, waiting=0
        )
        assert smtp == LimitUsage(
            name="smtp",
            values=changed,
            declared=ONE,
            changed_at=1.0,
            running=4,
            waiting=2,
            held_back=(HeldBack(queue="default", reason=Reason.SLOT, tasks=2),),
        )
        keys = [
            KeyUsage(key=None, running=1, waiting=0, opens_at=None),
            KeyUsage(key="x", running=2, waiting=2, opens_at=None),
            KeyUsage(key="y", running=1, waiting=0, opens_at=None),
        ]
        assert list(await storage.limit_keys("smtp", limit=9, now=1.0)) == keys
        assert list(await storage.limit_keys("smtp", after="x", limit=9, now=1.0)) == keys[2:]
        assert list(await storage.limit_keys("smtp", limit=1, now=1.0)) == keys[:1]

    async def test_a_task_that_a_limit_holds_back_says_which(self, storage: Storage) -> None:
        api, rate = LimitUse("api", "k"), LimitValues(starts=1, per_s=9.0)
        await storage.declare_limits({"smtp": ONE, "api": rate}, now=0.0)
        await storage.insert([of_key(name, "x") for name in "abc"], now=0.0)
        await storage.insert([limited(name, api) for name in "de"], now=0.0)
        await claim(storage)

        by_slot, by_rate = [await storage.gate_of(name, now=1.0) for name in "ce"]

        assert by_slot is not None
        assert by_rate is not None
        assert (by_slot.use, by_slot.values) == (LimitUse("smtp", "x"), ONE)
        assert (by_slot.running, by_slot.count, by_slot.ahead) == (("a",), 1, 1)
        assert (by_rate.use, by_rate.opens_at, by_rate.ahead) == (api, 9.0, 0)
        assert by_slot.opens_at is None
        assert await storage.gate_of("a", now=1.0) is None
        assert await storage.gate_of("unknown", now=1.0) is None

        await storage.insert([of_key("f", "x", queue="mail")], now=1.0)

        assert await storage.gate_of("c", now=1.0) == replace(by_slot, is_shared=True)


_WHO: Any = {"owner": ME, "lease_s": 30.0, "now": 0.0}
