"""The part of the storage contract that sums up tasks: dead ones by error, counts, beginnings."""

from typing import Any

import pytest
from msgspec.structs import replace

from taskqueue.rules.filters import TaskFilter
from taskqueue.rules.limits import LimitUse, LimitValues, encoded
from taskqueue.rules.summaries import Counts, DeadGroup, QueueLimit
from taskqueue.rules.tasks import Status
from taskqueue.storage.protocol import Storage
from taskqueue.testing.contract.steps import (
    BURIAL,
    DONE,
    add,
    claim,
    ids,
    new_task,
    one_life_of_each_status,
    settle,
)


async def bury(storage: Storage, task_id: str, reason: str, **fields: Any) -> None:
    """Have a task die for a reason; the digit of its id is when."""
    await add(storage, task_id, **fields)
    [delivery] = await claim(storage, queue=fields.get("queue", "default"))
    await settle(storage, delivery, replace(BURIAL, reason=reason), now=float(task_id[-1]))


async def some_dead(storage: Storage) -> None:
    """Bury five tasks, three of them by one error; another one completes."""
    await bury(storage, "a1", "HTTPError: 502 for order 17")
    await bury(storage, "a3", "HTTPError: 504 for order 18", queue="mail")
    await bury(storage, "a2", "HTTPError: 502 for order 19.5")
    await bury(storage, "b4", "HTTPError: 502 for order 17", action="charge")
    await bury(storage, "b5", "ValueError")
    await add(storage, "c6")
    [delivery] = await claim(storage)
    await settle(storage, delivery, DONE)


