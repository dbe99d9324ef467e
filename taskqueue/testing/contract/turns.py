"""The part of the storage contract about the order of a claim: retries, and fair shares."""

from typing import Any

from taskqueue.rules.edits import Change
from taskqueue.rules.tasks import NewTask, Release, Settlement
from taskqueue.storage.protocol import Storage
from taskqueue.testing.contract.steps import (
    DONE,
    FAILURE,
    LATER,
    ME,
    add,
    claim,
    ids,
    new_task,
    settle,
)


def of(flow: str, *numbers: int, **fields: Any) -> list[NewTask]:
    """Return tasks of a flow, named after it."""
    return [new_task(f"{flow}{number:03}", flow=flow, **fields) for number in numbers]


class TurnsContract:
    """A part of `StorageContract`, whose `storage` it is given."""

    async def test_a_retry_does_not_queue_behind_what_came_while_it_waited(
        self, storage: Storage
    ) -> None:
        await add(storage, "first")
        [held] = await claim(storage)
        await settle(storage, held, FAILURE, now=1.0)  # due again at 10.0
        await add(storage, "b", "c", now=2.0)
        await add(storage, "urgent", priority=-1, now=11.0)

        assert ids(await claim(storage, limit=1, now=9.0)) == ["b"]
        assert ids(await claim(storage, now=11.0)) == ["urgent", "first", "c"]

    async def test_a_snoozed_task_queues_anew(self, storage: Storage) -> None:
        await add(storage, "first")
        [held] = await claim(storage)
        await settle(storage, held, LATER, now=1.0)  # due again at 10.0
        await add(storage, "b", now=2.0)

        assert ids(await claim(storage, now=11.0)) == ["b", "first"]

    async def test_flows_take_turns_however_much_one_of_them_has_waiting(
        self, storage: Storage
    ) -> None:
        await storage.insert(of("a", *range(100)), now=0.0)
        assert ids(await claim(storage, limit=3)) == ["a000", "a001", "a002"]

        await storage.insert([*of("b", 1, 2), *of("c", 1)], now=1.0)

        following = ids(await claim(storage, limit=7, now=1.0))
        assert following == ["b001", "c001", "a003", "b002", "a004", "a005", "a006"]

    async def test_a_flow_of_twice_the_weight_gets_twice_the_turns(self, storage: Storage) -> None:
        await storage.insert(of("a", *range(9)), now=0.0)
        await storage.insert(of("b", *range(9), weight=2.0), now=0.0)

        flows = [name[0] for name in ids(await claim(storage, limit=9))]

        assert (flows.count("a"), flows.count("b")) == (3, 6)

    async def test_a_flow_that_was_idle_has_saved_up_nothing(self, storage: Storage) -> None:
        await storage.insert([*of("a", *range(50)), *of("b", 0)], now=0.0)
        await claim(storage, limit=40)

        await storage.insert(of("b", *range(1, 9)), now=1.0)

        assert [name[0] for name in ids(await claim(storage, limit=6, now=1.0))] == [*"bababa"]

    async def test_a_scheduled_task_gets_its_turn_when_it_is_due(self, storage: Storage) -> None:
        await storage.insert(of("b", 1, 2, run_at=10.0), now=0.0)
        await storage.insert(of("a", 1, 2), now=0.0)
        assert await storage.next_due("default") == 0.0
        assert ids(await claim(storage, limit=1, now=9.0)) == ["a001"]
        await storage.insert(of("a", 3), now=9.0)

        assert ids(await claim(storage, now=10.0)) == ["b001", "a002", "b002", "a003"]

    async def test_a_released_task_keeps_its_turn_and_a_failed_one_gets_the_next(
        self, storage: Storage
    ) -> None:
        await storage.insert(of("a", 1, 2, 3), now=0.0)
        ends: tuple[Settlement, ...] = (FAILURE, Release(), LATER)
        for delivery, end in zip(await claim(storage), ends, strict=True):
            await settle(storage, delivery, end, now=1.0)
        await storage.insert(of("b", 1, 2, 3), now=2.0)

        assert ids(await claim(storage, now=10.0)) == [
            *("a002", "b001", "a001"),
            *("a003", "b002", "b003"),
        ]

    async def test_what_a_flow_does_again_delays_another_by_one_start(
        self, storage: Storage
    ) -> None:
        await storage.insert(of("a", *range(50)), now=0.0)
        for held in await claim(storage, limit=50):
            await settle(storage, held, FAILURE, now=1.0)  # due again at 10.0

        await storage.insert(of("b", 1, 2), now=11.0)

        assert ids(await claim(storage, limit=5, now=11.0)) == [
            *("a000", "b001", "a001", "b002", "a002")
        ]

    async def test_what_is_done_again_goes_before_the_backlog_of_its_flow_and_has_turns_too(
        self, storage: Storage
    ) -> None:
        await storage.insert(of("a", *range(50)), now=0.0)
        for held in await claim(storage, limit=20):
            await settle(storage, held, FAILURE, now=1.0)  # due again at 10.0

        await storage.insert(of("b", 1, 2), now=11.0)

        assert ids(await claim(storage, limit=7, now=11.0)) == [
            *("a000", "b001"),
            *("a020", "a001", "b002"),
            *("a021", "a002"),
        ]

    async def test_a_failed_task_keeps_its_place_when_it_is_edited(self, storage: Storage) -> None:
        await storage.insert(of("a", *range(9)), now=0.0)
        [held] = await claim(storage, limit=1)
        await settle(storage, held, FAILURE, now=1.0)  # due again at 10.0

        await storage.edit("a000", Change(run_at=2.0), now=1.0)

        assert ids(await claim(storage, limit=2, now=2.0)) == ["a000", "a001"]

    async def test_the_place_of_a_task_that_has_come_due_is_known_before_it_has_its_turn(
        self, storage: Storage
    ) -> None:
        await storage.insert(of("b", 9, run_at=10.0), now=0.0)
        await storage.insert([*of("a", *range(5)), *of("b", *range(5))], now=0.0)
        await claim(storage, limit=2)

        history = await storage.get("b009", now=10.0)

        assert history is not None
        assert await storage.ahead(history.task, limit=99, now=10.0) == 8
        assert ids(await claim(storage, limit=9, now=10.0))[8:] == ["b009"]

    async def test_the_place_of_a_failed_task_is_known_before_it_has_its_turn(
        self, storage: Storage
    ) -> None:
        await storage.insert(of("a", *range(9)), now=0.0)
        [held, _] = await claim(storage, limit=2)
        await storage.insert(of("b", *range(9)), now=0.0)
        await settle(storage, held, FAILURE, now=1.0)  # due again at 10.0

        history = await storage.get("a000", now=10.0)

        assert history is not None
        assert await storage.ahead(history.task, limit=99, now=10.0) == 1
        assert ids(await claim(storage, limit=2, now=10.0)) == ["b000", "a000"]

    async def test_a_snoozed_task_that_was_cancelled_meanwhile_takes_no_turn(
        self, storage: Storage
    ) -> None:
        await storage.insert(of("a", 1), now=0.0)
        [held] = await claim(storage)
        await storage.cancel(["a001"], reason="no", now=1.0)

        await settle(storage, held, LATER, now=1.0)

        assert await storage.next_due("default") is None
        assert await storage.all_due() == {}
        assert await claim(storage, now=99.0) == ()

    async def test_a_task_that_was_edited_or_redriven_takes_a_new_turn(
        self, storage: Storage
    ) -> None:
        await storage.insert(of("a", 1, 2, 3), now=0.0)

        await storage.edit("a001", Change(run_at=1.0), now=1.0)

        assert ids(await claim(storage, now=1.0)) == ["a002", "a003", "a001"]

    async def test_a_priority_goes_before_every_turn(self, storage: Storage) -> None:
        await storage.insert(of("a", 1, 2, 3), now=0.0)
        await storage.insert([*of("b", 1, priority=-1), new_task("c", priority=1)], now=0.0)

        assert ids(await claim(storage)) == ["b001", "a001", "a002", "a003", "c"]

    async def test_an_insert_claims_nothing_that_takes_turns(self, storage: Storage) -> None:
        await storage.insert(of("a", 1), now=0.0)
        [held] = await claim(storage)
        await settle(storage, held, DONE)

        assert await storage.next_due("default") is None
        assert await storage.all_due() == {}

    async def test_with_ageing_no_priority_waits_for_ever(self, storage: Storage) -> None:
        await add(storage, "low", "lower", priority=3, run_at=0.0)
        await add(storage, "b", priority=0, run_at=25.0)
        await add(storage, "a", priority=0, run_at=40.0)
        await add(storage, "c", priority=1, run_at=15.0)
        await add(storage, "later", priority=0, run_at=99.0)

        claimed = await storage.claim(
            "default", limit=9, ageing_s=10.0, owner=ME, lease_s=30.0, now=50.0
        )

        assert ids(claimed) == ["b", "c", "low", "lower", "a"]

    async def test_ageing_holds_between_the_tasks_of_one_claim_and_the_next(
        self, storage: Storage
    ) -> None:
        for place in range(6):
            await add(storage, f"urgent {place}", priority=0, run_at=place * 10.0)
        await add(storage, "slow", priority=2, run_at=0.0)

        order = []
        for _ in range(7):
            claimed = await storage.claim(
                "default", limit=1, ageing_s=12.0, owner=ME, lease_s=30.0, now=60.0
            )
            order += ids(claimed)

        assert order.index("slow") == 3

    async def test_what_is_done_again_does_not_hide_how_long_its_priority_has_waited(
        self, storage: Storage
    ) -> None:
        await add(storage, "again", priority=3)
        [held] = await claim(storage)
        await settle(storage, held, FAILURE, now=1.0)  # due again at 10.0
        await add(storage, "old", priority=3)  # counts as one of priority 0 from 30.0
        await add(storage, "urgent 1", "urgent 2", priority=0, run_at=35.0)

        one_by_one = []
        for _ in range(2):
            claimed = await storage.claim(
                "default", limit=1, ageing_s=10.0, owner=ME, lease_s=30.0, now=50.0
            )
            one_by_one += ids(claimed)
        rest = await storage.claim(
            "default", limit=9, ageing_s=10.0, owner=ME, lease_s=30.0, now=50.0
        )

        assert one_by_one == ["again", "old"]
        assert ids(rest) == ["urgent 1", "urgent 2"]

    async def test_no_number_of_retries_keeps_a_low_priority_waiting(
        self, storage: Storage
    ) -> None:
        await add(storage, *(f"again {n}" for n in range(3)), priority=3)
        for held in await claim(storage):
            await settle(storage, held, FAILURE, now=1.0)  # due again at 10.0
        await add(storage, "old", priority=3)
        await add(storage, "urgent", priority=0, run_at=35.0)

        claimed = await storage.claim(
            "default", limit=9, ageing_s=10.0, owner=ME, lease_s=30.0, now=50.0
        )

        assert ids(claimed) == ["again 0", "again 1", "again 2", "old", "urgent"]

    async def test_of_tasks_that_take_turns_the_first_one_tells_how_long_they_have_waited(
        self, storage: Storage
    ) -> None:
        await storage.insert(of("a", 1, 2, 3, priority=1), now=0.0)
        await storage.insert(of("b", 1, priority=1), now=9.0)  # its turn is before a002
        await add(storage, "urgent", priority=0, run_at=15.0)

        claimed = await storage.claim(
            "default", limit=9, ageing_s=10.0, owner=ME, lease_s=30.0, now=50.0
        )

        assert ids(claimed) == ["a001", "urgent", "b001", "a002", "a003"]

    async def test_the_more_urgent_priority_goes_first_where_both_have_waited_alike(
        self, storage: Storage
    ) -> None:
        await add(storage, "low 1", "low 2", priority=1, run_at=5.0)
        await add(storage, "urgent", priority=0, run_at=15.0)

        claimed = await storage.claim(
            "default", limit=9, ageing_s=10.0, owner=ME, lease_s=30.0, now=50.0
        )

        assert ids(claimed) == ["urgent", "low 1", "low 2"]

    async def test_a_task_shows_its_flow_and_its_place_by_turns(self, storage: Storage) -> None:
        await storage.insert(of("a", *range(100)), now=0.0)
        await storage.insert([*of("b", 1, 2), new_task("first")], now=0.0)

        histories = [await storage.get(each, now=0.0) for each in ("first", "b001", "b002")]

        found = [each for each in histories if each is not None]
        assert [each.flow for each in found] == [None, "b", "b"]
        ahead = [await storage.ahead(each.task, limit=999, now=0.0) for each in found]
        assert ahead == [0, 2, 4]
