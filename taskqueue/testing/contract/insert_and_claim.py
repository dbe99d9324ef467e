"""The part of the storage contract about tasks that are claimed as they are inserted."""

from collections.abc import Mapping

import msgspec

from taskqueue.rules.tasks import Acceptance, Accepted, Delivery, NewTask, Status
from taskqueue.storage.protocol import Storage
from taskqueue.testing.contract.steps import (
    DONE,
    ME,
    add,
    claim,
    ids,
    new_task,
    settle,
    task_of,
)


async def put(
    storage: Storage, *tasks: NewTask, room: Mapping[str, int] | None = None, now: float = 0.0
) -> tuple[tuple[Accepted, ...], tuple[Delivery, ...]]:
    """Insert tasks with room for ten of the default queue, by default."""
    room = {"default": 10} if room is None else room
    return await storage.insert_and_claim(tasks, room=room, owner=ME, lease_s=30.0, now=now)


class InsertAndClaimContract:
    """A part of `StorageContract`, whose `storage` it is given."""

    async def test_it_is_the_same_as_an_insert_and_a_claim(self, storage: Storage) -> None:
        task = new_task("a", priority=2, run_at=3.0, max_attempts=7, unique_key="k")
        _, [at_once] = await put(storage, task, now=5.0)
        at_once_reads = await task_of(storage, "a", now=5.0)
        await settle(storage, at_once, DONE)
        await storage.delete(["a"])

        await storage.insert([task], now=5.0)
        [later] = await claim(storage, now=5.0)

        assert at_once == msgspec.structs.replace(later, token=at_once.token)
        assert at_once_reads == await task_of(storage, "a", now=5.0)
        assert (at_once.task.attempt, at_once.task.deliveries, at_once.started) == (1, 1, False)

    async def test_what_it_delivers_is_held_and_settled_like_any_other(
        self, storage: Storage
    ) -> None:
        _, [a, b] = await put(storage, new_task("a"), new_task("b"))

        assert a.token != b.token
        assert await storage.held(ME) == (a, b)
        assert await claim(storage) == ()
        await settle(storage, a, DONE)
        assert (await task_of(storage, "a")).status == Status.COMPLETED
        assert await storage.extend([a.token, b.token], lease_s=30.0, now=1.0) == (a.token,)

    async def test_a_task_that_it_delivered_is_not_claimed_before_its_lease_is_over(
        self, storage: Storage
    ) -> None:
        _, [a] = await put(storage, new_task("a"), now=5.0)

        assert a.expires_at == 35.0
        assert await storage.rescue(ME, now=35.0) == ()
        assert await storage.rescue(ME, now=35.1) == (a,)

    async def test_the_first_in_the_order_of_a_claim_are_delivered_and_the_others_wait(
        self, storage: Storage
    ) -> None:
        tasks = (
            new_task("d", priority=1),
            new_task("c"),
            new_task("b", run_at=-1.0),
            new_task("a"),
        )

        _, delivered = await put(storage, *tasks, room={"default": 2})

        assert ids(delivered) == ["b", "a"]
        assert ids(await claim(storage)) == ["c", "d"]

    async def test_only_queues_with_room_are_served(self, storage: Storage) -> None:
        tasks = (new_task("a"), new_task("b", queue="mail"), new_task("c", queue="images"))

        _, delivered = await put(storage, *tasks, room={"mail": 1, "images": 0, "none": 3})

        assert ids(delivered) == ["b"]
        assert ids(await claim(storage)) == ["a"]
        assert ids(await claim(storage, queue="images")) == ["c"]

    async def test_a_ready_task_is_not_overtaken(self, storage: Storage) -> None:
        await add(storage, "first", priority=9)
        await add(storage, "elsewhere", queue="mail")

        accepted, delivered = await put(storage, new_task("second"))

        assert [each.acceptance for each in accepted] == [Acceptance.ACCEPTED]
        assert delivered == ()
        assert ids(await claim(storage)) == ["second", "first"]

    async def test_a_task_that_is_not_due_or_is_held_does_not_block_others(
        self, storage: Storage
    ) -> None:
        await add(storage, "held")
        await claim(storage)
        await add(storage, "later", run_at=9.0, priority=-1)

        _, delivered = await put(storage, new_task("a"), now=8.9)
        _, overtaking = await put(storage, new_task("b"), now=9.0)

        assert ids(delivered) == ["a"]
        assert overtaking == ()

    async def test_what_is_to_be_done_later_waits(self, storage: Storage) -> None:
        _, delivered = await put(storage, new_task("a", run_at=0.1), new_task("b", run_at=0.0))

        assert ids(delivered) == ["b"]
        assert await storage.next_due("default") == 0.1
        assert await storage.counts() == dict.fromkeys(Status, 0) | {
            Status.QUEUED: 1,
            Status.SCHEDULED: 1,
        }

    async def test_a_paused_queue_delivers_nothing(self, storage: Storage) -> None:
        await storage.pause("default", now=0.0)

        _, delivered = await put(storage, new_task("a"))

        assert delivered == ()
        await storage.resume("default")
        assert ids(await claim(storage)) == ["a"]

    async def test_what_was_there_already_is_answered_so_and_left_alone(
        self, storage: Storage
    ) -> None:
        await storage.insert([new_task("a", unique_key="k", fingerprint="f")], now=0.0)
        [held] = await claim(storage)

        accepted, delivered = await put(
            storage,
            new_task("a"),
            new_task("b", unique_key="k", fingerprint="f"),
            new_task("c", unique_key="k", fingerprint="g"),
            new_task("d"),
            new_task("e"),
            new_task("d"),
        )

        assert [(each.id, each.acceptance) for each in accepted] == [
            ("a", Acceptance.REPEATED),
            ("a", Acceptance.REPEATED),
            ("a", Acceptance.CONFLICT),
            ("d", Acceptance.ACCEPTED),
            ("e", Acceptance.ACCEPTED),
            ("d", Acceptance.REPEATED),
        ]
        assert ids(delivered) == ["d", "e"]
        assert await storage.held(ME) == (held, *delivered)
        assert (await storage.counts())[Status.QUEUED] == 3

    async def test_many_at_once_are_delivered_each_under_its_own_token(
        self, storage: Storage
    ) -> None:
        tasks = [new_task(f"{n:04}") for n in range(700)]

        accepted, delivered = await put(storage, *tasks, room={"default": 650})

        assert [each.id for each in accepted] == [task.id for task in tasks]
        assert ids(delivered) == [task.id for task in tasks[:650]]
        assert await storage.extend([d.token for d in delivered], lease_s=30.0, now=1.0) == ()
        assert (await storage.counts())[Status.QUEUED] == 700