class SummariesContract:
    """A part of `StorageContract`, whose `storage` it is given."""

    async def test_dead_tasks_are_grouped_by_action_and_error_whatever_numbers_it_has(
        self, storage: Storage
    ) -> None:
        await some_dead(storage)

        largest, *rest = await storage.dead_groups(limit=10)

        assert largest == DeadGroup(
            action="uppercase",
            error="HTTPError: … for order …",
            tasks=3,
            queues=("default", "mail"),
            latest_at=3.0,
            example_id="a3",
            example="HTTPError: 504 for order 18",
        )
        assert [(group.action, group.error, group.tasks) for group in rest] == [
            ("uppercase", "ValueError", 1),
            ("charge", "HTTPError: … for order …", 1),
        ]

    async def test_dead_tasks_of_an_action_or_a_queue_are_grouped_and_no_more_than_asked_for(
        self, storage: Storage
    ) -> None:
        await some_dead(storage)

        async def sizes(**wanted: Any) -> list[int]:
            return [group.tasks for group in await storage.dead_groups(**wanted)]

        assert await sizes(limit=2) == [3, 1]
        assert await sizes(limit=0) == []
        assert await sizes(action="charge", limit=9) == [1]
        assert await sizes(queue="mail", limit=9) == [1]
        assert await sizes(action="charge", queue="mail", limit=9) == []
        with pytest.raises(ValueError, match="negative"):
            await storage.dead_groups(limit=-1)

    async def test_a_task_that_is_redriven_or_deleted_leaves_its_group(
        self, storage: Storage
    ) -> None:
        await some_dead(storage)

        await storage.redrive(["a1"], now=9.0)
        await storage.delete(["a2"])

        groups = await storage.dead_groups(action="uppercase", limit=9)
        assert [(group.error, group.tasks) for group in groups] == [
            ("ValueError", 1),
            ("HTTPError: … for order …", 1),
        ]

    async def test_the_tasks_of_a_group_are_found_by_action_and_error(
        self, storage: Storage
    ) -> None:
        await some_dead(storage)
        error = "HTTPError: … for order …"

        async def found(**wanted: Any) -> list[str]:
            return ids((await storage.search(TaskFilter(**wanted), limit=9, now=9.0)).tasks)

        assert await found(error=error, action="uppercase") == ["a3", "a2", "a1"]
        assert await found(error=error) == ["b4", "a3", "a2", "a1"]
        assert await found(error=error, action="uppercase", queue="mail") == ["a3"]
        assert await found(error=error, action="uppercase", ended_after=2.0) == ["a3", "a2"]
        assert await found(error=error, queue="mail") == ["a3"]
        assert await found(error=error, statuses=(Status.QUEUED,)) == []
        assert await found(error=error, action="uppercase", statuses=(Status.COMPLETED,)) == []
        assert await found(error="HTTPError") == []

    async def test_what_matches_is_counted_by_status(self, storage: Storage) -> None:
        expected = await one_life_of_each_status(storage)
        await add(storage, "x", action="resize", queue="mail")
        await add(storage, "y", action="resize", run_at=4.0)

        async def count(**wanted: Any) -> Counts:
            return await storage.count(TaskFilter(**wanted), most=100, now=5.0)

        sizes = {status: len(found) for status, found in expected.items()}
        none = dict.fromkeys(Status, 0)
        assert await count(action="uppercase") == Counts(tasks=sizes)
        assert await count() == Counts(tasks={**sizes, Status.QUEUED: sizes[Status.QUEUED] + 2})
        assert await count(queue="mail") == Counts(tasks={**none, Status.QUEUED: 1})
        assert await count(action="resize") == Counts(tasks={**none, Status.QUEUED: 2})
        assert await count(action="uppercase", queue="mail") == Counts(tasks=none)
        assert await count(statuses=(Status.DEAD,)) == Counts(tasks={Status.DEAD: 2})
        assert await count(created_after=0.0, action="uppercase") == Counts(tasks=sizes)
        assert await count(created_after=1.0) == Counts(tasks=none)

    async def test_members_of_a_group_a_key_and_an_error_are_counted(
        self, storage: Storage
    ) -> None:
        await some_dead(storage)
        await add(storage, "g1", group="g")
        await add(storage, "g2", group="g", run_at=4.0)
        await add(storage, "g3", group="g", run_at=6.0)
        await add(storage, "k", unique_key="k", fingerprint="f")

        async def count(**wanted: Any) -> dict[Status, int]:
            counts = await storage.count(TaskFilter(**wanted), most=100, now=5.0)
            assert counts.more == frozenset()
            return {status: tasks for status, tasks in counts.tasks.items() if tasks}

        error = "HTTPError: … for order …"
        assert await count(group="g") == {Status.QUEUED: 2, Status.SCHEDULED: 1}
        assert await count(group="g", action="uppercase") == await count(group="g")
        assert await count(group="g", action="resize") == {}
        assert await count(unique_key="k") == {Status.QUEUED: 1}
        assert await count(error=error) == {Status.DEAD: 4}
        assert await count(error=error, action="uppercase") == {Status.DEAD: 3}
        assert await count(error=error, action="uppercase", queue="mail") == {Status.DEAD: 1}

    async def test_a_count_that_stops_says_of_which_statuses_there_are_more(
        self, storage: Storage
    ) -> None:
        await add(storage, *(f"a{n}" for n in range(6)))
        await add(storage, *(f"b{n}" for n in range(3)), run_at=9.0)

        async def count(most: int, max_rows: int = 100, **wanted: Any) -> Counts:
            return await storage.count(TaskFilter(**wanted), most=most, max_rows=max_rows, now=1.0)

        waiting = {Status.QUEUED: 6, Status.SCHEDULED: 3}
        none = dict.fromkeys(Status, 0)
        for wanted in ({"action": "uppercase"}, {"queue": "default"}, {"created_after": 0.0}):
            assert await count(6, **wanted) == Counts(tasks=none | waiting)
            assert await count(5, **wanted) == Counts(
                tasks=none | {**waiting, Status.QUEUED: 5}, more=frozenset({Status.QUEUED})
            )
        cut = await count(100, max_rows=4, created_after=0.0)
        assert (cut.tasks[Status.QUEUED], cut.more) == (4, frozenset({Status.QUEUED}))
        with pytest.raises(ValueError, match="negative"):
            await count(-1)

    async def test_payloads_are_read_as_far_as_is_asked_for(self, storage: Storage) -> None:
        await add(storage, "a", payload='{"name": "Zoë and others"}')
        await add(storage, "b", payload="{}")

        heads = await storage.heads(["b", "a", "nobody"], length=13)

        assert heads == {"a": '{"name": "Zoë', "b": "{}"}
        assert await storage.heads([], length=9) == {}

    async def test_limits_are_told_by_the_queues_that_they_hold_back(
        self, storage: Storage
    ) -> None:
        await storage.declare_limits({"smtp": LimitValues(running=1)}, now=0.0)
        by_key = {name: encoded((LimitUse("smtp", name),)) for name in "xy"}
        tasks = [
            *(new_task(f"x{n}", limits=by_key["x"]) for n in range(3)),
            *(new_task(f"y{n}", limits=by_key["y"]) for n in range(2)),
            *(new_task(f"m{n}", limits=by_key["x"], queue="mail") for n in range(2)),
            new_task("free"),
        ]
        await storage.insert(tasks, now=0.0)
        before = await storage.queue_limits(now=0.0)

        for queue in ("default", "mail"):
            await claim(storage, queue=queue)

        assert before == ()
        assert await storage.queue_limits(now=0.0) == (
            QueueLimit(queue="default", name="smtp", running=2, waiting=3),
            QueueLimit(queue="mail", name="smtp", running=2, waiting=2),
        )
