"""The part of the storage contract about counts, pauses, retention and the audit trail."""

import msgspec
import pytest

from taskqueue.rules.access import Role
from taskqueue.rules.audit import AuditedChange
from taskqueue.rules.sizes import SetSize, SizeChange
from taskqueue.rules.tasks import ENDED, Release, Settled, Status
from taskqueue.storage.protocol import Storage
from taskqueue.testing.contract.steps import (
    BURIAL,
    DONE,
    SETTLEMENTS,
    add,
    attempts_of,
    claim,
    ids,
    new_task,
    one_life_of_each_status,
    settle,
)


def change(id_: str, role: Role = Role.ADMIN, *, at: float = 1.0) -> AuditedChange:
    """Return a change of the audit trail."""
    return AuditedChange(
        id=id_, at=at, role=role, who="ci", remote="::1", method="POST", path="/a", status=200
    )


class AdministrationContract:
    """A part of `StorageContract`, whose `storage` it is given."""

    async def test_the_size_of_a_pool_is_kept_until_it_is_forgotten(self, storage: Storage) -> None:
        before = await storage.sizes()
        for pool, count in (("a", 3), ("b", 0), ("a", 4), ("c", 1), ("c", None), ("d", None)):
            await storage.set_size(pool, SizeChange(count=count))
        await storage.close()
        await storage.open()

        assert before == {}
        assert await storage.sizes() == {"a": SetSize(count=4), "b": SetSize(count=0)}

    async def test_consumers_and_slots_of_a_pool_are_kept_and_forgotten_apart(
        self, storage: Storage
    ) -> None:
        await storage.set_size("a", SizeChange(slots=8))
        only_slots = await storage.sizes()
        await storage.set_size("a", SizeChange(count=3))
        await storage.set_size("b", SizeChange(count=1, slots=2))
        await storage.close()
        await storage.open()
        both = await storage.sizes()
        await storage.set_size("a", SizeChange(slots=None))
        await storage.set_size("b", SizeChange(count=None, slots=None))

        assert only_slots == {"a": SetSize(slots=8)}
        assert both == {"a": SetSize(count=3, slots=8), "b": SetSize(count=1, slots=2)}
        assert await storage.sizes() == {"a": SetSize(count=3)}

    async def test_counts_tell_how_many_stand_where(self, storage: Storage) -> None:
        empty = await storage.counts()
        expected = await one_life_of_each_status(storage)

        assert empty == dict.fromkeys(Status, 0)
        assert await storage.counts() == {status: len(ids) for status, ids in expected.items()}

    async def test_depths_tell_how_many_have_not_ended_in_each_queue(
        self, storage: Storage
    ) -> None:
        empty = await storage.depths()
        expected = await one_life_of_each_status(storage)
        await add(storage, "a", "b", queue="other")

        assert empty == {}
        assert await storage.depths() == {
            "default": {s: len(ids) for s, ids in expected.items() if s not in ENDED},
            "other": {Status.QUEUED: 2},
        }

    async def test_what_was_accepted_is_found_in_the_counts_whatever_happens_to_it(
        self, storage: Storage
    ) -> None:
        await add(storage, *"abcdefg")
        for delivery, settlement in zip(await claim(storage, limit=6), SETTLEMENTS, strict=True):
            await storage.start([delivery.token], now=0.0)
            await settle(storage, delivery, settlement)

            assert sum((await storage.counts()).values()) == 7

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
        done, released = await claim(storage)
        await storage.pause("default", now=1.0)

        await storage.start([done.token], now=2.0)
        settled = await settle(storage, done, DONE, now=3.0)
        await settle(storage, released, Release())
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

    async def test_expire_deletes_what_ended_before_that_instant_first_ended_first(
        self, storage: Storage
    ) -> None:
        await add(storage, *"abcd")
        a, b, c, d = await claim(storage)
        for delivery, ended_at in ((c, 1.0), (a, 2.0), (d, 3.0), (b, 4.0)):
            await settle(storage, delivery, DONE, now=ended_at)

        first = await storage.expire(Status.COMPLETED, ended_before=4.0, limit=2)
        left = await storage.find(limit=10, now=0.0)
        second = await storage.expire(Status.COMPLETED, ended_before=4.0, limit=2)

        assert (first, ids(left), second) == (2, ["d", "b"], 1)
        assert ids(await storage.find(limit=10, now=0.0)) == ["b"]
        assert (await storage.counts())[Status.COMPLETED] == 1

    async def test_expire_touches_only_its_status(self, storage: Storage) -> None:
        await add(storage, *"abcdefg")
        for delivery, settlement in zip(await claim(storage, limit=6), SETTLEMENTS, strict=True):
            await settle(storage, delivery, settlement)

        expired = await storage.expire(Status.DEAD, ended_before=1e9, limit=100)

        assert expired == 1
        assert await storage.get("d", now=0.0) is None
        assert ids(await storage.find(limit=10, now=0.0)) == list("gfecba")

    async def test_an_expired_task_takes_its_history_along(self, storage: Storage) -> None:
        await add(storage, "a")
        [delivery] = await claim(storage)
        await settle(storage, delivery, BURIAL)
        await storage.expire(Status.DEAD, ended_before=1e9, limit=1)

        await add(storage, "a")

        assert await attempts_of(storage, "a") == ()
        assert await settle(storage, delivery, BURIAL) is Settled.LEASE_LOST

    @pytest.mark.parametrize("status", sorted(set(Status) - ENDED))
    async def test_a_status_that_is_no_end_cannot_be_expired(
        self, storage: Storage, status: Status
    ) -> None:
        await add(storage, "a")

        with pytest.raises(ValueError, match=f"{status} is not an end"):
            await storage.expire(status, ended_before=1e9, limit=1)

        assert await storage.get("a", now=0.0) is not None

    async def test_a_negative_limit_is_refused(self, storage: Storage) -> None:
        await add(storage, "a")
        verbs = (
            claim(storage, limit=-1),
            storage.find(limit=-1, now=0.0),
            storage.expire(Status.DEAD, ended_before=0.0, limit=-1),
            storage.changes(limit=-1),
            storage.trim_changes(Role.ADMIN, before=0.0, most=1, limit=-1),
        )

        for verb in verbs:
            with pytest.raises(ValueError, match="limit must not be negative, and is -1"):
                await verb

    async def test_changes_are_listed_by_id_newest_first_page_by_page(
        self, storage: Storage
    ) -> None:
        a, c = change("a"), change("c", Role.ENQUEUE)
        b = msgspec.structs.replace(change("b", at=0.5), status=503, body='{"all":true}')
        await storage.record_changes([a, c])
        await storage.record_changes([b])

        pages = [
            await storage.changes(limit=2),
            await storage.changes(before="b", limit=2),
            await storage.changes(before="a", limit=2),
        ]

        assert pages == [(c, b), (a,), ()]

    async def test_the_changes_that_name_a_task_are_listed_alone(self, storage: Storage) -> None:
        task, other = "0197a4c8-0000-7000-8000-00000000000a", "0197a4c8-0000-7000-8000-00000000000b"
        named = [
            msgspec.structs.replace(change("a"), path=f"/tasks/{task}"),
            msgspec.structs.replace(change("c"), path=f"/tasks/{task.upper()}/cancel"),
            msgspec.structs.replace(change("e"), body=f'{{"ids":["{other}","{task}"]}}'),
        ]
        others = [
            change("b"),
            msgspec.structs.replace(change("d"), path=f"/tasks/{other}/cancel"),
            msgspec.structs.replace(change("f"), body=f'{{"ids":["{other}"]}}'),
        ]
        await storage.record_changes([*named, *others])

        pages = [
            await storage.changes(task_id=task, limit=2),
            await storage.changes(task_id=task, before="c", limit=2),
            await storage.changes(task_id="0197a4c8-0000-7000-8000-00000000000c", limit=2),
        ]

        assert pages == [(named[2], named[1]), (named[0],), ()]

    async def test_a_change_that_is_recorded_again_is_left_as_it_is(self, storage: Storage) -> None:
        await storage.record_changes([change("a")])

        await storage.record_changes([change("a", at=9.0), change("b")])

        assert await storage.changes(limit=9) == (change("b"), change("a"))

    async def test_old_changes_are_trimmed_oldest_first(self, storage: Storage) -> None:
        for place, id_ in enumerate("abcd"):
            await storage.record_changes([change(id_, at=float(place))])

        trimmed = []
        for _ in range(2):
            deleted = await storage.trim_changes(Role.ADMIN, before=3.0, most=9, limit=2)
            trimmed.append((deleted, [each.id for each in await storage.changes(limit=9)]))

        assert trimmed == [(2, ["d", "c"]), (1, ["d"])]

    async def test_the_latest_changes_of_each_role_are_kept(self, storage: Storage) -> None:
        admin, enqueue = Role.ADMIN, Role.ENQUEUE
        roles = [admin, admin, admin, enqueue, enqueue]
        await storage.record_changes(
            [change(id_, role) for id_, role in zip("abcde", roles, strict=True)]
        )

        trimmed = [
            await storage.trim_changes(role, before=0.0, most=2, limit=9)
            for role in (admin, enqueue)
        ]

        assert trimmed == [1, 0]
        assert [each.id for each in await storage.changes(limit=9)] == ["e", "d", "c", "b"]

    async def test_changes_outlive_a_reopening(self, storage: Storage) -> None:
        await storage.record_changes([change("a")])

        await storage.close()
        await storage.open()

        assert await storage.changes(limit=1) == (change("a"),)
