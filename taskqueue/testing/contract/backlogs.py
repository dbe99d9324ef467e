"""The part of the storage contract about what waits in queues: counts of due tasks, and flows."""

import pytest

from taskqueue.rules.edits import Change
from taskqueue.rules.holds import HeldBack, Reason
from taskqueue.rules.limits import LimitUse, LimitValues, encoded
from taskqueue.rules.turns import Flow, FlowPlace
from taskqueue.storage.protocol import Storage
from taskqueue.testing.contract.steps import (
    DONE,
    FAILURE,
    LATER,
    add,
    claim,
    claims,
    new_task,
    settle,
)
from taskqueue.testing.contract.turns import of

MOST = 1_000


class BacklogsContract:
    """A part of `StorageContract`, whose `storage` it is given."""

    async def test_due_tasks_are_counted_by_queue_whether_it_is_paused_or_not(
        self, storage: Storage
    ) -> None:
        await add(storage, "a", "b", priority=2)
        await add(storage, "c", "d", "held")
        await claim(storage, limit=1)
        await add(storage, "soon", run_at=5.0)
        await add(storage, "other", queue="other")
        await storage.insert(of("flow", 1, 2, queue="fair", run_at=5.0), now=0.0)
        await storage.pause("default", now=0.0)

        names = ("default", "fair", "empty")
        now = await storage.count_due(names, limit=MOST, now=0.0)
        soon = await storage.count_due(names, limit=MOST, now=5.0)
        few = await storage.count_due(names, limit=3, now=5.0)

        assert now == {"default": 4, "fair": 0, "empty": 0}
        assert soon == {"default": 5, "fair": 2, "empty": 0}
        assert few == {"default": 3, "fair": 2, "empty": 0}

    async def test_what_a_limit_holds_back_is_counted_with_the_limit(
        self, storage: Storage
    ) -> None:
        declared = {"rate": LimitValues(starts=1, per_s=60), "slots": LimitValues(running=1)}
        await storage.declare_limits(declared, now=0.0)
        for limit, queue, count in (("rate", "a", 3), ("slots", "b", 3), ("slots", "a", 2)):
            tasks = [
                new_task(f"{limit} {queue} {n}", queue=queue, limits=encoded((LimitUse(limit),)))
                for n in range(count)
            ]
            await storage.insert(tasks, now=0.0)
        for queue in ("b", "a"):
            await claim(storage, queue=queue)

        rate, slots = await storage.limits(now=0.0)

        assert rate.held_back == (HeldBack(queue="a", reason=Reason.RATE, tasks=2),)
        assert slots.held_back == (
            HeldBack(queue="a", reason=Reason.SLOT, tasks=2),
            HeldBack(queue="b", reason=Reason.SLOT, tasks=2),
        )
        assert (rate.waiting, slots.waiting) == (2, 4)
        assert await storage.count_due(("a", "b"), limit=MOST, now=0.0) == {"a": 0, "b": 0}

    async def test_a_limit_tells_how_much_its_fullest_key_owes(self, storage: Storage) -> None:
        await storage.declare_limits({"rate": LimitValues(starts=1, per_s=1, burst=9)}, now=0.0)
        for key, cost in ((None, 2.0), ("x", 7.0), ("y", 4.0)):
            await storage.take_starts(LimitUse("rate", key, cost), now=10.0)

        [rate] = await storage.limits(now=10.0)

        assert rate.debt_at == 17.0

    async def test_no_more_are_counted_behind_a_limit_than_a_thousand(
        self, storage: Storage
    ) -> None:
        await storage.declare_limits({"slots": LimitValues(running=1)}, now=0.0)
        tasks = [
            new_task(f"{n:04}", queue=queue, limits=encoded((LimitUse("slots", key),)))
            for n, (queue, key) in enumerate([("a", "x")] * 600 + [("b", "y")] * 600)
        ]
        await storage.insert(tasks, now=0.0)
        for queue in ("a", "b"):
            await claims(storage, queue=queue, limit=2)

        [slots] = await storage.limits(now=0.0)

        assert slots.waiting == MOST
        assert slots.held_back == (
            HeldBack(queue="a", reason=Reason.SLOT, tasks=599),
            HeldBack(queue="b", reason=Reason.SLOT, tasks=401),
        )

    async def test_flows_are_listed_with_what_waits_and_their_next_turns(
        self, storage: Storage
    ) -> None:
        await storage.insert(of("a", *range(5)), now=0.0)
        await storage.insert([*of("b", 1, 2), *of("c", 1, weight=2.0)], now=0.0)
        await storage.insert(of("b", 3, 4, priority=3), now=0.0)
        await storage.insert(of("d", 1, run_at=9.0), now=0.0)
        await storage.insert(of("e", 1, queue="other"), now=0.0)
        await add(storage, "plain")
        await claim(storage, limit=3)  # plain, c, and the first of a

        found = await storage.flows("default", limit=MOST)
        await storage.pause("default", now=0.0)

        assert found == await storage.flows("default", limit=MOST)
        assert [(each.name, each.priority, each.waiting, each.next_turn) for each in found] == [
            ("a", 0, 4, 1.5),
            ("b", 0, 2, 0.5),
            ("b", 3, 2, 0.5),
        ]
        assert [each.served_turn for each in found] == [0.5, 0.5, 0.0]
        assert await storage.flows("empty", limit=MOST) == ()

    async def test_flows_come_page_by_page(self, storage: Storage) -> None:
        await storage.insert([*of("a", 1), *of("b", 1), *of("c", 1), *of("", 1)], now=0.0)
        await storage.insert(of("a", 2, priority=1), now=0.0)

        pages: list[tuple[Flow, ...]] = []
        after: FlowPlace | None = None
        while page := await storage.flows("default", after=after, limit=2):
            pages.append(page)
            after = FlowPlace(page[-1].priority, page[-1].name)

        assert [[(each.priority, each.name) for each in page] for page in pages] == [
            [(0, ""), (0, "a")],
            [(0, "b"), (0, "c")],
            [(1, "a")],
        ]

    async def test_only_what_waits_for_a_turn_counts_for_its_flow(self, storage: Storage) -> None:
        await storage.insert(of("a", *range(6)), now=0.0)
        failed, snoozed, done, _running = await claim(storage, limit=4)
        for delivery, settlement in ((failed, FAILURE), (snoozed, LATER), (done, DONE)):
            await settle(storage, delivery, settlement, now=1.0)
        await storage.edit("a004", Change(run_at=99.0), now=1.0)

        [flow] = await storage.flows("default", limit=MOST)

        assert (flow.waiting, flow.next_turn, flow.served_turn) == (1, 5.5, 3.5)

    async def test_no_more_of_a_flow_are_counted_than_a_thousand(self, storage: Storage) -> None:
        await storage.insert(of("a", *range(1_200)), now=0.0)

        [flow] = await storage.flows("default", limit=MOST)

        assert flow.waiting == MOST

    async def test_a_negative_number_of_what_waits_is_refused(self, storage: Storage) -> None:
        with pytest.raises(ValueError, match="must not be negative"):
            await storage.count_due(("default",), limit=-1, now=0.0)
        with pytest.raises(ValueError, match="must not be negative"):
            await storage.flows("default", limit=-1)
