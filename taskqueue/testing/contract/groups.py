"""Groups: who may join, when one ends, and what follows."""

import asyncio

import pytest

from taskqueue.rules.groups import CloseAnswer, GroupEnd
from taskqueue.rules.tasks import (
    Acceptance,
    Complete,
    Settled,
    Statement,
    Status,
)
from taskqueue.storage.protocol import Storage
from taskqueue.testing.contract.group_counts import (
    GroupCountsContract,
    claim_member,
    close,
    counts_of,
    group_of,
)
from taskqueue.testing.contract.steps import (
    BURIAL,
    DONE,
    FAILURE,
    ME,
    add,
    claim,
    ids,
    new_task,
    settle,
)

THEN = new_task("then", action="report")


class GroupsContract(GroupCountsContract):
    """A group ends once it is closed and its members have ended, and `then` follows."""

    async def test_what_follows_is_accepted_with_the_last_end(self, storage: Storage) -> None:
        await add(storage, "a", "b", group="import")
        result = await close(storage, then=THEN)
        assert (result.answer, result.group.closed_at) == (CloseAnswer.CLOSED, 2.0)
        await settle(storage, await claim_member(storage), DONE, now=3.0)
        assert await storage.get("then", now=3.0) is None
        assert (await group_of(storage)).ended_at is None

        await settle(storage, await claim_member(storage), BURIAL, now=4.0)

        group = await group_of(storage)
        assert (group.ended_at, group.then_at, group.then_id) == (4.0, 4.0, "then")
        assert (group.total, group.live, group.progress) == (2, 0, 1.0)
        assert await self.is_queued(storage, "then")

    async def is_queued(self, storage: Storage, task_id: str) -> bool:
        history = await storage.get(task_id, now=4.0)
        return history is not None and history.task.status is Status.QUEUED

    async def test_an_open_group_does_not_end(self, storage: Storage) -> None:
        await add(storage, "a", group="import")
        await settle(storage, await claim_member(storage), DONE)
        assert (await group_of(storage)).ended_at is None

        result = await close(storage, then=THEN)

        assert (result.group.ended_at, result.group.then_id) == (2.0, "then")

    async def test_a_group_is_filled_and_closed_in_one_commit(self, storage: Storage) -> None:
        tasks = [new_task("a", group="import"), new_task("b", group="import")]

        result = await close(storage, then=THEN, tasks=tasks)

        assert [each.acceptance for each in result.accepted] == [Acceptance.ACCEPTED] * 2
        assert (result.group.total, result.group.ended_at) == (2, None)

    async def test_a_group_without_members_ends_when_it_is_closed(self, storage: Storage) -> None:
        result = await close(storage, then=THEN)

        assert (result.group.ended_at, result.group.progress) == (2.0, 1.0)
        assert await self.is_queued(storage, "then")
        await storage.expire(Status.COMPLETED, ended_before=2.0, limit=10)
        assert await storage.get_group("import") is not None
        await storage.expire(Status.COMPLETED, ended_before=2.5, limit=10)
        assert await storage.get_group("import") is None

    async def test_a_closed_group_takes_no_members(self, storage: Storage) -> None:
        await add(storage, "a", group="import", unique_key="k", fingerprint="f")
        await close(storage)
        tasks = [
            new_task("b", group="import"),
            new_task("c"),
            new_task("a", group="import"),
            new_task("d", group="import", unique_key="k", fingerprint="f"),
            new_task("e", group="import", unique_key="k", fingerprint="g"),
        ]

        answers = await storage.insert(tasks, now=3.0)

        assert [(each.id, each.acceptance) for each in answers] == [
            ("b", Acceptance.CLOSED),
            ("c", Acceptance.ACCEPTED),
            ("a", Acceptance.REPEATED),
            ("a", Acceptance.REPEATED),
            ("a", Acceptance.CONFLICT),
        ]
        answers, claimed = await storage.insert_and_claim(
            [new_task("f", group="import"), new_task("g", queue="mail")],
            room={"default": 5, "mail": 5},
            owner=ME,
            lease_s=30.0,
            now=3.0,
        )
        assert [each.acceptance for each in answers] == [Acceptance.CLOSED, Acceptance.ACCEPTED]
        assert ids(claimed) == ["g"]
        assert await counts_of(storage) == {"queued": 1}

    @pytest.mark.parametrize("statements", [(), (Statement(sql="SELECT 1"),)])
    async def test_a_member_may_add_to_its_closed_group(
        self, storage: Storage, statements: tuple[Statement, ...]
    ) -> None:
        await add(storage, "a", group="import")
        await add(storage, "b")
        await close(storage, then=THEN)
        member, stranger = await claim(storage)

        await settle(
            storage,
            stranger,
            Complete(result="1", follow_ups=(new_task("no", group="import"),)),
        )
        await settle(
            storage,
            member,
            Complete(
                result="1",
                follow_ups=(new_task("more", group="import"), new_task("other", group="next")),
                statements=statements,
            ),
        )

        assert await counts_of(storage) == {"queued": 1, "completed": 1}
        assert await counts_of(storage, "next") == {"queued": 1}
        assert await storage.get("then", now=1.0) is None
        assert await storage.get("no", now=1.0) is None

    async def test_a_cancelled_member_counts_as_ended(self, storage: Storage) -> None:
        await add(storage, "a", "b", group="import")
        await close(storage, then=THEN)
        held = await claim_member(storage)

        await storage.cancel(["a", "b"], reason="unwanted", now=3.0)
        assert await storage.get("then", now=3.0) is None
        await settle(storage, held, FAILURE, now=4.0)

        assert await counts_of(storage) == {"cancelled": 2}
        assert await self.is_queued(storage, "then")

    async def test_what_follows_is_accepted_though_the_last_member_is_deleted_with_its_end(
        self, storage: Storage
    ) -> None:
        await add(storage, "a", group="import")
        await close(storage, then=THEN)

        await asyncio.gather(
            add(storage, "first"),  # what comes while it is committed shares the next commit
            storage.cancel(["a"], reason="unwanted", now=3.0),
            storage.delete(["a"]),
        )

        assert await storage.get("a", now=4.0) is None
        assert await self.is_queued(storage, "then")

    async def test_what_follows_has_as_long_to_start_as_it_had_at_the_close(
        self, storage: Storage
    ) -> None:
        await add(storage, "a", group="import")
        await close(storage, then=new_task("then", expires_at=302.0))  # at 2.0

        await settle(storage, await claim_member(storage), DONE, now=3_600.0)

        history = await storage.get("then", now=3_600.0)
        assert history is not None
        assert history.task.expires_at == 3_900.0

    async def test_a_redrive_reopens_a_group_but_nothing_follows_again(
        self, storage: Storage
    ) -> None:
        ends: list[GroupEnd] = []
        storage.on_group_end(ends.append)
        await add(storage, "a", group="import")
        await close(storage, then=THEN)
        await settle(storage, await claim_member(storage), BURIAL, now=3.0)
        await storage.delete(["then"])

        await storage.redrive(["a"], now=5.0)
        assert (await group_of(storage)).ended_at is None
        again = [each for each in await claim(storage, now=5.0) if each.task.id == "a"]
        await settle(storage, again[0], DONE, now=6.0)

        group = await group_of(storage)
        assert (group.ended_at, group.then_at, group.then_id) == (6.0, 3.0, "then")
        assert [(end.name, end.then is not None) for end in ends] == [
            ("import", True),
            ("import", False),
        ]

    async def test_a_group_is_closed_once(self, storage: Storage) -> None:
        await add(storage, "a", group="import")
        await close(storage, then=THEN)

        same = await close(storage, then=new_task("again", action="report"), now=5.0)
        other = await close(storage, then=None, tasks=[new_task("b")], now=5.0)

        assert (same.answer, same.group.closed_at) == (CloseAnswer.REPEATED, 2.0)
        assert (other.answer, other.accepted) == (CloseAnswer.CONFLICT, ())
        assert await storage.get("b", now=5.0) is None
        await settle(storage, await claim_member(storage), DONE)
        assert (await group_of(storage)).then_id == "then"
        assert await storage.get("again", now=5.0) is None

    async def test_what_follows_may_be_there_already(self, storage: Storage) -> None:
        await add(storage, "x", unique_key="k", fingerprint="f")
        await add(storage, "y", unique_key="l", fingerprint="f")
        repeated = new_task("r", unique_key="k", fingerprint="f")
        conflict = new_task("c", unique_key="l", fingerprint="g")

        assert (await close(storage, "one", then=repeated)).group.then_id == "x"
        assert (await close(storage, "two", then=conflict)).group.then_id is None

    async def test_groups_can_follow_each_other(self, storage: Storage) -> None:
        await add(storage, "a", group="first")
        await close(storage, "first", then=new_task("then", group="second"))

        await settle(storage, await claim_member(storage), DONE)

        assert await counts_of(storage, "second") == {"queued": 1}
        result = await close(storage, "second", then=new_task("last"))
        assert result.group.ended_at is None
        assert await settle(storage, await claim_member(storage, now=2.0), DONE) is Settled.WRITTEN
        assert await self.is_queued(storage, "last")
