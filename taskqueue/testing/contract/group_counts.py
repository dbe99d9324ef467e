"""The counts of groups, and how groups and their members are found."""

from collections.abc import Sequence

import pytest

from taskqueue.rules.edits import Change
from taskqueue.rules.filters import TaskFilter
from taskqueue.rules.groups import Close, CloseResult, Group
from taskqueue.rules.tasks import (
    Acceptance,
    Delivery,
    NewTask,
    Release,
    SettleBy,
    Settlement,
    Status,
)
from taskqueue.storage.protocol import Storage
from taskqueue.testing.contract.steps import (
    BURIAL,
    CANCEL,
    DONE,
    FAILURE,
    LATER,
    ME,
    add,
    claim,
    ids,
    new_task,
    settle,
)


async def counts_of(storage: Storage, name: str = "import") -> dict[str, int]:
    """Return the counts of a group that are not 0."""
    tasks = (await group_of(storage, name)).tasks
    return {str(status): number for status, number in tasks.items() if number}


async def group_of(storage: Storage, name: str = "import") -> Group:
    """Return a group that is there."""
    group = await storage.get_group(name)
    assert group is not None
    return group


async def close(
    storage: Storage,
    name: str = "import",
    then: NewTask | None = None,
    tasks: Sequence[NewTask] = (),
    *,
    now: float = 2.0,
) -> CloseResult:
    """Close a group."""
    return await storage.close_group(Close(name=name, then=then), tasks, now=now)


async def claim_member(storage: Storage, *, now: float = 0.0) -> Delivery:
    """Claim the first task."""
    [delivery] = await claim(storage, limit=1, now=now)
    return delivery


