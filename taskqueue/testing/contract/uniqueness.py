"""The part of the storage contract about how long keys are held, and what repeats do."""

from typing import Any

import msgspec

from taskqueue.rules.filters import Sort, TaskFilter
from taskqueue.rules.tasks import Acceptance, Accepted, Complete, NewTask, Settlement, Status
from taskqueue.rules.uniqueness import KeyEnd, KeyRule, KeyState, OnRepeat, Scope, Until
from taskqueue.storage.protocol import Storage
from taskqueue.testing.contract.steps import (
    BURIAL,
    DONE,
    FAILURE,
    ME,
    claim,
    ids,
    new_task,
    settle,
    task_of,
)


def ruled(
    task_id: str,
    until: Until = KeyEnd.ENDED,
    on_repeat: OnRepeat | None = None,
    *,
    latest_s: float | None = None,
    key: str = "k",
    **fields: Any,
) -> NewTask:
    """Return a task under a key, with a rule."""
    rule = KeyRule(until=until, on_repeat=on_repeat, latest_s=latest_s)
    return new_task(task_id, unique_key=key, fingerprint=task_id, key_rule=rule, **fields)


async def enqueue(storage: Storage, task: NewTask, *, now: float = 0.0) -> Accepted:
    """Insert one task."""
    [answer] = await storage.insert([task], now=now)
    return answer


async def key_of(storage: Storage, task_id: str, *, now: float = 0.0) -> KeyState | None:
    """Return the state of the key of a task that is there."""
    history = await storage.get(task_id, now=now)
    assert history is not None
    return history.key


