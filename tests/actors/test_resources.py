"""The app's resources: opened with a consumer, shared by its handlers, closed at its end."""

import asyncio
import itertools
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from typing import Any, NoReturn

import pytest

from taskqueue import Context
from taskqueue.errors import NoResources, ServiceNotStarted
from taskqueue.executors import resources as resources_module
from taskqueue.testing.claims import claimed
from tests.actors.world import PATIENCE_S, World


class Pool:
    """A resource that knows whether it is open, and may refuse to open or to close."""

    def __init__(self, world: World) -> None:
        self.opened: list[int] = []
        self.closed: list[int] = []
        self.at_open: Callable[[int], Coroutine[Any, Any, None]] | None = None
        self.at_close: Callable[[], Coroutine[Any, Any, None]] | None = None
        self._numbers = itertools.count(1)
        world.app.resources(self._resources)

        @world.app.task
        async def on_loop(ctx: Context[int]) -> int:
            return ctx.resources

        @world.app.task
        def in_thread(ctx: Context[int]) -> int:
            return ctx.resources

        @world.app.task(max_attempts=1)
        async def crash(ctx: Context[int]) -> NoReturn:
            raise SystemExit

    @asynccontextmanager
    async def _resources(self) -> AsyncIterator[int]:
        number = next(self._numbers)
        if self.at_open is not None:
            await self.at_open(number)
        self.opened.append(number)
        try:
            yield number
        finally:
            self.closed.append(number)
            if self.at_close is not None:
                await self.at_close()


@pytest.fixture
def pool(world: World) -> Pool:
    return Pool(world)


async def result(world: World, task_id: str) -> str | None:
    await world.completed(task_id)
    return (await world.history(task_id)).task.result


async def test_the_handlers_of_a_consumer_share_one(world: World, pool: Pool) -> None:
    await world.start(consumers=1)

    tasks = [await world.enqueue(each) for each in ("on_loop", "in_thread", "on_loop")]

    assert [await result(world, each) for each in tasks] == ["1", "1", "1"]
    assert pool.opened == [1]


async def test_each_consumer_has_its_own(world: World, pool: Pool) -> None:
    await world.start(consumers=3)

    assert sorted(pool.opened) == [1, 2, 3]
    assert pool.closed == []


async def test_they_are_closed_after_the_last_handler(world: World, pool: Pool) -> None:
    closed_before = []

    @world.app.task
    async def last(ctx: Context[int]) -> None:
        await world.gate.passed()
        closed_before.extend(pool.closed)

    await world.start(consumers=1)
    task_id = await world.enqueue("last")
    await world.begun(task_id)

    stopping = asyncio.create_task(world.stop(drain_s=PATIENCE_S))
    await world.drains()
    world.gate.open()
    await stopping

    assert closed_before == []
    assert pool.closed == [1]


async def test_they_are_closed_when_a_consumer_is_removed(world: World, pool: Pool) -> None:
    await world.start(consumers=2)

    await world.resize(1)

    assert len(pool.closed) == 1


@pytest.mark.parametrize("end", ["kill", "crash"])
async def test_a_consumer_that_ends_gets_new_ones(world: World, pool: Pool, end: str) -> None:
    await world.start(consumers=1)

    if end == "kill":
        world.consumers[0].kill()
    else:
        await world.enqueue("crash")
    await world.events.wait_for("child_restarted", child_id="consumer-1")

    assert pool.closed == [1]
    assert await result(world, await world.enqueue("on_loop")) == "2"


async def test_a_failure_to_open_is_one_line_and_tried_again(world: World, pool: Pool) -> None:
    async def fail_twice(number: int) -> None:
        if 1 < number < 4:
            raise ConnectionRefusedError("no database\nat 10.0.0.1")

    pool.at_open = fail_twice
    await world.start(consumers=1)
    world.consumers[0].kill()
    await world.events.wait_for("child_start_failed")
    task_id = await world.enqueue("on_loop")

    assert await result(world, task_id) == "4"
    assert (await world.history(task_id)).task.attempt == 1
    failures = world.events.select("child_start_failed")
    assert [each["reason"] for each in failures] == [
        "ResourcesNotOpened: resources not opened: ConnectionRefusedError: no database at 10.0.0.1"
    ] * 2
    assert all("exc_info" not in each for each in failures)
    assert world.events.select("actor_crashed") == []