class GroupCountsContract:
    """The counts of a group are those of its tasks, after every verb."""

    async def test_a_group_is_there_from_its_first_member(self, storage: Storage) -> None:
        await add(storage, "a", "b", group="import", now=5.0)
        await add(storage, "later", group="import", run_at=40.0, now=6.0)
        await add(storage, "alone")

        group = await group_of(storage)

        assert await counts_of(storage) == {"queued": 2, "scheduled": 1}
        assert (group.created_at, group.closed_at, group.ended_at) == (5.0, None, None)
        assert (group.total, group.live, group.progress) == (3, 3, 0.0)
        assert await storage.get_group("unknown") is None
        found = (await storage.search(TaskFilter(), limit=9, now=6.0)).tasks
        assert {task.id: task.group for task in found} == {
            "a": "import",
            "b": "import",
            "later": "import",
            "alone": None,
        }

    @pytest.mark.parametrize(
        ("settlement", "counted"),
        [
            (DONE, "completed"),
            (FAILURE, "retrying"),
            (LATER, "scheduled"),
            (BURIAL, "dead"),
            (CANCEL, "cancelled"),
            (Release(), "queued"),
        ],
        ids=str,
    )
    @pytest.mark.parametrize("starts", [True, False])
    async def test_counts_follow_each_settlement(
        self, storage: Storage, settlement: Settlement, counted: str, *, starts: bool
    ) -> None:
        await add(storage, "a", "b", group="import")
        first = await claim_member(storage)
        if starts:
            await storage.start([first.token], now=0.0)
            assert await counts_of(storage) == {"queued": 1, "running": 1}

        await settle(storage, first, settlement)

        expected = {"queued": 1} | {counted: 2 if counted == "queued" else 1}
        assert await counts_of(storage) == expected

    async def test_a_batch_counts_to_each_group_and_to_none(self, storage: Storage) -> None:
        await add(storage, "a", "b", group="import")
        await add(storage, "c", group="export")
        await add(storage, "d")
        held = await claim(storage)
        await storage.start([held[0].token], now=0.0)

        await storage.settle(
            [SettleBy(token=each.token, settlement=DONE) for each in held], now=1.0
        )

        assert await counts_of(storage) == {"completed": 2}
        assert await counts_of(storage, "export") == {"completed": 1}

    async def test_members_that_need_not_wait_are_counted_too(self, storage: Storage) -> None:
        tasks = [new_task("a", group="import"), new_task("b"), new_task("a", group="other")]

        accepted, claimed = await storage.insert_and_claim(
            tasks, room={"default": 5}, owner=ME, lease_s=30.0, now=1.0
        )

        assert [each.acceptance for each in accepted][2] is Acceptance.REPEATED
        assert [each.task.group for each in claimed] == ["import", None]
        assert await counts_of(storage) == {"queued": 1}
        assert await storage.get_group("other") is None

    async def test_counts_follow_what_an_operator_does(self, storage: Storage) -> None:
        await add(storage, "a", "b", "c", group="import")
        await settle(storage, await claim_member(storage), BURIAL)
        await storage.cancel(["b"], reason="unwanted", now=1.0)
        await storage.edit("c", Change(run_at=90.0), now=1.0)
        assert await counts_of(storage) == {"dead": 1, "cancelled": 1, "scheduled": 1}

        await storage.redrive(["a"], now=2.0)
        await storage.delete(["b"])

        assert await counts_of(storage) == {"queued": 1, "scheduled": 1}

    async def test_a_member_that_expires_counts_as_cancelled(self, storage: Storage) -> None:
        await add(storage, "a", "b", group="import", expires_at=5.0)
        await close(storage)
        await settle(storage, await claim_member(storage), DONE, now=3.0)

        expired = await storage.expire_waiting(limit=9, now=6.0)

        assert [task.id for task in expired] == ["b"]
        assert await counts_of(storage) == {"completed": 1, "cancelled": 1}
        assert (await group_of(storage)).ended_at == 6.0

    async def test_a_repeated_task_is_counted_once(self, storage: Storage) -> None:
        await add(storage, "a", group="import")
        await add(storage, "a", group="import")

        assert await counts_of(storage) == {"queued": 1}

    async def test_a_group_goes_with_its_last_task(self, storage: Storage) -> None:
        await add(storage, "a", "b", group="import")
        await close(storage)
        await settle(storage, await claim_member(storage), DONE)
        await storage.delete(["a"])
        assert await counts_of(storage) == {"queued": 1}
        await settle(storage, await claim_member(storage), DONE, now=3.0)

        await storage.expire(Status.COMPLETED, ended_before=10.0, limit=10)

        assert await storage.get_group("import") is None
        await add(storage, "c", group="import")
        assert (await group_of(storage)).closed_at is None

    async def test_groups_are_listed_newest_first(self, storage: Storage) -> None:
        for name in ("a", "b", "c"):
            await add(storage, name, group=name)
        await settle(storage, await claim_member(storage), DONE)
        await close(storage, "a")

        newest = await storage.groups(limit=2)

        assert [group.name for group in newest] == ["c", "b"]
        older = await storage.groups(before=newest[-1].number, limit=2)
        assert older == (await group_of(storage, "a"),)
        assert [group.name for group in await storage.groups(ended=True, limit=9)] == ["a"]
        assert [group.name for group in await storage.groups(ended=False, limit=9)] == ["c", "b"]
        with pytest.raises(ValueError, match="negative"):
            await storage.groups(limit=-1)

    async def test_members_are_found(self, storage: Storage) -> None:
        await add(storage, "a", "c", group="import")
        await add(storage, "b", group="import", queue="mail")
        await add(storage, "d", group="import", run_at=40.0)
        await add(storage, "e", group="export")
        await settle(storage, await claim_member(storage), BURIAL)

        async def found(**wanted: object) -> list[str]:
            wanted_too = TaskFilter(group="import", **wanted)  # type: ignore[arg-type]
            return ids((await storage.search(wanted_too, limit=9, now=1.0)).tasks)

        assert await found() == ["d", "c", "b", "a"]
        assert await found(queue="mail") == ["b"]
        assert await found(statuses=(Status.DEAD,)) == ["a"]
        assert await found(statuses=(Status.QUEUED,)) == ["c", "b"]
        assert await found(statuses=(Status.SCHEDULED,)) == ["d"]
        due = await storage.search(
            TaskFilter(group="import", statuses=(Status.QUEUED,)), limit=9, now=40.0
        )
        assert ids(due.tasks) == ["d", "c", "b"]
