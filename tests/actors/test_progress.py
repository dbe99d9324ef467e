"""Progress: what a running handler says of itself."""

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

import pytest

from taskqueue.actors.consumer.attempt_handle import AttemptServices, ConsumerAttemptHandle
from taskqueue.actors.consumer.charges import Charges
from taskqueue.actors.consumer.progress import ProgressReports
from taskqueue.actors.messages import QUEUE
from taskqueue.actors.storage_client import StorageClient
from taskqueue.api.context import Context
from taskqueue.attempt_log import AttemptLog
from taskqueue.errors import ActorUnavailable, StorageUnavailable
from taskqueue.rules.leases.values import Taken
from taskqueue.rules.tasks import Delivery, NewTask
from taskqueue.runtime import System
from taskqueue.testing.claims import claimed
from taskqueue.testing.clock import ManualClock
from taskqueue.testing.events import EventLog
from taskqueue.testing.storage import FaultyStorage
from taskqueue.throttle import PERIOD_S
from tests.actors.world import World


async def progress_of(world: World, task_id: str, wanted: str) -> str | None:
    async with asyncio.timeout(5):
        while (progress := (await world.history(task_id)).task.progress) != wanted:  # noqa: ASYNC110 - a row's change is no event
            await asyncio.sleep(0.01)
    return progress


async def test_the_latest_progress_of_a_running_task_can_be_seen(world: World) -> None:
    @world.app.task("work")
    async def work(ctx: Context) -> None:
        for done in range(100):
            ctx.progress({"done": done})
        await world.gate.passed()

    await world.start()
    task_id = await world.enqueue("work")

    assert await progress_of(world, task_id, '{"done":99}')


async def test_a_thread_reports_as_well(world: World) -> None:
    @world.app.task("work")
    def work(ctx: Context) -> None:
        ctx.progress(0.5)
        world.gate.block()

    await world.start()
    task_id = await world.enqueue("work")

    assert await progress_of(world, task_id, "0.5")


@pytest.mark.parametrize("executor", ["loop", "thread"])
async def test_the_last_progress_of_a_handler_that_ends_at_once_is_kept(
    world: World, executor: str
) -> None:
    async def on_loop(ctx: Context, number: int) -> None:
        ctx.progress(number)

    def in_thread(ctx: Context, number: int) -> None:
        ctx.progress(number)

    world.app.task("work")(on_loop if executor == "loop" else in_thread)
    await world.start()

    task_ids = [await world.enqueue("work", number=number) for number in range(40)]
    for task_id in task_ids:
        await world.ended(task_id)

    found = [(await world.history(task_id)).task.progress for task_id in task_ids]
    assert found == [str(number) for number in range(40)]


async def test_progress_that_cannot_be_written_costs_nothing(
    world: World, storage: FaultyStorage
) -> None:
    @world.app.task("work")
    async def work(ctx: Context) -> None:
        await world.gate.passed()
        ctx.progress("late")

    await world.start()
    task_id = await world.enqueue("work")
    await world.begun(task_id)

    storage.break_down()
    world.gate.open()
    await world.events.wait_for("progress_not_noted")
    storage.repair()
    await world.completed(task_id)

    assert await world.outcomes(task_id) == ["completed"]


def delivery(token: str) -> Delivery:
    task = claimed(NewTask(id="7", action="work", payload="{}"))
    return Delivery(token=token, task=task, expires_at=30.0, started=False)


class Lost(StorageClient):
    """A storage that takes nothing, and counts what it was asked for."""

    def __init__(self) -> None:
        self.asked: list[dict[str, str]] = []

    async def use(self, *args: Any, **kwargs: Any) -> Any:
        self.asked.append(args[1])
        raise StorageUnavailable("the process that writes has ended")


class Tasks:
    """Runs coroutines, and can wait for them."""

    def __init__(self) -> None:
        self._running: list[asyncio.Task[None]] = []

    def start(self, coroutine: Coroutine[Any, Any, None]) -> None:
        self._running.append(asyncio.create_task(coroutine))

    async def done(self) -> None:
        await asyncio.gather(*self._running)


async def test_what_a_loop_cannot_take_yet_is_kept_once_however_often_it_is_reported(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    storage, tasks, starts = Lost(), Tasks(), list[None]()
    reports = ProgressReports(storage, ManualClock(), tasks.start, tasks.start)
    charges = Charges(System().address(QUEUE), ManualClock(), tasks.start)
    taken = Taken(delivery("token"), 0.0, AttemptLog())
    services = AttemptServices.here(
        storage, reports, charges, lambda: starts.append(None), ManualClock()
    )
    handle = ConsumerAttemptHandle(taken, services)
    loop = asyncio.get_running_loop()
    later: list[Callable[[], None]] = []
    monkeypatch.setattr(loop, "call_soon_threadsafe", later.append)

    for number in range(6_000):
        handle.report(str(number))
    [hand_over] = later
    monkeypatch.undo()
    hand_over()
    await tasks.done()

    assert storage.asked == [{"token": "5999"}]
    assert len(starts) == 1


async def test_what_a_loop_takes_in_one_turn_from_all_attempts_is_one_write() -> None:
    storage, tasks = Lost(), Tasks()
    reports = ProgressReports(storage, ManualClock(), tasks.start, tasks.start)

    for number in range(100):
        reports.note(delivery(f"token-{number}"), "1")
    await tasks.done()

    assert [len(each) for each in storage.asked] == [100]


async def test_progress_that_is_lost_all_the_time_is_logged_once_a_second(
    events: EventLog,
) -> None:
    storage, tasks, clock = Lost(), Tasks(), ManualClock()
    reports = ProgressReports(storage, clock, tasks.start, tasks.start)

    async def lose(times: int) -> None:
        for number in range(times):
            reports.note(delivery("token"), str(number))
            await tasks.done()

    await lose(100)
    clock.advance(PERIOD_S)
    await lose(1)

    logged = events.select("progress_not_noted")
    assert [each.get("more") for each in logged] == [None, 99]


async def test_the_progress_of_a_consumer_that_has_ended_is_dropped() -> None:
    def refuse(work: Coroutine[Any, Any, None]) -> None:
        work.close()
        raise ActorUnavailable("consumer-1")

    storage = Lost()
    reports = ProgressReports(storage, ManualClock(), refuse, refuse)

    reports.note(delivery("token"), "1")
    reports.end(delivery("token"))

    assert storage.asked == []
