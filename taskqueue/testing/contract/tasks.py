"""The part of the storage contract about tasks as their callers know them: by id."""

from typing import cast

import pytest
from msgspec.structs import replace

from taskqueue.rules.tasks import AttemptOutcome, NewTask, Settled, Status, Task
from taskqueue.storage.limits import MAX_ATTEMPTS
from taskqueue.storage.protocol import Storage
from taskqueue.testing.contract.cancel import CancelContract
from taskqueue.testing.contract.edits import EditContract
from taskqueue.testing.contract.find import FindContract
from taskqueue.testing.contract.keys import KeyContract
from taskqueue.testing.contract.logs import LogsContract
from taskqueue.testing.contract.search import SearchContract
from taskqueue.testing.contract.steps import (
    BURIAL,
    CANCEL,
    CRASH,
    DONE,
    FAILURE,
    ME,
    add,
    attempts_of,
    claim,
    ids,
    new_task,
    settle,
    task_of,
)
from taskqueue.testing.contract.uniqueness import UniquenessContract


class TasksContract(
    FindContract,
    KeyContract,
    UniquenessContract,
    CancelContract,
    EditContract,
    SearchContract,
    LogsContract,
):
    """A part of `StorageContract`, whose `storage` it is given."""

    async def test_an_inserted_task_is_queued_as_it_was_given(self, storage: Storage) -> None:
        await add(storage, "a", now=5.0, queue="images", priority=3, max_attempts=7)

        history = await storage.get("a", now=5.0)

        assert history is not None
        assert history.attempts == ()
        assert history.task == Task(
            id="a",
            action="uppercase",
            payload='{"action": "uppercase", "data": {"text": "hi"}}',
            queue="images",
            priority=3,
            status=Status.QUEUED,
            attempt=0,
            max_attempts=7,
            crashes=0,
            deliveries=0,
            run_at=5.0,
            created_at=5.0,
            started_at=None,
            processed_at=None,
            result=None,
            reason=None,
        )

    async def test_a_task_keeps_its_trace_however_it_is_claimed(self, storage: Storage) -> None:
        trace = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
        _, [first] = await storage.insert_and_claim(
            [new_task("a", traceparent=trace), new_task("b"), new_task("c", traceparent=trace)],
            room={"default": 1},
            owner=ME,
            lease_s=30.0,
            now=0.0,
        )

        claimed = await claim(storage)

        assert first.task.traceparent == trace
        assert [each.task.traceparent for each in claimed] == [None, trace]
        assert [(await task_of(storage, name)).traceparent for name in "abc"] == [
            trace,
            None,
            trace,
        ]
        assert {each.task.traceparent for each in await storage.held(ME)} == {None, trace}

    async def test_a_task_keeps_where_it_comes_from_however_it_is_claimed(
        self, storage: Storage
    ) -> None:
        _, [first] = await storage.insert_and_claim(
            [new_task("a", parent="p"), new_task("b"), new_task("c", schedule="nightly")],
            room={"default": 1},
            owner=ME,
            lease_s=30.0,
            now=0.0,
        )
        await add(storage, "d", parent="q")

        claimed = await claim(storage)

        assert (first.task.parent, first.task.schedule) == ("p", None)
        assert [(each.task.parent, each.task.schedule) for each in claimed] == [
            (None, None),
            (None, "nightly"),
            ("q", None),
        ]
        assert [(await task_of(storage, name)).parent for name in "abcd"] == ["p", None, None, "q"]
        assert (await task_of(storage, "c")).schedule == "nightly"
        assert {each.task.parent for each in await storage.held(ME)} == {None, "p", "q"}

    async def test_text_comes_back_as_it_was_whatever_it_holds(self, storage: Storage) -> None:
        payload = '{"data": "Grüße, 火, 🧵, \\u0000 and \'quotes\'"}'
        await add(storage, "a", payload=payload, action="dröhn", queue="ö")

        [delivery] = await claim(storage, queue="ö")

        assert (delivery.task.payload, delivery.task.action) == (payload, "dröhn")

    async def test_a_task_is_scheduled_only_if_its_time_lies_ahead(self, storage: Storage) -> None:
        await add(storage, "past", run_at=4.0, now=5.0)
        await add(storage, "now", run_at=5.0, now=5.0)
        await add(storage, "future", run_at=5.5, now=5.0)

        found = {task.id: task for task in await storage.find(limit=10, now=5.0)}

        assert {task_id: task.status for task_id, task in found.items()} == {
            "past": Status.QUEUED,
            "now": Status.QUEUED,
            "future": Status.SCHEDULED,
        }
        assert [found[name].run_at for name in ("past", "now", "future")] == [4.0, 5.0, 5.5]

    async def test_an_insert_is_all_or_none(self, storage: Storage) -> None:
        no_task = cast("NewTask", None)

        with pytest.raises(AttributeError):
            await storage.insert([new_task("a"), new_task("b"), no_task], now=0.0)

        assert await storage.find(limit=10, now=0.0) == ()
        assert sum((await storage.counts()).values()) == 0

    async def test_a_task_whose_id_is_there_is_left_as_it_is(self, storage: Storage) -> None:
        await add(storage, "a", now=1.0)
        [delivery] = await claim(storage, now=1.0)
        await settle(storage, delivery, DONE, now=2.0)
        before = await storage.get("a", now=2.0)

        await storage.insert([new_task("a", priority=9), new_task("b")], now=3.0)

        assert await storage.get("a", now=2.0) == before
        assert ids(await claim(storage, now=3.0)) == ["b"]
        counts = await storage.counts()
        assert (counts[Status.COMPLETED], counts[Status.QUEUED]) == (1, 1)

    async def test_the_first_of_two_equal_ids_in_one_insert_wins(self, storage: Storage) -> None:
        twice = [new_task("a", run_at=9.0), new_task("b"), new_task("a", run_at=0.0)]

        await storage.insert(twice, now=0.0)

        assert (await task_of(storage, "a")).run_at == 9.0
        counts = await storage.counts()
        assert (counts[Status.SCHEDULED], counts[Status.QUEUED]) == (1, 1)

    async def test_inserting_nothing_is_harmless(self, storage: Storage) -> None:
        await storage.insert([], now=0.0)

        assert sum((await storage.counts()).values()) == 0

    async def test_a_task_that_was_never_accepted_is_none(self, storage: Storage) -> None:
        assert await storage.get("nobody", now=0.0) is None

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

    async def test_a_redriven_task_has_all_its_attempts_before_it_and_its_history(
        self, storage: Storage
    ) -> None:
        await add(storage, "a", max_attempts=3)
        for settlement in (CRASH, BURIAL):
            [delivery] = await claim(storage, now=10.0)
            await settle(storage, delivery, settlement, now=10.0)
        history = await attempts_of(storage, "a")

        redriven = await storage.redrive(["a"], now=20.0)

        task = await task_of(storage, "a")
        assert redriven == ("a",)
        assert (task.status, task.run_at, task.processed_at) == (Status.QUEUED, 20.0, None)
        assert (task.attempt, task.crashes, task.deliveries) == (0, 0, 0)
        assert (task.max_attempts, task.reason) == (3, None)
        assert len(history) == 2
        assert await attempts_of(storage, "a") == history
        assert await claim(storage, now=19.9) == ()
        assert ids(await claim(storage, now=20.0)) == ["a"]

    async def test_the_history_grows_on_after_a_redrive(self, storage: Storage) -> None:
        await add(storage, "a")
        [delivery] = await claim(storage)
        await settle(storage, delivery, BURIAL)
        await storage.redrive(["a"], now=2.0)
        [again] = await claim(storage, now=2.0)

        await settle(storage, again, DONE)

        assert [(line.attempt, line.outcome) for line in await attempts_of(storage, "a")] == [
            (1, AttemptOutcome.FAILED),
            (1, AttemptOutcome.COMPLETED),
        ]

    async def test_redrive_returns_those_that_were_dead_and_touches_no_other(
        self, storage: Storage
    ) -> None:
        await add(storage, *"abcd")
        a, b, c = await claim(storage, limit=3)
        await settle(storage, a, BURIAL)
        await settle(storage, b, DONE)
        await settle(storage, c, BURIAL)
        others = [await storage.get(task_id, now=0.0) for task_id in "bd"]

        redriven = await storage.redrive(["c", "b", "nobody", "a", "d", "a"], now=5.0)

        assert redriven == ("c", "a")
        assert [await storage.get(task_id, now=0.0) for task_id in "bd"] == others
        counts = await storage.counts()
        assert (counts[Status.QUEUED], counts[Status.DEAD], counts[Status.COMPLETED]) == (3, 0, 1)

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

    async def test_a_deleted_task_takes_its_history_along(self, storage: Storage) -> None:
        await add(storage, "a", "b")
        a, b = await claim(storage)
        await settle(storage, a, FAILURE)
        await settle(storage, b, BURIAL)

        await storage.delete(["b"])
        await add(storage, "b")

        assert await attempts_of(storage, "b") == ()
        assert len(await attempts_of(storage, "a")) == 1
        assert await settle(storage, b, BURIAL) is Settled.LEASE_LOST
