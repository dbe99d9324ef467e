"""The part of the storage contract that serves who looks after it: probe, find, delete, pause."""

import pytest
from msgspec.structs import replace

from taskqueue.errors import StorageUnavailable
from taskqueue.rules.tasks import Release, Settled, Status, Task
from taskqueue.storage.limits import MAX_ATTEMPTS
from taskqueue.storage.protocol import Storage
from taskqueue.testing.contract.steps import (
    BURIAL,
    CANCEL,
    DONE,
    FAILURE,
    LATER,
    add,
    attempts_of,
    claim,
    ids,
    new_task,
    settle,
)


class OperationContract:
    """A part of `StorageContract`, whose `storage` it is given."""

    async def test_no_verb_of_operation_serves_while_the_storage_is_closed(
        self, storage: Storage
    ) -> None:
        await storage.close()

        verbs = (
            storage.probe(),
            storage.delete(["a"]),
            storage.pause("default", now=0.0),
            storage.resume("default"),
            storage.paused(),
        )

        for verb in verbs:
            with pytest.raises(StorageUnavailable):
                await verb

    async def test_a_negative_limit_is_refused(self, storage: Storage) -> None:
        await add(storage, "a")
        verbs = (
            claim(storage, limit=-1),
            storage.find(limit=-1, now=0.0),
            storage.expire(Status.DEAD, ended_before=0.0, limit=-1),
        )

        for verb in verbs:
            with pytest.raises(ValueError, match="limit must not be negative, and is -1"):
                await verb

    # --- probe ------------------------------------------------------------------------------------

    async def test_a_probe_leaves_nothing_behind(self, storage: Storage) -> None:
        await add(storage, "a")
        before = await storage.get("a", now=0.0)

        await storage.probe()
        await storage.probe()

        assert await storage.get("a", now=0.0) == before
        assert ids(await storage.find(limit=10, now=0.0)) == ["a"]
        assert sum((await storage.counts()).values()) == 1

    # --- get --------------------------------------------------------------------------------------

    async def test_of_very_many_attempts_the_latest_are_returned(self, storage: Storage) -> None:
        await add(storage, "a", max_attempts=1_000)
        for _ in range(MAX_ATTEMPTS):
            [failed] = await claim(storage, now=100.0)
            await settle(storage, failed, replace(FAILURE, run_at=0.0))
        [last] = await claim(storage, now=100.0)
        await settle(storage, last, DONE)

        attempts = await attempts_of(storage, "a")

        assert [each.attempt for each in attempts] == [*range(2, MAX_ATTEMPTS + 2)]
        assert attempts[-1].outcome == "completed"

    # --- find -------------------------------------------------------------------------------------

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

    # --- delete ------------------------------------------------------------------------------

    async def test_delete_deletes_what_has_ended_and_returns_which(self, storage: Storage) -> None:
        await add(storage, *"abcdef")
        a, b, c, d, e = await claim(storage, limit=5)
        for delivery, settlement in ((a, DONE), (b, BURIAL), (c, CANCEL), (d, FAILURE)):
            await settle(storage, delivery, settlement)
        await storage.start([e.token], now=0.0)

        deleted = await storage.delete(["c", "f", "e", "a", "d", "nobody", "b", "a"])

        assert deleted == ("c", "a", "b")
        assert ids(await storage.find(limit=10, now=0.0)) == ["f", "e", "d"]
        counts = await storage.counts()
        left = {status: number for status, number in counts.items() if number}
        assert left == {Status.QUEUED: 1, Status.RUNNING: 1, Status.RETRYING: 1}
        assert await settle(storage, e, DONE) is Settled.WRITTEN

    async def test_a_purged_task_takes_its_history_along(self, storage: Storage) -> None:
        await add(storage, "a", "b")
        a, b = await claim(storage)
        await settle(storage, a, FAILURE)
        await settle(storage, b, BURIAL)

        await storage.delete(["b"])
        await add(storage, "b")

        assert await attempts_of(storage, "b") == ()
        assert len(await attempts_of(storage, "a")) == 1
        assert await settle(storage, b, BURIAL) is Settled.LEASE_LOST

    # --- pause, resume ----------------------------------------------------------------------------

    async def test_a_paused_queue_has_nothing_ready_until_it_is_resumed(
        self, storage: Storage
    ) -> None:
        await add(storage, "a", "b")
        await add(storage, "c", queue="other")

        await storage.pause("default", now=1.0)
        while_paused = (await claim(storage), await storage.next_due("default"))
        others = (await storage.next_due("other"), ids(await claim(storage, queue="other")))
        await storage.resume("default")

        assert while_paused == ((), None)
        assert others == (0.0, ["c"])
        assert await storage.next_due("default") == 0.0
        assert ids(await claim(storage)) == ["a", "b"]

    async def test_a_paused_queue_takes_tasks_in_and_ends_what_is_held(
        self, storage: Storage
    ) -> None:
        await add(storage, "a", "b")
        done, handed_back = await claim(storage)
        await storage.pause("default", now=1.0)

        await storage.start([done.token], now=2.0)
        settled = await settle(storage, done, DONE, now=3.0)
        await settle(storage, handed_back, Release())
        await storage.insert([new_task("c")], now=3.0)

        assert settled is Settled.WRITTEN
        assert await claim(storage, now=9.0) == ()
        await storage.resume("default")
        assert ids(await claim(storage, now=9.0)) == ["b", "c"]

    async def test_paused_tells_which_queues_and_since_when(self, storage: Storage) -> None:
        nothing = await storage.paused()
        await storage.pause("b", now=1.0)
        await storage.pause("a", now=2.0)
        await storage.pause("b", now=3.0)

        both = await storage.paused()
        await storage.resume("a")
        await storage.resume("a")
        await storage.resume("never paused")

        assert nothing == {}
        assert both == {"a": 2.0, "b": 1.0}
        assert await storage.paused() == {"b": 1.0}

    async def test_a_pause_outlives_a_reopening(self, storage: Storage) -> None:
        await add(storage, "a")
        await storage.pause("default", now=1.0)

        await storage.close()
        await storage.open()

        assert await storage.paused() == {"default": 1.0}
        assert await claim(storage) == ()
