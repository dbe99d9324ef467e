"""The part of the storage contract about backlogs that a claim parks in portions."""

import math
from collections.abc import Sequence

from taskqueue.rules.limits import LimitValues
from taskqueue.rules.tasks import Delivery, NewTask, Unfinished
from taskqueue.storage.limits import MOST_PARKED
from taskqueue.storage.protocol import Storage
from taskqueue.testing.contract.gates import ONE, limited, of_key
from taskqueue.testing.contract.steps import DONE, ME, claim, claims, ids, new_task, settle

BACKLOG = 2 * MOST_PARKED + 200


def hot(count: int, **fields: float) -> list[NewTask]:
    """Return tasks that count towards `smtp`, in the order in which they are claimed."""
    return [limited(f"{n:05}", **fields) for n in range(count)]


IN_ORDER = ["first", "a0", "a1", "a2", "00000", "00001"]


async def fill(storage: Storage) -> None:
    """Insert a backlog in which a task of higher priority is due later than those behind it."""
    await storage.declare_limits({"smtp": ONE}, now=0.0)
    late = [limited(f"a{n}", priority=0, run_at=5.0 + n) for n in range(3)]
    await storage.insert([limited("first"), *late], now=0.0)
    await storage.insert(hot(BACKLOG, priority=1), now=0.0)


class ParkingContract:
    """A part of `StorageContract`, whose `storage` it is given.

    What is inserted while its key has room is parked by the claim that meets it when the key is
    full.
    """

    async def test_a_task_behind_a_backlog_is_claimed_after_as_many_claims_as_that_has_portions(
        self, storage: Storage
    ) -> None:
        await storage.declare_limits({"smtp": ONE}, now=0.0)
        await storage.insert([*hot(BACKLOG), new_task("behind", run_at=1.0)], now=0.0)

        made = await claims(storage, now=1.0)

        assert [ids(made[0])[0], ids(made[-1])[-1]] == ["00000", "behind"]
        assert sum(map(len, made)) == 2
        assert len(made) <= math.ceil(BACKLOG / MOST_PARKED)

    async def test_a_slot_that_is_freed_meanwhile_goes_to_the_next_in_line(
        self, storage: Storage
    ) -> None:
        await storage.declare_limits({"smtp": ONE}, now=0.0)
        await storage.insert(hot(BACKLOG), now=0.0)
        [held] = await claim(storage)

        order = []
        for _ in range(4):
            await settle(storage, held, DONE)
            [held] = await claim(storage)
            order += ids([held])

        assert order == ["00001", "00002", "00003", "00004"]

    async def test_a_backlog_that_is_parked_in_part_keeps_the_order_of_a_claim(
        self, storage: Storage
    ) -> None:
        await fill(storage)
        [held] = await claim(storage, now=9.0)

        order = ids([held])
        for _ in IN_ORDER[1:]:
            await settle(storage, held, DONE, now=9.0)
            [held] = await claim(storage, now=9.0)
            order += ids([held])

        assert order == IN_ORDER

    async def test_what_is_chained_behind_a_backlog_parked_in_part_overtakes_nothing(
        self, storage: Storage
    ) -> None:
        await fill(storage)

        held = await storage.claim("default", limit=9, chain=4, owner=ME, lease_s=30.0, now=9.0)
        for each in held:
            await settle(storage, each, DONE, now=9.0)
        following = await claim(storage, now=9.0)

        assert ids([*held, *following]) == IN_ORDER[: len(held) + 1]

    async def test_of_many_full_keys_no_task_is_forgotten(self, storage: Storage) -> None:
        await storage.declare_limits({"smtp": ONE}, now=0.0)
        keys = 3 * MOST_PARKED // 10
        tasks = [of_key(f"{n:05}", f"{n % keys}") for n in range(5 * keys)]
        await storage.insert(tasks, now=0.0)

        first = await claims(storage, limit=len(tasks))
        await storage.change_limit("smtp", LimitValues(), now=1.0)
        others = await claims(storage, limit=len(tasks), now=1.0)

        assert sum(map(len, first)) == keys
        assert sorted(ids(_all(first) + _all(others))) == [task.id for task in tasks]

    async def test_of_tasks_that_are_inserted_behind_a_full_key_all_are_parked_at_once(
        self, storage: Storage
    ) -> None:
        await storage.declare_limits({"smtp": ONE}, now=0.0)
        await storage.insert([limited("held")], now=0.0)
        await claim(storage)

        await storage.insert(hot(2 * MOST_PARKED), now=0.0)

        none = await claim(storage)
        [usage] = await storage.limits(now=0.0)
        assert (none, isinstance(none, Unfinished), usage.waiting) == ((), False, 2 * MOST_PARKED)


def _all(made: Sequence[Sequence[Delivery]]) -> list[Delivery]:
    return [each for deliveries in made for each in deliveries]
