"""The part of the storage contract about `edit`: what may change while nothing holds a task."""

from typing import Any

import pytest

from taskqueue.rules.edits import MAX_EDITS, Change, EditAnswer, EditResult
from taskqueue.rules.tasks import Edit, Settlement, Status
from taskqueue.storage.protocol import Storage
from taskqueue.testing.contract.steps import (
    BURIAL,
    CANCEL,
    DONE,
    FAILURE,
    add,
    claim,
    ids,
    settle,
    task_of,
)


class EditContract:
    """A part of `StorageContract`, whose `storage` it is given."""

    async def test_an_edit_changes_what_it_names_and_leaves_the_rest(
        self, storage: Storage
    ) -> None:
        await add(storage, "a", "b", priority=3)
        before, other = await task_of(storage, "a"), await task_of(storage, "b")

        result = await storage.edit("a", Change(payload='{"é": 1}', max_attempts=9), now=1.0)

        task = await task_of(storage, "a")
        assert result == EditResult(answer=EditAnswer.EDITED, changed=("payload", "max_attempts"))
        assert (task.payload, task.max_attempts) == ('{"é": 1}', 9)
        assert (task.priority, task.run_at, task.status) == (3, before.run_at, Status.QUEUED)
        assert await task_of(storage, "b") == other

    async def test_each_edit_is_a_line_of_the_history_with_what_was_there_before(
        self, storage: Storage
    ) -> None:
        await add(storage, "a", priority=3, max_attempts=5)
        await storage.edit("a", Change(priority=1, run_at=7.5), who="ci", now=1.25)
        await storage.edit("a", Change(payload="{}", priority=1), now=2.0)

        history = await storage.get("a", now=2.0)

        assert history is not None
        assert history.edits == (
            Edit(at=1.25, before={"priority": 3, "run_at": 0.0}, who="ci"),
            Edit(at=2.0, before={"payload": None}),
        )

    async def test_an_edit_that_changes_nothing_leaves_no_line(self, storage: Storage) -> None:
        await add(storage, "a", priority=3)

        result = await storage.edit("a", Change(priority=3), now=1.0)

        history = await storage.get("a", now=1.0)
        assert result == EditResult(answer=EditAnswer.EDITED)
        assert history is not None
        assert history.edits == ()

    async def test_the_latest_edits_are_kept(self, storage: Storage) -> None:
        await add(storage, "a")
        for n in range(MAX_EDITS + 2):
            await storage.edit("a", Change(priority=n + 1), now=float(n))

        history = await storage.get("a", now=0.0)

        assert history is not None
        assert [edit.at for edit in history.edits] == [float(n) for n in range(2, MAX_EDITS + 2)]

    async def test_a_new_run_at_schedules_a_task_or_makes_it_due(self, storage: Storage) -> None:
        await add(storage, "later")
        await add(storage, "now", run_at=50.0)

        await storage.edit("later", Change(run_at=50.0), now=1.0)
        await storage.edit("now", Change(run_at=1.0), now=1.0)

        counts = await storage.counts()
        assert (await task_of(storage, "later", now=1.0)).status is Status.SCHEDULED
        assert (await task_of(storage, "now", now=1.0)).status is Status.QUEUED
        assert (counts[Status.SCHEDULED], counts[Status.QUEUED]) == (1, 1)
        assert await storage.next_due("default") == 1.0
        assert ids(await claim(storage, now=49.9)) == ["now"]
        assert ids(await claim(storage, now=50.0)) == ["later"]

    async def test_a_task_that_retries_stays_so_whenever_its_next_attempt_is(
        self, storage: Storage
    ) -> None:
        await add(storage, "a")
        [delivery] = await claim(storage)
        await settle(storage, delivery, FAILURE)

        for run_at in (99.0, 2.0):
            await storage.edit("a", Change(run_at=run_at), now=2.0)

            assert (await task_of(storage, "a", now=2.0)).status is Status.RETRYING
        assert ids(await claim(storage, now=2.0)) == ["a"]

    async def test_a_new_priority_changes_the_order_of_claims(self, storage: Storage) -> None:
        await add(storage, "a", "b", priority=5)

        await storage.edit("b", Change(priority=1), now=0.0)

        assert ids(await claim(storage, limit=1)) == ["b"]

    async def test_the_next_attempt_has_the_new_payload(self, storage: Storage) -> None:
        await add(storage, "a")
        [first] = await claim(storage)
        await settle(storage, first, FAILURE)

        await storage.edit("a", Change(payload='{"n": 2}'), now=2.0)

        [second] = await claim(storage, now=10.0)
        assert second.task.payload == '{"n": 2}'

    @pytest.mark.parametrize("settlement", [DONE, BURIAL, CANCEL])
    async def test_a_task_that_has_ended_is_not_edited(
        self, storage: Storage, settlement: Settlement
    ) -> None:
        await add(storage, "a")
        [delivery] = await claim(storage)
        await settle(storage, delivery, settlement)
        before = await storage.get("a", now=2.0)

        result = await storage.edit("a", Change(priority=9), now=2.0)

        assert result == EditResult(answer=EditAnswer.ENDED)
        assert await storage.get("a", now=2.0) == before

    async def test_a_task_that_is_held_is_not_edited_before_it_is_settled(
        self, storage: Storage
    ) -> None:
        await add(storage, "a")
        [delivery] = await claim(storage)

        buffered = await storage.edit("a", Change(priority=9), now=0.0)
        await storage.start([delivery.token], now=0.0)
        running = await storage.edit("a", Change(priority=9), now=0.0)
        await settle(storage, delivery, FAILURE)
        settled = await storage.edit("a", Change(priority=9), now=1.0)

        assert [each.answer for each in (buffered, running, settled)] == ["held", "held", "edited"]

    async def test_max_attempts_stay_above_the_attempts_made(self, storage: Storage) -> None:
        await add(storage, "a", max_attempts=5)
        for now in (0.0, 10.0):
            [delivery] = await claim(storage, now=now)
            await settle(storage, delivery, FAILURE)

        spent = await storage.edit("a", Change(priority=1, max_attempts=2), now=11.0)
        one_left = await storage.edit("a", Change(max_attempts=3), now=11.0)

        task = await task_of(storage, "a", now=11.0)
        assert (spent.answer, one_left.answer) == (EditAnswer.SPENT, EditAnswer.EDITED)
        assert (task.priority, task.max_attempts) == (0, 3)

    async def test_a_task_that_is_not_there_cannot_be_edited(self, storage: Storage) -> None:
        result = await storage.edit("nobody", Change(priority=1), now=0.0)

        assert result == EditResult(answer=EditAnswer.UNKNOWN)

    async def test_a_request_under_the_key_of_an_edited_task_is_still_the_same(
        self, storage: Storage
    ) -> None:
        keyed: dict[str, Any] = {"unique_key": "k", "fingerprint": "f"}
        await add(storage, "a", **keyed)
        await storage.edit("a", Change(payload="{}"), now=1.0)

        await add(storage, "b", **keyed)

        assert ids(await storage.find(limit=10, now=1.0)) == ["a"]

    async def test_edits_outlive_a_redrive(self, storage: Storage) -> None:
        await add(storage, "a")
        await storage.edit("a", Change(priority=2), now=1.0)
        [delivery] = await claim(storage, now=1.0)
        await settle(storage, delivery, BURIAL)

        await storage.redrive(["a"], now=2.0)

        history = await storage.get("a", now=2.0)
        assert history is not None
        assert history.edits == (Edit(at=1.0, before={"priority": 0}),)