class UniquenessContract:
    """A part of `StorageContract`, whose `storage` it is given."""

    async def test_a_key_that_is_held_until_the_end_is_free_after_each_end(
        self, storage: Storage
    ) -> None:
        ends: tuple[Settlement, ...] = (DONE, BURIAL)
        for n, end in enumerate(ends):
            first = await enqueue(storage, ruled(f"{n}a", on_repeat=OnRepeat.KEEP))
            [delivery] = await claim(storage)
            while_it_runs = await enqueue(storage, ruled(f"{n}b", on_repeat=OnRepeat.KEEP))
            await settle(storage, delivery, end)
            assert await key_of(storage, f"{n}a") == KeyState(
                scope=Scope.GLOBAL, until=KeyEnd.ENDED, is_free=True
            )

            assert (first.id, first.acceptance) == (f"{n}a", Acceptance.ACCEPTED)
            assert (while_it_runs.id, while_it_runs.acceptance) == (f"{n}a", Acceptance.KEPT)
        again = await enqueue(storage, ruled("2a"))

        assert again.acceptance is Acceptance.ACCEPTED

    async def test_a_key_that_is_held_until_the_start_is_free_once_the_task_is_claimed(
        self, storage: Storage
    ) -> None:
        a, b, c, d = (ruled(each, KeyEnd.STARTED, OnRepeat.KEEP) for each in "abcd")
        await enqueue(storage, a)
        kept = await enqueue(storage, b)
        [delivery] = await claim(storage)

        after = await enqueue(storage, c)

        assert (kept.acceptance, after.acceptance) == (Acceptance.KEPT, Acceptance.ACCEPTED)
        await settle(storage, delivery, FAILURE)
        assert (await enqueue(storage, d)).id == "c"

    async def test_a_task_that_is_inserted_as_claimed_has_given_its_key_up_for_the_next(
        self, storage: Storage
    ) -> None:
        tasks = [ruled(each, KeyEnd.STARTED, OnRepeat.KEEP) for each in "abc"]

        answers, deliveries = await storage.insert_and_claim(
            tasks, room={"default": 1}, owner=ME, lease_s=30.0, now=0.0
        )

        assert ids(deliveries) == ["a"]
        assert [(each.id, each.acceptance) for each in answers] == [
            ("a", Acceptance.ACCEPTED),
            ("b", Acceptance.ACCEPTED),
            ("b", Acceptance.KEPT),
        ]

    async def test_a_key_that_is_free_again_is_claimed_with_the_insert_of_the_next(
        self, storage: Storage
    ) -> None:
        await enqueue(storage, ruled("a"))
        [delivery] = await claim(storage)
        await settle(storage, delivery, DONE)

        answers, deliveries = await storage.insert_and_claim(
            [ruled("b"), new_task("c")], room={"default": 2}, owner=ME, lease_s=30.0, now=0.0
        )

        assert {each.acceptance for each in answers} == {Acceptance.ACCEPTED}
        assert ids(deliveries) == ["b", "c"]
        assert await storage.held(ME) == deliveries

    async def test_seconds_count_from_the_enqueue_whatever_the_task_does(
        self, storage: Storage
    ) -> None:
        await enqueue(storage, ruled("a", 60.0, OnRepeat.KEEP), now=10.0)
        [delivery] = await claim(storage, now=10.0)
        await settle(storage, delivery, DONE)

        before = await enqueue(storage, ruled("b", 60.0, OnRepeat.KEEP), now=69.0)
        after = await enqueue(storage, ruled("c", 60.0, OnRepeat.KEEP), now=70.0)

        assert before == Accepted(id="a", acceptance=Acceptance.KEPT, status=Status.COMPLETED)
        assert after == Accepted(id="c", acceptance=Acceptance.ACCEPTED)

    async def test_the_holder_decides_how_long_the_key_is_held(self, storage: Storage) -> None:
        await enqueue(storage, ruled("a", KeyEnd.DELETED))
        [delivery] = await claim(storage)
        await settle(storage, delivery, DONE)

        answer = await enqueue(storage, ruled("b", KeyEnd.STARTED, OnRepeat.KEEP))

        assert (answer.id, answer.acceptance) == ("a", Acceptance.KEPT)

    async def test_replace_gives_the_waiting_task_the_new_payload_priority_and_run_at(
        self, storage: Storage
    ) -> None:
        await enqueue(storage, ruled("a", run_at=50.0, priority=3), now=1.0)
        new = ruled("b", on_repeat=OnRepeat.REPLACE, payload='{"n": 2}', priority=1, run_at=20.0)

        answer = await enqueue(storage, new, now=2.0)

        assert answer == Accepted(id="a", acceptance=Acceptance.REPLACED, status=Status.SCHEDULED)
        task = await task_of(storage, "a", now=2.0)
        assert (task.payload, task.priority, task.run_at) == ('{"n": 2}', 1, 20.0)
        assert (task.created_at, task.attempt) == (1.0, 0)
        history = await storage.get("a", now=2.0)
        assert history is not None
        assert [edit.before for edit in history.edits] == [
            {"payload": None, "priority": 3, "run_at": 50.0}
        ]

    async def test_a_replaced_task_that_is_due_keeps_its_place_in_line(
        self, storage: Storage
    ) -> None:
        await enqueue(storage, ruled("a"), now=1.0)

        await enqueue(storage, ruled("b", on_repeat=OnRepeat.REPLACE), now=9.0)

        assert (await task_of(storage, "a", now=9.0)).run_at == 1.0

    async def test_a_replacement_without_a_time_makes_a_scheduled_task_due(
        self, storage: Storage
    ) -> None:
        await enqueue(storage, ruled("a", run_at=50.0), now=1.0)

        answer = await enqueue(storage, ruled("b", on_repeat=OnRepeat.REPLACE), now=9.0)

        assert answer.status is Status.QUEUED
        assert ids(await claim(storage, now=9.0)) == ["a"]
        assert (await storage.counts())[Status.SCHEDULED] == 0

    async def test_postpone_moves_the_task_but_not_beyond_its_bound(self, storage: Storage) -> None:
        await enqueue(storage, ruled("a", run_at=5.0, payload="{}"), now=0.0)

        for now in (4.0, 8.0, 12.0, 16.0):
            postponed = ruled(
                f"at {now}", on_repeat=OnRepeat.POSTPONE, run_at=now + 5.0, latest_s=15.0
            )
            answer = await enqueue(storage, postponed, now=now)
            assert (answer.id, answer.acceptance) == ("a", Acceptance.POSTPONED)

        task = await task_of(storage, "a")
        assert (task.run_at, task.payload) == (15.0, "{}")
        assert answer.status is Status.QUEUED

    async def test_postpone_never_makes_a_task_run_earlier(self, storage: Storage) -> None:
        await enqueue(storage, ruled("a", run_at=50.0))

        await enqueue(storage, ruled("b", on_repeat=OnRepeat.POSTPONE, run_at=5.0))

        assert (await task_of(storage, "a")).run_at == 50.0

    async def test_what_is_held_or_has_ended_is_neither_replaced_nor_postponed(
        self, storage: Storage
    ) -> None:
        await enqueue(storage, ruled("a", KeyEnd.DELETED))
        before = await task_of(storage, "a")
        [delivery] = await claim(storage)

        for end in (None, DONE):
            if end is not None:
                await settle(storage, delivery, end)
            for on_repeat in (OnRepeat.REPLACE, OnRepeat.POSTPONE):
                new = ruled("b", on_repeat=on_repeat, payload="{}", run_at=9.0)
                assert await enqueue(storage, new) == Accepted(
                    id="a", acceptance=Acceptance.REJECTED
                )
        after = await task_of(storage, "a")
        assert (after.payload, after.run_at) == (before.payload, before.run_at)

    async def test_reject_refuses_all_but_the_very_same_request(self, storage: Storage) -> None:
        first = ruled("a", on_repeat=OnRepeat.REJECT)
        await enqueue(storage, first)

        other = await enqueue(storage, ruled("b", on_repeat=OnRepeat.REJECT))
        unknown = await enqueue(
            storage,
            msgspec.structs.replace(ruled("c", on_repeat=OnRepeat.REJECT), fingerprint=None),
        )
        same = await enqueue(
            storage,
            msgspec.structs.replace(ruled("d", on_repeat=OnRepeat.REJECT), fingerprint="a"),
        )

        assert [each.acceptance for each in (other, unknown, same)] == [
            Acceptance.REJECTED,
            Acceptance.REJECTED,
            Acceptance.REPEATED,
        ]

    async def test_keys_of_different_scopes_are_different_and_found_together(
        self, storage: Storage
    ) -> None:
        keys = ["k", "k\x1faction\x1fmail", "k\x1faction\x1fsync", "k\x1fqueue\x1fmail", "k 2"]

        answers = await storage.insert(
            [ruled(f"{n}", key=key) for n, key in enumerate(keys)], now=0.0
        )

        assert {each.acceptance for each in answers} == {Acceptance.ACCEPTED}
        tasks = await storage.find(limit=9, now=0.0)
        assert [task.unique_key for task in tasks] == ["k 2", "k", "k", "k", "k"]
        found = await storage.search(TaskFilter(unique_key="k"), limit=9, now=0.0)
        assert ids(found.tasks) == ["3", "2", "1", "0"]
        assert [await key_of(storage, task_id) for task_id in "13"] == [
            KeyState(scope=Scope.ACTION, until=KeyEnd.ENDED, is_free=False),
            KeyState(scope=Scope.QUEUE, until=KeyEnd.ENDED, is_free=False),
        ]

    async def test_tasks_are_found_by_a_key_that_they_have_given_up_newest_first(
        self, storage: Storage
    ) -> None:
        for task_id in "abc":
            await enqueue(storage, ruled(task_id))
            [delivery] = await claim(storage)
            await settle(storage, delivery, DONE)
        wanted = TaskFilter(unique_key="k")

        found = await storage.search(wanted, limit=2, now=0.0)
        rest = await storage.search(wanted, after="b", limit=2, now=0.0)
        oldest = await storage.search(wanted, sort=Sort.OLDEST, limit=2, now=0.0)

        assert [ids(each.tasks) for each in (found, rest, oldest)] == [
            ["c", "b"],
            ["a"],
            ["a", "b"],
        ]

    async def test_a_follow_up_obeys_the_rule_of_its_key(self, storage: Storage) -> None:
        await enqueue(storage, new_task("parent"))
        await enqueue(storage, ruled("a", run_at=50.0))
        [parent] = await claim(storage)
        follow_up = ruled("b", on_repeat=OnRepeat.POSTPONE, run_at=70.0)

        await settle(storage, parent, Complete(result="1", follow_ups=(follow_up,)))

        assert (await task_of(storage, "a")).run_at == 70.0
        assert await storage.get("b", now=1.0) is None

    async def test_a_redriven_task_does_not_take_its_key_back_from_another(
        self, storage: Storage
    ) -> None:
        await enqueue(storage, ruled("a"))
        [delivery] = await claim(storage)
        await settle(storage, delivery, BURIAL)
        await enqueue(storage, ruled("b", run_at=50.0))

        await storage.redrive(["a"], now=2.0)

        state = await key_of(storage, "a", now=2.0)
        assert state is not None
        assert state.is_free
        kept = await enqueue(storage, ruled("c", on_repeat=OnRepeat.KEEP), now=2.0)
        assert kept.id == "b"
