"""The part of the storage contract about the nodes that share it."""

import pytest
from msgspec.structs import replace

from taskqueue.errors import StorageUnavailable
from taskqueue.rules.nodes import FORGOTTEN_S, Heartbeat, ServiceNode
from taskqueue.rules.tasks import Owner
from taskqueue.storage.protocol import Storage
from taskqueue.testing.contract.steps import ANOTHER, EARLIER_ME, ME, add, claim


def heartbeat(owner: Owner, *, running: int = 0) -> Heartbeat:
    """Return what a node says."""
    return Heartbeat(
        owner=owner,
        version="1.2.3",
        address="http://127.0.0.1:8080",
        started_at=1.0,
        queues=("default", "mail"),
        consumers=2,
        slots=64,
        running=running,
    )


class NodesContract:
    """A part of `StorageContract`, whose `storage` it is given."""

    async def test_nodes_are_listed_by_name_with_their_latest_heartbeats(
        self, storage: Storage
    ) -> None:
        await storage.beat(heartbeat(ANOTHER), now=2.0)
        await storage.beat(heartbeat(ME), now=3.0)
        await storage.beat(heartbeat(ANOTHER, running=1), now=4.0)

        assert await storage.nodes() == (
            ServiceNode(said=heartbeat(ME), beat_at=3.0),
            ServiceNode(said=heartbeat(ANOTHER, running=1), beat_at=4.0),
        )

    async def test_a_node_that_leaves_is_not_listed(self, storage: Storage) -> None:
        await storage.beat(heartbeat(ME), now=2.0)
        await storage.beat(heartbeat(ANOTHER), now=2.0)

        await storage.leave(ME)
        await storage.leave(ME)

        assert [each.name for each in await storage.nodes()] == [ANOTHER.node]

    async def test_an_earlier_life_that_leaves_does_not_take_the_new_one_away(
        self, storage: Storage
    ) -> None:
        await storage.beat(heartbeat(EARLIER_ME), now=1.0)
        await storage.beat(heartbeat(ME), now=2.0)

        await storage.leave(EARLIER_ME)

        assert [each.said.owner for each in await storage.nodes()] == [ME]

    async def test_a_node_that_was_silent_for_long_is_forgotten(self, storage: Storage) -> None:
        await storage.beat(heartbeat(ANOTHER), now=1.0)

        await storage.beat(heartbeat(ME), now=1.0 + FORGOTTEN_S)
        kept = await storage.nodes()
        await storage.beat(heartbeat(ME), now=1.5 + FORGOTTEN_S)

        assert [each.name for each in kept] == [ME.node, ANOTHER.node]
        assert [each.name for each in await storage.nodes()] == [ME.node]

    async def test_a_node_drains_from_the_first_request_until_it_is_resumed(
        self, storage: Storage
    ) -> None:
        for owner in (ME, ANOTHER):
            await storage.beat(heartbeat(owner), now=1.0)

        answers = [await storage.drain_node(ME.node, now=now) for now in (2.0, 3.0)]
        await storage.beat(heartbeat(ME, running=1), now=4.0)
        [mine, other] = await storage.nodes()

        assert answers == [True, True]
        assert (mine.draining_since, other.draining_since) == (2.0, None)
        assert (await storage.is_draining(ME), await storage.is_draining(ANOTHER)) == (True, False)
        assert await storage.resume_node(ME.node)
        assert not await storage.is_draining(ME)
        [mine, _] = await storage.nodes()
        assert mine == ServiceNode(said=heartbeat(ME, running=1), beat_at=4.0)

    async def test_a_new_life_of_a_node_does_not_drain(self, storage: Storage) -> None:
        await storage.beat(heartbeat(EARLIER_ME), now=1.0)
        await storage.drain_node(ME.node, now=2.0)

        before = await storage.is_draining(ME)
        await storage.beat(heartbeat(ME), now=3.0)

        assert (before, await storage.is_draining(ME)) == (False, False)
        [node] = await storage.nodes()
        assert node.draining_since is None

    async def test_a_node_that_is_not_there_cannot_be_drained(self, storage: Storage) -> None:
        await storage.beat(heartbeat(ME), now=1.0)

        assert not await storage.drain_node("nowhere", now=2.0)
        assert not await storage.resume_node("nowhere")
        assert [each.draining_since for each in await storage.nodes()] == [None]

    async def test_the_first_lease_of_another_node_to_end(self, storage: Storage) -> None:
        await add(storage, "a", "b", "c")
        await claim(storage, limit=1, owner=ME, lease_s=5.0)
        none_yet = await storage.next_lease_end(ME)

        await claim(storage, limit=1, owner=ANOTHER, lease_s=30.0)
        await claim(storage, limit=1, owner=replace(ANOTHER, incarnation="2"), lease_s=20.0)

        assert none_yet is None
        assert await storage.next_lease_end(ME) == 20.0
        assert await storage.next_lease_end(ANOTHER) == 5.0

    async def test_the_verbs_about_nodes_are_unavailable_while_it_is_closed(
        self, storage: Storage
    ) -> None:
        await storage.close()

        verbs = (
            storage.beat(heartbeat(ME), now=0.0),
            storage.leave(ME),
            storage.nodes(),
            storage.drain_node(ME.node, now=0.0),
            storage.resume_node(ME.node),
            storage.is_draining(ME),
            storage.next_lease_end(ME),
        )

        for verb in verbs:
            with pytest.raises(StorageUnavailable):
                await verb
