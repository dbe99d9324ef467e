"""The part of the storage contract about `find`: which tasks there are."""

from msgspec.structs import replace

from taskqueue.rules.tasks import Release, Status, Task
from taskqueue.storage.protocol import Storage
from taskqueue.testing.contract.steps import (
    BURIAL,
    CANCEL,
    DONE,
    FAILURE,
    LATER,
    add,
    claim,
    ids,
    one_life_of_each_status,
    settle,
    task_of,
)


class FindContract:
    """A part of `StorageContract`, whose `storage` it is given."""

    async def test_find_returns_the_newest_first_page_by_page(self, storage: Storage) -> None:
        await add(storage, "b", "d", "a", "e", "c")

        first = await storage.find(limit=2, now=0.0)
        second = await storage.find(limit=2, before=first[-1].id, now=0.0)
        last = await storage.find(limit=2, before=second[-1].id, now=0.0)

        assert [ids(page) for page in (first, second, last)] == [["e", "d"], ["c", "b"], ["a"]]
        assert await storage.find(limit=2, before="a", now=0.0) == ()
        assert await storage.find(limit=0, now=0.0) == ()

    async def test_find_pages_through_each_status(self, storage: Storage) -> None:
        expected = await one_life_of_each_status(storage)

        for status, newest_first in expected.items():
            whole = await storage.find(status=status, limit=10, now=5.0)
            page = await storage.find(status=status, limit=1, now=5.0)
            rest = await storage.find(status=status, limit=9, before=page[0].id, now=5.0)

            assert (status, ids(whole)) == (status, newest_first)
            assert page + rest == whole
            assert {task.status for task in whole} == {status}

    async def test_find_and_get_tell_the_same(self, storage: Storage) -> None:
        await one_life_of_each_status(storage)

        for now in (0.0, 5.0, 50.0):
            for task in await storage.find(limit=100, now=now):
                assert await task_of(storage, task.id, now=now) == task

    async def test_a_scheduled_task_whose_time_has_come_reads_queued(
        self, storage: Storage
    ) -> None:
        await add(storage, "a", run_at=10.0)
        await add(storage, "b")
        await add(storage, "c", run_at=10.5)

        early = await storage.find(status=Status.SCHEDULED, limit=10, now=9.9)
        ahead = await storage.find(status=Status.SCHEDULED, limit=10, now=10.0)
        queued = await storage.find(status=Status.QUEUED, limit=10, now=10.0)
        page = await storage.find(status=Status.QUEUED, limit=1, before="b", now=10.0)

        assert (ids(early), ids(ahead)) == (["c", "a"], ["c"])
        assert (ids(queued), ids(page)) == (["b", "a"], ["a"])
        assert {task.status for task in queued} == {Status.QUEUED}
        assert (await task_of(storage, "a", now=10.0)).status is Status.QUEUED
        assert (await task_of(storage, "a", now=9.9)).status is Status.SCHEDULED
        assert (await storage.counts())[Status.SCHEDULED] == 2

    async def test_find_keeps_to_an_action_and_a_queue(self, storage: Storage) -> None:
        await self._tasks_of_two_actions_in_two_queues(storage)

        mails = await storage.find(action="mail", limit=10, now=0.0)
        slow = await storage.find(queue="slow", limit=10, now=0.0)
        both = await storage.find(action="mail", queue="slow", limit=10, now=0.0)
        page = await storage.find(action="mail", before="3", limit=1, now=0.0)

        assert [ids(found) for found in (mails, slow, both, page)] == [
            ["5", "3", "2", "1"],
            ["6", "5", "2"],
            ["5", "2"],
            ["2"],
        ]
        assert await storage.find(action="nothing of that kind", limit=10, now=0.0) == ()
        assert await storage.find(queue="nobody's", limit=10, now=0.0) == ()

    async def test_find_keeps_to_an_action_and_a_queue_in_every_status(
        self, storage: Storage
    ) -> None:
        await add(storage, "due 1", "due 2", action="mail", run_at=1.0)
        await add(storage, "due 3", run_at=1.0)
        for settlement in (FAILURE, BURIAL, DONE, CANCEL, LATER, Release()):
            name = type(settlement).__name__
            for queue in ("default", "slow"):
                await add(storage, f"{name} 1 {queue}", action="mail", queue=queue, priority=-1)
                await add(storage, f"{name} 2 {queue}", queue=queue, priority=-1)
                for delivery in await claim(storage, queue=queue, limit=2):
                    await settle(storage, delivery, settlement)
        await add(storage, "run 1", action="mail", queue="fast")
        await add(storage, "run 2", queue="fast")
        await storage.start([each.token for each in await claim(storage, queue="fast")], now=0.0)

        for status in Status:
            every = await storage.find(status=status, limit=100, now=5.0)
            wanted = [t for t in every if t.action == "mail" and t.queue == "default"]
            found = await storage.find(
                status=status, action="mail", queue="default", limit=100, now=5.0
            )
            mails = await storage.find(status=status, action="mail", limit=100, now=5.0)

            assert len(every) > len(wanted)
            assert list(found) == wanted
            assert list(mails) == [task for task in every if task.action == "mail"]
            assert mails

        every = await storage.find(limit=100, now=5.0)
        paged: tuple[Task, ...] = ()
        while page := await storage.find(
            action="mail", before=paged[-1].id if paged else None, limit=3, now=5.0
        ):
            paged += page
        slow = await storage.find(queue="slow", limit=100, now=5.0)

        assert list(paged) == [task for task in every if task.action == "mail"]
        assert list(slow) == [task for task in every if task.queue == "slow"]

    async def test_a_page_ends_with_the_task_that_exceeds_its_bytes(self, storage: Storage) -> None:
        payloads = {"1": "x" * 100, "2": "é" * 200, "3": "x" * 300, "4": "x" * 100}
        for task_id, payload in payloads.items():
            await add(storage, task_id, action="mail", payload=payload)

        for action in (None, "mail"):
            below, at, above, first = [
                await storage.find(action=action, limit=10, now=0.0, max_bytes=max_bytes)
                for max_bytes in (399, 400, 10_000, 0)
            ]

            assert [ids(page) for page in (below, at, above, first)] == [
                ["4", "3"],
                ["4", "3", "2"],
                ["4", "3", "2", "1"],
                ["4"],
            ]

    async def test_a_brief_page_has_the_same_tasks_without_what_may_be_large(
        self, storage: Storage
    ) -> None:
        await add(storage, "queued", "scheduled", run_at=2.0)
        await add(storage, "ended")
        [ended] = await claim(storage)
        await settle(storage, ended, DONE)

        for now in (0.0, 5.0):
            for status in (None, *Status):
                whole = await storage.find(status=status, limit=10, now=now)
                brief = await storage.find(status=status, limit=10, now=now, brief=True)

                assert [replace(task, payload="", result=None) for task in whole] == [*brief]

    async def _tasks_of_two_actions_in_two_queues(self, storage: Storage) -> None:
        await add(storage, "1", "3", action="mail")
        await add(storage, "2", "5", action="mail", queue="slow")
        await add(storage, "4")
        await add(storage, "6", queue="slow")
