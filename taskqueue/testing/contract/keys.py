"""The part of the storage contract about what an insert answers, and about unique keys."""

import asyncio
from typing import Any

from taskqueue.rules.tasks import Acceptance, Accepted, Complete, NewTask, Status
from taskqueue.rules.uniqueness import KeyRule, OnRepeat
from taskqueue.storage.protocol import Storage
from taskqueue.testing.contract.steps import (
    BURIAL,
    DONE,
    add,
    claim,
    ids,
    new_task,
    settle,
    task_of,
)

_ACCEPTED, _REPEATED, _CONFLICT, *_ = Acceptance


def keyed(task_id: str, key: str = "k", fingerprint: str = "f", **fields: Any) -> NewTask:
    """Return a task under a unique key."""
    return new_task(task_id, unique_key=key, fingerprint=fingerprint, **fields)


def answer(task_id: str, acceptance: Acceptance) -> Accepted:
    """Return what an insert says about one task."""
    return Accepted(id=task_id, acceptance=acceptance)


class KeyContract:
    """A part of `StorageContract`, whose `storage` it is given."""

    async def test_an_insert_answers_for_each_task_in_the_order_given(
        self, storage: Storage
    ) -> None:
        await add(storage, "b", "d")

        answers = await storage.insert(
            [new_task("c"), new_task("b"), new_task("a", run_at=9.0), new_task("c"), new_task("d")],
            now=0.0,
        )

        assert answers == (
            answer("c", _ACCEPTED),
            answer("b", _REPEATED),
            answer("a", _ACCEPTED),
            answer("c", _REPEATED),
            answer("d", _REPEATED),
        )
        assert await storage.insert([], now=0.0) == ()

    async def test_a_task_shows_the_key_that_it_was_inserted_with(self, storage: Storage) -> None:
        await storage.insert([keyed("a", key="order/7 ✓"), new_task("b")], now=0.0)

        [a, b] = await claim(storage)

        assert (a.task.unique_key, b.task.unique_key) == ("order/7 ✓", None)
        assert (await task_of(storage, "a")).unique_key == "order/7 ✓"

    async def test_the_same_request_under_a_key_is_repeated_and_answered_with_the_first_id(
        self, storage: Storage
    ) -> None:
        first = await storage.insert([keyed("a")], now=1.0)
        before = await storage.get("a", now=1.0)

        second = await storage.insert([keyed("b", run_at=99.0)], now=2.0)

        assert first == (answer("a", _ACCEPTED),)
        assert second == (answer("a", _REPEATED),)
        assert await storage.get("a", now=1.0) == before
        assert await storage.get("b", now=2.0) is None
        assert sum((await storage.counts()).values()) == 1

    async def test_another_request_under_a_key_is_a_conflict_and_the_others_are_accepted(
        self, storage: Storage
    ) -> None:
        await storage.insert([keyed("a", fingerprint="f")], now=0.0)

        answers = await storage.insert(
            [new_task("b"), keyed("c", fingerprint="g"), keyed("d", key="free")], now=0.0
        )

        assert answers == (
            answer("b", _ACCEPTED),
            answer("a", _CONFLICT),
            answer("d", _ACCEPTED),
        )
        assert ids(await storage.find(limit=10, now=0.0)) == ["d", "b", "a"]
        assert (await storage.counts())[Status.QUEUED] == 3

    async def test_the_first_of_two_equal_keys_in_one_insert_wins(self, storage: Storage) -> None:
        answers = await storage.insert(
            [
                keyed("a", run_at=9.0),
                keyed("b"),
                keyed("c", fingerprint="g"),
                keyed("d", key="other"),
            ],
            now=0.0,
        )

        assert answers == (
            answer("a", _ACCEPTED),
            answer("a", _REPEATED),
            answer("a", _CONFLICT),
            answer("d", _ACCEPTED),
        )
        counts = await storage.counts()
        assert (counts[Status.SCHEDULED], counts[Status.QUEUED]) == (1, 1)

    async def test_an_id_whose_key_was_taken_is_free_for_the_next_in_one_insert(
        self, storage: Storage
    ) -> None:
        await storage.insert([keyed("a", key="k")], now=0.0)

        answers = await storage.insert(
            [keyed("b", key="k", run_at=9.0), new_task("b"), keyed("b", key="k")], now=0.0
        )

        assert answers == (answer("a", _REPEATED), answer("b", _ACCEPTED), answer("b", _REPEATED))
        assert (await storage.counts())[Status.SCHEDULED] == 0

    async def test_a_known_id_is_repeated_whatever_its_key(self, storage: Storage) -> None:
        await storage.insert([keyed("a", key="k"), keyed("b", key="l")], now=0.0)

        answers = await storage.insert(
            [keyed("a", key="l", fingerprint="g"), new_task("b")], now=0.0
        )

        assert answers == (answer("a", _REPEATED), answer("b", _REPEATED))
        assert (await task_of(storage, "a")).unique_key == "k"

    async def test_a_task_keeps_its_key_beyond_its_end(self, storage: Storage) -> None:
        await storage.insert([keyed("a")], now=0.0)
        [delivery] = await claim(storage)
        await settle(storage, delivery, DONE)

        assert await storage.insert([keyed("b")], now=2.0) == (answer("a", _REPEATED),)
        assert await claim(storage, now=2.0) == ()

    async def test_a_key_is_free_again_when_its_task_is_expired_or_deleted(
        self, storage: Storage
    ) -> None:
        await storage.insert([keyed("a", key="expired"), keyed("b", key="deleted")], now=0.0)
        a, b = await claim(storage)
        await settle(storage, a, DONE)
        await settle(storage, b, BURIAL)
        await storage.expire(Status.COMPLETED, ended_before=9.0, limit=1)
        await storage.delete(["b"])

        answers = await storage.insert(
            [keyed("c", key="expired", fingerprint="g"), keyed("d", key="deleted")], now=9.0
        )

        assert answers == (answer("c", _ACCEPTED), answer("d", _ACCEPTED))

    async def test_of_many_inserts_at_once_under_one_key_one_is_accepted(
        self, storage: Storage
    ) -> None:
        asked = [keyed(f"{n:03}") for n in range(100)]

        answers = await asyncio.gather(*(storage.insert([task], now=0.0) for task in asked))

        [there] = await storage.find(limit=200, now=0.0)
        answered = [each for [each] in answers]
        assert {each.id for each in answered} == {there.id}
        assert [each.acceptance for each in answered].count(_ACCEPTED) == 1
        assert [each.acceptance for each in answered].count(_REPEATED) == 99
        assert (await storage.counts())[Status.QUEUED] == 1

    async def test_a_conflict_of_a_follow_up_is_passed_over(self, storage: Storage) -> None:
        await storage.insert([keyed("taken"), new_task("parent")], now=0.0)
        [parent] = [each for each in await claim(storage) if each.task.id == "parent"]
        follow_ups = (
            keyed("a", fingerprint="g"),
            keyed("b", key="new"),
            keyed("c", key="new"),
            new_task("d"),
        )

        await settle(storage, parent, Complete(result="1", follow_ups=follow_ups))

        assert (await task_of(storage, "parent")).status is Status.COMPLETED
        assert ids(await storage.find(limit=10, now=0.0)) == ["taken", "parent", "d", "b"]
        counts = await storage.counts()
        assert (counts[Status.QUEUED], counts[Status.COMPLETED]) == (3, 1)

    async def test_a_postponed_task_keeps_the_request_that_its_data_came_from(
        self, storage: Storage
    ) -> None:
        postpones = KeyRule(on_repeat=OnRepeat.POSTPONE)
        await storage.insert([keyed("a", run_at=50.0, key_rule=postpones)], now=0.0)
        other = keyed("b", fingerprint="g", run_at=60.0, key_rule=postpones)
        await storage.insert([other], now=0.0)

        answers = await storage.insert([keyed("c"), keyed("d", fingerprint="g")], now=0.0)

        assert [each.acceptance for each in answers] == [_REPEATED, _CONFLICT]
