"""Whatever values user code hands over: each costs its own attempt, and no consumer."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiosqlite
import pytest

from taskqueue.api.context import Context
from taskqueue.executors import loop as loop_module
from taskqueue.executors.outcome import MAX_ERROR
from taskqueue.rules.encoding import NotJSON
from taskqueue.storage.sqlite.engine import SQLiteStorage
from taskqueue.testing.events import EventLog
from tests.actors.world import Lives, World
from tests.executors import odd
from tests.executors.test_eager import WAYS, current_task, fail


@pytest.fixture
async def world(events: EventLog, tmp_path: Path) -> AsyncIterator[World]:
    """A world over a real file, so that whatever is stored has to be what a database holds."""
    lives = Lives()
    file = tmp_path / "tasks.db"
    async with World(events, lambda: SQLiteStorage(file, writes_in="process")) as world:
        yield world
    await lives.assert_no_more()


def add_misbehaving(world: World) -> None:
    @world.app.task("loop", max_attempts=1)
    async def on_loop(ctx: Context, kind: str, name: str) -> object:
        return odd.misbehave(kind, name)

    @world.app.task("thread", max_attempts=1)
    def in_thread(ctx: Context, kind: str, name: str) -> object:
        return odd.misbehave(kind, name)


CASES = [
    *(("error", name) for name in odd.ERRORS),
    *(("retry", name) for name in odd.DELAYS | odd.NO_DELAYS),
    *(("verdict", name) for name in odd.VERDICTS),
    *(("result", name) for name in odd.RESULTS | odd.NO_RESULTS),
]


@pytest.mark.parametrize("executor", ["loop", "thread"])
async def test_no_value_costs_more_than_its_own_task(world: World, executor: str) -> None:
    add_misbehaving(world)
    await world.start()

    ids = [await world.enqueue(executor, kind=kind, name=name) for kind, name in CASES]
    await world.completed(await world.enqueue("quick"), timeout_s=30.0)

    ends = [(await world.history(task_id)).task for task_id in ids]
    assert {str(task.status) for task in ends} == {"completed", "dead", "cancelled"}
    assert all(task.attempt == 1 for task in ends)
    assert world.events.select("actor_crashed") == []


async def test_a_snooze_of_another_number_type_is_written_and_comes_back(world: World) -> None:
    add_misbehaving(world)
    await world.start()

    ids = [await world.enqueue("loop", kind="snooze", name=name) for name in odd.DELAYS]

    for task_id in ids:
        await world.events.wait_for("task_postponed", task_id=task_id)
    assert world.events.select("actor_crashed") == []


async def test_options_of_other_types_are_as_their_base(world: World) -> None:
    @world.app.task(odd.OwnText("typed"), priority=odd.Int64(3), max_attempts=odd.Level.HIGH)  # type: ignore[arg-type]
    async def typed(ctx: Context, x: Any) -> Any:
        return x

    await world.start()
    other = typed.with_options(
        delay_s=odd.Float32(0.01),  # type: ignore[arg-type]
        priority=odd.Int(1),
        unique_key=odd.OwnText("key"),
    )

    first = await typed.enqueue(odd.Int64(5))
    second = await other.enqueue(x={odd.OwnText("a"): odd.Float32(0.5)})
    again = await other.enqueue(x={"a": 0.5})
    await world.completed(first, second)

    tasks = [(await world.history(task_id)).task for task_id in (first, second)]
    assert [(each.result, each.priority) for each in tasks] == [("5", 3), ('{"a":0.5}', 1)]
    assert [each.max_attempts for each in tasks] == [2, 2]
    assert (tasks[1].unique_key, again) == ("key", second)


async def test_parameters_of_other_types_are_stored_as_their_base(
    world: World, tmp_path: Path
) -> None:
    values = [odd.Int(7), odd.Float(1.5), odd.OwnText("a"), odd.Int64(8), odd.Float32(0.5), True]

    @world.app.task("store")
    async def store(ctx: Context) -> list[Any]:
        tx = ctx.transaction()
        tx.execute(odd.OwnText("CREATE TABLE kept (value)"))
        for value in values:
            tx.execute("INSERT INTO kept VALUES (?)", (value,))
            tx.execute("INSERT INTO kept VALUES (:v)", {odd.OwnText("v"): value})
        return [row[0] for row in await tx.fetch("SELECT value FROM kept")]

    await world.start()
    task_id = await world.enqueue("store")
    await world.completed(task_id)

    async with aiosqlite.connect(tmp_path / "tasks.db") as db:
        rows = await db.execute_fetchall("SELECT value FROM kept")
    assert [row[0] for row in rows] == [7, 7, 1.5, 1.5, "a", "a", 8, 8, 0.5, 0.5, 1, 1]


async def test_progress_that_is_no_json_is_refused_on_the_handlers_own_line(world: World) -> None:
    refused: list[str] = []

    @world.app.task("tell")
    async def tell(ctx: Context) -> None:
        for make, _ in odd.NO_RESULTS.values():
            try:
                ctx.progress(make())
            except (NotJSON, SystemExit) as error:
                refused.append(str(error))

    await world.start()
    await world.completed(await world.enqueue("tell"))

    assert len(refused) == len(odd.NO_RESULTS)


async def test_a_result_above_the_limit_is_quoted_in_the_reason(world: World) -> None:
    @world.app.task("large")
    async def large(ctx: Context, size: int) -> str:
        return "ä" * size

    await world.start(max_result_bytes=100)
    fits = await world.enqueue("large", size=49)
    does_not = await world.enqueue("large", size=2000)
    await world.completed(fits)
    await world.events.wait_for("task_dead_lettered", task_id=does_not)

    task = (await world.history(does_not)).task
    start = 'result has 4002 bytes; the limit is 100 (max_result_bytes); it begins: "ää'
    assert (task.reason or "").startswith(start)
    assert len((task.reason or "").encode()) <= MAX_ERROR
    assert task.attempt == 1


# --- slots ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("way", WAYS)
async def test_a_handler_that_cancels_its_own_task_keeps_its_slot(world: World, way: Any) -> None:
    @world.app.task("catches")
    async def catches(ctx: Context) -> object:
        return await way(lambda: "done")

    @world.app.task("raises", max_attempts=1)
    async def raises(ctx: Context) -> object:
        return await way(fail)

    @world.app.task("leaves a timer")
    async def leaves_a_timer(ctx: Context) -> None:
        loop = asyncio.get_running_loop()
        loop.call_soon(loop.call_soon, current_task().cancel)

    await world.start(consumers=1, slots=1)

    caught, raised = await world.enqueue("catches"), await world.enqueue("raises")
    left = await world.enqueue("leaves a timer")
    await world.completed(caught, left, await world.enqueue("quick"))

    assert (await world.history(caught)).task.result == '"done"'
    assert await world.outcomes(raised) == ["failed"]
    assert world.events.select("actor_crashed") == []


@pytest.mark.parametrize("executor", ["loop", "thread"])
async def test_data_that_cancels_the_task_which_converts_it_costs_no_slot(
    world: World, executor: str
) -> None:
    is_enqueued = False

    @dataclass
    class Order:
        number: int

        def __post_init__(self) -> None:
            if is_enqueued:
                str(odd.Cancels())

    async def on_loop(ctx: Context, order: Order) -> int:
        return order.number

    def in_thread(ctx: Context, order: Order) -> int:
        return order.number

    world.app.task("order")(on_loop if executor == "loop" else in_thread)
    await world.start(consumers=1, slots=1)
    await world.begun(await world.enqueue("wait"))
    orders = [await world.enqueue("order", order={"number": number}) for number in range(3)]
    is_enqueued = True
    world.gate.open()

    await world.completed(*orders, await world.enqueue("quick"))

    assert world.events.select("actor_crashed") == []


async def test_a_fault_of_ours_in_one_slot_is_told_and_interrupts_its_neighbour(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def faulty(self: Any, handler: Any, context: Context, kwargs: Any) -> Any:
        if handler.name == "quick" and context.attempt == 1:
            raise KeyError("a fault of ours")
        return await run(self, handler, context, kwargs)

    run = loop_module.LoopExecutor.run
    monkeypatch.setattr(loop_module.LoopExecutor, "run", faulty)
    await world.start(slots=2, drain_s=30)
    neighbour = await world.enqueue("wait")
    await world.begun(neighbour)

    met = await world.enqueue("quick")
    await world.completed(met)  # long before a drain could be over
    world.gate.open()
    await world.completed(neighbour)

    assert await world.outcomes(met) == ["crashed", "completed"]
    assert await world.outcomes(neighbour) == ["interrupted", "completed"]
    [crash] = world.events.select("actor_crashed")
    assert "KeyError('a fault of ours')" in crash["reason"]


async def test_a_crash_of_the_consumer_while_it_drains_is_told_as_what_it_is(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def faulty(self: Any, handler: Any, context: Context, kwargs: Any) -> Any:
        await world.gate.passed()
        raise KeyError("a fault of ours")

    monkeypatch.setattr(loop_module.LoopExecutor, "run", faulty)
    await world.start(drain_s=30)
    task_id = await world.enqueue("wait")
    await world.begun(task_id)

    stopping = asyncio.create_task(world.stop())
    await world.drains()
    world.gate.open()
    await stopping

    [crash] = world.events.select("actor_crashed")
    assert "KeyError('a fault of ours')" in crash["reason"]
