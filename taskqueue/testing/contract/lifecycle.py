"""The part of the storage contract about migrating, opening, probing and closing."""

import pytest

from taskqueue.errors import StorageUnavailable
from taskqueue.rules.tasks import SettleBy, Statement, Status
from taskqueue.storage.protocol import Storage
from taskqueue.testing.contract.steps import DONE, ME, STALE, add, claim, ids, new_task


class LifecycleContract:
    """A part of `StorageContract`, whose `storage` it is given."""

    async def test_migrating_again_beside_an_open_storage_takes_no_step(
        self, storage: Storage
    ) -> None:
        await add(storage, "a")

        taken = await storage.migrate()

        assert taken == ()
        assert ids(await claim(storage)) == ["a"]

    async def test_what_was_written_is_there_after_close_and_open(self, storage: Storage) -> None:
        await add(storage, "a")
        before = await storage.get("a", now=0.0)

        await storage.close()
        await storage.open()

        assert await storage.get("a", now=0.0) == before

    async def test_every_verb_of_a_closed_storage_is_unavailable(self, storage: Storage) -> None:
        await storage.close()

        verbs = (
            storage.insert([new_task("a")], now=0.0),
            storage.insert_and_claim(
                [new_task("a")], room={"default": 1}, owner=ME, lease_s=1.0, now=0.0
            ),
            claim(storage),
            storage.start(["token"], now=0.0),
            storage.extend(["token"], lease_s=1.0, now=0.0),
            storage.report({STALE: "1"}, now=0.0),
            storage.dry_run((), Statement(sql="SELECT 1"), limit_s=1.0),
            storage.settle([SettleBy(token=STALE, settlement=DONE)], now=0.0),
            storage.cancel(["a"], reason="not wanted", now=0.0),
            storage.held(ME),
            storage.cancel_requests(ME),
            storage.rescue(ME, now=0.0),
            storage.next_due("default"),
            storage.all_due(),
            storage.get("a", now=0.0),
            storage.find(limit=1, now=0.0),
            storage.counts(),
            storage.depths(),
            storage.redrive(["a"], now=0.0),
            storage.expire(Status.DEAD, ended_before=0.0, limit=1),
        )

        for verb in verbs:
            with pytest.raises(StorageUnavailable):
                await verb

    async def test_opening_and_closing_twice_is_harmless(self, storage: Storage) -> None:
        await storage.open()
        await add(storage, "a")

        await storage.close()
        await storage.close()
        await storage.open()

        assert ids(await claim(storage)) == ["a"]

    async def test_the_verbs_of_administration_are_unavailable_while_it_is_closed(
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

    async def test_a_probe_leaves_nothing_behind(self, storage: Storage) -> None:
        await add(storage, "a")
        before = await storage.get("a", now=0.0)

        await storage.probe()
        await storage.probe()

        assert await storage.get("a", now=0.0) == before
        assert ids(await storage.find(limit=10, now=0.0)) == ["a"]
        assert sum((await storage.counts()).values()) == 1