async def test_a_service_whose_resources_do_not_open_does_not_start(
    world: World, pool: Pool
) -> None:
    async def fail(_: int) -> None:
        raise SystemExit("no database")

    pool.at_open = fail

    with pytest.raises(ServiceNotStarted, match="resources not opened: SystemExit: no database"):
        await world.start(consumers=1)


async def test_an_opening_that_hangs_has_failed(
    world: World, pool: Pool, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def hang(_: int) -> None:
        await asyncio.get_running_loop().create_future()

    monkeypatch.setattr(resources_module, "OPEN_S", 0.05)
    pool.at_open = hang

    with pytest.raises(ServiceNotStarted, match=r"resources not opened: still opening after 0\.05"):
        await world.start(consumers=1)


async def stick() -> None:
    while True:
        try:
            await asyncio.sleep(0.2)
        except asyncio.CancelledError:
            return


async def fail() -> NoReturn:
    raise OSError("not\nnow")


@pytest.mark.parametrize(
    ("at_close", "reason"), [(fail, "OSError: not now"), (stick, "still closing after 0.05 s")]
)
async def test_a_close_that_fails_or_hangs_is_one_line(
    world: World,
    pool: Pool,
    monkeypatch: pytest.MonkeyPatch,
    at_close: Callable[[], Coroutine[Any, Any, None]],
    reason: str,
) -> None:
    monkeypatch.setattr(resources_module, "CLOSE_S", 0.05)
    pool.at_close = at_close
    await world.start(consumers=1)

    assert await world.stop()

    [line] = world.events.select("resources_close_failed")
    assert (line["consumer"], line["reason"]) == ("consumer-1", reason)


async def test_a_consumer_whose_resources_end_is_restarted(
    world: World, pool: Pool, monkeypatch: pytest.MonkeyPatch
) -> None:
    @asynccontextmanager
    async def in_a_group() -> AsyncIterator[int]:
        async with asyncio.TaskGroup() as group, pool._resources() as number:
            if number == 1:
                group.create_task(lose())
            yield number

    async def lose() -> NoReturn:
        await world.gate.passed()
        raise ConnectionResetError("gone")

    monkeypatch.setattr(world.app, "open_resources", in_a_group)
    await world.start(consumers=1)

    world.gate.open()
    end = await world.events.wait_for("child_terminated", child_id="consumer-1")

    assert end["reason"].startswith("ResourcesLost: resources lost: ExceptionGroup: ")
    assert await result(world, await world.enqueue("on_loop")) == "2"
    assert pool.closed == [1]


async def test_a_handler_that_cancels_all_tasks_leaves_them(world: World, pool: Pool) -> None:
    @world.app.task
    async def cancel_all(ctx: Context[int]) -> None:
        for each in asyncio.all_tasks() - {asyncio.current_task()}:
            each.cancel()

    await world.start(consumers=1)
    await world.completed(await world.enqueue("cancel_all"))

    assert await result(world, await world.enqueue("on_loop")) == "1"


async def test_without_any_a_handler_that_asks_fails(world: World) -> None:
    @world.app.task(max_attempts=1)
    async def ask(ctx: Context[int]) -> int:
        return ctx.resources

    await world.start(consumers=1)
    task_id = await world.enqueue("ask")

    end = await world.events.wait_for("task_dead_lettered", task_id=task_id)
    assert end["reason"].startswith(
        "the only attempt failed: taskqueue.errors.NoResources: ctx.resources: this app has none"
    )


def test_a_test_of_a_handler_brings_its_own(world: World) -> None:
    task = claimed(world.prepare("quick"))

    assert Context(task, resources=7).resources == 7
    with pytest.raises(NoResources):
        _ = Context(task).resources
