"""Groups with both clients, over HTTP and through the file."""

import asyncio
import sqlite3
from pathlib import Path

import pytest

from taskqueue import (
    AsyncClient,
    CallRefused,
    Client,
    GroupClosed,
    GroupNotFound,
    GroupWaitTimeout,
    InvalidTask,
)
from taskqueue.sqlite import enqueue
from taskqueue.testing.process import ServiceProcess
from tests.client import shop
from tests.client.test_client import in_thread


def counted(tasks: object) -> dict[str, int]:
    assert isinstance(tasks, dict)
    return {str(status): number for status, number in tasks.items() if number}


async def test_a_group_is_filled_closed_and_waited_for(service: ServiceProcess) -> None:
    def script() -> tuple[object, ...]:
        with Client(service.url) as client:
            client.enqueue("add", left=1, right=2, group="import")
            client.enqueue_many([shop.refuse.with_options(group="import").prepare()])
            group = client.group("import")
            group.close(then=shop.add.prepare(3, 4), tasks=[("add", {"left": 5, "right": 6})])
            ended = group.wait(timeout_s=20)
            assert ended.then is not None
            follower = client.task(str(ended.then.task_id))
            redriven = group.redrive()
            again = group.wait(timeout_s=20)
            names = [each.name for each in client.groups(ended=True)]
            members = [task.status for task in client.tasks(group="import", status="completed")]
            return (
                counted(ended.tasks),
                ended.progress,
                follower.result(20),
                redriven,
                again.then == ended.then,
                names,
                len(members),
            )

    told = await in_thread(script)

    assert told == ({"completed": 2, "dead": 1}, 1.0, 7, 1, True, ["import"], 2)


async def test_the_asynchronous_client_has_the_same_words(service: ServiceProcess) -> None:
    async with AsyncClient(service.url) as client:
        await client.enqueue("nap", seconds=60, group="naps")
        group = client.group("naps")
        with pytest.raises(GroupWaitTimeout):
            await group.wait(timeout_s=0.0)
        closed = await group.close()
        waiting = asyncio.create_task(group.wait(timeout_s=20))
        cancelled = await group.cancel("enough")
        ended = await waiting
        listed = [each.name async for each in client.groups()]
        redriven = await group.redrive()
        status = await group.status()

    assert (closed.closed, closed.ended, cancelled, redriven) == (True, False, 1, 0)
    assert (counted(ended.tasks), listed, status) == ({"cancelled": 1}, ["naps"], ended)


async def test_what_is_refused_is_raised_as_what_it_is(service: ServiceProcess) -> None:
    def script() -> None:
        with Client(service.url) as client:
            group = client.group("import")
            with pytest.raises(GroupNotFound):
                group.status()
            with pytest.raises(InvalidTask) as invalid:
                group.close(then=("add", {"left": "two"}))
            assert {fault.field for fault in invalid.value.faults} == {
                "then.data.left",
                "then.data.right",
            }
            group.close()
            group.close()
            with pytest.raises(CallRefused, match="another then"):
                group.close(then=("refuse", {}))
            with pytest.raises(GroupClosed) as closed:
                client.enqueue("refuse", group="import")
            assert closed.value.groups == ("import",)

    await in_thread(script)


def test_the_file_has_the_same_words(queue: Client, path: Path) -> None:
    queue.enqueue("add", left=1, right=2, group="import")
    with sqlite3.connect(path) as db:
        enqueue(db, shop.add.with_options(group="import").prepare(3, 4))
    db.close()
    group = queue.group("import")

    closed = group.close(then=("add", {"left": 5, "right": 6}), tasks=[("refuse", {})])
    with pytest.raises(GroupClosed):
        queue.enqueue("add", group="import")
    with pytest.raises(CallRefused, match="another then"):
        group.close()
    cancelled = group.cancel()

    assert (counted(closed.tasks), closed.ended, cancelled) == ({"queued": 3}, False, 3)
    ended = group.wait(timeout_s=0.0)
    assert ended.then is not None
    assert queue.task(str(ended.then.task_id)).status() == "queued"
    assert [each.name for each in queue.groups()] == ["import"]
    assert len([*queue.tasks(group="import")]) == 3
    assert group.redrive() == 0
    with pytest.raises(GroupNotFound):
        queue.group("lost").status()
    with pytest.raises(InvalidTask):
        queue.group("").close()


async def test_a_group_that_the_file_ends_has_its_task_done_by_the_service(
    service: ServiceProcess, tmp_path: Path
) -> None:
    def script() -> object:
        with Client(f"sqlite:///{tmp_path}/data/tasks.db") as client:
            group = client.group("empty")
            ended = group.close(then=("add", {"left": 1, "right": 1}))
            assert ended.then is not None
            return client.task(str(ended.then.task_id)).result(20)

    assert await in_thread(script) == 2
